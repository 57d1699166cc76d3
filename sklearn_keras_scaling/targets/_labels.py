"""Targets that are labels: one class a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._validation import check_labels
from ..checks import TargetKind
from ..maps import IDENTITY, BothClasses
from ..training import loss_name, make_loss, make_metrics
from ._probabilities import check_probabilities, refuse_logits
from ._target import Target


class Labels(Target):
    """Labels of any dtype, one a row.

    The network returns a probability for each class, or that of the second of two alone.

    Parameters
    ----------
    class_weight : dict, "balanced" or None, default=None
        Weights of the labels in the training loss; "balanced" makes the classes equal.
    loss : object, default=None
        As given to the estimator; it decides whether two classes have one column or two.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    """

    classes_: np.ndarray
    _totals: dict[Any, float]

    def __init__(self, class_weight: Any = None, *, loss: Any = None) -> None:
        self.class_weight = class_weight
        self.loss = loss

    @property
    def kind(self) -> TargetKind:
        """One label."""
        return TargetKind("label")

    # Raw values

    def check(self, estimator: Any, y: Any, argument: str) -> np.ndarray:
        """Return labels of shape (n_samples,)."""
        return check_labels(estimator, y, argument)

    def learn(self, y: np.ndarray, more: bool = False) -> None:
        """Learn the classes."""
        if more:
            self._match_shape(y, "y")
        found = np.unique(y)
        self.classes_ = np.union1d(self.classes_, found) if more else found

    def match(self, y: np.ndarray, argument: str) -> None:
        """Raise ``ValueError`` if a label is new."""
        self._match_shape(y, argument)
        unknown = np.setdiff1d(y, self.classes_).tolist()
        if unknown:
            raise ValueError(
                f"The label {unknown[0]!r} is none of those that the first fit saw: "
                f"{self.classes_.tolist()}."
            )

    def _match_shape(self, y: np.ndarray, argument: str) -> None:
        if y.ndim != 1:
            raise ValueError(
                f"{argument} has shape {y.shape}, but the y of fit had one column of labels. Pass "
                "labels of the same kind."
            )

    def count(self, y: np.ndarray, weight: np.ndarray | None, more: bool) -> None:
        """Count each class, by weight."""
        labels, index = np.unique(y, return_inverse=True)
        totals = np.bincount(index, weight).tolist()
        before = self._totals if more else {}
        found = dict(zip(labels.tolist(), totals, strict=True))
        self._totals = {
            label: before.get(label, 0.0) + found.get(label, 0.0) for label in {**before, **found}
        }

    def strata(self, y: np.ndarray) -> np.ndarray | None:
        """Return the labels."""
        return y

    def weights(
        self, y: np.ndarray, weight: np.ndarray | None, mean: float | None, trains: bool
    ) -> np.ndarray | None:
        """Return the weights of the labels, times those of their rows."""
        of_row = super().weights(y, weight, mean, trains)
        if self.class_weight is None or not trains:
            return of_row
        of_class = self._class_weights()[np.searchsorted(self.classes_, y)]
        return of_class if of_row is None else of_row * of_class

    def _class_weights(self) -> np.ndarray:
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            totals = np.array([self._totals.get(c, 0.0) for c in self.classes_.tolist()])
            share = np.where(totals > 0, totals, np.inf)
            return totals.sum() / ((totals > 0).sum() * share)
        if not isinstance(self.class_weight, dict):
            raise ValueError(
                f'class_weight must be a dict, "balanced" or None, got {self.class_weight!r}.'
            )
        unknown = [label for label in self.class_weight if label not in self.classes_]
        if unknown:
            raise ValueError(
                f"class_weight names the label {unknown[0]!r}, but y has {self.classes_.tolist()}."
            )
        weights = np.array([self.class_weight.get(label, 1.0) for label in self.classes_.tolist()])
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError(
                f"class_weight must have finite weights >= 0, one of them above 0, got "
                f"{self.class_weight!r}."
            )
        return weights

    # The network

    def offers(self) -> dict[str, Any]:
        """Return one column for two classes, else one a class, of probabilities."""
        count = len(self.classes_)
        if count < 2:
            raise ValueError(
                f"y has one class only ({self.classes_.tolist()[0]!r}), but a classifier needs "
                "at least two classes. Check how the rows were chosen."
            )
        loss = "" if self.loss is None else loss_name(make_loss(self.loss, {}))
        one_column = count == 2 and "categorical" not in loss
        return {
            "output_shape": (1,) if one_column else (count,),
            "output_activation": "sigmoid" if one_column else "softmax",
            "n_classes": count,
            "classes": self.classes_,
        }

    @property
    def expected(self) -> str:
        """What a network should return."""
        return f"{self._named('y')} has {len(self.classes_)} classes. {self._advice}"

    @property
    def _advice(self) -> str:
        count = len(self.classes_)
        either = " or Dense(1, 'sigmoid')" if count == 2 else ""
        return f"End the network with Dense({count}, 'softmax'){either}"

    def fit_output(self, output: np.ndarray, network: str) -> bool:
        """Learn whether the output has one column for two classes."""
        count, shape = len(self.classes_), output.shape
        if len(shape) != 2 or shape[1] not in ({1, 2} if count == 2 else {count}):
            return False
        check_probabilities(output, network, self._advice, add_up=shape[1] > 1)
        self._has_one_column = shape[1] == 1
        self._map = BothClasses() if self._has_one_column else IDENTITY
        return True

    def make_loss(self, loss: Any, routed: dict[str, Any]) -> Any:
        """Return the loss; by default the cross-entropy."""
        default = "binary" if self._has_one_column else "sparse_categorical"
        given = self.loss if loss is None else loss
        made = make_loss(f"{default}_crossentropy" if given is None else given, routed)
        name = loss_name(made)
        refuse_logits(made)
        if "categorical" in name and self._has_one_column:
            raise ValueError(
                f"loss={name!r} needs a column for each class, but the network returns one. End it "
                "with Dense(2, 'softmax'), or use 'binary_crossentropy'."
            )
        return made

    def make_metrics(self, metrics: Any) -> list[Any]:
        """Return metrics of classes and their probabilities."""
        return make_metrics(metrics)

    def encode(self, y: np.ndarray, loss: Any) -> np.ndarray:
        """Return numbers of the classes, or rows with a 1 for each."""
        index = np.searchsorted(self.classes_, y)
        if self._has_one_column:
            return index[:, None].astype("float32")
        if loss_name(loss).startswith("sparse"):
            return index[:, None].astype("int32")
        return np.eye(len(self.classes_), dtype="float32")[index]

    # Predictions

    def most_probable(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the most probable class of each row."""
        return self.classes_[probabilities.argmax(axis=1)]
