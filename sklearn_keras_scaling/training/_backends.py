"""What compiles for the backend in use."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def without_retracing_advice() -> Iterator[None]:
    """Silence TensorFlow's advice against many traces: each network has its own, by design."""
    logger = logging.getLogger("tensorflow")

    def is_other(record: logging.LogRecord) -> bool:
        return "tf.function retracing" not in record.getMessage()

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
