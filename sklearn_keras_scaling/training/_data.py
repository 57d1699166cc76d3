"""In-memory batches in an order that the seed alone decides."""

from __future__ import annotations

import numpy as np

from .._optional import keras


class Batches(keras.utils.PyDataset):
    """Batches of arrays, shuffled anew for each epoch.

    Keras shuffles arrays with the backend's global generator; this order comes
    from ``seed`` alone, the same on every backend.

    Parameters
    ----------
    arrays : tuple of ndarray
        Inputs, targets and, if any, sample weights, equally long.
    batch_size : int
        Rows in a batch; the last one may have fewer.
    seed : int
        Of the order of the rows.
    shuffle : bool
        If False, rows keep their order.
    """

    def __init__(
        self, arrays: tuple[np.ndarray, ...], batch_size: int, seed: int, shuffle: bool = True
    ) -> None:
        super().__init__()
        self.arrays = arrays
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._rng = np.random.default_rng(seed)
        self._order = np.arange(len(arrays[0]))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._order) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        rows = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return tuple(array[rows] for array in self.arrays)

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        if self.shuffle:
            self._order = self._rng.permutation(len(self._order))
