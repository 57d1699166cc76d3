"""In-memory batches in an order that the seed alone decides."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import sparse

from .._optional import keras

#: What goes into one call of a compiled loop: bytes, and steps.
_STACK_BYTES, _STACK_STEPS = 4 * 2**20, 256


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
        self.parts = keras.tree.lists_to_tuples(parts)  # TensorFlow's datasets take no lists
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._rows = count_rows(parts)
        self._seed, self._epoch = seed, 0
        self._order: np.ndarray | None = None

    def __len__(self) -> int:
        return -(-self._rows // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return self._between(index * self.batch_size, (index + 1) * self.batch_size)

    def on_epoch_end(self) -> None:
        """Go on to the next epoch, and its order."""
        self._epoch, self._order = self._epoch + 1, None

    @property
    def example(self) -> tuple[Any, ...]:
        """The first rows, as a batch."""
        return self._take(slice(0, self.batch_size))

    @property
    def stack_shape(self) -> tuple[int, int]:
        """Steps and rows of each in a stack."""
        return self._steps(), self.batch_size

    @property
    def are_few(self) -> bool:
        """Whether all are arrays, and fit into one stack."""
        are_arrays = all(isinstance(a, np.ndarray) for a in keras.tree.flatten(self.parts))
        return are_arrays and self._rows <= self._steps() * self.batch_size

    def next_orders(self, epochs: int) -> np.ndarray:
        """Return the orders of the rows in this epoch and the following ones, and go behind."""
        orders = []
        for _ in range(epochs):
            orders.append(self._order_of_epoch() if self.shuffle else np.arange(self._rows))
            self.on_epoch_end()
        return np.stack(orders)

    def stacks(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield the batches of an epoch, many at a time.

        Yields
        ------
        count : int
            Full batches that come now; 0 for the last one, if it is smaller.
        stack : tuple
            Like ``parts``, but of shape ``(steps, batch_size, ...)`` whatever the number of rows:
            what lies behind ``count`` is undefined. Of the last one, as it is.
        """
        steps, full = self._steps(), self._rows // self.batch_size
        stacks = self._stacks(steps, full)
        return stacks if full <= steps else _ahead(stacks)

    def _stacks(self, steps: int, full: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
        for first in range(0, full, steps):
            count = min(steps, full - first)
            rows = self._between(first * self.batch_size, (first + count) * self.batch_size)
            yield count, keras.tree.map_structure(lambda a: self._stack(a, steps), rows)
        if self._rows % self.batch_size:
            yield 0, self[full]

    def _steps(self) -> int:
        size = sum(a.nbytes for a in keras.tree.flatten(self._take(slice(0, 1)))) * self.batch_size
        return max(1, min(_STACK_STEPS, _STACK_BYTES // max(1, size)))

    def _stack(self, rows: np.ndarray, steps: int) -> np.ndarray:
        shape = (steps * self.batch_size, *rows.shape[1:])
        if len(rows) < shape[0]:
            filled = np.zeros(shape, rows.dtype)  # JAX converts all
            filled[: len(rows)] = rows
            rows = filled
        return rows.reshape(steps, self.batch_size, *shape[1:])

    def _order_of_epoch(self) -> np.ndarray:
        # Of the seed and the epoch alone: those that nobody asks for are never drawn.
        if self._order is None:
            rng = np.random.default_rng([self._seed, self._epoch])
            self._order = rng.permutation(self._rows)
        return self._order

    def _between(self, start: int, stop: int) -> tuple[Any, ...]:
        return self._take(
            self._order_of_epoch()[start:stop] if self.shuffle else slice(start, stop)
        )

    def _take(self, rows: Any) -> tuple[Any, ...]:
        return tuple(take_rows(part, rows) for part in self.parts)


def _ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Yield items while another thread makes the next one."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item


def count_rows(data: Any) -> int:
    """Return the rows of an array, sparse matrix, or structure of them."""
    return int(keras.tree.flatten(data)[0].shape[0])


def take_rows(data: Any, rows: Any) -> Any:
    """Return rows, by index or slice, of an array or structure of arrays, as dense arrays."""
    return keras.tree.map_structure(lambda array: _dense(array[rows]), data)


def _dense(array: Any) -> np.ndarray:
    return array.toarray() if sparse.issparse(array) else array
