"""What compiles for the backend in use."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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


def quick_variables() -> AbstractContextManager[Any]:
    """Return a scope in which a network and its optimizer are made as quickly as can be."""
    backend = compiled_backend()
    scope: AbstractContextManager[Any] = backend.quick_variables() if backend else nullcontext()
    return scope


def variables_of(model: Any, metrics: list[Any] | None = None) -> tuple[list[Any], ...]:
    """Return what a fit changes: weights, what else layers keep, optimizer and metrics.

    Parameters
    ----------
    model : keras.Model
        Compiled, its optimizer built.
    metrics : list of keras.Variable, default=None
        In the place of its own.
    """
    weights = model.trainable_variables, model.non_trainable_variables
    own = model.metrics_variables if metrics is None else metrics
    return *weights, model.optimizer.variables, own


def last_logs(model: Any, logs: Any) -> dict[str, Any]:
    """Return what logs are to be taken from the last step: none if they are the metrics'."""
    # As Keras's own loop decides. The results of metrics are needed only once, behind the loop.
    if not isinstance(logs, dict):
        raise TypeError(f"a step returns {type(logs).__name__}, and no dict of logs")
    return {} if logs.keys() == model.get_metrics_result().keys() else logs


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
