"""The epochs of a fit in compiled passes, with Keras's callbacks between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import keras
from ._data import Batches
from ._reasons import overrides
from ._workers import Worker, borrowed, build

# They look at logs alone, and need no network that is up to date.
_BLIND = (
    keras.callbacks.CSVLogger,
    keras.callbacks.History,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.TerminateOnNaN,
)

# A loop over epochs costs 0.3 s to compile and saves 1 ms each, in all later fits too. So many
# steps Ctrl-C may wait for.
_UNSEEN_EPOCHS, _UNSEEN_STEPS = 30, 4096


class CompiledFit:
    """A fit of a network, epoch by epoch, as ``keras.Model.fit`` does it.

    Parameters
    ----------
    worker : Worker
        Borrowed for the network.
    network : keras.Model
        What callbacks see; it has its state back after ``run``.
    batches, validation : Batches
        Of training and, if any, of validation.
    epochs, initial_epoch, validation_freq
        As in ``keras.Model.fit``.
    callbacks : list of keras.callbacks.Callback
    verbose : int or "auto"
    """

    def __init__(
        self,
        worker: Worker,
        network: Any,
        batches: Batches,
        validation: Batches | None,
        *,
        epochs: int,
        callbacks: list[Any],
        verbose: Any,
        initial_epoch: int = 0,
        validation_freq: Any = 1,
    ) -> None:
        self._worker, self._network = worker, network
        self._batches, self._validation = batches, validation
        self._train = worker.compiled("train", batches.example)
        if validation is not None:
            self._test = worker.compiled("test", validation.example)
        self._epochs = range(initial_epoch, epochs)
        self._validation_freq = validation_freq
        self._callbacks = keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=len(batches),
            model=network,
        )
        every = self._callbacks.callbacks
        self._seeing = (
            [] if worker.model is network else [c for c in every if type(c) not in _BLIND]
        )
        if self._seeing:
            build(network, batches.example)  # they ask its metrics for their direction
        self._watches = any(isinstance(c, keras.callbacks.TerminateOnNaN) for c in every)
        self._is_followed = any(
            overrides(c, hook)
            for c in every
            for hook in ("on_train_batch_begin", "on_train_batch_end", "on_batch_end")
        )

    def run(self) -> bool:
        """Train, and return whether somebody interrupted it."""
        network, logs, is_interrupted = self._network, {}, False
        network.stop_training = False
        try:
            self._call("on_train_begin")
            logs = self._run_unseen() if self._is_unseen() else self._run_epochs()
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
            self._worker.give(network)
            network.optimizer.finalize_variable_values(network.trainable_weights)
        self._callbacks.on_train_end(logs)
        return is_interrupted

    def _run_epochs(self) -> dict[str, Any]:
        logs: dict[str, Any] = {}
        for epoch in self._epochs:
            logs = self._run_epoch(epoch)
            if self._network.stop_training:
                break
        return logs

    def _is_unseen(self) -> bool:
        """Return whether many epochs of few rows come, and nobody acts between them."""
        acts = any(type(c) is not keras.callbacks.History for c in self._callbacks.callbacks)
        is_alone = not acts and self._validation is None
        is_worth_it = len(self._epochs) >= _UNSEEN_EPOCHS and self._batches.are_few
        # JAX has no such loop: its calls cost little.
        return is_alone and is_worth_it and hasattr(self._train, "epochs")

    def _run_unseen(self) -> dict[str, Any]:
        logs: dict[str, Any] = {}
        at_once = max(1, _UNSEEN_STEPS // len(self._batches))
        for first in self._epochs[::at_once]:
            epochs = range(first, min(first + at_once, self._epochs.stop))
            orders = self._batches.next_orders(len(epochs))
            found = self._train.epochs(self._batches.parts, orders, self._batches.stack_shape)
            for epoch, logs in zip(epochs, found, strict=True):
                self._callbacks.on_epoch_begin(epoch)
                self._callbacks.on_epoch_end(epoch, logs)
        return logs

    def _run_epoch(self, epoch: int) -> dict[str, Any]:
        self._call("on_epoch_begin", epoch)
        logs = self._train_all()
        self._batches.on_epoch_end()
        if self._validation is not None and self._validates(epoch):
            self._call("on_test_begin")
            found = self._test_all(self._validation)
            self._call("on_test_end", found)
            logs |= {f"val_{name}": value for name, value in found.items()}
        self._call("on_epoch_end", epoch, logs)
        return logs

    def _train_all(self) -> dict[str, Any]:
        done, logs = 0, {}
        for count, stack in self._batches.stacks():
            if self._is_followed:
                self._callbacks.on_train_batch_begin(done)
            if count:
                steps, logs = self._train.many(stack, count, done == 0, self._watches)
            else:
                steps, logs = 1, self._train.one(stack, done == 0)
            done += steps
            if self._is_followed:
                self._callbacks.on_train_batch_end(done - 1, _floats(logs))
            if self._network.stop_training:
                break
        return _floats(logs)

    def _test_all(self, validation: Batches) -> dict[str, Any]:
        is_first, logs = True, {}
        for count, stack in validation.stacks():
            if count:
                _, logs = self._test.many(stack, count, is_first, False)
            else:
                logs = self._test.one(stack, is_first)
            is_first = False
        return _floats(logs)

    def _validates(self, epoch: int) -> bool:
        if isinstance(self._validation_freq, int):
            return (epoch + 1) % self._validation_freq == 0
        return epoch + 1 in self._validation_freq

    def _call(self, hook: str, *arguments: Any) -> None:
        """Call a hook of all callbacks, those that look at the network with its present state."""
        sees = any(overrides(callback, hook) for callback in self._seeing)
        if sees:
            self._worker.give(self._network)
        getattr(self._callbacks, hook)(*arguments)
        if sees:
            self._worker.take(self._network)


def train_compiled(
    network: Any,
    batches: Batches,
    validation: tuple[Any, ...] | None,
    *,
    validation_batch_size: int | None = None,
    shuffle: bool = False,
    **arguments: Any,
) -> bool:
    """Train a network in a compiled loop, and return whether somebody interrupted it.

    Raises
    ------
    CannotCompileError
        If it cannot be compiled. Nothing is trained then.
    """
    held_out = None
    if validation is not None:
        held_out = Batches(validation, validation_batch_size or batches.batch_size, 0, False)
    with borrowed(network, batches) as worker:
        fit = CompiledFit(worker, network, batches, held_out, **arguments)
        batches.on_epoch_end()  # as Keras does once before it begins
        return fit.run()


def _floats(logs: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value) for name, value in logs.items()}
