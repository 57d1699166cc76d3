"""In-memory batches in an order that the seed alone decides."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from .._optional import keras


class Batches(keras.utils.PyDataset):
    """Batches of arrays, shuffled anew for each epoch.

    Keras shuffles arrays with the backend's global generator; this order comes
    from ``seed`` alone, the same on every backend.

    Parameters
    ----------
    parts : tuple
        Inputs, targets and, if any, sample weights: each an array, a sparse matrix (made
        dense batch by batch), or a dict, list or tuple of them, all equally long.
    batch_size : int
        Rows in a batch; the last one may have fewer.
    seed : int
        Of the order of the rows.
    shuffle : bool
        If False, rows keep their order.
    """

    def __init__(
        self, parts: tuple[Any, ...], batch_size: int, seed: int, shuffle: bool = True
    ) -> None:
        super().__init__()
        self.parts = parts
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._rng = np.random.default_rng(seed)
        self._order = np.arange(count_rows(parts))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._order) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return tuple(take_rows(part, rows) for part in self.parts)

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        if self.shuffle:
            self._order = self._rng.permutation(len(self._order))


def count_rows(data: Any) -> int:
    """Return the rows of an array, sparse matrix, or structure of them."""
    return int(keras.tree.flatten(data)[0].shape[0])


def take_rows(data: Any, rows: Any) -> Any:
    """Return rows, by index or slice, of an array or structure of arrays, as dense arrays."""
    return keras.tree.map_structure(lambda array: _dense(array[rows]), data)


def _dense(array: Any) -> np.ndarray:
    return array.toarray() if sparse.issparse(array) else array
