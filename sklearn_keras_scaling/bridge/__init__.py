"""From fitted scikit-learn objects to maps, and from maps to Keras graphs."""

from .._optional import widest_float
from . import _compositions as _compositions  # registers what ships
from . import _skrub as _skrub
from . import _transformers as _transformers
from ._asked import FittedView
from ._certificate import Certificate, certify
from ._finite import largest_weight, told_not_finite
from ._fold import fold
from ._from_keras import from_keras
from ._graph import check_restorable, copy_network, inverse_model, to_keras
from ._registry import ScaledNetwork, map_of, register_function, register_map, register_network

__all__ = [
    "Certificate",
    "FittedView",
    "ScaledNetwork",
    "certify",
    "check_restorable",
    "copy_network",
    "fold",
    "from_keras",
    "inverse_model",
    "largest_weight",
    "map_of",
    "register_function",
    "register_map",
    "register_network",
    "to_keras",
    "told_not_finite",
    "widest_float",
]
