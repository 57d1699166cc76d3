"""Losses and metrics told in full, and copied."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from .._optional import keras

#: What the registered names of this package's Keras objects begin with.
PACKAGE = "sklearn_keras_scaling>"


def told(part: Any) -> Any:
    """Return a loss or metric as Keras serializes it, with all that it was made with.

    Keras's own configurations leave out the parameters of some functions (Huber's delta), and
    the dtype of losses.

    Examples
    --------
    >>> told(keras.losses.Huber(delta=5.0))["config"]["delta"]
    5.0
    """
    node = keras.saving.serialize_keras_object(part)
    if isinstance(part, (keras.losses.Loss, keras.metrics.Metric)):
        # Private: nothing else has them.
        made_with = {**getattr(part, "_fn_kwargs", {}), "dtype": part.dtype}
        for name in inspect.signature(type(part)).parameters.keys() & made_with.keys():
            node["config"].setdefault(name, made_with[name])
    return node


def read(node: Any) -> Any:
    """Return the loss or metric that :func:`told` told."""
    return keras.saving.deserialize_keras_object(node)


def copied(part: Any) -> Any:
    """Return a copy of a metric; names, losses and functions have no state, and stay."""
    return read(told(part)) if isinstance(part, keras.metrics.Metric) else part


def wrapped(part: Any) -> Iterator[Any]:
    """Yield a loss or metric, and those of which it is made, from outside in."""
    while part is not None:
        yield part
        part = getattr(part, "metric", getattr(part, "loss", None))
