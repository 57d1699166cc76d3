"""Student's t distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy import special

from ._base import register_distribution
from ._functions import constant, plus, times
from ._location_scale import LocationScale

#: Graphs have the distribution function as a sum of half as many terms.
_MOST_TERMS = 100


@register_distribution("student_t")
@dataclass(frozen=True)
class StudentT(LocationScale):
    """Student's t distribution, with tails that outliers fit into.

    The parameters are ``loc`` and ``scale``; the standard deviation is
    ``scale sqrt(df / (df - 2))``. With ``z = (y - loc) / scale`` the log-likelihood is
    ``-(df + 1) / 2 log(1 + z**2 / df) - log(scale) - log(sqrt(df) B(1/2, df/2))``.

    Parameters
    ----------
    df : float, default=4.0
        Degrees of freedom, the same in all rows. Above 2, so that there is a deviation.

    Raises
    ------
    TypeError
        If ``df`` is not a number.
    ValueError
        If ``df`` is not above 2, or infinite.

    Notes
    -----
    The score [1]_ needs the distribution function, which graphs have for whole ``df`` up to
    100 alone.

    References
    ----------
    .. [1] A. Jordan, F. Krueger and S. Lerch, "Evaluating probabilistic forecasts with
       scoringRules", Journal of Statistical Software 90 (2019), appendix A.

    Examples
    --------
    >>> import numpy as np
    >>> student = StudentT(df=5)
    >>> parameters = student.parameters(np.array([[2.0, 0.0]]), np)
    >>> student.quantile(0.95, parameters, np).round(3)
    array([4.015])
    """

    df: float = 4.0

    def __post_init__(self) -> None:
        if not isinstance(self.df, Real) or isinstance(self.df, bool):
            raise TypeError(f"df must be a number above 2, got {self.df!r}.")
        if not 2.0 < self.df < math.inf:
            raise ValueError(
                f"df must be above 2 and finite, got {self.df!r}: up to 2 there is no standard "
                "deviation. Give a larger one, or Normal() for infinitely many."
            )
        object.__setattr__(self, "df", float(self.df))

    @property
    def _log_norm(self) -> float:
        """Minus the logarithm of the density at 0."""
        return 0.5 * math.log(self.df) + float(special.betaln(0.5, 0.5 * self.df))

    def _log_density(self, z: Any, xp: Any) -> Any:
        log = xp.log1p(times(xp.square(z), 1.0 / self.df, xp))
        return plus(times(log, -0.5 * (self.df + 1.0), xp), -self._log_norm, xp)

    def _standard_cdf(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(special.stdtr(self.df, z))

    def _standard_at(self, t: np.ndarray) -> np.ndarray:
        # From the lower tail, whose probability has all its digits.
        return np.copysign(special.stdtrit(self.df, special.ndtr(-np.abs(t))), t)

    def _standard_crps(self, z: Any, xp: Any) -> Any:
        df = self.df
        betas = special.betaln(0.5, df - 0.5) - 2.0 * special.betaln(0.5, 0.5 * df)
        spread = 2.0 * math.sqrt(df) / (df - 1.0) * math.exp(betas)
        # Density times (df + z**2) as one power: z**2 may be large.
        log = times(xp.log1p(times(xp.square(z), 1.0 / df, xp)), -0.5 * (df - 1.0), xp)
        tail = times(xp.exp(log), 2.0 * df / (df - 1.0) * math.exp(-self._log_norm), xp)
        return plus(xp.add(xp.multiply(z, self._centred_cdf(z, xp)), tail), -spread, xp)

    def _centred_cdf(self, z: Any, xp: Any) -> Any:
        """Return twice the distribution function less 1."""
        if xp is np:
            return 2.0 * special.stdtr(self.df, z) - 1.0
        df = int(self.df)
        if df != self.df or df > _MOST_TERMS:
            raise NotImplementedError(
                f"StudentT(df={self.df}) has no CRPS in a graph: its distribution function has a "
                f"closed form for whole df up to {_MOST_TERMS} alone. Round df, or score on the "
                "host."
            )
        return _centred_sum(times(z, 1.0 / math.sqrt(df), xp), df, xp)

    @property
    def _standard_std(self) -> float:
        return math.sqrt(self.df / (self.df - 2.0))


def _centred_sum(tangent: Any, df: int, xp: Any) -> Any:
    """Return P(-z < Z < z) for ``z = tangent sqrt(df)``: Abramowitz and Stegun, 26.7.3 and 4."""
    cosine2 = xp.divide(constant(1.0, tangent), plus(xp.square(tangent), 1.0, xp))
    root = xp.sqrt(plus(xp.square(tangent), 1.0, xp))
    term = xp.divide(tangent, root)  # sine of the angle, times powers of its cosine
    is_odd = df % 2
    if is_odd:
        term = xp.divide(term, root)
    total = xp.zeros_like(term)
    for k in range((df - is_odd) // 2):
        total = xp.add(total, term)
        factor = (2 * k + 1 + is_odd) / (2 * k + 2 + is_odd)
        term = times(xp.multiply(term, cosine2), factor, xp)
    return times(xp.add(total, xp.arctan(tangent)), 2.0 / math.pi, xp) if is_odd else total
