"""Keras's own loops, over batches of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ._data import Batches

#: Rows in every block that predicts. One fixed shape makes a row's prediction the
#: same bits alone, in a batch and in any order; several shapes do not.
BLOCK = 64


def train(
    network: Any,
    batches: Batches,
    validation: tuple[np.ndarray, ...] | None,
    **fit_arguments: Any,
) -> dict[str, list[Any]]:
    """Train a compiled network and return its history as a plain dict.

    Parameters
    ----------
    network : keras.Model
        Compiled; trained in place.
    batches : Batches
        Training rows in scaled space.
    validation : tuple of ndarray or None
        Inputs, targets and, if any, weights of the validation rows.
    **fit_arguments
        Further arguments of ``keras.Model.fit``.
    """
    arguments = {"validation_batch_size": batches.batch_size, "shuffle": False, **fit_arguments}
    with _without_retracing_advice():
        history = network.fit(batches, validation_data=validation, **arguments)
    # tolist: floats, and lists of them for metrics that are vectors.
    return {name: np.array(values, float).tolist() for name, values in history.history.items()}


def predict_blocks(network: Any, inputs: np.ndarray) -> np.ndarray:
    """Return the network's outputs, computed in zero-padded blocks of ``BLOCK`` rows."""
    outputs = []
    with _without_retracing_advice():
        for start in range(0, len(inputs), BLOCK):
            rows = inputs[start : start + BLOCK]
            block = np.zeros((BLOCK, *inputs.shape[1:]), dtype=inputs.dtype)
            block[: len(rows)] = rows
            outputs.append(network.predict_on_batch(block)[: len(rows)])
    return np.concatenate(outputs)


@contextmanager
def _without_retracing_advice() -> Iterator[None]:
    """Silence TensorFlow's advice against many traces: each network has its own, by design."""
    logger = logging.getLogger("tensorflow")

    def is_other(record: logging.LogRecord) -> bool:
        return "tf.function retracing" not in record.getMessage()

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
