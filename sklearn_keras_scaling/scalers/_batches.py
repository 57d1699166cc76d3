"""Batches of any library as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .._blocks import BLOCK

#: Values in a chunk of an array that is read as a stream.
_CHUNK = 8 * BLOCK


def read_batches(
    batches: Iterable[Any], name: str, verbose: bool | int
) -> Iterator[tuple[Any, Any]]:
    """Yield the inputs and the sample weights, or None, of each batch.

    Parameters
    ----------
    batches : iterable
        As ``fit_batches`` takes it.
    name : str
        Of the scaler, for the progress bar and for errors.
    verbose : bool or int
        Whether to show a progress bar.

    Raises
    ------
    TypeError, ValueError
        If ``batches`` cannot be iterated, or a tuple has other than one to three parts.
    """
    for i, batch in enumerate(_with_progress(_iterate(batches, name), batches, name, verbose)):
        try:
            yield _split(batch)
        except Exception as error:
            error.add_note(f"Raised by batch {i} of {name}.fit_batches, counted from 0.")
            raise


def _iterate(batches: Iterable[Any], name: str) -> Iterator[Any]:
    if isinstance(batches, np.ndarray):
        step = max(1, _CHUNK * len(batches) // max(1, batches.size))
        return (batches[start : start + step] for start in range(0, len(batches), step))
    if hasattr(batches, "__iter__"):
        return iter(batches)
    if hasattr(batches, "__len__") and hasattr(batches, "__getitem__"):  # a PyDataset
        return (batches[i] for i in range(len(batches)))
    raise TypeError(
        f"{name}.fit_batches takes an iterable of arrays, or of tuples (X, y) or (X, y, "
        f"sample_weight), got {type(batches).__name__}."
    )


def _with_progress(
    iterator: Iterator[Any], batches: Any, name: str, verbose: bool | int
) -> Iterable[Any]:
    if not verbose:
        return iterator
    from rich.progress import track  # costs a tenth of a second

    is_counted = hasattr(batches, "__len__") and not isinstance(batches, np.ndarray)
    return track(iterator, f"Fitting {name}", total=len(batches) if is_counted else None)


def _split(batch: Any) -> tuple[Any, Any]:
    is_list_of_arrays = isinstance(batch, list) and all(hasattr(part, "shape") for part in batch)
    if not (isinstance(batch, tuple) or (is_list_of_arrays and batch)):
        return _as_array(batch), None
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            f"A batch is an array, (X,), (X, y) or (X, y, sample_weight), got {len(batch)} parts."
        )
    return _as_array(batch[0]), _as_array(batch[2]) if len(batch) == 3 else None


def _as_array(data: Any) -> Any:
    """Return tensors of TensorFlow and PyTorch as NumPy arrays, and all else as it is."""
    if hasattr(data, "detach"):
        data = data.detach().cpu()
    return data.numpy() if hasattr(data, "numpy") else data
