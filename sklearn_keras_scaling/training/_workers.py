"""Compiled loops, reused by fits that differ in nothing but numbers."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from .._optional import keras
from ._backends import compiled_backend
from ._data import Batches
from ._keys import (
    UniqueError,
    compile_arguments,
    constants,
    copy_architecture,
    key_of_training,
)
from ._told import copied

#: Compiled loops that wait for another fit of their architecture; the oldest ones go first.
CACHE_SIZE = 32

_TIDY_EVERY = 64

_LOCK = threading.Lock()
_fits = itertools.count(1)
_idle: list[tuple[Hashable, Worker]] = []


class CannotCompileError(Exception):
    """A network that Keras's own loop has to train: the text says why."""


class Worker:
    """A model, its compiled passes, and how other networks lend it their state.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._passes: dict[tuple[str, str], Any] = {}

    def compiled(self, kind: str, example: tuple[Any, ...]) -> Any:
        """Return the pass of a kind, "train" or "test"."""
        # Validation rows may have weights, or none, whatever the training rows have.
        key = (kind, repr(keras.tree.map_structure(lambda a: (a.shape[1:], str(a.dtype)), example)))
        if key not in self._passes:
            with _explained(f"{kind}_step cannot be traced"):
                self._passes[key] = compiled_backend().Pass(self.model, kind, example)
        return self._passes[key]

    def take(self, network: Any) -> None:
        """Copy the network's weights, seeds and optimizer into the model."""
        self._copy(network, self.model)

    def give(self, network: Any) -> None:
        """Copy them back."""
        self._copy(self.model, network)

    def take_constants(self, network: Any) -> None:
        """Copy the constants of the network's metrics into the model's."""
        for source, target in zip(constants(network), constants(self.model), strict=True):
            target.assign(source)

    def _copy(self, source: Any, target: Any) -> None:
        if source is not target:
            compiled_backend().copy_variables(_state(source), _state(target))


@contextmanager
def borrowed(network: Any, batches: Batches) -> Iterator[Worker]:
    """Lend a worker for a network: nobody else has it meanwhile."""
    example = batches.example
    if not network.built:
        build(network, example)
    if not network.optimizer.built:
        network.optimizer.build(network.trainable_variables)
    try:
        key = key_of_training(network, batches.batch_size, example)
        worker = _take_idle(key) or Worker(_copy_of(network))
    except (UniqueError, TypeError, ValueError):  # the last two: not serializable
        build(network, example)
        yield Worker(network)
        return
    build(worker.model, example)
    worker.take_constants(network)
    worker.take(network)
    yield worker  # not put back after an error
    with _LOCK:
        _idle.append((key, worker))
        del _idle[:-CACHE_SIZE]
        if next(_fits) % _TIDY_EVERY == 0:
            compiled_backend().tidy()


def clear_loops() -> None:
    """Forget the compiled loops that earlier fits have left for later ones."""
    with _LOCK:
        _idle.clear()


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


def _take_idle(key: Hashable) -> Worker | None:
    with _LOCK:
        for position, (other, worker) in enumerate(_idle):
            if other == key:
                del _idle[position]
                return worker
    return None


def _copy_of(network: Any) -> Any:
    """Return an equal model, compiled alike."""
    arguments = keras.tree.map_structure(copied, dict(compile_arguments(network)))
    optimizer = network.optimizer
    arguments["optimizer"] = type(optimizer).from_config(optimizer.get_config())
    model = copy_architecture(network)
    # auto_scale_loss: the optimizer is wrapped already, where that is wanted
    model.compile(**arguments, auto_scale_loss=False)
    model.optimizer.build(model.trainable_variables)
    if [v.shape for v in _state(model)] != [v.shape for v in _state(network)]:
        raise UniqueError("a copy from its configuration has other weights")
    return model


def _state(model: Any) -> list[Any]:
    weights = [*model.trainable_variables, *model.non_trainable_variables]
    return [*weights, *model.optimizer.variables]
