"""scikit-learn compatible scalers whose fitted parameters become part of a Keras network.

Names are imported when they are first used, so that the scalers cost what
scikit-learn costs and Keras is imported only by what needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bridge import (
        certify,
        fold,
        from_keras,
        register_function,
        register_map,
        to_keras,
    )
    from .checks import Finding, check_scaling
    from .distributions import (
        Distribution,
        Laplace,
        Normal,
        Quantiles,
        StudentT,
        ZeroInflatedLogNormal,
        register_distribution,
    )
    from .estimators import (
        ScaledKerasClassifier,
        ScaledKerasEstimator,
        ScaledKerasRegressor,
        known_scorer,
    )
    from .exceptions import ScalingWarning, UnsupportedTransformerError
    from .layers import (
        LocalMean,
        LocalNormalization,
        LocalStandardDeviation,
        ReversibleInstanceNormalization,
    )
    from .scalers import (
        LocalStandardScaler,
        MaxAbsScaler,
        MinMaxScaler,
        RobustScaler,
        SquashingScaler,
        StandardScaler,
        merge,
    )
    from .targets import Labels, ManyLabels, Numbers, Ordinal
    from .training import clear_compiled
    from .windows import make_windows

_HOMES = {
    "Distribution": "distributions",
    "Finding": "checks",
    "Labels": "targets",
    "Laplace": "distributions",
    "LocalMean": "layers",
    "LocalNormalization": "layers",
    "LocalStandardDeviation": "layers",
    "LocalStandardScaler": "scalers",
    "ManyLabels": "targets",
    "MaxAbsScaler": "scalers",
    "MinMaxScaler": "scalers",
    "Normal": "distributions",
    "Numbers": "targets",
    "Ordinal": "targets",
    "Quantiles": "distributions",
    "ReversibleInstanceNormalization": "layers",
    "RobustScaler": "scalers",
    "ScaledKerasClassifier": "estimators",
    "ScaledKerasEstimator": "estimators",
    "ScaledKerasRegressor": "estimators",
    "ScalingWarning": "exceptions",
    "SquashingScaler": "scalers",
    "StandardScaler": "scalers",
    "StudentT": "distributions",
    "UnsupportedTransformerError": "exceptions",
    "ZeroInflatedLogNormal": "distributions",
    "certify": "bridge",
    "check_scaling": "checks",
    "clear_compiled": "training",
    "fold": "bridge",
    "from_keras": "bridge",
    "known_scorer": "estimators",
    "make_windows": "windows",
    "merge": "scalers",
    "register_distribution": "distributions",
    "register_function": "bridge",
    "register_map": "bridge",
    "to_keras": "bridge",
}

__all__ = [
    "Distribution",
    "Finding",
    "Labels",
    "Laplace",
    "LocalMean",
    "LocalNormalization",
    "LocalStandardDeviation",
    "LocalStandardScaler",
    "ManyLabels",
    "MaxAbsScaler",
    "MinMaxScaler",
    "Normal",
    "Numbers",
    "Ordinal",
    "Quantiles",
    "ReversibleInstanceNormalization",
    "RobustScaler",
    "ScaledKerasClassifier",
    "ScaledKerasEstimator",
    "ScaledKerasRegressor",
    "ScalingWarning",
    "SquashingScaler",
    "StandardScaler",
    "StudentT",
    "UnsupportedTransformerError",
    "ZeroInflatedLogNormal",
    "certify",
    "check_scaling",
    "clear_compiled",
    "fold",
    "from_keras",
    "known_scorer",
    "make_windows",
    "merge",
    "register_distribution",
    "register_function",
    "register_map",
    "to_keras",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("sklearn_keras_scaling")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
