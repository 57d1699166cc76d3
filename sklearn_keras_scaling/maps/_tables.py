"""Maps that look a number up among sorted ones: quantiles, bins, categories, splines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from ._base import Map, constants
from ._namespaces import at_least, at_most, has_twins, ndtr, ndtri, number, tolerances

#: What scikit-learn's QuantileTransformer takes for a bound, and its last probability.
_THRESHOLD = 1e-7
_LEAST = _THRESHOLD - np.spacing(1)


def padded(columns: Sequence[Any], fill: float = np.inf) -> np.ndarray:
    """Return sorted numbers of each column as one table, filled up to a length of 2**k - 1."""
    longest = max(map(len, columns), default=0)
    table = np.full((len(columns), 2 ** max(longest.bit_length(), 1) - 1), fill)
    for row, column in zip(table, columns, strict=True):
        row[: len(column)] = column
    return table


def look_up(table: np.ndarray, index: Any, xp: Any) -> Any:
    """Return for each column the entry of its row of ``table`` with this index.

    Parameters
    ----------
    table : ndarray of shape (n_features, n) or (n_features, n, k)
        A row for each column.
    index : array of int32 of shape (..., n_features)
        Within the rows.
    xp : module
        Array namespace.
    """
    starts = np.arange(len(table), dtype=np.int32) * table.shape[1]
    flat = table.reshape(-1, *table.shape[2:])
    return xp.take(flat, xp.add(index, starts), axis=0)


def count_below(table: np.ndarray, x: Any, xp: Any, *, or_equal: bool) -> Any:
    """Return how many numbers of its column's sorted row are below each number of ``x``.

    A binary search, unrolled: as many operations as the table's length has digits, however
    many columns there are. Each step holds those numbers alone that it may meet.

    Parameters
    ----------
    table : ndarray of shape (n_features, 2**k - 1)
        As :func:`padded` returns it.
    x : array of shape (..., n_features)
        What to look up.
    xp : module
        Array namespace.
    or_equal : bool
        Whether those that are equal count.

    Returns
    -------
    count : array of int32 of the shape of ``x``
        0 for NaN.
    """
    is_counted = xp.less_equal if or_equal else xp.less
    count = xp.zeros_like(x, dtype="int32")
    step = (table.shape[1] + 1) // 2
    while step:
        entry = look_up(table[:, step - 1 :: 2 * step], count, xp)
        bit = xp.where(is_counted(entry, x), np.int32(1), np.int32(0))
        count = xp.add(xp.add(count, count), bit)
        step //= 2
    return count


def _limit(index: Any, last: int, xp: Any) -> Any:
    return at_most(at_least(index, np.int32(0), xp), np.int32(last), xp)


def _within(p: Any, low: float, high: float, xp: Any) -> Any:
    return at_most(at_least(p, number(low), xp), number(high), xp)


def _choose(z: np.ndarray, columns: Sequence[Any]) -> np.ndarray:
    """Return numbers of each column's sequence, about equally often."""
    share = 1.0 / (1.0 + np.exp(-1.7 * z))
    choices = [np.asarray(c)[(share[..., i] * len(c)).astype(int)] for i, c in enumerate(columns)]
    return np.stack(choices, axis=-1)


