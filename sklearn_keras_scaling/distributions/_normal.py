"""The normal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from ._base import register_distribution
from ._functions import LOG_ROOT_TWO_PI, density, erf, plus, times
from ._location_scale import LocationScale


@register_distribution("normal")
@dataclass(frozen=True)
class Normal(LocationScale):
    """The normal distribution, with a standard deviation for each row.

    The parameters are ``loc`` and ``scale``, the mean and the standard deviation in scaled
    space. The log-likelihood is ``-z**2 / 2 - log(scale) - log(2 pi) / 2`` with
    ``z = (y - loc) / scale``, the score ``scale (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))``
    [1]_.

    References
    ----------
    .. [1] T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and
       estimation", JASA 102 (2007), equation 21.

    Examples
    --------
    >>> import numpy as np
    >>> normal = Normal()
    >>> parameters = normal.parameters(np.array([[2.0, 0.0]]), np)
    >>> normal.mean(parameters, np), normal.std(parameters, np)
    (array([2.]), array([1.]))
    >>> normal.quantile(0.95, parameters, np).round(3)
    array([3.645])
    """

    def _log_density(self, z: Any, xp: Any) -> Any:
        return plus(times(xp.square(z), -0.5, xp), -LOG_ROOT_TWO_PI, xp)

    def _standard_cdf(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(special.ndtr(z))

    def _standard_at(self, t: np.ndarray) -> np.ndarray:
        return t

    def _standard_crps(self, z: Any, xp: Any) -> Any:
        signed = xp.multiply(z, erf(times(z, math.sqrt(0.5), xp), xp))
        return plus(xp.add(signed, times(density(z, xp), 2.0, xp)), -1.0 / math.sqrt(math.pi), xp)

    @property
    def _standard_std(self) -> float:
        return 1.0
