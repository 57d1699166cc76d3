"""Weights in the loss, and the mean that they are divided by."""

from __future__ import annotations

import numpy as np


class MeanWeight:
    """The mean weight of rows that come in parts; rows without weights count once.

    A row whose cells have weights has the mean of them.

    Examples
    --------
    >>> mean = MeanWeight()
    >>> mean.add(None, 3)
    >>> mean.value is None
    True
    >>> mean.add(np.array([3.0, 4.0, 2.0]), 3)
    >>> mean.value
    2.0
    """

    def __init__(self) -> None:
        self._total, self._count, self._is_weighted = 0.0, 0, False

    def add(self, weight: np.ndarray | None, n_rows: int) -> None:
        """Add rows and their weights, if they have any."""
        self._count += n_rows
        if weight is not None:
            weight = weight.reshape(n_rows, -1).mean(axis=1)
        self._total += n_rows if weight is None else float(weight.sum())
        self._is_weighted = self._is_weighted or weight is not None

    @property
    def value(self) -> float | None:
        """The mean, or None if no rows had weights."""
        return self._total / self._count if self._is_weighted else None


def of_rows(weight: np.ndarray | None) -> np.ndarray | None:
    """Return weights of rows, given those of cells: their means."""
    if weight is None or weight.ndim == 1:
        return weight
    means: np.ndarray = weight.reshape(len(weight), -1).mean(axis=1)
    return means
