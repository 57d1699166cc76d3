"""Moments of the numbers in a window that slides over axes.

Two windows beside each other merge exactly (Chan's formula), so that a window of any length is
made of about ``2 * log2(length)`` merges of windows whose lengths are powers of two. Nothing is
subtracted from a square: a large mean or a steep ramp costs no digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from numbers import Integral
from typing import Any

import numpy as np

from .._merging import merge_moments
from ._base import Map
from ._namespaces import is_narrow

PADDINGS = ("shrink", "valid", "same", "reflect")

Pair = tuple[int, int]


def read_window(window: Any) -> tuple[Pair, ...]:
    """Return ``(before, after)`` for each axis; one pair is that of every axis.

    Examples
    --------
    >>> read_window(3), read_window(4)
    (((1, 1),), ((2, 1),))
    >>> read_window([2, 0]), read_window([[2, 0], [1, 1]])
    (((2, 0),), ((2, 0), (1, 1)))
    """
    if _is_length(window, 1):
        return ((int(window) // 2, (int(window) - 1) // 2),)
    if _is_pair(window):
        return ((int(window[0]), int(window[1])),)
    if isinstance(window, Sequence) and window and all(map(_is_pair, window)):
        return tuple((int(before), int(after)) for before, after in window)
    raise ValueError(
        f"window must be a length of at least 1, a pair [before, after] of numbers from 0 on, or "
        f"such a pair for each axis, got {window!r}. A window always holds the current step: "
        "[2, 0] is that and the two before."
    )


def _is_length(value: Any, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _is_pair(value: Any) -> bool:
    is_two = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    return is_two and all(_is_length(each, 0) for each in value)


def check_ddof(ddof: Any, pairs: Sequence[Pair]) -> None:
    """Raise ``ValueError`` unless ``ddof`` is 0 or 1 and below the window's size."""
    if not _is_length(ddof, 0) or ddof > 1:
        raise ValueError(f"ddof must be 0 (divide by the count) or 1 (count - 1), got {ddof!r}.")
    size = prod(before + after + 1 for before, after in pairs)
    if ddof >= size:
        raise ValueError(
            f"ddof must be below the number of values in a window, got ddof={ddof} and a window of "
            f"{size}. Use a longer window, or ddof=0."
        )


def check_padding(padding: Any) -> None:
    """Raise ``ValueError`` for an unknown padding."""
    if padding not in PADDINGS:
        raise ValueError(f"padding must be one of {', '.join(PADDINGS)}, got {padding!r}.")


@dataclass(frozen=True, eq=False)
class LocalMoments:
    """Moments of the numbers in the window around each place; all of one shape.

    Parameters
    ----------
    count : array
        How many numbers are in the window.
    shift, residual : array
        Of which the mean is the sum: one of the numbers, and the rest. Kept apart, means of
        neighbours differ by as many digits as the numbers themselves do.
    m2 : array
        Sum of squared deviations from the mean.
    """

    count: Any
    shift: Any
    residual: Any
    m2: Any

    def mean(self, xp: Any) -> Any:
        """Return the mean; NaN where nothing was counted."""
        return self._if_any(xp.add(self.shift, self.residual), xp)

    def standard_deviation(self, ddof: int, xp: Any) -> Any:
        """Return the standard deviation, 0 of up to ``ddof`` numbers; NaN of none.

        Its gradient is 0 where it is 0 itself.
        """
        one = xp.ones_like(self.count)
        divisor = xp.subtract(self.count, one) if ddof else self.count
        variance = xp.divide(self.m2, xp.where(xp.greater(divisor, 0), divisor, one))
        return self._if_any(root_of(variance, xp), xp)

    def normalized(self, x: Any, ddof: int, eps: float, xp: Any) -> Any:
        """Return ``x`` less the mean, over the standard deviation; NaN stay NaN."""
        scale = scale_of(self.standard_deviation(ddof, xp), self.mean(xp), eps, xp)
        is_nan = xp.isnan(x)  # taken out and put back: their gradient would be NaN for all
        some = xp.where(is_nan, xp.zeros_like(x), x)
        z = xp.divide(xp.subtract(xp.subtract(some, self.shift), self.residual), scale)
        return xp.where(is_nan, x, z)

    def _if_any(self, x: Any, xp: Any) -> Any:
        with np.errstate(invalid="ignore"):
            nothing = xp.divide(xp.zeros_like(self.count), self.count)  # NaN of no number, else 0
        return xp.where(xp.isnan(nothing), nothing, x)

    def merge(self, other: LocalMoments, xp: Any) -> LocalMoments:
        """Return the moments of both windows together."""
        return LocalMoments(*merge_moments(self._parts, other._parts, xp))

    @property
    def _parts(self) -> tuple[Any, Any, Any, Any]:
        return self.count, self.shift, self.residual, self.m2

    def cut(self, axis: int, skip: int, drop: int) -> LocalMoments:
        """Return the same without the first ``skip`` and the last ``drop`` places of an axis."""
        return LocalMoments(*(cut(part, axis, skip, drop) for part in self._parts))