@dataclass(frozen=True, eq=False)
class Quantiles(Map):
    """The empirical distribution function, between the quantiles a straight line.

    Parameters
    ----------
    quantiles : array-like of shape (n_features, n_quantiles)
        Sorted.
    references : array-like of shape (n_quantiles,)
        Their probabilities, equally spaced from 0 to 1.
    is_normal : bool
        Whether a normal distribution's quantile function follows.

    Notes
    -----
    At a number that is several quantiles at once, their mean is taken, as in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> map_ = Quantiles([[0.0, 10.0, 100.0]], [0.0, 0.5, 1.0], is_normal=False)
    >>> map_.forward(np.array([[5.0], [55.0]]), np)
    array([[0.25],
           [0.75]])
    >>> map_.inverse(np.array([[0.75]]), np)
    array([[55.]])
    """

    quantiles: Any
    references: Any
    is_normal: bool
    is_tolerant: bool = False

    def __post_init__(self) -> None:
        constants(self, "quantiles", "references")

    @property
    def output_range(self) -> tuple[float, float]:  # type: ignore[override]  # read-only here
        """From 0 to 1, or the quantiles of what counts for 0 and 1."""
        if not self.is_normal:
            return (0.0, 1.0)
        return (float(special.ndtri(_LEAST)), float(special.ndtri(1 - _LEAST)))

    def tolerant(self) -> Map:
        """Return the same, for which numbers next to a repeated quantile are there."""
        return replace(self, is_tolerant=True)

    def is_fragile(self, eps: float) -> bool:
        """Return whether a repeated quantile has another one next to it."""
        if not self.is_tolerant:
            return False
        # Each repeated one with the next below and above.
        for column, repeats in zip(self.quantiles, self._repeats(), strict=True):
            beside = repeats | np.roll(repeats, 1) | np.roll(repeats, -1)
            if repeats.any() and has_twins(column[beside], eps):
                return True
        return False

    def _repeats(self) -> np.ndarray:
        is_first = np.diff(self.quantiles, axis=1, prepend=np.nan) != 0.0
        return ~is_first | np.roll(~is_first, -1, axis=1)

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the probability of a smaller number, or its normal quantile."""
        table, last = padded(self.quantiles), len(self.references) - 1
        tolerance = self._tolerance(xp)
        below = count_below(padded(self.quantiles + tolerance), x, xp, or_equal=False)
        up_to = count_below(padded(self.quantiles - tolerance), x, xp, or_equal=True)
        lower = _limit(xp.subtract(up_to, np.int32(1)), last, xp)
        upper = _limit(below, last, xp)
        ends = [look_up(table, index, xp) for index in (lower, upper)]
        values = [xp.take(self.references, index) for index in (lower, upper)]
        p = self._bound(_between(x, ends, values, xp), x, xp)
        if not self.is_normal:
            return p
        # Limited before: the quantile function has no slope at 0 and 1; and set after: in
        # float32 it is 0.03 off at the limits.
        z = ndtri(_within(p, _LEAST, 1 - _LEAST, xp), xp)
        lowest, highest = self.output_range
        z = xp.where(xp.less_equal(p, number(_LEAST)), number(lowest), z)
        return xp.where(xp.greater_equal(p, number(1 - _LEAST)), number(highest), z)

    def _tolerance(self, xp: Any) -> Any:
        """Return how far from a quantile numbers are still there: where there is a jump."""
        if not self.is_tolerant:
            return 0.0
        return np.where(self._repeats(), tolerances(self.quantiles, xp), 0.0)

    def _bound(self, p: Any, x: Any, xp: Any) -> Any:
        """Return 0 and 1 outside of the quantiles, and for a normal distribution next to them."""
        first, last = self.quantiles[:, 0], self.quantiles[:, -1]
        if self.is_normal:
            is_low = xp.less(xp.subtract(x, number(_THRESHOLD)), first)
            is_high = xp.greater(xp.add(x, number(_THRESHOLD)), last)
        else:
            tolerance = np.broadcast_to(self._tolerance(xp), self.quantiles.shape)
            is_low = xp.less_equal(xp.abs(xp.subtract(x, first)), tolerance[:, 0])
            is_high = xp.less_equal(xp.abs(xp.subtract(x, last)), tolerance[:, -1])
        p = xp.where(is_low, number(0), xp.where(is_high, number(1), p))
        return xp.where(xp.isnan(x), x, p)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the quantile with this probability, or with that of this normal quantile."""
        p = ndtr(z, xp) if self.is_normal else z
        last = len(self.references) - 1
        up_to = count_below(padded([self.references]), p, xp, or_equal=True)
        lower = _limit(xp.subtract(up_to, np.int32(1)), max(last - 1, 0), xp)
        upper = _limit(xp.add(lower, np.int32(1)), last, xp)
        ends = [xp.take(self.references, index) for index in (lower, upper)]
        values = [look_up(self.quantiles, index, xp) for index in (lower, upper)]
        x = _between(_within(p, 0.0, 1.0, xp), ends, values, xp)
        if self.is_normal:
            x = xp.where(xp.greater(p, number(1 - _THRESHOLD)), self.quantiles[:, -1], x)
            x = xp.where(xp.less(p, number(_THRESHOLD)), self.quantiles[:, 0], x)
        return xp.where(xp.isnan(z), z, x)

    def direction(self, n_features: int) -> np.ndarray:
        """Return 1: quantiles are sorted."""
        return np.ones(n_features)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return quantiles, and numbers between them."""
        rows = self.inverse(draws if self.is_normal else special.ndtr(draws), np)
        rows[::2] = _choose(draws[::2], self.quantiles)
        known = self.inverse(np.where(np.isinf(outputs), np.nan, outputs), np)
        rows[::4] = np.where(np.isnan(known), rows, known)[::4]
        return rows


def _between(x: Any, ends: list[Any], values: list[Any], xp: Any) -> Any:
    """Return the straight line between two points at ``x``; their mean where they coincide."""
    width = xp.subtract(ends[1], ends[0])
    is_line = xp.greater(width, 0.0)
    share = xp.divide(xp.subtract(x, ends[0]), xp.where(is_line, width, number(1)))
    line = xp.add(values[0], xp.multiply(share, xp.subtract(values[1], values[0])))
    return xp.where(is_line, line, xp.multiply(xp.add(*values), number(0.5)))


@dataclass(frozen=True, eq=False)
class Bins(Map):
    """The number of the interval that a value is in; the inverse is the interval's centre.

    Parameters
    ----------
    edges : sequence of array-like of shape (n_bins + 1,)
        For each column its edges, sorted; an inner edge belongs to the bin above it.
    are_values : bool, default=True
        Whether they are training values, or their images, and no mere divisions of a range.

    Examples
    --------
    >>> import numpy as np
    >>> bins = Bins([[0.0, 1.0, 5.0]])
    >>> bins.forward(np.array([[-3.0], [1.0]]), np)
    array([[0.],
           [1.]])
    >>> bins.inverse(np.array([[1.0]]), np)
    array([[3.]])
    """

    edges: Sequence[Any]
    are_values: bool = True
    is_tolerant: bool = False
    is_exact = True

    def tolerant(self) -> Map:
        """Return the same, for which numbers next to an edge are in the bin above it."""
        return replace(self, is_tolerant=self.are_values)

    def is_fragile(self, eps: float) -> bool:
        """Return whether edges are next to each other."""
        return self.is_tolerant and any(has_twins(np.asarray(e), eps) for e in self.edges)

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the bins' numbers; NaN stays NaN."""
        edges = [np.asarray(each, dtype=np.float64) for each in self.edges]
        if self.is_tolerant:
            shifts = tolerances(edges, xp)
            edges = [each - shift for each, shift in zip(edges, shifts, strict=True)]
        inner = padded([each[1:-1] for each in edges])
        bins = xp.multiply(count_below(inner, x, xp, or_equal=True), number(1))
        return xp.where(xp.isnan(x), x, bins)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the bins' centres."""
        with np.errstate(invalid="ignore"):  # a constant column's edges are infinite
            centres = [(np.asarray(each)[1:] + np.asarray(each)[:-1]) * 0.5 for each in self.edges]
        return Codes([np.arange(len(c)) for c in centres], centres).forward(xp.floor(z), xp)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return edges, and numbers around them."""
        rows = _choose(draws, self.edges)
        with np.errstate(invalid="ignore"):  # a constant column's edges are infinite
            width = np.array([np.ptp(edges) / max(len(edges) - 1, 1) for edges in self.edges])
            rows[1::2] += draws[1::2] * width
        return np.where(np.isfinite(rows), rows, draws)


@dataclass(frozen=True, eq=False)
class Codes(Map):
    """A number for each category; the inverse is the category with that number.

    Parameters
    ----------
    categories : sequence of array-like
        For each column its numeric categories, in any order, with NaN or without.
    codes : sequence of array-like
        Their numbers; those that several categories share have no inverse.
    unknown : array-like of shape (n_features,), default=None
        The code of any other number; by default NaN.
    listed : sequence of array-like, default=None
        For each column the categories that the inverse finds by index, as Python does:
        truncated, and from the end if it is negative. By default it finds them by their
        codes.

    Examples
    --------
    >>> import numpy as np
    >>> codes = Codes([[10.0, 20.0]], [[0.0, 1.0]])
    >>> codes.forward(np.array([[20.0], [15.0]]), np)
    array([[ 1.],
           [nan]])
    >>> codes.inverse(np.array([[1.0]]), np)
    array([[20.]])
    """

    categories: Sequence[Any]
    codes: Sequence[Any]
    unknown: Any = None
    listed: Sequence[Any] | None = None
    is_tolerant: bool = False
    is_exact = True

    def __post_init__(self) -> None:
        orders = [np.argsort(np.asarray(own, dtype=np.float64)) for own in self.categories]
        for name in ("categories", "codes"):
            pairs = zip(getattr(self, name), orders, strict=True)
            columns = [np.asarray(each, dtype=np.float64)[order] for each, order in pairs]
            object.__setattr__(self, name, columns)
        unknown = np.nan if self.unknown is None else self.unknown
        object.__setattr__(self, "unknown", np.broadcast_to(unknown, len(self.codes)))

    def tolerant(self) -> Map:
        """Return the same, for which numbers next to a category are the category."""
        return replace(self, is_tolerant=True)

    def is_fragile(self, eps: float) -> bool:
        """Return whether categories are next to each other."""
        return self.is_tolerant and any(has_twins(each, eps) for each in self.categories)

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the codes."""
        numbers = [each[~np.isnan(each)] for each in self.categories]
        shifts = tolerances(numbers, xp) if self.is_tolerant else [0.0] * len(numbers)
        pairs = list(zip(numbers, shifts, strict=True))
        lowest = padded([each - shift for each, shift in pairs])
        highest = padded([each + shift for each, shift in pairs])
        index = _limit(count_below(highest, x, xp, or_equal=False), lowest.shape[1] - 1, xp)
        is_known = xp.logical_and(
            xp.less_equal(look_up(lowest, index, xp), x),
            xp.less_equal(x, look_up(highest, index, xp)),
        )
        # Chosen by place in one table, not between numbers: codes may be NaN.
        columns = zip(self.categories, self.codes, self.unknown, strict=True)
        others = [
            (other, codes[-1] if np.isnan(own).any() else other) for own, codes, other in columns
        ]
        table = np.hstack([padded(self.codes, np.nan), np.reshape(others, (-1, 2))])
        unknown, of_nan = (np.int32(table.shape[1] - back) for back in (2, 1))
        index = xp.where(is_known, index, xp.where(xp.isnan(x), of_nan, unknown))
        return look_up(table, index, xp)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the categories; NaN for other numbers."""
        codes, categories = [], []
        for own, named in zip(self.codes, self.categories, strict=True):
            each, first, count = np.unique(own, return_index=True, return_counts=True)
            codes.append(each)
            categories.append(np.where(count > 1, np.nan, named[first]))
        if self.listed is None:
            return Codes(codes, categories).forward(z, xp)
        lengths = np.array(list(map(len, self.listed)), dtype=np.float64)
        index = xp.trunc(z)
        index = xp.where(xp.less(index, 0.0), xp.add(index, lengths), index)
        found = Codes([np.arange(n) for n in lengths], self.listed).forward(index, xp)
        # What has no category, or is one that stands elsewhere in the list.
        apart = [
            np.append(own[np.isnan(named)], unknown)
            for own, named, unknown in zip(codes, categories, self.unknown, strict=True)
        ]
        absent = Codes(apart, [np.full_like(each, np.nan) for each in apart], np.zeros(len(apart)))
        return xp.add(found, absent.forward(z, xp))

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return categories."""
        return _choose(draws, self.categories)


