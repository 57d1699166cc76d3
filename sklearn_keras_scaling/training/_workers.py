"""Compiled loops, reused by fits that differ in nothing but numbers."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from .._optional import keras
from ._backends import compiled_backend
from ._data import Batches
from ._keys import Unique, compile_arguments, constants, copied, key_of
from ._random import seeded

#: Compiled loops that wait for another fit of their architecture; the oldest ones go first.
CACHE_SIZE = 32

_LOCK = threading.Lock()
_idle: list[tuple[Hashable, Worker]] = []


class CannotCompile(Exception):
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
        self._passes: dict[str, Any] = {}

    def compiled(self, kind: str, example: tuple[Any, ...]) -> Any:
        """Return the pass of a kind, "train" or "test"."""
        if kind not in self._passes:
            try:
                self._passes[kind] = compiled_backend().Pass(self.model, kind, example)
            except Exception as error:
                lines = str(error).strip().splitlines() or [""]
                raise CannotCompile(
                    f"{kind}_step cannot be traced ({type(error).__name__}: {lines[0]})"
                ) from error
        return self._passes[kind]

    def take(self, network: Any) -> None:
        """Copy the network's weights, seeds and optimizer into the model."""
        self._copy(network, self.model)

    def give(self, network: Any) -> None:
        """Copy them back."""
        self._copy(self.model, network)

    def take_constants(self, network: Any) -> None:
        """Copy the constants of the network's metrics into the model's."""
        for source, target in zip(constants(network), constants(self.model), strict=True):
            target.loc.assign(source.loc)
            target.scale.assign(source.scale)

    def _copy(self, source: Any, target: Any) -> None:
        if source is not target:
            compiled_backend().copy_variables(_state(source), _state(target))


@contextmanager
def borrowed(network: Any, batches: Batches) -> Iterator[Worker]:
    """Lend a worker for a network: nobody else has it meanwhile."""
    example = batches[0]
    if not network.built:
        build(network, example)
    network.optimizer.build(network.trainable_variables)
    try:
        key = key_of(network, batches.batch_size, example)
        worker = _take_idle(key) or Worker(_copy_of(network))
    except (Unique, TypeError, ValueError):  # the last two: not serializable
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


def clear_compiled() -> None:
    """Forget the compiled loops that earlier fits have left for later ones."""
    with _LOCK:
        _idle.clear()


def build(model: Any, example: tuple[Any, ...]) -> None:
    """Create the variables of a model's loss and metrics."""
    # Private: otherwise they come into being only in Keras's own loops.
    model._symbolic_build(data_batch=example)


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
    with seeded(0):  # weights are drawn, and overwritten
        model = type(network).from_config(network.get_config())
    # auto_scale_loss: the optimizer is wrapped already, where that is wanted
    model.compile(**arguments, auto_scale_loss=False)
    model.optimizer.build(model.trainable_variables)
    if [v.shape for v in _state(model)] != [v.shape for v in _state(network)]:
        raise Unique("a copy from its configuration has other weights")
    return model


def _state(model: Any) -> list[Any]:
    weights = [*model.trainable_variables, *model.non_trainable_variables]
    return [*weights, *model.optimizer.variables]
