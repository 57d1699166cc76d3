"""The one place that imports Keras, so that a missing backend is explained once."""

import os
from importlib.util import find_spec

__all__ = ["keras"]

_BACKENDS = ("tensorflow", "jax", "torch")

try:
    import keras
except ImportError as error:
    raise ImportError(
        f"Keras could not be imported ({error}). KERAS_BACKEND is "
        f"{os.environ.get('KERAS_BACKEND', 'not set')}; backends installed here: "
        f"{', '.join(filter(find_spec, _BACKENDS)) or 'none'}. Install one, for example with "
        "`pip install keras tensorflow`, or name an installed one in the environment variable "
        "KERAS_BACKEND before Python starts."
    ) from error
