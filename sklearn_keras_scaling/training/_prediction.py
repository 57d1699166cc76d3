"""Prediction in blocks of one shape."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import numpy as np

from .._optional import keras
from ._backends import compiled_backend, without_retracing_advice
from ._data import count_rows, take_rows
from ._keys import UniqueError, copy_architecture, key_of_architecture
from ._random import one_at_a_time

#: Rows in every block that predicts. One fixed shape makes a row's prediction the
#: same bits alone, in a batch and in any order; several shapes do not.
BLOCK = 64

#: Functions that are kept for other networks of their architecture; the oldest ones go first.
CACHE_SIZE = 32

# Beside the networks, not in them: a pickle has nothing of it.
_OF_NETWORKS: weakref.WeakKeyDictionary[Any, dict[Hashable, _Predictor]]
_OF_NETWORKS = weakref.WeakKeyDictionary()
_OF_ARCHITECTURES: dict[Hashable, _Predictor] = {}
_LOCK = threading.Lock()  # of _OF_NETWORKS

# From a network and stacked blocks to stacked outputs, and how many blocks it takes at a time.
_Predictor = tuple[Callable[[Any, Any], Any], int]


def predict_blocks(network: Any, inputs: Any, block: int = BLOCK) -> Any:
    """Return the network's outputs, computed in zero-padded blocks of ``block`` rows.

    Parameters
    ----------
    network : keras.Model
        Traced once for each kind of inputs, and architecture, if all its layers are Keras's own.
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
        part = slice(start, min(rows, start + many * block))
        taken = take_rows(inputs, part)
        blocks = keras.tree.map_structure(lambda array: _blocks(array, block), taken)
        found = predict(network, blocks)
        if outputs is None:
            outputs = keras.tree.map_structure(
                lambda array: np.empty((rows, *array.shape[2:]), array.dtype), found
            )
        keras.tree.map_structure(partial(_put, part), outputs, found)
    return outputs


def clear_predictors() -> None:
    """Forget the functions that are kept for other networks."""
    with one_at_a_time():
        _OF_ARCHITECTURES.clear()


def _blocks(rows: np.ndarray, block: int) -> np.ndarray:
    """Return rows with shape (blocks, block, ...), zeros at the end."""
    missing = -len(rows) % block
    if missing:
        padded = np.zeros((len(rows) + missing, *rows.shape[1:]), rows.dtype)
        padded[: len(rows)] = rows
        rows = padded
    return rows.reshape(-1, block, *rows.shape[1:])


def _put(part: slice, target: np.ndarray, blocks: np.ndarray) -> None:
    target[part] = blocks.reshape(-1, *blocks.shape[2:])[: part.stop - part.start]


def _predictor(network: Any, row: Any, block: int) -> _Predictor:
    """Return what predicts stacked blocks, and how many it takes at a time."""
    leaves = [(array.shape[1:], str(array.dtype)) for array in keras.tree.flatten(row)]
    kind = (block, repr(keras.tree.map_structure(lambda _: 0, row)), *leaves)
    with _LOCK:
        known = _OF_NETWORKS.setdefault(network, {})
    if kind not in known:
        with one_at_a_time():
            if kind not in known:
                known[kind] = _shared_predictor(network, row, block)
    return known[kind]


def _shared_predictor(network: Any, row: Any, block: int) -> _Predictor:
    if compiled_backend() is None or network.run_eagerly:
        return _predict_one_by_one, 1
    try:
        key = block, key_of_architecture(network, row)
        predictor = _OF_ARCHITECTURES.pop(key, None)
        if predictor is None:
            model = copy_architecture(network)
            predictor = _make_predictor(lambda: model, row, block)
    except UniqueError:
        # The function must not keep the network alive, which keeps the function.
        return _make_predictor(weakref.ref(network), row, block)
    _OF_ARCHITECTURES[key] = predictor
    while len(_OF_ARCHITECTURES) > CACHE_SIZE:
        del _OF_ARCHITECTURES[next(iter(_OF_ARCHITECTURES))]
    return predictor


def _make_predictor(model: Callable[[], Any], row: Any, block: int) -> _Predictor:
    backend = compiled_backend()
    try:
        return backend.predictor(model, row, block), backend.PREDICTED_BLOCKS
    except Exception:  # whatever a layer of the user's raises where it cannot be traced
        return _predict_one_by_one, 1


def _predict_one_by_one(network: Any, blocks: Any) -> Any:
    with without_retracing_advice():
        outputs = network.predict_on_batch(keras.tree.map_structure(lambda array: array[0], blocks))
    return keras.tree.map_structure(lambda array: np.asarray(array)[np.newaxis], outputs)
