"""Scalers: scikit-learn's, for any shape and stream, with maps that Keras can evaluate too."""

from ._any_rank import OF_ANY_RANK, transformed
from ._extremes import MaxAbsScaler, MinMaxScaler
from ._local import LocalStandardScaler
from ._merge import merge
from ._robust import RobustScaler
from ._squashing import SquashingScaler
from ._standard import StandardScaler

__all__ = [
    "OF_ANY_RANK",
    "LocalStandardScaler",
    "MaxAbsScaler",
    "MinMaxScaler",
    "RobustScaler",
    "SquashingScaler",
    "StandardScaler",
    "merge",
    "transformed",
]
