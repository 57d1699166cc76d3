"""Batches of any library as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._blocks import BLOCK

#: Values in a chunk of an array that is read as a stream.
_CHUNK = 8 * BLOCK


def read_batches(batches: Any, name: str, verbose: bool | int) -> Iterable[Any]:
    """Return an iterator over what ``fit_batches`` of the class ``name`` was given.

    Parameters
    ----------
    batches : iterable
        Of batches, or one array, to be read in chunks.
    name : str
        Of the class, for the progress bar and for errors.
    verbose : bool or int
        Whether to show a progress bar.

    Raises
    ------
    TypeError
        If ``batches`` cannot be iterated.
    """
    if hasattr(batches, "iloc") or (isinstance(batches, np.ndarray) and batches.ndim):
        n_samples = len(batches)
        starts = range(0, n_samples, max(1, _CHUNK * n_samples // max(1, batches.size)))
        rows = getattr(batches, "iloc", batches)
        chunks = (rows[start : start + starts.step] for start in starts)
        return _with_progress(chunks, len(starts), name, verbose)
    is_scalar = isinstance(batches, np.ndarray)
    total = len(batches) if hasattr(batches, "__len__") and not is_scalar else None
    if hasattr(batches, "__iter__") and not is_scalar:
        return _with_progress(batches, total, name, verbose)
    if total is not None and hasattr(batches, "__getitem__"):  # a PyDataset
        return _with_progress((batches[i] for i in range(total)), total, name, verbose)
    raise TypeError(
        f"{name}.fit_batches takes an iterable of arrays, or of tuples (X, y) or (X, y, "
        f"sample_weight), got {type(batches).__name__}."
    )


def _with_progress(
    batches: Iterable[Any], total: int | None, name: str, verbose: bool | int
) -> Iterable[Any]:
    if not verbose:
        return batches
    from rich.progress import track  # costs a tenth of a second

    return track(batches, f"Fitting {name}", total=total)


@contextmanager
def in_batch(number: int) -> Iterator[None]:
    """Add to an error which batch it is about."""
    try:
        yield
    except Exception as error:
        error.add_note(f"Raised for batch {number}, counted from 0.")
        raise


def split_batch(batch: Any) -> tuple[Any, Any]:
    """Return the inputs and the sample weights, or None, of a batch.

    Raises
    ------
    ValueError
        If a tuple has other than one to three parts.
    """
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
