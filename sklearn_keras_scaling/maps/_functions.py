"""Elementwise functions, and functions of single rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ._base import UNKNOWN, Map, constants
from ._columns import Take
from ._domains import function_domain, moved, power_end
from ._namespaces import at_least, expm1, log, log1p, number, squashed, unsquashed

_EPS = np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Function(Map):
    """A function and its inverse, each in two forms: for arrays and for tensors.

    Parameters
    ----------
    forward_pair, inverse_pair : tuple of callable
        The form for arrays and the form for tensors.
    way_back : callable, default=None
        The mathematical inverse for arrays, where ``inverse_pair`` is none.

    Examples
    --------
    >>> import numpy as np
    >>> root = Function((np.sqrt, None), (np.square, None))  # on the host alone
    >>> root.forward(np.array([9.0]), np), root.inverse(np.array([3.0]), np)
    (array([3.]), array([9.]))
    """

    forward_pair: tuple[Any, Any]
    inverse_pair: tuple[Any, Any]
    way_back: Any = None

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the function of ``x``."""
        return self.forward_pair[xp is not np](x)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the inverse function of ``z``."""
        return self.inverse_pair[xp is not np](z)

    def limits(self, xp: Any) -> tuple[Any, Any]:
        """Return where NumPy's own inverse function undoes the function."""
        return function_domain(_plain(self.forward_pair[0]), _plain(self.inverse_pair[0]), xp)

    def domain_behind(self, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
        """Return what the ends become, within the limits."""
        return moved(self, low, high, xp)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return what becomes the outputs, if there is a way back."""
        if outputs.shape != draws.shape or np.isinf(outputs).all():
            return np.full_like(draws, UNKNOWN)
        with np.errstate(all="ignore"):
            back = self.way_back or self.inverse_pair[0]
            rows = np.asarray(back(outputs), dtype=np.float64)
            again = np.asarray(self.forward(rows, np), dtype=np.float64)
            is_back = np.isclose(again, outputs, rtol=1e-6, atol=1e-6)
        return np.where(is_back, rows, _patch(rows, is_back))


def _plain(function: Any) -> Any:
    """Return what is behind a ``functools.partial`` without arguments."""
    is_bare = isinstance(function, partial) and not function.args and not function.keywords
    return function.func if is_bare else function


@dataclass(frozen=True, eq=False)
class Power(Map):
    """The Box-Cox transformation, or Yeo and Johnson's.

    With ``u = log(x)``, Box and Cox take ``(exp(lambda u) - 1) / lambda``; Yeo and Johnson
    the same of ``u = log(1 + |x|)``, for negative ``x`` with ``2 - lambda`` and the sign
    changed [1]_. Outside of the inverse's domain it is NaN, as in scikit-learn.

    Parameters
    ----------
    lambdas : array-like of shape (n_features,)
        The exponents.
    is_signed : bool
        Whether it is Yeo and Johnson's.

    References
    ----------
    .. [1] I. Yeo and R. Johnson, "A new family of power transformations to improve
       normality or symmetry", Biometrika 87 (2000).

    Examples
    --------
    >>> import numpy as np
    >>> squares = Power([2.0], is_signed=True)
    >>> squares.forward(np.array([[3.0]]), np)
    array([[7.5]])
    >>> squares.inverse(np.array([[7.5]]), np)
    array([[3.]])
    """

    lambdas: Any
    is_signed: bool

    def __post_init__(self) -> None:
        constants(self, "lambdas")

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the power of ``x``."""
        if not self.is_signed:
            lambda_ = _nonzero(self.lambdas)
            return xp.divide(expm1(xp.multiply(log(x, xp), lambda_), xp), lambda_)
        lambda_, size, sign = self._halves(x, xp)
        power = xp.divide(expm1(xp.multiply(log1p(size, xp), lambda_), xp), lambda_)
        return xp.multiply(sign, power)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the number whose power is ``z``."""
        if not self.is_signed:
            lambda_ = _nonzero(self.lambdas)
            return xp.exp(xp.divide(log1p(xp.multiply(z, lambda_), xp), lambda_))
        lambda_, size, sign = self._halves(z, xp)
        root = expm1(xp.divide(log1p(xp.multiply(size, lambda_), xp), lambda_), xp)
        return xp.multiply(sign, root)

    def _halves(self, x: Any, xp: Any) -> tuple[Any, Any, Any]:
        """Return the exponent, the absolute value and the sign of each number."""
        # NaN counts as positive and stays NaN. where(), since abs has no slope at 0.
        is_negative = xp.less(x, 0.0)
        lambda_ = xp.where(is_negative, _nonzero(2.0 - self.lambdas), _nonzero(self.lambdas))
        return (
            lambda_,
            xp.where(is_negative, xp.negative(x), x),
            xp.where(is_negative, number(-1.0), number(1.0)),
        )

    def limits(self, xp: Any) -> tuple[Any, Any]:
        """Return between which numbers ``1 + lambda z`` is positive and the result finite."""
        high = power_end(_nonzero(self.lambdas), xp)
        opposite = 2.0 - self.lambdas if self.is_signed else -self.lambdas
        return -power_end(_nonzero(opposite), xp), high

    def domain_behind(self, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
        """Return what the ends become, within the limits."""
        return moved(self, low, high, xp)

    def direction(self, n_features: int) -> np.ndarray:
        """Return 1: powers rise."""
        return np.ones(n_features)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return what becomes the outputs."""
        return _back(self, outputs)


@dataclass(frozen=True, eq=False)
class Squash(Map):
    """The map ``x / sqrt(1 + (x / bound)**2)``, whose absolute values stay below ``bound``.

    Infinities become the ends, and the ends infinities; beyond them the inverse is NaN. NaN stays
    NaN.

    Parameters
    ----------
    bound : float
        The largest absolute value.

    Examples
    --------
    >>> import numpy as np
    >>> squash = Squash(3.0)
    >>> squash.forward(np.array([0.0, 4.0, np.inf]), np)
    array([0. , 2.4, 3. ])
    >>> squash.inverse(np.array([2.4]), np)
    array([4.])
    """

    bound: Any

    def __post_init__(self) -> None:
        constants(self, "bound")

    @property
    def output_range(self) -> tuple[float, float]:  # type: ignore[override]  # read-only here
        """Between the ends."""
        return (-float(self.bound[0]), float(self.bound[0]))

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the squashed number."""
        return xp.multiply(squashed(xp.divide(x, self.bound), xp), self.bound)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z / sqrt(1 - (z / bound)**2)``."""
        return xp.multiply(unsquashed(xp.divide(z, self.bound), xp), self.bound)

    def limits(self, xp: Any) -> tuple[Any, Any]:
        """Return what is next to the ends, where the inverse is a number and has a slope."""
        low, high = function_domain(np.tanh, np.arctanh, xp)
        return low * self.bound, high * self.bound

    def domain_behind(self, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
        """Return what the ends become, within the limits."""
        return moved(self, low, high, xp)

    def direction(self, n_features: int) -> np.ndarray:
        """Return 1: it rises."""
        return np.ones(n_features)

    def tile(self, repeats: int) -> Map:
        """Return the same: the bound is that of every column."""
        return self

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return what becomes the outputs."""
        return _back(self, outputs)


def _back(map_: Map, outputs: np.ndarray) -> np.ndarray:
    """Return what becomes the outputs, and one of those where the inverse has no number."""
    with np.errstate(all="ignore"):
        rows = map_.inverse(outputs, np)
    # Some are outside of the inverse's domain; of unknown ones the inverse may be a number.
    is_back = np.isfinite(rows) & np.isfinite(outputs)
    return np.where(is_back, rows, _patch(rows, is_back))


def _patch(rows: np.ndarray, is_good: np.ndarray) -> np.ndarray:
    """Return for each column one of its good numbers, unknown where there is none."""
    first = np.take_along_axis(rows, is_good.argmax(axis=0)[None], axis=0)
    return np.where(is_good.any(axis=0), first, UNKNOWN)


def _nonzero(lambdas: np.ndarray) -> np.ndarray:
    """Return the exponents, with 1e-20 for zero: the limit to the last digit, by one formula."""
    return np.where(np.abs(lambdas) < _EPS, 1e-20, lambdas)


@dataclass(frozen=True, eq=False)
class Normalize(Map):
    """Divides each row by its norm, unless that is below ``10 * eps``.

    Parameters
    ----------
    norm : {"l1", "l2", "max"}
        The norm.

    Examples
    --------
    >>> import numpy as np
    >>> Normalize("l2").forward(np.array([[3.0, 4.0], [0.0, 0.0]]), np)
    array([[0.6, 0.8],
           [0. , 0. ]])
    """

    norm: str

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x / norm(x)``."""
        return xp.divide(x, self._norms(x, xp))

    def _norms(self, x: Any, xp: Any) -> Any:
        sizes = xp.abs(x)
        largest = xp.max(sizes, axis=-1, keepdims=True)
        # Of zeros, the root has no slope, so that they must not reach it.
        if self.norm == "l2":
            safe = xp.where(xp.less(largest, number(_EPS**2)), number(1.0), largest)
            shares = xp.divide(x, safe)  # nor overflow
            total = xp.sum(xp.square(shares), axis=-1, keepdims=True)
            norms = xp.multiply(safe, xp.sqrt(at_least(total, number(_EPS**2), xp)))
        else:
            norms = largest if self.norm == "max" else xp.sum(sizes, axis=-1, keepdims=True)
        return xp.where(xp.less(norms, number(10 * _EPS)), number(1.0), norms)


@dataclass(frozen=True, eq=False)
class Threshold(Map):
    """Says with 1 and 0 which numbers are above a threshold.

    Examples
    --------
    >>> import numpy as np
    >>> Threshold(2.0).forward(np.array([1.0, 2.0, 3.0]), np)
    array([0., 0., 1.])
    """

    threshold: float
    is_exact = True

    def forward(self, x: Any, xp: Any) -> Any:
        """Return 1 where ``x`` is above the threshold, else 0; NaN stays NaN."""
        is_above = xp.greater(x, number(self.threshold))
        return xp.where(xp.isnan(x), x, xp.where(is_above, number(1), number(0)))

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return numbers around the threshold, and the threshold."""
        return np.where(draws > 2.0, self.threshold, self.threshold + draws)


@dataclass(frozen=True, eq=False)
class Impute(Map):
    """Puts a statistic where a value is missing.

    Parameters
    ----------
    statistics : array-like of shape (n_features,)
        What to put; columns where it is NaN are left out.
    missing : float
        The number that stands for a missing value, or NaN.
    indicated : tuple of int, default=None
        Columns for which another column, behind all, says with 1 what was missing; None
        where nothing says it, so that there is no inverse.

    Examples
    --------
    >>> import numpy as np
    >>> impute = Impute([1.0, 2.0], missing=np.nan, indicated=(0,))
    >>> impute.forward(np.array([[np.nan, 7.0]]), np)
    array([[1., 7., 1.]])
    >>> impute.inverse(np.array([[1.0, 7.0, 1.0]]), np)
    array([[nan,  7.]])
    """

    statistics: Any
    missing: float
    indicated: tuple[int, ...] | None = None
    is_exact = True

    def __post_init__(self) -> None:
        constants(self, "statistics")

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x`` without missing values, and what was missing."""
        missing = number(self.missing)
        is_missing = xp.isnan(x) if np.isnan(self.missing) else xp.equal(x, missing)
        filled = xp.where(is_missing, self.statistics, x)
        if len(self._kept) < len(self.statistics):
            filled = xp.take(filled, self._kept, axis=-1)
        if not self.indicated:
            return filled
        indicator = xp.where(is_missing, number(1), number(0))
        said = xp.take(indicator, np.array(self.indicated, dtype=np.int32), axis=-1)
        return xp.concatenate([filled, said], axis=-1)

    @property
    def _kept(self) -> np.ndarray:
        return np.flatnonzero(~np.isnan(self.statistics)).astype(np.int32)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z`` with values missing again where the indicator says so."""
        if self.indicated is None:
            return super().inverse(z, xp)
        n_kept = len(self._kept)
        values = self._placed(z[..., :n_kept], self._kept, xp)
        said = self._placed(z[..., n_kept:], np.array(self.indicated, dtype=np.int32), xp)
        return xp.where(xp.not_equal(said, 0.0), number(self.missing), values)

    def _placed(self, values: Any, columns: np.ndarray, xp: Any) -> Any:
        """Return values as these columns among columns of zeros."""
        return Take(tuple(columns.tolist()), len(self.statistics)).inverse(values, xp)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return the outputs, statistics and missing values."""
        rows = np.array(draws)
        rows[..., self._kept] = outputs[..., : len(self._kept)]
        is_known = np.isfinite(rows) & ~np.isnan(self.statistics)
        rows = np.where((draws < -2.0) & is_known, self.statistics, rows)
        return np.where(draws > 2.0, self.missing, rows)
