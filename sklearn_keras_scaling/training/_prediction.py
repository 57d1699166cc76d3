"""Prediction in blocks of one shape."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Rows in every block that predicts. One fixed shape makes a row's prediction the
#: same bits alone, in a batch and in any order; several shapes do not.
BLOCK = 64


def predict_blocks(network: Any, inputs: np.ndarray) -> np.ndarray:
    """Return the network's outputs, computed in zero-padded blocks of ``BLOCK`` rows."""
    outputs = []
    for start in range(0, len(inputs), BLOCK):
        rows = inputs[start : start + BLOCK]
        block = np.zeros((BLOCK, *inputs.shape[1:]), dtype=inputs.dtype)
        block[: len(rows)] = rows
        outputs.append(network.predict_on_batch(block)[: len(rows)])
    return np.concatenate(outputs)
