"""Dask collections: statistics chunk by chunk in one task graph, transformation when computed.

Dask's own ``var`` is never called: it adds up float32 in float32, which at a mean of 1e4
turns a variance of 1 into hundreds. Workers import NumPy and scikit-learn, and no Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .statistics import merge_all

#: Statistics that one task of the tree merges.
_BRANCHES = 8


def is_dask(X: Any) -> bool:
    """Return whether ``X`` is a Dask collection, without importing Dask."""
    return hasattr(X, "__dask_graph__")


def prototype(X: Any) -> Any:
    """Return an empty array, or data frame with the same columns, in place of ``X``.

    Raises
    ------
    TypeError
        If ``X`` is neither a Dask array nor a Dask data frame.
    """
    if hasattr(X, "columns"):
        return X._meta
    if hasattr(X, "chunks") and hasattr(X, "shape"):
        return np.empty((0, *X.shape[1:]), dtype=X.dtype)
    raise TypeError(
        f"X must be a Dask array or data frame, got a Dask {type(X).__name__}. "
        "dask.array.from_delayed makes one of delayed objects, to_dataframe of a bag."
    )


def merge_chunks(
    learn: Callable[..., Any], X: Any, sample_weight: Any, mask: Any, **arguments: Any
) -> Any:
    """Return the merged statistics of all chunks, computed in one task graph.

    Chunks are merged in a tree that their number alone decides, so that the result is the
    same to the last bit on any number of workers, whichever of them fail.

    Parameters
    ----------
    learn : callable
        Takes a chunk of each of the three and ``arguments``; returns statistics or None.
    X : Dask array or data frame
        Cut along the first axis.
    sample_weight, mask : array-like or Dask array, default=None
        Cut as ``X`` is.
    **arguments
        Passed on to ``learn``.

    Raises
    ------
    ValueError
        If weights or mask do not have as many chunks as ``X``, or cannot be cut so.
    """
    from dask.delayed import delayed

    parts = _chunks(X)
    others = [_cut_like(X, each, len(parts)) for each in (sample_weight, mask)]
    learning = delayed(partial(learn, **arguments), pure=False)
    merging = delayed(_merge, pure=False)
    found = [learning(*chunks) for chunks in zip(parts, *others, strict=True)]
    while len(found) > 1:
        found = [merging(found[i : i + _BRANCHES]) for i in range(0, len(found), _BRANCHES)]
    return found[0].compute()


def map_chunks(function: Callable[..., Any], X: Any, **arguments: Any) -> Any:
    """Return ``function`` of each chunk of ``X``, computed when asked for.

    A data frame stays one, with its columns and index.
    """
    if hasattr(X, "columns"):
        dtype = np.result_type(*(t if t.kind == "f" else np.float64 for t in X.dtypes))
        return X.map_partitions(_on_frame, function, dtype, meta=X._meta.astype(dtype), **arguments)
    dtype = X.dtype if X.dtype.kind == "f" else np.dtype(np.float64)
    whole = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    return whole.map_blocks(
        function, dtype=dtype, meta=np.empty((0,) * X.ndim, dtype=dtype), **arguments
    )


def _chunks(X: Any) -> list[Any]:
    if not hasattr(X, "columns"):  # an array: samples whole
        X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    return list(np.ravel(X.to_delayed()))


def _cut_like(X: Any, other: Any, n_chunks: int) -> list[Any]:
    if other is None:
        return [None] * n_chunks
    if not is_dask(other):
        if np.ndim(other) == 0:
            raise ValueError(
                f"sample_weight and mask of a Dask collection must be arrays, got {other!r}."
            )
        sizes = getattr(X, "chunks", [[np.nan]])[0]
        if np.isnan(sizes).any() or sum(sizes) != len(other):
            raise ValueError(
                f"sample_weight and mask must be cut as X is, but the {len(other)} values of an "
                f"array do not fit its chunks of {list(sizes)} rows. Pass a Dask array with the "
                "same chunks."
            )
        return np.split(np.asarray(other), np.cumsum(sizes)[:-1])
    chunks = _chunks(other)
    if len(chunks) != n_chunks:
        raise ValueError(
            f"sample_weight and mask must be cut as X is: X has {n_chunks} chunks, got "
            f"{len(chunks)}. Use rechunk."
        )
    return chunks


def _merge(parts: list[Any]) -> Any:
    present = [part for part in parts if part is not None]
    return merge_all(present) if present else None


def _on_frame(frame: Any, function: Callable[..., Any], dtype: Any, **arguments: Any) -> Any:
    values = np.asarray(function(frame, **arguments), dtype=dtype)
    return type(frame)(values, columns=frame.columns, index=frame.index)
