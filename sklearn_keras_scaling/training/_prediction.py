"""Prediction in blocks of one shape."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from .._optional import keras
from ._backends import compiled_backend
from ._data import count_rows, take_rows

#: Rows in every block that predicts. One fixed shape makes a row's prediction the
#: same bits alone, in a batch and in any order; several shapes do not.
BLOCK = 64

# Beside the networks, not in them: a pickle has nothing of it.
_FUNCTIONS: weakref.WeakKeyDictionary[Any, dict[Hashable, Any]] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def predict_blocks(network: Any, inputs: Any, block: int = BLOCK) -> Any:
    """Return the network's outputs, computed in zero-padded blocks of ``block`` rows.

    Parameters
    ----------
    network : keras.Model
        Traced once for each kind of inputs; the trace is kept as long as the network.
    inputs : array, sparse matrix, or structure of them
        As the network takes them, with rows first; sparse ones are made dense block by block.
    block : int
        Rows of a block.

    Returns
    -------
    outputs : ndarray or structure of ndarray
        In the structure of the network's outputs.

    Notes
    -----
    Several threads may predict with one network. Memory, beyond the outputs, does not depend on
    the number of rows.
    """
    predict, many = _predictor(network, take_rows(inputs, slice(0, 1)), block)
    rows, outputs = count_rows(inputs), None
    for start in range(0, rows, many * block):
        taken = take_rows(inputs, slice(start, start + many * block))
        found = predict(keras.tree.map_structure(lambda array: _blocks(array, block), taken))
        stop = min(rows, start + many * block)
        if outputs is None:
            outputs = keras.tree.map_structure(
                lambda array: np.empty((rows, *array.shape[2:]), array.dtype), found
            )
        keras.tree.map_structure(
            lambda array, part: _put(array[start:stop], part), outputs, found
        )
    return outputs


def _blocks(rows: np.ndarray, block: int) -> np.ndarray:
    """Return rows with shape (blocks, block, ...), zeros at the end."""
    missing = -len(rows) % block
    if missing:
        padded = np.zeros((len(rows) + missing, *rows.shape[1:]), rows.dtype)
        padded[: len(rows)] = rows
        rows = padded
    return rows.reshape(-1, block, *rows.shape[1:])


def _put(target: np.ndarray, blocks: np.ndarray) -> None:
    target[:] = blocks.reshape(-1, *blocks.shape[2:])[: len(target)]


def _predictor(network: Any, row: Any, block: int) -> tuple[Callable[[Any], Any], int]:
    """Return the function that predicts stacked blocks, and how many it takes at a time."""
    leaves = [(array.shape[1:], str(array.dtype)) for array in keras.tree.flatten(row)]
    key = (block, repr(keras.tree.map_structure(lambda _: 0, row)), *leaves)
    with _LOCK:
        functions = _FUNCTIONS.setdefault(network, {})
        if key not in functions:
            functions[key] = _make_predictor(network, row, block)
        return functions[key]


def _make_predictor(network: Any, row: Any, block: int) -> tuple[Callable[[Any], Any], int]:
    backend = compiled_backend()
    # The function must not keep the network alive, which keeps the function.
    reference = weakref.ref(network)
    if backend is not None and not network.run_eagerly:
        try:
            return backend.predictor(reference, row, block), backend.PREDICTED_BLOCKS
        except Exception:  # whatever a layer of the user's raises where it cannot be traced
            pass
    return lambda blocks: _predict_one_by_one(reference(), blocks), 1


def _predict_one_by_one(network: Any, blocks: Any) -> Any:
    outputs = network.predict_on_batch(keras.tree.map_structure(lambda array: array[0], blocks))
    return keras.tree.map_structure(lambda array: np.asarray(array)[np.newaxis], outputs)