@dataclass(frozen=True, eq=False)
class OneHot(Map):
    """A column for each code; 1 where it is the one, else 0. NaN makes NaN of all of them.

    Parameters
    ----------
    codes : sequence of array-like
        For each column the codes that have a column.
    fallback : array-like of shape (n_features,)
        What the inverse makes of a row of zeros.

    Examples
    --------
    >>> import numpy as np
    >>> one_hot = OneHot([[0.0, 1.0, 2.0]], [np.nan])
    >>> one_hot.forward(np.array([[2.0]]), np)
    array([[0., 0., 1.]])
    >>> one_hot.inverse(np.array([[0.1, 0.9, 0.0]]), np)
    array([[1.]])
    """

    codes: Sequence[Any]
    fallback: Any
    is_exact = True

    def __post_init__(self) -> None:
        constants(self, "fallback")

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the columns."""
        sources = np.repeat(np.arange(len(self.codes), dtype=np.int32), list(map(len, self.codes)))
        repeated = xp.take(x, sources, axis=-1)
        is_it = xp.equal(repeated, np.concatenate([np.asarray(c, dtype=float) for c in self.codes]))
        hot = xp.where(is_it, number(1), number(0))
        return xp.where(xp.isnan(repeated), repeated, hot)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the code of each column's largest number."""
        lengths = list(map(len, self.codes))
        table = padded(self.codes, np.nan)
        sources = np.full(table.shape, sum(lengths), dtype=np.int32)  # the last: one that loses
        starts = np.cumsum([0, *lengths])
        for row, start, length in zip(sources, starts[:-1], lengths, strict=True):
            row[:length] = np.arange(start, start + length)
        losing = xp.add(xp.zeros_like(z[..., :1]), number(np.inf))
        groups = xp.take(xp.concatenate([xp.negative(z), losing], axis=-1), sources, axis=-1)
        # The least of the negatives: argmax and max become operations that ONNX Runtime lacks.
        n, top = np.int32(table.shape[1]), xp.min(groups, axis=-1, keepdims=True)
        index = xp.where(xp.equal(groups, top), np.arange(n, dtype=np.int32), n)
        sizes = xp.abs(groups)
        is_hot = xp.logical_and(xp.greater(sizes, number(0)), xp.less(sizes, number(np.inf)))
        index = xp.where(xp.any(is_hot, axis=-1), xp.min(index, axis=-1), n)
        fallback = np.broadcast_to(self.fallback, len(table)).reshape(-1, 1)
        return look_up(np.hstack([table, fallback]), index, xp)


