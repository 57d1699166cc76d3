"""Targets that are labels: several a row, each there or not."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from .._validation import check_classes, read_labels
from ..checks import TargetKind
from ..training import LabelsMetric, chosen_metric, loss_name, make_loss
from ._class_weights import of_each_column, weights_of_classes
from ._gaps import known, known_values
from ._labels import metrics_of_output
from ._one_hot import are_binary
from ._probabilities import LabelTarget, check_probabilities, loss_of_cells, refuse_logits
from ._target import spread


class ManyLabels(LabelTarget):
    """Several labels a row: a column of 0 and 1 for each.

    The network returns the probability of each label. NaN is not known: it counts nowhere, and
    is predicted.

    Parameters
    ----------
    class_weight : dict, list, "balanced" or None, default=None
        "balanced" makes 0 and 1 equal within each label. A dict has labels, by the number or
        name of their column, and the weight of their 1, or ``{0: ..., 1: ...}``; a list has one
        such for each label.
    missing_label : object, default=None
        Another value that is not known.
    loss : object, default=None
        Loss; None is "binary_crossentropy".
    metrics : list, default=None
        Names, functions, ``keras.metrics.Metric``.
    weight : float, default=1.0
        Of the loss against those of other targets.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        The numbers of the columns.

    Examples
    --------
    >>> from sklearn_keras_scaling import ManyLabels
    >>> target = ManyLabels({1: 3.0}).bound()
    >>> target.learn(np.array([[1.0, 0.0], [np.nan, 1.0]]))
    >>> target.classes_
    array([0, 1])
    """

    classes_: np.ndarray
    _names: list[Any] | None = None
    _has_known: np.ndarray
    _totals: np.ndarray

    @property
    def kind(self) -> TargetKind:
        """Several labels."""
        return TargetKind("labels")

    # Raw values

    def check(self, estimator: Any, y: Any, argument: str) -> np.ndarray:
        """Return 0 and 1 of shape (n_samples, n_labels), NaN where they are not known."""
        labels = read_labels(y, argument)
        check_classes(estimator, known_values(labels, self.missing_label), y, argument)
        if labels.ndim != 2 or not are_binary(labels, self.missing_label):
            raise ValueError(
                f"{argument}: Labels of shape {labels.shape} must be 0 or 1, one column a label, "
                "if several are to be true of a row. Pass labels='multioutput' for columns of "
                "classes, or labels='sequence' for a class at each step."
            )
        if self._names is None:
            self._names = list(getattr(y, "columns", ())) or None
        is_known = known(labels, self.missing_label)
        if is_known is None:
            return labels
        found = np.full(labels.shape, np.nan)
        found[is_known] = labels[is_known].astype(np.float64)
        return found

    def learn(self, y: np.ndarray, more: bool = False) -> None:
        """Learn the number of labels."""
        if more:
            self.match(y, "y")
        self.classes_ = np.arange(y.shape[1])
        has_known: np.ndarray = np.any(~_is_missing(y), axis=0)
        self._has_known = self._has_known | has_known if more else has_known

    def match(self, y: np.ndarray, argument: str) -> None:
        """Raise ``ValueError`` unless there are as many labels as in ``fit``."""
        if y.shape[1:] != self.classes_.shape:
            raise ValueError(
                f"{argument} has shape {y.shape}, but the y of fit had {len(self.classes_)} "
                "labels. Pass labels of the same kind."
            )

    def known(self, y: np.ndarray) -> np.ndarray | None:
        """Return where it is known whether a label is there."""
        is_missing = _is_missing(y)
        return ~is_missing if is_missing.any() else None

    def count(self, y: np.ndarray, weight: np.ndarray | None, more: bool) -> None:
        """Count 0 and 1 of each label, by weight."""
        of_row = np.ones((len(y), 1)) if weight is None else spread(weight, y)
        totals = np.stack([((y == value) * of_row).sum(axis=0) for value in (0, 1)], axis=1)
        self._totals = self._totals + totals if more else totals

    def weights(
        self, y: np.ndarray, weight: np.ndarray | None, mean: float | None, trains: bool
    ) -> np.ndarray | None:
        """Return the weights of the labels, times those of their rows."""
        of_row = super().weights(y, weight, mean, trains)
        if self.class_weight is None or not trains:
            return of_row
        zero, one = self._class_weights().T
        of_labels = np.where(y == 1, one, zero)
        if of_row is None:
            return of_labels
        return of_labels * of_row.reshape(len(y), -1)

    def _class_weights(self) -> np.ndarray:
        """Return the weights of the 0 and 1 of each label."""
        width = len(self.classes_)
        entries = of_each_column(self.class_weight, self._names, width)
        found = np.ones((width, 2))
        for i, entry in enumerate(entries):
            is_weight = isinstance(entry, Real) and not isinstance(entry, bool)
            given = {1: entry} if is_weight else entry
            if given is not None:
                totals = dict(enumerate(self._totals[i].tolist()))
                found[i] = weights_of_classes(given, [0, 1], totals, f"class_weight of label {i}")
        return found

    # The network

    def offers(self) -> dict[str, Any]:
        """Return a column for each label."""
        unknown = np.flatnonzero(~self._has_known).tolist()
        if unknown:
            name = self._names[unknown[0]] if self._names else unknown[0]
            raise ValueError(
                f"{self._named('y')} has no known label in column {name!r}: all are missing. Leave "
                "the column out."
            )
        count = len(self.classes_)
        return {
            "output_shape": (count,),
            "output_activation": "sigmoid",
            "n_classes": count,
            "classes": self.classes_,
        }

    @property
    def expected(self) -> str:
        """What a network should return."""
        told = f"{self._named('y')} has {len(self.classes_)} labels. {self._advice}"
        return f"{told}; if each is that of a step, pass labels='sequence'"

    @property
    def _advice(self) -> str:
        return f"End the network with Dense({len(self.classes_)}, 'sigmoid')"

    def fit_output(self, output: np.ndarray, network: str) -> bool:
        """Check that there is a probability for each label."""
        if output.shape[1:] != self.classes_.shape:
            return False
        check_probabilities(output, network, self._advice, add_up=False)
        return True

    def make_loss(self, loss: Any, routed: dict[str, Any]) -> Any:
        """Return the loss; by default "binary_crossentropy"."""
        given = self.loss if loss is None else loss
        made = make_loss("binary_crossentropy" if given is None else given, routed)
        refuse_logits(made)
        if "categorical" in loss_name(made):
            raise ValueError(
                f"loss={loss_name(made)!r} is for one class a row, but y has several labels a row. "
                "Use 'binary_crossentropy'."
            )
        if not self._by_cells and self.class_weight is None:
            return made
        return loss_of_cells(made, "labels weigh each by itself or are not known")

    def make_metrics(self, metrics: Any) -> list[Any]:
        """Return metrics of labels and their probabilities."""
        made = metrics_of_output(metrics, self.name_)
        if not self._by_cells:
            return made
        return [LabelsMetric(chosen_metric(metric, "binary"), "cells") for metric in made]

    def encode(self, y: np.ndarray, loss: Any) -> np.ndarray:
        """Return the labels as float32."""
        return y.astype("float32")

    # Predictions

    def most_probable(self, probabilities: np.ndarray) -> np.ndarray:
        """Return 1 for each label that is more probable than not."""
        return (probabilities > 0.5).astype(np.int64)

    def right(self, y: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows are predicted in all known labels, and which have any."""
        self.match(y, "y")
        is_missing = _is_missing(y)
        is_right = np.all((y == predicted) | is_missing, axis=1)
        return np.asarray(is_right), np.any(~is_missing, axis=1)


def _is_missing(y: np.ndarray) -> np.ndarray:
    return np.isnan(y) if y.dtype.kind == "f" else np.zeros(y.shape, dtype=bool)
