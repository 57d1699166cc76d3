"""Targets that are labels: one class a row, told by a 1 in its column."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._validation import read_labels
from ._gaps import known
from ._labels import Labels


class OneHot(Labels):
    """Rows with a 1 in the column of their class and 0 elsewhere; the last axis has the columns.

    Parameters
    ----------
    class_weight, missing_label, loss, metrics, weight
        As those of :class:`Labels`; the labels are the names or numbers of the columns.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The columns' names in a data frame, else their numbers.
    """

    _columns: np.ndarray | None = None

    def check(self, estimator: Any, y: Any, argument: str) -> np.ndarray:
        """Return the numbers of the columns, -1 where nothing is known."""
        rows = read_labels(y, argument)
        if not is_one_hot(rows, self.missing_label):
            raise ValueError(
                f"{argument} must have one 1 in each row, along the last axis, and 0 elsewhere, as "
                "one-hot labels have. Pass labels='multilabel' for several labels a row, or the "
                "classes themselves."
            )
        width = rows.shape[-1]
        if self._columns is None:
            names = getattr(y, "columns", None)
            self._columns = np.arange(width) if names is None else np.asarray(names)
        if width != len(self._columns):
            raise ValueError(
                f"{argument} has {width} columns, but the y of fit had {len(self._columns)}. Pass "
                "a column for each class."
            )
        is_known = known(rows, self.missing_label)
        if is_known is None:
            return rows.argmax(axis=-1)
        is_one = np.zeros(rows.shape, dtype=bool)
        is_one[is_known] = rows[is_known] == 1
        return np.where(is_known[..., 0], is_one.argmax(axis=-1), -1)

    def learn(self, y: np.ndarray, more: bool = False) -> None:
        """Learn the columns, and the shape of a row."""
        if more:
            self._match_shape(y, "y")
        assert self._columns is not None  # after check
        self.shape_, self.classes_ = y.shape[1:], self._columns

    def learn_classes(self, classes: Any) -> None:
        """Do nothing: there is a column for each class."""

    def known(self, y: np.ndarray) -> np.ndarray | None:
        """Return where there is a label."""
        return y >= 0 if (y < 0).any() else None

    def _values(self, y: np.ndarray) -> np.ndarray:
        return self.classes_[y[y >= 0]]

    def _index(self, y: np.ndarray) -> np.ndarray:
        return y

    def match(self, y: np.ndarray, argument: str) -> None:
        """Raise ``ValueError`` if rows have another shape."""
        self._match_shape(y, argument)

    def most_probable(self, probabilities: np.ndarray) -> np.ndarray:
        """Return a 1 for the most probable class of each label."""
        return np.eye(len(self.classes_), dtype=np.int64)[probabilities.argmax(axis=-1)]


def is_one_hot(rows: np.ndarray, missing_label: Any) -> bool:
    """Return whether there is one 1 along the last axis, and else 0, wherever it is known.

    Examples
    --------
    >>> is_one_hot(np.array([[0, 1], [1, 0]]), None), is_one_hot(np.array([[0, 1], [1, 1]]), None)
    (True, False)
    """
    if rows.ndim < 2 or rows.shape[-1] < 2 or not are_binary(rows, missing_label):
        return False
    is_known = known(rows, missing_label)
    if is_known is None:
        return bool((rows.sum(axis=-1) == 1).all())
    is_one = np.zeros(rows.shape, dtype=bool)
    is_one[is_known] = rows[is_known] == 1
    whole = is_known.all(axis=-1)
    return bool((whole | ~is_known.any(axis=-1)).all() and (is_one.sum(axis=-1)[whole] == 1).all())


def are_binary(labels: np.ndarray, missing_label: Any) -> bool:
    """Return whether all that is known is 0 or 1."""
    if labels.dtype.kind in "US":
        return False
    is_known = known(labels, missing_label)
    return bool(np.isin(labels if is_known is None else labels[is_known], [0, 1]).all())
