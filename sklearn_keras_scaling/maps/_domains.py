"""Where an inverse is defined, and whether it rises or falls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._namespaces import is_narrow

#: How near an open end is come to, relative to it: by 16 roundings of float32, since what a network
#: says nearer to it is rounding, and would be a number of any size behind it.
_NEAR = 16 * 2.0**-23
#: Numbers that a direction is tried at, on each side of zero.
_TRIED = np.linspace(0.0625, 3.0, 48)


def largest_number(xp: Any) -> float:
    """Return the largest number that an inverse returns: it and its slope are finite.

    In float64 or, on JAX without x64, in float32.
    """
    info = np.finfo(np.float32 if is_narrow(xp) else np.float64)
    return float(info.max) * float(info.eps) ** 2


def function_domain(function: Any, inverse: Any, xp: Any) -> tuple[float, float]:
    """Return where NumPy's ``inverse`` undoes NumPy's ``function``; of others, no limits.

    Parameters
    ----------
    function, inverse : callable
        Where the inverse is defined for more than the function returns, as the square that
        undoes a root, the function decides.
    xp : module
        Array namespace, for its largest number.

    Examples
    --------
    >>> function_domain(np.sqrt, np.square, np)[0]
    0.0
    >>> float(round(function_domain(np.log, np.exp, np)[1]))
    638.0
    """
    near, largest = _NEAR, largest_number(xp)
    half = np.pi / 2
    of_pairs: dict[Any, tuple[float, float]] = {
        (np.sqrt, np.square): (0.0, np.sqrt(largest)),
        (np.arccosh, np.cosh): (0.0, np.log(largest)),
        (np.arcsin, np.sin): (-half, half),
        (np.arccos, np.cos): (0.0, np.pi),
        (np.arctan, np.tan): (-half + near, half - near),
    }
    of_inverses: dict[Any, tuple[float, float]] = {
        # Beside 0 and 1 also where they are numbers there but have no slope.
        **dict.fromkeys((np.log, np.log2, np.log10, np.sqrt), (1.0 / largest, np.inf)),
        **dict.fromkeys((np.arctanh, np.arcsin, np.arccos), (-1.0 + near, 1.0 - near)),
        **dict.fromkeys((np.exp, np.expm1), (-np.inf, np.log(largest))),
        **dict.fromkeys((np.sinh, np.cosh), (-np.log(largest), np.log(largest))),
        np.log1p: (-1.0 + near, np.inf),
        np.arccosh: (1.0 + near, np.inf),
        np.exp2: (-np.inf, np.log2(largest)),
    }
    low, high = of_pairs.get((function, inverse)) or of_inverses.get(inverse, (-np.inf, np.inf))
    return float(low), float(high)


def power_end(lambdas: np.ndarray, xp: Any) -> np.ndarray:
    """Return the largest number whose power can be undone, for each exponent but 0."""
    largest = largest_number(xp)
    with np.errstate(over="ignore"):
        reached = np.expm1(np.log(largest) * lambdas) / lambdas
    open_end = np.where(lambdas < 0, (1.0 - _NEAR) / np.abs(lambdas), np.inf)
    return np.minimum(np.minimum(reached, open_end), largest)


def rows_beyond(domain: tuple[np.ndarray, np.ndarray], z: np.ndarray) -> int:
    """Return in how many rows a number is outside of the domain of a map's inverse.

    Those that are outside by a rounding of float32 do not count, and NaN neither.

    Parameters
    ----------
    domain : tuple of ndarray
        As :meth:`Map.inverse_domain` returns it.
    z : ndarray of shape (n, ..., n_features)
        What a network predicts, in scaled space.

    Examples
    --------
    >>> from sklearn_keras_scaling.maps import Power
    >>> bounded_above = Power([-0.5], is_signed=True).inverse_domain(1)  # by 2
    >>> rows_beyond(bounded_above, np.array([[-9.0], [1.0], [2.5]]))
    1
    """
    low, high = domain
    if not z.size or (z.min() >= np.max(low) and z.max() <= np.min(high)):  # no array of flags
        return 0
    slack = 2.0**-23
    low, high = low - slack * np.fmax(1.0, np.abs(low)), high + slack * np.fmax(1.0, np.abs(high))
    is_beyond = (z < low) | (z > high)
    return int(is_beyond.reshape(len(z), -1).any(axis=1).sum())


def rows_not_finite(y: np.ndarray) -> int:
    """Return in how many rows of predictions a number is NaN or infinite.

    An inverse whose domain is not known may return them: a function of one's own, a reciprocal,
    a transformer without a form in a graph.

    Examples
    --------
    >>> rows_not_finite(np.array([[1.0, np.nan], [np.inf, np.nan], [1.0, 2.0]]))
    2
    """
    if not y.size or (math.isfinite(y.min()) and math.isfinite(y.max())):  # which NaN reach
        return 0
    return int((~np.isfinite(y)).reshape(len(y), -1).any(axis=1).sum())


def moved(map_: Any, low: Any, high: Any, xp: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what numbers from ``low`` to ``high`` become, cut to the map's own limits.

    Of a map whose result for each column depends on that column alone, and rises or falls.
    """
    is_falling = map_.direction(np.shape(low)[-1]) < 0
    with np.errstate(all="ignore"):
        # No end stays none: a limit of the forward map is none of the inverse.
        ends = [np.where(np.isinf(e), e, map_.forward(e, np)) for e in (low, high)]
    ends = [np.where(np.isinf(e) & is_falling, -e, e) for e in ends]
    first, last = np.where(is_falling, ends[::-1], ends)
    own_low, own_high = map_.limits(xp)
    return np.fmax(first, own_low), np.fmin(last, own_high)


def tried_direction(map_: Any, n_features: int) -> np.ndarray:
    """Return, by trying, whether the inverse rises (1) or falls (-1) with each column; else 0.

    On either side of zero, where a reciprocal has its pole, at numbers that come back: between
    those that no raw number becomes, an inverse may go anywhere.
    """
    found = np.zeros(n_features)
    try:
        with np.errstate(all="ignore"):
            for column in range(n_features):
                found[column] = _direction_of(map_, column, n_features)
    except (NotImplementedError, ValueError, ArithmeticError):  # no inverse, or not of these
        pass
    return found


def _direction_of(map_: Any, column: int, n_features: int) -> int:
    tried = _numbers_within(map_.output_range)
    z = np.full((len(tried), n_features), np.median(tried[tried > 0]) if n_features > 1 else 0.0)
    z[:, column] = tried
    x = np.asarray(map_.inverse(z, np), dtype=np.float64)
    if x.shape != z.shape:
        return 0
    others = np.delete(x, column, axis=1)
    if not np.array_equal(others, np.broadcast_to(others[:1], others.shape), equal_nan=True):
        return 0
    own = x[:, column]
    again = np.asarray(map_.forward(x, np), dtype=np.float64)[:, column]
    comes_back = np.isclose(again, tried, rtol=1e-6, atol=1e-6)
    counts = np.isfinite(own) & (comes_back if comes_back.any() else True)
    halves = [own[counts & side] for side in (tried < 0, tried > 0)]
    signs = {int(np.sign(d)) for half in halves for d in np.diff(half) if d != 0}
    return signs.pop() if len(signs) == 1 else 0


def _numbers_within(output_range: tuple[float, float]) -> np.ndarray:
    low, high = output_range
    if np.isfinite(high - low) and high > low:
        return low + (high - low) * np.linspace(0.01, 0.99, 2 * len(_TRIED))
    return np.concatenate([-_TRIED[::-1], _TRIED])
