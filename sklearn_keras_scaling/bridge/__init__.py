"""From fitted scikit-learn objects to maps, and from maps to Keras graphs."""

from ._builtin import pipeline_map
from ._graph import copy_network, has_float64, inverse_model, to_keras
from ._registry import ScaledNetwork, map_of, register_map, register_network

__all__ = [
    "ScaledNetwork",
    "copy_network",
    "has_float64",
    "inverse_model",
    "map_of",
    "pipeline_map",
    "register_map",
    "register_network",
    "to_keras",
]
