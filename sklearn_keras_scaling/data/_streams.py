"""Data that come in batches: read once for the scalers, and again for each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._optional import keras
from ._rows import Rows

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


class Stream:
    """The rows of a dataset, batch by batch, as often as they are read.

    Parameters
    ----------
    dataset : iterable or keras.utils.PyDataset
        Of batches.
    name : str
        Of the argument, for errors.
    read : callable
        Takes inputs, targets, weights, and whether the kind of data is to be learnt from
        them; returns valid rows.
    visit : callable
        Takes the rows of each batch and whether they are the first, in a first reading.
    learns : bool
        Whether the kind of data is to be learnt from the first batch.

    Attributes
    ----------
    first : Rows
        Of the first batch.
    n_batches : int
        How many there are.
    """

    def __init__(
        self,
        dataset: Any,
        name: str,
        read: Callable[..., Rows],
        visit: Callable[[Rows, bool], None],
        learns: bool = False,
    ) -> None:
        self._dataset, self._name, self._read = dataset, name, read
        first: Any = None
        self.n_batches = 0
        for rows in self.rows(learns):
            visit(rows, first is None)
            first = rows if first is None else first
            self.n_batches += 1
        if first is None:
            raise ValueError(f"{name} yields no batches. Was everything filtered out?")
        self.first = first

    def rows(self, learns: bool = False) -> Iterator[Rows]:
        """Yield the rows of each batch, from the beginning."""
        for number, batch in enumerate(read_stream(self._dataset, self._name)):
            try:
                rows = self._read(*batch, learns and number == 0)
            except (TypeError, ValueError) as error:
                error.add_note(f"Raised for batch {number} of {self._name}, counted from 0.")
                raise
            if len(rows):  # weight 0 is absence, of whole batches too
                yield rows


class StreamBatches(keras.utils.PyDataset):
    """The batches of a stream in scaled space, in their order.

    Parameters
    ----------
    stream : Stream
        In raw units.
    encode : callable
        From rows to what the network trains on.
    """

    def __init__(self, stream: Stream, encode: Callable[[Rows], tuple[Any, ...]]) -> None:
        super().__init__()
        self._stream, self._encode = stream, encode
        self.batch_size = len(stream.first)
        self._position = stream.n_batches
        self._rows: Iterator[Rows] = iter(())

    def __len__(self) -> int:
        return self._stream.n_batches

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if index < self._position:  # Keras looks at the first ones, and begins anew
            self._position, self._rows = 0, self._stream.rows()
        rows = None
        while self._position <= index:
            rows = next(self._rows, None)
            self._position += 1
        if rows is None:
            raise ValueError(
                f"The stream had {len(self)} batches at first, and now has fewer. It must "
                "yield the same batches each time it is read."
            )
        return self._encode(rows)
