"""From fitted scikit-learn objects to maps, and from maps to Keras graphs."""

from . import _builtin as _builtin  # registers what ships
from ._graph import check_restorable, copy_network, inverse_model, to_keras, widest_float
from ._registry import ScaledNetwork, map_of, register_map, register_network

__all__ = [
    "ScaledNetwork",
    "check_restorable",
    "copy_network",
    "inverse_model",
    "map_of",
    "register_map",
    "register_network",
    "to_keras",
    "widest_float",
]
