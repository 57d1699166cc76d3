"""Statistics of arrays that merge: those of two parts give those of the whole.

Each class has ``of(X, layout, weight)``, which computes them in float64 from an array
of any rank and dtype, and ``merge``, which joins two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from typing import Any, Protocol, TypeVar

import numpy as np

from ._blocks import BLOCK, Layout, reduce_blocks, refuse_infinite, run
from ._merging import merge_moments

#: What the mean may be away from the shift, in standard deviations, before the sum of
#: squares loses a digit: the pass is then done again from a better shift.
_FAR = 3.0
_SAMPLE = 33
#: Sum of whole weights up to which ranks are exact to a millionth.
_MOST_REPEATED = 2**32
_N_CHUNK = 8 * BLOCK

Statistics = TypeVar("Statistics", bound="Mergeable")


class Mergeable(Protocol):
    """What can be merged with its like."""

    def merge(self: Statistics, other: Statistics) -> Statistics:
        """Return the statistics of both parts together."""


def merge_all(parts: Sequence[Statistics]) -> Statistics:
    """Return all parts merged in a balanced tree that their number alone decides.

    Neighbours are merged first, so that the same parts give the same bits however and
    in whatever order they were computed.
    """
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [reduce(lambda a, b: a.merge(b), pair) for pair in pairs]
    return parts[0]


@dataclass(frozen=True, eq=False)
class Moments:
    """Weight, mean and sum of squared deviations from it (M2).

    The mean is kept as ``shift + residual``: rounded to one float64, means of 1e9 would
    cancel to nothing of a standard deviation of 1e-3 when they are merged.

    Parameters
    ----------
    count, shift, residual, m2 : ndarray of shape (size,), float64
        Sum of the weights (1 each where there are none), the mean in two parts, in raw
        units, and M2 in raw units squared.
    is_weighted : bool
        Whether ``count`` sums weights that were given.

    Examples
    --------
    >>> import numpy as np
    >>> first, second = np.array([[1e9], [1e9 + 1]]), np.array([[1e9 + 2]])
    >>> layout = Layout.of(first.shape, -1)
    >>> both = Moments.of(first, layout).merge(Moments.of(second, layout))
    >>> both.variance * 3
    array([2.])
    """

    count: np.ndarray
    shift: np.ndarray
    residual: np.ndarray
    m2: np.ndarray
    is_weighted: bool = False

    @classmethod
    def of(cls, X: np.ndarray, layout: Layout, weight: np.ndarray | None = None) -> Moments:
        """Return the moments of ``X``; NaN count as absent.

        Parameters
        ----------
        X : ndarray
            Of numbers.
        layout : Layout
            Which axes keep their own statistics.
        weight : ndarray, default=None
            Non-negative, with the first axes of ``X``.

        Raises
        ------
        ValueError
            If ``X`` has an infinity.
        """
        parts = [cls._of_part(*part) for part in _parts(X, layout, weight)]
        return merge_all(parts)

    @classmethod
    def _of_part(cls, X: np.ndarray, weight: np.ndarray | None) -> Moments:
        if weight is not None:  # what does not count may be anything, far off too
            X = np.where(weight[:, :, None] > 0, X, np.nan)
        shift = _typical(X)
        count, total, squares = _sums(X, weight, shift)
        with np.errstate(over="ignore", invalid="ignore"):
            far = total**2 * (1 + _FAR**-2) > squares * count
            if far.any():
                shift = np.where(far, shift + _ratio(total, count), shift)
                count, total, squares = _sums(X, weight, shift)
            residual = _ratio(total, count)
            m2 = np.maximum(squares - total * residual, 0.0)
        return cls(count, shift, residual, m2, weight is not None)

    @property
    def mean(self) -> np.ndarray:
        """The mean; NaN where nothing was counted."""
        return np.where(self.count > 0, self.shift + self.residual, np.nan)

    @property
    def variance(self) -> np.ndarray:
        """M2 over the count; NaN where nothing was counted."""
        return np.where(self.count > 0, _ratio(self.m2, self.count), np.nan)

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both parts together."""
        first, second = ((each.count, each.shift, each.residual, each.m2) for each in (self, other))
        return Moments(*merge_moments(first, second, np), self.is_weighted or other.is_weighted)


