"""From fitted scikit-learn objects to maps, and from maps to Keras graphs."""

from ._builtin import pipeline_map
from ._graph import copy_network, inverse_model, to_keras, widest_float
from ._registry import ScaledNetwork, map_of, register_map, register_network

__all__ = [
    "ScaledNetwork",
    "copy_network",
    "inverse_model",
    "map_of",
    "pipeline_map",
    "register_map",
    "register_network",
    "to_keras",
    "widest_float",
]
