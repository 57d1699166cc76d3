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
    from .estimators import ScaledKerasClassifier, ScaledKerasRegressor, known_scorer
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
        StandardScaler,
        merge,
    )
    from .training import clear_compiled
    from .windows import make_windows

_HOMES = {
    "Finding": "checks",
    "LocalMean": "layers",
    "LocalNormalization": "layers",
    "LocalStandardDeviation": "layers",
    "LocalStandardScaler": "scalers",
    "MaxAbsScaler": "scalers",
    "MinMaxScaler": "scalers",
    "ReversibleInstanceNormalization": "layers",
    "RobustScaler": "scalers",
    "ScaledKerasClassifier": "estimators",
    "ScaledKerasRegressor": "estimators",
    "ScalingWarning": "exceptions",
    "StandardScaler": "scalers",
    "UnsupportedTransformerError": "exceptions",
    "certify": "bridge",
    "check_scaling": "checks",
    "clear_compiled": "training",
    "fold": "bridge",
    "from_keras": "bridge",
    "known_scorer": "estimators",
    "make_windows": "windows",
    "merge": "scalers",
    "register_function": "bridge",
    "register_map": "bridge",
    "to_keras": "bridge",
}

__all__ = [
    "Finding",
    "LocalMean",
    "LocalNormalization",
    "LocalStandardDeviation",
    "LocalStandardScaler",
    "MaxAbsScaler",
    "MinMaxScaler",
    "ReversibleInstanceNormalization",
    "RobustScaler",
    "ScaledKerasClassifier",
    "ScaledKerasRegressor",
    "ScalingWarning",
    "StandardScaler",
    "UnsupportedTransformerError",
    "certify",
    "check_scaling",
    "clear_compiled",
    "fold",
    "from_keras",
    "known_scorer",
    "make_windows",
    "merge",
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
