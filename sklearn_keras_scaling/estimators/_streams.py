"""Data that come in batches: read once for the scalers, and again for each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._optional import keras
from ._data import Rows

#: What the cardinality of an endless ``tf.data.Dataset`` is.
_ENDLESS = -1


def read_stream(dataset: Any, name: str) -> Iterator[tuple[Any, Any, Any]]:
    """Yield inputs, targets and weights, or None, of each batch as NumPy arrays.

    Raises
    ------
    ValueError
        If a batch is no (inputs, targets) or (inputs, targets, weights).
    TypeError
        If the batches can be read once only.
    """
    if isinstance(dataset, Iterator):
        raise TypeError(
            f"{name} is an iterator, which can be read once only, but batches are read for the "
            "scalers and again in each epoch. Pass what it iterates over: a tf.data.Dataset, a "
            "keras.utils.PyDataset, a DataLoader."
        )
    if hasattr(dataset, "cardinality") and int(dataset.cardinality()) == _ENDLESS:
        raise ValueError(
            f"{name} repeats without end, but its batches are counted. Leave out repeat(): it is "
            "read anew in each epoch."
        )
    batches = iter(dataset) if hasattr(dataset, "__iter__") else _items(dataset)
    for number, batch in enumerate(batches):
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            raise ValueError(
                f"Batch {number} of {name} must be (inputs, targets) or (inputs, targets, "
                f"sample_weight), got {type(batch).__name__}."
            )
        X, y, *weight = (keras.tree.map_structure(_as_array, part) for part in batch)
        yield X, y, weight[0] if weight else None


def _items(dataset: Any) -> Iterator[Any]:
    return (dataset[i] for i in range(len(dataset)))


def _as_array(data: Any) -> Any:
    if hasattr(data, "detach"):
        data = data.detach().cpu()
    array = np.asarray(data.numpy() if hasattr(data, "numpy") else data)
    if array.size and isinstance(array.flat[0], bytes):  # TensorFlow's strings
        return np.char.decode(array.astype(bytes), "utf-8")
    return array


class StreamBatches(keras.utils.PyDataset):
    """The batches of a stream in scaled space, in their order.

    Parameters
    ----------
    read : callable
        Returns a new iterator of rows, from the beginning.
    encode : callable
        From rows to what the network trains on.
    n_batches : int
        How many there are.
    batch_size : int
        Rows in the first one.
    """

    def __init__(
        self,
        read: Callable[[], Iterator[Rows]],
        encode: Callable[[Rows], tuple[Any, ...]],
        n_batches: int,
        batch_size: int,
    ) -> None:
        super().__init__()
        self._read, self._encode, self._n_batches = read, encode, n_batches
        self.batch_size = batch_size
        self._position = n_batches
        self._rows: Iterator[Rows] = iter(())

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if index < self._position:  # Keras looks at the first ones, and begins anew
            self._position, self._rows = 0, self._read()
        rows = None
        while self._position <= index:
            rows = next(self._rows, None)
            self._position += 1
        if rows is None:
            raise ValueError(
                f"The stream had {self._n_batches} batches at first, and now has fewer. It must "
                "yield the same batches each time it is read."
            )
        return self._encode(rows)
