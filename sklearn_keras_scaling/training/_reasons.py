"""Why Keras's own loop has to train."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from .._optional import keras
from ._backends import compiled_backend
from ._data import Batches

#: What else of ``keras.Model.fit``'s arguments the compiled loop knows; shuffle: Keras ignores it.
OPTIONS = {"initial_epoch", "validation_freq", "validation_batch_size", "shuffle"}

_METHODS = ("fit", "evaluate", "make_train_function", "make_test_function")
_PLACES = ("train_batch_begin", "train_batch_end", "test_batch_begin", "test_batch_end")
_BATCH_HOOKS = [f"on_{place}" for place in (*_PLACES, "batch_begin", "batch_end")]


def reason_for_keras(
    network: Any, data: tuple[Any, Any], callbacks: list[Any], options: dict[str, Any]
) -> str:
    """Return why the compiled loop cannot train as ``keras.Model.fit`` would, or ""."""
    batches, validation = data
    if not isinstance(batches, Batches) or not isinstance(validation, (tuple, type(None))):
        return "the data come as a stream of batches, and not as arrays"
    found = (_of_options(options), _of_network(network), _of_backend(network), _of(callbacks))
    return next(itertools.chain.from_iterable(found), "")


def _of_options(options: dict[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if name not in OPTIONS and value is not None:
            yield f"the compiled loop has no {name}"
    if any(limit() for limit in _limits()):
        yield "Keras limits epochs or steps (keras.config.set_max_epochs)"


def _of_network(network: Any) -> Iterator[str]:
    if network.run_eagerly:
        yield "the network runs eagerly (run_eagerly=True)"
    if network.steps_per_execution != 1:
        yield f"steps_per_execution is {network.steps_per_execution}"
    if network.optimizer is None:
        yield "the network has no optimizer"
    for name in _METHODS:
        if getattr(type(network), name) is not getattr(keras.Model, name) or name in vars(network):
            yield f"{type(network).__name__} overrides {name}"


def _of_backend(network: Any) -> Iterator[str]:
    backend = keras.backend.backend()
    if compiled_backend() is None:
        yield f"there is no compiled loop for the backend {backend!r}"
    if backend == "jax" and not network.jit_compile:
        yield "the network is not to be compiled (jit_compile=False)"
    if _is_distributed(network):
        yield "the network is distributed over devices"


def _of(callbacks: list[Any]) -> Iterator[str]:
    for callback in callbacks:
        for hook in _BATCH_HOOKS:
            if overrides(callback, hook) and not _is_harmless(callback, hook):
                yield f"the callback {type(callback).__name__} has {hook}"


def overrides(callback: Any, hook: str) -> bool:
    """Return whether a callback does something at a hook."""
    return _function(getattr(callback, hook)) is not getattr(keras.callbacks.Callback, hook)


def _function(method: Any) -> Any:
    return getattr(method, "__func__", method)


def _is_harmless(callback: Any, hook: str) -> bool:
    """Return whether a hook of Keras's own comes to the same between larger parts of an epoch."""
    owners = [kind for kind in _HARMLESS if isinstance(callback, kind)]
    return any(
        _function(getattr(callback, hook)) is getattr(kind, hook) and _HARMLESS[kind](callback)
        for kind in owners
    )


def _writes_by_epoch(board: Any) -> bool:
    by_step = board.update_freq != "epoch" or board.write_steps_per_second
    return not (by_step or board._should_trace)  # private: profile_batch is kept nowhere else


_HARMLESS: dict[type, Callable[[Any], bool]] = {
    keras.callbacks.ProgbarLogger: lambda _: True,
    keras.callbacks.TerminateOnNaN: lambda _: True,  # the loop stops at the step
    keras.callbacks.ModelCheckpoint: lambda callback: callback.save_freq == "epoch",
    keras.callbacks.TensorBoard: _writes_by_epoch,
}


def _limits() -> list[Callable[[], Any]]:
    """Return Keras's limits for debugging, which earlier versions do not have."""
    names = ("max_epochs", "max_steps_per_epoch")
    return [getattr(keras.config, name) for name in names if hasattr(keras.config, name)]


def _is_distributed(network: Any) -> bool:
    if keras.distribution.distribution() is not None:
        return True
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    default = tf.distribute.get_strategy()
    return tf.distribute.has_strategy() or network.distribute_strategy is not default
