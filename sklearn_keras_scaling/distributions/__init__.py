"""Distributions that a network can say of one target number, in scaled space.

Only formulas live here, against the same two array namespaces as those of maps: nothing of
estimators, scalers or Keras.
"""

from ._base import Distribution, register_distribution
from ._integration import moments
from ._laplace import Laplace
from ._making import make_distribution
from ._mixture import mixture_cdf, mixture_moments, mixture_quantile, sample
from ._normal import Normal
from ._quantiles import Quantiles
from ._student_t import StudentT
from ._zero_inflated import ZeroInflatedLogNormal

__all__ = [
    "Distribution",
    "Laplace",
    "Normal",
    "Quantiles",
    "StudentT",
    "ZeroInflatedLogNormal",
    "make_distribution",
    "mixture_cdf",
    "mixture_moments",
    "mixture_quantile",
    "moments",
    "register_distribution",
    "sample",
]
