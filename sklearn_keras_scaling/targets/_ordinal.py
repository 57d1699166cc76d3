"""Targets that are labels with an order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import TargetKind
from ..maps import OrderedClasses
from ._labels import Labels
from ._probabilities import check_probabilities


class Ordinal(Labels):
    """Labels with an order, which the network tells by cumulative links.

    It returns the probability to be above each class but the last. None of them is taken for
    larger than one before it; their differences are the probabilities of the classes.

    Parameters
    ----------
    order : True or sequence, default=True
        The labels from low to high; True sorts them.
    class_weight, missing_label, loss, metrics, weight
        As those of :class:`Labels`; the loss is of the cumulative probabilities, by default
        "binary_crossentropy", metrics are of the classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels from low to high.

    Examples
    --------
    >>> from sklearn_keras_scaling import Ordinal
    >>> target = Ordinal(["low", "mid", "high"]).bound()
    >>> target.learn(np.array(["high", "low"]))
    >>> target.classes_.tolist()
    ['low', 'mid', 'high']
    """

    def __init__(
        self,
        order: Any = True,
        class_weight: Any = None,
        *,
        missing_label: Any = None,
        loss: Any = None,
        metrics: Any = None,
        weight: float = 1.0,
    ) -> None:
        super().__init__(
            class_weight, missing_label=missing_label, loss=loss, metrics=metrics, weight=weight
        )
        self.order = order

    @property
    def kind(self) -> TargetKind:
        """One label with an order."""
        return TargetKind("ordinal")

    def learn(self, y: np.ndarray, more: bool = False) -> None:
        """Learn the classes, and the shape of a row."""
        super().learn(y, more)
        self._put_in_order()

    def learn_classes(self, classes: Any) -> None:
        """Learn all labels that there may be."""
        super().learn_classes(classes)
        self._put_in_order()

    def _put_in_order(self) -> None:
        check_order(self.order)
        if isinstance(self.order, bool | np.bool_):
            return
        order = np.asarray(self.order)
        unknown = [label for label in self.classes_.tolist() if label not in order.tolist()]
        if unknown:
            raise ValueError(
                f"y has the label {unknown[0]!r}, which ordinal={self.order!r} has not. Name all "
                "labels from low to high."
            )
        self.classes_ = order

    # The network

    def offers(self) -> dict[str, Any]:
        """Return a column less than there are classes."""
        count = self._n_classes()
        return {
            "output_shape": (*self.shape_, count - 1),
            "output_activation": "sigmoid",
            "n_classes": count,
            "classes": self.classes_,
        }

    @property
    def _advice(self) -> str:
        n = len(self.classes_) - 1
        return (
            f"Ordinal labels need the probability to be above each class but the last: end the "
            f"network with Dense({n}, 'sigmoid'){self._told_shape(n)}"
        )

    def fit_output(self, output: np.ndarray, network: str) -> bool:
        """Check that there is a probability to be above each class but the last."""
        if output.shape[1:] != (*self.shape_, len(self.classes_) - 1):
            return False
        check_probabilities(output, network, self._advice, add_up=False)
        self._layout, self._map = "cumulative", OrderedClasses()
        return True

    @property
    def _told_columns(self) -> str:
        return "the probabilities to be above each but the last. Use 'binary_crossentropy'"

    def _encoded(self, index: np.ndarray) -> np.ndarray:
        above = index[..., None] > np.arange(len(self.classes_) - 1)
        return above.astype("float32")


def check_order(ordinal: Any) -> None:
    """Raise ``ValueError`` unless it is a flag, or different labels from low to high."""
    if isinstance(ordinal, bool | np.bool_):
        return
    is_list = isinstance(ordinal, list | tuple | np.ndarray) and np.ndim(ordinal) == 1
    labels = list(ordinal) if is_list else []
    if len(labels) < 2:
        raise ValueError(
            "ordinal must be True, False or the labels from low to high, such as "
            f"['low', 'mid', 'high'], got {ordinal!r}."
        )
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise ValueError(f"ordinal names the label {twice[0]!r} twice: {ordinal!r}.")
