"""Compiled loops, shared by fits that differ in nothing but numbers."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._optional import keras
from ._backends import compiled_backend, variables_of
from ._data import Batches
from ._keys import (
    UniqueError,
    compile_arguments,
    constants,
    copy_architecture,
    key_of_training,
)
from ._random import one_at_a_time
from ._told import copied

#: Architectures whose compiled loops are kept; those used least recently go first.
CACHE_SIZE = 32

_LOCK = threading.Lock()
_kept: dict[Hashable, Loops] = {}


class CannotCompileError(Exception):
    """A network that Keras's own loop has to train: the text says why."""


class Loops:
    """A model and its compiled passes, for any number of networks of its architecture at a time.

    Parameters
    ----------
    model : keras.Model
        Compiled and built. Its variables stay as they are: passes are called with a network's.
    batch_size : int
        Rows of a full batch of training.
    uses_xla : bool or None
        None: where it pays.

    Attributes
    ----------
    epochs : int
        That fits have begun.
    """

    def __init__(self, model: Any, batch_size: int, uses_xla: bool | None) -> None:
        self.model = model
        self._options = batch_size, uses_xla
        self.epochs = 0
        self._passes: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def compiled(self, kind: str, example: tuple[Any, ...]) -> Any:
        """Return the pass of a kind, "train" or "test"."""
        # Validation rows may have weights, or none, whatever the training rows have.
        key = (kind, repr(keras.tree.map_structure(lambda a: (a.shape[1:], str(a.dtype)), example)))
        with self._lock:
            if key not in self._passes:
                with _explained(f"{kind}_step cannot be traced"):
                    passed = compiled_backend().Pass(self.model, kind, example, *self._options)
                    self._passes[key] = passed
            return self._passes[key]

    def variables_of(self, network: Any) -> tuple[list[Any], ...]:
        """Return the variables that a fit of a network changes."""
        ours, own = self.model.metrics_variables, network.metrics_variables
        if len(own) != len(ours):  # they are not built, and need not be
            pairs = zip(constants(self.model), constants(network), strict=True)
            given = {id(of_model): of_network for of_model, of_network in pairs}
            own = [given[id(v)] if id(v) in given else _like(v) for v in ours]
        return variables_of(network, own)


def loops_for(network: Any, batches: Batches, uses_xla: bool | None) -> Loops:
    """Return the compiled loops of a network's architecture."""
    example, options = batches.example, (batches.batch_size, uses_xla)
    if not network.built:
        build(network, example)
    if not network.optimizer.built:
        network.optimizer.build(network.trainable_variables)
    try:
        key = options, key_of_training(network, example)
        loops = _found(key)
        if loops is None:
            with one_at_a_time():  # in other threads fits of this architecture wait
                loops = _found(key) or Loops(_copy_of(network, example), *options)
                _keep(key, loops)
    except (UniqueError, TypeError, ValueError):  # the last two: not serializable
        build(network, example)
        return Loops(network, *options)
    return loops


def clear_loops() -> None:
    """Forget the compiled loops that earlier fits have left for later ones."""
    with _LOCK:
        _kept.clear()


def build(model: Any, example: tuple[Any, ...]) -> None:
    """Create the variables of a model's loss and metrics."""
    with _explained("the network cannot be built"):
        # Private: otherwise they come into being only in Keras's own loops.
        model._symbolic_build(data_batch=example)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise CannotCompileError(f"{what} ({type(error).__name__}: {lines[0]})") from error


def _found(key: Hashable) -> Loops | None:
    with _LOCK:
        loops = _kept.pop(key, None)
        if loops is not None:
            _kept[key] = loops  # now the one used last
        return loops


def _keep(key: Hashable, loops: Loops) -> None:
    with _LOCK:
        _kept[key] = loops
        while len(_kept) > CACHE_SIZE:
            del _kept[next(iter(_kept))]


def _copy_of(network: Any, example: tuple[Any, ...]) -> Any:
    """Return an equal model, compiled alike and built."""
    arguments = keras.tree.map_structure(copied, dict(compile_arguments(network)))
    optimizer = network.optimizer
    arguments["optimizer"] = type(optimizer).from_config(optimizer.get_config())
    model = copy_architecture(network)
    # auto_scale_loss: the optimizer is wrapped already, where that is wanted
    model.compile(**arguments, auto_scale_loss=False)
    model.optimizer.build(model.trainable_variables)
    if _shapes(model) != _shapes(network):
        raise UniqueError("a copy from its configuration has other weights")
    build(model, example)
    return model


def _shapes(model: Any) -> list[Any]:
    weights = [*model.trainable_variables, *model.non_trainable_variables]
    return [variable.shape for variable in [*weights, *model.optimizer.variables]]


def _like(variable: Any) -> Any:
    # Keras would take TensorFlow's variable itself for the new one's value.
    return keras.Variable(np.array(variable), dtype=variable.dtype, trainable=False)
