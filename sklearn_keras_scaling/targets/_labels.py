"""Targets that are labels: one class a row, or one at each place of a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._validation import check_classes, check_column, read_labels
from ..checks import TargetKind
from ..maps import IDENTITY, BothClasses, Chain, Inverse, Map, Squeeze
from ..training import (
    LabelsLoss,
    LabelsMetric,
    chosen_metric,
    loss_name,
    make_loss,
    make_metrics,
)
from ._class_weights import weights_of_classes
from ._gaps import known, known_values
from ._probabilities import LabelTarget, check_probabilities, loss_of_cells, refuse_logits
from ._target import spread


class Labels(LabelTarget):
    """Labels of any dtype: one a row, or one for each step of a sequence or pixel of an image.

    The network returns a probability for each class on its last axis, or that of the second of
    two alone. None and NaN are not known: they count nowhere, and are predicted.

    Parameters
    ----------
    class_weight : dict, "balanced" or None, default=None
        Weights of the labels in the training loss; "balanced" makes the classes equal.
    missing_label : object, default=None
        Another label that is not known.
    loss : object, default=None
        Loss; None is the cross-entropy. It decides whether two classes have one column or two.
    metrics : list, default=None
        Names, functions, ``keras.metrics.Metric``.
    weight : float, default=1.0
        Of the loss against those of other targets.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    shape_ : tuple of int
        Of the labels of a row; empty for one.

    Examples
    --------
    >>> from sklearn_keras_scaling import Labels
    >>> target = Labels("balanced", missing_label=-1).bound()
    >>> target.learn(np.array([[3, -1], [5, 3]]))
    >>> target.classes_, target.shape_
    (array([3, 5]), (2,))
    """

    classes_: np.ndarray
    shape_: tuple[int, ...]
    _totals: dict[Any, float]
    #: Of the network's output: "classes" (a column for each), "column" (that of the second of
    #: two), "cells" (the same without an axis), "cumulative" (a column less than classes).
    _layout: str
    _is_sparse = False

    @property
    def kind(self) -> TargetKind:
        """One label, or at each place the probability of the second of two."""
        return TargetKind("cells" if self._layout == "cells" else "label")

    # Raw values

    def check(self, estimator: Any, y: Any, argument: str) -> np.ndarray:
        """Return labels, of shape (n_samples,) if they are one a row."""
        labels = read_labels(y, argument)
        if labels.ndim < 2 or labels.shape[1:] == (1,):
            labels = check_column(y, argument, warn=self.name_ is None)
        check_classes(estimator, known_values(labels, self.missing_label), y, argument)
        return labels

    def learn(self, y: np.ndarray, more: bool = False) -> None:
        """Learn the classes, and the shape of a row."""
        if more:
            self._match_shape(y, "y")
        self.shape_ = y.shape[1:]
        found = np.unique(self._values(y))
        self.classes_ = np.union1d(self.classes_, found) if more else found

    def learn_classes(self, classes: Any) -> None:
        """Learn all labels that there may be."""
        self.classes_ = np.unique(classes)

    def match(self, y: np.ndarray, argument: str) -> None:
        """Raise ``ValueError`` if a label is new."""
        self._match_shape(y, argument)
        unknown = np.setdiff1d(self._values(y), self.classes_).tolist()
        if unknown:
            raise ValueError(
                f"The label {unknown[0]!r} is none of those that the first fit saw: "
                f"{self.classes_.tolist()}."
            )

    def _match_shape(self, y: np.ndarray, argument: str) -> None:
        if y.shape[1:] != self.shape_:
            had = f"samples of shape {self.shape_}" if self.shape_ else "one column of labels"
            raise ValueError(
                f"{argument} has shape {y.shape}, but the y of fit had {had}. Pass labels of the "
                "same kind."
            )

    def known(self, y: np.ndarray) -> np.ndarray | None:
        """Return where there is a label."""
        return known(y, self.missing_label)

    def _values(self, y: np.ndarray) -> np.ndarray:
        """Return the labels that are known, flat."""
        return known_values(y, self.missing_label)

    def _index(self, y: np.ndarray) -> np.ndarray:
        """Return the number of each label in ``classes_``, -1 where it is not known."""
        order = np.argsort(self.classes_, kind="stable")
        found = order[np.searchsorted(self.classes_, self._values(y), sorter=order)]
        is_known = self.known(y)
        if is_known is None:
            return found.reshape(y.shape)
        index = np.full(y.shape, -1)
        index[is_known] = found
        return index

    def count(self, y: np.ndarray, weight: np.ndarray | None, more: bool) -> None:
        """Count each class, by weight."""
        labels, index = np.unique(self._values(y), return_inverse=True)
        if weight is not None:
            is_known = self.known(y)
            of_all = np.broadcast_to(spread(weight, y), y.shape)
            weight = of_all.ravel() if is_known is None else of_all[is_known]
        totals = np.bincount(index.ravel(), weight, len(labels)).tolist()
        before = self._totals if more else {}
        found = dict(zip(labels.tolist(), totals, strict=True))
        self._totals = {
            label: before.get(label, 0.0) + found.get(label, 0.0) for label in {**before, **found}
        }

    def strata(self, y: np.ndarray) -> np.ndarray | None:
        """Return the labels, if they are one a row."""
        return None if self.shape_ else y

    def weights(
        self, y: np.ndarray, weight: np.ndarray | None, mean: float | None, trains: bool
    ) -> np.ndarray | None:
        """Return the weights of the labels, times those of their rows."""
        of_row = super().weights(y, weight, mean, trains)
        if self.class_weight is None or not trains:
            return of_row
        of_classes = weights_of_classes(
            self.class_weight, self.classes_.tolist(), self._totals, self._named("class_weight")
        )
        of_labels = of_classes[self._index(y)]
        return of_labels if of_row is None else spread(of_row, y) * of_labels

    # The network

    def offers(self) -> dict[str, Any]:
        """Return one column for two classes, else one a class, of probabilities."""
        count = self._n_classes()
        loss = "" if self.loss is None else loss_name(make_loss(self.loss, {}))
        one_column = count == 2 and "categorical" not in loss
        return {
            "output_shape": (*self.shape_, 1 if one_column else count),
            "output_activation": "sigmoid" if one_column else "softmax",
            "n_classes": count,
            "classes": self.classes_,
        }

    def _n_classes(self) -> int:
        count, y = len(self.classes_), self._named("y")
        if not count:
            raise ValueError(
                f"{y} has no known label: all are missing. Leave the column out, or is "
                f"missing_label={self.missing_label!r} meant?"
            )
        if count < 2:
            raise ValueError(
                f"{y} has one class only ({self.classes_.tolist()[0]!r}), but a classifier needs "
                "at least two classes. Check how the rows were chosen."
            )
        return count

    @property
    def expected(self) -> str:
        """What a network should return."""
        places = f" at each of {self.shape_} places in a row" if self.shape_ else ""
        return f"{self._named('y')} has {len(self.classes_)} classes{places}. {self._advice}"

    @property
    def _advice(self) -> str:
        count = len(self.classes_)
        either = " or Dense(1, 'sigmoid')" if count == 2 else ""
        return f"End the network with Dense({count}, 'softmax'){either}{self._told_shape(count)}"

    def _told_shape(self, n_columns: int) -> str:
        return f", outputs of shape {('batch', *self.shape_, n_columns)}" if self.shape_ else ""

    def fit_output(self, output: np.ndarray, network: str) -> bool:
        """Learn whether the output has one column for two classes, or none."""
        count, found = len(self.classes_), tuple(output.shape[1:])
        layouts: dict[tuple[int, ...], tuple[str, Map]] = {}
        if count == 2:
            layouts[(*self.shape_, 1)] = "column", BothClasses()
            if self.shape_:
                layouts[self.shape_] = "cells", Chain((Inverse(Squeeze()), BothClasses()))
        layouts[(*self.shape_, count)] = "classes", IDENTITY
        if found not in layouts:
            return False
        self._layout, self._map = layouts[found]
        check_probabilities(output, network, self._advice, add_up=self._layout == "classes")
        return True

    def make_loss(self, loss: Any, routed: dict[str, Any]) -> Any:
        """Return the loss; by default the cross-entropy."""
        default = "sparse_categorical" if self._layout == "classes" else "binary"
        given = self.loss if loss is None else loss
        made = make_loss(f"{default}_crossentropy" if given is None else given, routed)
        name = loss_name(made)
        refuse_logits(made)
        if "categorical" in name and self._layout != "classes":
            raise ValueError(
                f"loss={name!r} needs a column for each class, but the network returns "
                f"{self._told_columns}."
            )
        self._is_sparse = name.startswith("sparse")
        if self._layout == "cells":
            return loss_of_cells(
                made, f"the network returns one without an axis for each of {self.shape_} labels"
            )
        return LabelsLoss(made) if self._by_cells else made

    @property
    def _told_columns(self) -> str:
        return "one. End it with Dense(2, 'softmax'), or use 'binary_crossentropy'"

    def make_metrics(self, metrics: Any) -> list[Any]:
        """Return metrics of classes and their probabilities."""
        made = metrics_of_output(metrics, self.name_)
        if not self._by_cells and self._layout in ("classes", "column"):
            return made
        encoding = "binary" if self._layout in ("column", "cells") else "one_hot"
        encoding = "sparse" if self._is_sparse or self._layout == "cumulative" else encoding
        return [LabelsMetric(chosen_metric(metric, encoding), self._layout) for metric in made]

    def encode(self, y: np.ndarray, loss: Any) -> np.ndarray:
        """Return numbers of the classes, or rows with a 1 for each; NaN where not known."""
        index = self._index(y)
        encoded = self._encoded(index)
        if not self._by_cells:
            return encoded
        encoded = encoded.astype("float32")
        encoded[index < 0] = np.nan
        return encoded

    def _encoded(self, index: np.ndarray) -> np.ndarray:
        if self._layout == "cells":
            return index.astype("float32")
        if self._layout == "column":
            return index[..., None].astype("float32")
        if self._is_sparse:
            return index[..., None].astype("int32")
        return np.eye(len(self.classes_), dtype="float32")[index]

    # Predictions

    def most_probable(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the most probable class of each label."""
        return self.classes_[probabilities.argmax(axis=-1)]

    def right(self, y: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which labels are predicted as they are, and which are known."""
        self._match_shape(y, "y")
        is_known = self.known(y)
        if is_known is None:
            return np.asarray(y == predicted, dtype=bool), np.ones(y.shape, dtype=bool)
        is_right = np.zeros(y.shape, dtype=bool)
        is_right[is_known] = y[is_known] == predicted[is_known]
        return is_right, is_known


def metrics_of_output(metrics: Any, name: Any) -> list[Any]:
    """Return new metrics; one of several outputs may have one without a list."""
    if name is not None and metrics is not None and not isinstance(metrics, list | tuple):
        metrics = [metrics]
    return make_metrics(metrics)
