"""Large arrays in blocks that fit the cache, on all cores, with the same bits on any number."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from itertools import chain, product
from math import prod
from numbers import Integral
from typing import Any

import numpy as np
from joblib import cpu_count

Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, ...]]
Check = Callable[[np.ndarray], None]

#: Values in a block: small enough for the cache, large enough that NumPy's calls cost nothing.
BLOCK = 160_000
#: The same where a block is only passed through.
_LARGE_BLOCK = 360_000
#: Values that are worth starting threads for, which takes up to a millisecond or two.
_THREADED = 8 * BLOCK
#: Columns side by side in a block: NumPy's inner loops are slow on rows of a few numbers.
_WIDE = 512
#: The same to evaluate a map: from 6,000 on NumPy adds and multiplies by a row half as fast again.
_WIDEST = 12_000
#: Shares of the work for each thread: one that is held up takes fewer, and holds up nobody.
_SHARES = 8
#: Bytes of a memory-mapped file after which a thread hands the pages it has read back.
_PAGES = 32 << 20


@dataclass(frozen=True)
class Layout:
    """Which axes of an array keep their own statistics.

    Parameters
    ----------
    kept : tuple of int
        The axes, ascending, without the first.
    shape : tuple of int or None
        Shape of the arrays without the first axis; None where their length may vary.
    """

    kept: tuple[int, ...]
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], axis: int | Sequence[int] | None) -> Layout:
        """Return the layout of an array of this shape; lengths vary along axes not in ``axis``.

        Raises
        ------
        ValueError
            If an axis does not exist, stands twice or is the first.
        """
        ndim = len(shape)
        named = () if axis is None else np.atleast_1d(np.asarray(axis, dtype=object)).tolist()
        if not all(isinstance(each, Integral) for each in named):
            raise ValueError(f"axis must be an int, a tuple of int or None, got {axis!r}.")
        kept = tuple(sorted(int(each) + (ndim if each < 0 else 0) for each in named))
        said = f"axis={axis!r} and X of shape {shape}: axis names the axes that keep their own"
        if len(set(kept)) < len(kept):
            raise ValueError(f"{said} statistics, each once.")
        if 0 in kept:
            raise ValueError(
                f"{said} statistics, and axis 0 holds the samples. Leave it out; axis=None takes "
                "one statistic over all."
            )
        if kept and not (kept[0] > 0 and kept[-1] < ndim):
            raise ValueError(f"{said} statistics, from 1 to {ndim - 1} here.")
        # A table keeps its columns, as in scikit-learn, even where they share their statistic.
        fixed = kept if ndim > 2 else range(1, ndim)
        return cls(kept, tuple(shape[i] if i in fixed else None for i in range(1, ndim)))

    @property
    def statistics_shape(self) -> tuple[int, ...]:
        """Shape of one statistic: the lengths of the kept axes."""
        return tuple(self.shape[i - 1] or 0 for i in self.kept)

    @property
    def size(self) -> int:
        """Number of statistics of a kind."""
        return prod(self.statistics_shape)

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Return whether arrays of this shape have the axes and lengths of this layout."""
        pairs = zip(self.shape, shape[1:], strict=False)
        return len(shape) == len(self.shape) + 1 and all(own in (None, n) for own, n in pairs)

    def spread(self, statistic: np.ndarray) -> np.ndarray:
        """Return a statistic with axes of length 1 where needed to broadcast against a sample."""
        if not self.kept or self.is_last:
            return statistic
        lengths = dict(zip(self.kept, self.statistics_shape, strict=True))
        return statistic.reshape([lengths.get(i, 1) for i in range(self.kept[0], self.ndim)])

    def __str__(self) -> str:
        lengths = ["any" if n is None else str(n) for n in self.shape]
        return f"({', '.join(lengths)}{',' if len(lengths) == 1 else ''})"

    @property
    def n_features(self) -> int:
        """Length of the last kept axis, or else of the last axis; 1 where there is one axis."""
        fixed = [n for n in self.shape if n is not None]
        return fixed[-1] if fixed else 1

    @property
    def ndim(self) -> int:
        """Number of axes of the arrays."""
        return len(self.shape) + 1

    @property
    def is_last(self) -> bool:
        """Whether the last axis alone keeps its statistics."""
        return self.kept == (self.ndim - 1,)

    def rows(self, X: np.ndarray) -> np.ndarray:
        """Return ``X`` with shape (n_values, size): a view where possible, else a copy."""
        last = range(self.ndim - len(self.kept), self.ndim)
        return np.moveaxis(X, self.kept, tuple(last)).reshape(-1, self.size)

    def view(self, X: np.ndarray) -> np.ndarray | None:
        """Return ``X`` as a view of shape (n_outer, size, n_inner), or None where there is none."""
        if self.is_last and X.ndim == 2:
            return X[:, :, None]
        first, last = (self.kept[0], self.kept[-1]) if self.kept else (self.ndim, self.ndim - 1)
        adjacent = last - first + 1 == len(self.kept)
        if not (adjacent and X.flags.c_contiguous):
            return None
        return X.reshape(prod(X.shape[:first]), self.size, prod(X.shape[last + 1 :]))


