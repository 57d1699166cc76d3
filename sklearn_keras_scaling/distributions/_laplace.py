"""The Laplace distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from ._base import register_distribution
from ._functions import plus
from ._location_scale import LocationScale


@register_distribution("laplace")
@dataclass(frozen=True)
class Laplace(LocationScale):
    """The Laplace distribution: absolute errors count, so that outliers pull less.

    The parameters are ``loc`` and ``scale``, the mean absolute deviation; the standard
    deviation is ``sqrt(2)`` times as large. The log-likelihood is ``-|z| - log(2 scale)`` with
    ``z = (y - loc) / scale``, the score ``scale (|z| + exp(-|z|) - 3 / 4)`` [1]_.

    References
    ----------
    .. [1] A. Jordan, F. Krueger and S. Lerch, "Evaluating probabilistic forecasts with
       scoringRules", Journal of Statistical Software 90 (2019), appendix A.

    Examples
    --------
    >>> import numpy as np
    >>> laplace = Laplace()
    >>> parameters = laplace.parameters(np.array([[2.0, 0.0]]), np)
    >>> laplace.quantile(0.95, parameters, np).round(3)
    array([4.303])
    """

    def _log_density(self, z: Any, xp: Any) -> Any:
        return plus(xp.negative(xp.abs(z)), -math.log(2.0), xp)

    def _standard_cdf(self, z: np.ndarray) -> np.ndarray:
        tail = 0.5 * np.exp(-np.abs(z))
        return np.where(z < 0.0, tail, 1.0 - tail)

    def _standard_at(self, t: np.ndarray) -> np.ndarray:
        # From the nearer tail, whose probability has all its digits.
        return np.copysign(special.log_ndtr(-np.abs(t)) + math.log(2.0), t)

    def _standard_crps(self, z: Any, xp: Any) -> Any:
        size = xp.abs(z)
        return plus(xp.add(size, xp.exp(xp.negative(size))), -0.75, xp)

    @property
    def _standard_std(self) -> float:
        return math.sqrt(2.0)