@dataclass(frozen=True, eq=False)
class Piecewise(Map):
    """Polynomials between knots, several of each column.

    Parameters
    ----------
    knots : sequence of array-like of shape (n_knots,)
        For each column, sorted.
    origins : ndarray of shape (n_features, n_knots + 1)
        Where each piece is zero; the first piece is below the first knot.
    coefficients : ndarray of shape (degree + 1, n_features, n_knots + 1, n_outputs)
        Of the powers of the distance from the origin, the highest last.
    period : ndarray of shape (n_features,) or None
        Numbers are taken modulo this, from the first knot.

    Examples
    --------
    >>> import numpy as np
    >>> slopes = np.array([[[[0.0], [0.0]]], [[[0.0], [2.0]]]])
    >>> hinge = Piecewise([[1.0]], np.array([[1.0, 1.0]]), slopes)
    >>> hinge.forward(np.array([[0.0], [3.0]]), np)
    array([[0.],
           [4.]])
    """

    knots: Sequence[Any]
    origins: np.ndarray
    coefficients: np.ndarray
    period: Any = None
    is_tolerant: bool = False

    def tolerant(self) -> Map:
        """Return the same, for which numbers next to the ends are not beyond them."""
        return replace(self, is_tolerant=True)

    def _reached(self, xp: Any) -> list[np.ndarray]:
        """Return the knots from which on each piece is taken."""
        if not (self.is_tolerant and np.isnan(self.coefficients).any()):
            return list(self.knots)
        moved = [np.array(each, dtype=np.float64) for each in self.knots]
        for each, tolerance in zip(moved, tolerances(moved, xp), strict=True):
            each[[0, -1]] += tolerance[[0, -1]] * [-1.0, 1.0]
        return moved

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the polynomials' values, those of one column side by side."""
        if self.period is not None:
            first = np.array([knots[0] for knots in self.knots], dtype=np.float64)
            x = xp.add(xp.mod(xp.subtract(x, first), self.period), first)
        piece = count_below(padded(self._reached(xp)), x, xp, or_equal=True)
        distance = xp.expand_dims(xp.subtract(x, look_up(self.origins, piece, xp)), axis=-1)
        value, *others = (look_up(c, piece, xp) for c in self.coefficients[::-1])
        for other in others:
            value = xp.add(xp.multiply(value, distance), other)
        n_features, n_outputs = len(self.knots), self.coefficients.shape[-1]
        return xp.reshape(value, (-1, *x.shape[1:-1], n_features * n_outputs))

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return knots, and numbers around them."""
        rows = Bins(self.knots).typical(outputs, draws)
        if np.isnan(self.coefficients).any():  # beyond the knots there are none
            rows = np.clip(rows, self.origins[:, 0], self.origins[:, -1])
        return rows
