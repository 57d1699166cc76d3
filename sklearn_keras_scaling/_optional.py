"""The one place that imports Keras, so that a missing backend is explained once."""

import os
from importlib.util import find_spec
from typing import Any

__all__ = ["is_stock", "keras", "widest_float"]

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


def is_stock(thing: Any) -> bool:
    """Return whether Keras wrote a function, or the class of an object: its name then tells all.

    Examples
    --------
    >>> is_stock(keras.losses.mean_squared_error), is_stock(keras.layers.Dense(1)), is_stock(print)
    (True, True, False)
    """
    written = thing if hasattr(thing, "__name__") else type(thing)
    return str(written.__module__).split(".")[0] == "keras"


def widest_float() -> str:
    """Return "float64", or "float32" on JAX without x64."""
    if keras.backend.backend() != "jax":
        return "float64"
    import jax

    return "float64" if jax.config.jax_enable_x64 else "float32"