def reduce_blocks(X: np.ndarray, kernel: Kernel, columns: np.ndarray, n_results: int) -> np.ndarray:
    """Return the numbers that ``kernel`` makes of each column of each block of ``X``.

    Parameters
    ----------
    X : ndarray of shape (n_outer, size, n_inner)
        The statistics are over the first and the last axis.
    kernel : callable
        Takes a block, its part of ``columns`` and a float64 array of the block's shape
        to work in; returns ``n_results`` arrays with a number for each of its columns.
    columns : ndarray of shape (size,)
        A number for each column that the kernel needs.
    n_results : int
        Of the kernel.

    Returns
    -------
    results : ndarray of shape (n_results, n_blocks, size)
        In an order that depends on the shape of ``X`` alone.
    """
    if 0 < X.size <= BLOCK:  # nothing to cut: the small data of many short fits
        X = np.asfortranarray(X)  # whole columns are quicker to reduce than many short rows
        with np.errstate(all="ignore"):
            whole = kernel(X, columns, np.empty_like(X, dtype=np.float64))
        return np.array(whole, dtype=np.float64)[:, None]
    size = X.shape[1]
    repeats = max(1, _WIDE // max(size, 1)) if X.shape[2] == 1 and X.flags.c_contiguous else 1
    n_wide = len(X) // repeats
    even = n_wide * repeats
    wide = X[:even].reshape(n_wide, repeats * size, X.shape[2])
    found = _reduce(wide, kernel, np.tile(columns, repeats), n_results)
    # A row of a wide block holds `repeats` rows of X: each counts as a block of its own.
    found = found.reshape(n_results, -1, size)
    return np.concatenate([found, _reduce(X[even:], kernel, columns, n_results)], axis=1)


def _reduce(X: np.ndarray, kernel: Kernel, columns: np.ndarray, n_results: int) -> np.ndarray:
    outer, middle, inner = _cuts(X.shape)
    places = list(product(enumerate(product(outer, inner)), middle))
    results = np.empty((n_results, len(outer) * len(inner), X.shape[1]))

    def work(own: Iterable[Any]) -> Iterator[int]:
        scratch = np.empty(min(BLOCK, X.size))
        for (i, (rows, inside)), column in own:
            block = X[rows, column, inside]
            with np.errstate(all="ignore"):
                results[:, i, column] = kernel(block, columns[column], _like(block, scratch))
            yield block.nbytes

    run(work, places, X)
    return results


def evaluate(
    map_: Any,
    method: str,
    X: np.ndarray,
    out: np.ndarray,
    *,
    before: Check | None = None,
    behind: Check | None = None,
) -> None:
    """Put what a map makes of ``X`` into ``out``, computed in float64 block by block.

    Parameters
    ----------
    map_ : Map
        Elementwise.
    method : {"forward", "inverse"}
        The direction.
    X, out : ndarray of the same shape
        Samples first; may be the same array.
    before, behind : callable, default=None
        What looks at each block of ``X`` before, and of ``out`` afterwards, while it is in
        the cache, and raises if it does not like it.
    """
    is_direct = out.dtype == np.float64 or (
        np.can_cast(X.dtype, out.dtype) and map_.rounds_once(out.dtype)
    )
    how = (is_direct, before, behind)
    if X.size <= 2 * BLOCK:
        scratch = None if is_direct else np.empty(X.size)
        return _evaluate_block(getattr(map_, method), X, out, scratch, before, behind)
    repeats = max(1, _WIDEST // X.shape[-1]) if X.ndim == 2 else 1
    even = len(X) // repeats * repeats
    if repeats > 1 and X.flags.c_contiguous and out.flags.c_contiguous:
        wide = (even // repeats, repeats * X.shape[1])
        function = getattr(map_.tile(repeats), method)
        _evaluate(function, X[:even].reshape(wide), out[:even].reshape(wide), *how)
        X, out = X[even:], out[even:]
    return _evaluate(getattr(map_, method), X, out, *how)


def _evaluate(
    function: Callable[[Any, Any], Any],
    X: np.ndarray,
    out: np.ndarray,
    is_direct: bool,
    before: Check | None,
    behind: Check | None,
) -> None:
    size = min(_LARGE_BLOCK, X.size // 4)  # of what is not much larger, a part for each thread
    rows = max(1, size // max(1, prod(X.shape[1:])))
    places = [slice(start, start + rows) for start in range(0, len(X), rows)]

    def work(own: Iterable[slice]) -> Iterator[int]:
        scratch = None if is_direct else np.empty(rows * prod(X.shape[1:]))
        for place in own:
            _evaluate_block(function, X[place], out[place], scratch, before, behind)
            yield X[place].nbytes

    run(work, places, X)


def _evaluate_block(
    function: Callable[[Any, Any], Any],
    X: np.ndarray,
    out: np.ndarray,
    scratch: np.ndarray | None,
    before: Check | None,
    behind: Check | None,
) -> None:
    if before is not None:
        before(X)
    block = out if scratch is None else _like(X, scratch)
    if X.dtype == block.dtype:
        source = X
    else:  # quicker than in the first operation
        source = block
        np.copyto(block, X)
    found = function(source, Into(block, divides=scratch is None))
    if found is not out:
        np.copyto(out, found, casting="same_kind")
    if behind is not None:
        behind(out)


class Into:
    """NumPy, with functions that write into one array.

    It evaluates a map without a new array for each operation: the map's formula must use
    each intermediate once, as first argument.

    Parameters
    ----------
    out : ndarray
        Where results go, in the dtype that is computed in.
    divides : bool
        Whether division is what it says. A reciprocal's error of 2**-53 goes under where the
        result is rounded to float32, and multiplying by it is half as fast again.
    """

    def __init__(self, out: np.ndarray, divides: bool) -> None:
        self._out = out
        self._divides = divides

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(np, name)
        return lambda x, *arguments: function(x, *arguments, out=self._out)

    def subtract(self, x: Any, y: Any) -> Any:
        """Return ``x - y``."""
        return x if y.size == 1 and y[0] == 0 else np.subtract(x, y, out=self._out)

    def add(self, x: Any, y: Any) -> Any:
        """Return ``x + y``."""
        return x if y.size == 1 and y[0] == 0 else np.add(x, y, out=self._out)

    def multiply(self, x: Any, y: Any) -> Any:
        """Return ``x * y``."""
        return np.multiply(x, y.astype(self._out.dtype, copy=False), out=self._out)

    def divide(self, x: Any, y: Any) -> Any:
        """Return ``x / y``."""
        if y.size == 1 and y[0] == 1:
            return x
        if self._divides:
            return np.divide(x, y.astype(self._out.dtype, copy=False), out=self._out)
        return np.multiply(x, 1.0 / y, out=self._out)


def refuse_infinite(X: np.ndarray) -> None:
    """Raise ``ValueError``, in scikit-learn's words, if ``X`` has an infinity."""
    if not np.isfinite(X).all() and np.isinf(X).any():
        raise ValueError(
            f"Input X contains infinity or a value too large for dtype({str(X.dtype)!r})."
        )


def _cuts(shape: tuple[int, ...]) -> list[list[slice]]:
    """Return slices of the three axes that make blocks of at most ``BLOCK`` values."""
    n_outer, size, n_inner = shape
    columns = min(max(size, 1), 2 * _WIDE)
    inside = min(max(n_inner, 1), max(1, BLOCK // columns))
    steps = (max(1, BLOCK // (columns * inside)), columns, inside)
    return [
        [slice(start, start + step) for start in range(0, n, step)]
        for n, step in zip((n_outer, size, n_inner), steps, strict=True)
    ]


def _like(block: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """Return float64 memory of the block's shape and order, in ``scratch`` where it fits."""
    if block.size > scratch.size:
        return np.empty_like(block, dtype=np.float64, subok=False)
    is_fortran = block.ndim > 1 and block.strides[0] < block.strides[1]
    return scratch[: block.size].reshape(block.shape, order="F" if is_fortran else "C")


def run(
    work: Callable[[Iterable[Any]], Iterator[int]], places: Sequence[Any], X: np.ndarray
) -> None:
    """Do the work at all places, on all cores; each takes neighbours, and more when it is done.

    Parameters
    ----------
    work : callable
        Takes some of the places; yields the number of bytes that it has read of ``X`` since.
    places : sequence
        What to work at.
    X : ndarray
        What is read; from a memory-mapped file its pages are given back on the way.
    """
    is_large = X.size > _THREADED
    n_threads = min(cpu_count(), _limit(), len(places)) if is_large else 1
    pages = _pages(X) if is_large else None
    step = max(1, -(-len(places) // (_SHARES * n_threads)))
    shares = [places[i : i + step] for i in range(0, len(places), step)]
    next_shares = iter(shares)

    def do() -> None:
        read = 0
        try:
            for n_bytes in work(chain.from_iterable(next_shares)):
                read += n_bytes
                if pages is not None and read > _PAGES:
                    pages.madvise(mmap.MADV_DONTNEED)
                    read = 0
        finally:
            shares.clear()  # after an error or Ctrl-C no thread takes another

    if n_threads == 1:
        return do()
    with ThreadPoolExecutor(n_threads - 1) as pool:
        # Each in a copy of this context, which holds numpy.errstate.
        others = [pool.submit(copy_context().run, do) for _ in range(n_threads - 1)]
        do()  # this thread is awake: another core may take its time
        for other in others:
            other.result()
    return None


def _limit() -> int:
    """Return OMP_NUM_THREADS, by which joblib's and Dask's workers say how many they may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else cpu_count()


def _pages(X: np.ndarray) -> mmap.mmap | None:
    """Return the map of a file that ``X`` reads from, if its pages can be given back.

    Otherwise a file that is read once would count as this process's memory, whole.
    """
    shared = False
    base: Any = X
    while isinstance(base, np.ndarray):
        # Pages of mode "c" hold what was written to them, and nothing else does.
        shared = shared or getattr(base, "mode", None) in ("r", "r+")
        base = base.base
    found = shared and isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED")
    return base if found else None