def cut(x: Any, axis: int, skip: int, drop: int) -> Any:
    """Return ``x`` without the first ``skip`` and the last ``drop`` places of an axis."""
    if not skip and not drop:
        return x
    return x[(slice(None),) * axis + (slice(skip, -drop if drop else None),)]


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows that slide over some axes of an array.

    Parameters
    ----------
    pairs : dict of int to tuple of int
        How many places before and after the current one belong to the window, for each axis.
    padding : {"shrink", "valid", "same", "reflect"}
        What is at the ends.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[4.0, 8.0, 6.0, -1.0]])
    >>> windows = Windows({1: (1, 1)}, "shrink")
    >>> windows.moments(x, None, np).mean(np).round(4)
    array([[6.    , 6.    , 4.3333, 2.5   ]])
    """

    pairs: dict[int, Pair]
    padding: str

    def moments(self, x: Any, mask: Any, xp: Any) -> LocalMoments:
        """Return the moments of each window, without NaN and where the mask is True."""
        is_nan, zero = xp.isnan(x), xp.zeros_like(x)
        counts = xp.logical_not(is_nan)
        x = xp.where(is_nan, zero, x)
        if mask is not None:
            counts = xp.logical_and(counts, mask)
            x = xp.where(counts, x, zero)
        count = xp.where(counts, xp.ones_like(x), zero)
        for axis, pair in self.pairs.items():
            x = self._pad(x, axis, pair, 0, xp)
            count = self._pad(count, axis, pair, int(self.padding == "same"), xp)
        moments = LocalMoments(count, x, xp.zeros_like(x), xp.zeros_like(x))
        for axis, (before, after) in self.pairs.items():
            moments = _slide(moments, axis, before + after + 1, xp)
        return moments

    def centres(self, x: Any) -> Any:
        """Return of ``x`` the places that windows are around."""
        if self.padding == "valid":
            for axis, (before, after) in self.pairs.items():
                x = cut(x, axis, before, after)
        return x

    def output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of what comes out.

        Raises
        ------
        ValueError
            If an axis is shorter than the window.
        """
        lengths = list(shape)
        for axis, (before, after) in self.pairs.items():
            length, size = lengths[axis], before + after + 1
            if length is not None and length < size:
                raise ValueError(
                    f"The window holds {size} steps, but axis {axis} of the data, of shape "
                    f"{tuple(shape)}, has {length}. Use a shorter window or longer data."
                )
            if length is not None and self.padding == "valid":
                lengths[axis] = length - size + 1
        return tuple(lengths)

    def _pad(self, x: Any, axis: int, pair: Pair, value: int, xp: Any) -> Any:
        if self.padding == "valid":
            return x
        if self.padding == "reflect":
            return _reflect(x, axis, pair, xp)
        widths = [(0, 0)] * len(x.shape)
        widths[axis] = pair
        return xp.pad(x, widths, mode="constant", constant_values=value)


def _reflect(x: Any, axis: int, pair: Pair, xp: Any) -> Any:
    """Return ``x`` with its ends mirrored; the last value itself is not repeated."""
    before, after = pair
    ahead = (slice(None),) * axis
    parts = [x]
    if before:  # not by xp.pad, which on PyTorch mirrors the last axes alone
        parts.insert(0, xp.flip(x[(*ahead, slice(1, before + 1))], axis=axis))
    if after:
        parts.append(xp.flip(x[(*ahead, slice(-after - 1, -1))], axis=axis))
    return xp.concatenate(parts, axis=axis)


def _slide(moments: LocalMoments, axis: int, size: int, xp: Any) -> LocalMoments:
    """Return the moments of each run of ``size`` places along an axis."""
    power, length = moments, 1  # the moments of runs whose length is a power of two
    done, covered = None, 0
    while covered < size:
        if size & length:
            rest = power.cut(axis, covered, 0)
            done = rest if done is None else done.cut(axis, 0, length).merge(rest, xp)
            covered += length
        if covered < size:
            power = power.cut(axis, 0, length).merge(power.cut(axis, length, 0), xp)
            length *= 2
    return done  # type: ignore[return-value]  # size is at least 1


def root_of(variance: Any, xp: Any) -> Any:
    """Return the square root, with the gradient 0 where it is 0 and has none."""
    is_zero = xp.equal(variance, 0)
    root = xp.sqrt(xp.where(is_zero, xp.ones_like(variance), variance))
    return xp.where(is_zero, variance, root)


def scale_of(deviation: Any, mean: Any, eps: float, xp: Any) -> Any:
    """Return the standard deviation, or 1 where it is no more than the rounding of the mean."""
    is_large = is_more_than_rounding(deviation, mean, eps, xp)
    return xp.where(is_large, deviation, xp.ones_like(deviation))


def is_more_than_rounding(deviation: Any, mean: Any, eps: float, xp: Any) -> Any:
    """Return where a standard deviation is more than the rounding of the mean."""
    return xp.greater(deviation, xp.multiply(xp.abs(mean), eps))


@dataclass(frozen=True, eq=False)
class LocalNormalize(Map):
    """The map of each value less its window's mean, over its window's standard deviation.

    Parameters
    ----------
    windows : Windows
        Which keep the shape.
    ddof : int
        What is taken from the count of values in a window.
    level, spread : ndarray
        Largest magnitude of the training data, and typical standard deviation of a window, so
        that they broadcast against a sample.

    Examples
    --------
    >>> import numpy as np
    >>> LocalNormalize(Windows({1: (1, 0)}, "shrink")).forward(np.array([[1e6, 1e6 + 2]]), np)
    array([[0., 1.]])
    """

    windows: Windows
    ddof: int = 0
    level: Any = 0.0
    spread: Any = 1.0

    @property
    def typical_length(self) -> int:  # type: ignore[override]  # read-only here
        """Twice the longest window."""
        return 2 * max(before + after + 1 for before, after in self.windows.pairs.values())

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x`` scaled by what is near."""
        eps = 2.0**-23 if is_narrow(xp) else 2.0**-52
        return self.windows.moments(x, None, xp).normalized(x, self.ddof, eps, xp)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return rows as far from zero as there were any, which vary as within a window."""
        return self.level + self.spread * draws