@dataclass(frozen=True, eq=False)
class Extremes:
    """Smallest and largest value.

    Parameters
    ----------
    count : int
        Rows of values that entered; with weights, those of a weight above 0.
    low, high : ndarray of shape (size,), float64
        The extremes in raw units; NaN where there is no value.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[3.0, -1.0], [5.0, np.nan]])
    >>> extremes = Extremes.of(X, Layout.of(X.shape, -1))
    >>> extremes.low, extremes.high
    (array([ 3., -1.]), array([ 5., -1.]))
    """

    count: int
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, layout: Layout, weight: np.ndarray | None = None) -> Extremes:
        """Return the extremes of ``X``; NaN and values of weight 0 count as absent.

        Parameters
        ----------
        X : ndarray
            Of numbers.
        layout : Layout
            Which axes keep their own statistics.
        weight : ndarray, default=None
            Non-negative, with the first axes of ``X``.

        Raises
        ------
        ValueError
            If ``X`` has an infinity.
        """
        parts = []
        for values, weights in _parts(X, layout, weight):
            n_values = values.shape[0] * values.shape[2]
            if weights is not None:
                n_values = int((weights > 0).any(axis=1).sum())
                values = np.where(weights > 0, values[:, :, 0], np.nan)[:, :, None]
            low, high = reduce_blocks(values, _extremes, np.zeros(layout.size), 2)
            low, high = np.fmin.reduce(low), np.fmax.reduce(high)
            refuse_infinite(low)
            refuse_infinite(high)
            parts.append(cls(n_values, low, high))
        return merge_all(parts)

    @property
    def range(self) -> np.ndarray:
        """Distance of the extremes."""
        with np.errstate(over="ignore"):
            return self.high - self.low

    @property
    def largest(self) -> np.ndarray:
        """Largest absolute value."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def merge(self, other: Extremes) -> Extremes:
        """Return the extremes of both parts together."""
        return Extremes(
            self.count + other.count,
            np.fmin(self.low, other.low),
            np.fmax(self.high, other.high),
        )


@dataclass(frozen=True, eq=False)
class Values:
    """The values themselves, for exact quantiles.

    Parameters
    ----------
    chunks : tuple of (ndarray of shape (n_outer, size, n_inner), ndarray or None)
        Values in raw units, and weights of shape (n_outer, size); may be views. Or a sparse
        matrix of shape (n, size) whose columns can be taken.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0], [2.0], [4.0]])
    >>> values = Values.of(X, Layout.of(X.shape, -1), weight=np.array([1.0, 1.0, 2.0]))
    >>> values.quantiles([0.5])
    array([[3.]])
    """

    chunks: tuple[tuple[np.ndarray, np.ndarray | None], ...]

    @classmethod
    def of(cls, X: np.ndarray, layout: Layout, weight: np.ndarray | None = None) -> Values:
        """Return the values of ``X``, which may share its memory.

        Parameters
        ----------
        X : ndarray
            Of numbers; NaN count as absent.
        layout : Layout
            Which axes keep their own statistics.
        weight : ndarray, default=None
            Non-negative, with the first axes of ``X``.

        Raises
        ------
        ValueError
            If ``X`` has an infinity.
        """
        chunks = tuple(_parts(X, layout, weight))
        for values, weights in chunks:
            step = max(1, BLOCK // max(1, values[:1].size))
            for rows in (slice(start, start + step) for start in range(0, len(values), step)):
                part = values[rows]
                if weights is not None:
                    part = np.where(weights[rows, :, None] > 0, part, 0)
                refuse_infinite(part)
        return cls(chunks)

    def copy(self) -> Values:
        """Return the same values in memory of their own."""
        return Values(
            tuple((values.copy(), None if w is None else w.copy()) for values, w in self.chunks)
        )

    @property
    def size(self) -> int:
        """Number of columns."""
        return int(self.chunks[0][0].shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes that the values and their weights take."""
        arrays = (each for chunk in self.chunks for each in chunk if each is not None)
        return sum(each.size * each.dtype.itemsize for each in arrays)

    def merge(self, other: Values) -> Values:
        """Return the values of both parts together."""
        return Values(self.chunks + other.chunks)

    def columns(self, j: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a copy of the values of column ``j``, without NaN, and their weights."""
        columns = [_column(chunk, j) for chunk, _ in self.chunks]
        values, weight = np.concatenate(columns), None
        if any(each is not None for _, each in self.chunks):
            pairs = zip(columns, self.chunks, strict=True)
            weight = np.concatenate(
                [np.ones(len(x)) if w is None else w[:, j] for x, (_, w) in pairs]
            )
        present = ~np.isnan(values) if weight is None else ~np.isnan(values) & (weight > 0)
        if not present.all():
            values, weight = values[present], None if weight is None else weight[present]
        return values, weight

    def quantiles(self, probabilities: Sequence[float]) -> np.ndarray:
        """Return quantiles, linear between neighbours as those of :func:`numpy.quantile`.

        Integer weights are repetitions; others are first brought to a mean of 1.

        Parameters
        ----------
        probabilities : sequence of float
            In [0, 1].

        Returns
        -------
        quantiles : ndarray of shape (n_probabilities, size), float64
            In raw units; NaN where there is no value.
        """
        found = np.empty((len(probabilities), self.size))

        def work(own: Iterable[int]) -> Iterator[int]:
            for j in own:
                values, weight = self.columns(j)
                found[:, j] = _quantiles(values, weight, np.asarray(probabilities))
                yield values.nbytes

        run(work, range(self.size), self.chunks[0][0])
        return found

    def rank_error(self, probabilities: Sequence[float]) -> float:
        """Return 0: these quantiles are exact."""
        return 0.0


@dataclass(frozen=True, eq=False)
class Digests:
    """A t-digest of each column: quantiles in bounded memory, by ``fastdigest``.

    Parameters
    ----------
    digests : tuple of bytes
        One for each column. As bytes, since a digest in memory carries unmerged values
        along, and would answer otherwise before than after a pickle.

    References
    ----------
    Dunning, Ertl, "Computing extremely accurate quantiles using t-digests",
    arXiv:1902.04023.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(101.0).reshape(-1, 1)
    >>> digests = Digests.of_values(Values.of(X, Layout.of(X.shape, -1)), max_centroids=50)
    >>> bool(abs(digests.quantiles([0.25])[0, 0] - 25) < 1)
    True
    """

    digests: tuple[bytes, ...]

    @classmethod
    def of_values(cls, values: Values, max_centroids: int) -> Digests:
        """Return digests of the columns, with at most ``max_centroids`` centroids each.

        Raises
        ------
        ValueError
            If a weight is no whole number: a digest takes weights for repetitions.
        """
        digest = import_fastdigest().TDigest
        found = []
        for j in range(values.size):
            column, weights = values.columns(j)
            if weights is not None and (weights % 1).any():
                raise ValueError(
                    "With sketch_size, sample_weight must be whole numbers, as repetitions, got "
                    f"{weights[weights % 1 > 0][0]}. Multiply and round them, or use "
                    "sketch_size=None."
                )
            new = digest(max_centroids=max_centroids)
            if len(column):
                new.batch_update(column.astype(np.float64), weights)
            found.append(new.to_bytes())
        return cls(tuple(found))

    def merge(self, other: Digests) -> Digests:
        """Return the digests of both parts together."""
        pairs = zip(self._read(), other._read(), strict=True)
        return Digests(tuple(mine.merge(theirs).to_bytes() for mine, theirs in pairs))

    def quantiles(self, probabilities: Sequence[float]) -> np.ndarray:
        """Return estimated quantiles of shape (n_probabilities, size), in raw units."""
        found = [
            digest.quantile_vec(list(probabilities)) if digest else [np.nan] * len(probabilities)
            for digest in self._read()
        ]
        return np.asarray(found, dtype=np.float64).T

    def rank_error(self, probabilities: Sequence[float]) -> float:
        """Return how far off the rank of a quantile may be, as a share of all values.

        It is the largest share that one centroid next to a quantile holds: within a
        centroid the digest does not know how its values lie.
        """
        shares = [0.0]
        for digest in filter(None, self._read()):
            weights = np.array([each["c"] for each in digest.to_dict()["centroids"]])
            ends = np.cumsum(weights) / weights.sum()
            places = np.searchsorted(ends, probabilities).clip(0, len(ends) - 1)
            near = np.clip(np.add.outer([-1, 0, 1], places), 0, len(ends) - 1)
            shares.append(float(np.where(weights > 1, weights, 0)[near].max() / weights.sum()))
        return max(shares)

    def _read(self) -> list[Any]:
        digest = import_fastdigest().TDigest
        return [digest.from_bytes(each) for each in self.digests]


def import_fastdigest() -> Any:
    """Return the module ``fastdigest``, or say how to install it."""
    try:
        return import_module("fastdigest")
    except ImportError as error:
        raise ImportError(
            "Quantiles in bounded memory need fastdigest: pip install "
            "'sklearn_keras_scaling[sketch]'. Without it, sketch_size=None keeps the values."
        ) from error


def _parts(
    X: np.ndarray, layout: Layout, weight: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield ``X`` with shape (n_outer, size, n_inner), and weights of shape (n_outer, size).

    As one view where there is one, else as copies of a few samples each.
    """
    view = layout.view(X)
    if view is not None and weight is None:
        yield view, None
        return
    step = max(1, _N_CHUNK * len(X) // max(1, X.size))
    for start in range(0, max(1, len(X)), step):
        part = X[start : start + step]
        weights = None
        if weight is not None:
            ones = (1,) * (X.ndim - weight.ndim)
            chosen = weight[start : start + step].reshape(
                *weight[start : start + step].shape, *ones
            )
            weights = layout.rows(np.broadcast_to(chosen, part.shape))
        yield layout.rows(part)[:, :, None], weights


def _typical(X: np.ndarray) -> np.ndarray:
    """Return a value of each column near its middle: the median of a few.

    It is one of the values, so that a constant column deviates from it by exactly 0.
    """
    rows = X[:: max(1, len(X) // _SAMPLE), :, X.shape[2] // 2].astype(np.float64)
    if not len(rows):
        return np.zeros(X.shape[1])
    rows.sort(axis=0)  # puts NaN last
    if np.isfinite(rows[0]).all() and np.isfinite(rows[-1]).all():
        return rows[(len(rows) - 1) // 2]
    rows[~np.isfinite(rows)] = np.nan
    rows.sort(axis=0)
    middle = np.maximum((~np.isnan(rows)).sum(axis=0) - 1, 0) // 2
    return np.nan_to_num(np.take_along_axis(rows, middle[None], axis=0)[0])


def _sums(X: np.ndarray, weight: np.ndarray | None, shift: np.ndarray) -> np.ndarray:
    """Return the sums of the weights, of the deviations from ``shift`` and of their squares."""
    if weight is None:
        return np.add.reduce(reduce_blocks(X, _deviations, shift, 3), axis=1)
    deviation = X[:, :, 0] - shift
    weight = np.where(np.isnan(deviation), 0.0, weight)
    deviation[weight == 0] = 0.0
    refuse_infinite(deviation)
    weighted = weight * deviation
    return np.stack([part.sum(axis=0) for part in (weight, weighted, weighted * deviation)])


def _deviations(
    block: np.ndarray, shift: np.ndarray, scratch: np.ndarray
) -> tuple[np.ndarray, ...]:
    np.copyto(scratch, block)
    scratch -= shift[:, None]
    total = np.add.reduce(scratch, axis=(0, 2))
    count = np.full(len(shift), float(block.shape[0] * block.shape[2]))
    if not np.isfinite(total).all():
        refuse_infinite(block)
        missing = np.isnan(scratch)
        scratch[missing] = 0.0
        count -= np.count_nonzero(missing, axis=(0, 2))
        total = np.add.reduce(scratch, axis=(0, 2))
    np.multiply(scratch, scratch, out=scratch)
    return count, total, np.add.reduce(scratch, axis=(0, 2))


def _extremes(block: np.ndarray, _: np.ndarray, __: np.ndarray) -> tuple[np.ndarray, ...]:
    return np.fmin.reduce(block, axis=(0, 2)), np.fmax.reduce(block, axis=(0, 2))


def _column(chunk: Any, j: int) -> np.ndarray:
    column = chunk[:, [j]].toarray() if hasattr(chunk, "toarray") else chunk[:, j]
    return column.reshape(-1)


def _quantiles(
    values: np.ndarray, weight: np.ndarray | None, probabilities: np.ndarray
) -> np.ndarray:
    """Return quantiles of values of one axis, which it reorders."""
    if not len(values):
        return np.full(len(probabilities), np.nan)
    if weight is not None:
        return _weighted_quantiles(values, weight, probabilities)
    position = (len(values) - 1) * probabilities
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, len(values) - 1)
    values.partition(np.unique([below, above]))
    low, high = values[below].astype(np.float64), values[above].astype(np.float64)
    share = position - below
    # From the nearer end, as numpy.quantile does: equal ends then give that number itself.
    return np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))


def _weighted_quantiles(
    values: np.ndarray, weight: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Return means of the ordered values over a window of weight 1, at each quantile's rank.

    With whole weights the window meets two neighbours at most, and the mean is what
    interpolation gives between them when each value is repeated.
    """
    order = np.argsort(values)
    values, weight = values[order].astype(np.float64), weight[order]
    if (weight % 1).any() or weight.sum() > _MOST_REPEATED:
        weight = weight * (len(weight) / weight.sum())
    ends = np.cumsum(weight)
    starts = ends - weight
    found = []
    for start in (ends[-1] - 1) * probabilities:
        first, last = np.searchsorted(ends, start, "right"), np.searchsorted(starts, start + 1)
        window = slice(min(first, len(values) - 1), max(last, first + 1))
        shares = np.minimum(ends[window], start + 1) - np.maximum(starts[window], start)
        deviations = values[window] - values[window][0]
        found.append(values[window][0] + (shares * deviations).sum() / shares.sum())
    return np.array(found)


def _ratio(numerator: Any, denominator: Any) -> np.ndarray:
    """Return the quotient, 0 where the denominator is 0."""
    zeros = np.zeros(np.shape(denominator))
    return np.divide(numerator, denominator, out=zeros, where=np.asarray(denominator) != 0)
