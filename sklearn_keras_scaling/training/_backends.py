"""What compiles for the backend in use."""

from __future__ import annotations

from typing import Any

from .._optional import keras


def compiled_backend() -> Any:
    """Return the module of compiled functions, or None where there is none."""
    name = keras.backend.backend()
    if name == "tensorflow":
        from . import _tensorflow

        return _tensorflow
    if name == "jax":
        from . import _jax

        return _jax
    return None
