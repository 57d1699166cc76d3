"""The epochs of a fit in compiled passes, with Keras's callbacks between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import keras
from ._data import Batches
from ._reasons import overrides
from ._sharing import Loops, build, loops_for

# They look at logs alone, and ask no metric of the network for its direction.
_BLIND = (
    keras.callbacks.CSVLogger,
    keras.callbacks.History,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.TerminateOnNaN,
)

# A loop over epochs costs 0.3 s more to compile than one over steps alone, 1.2 s beside one that is
# there, and saves 1 to 3 ms an epoch, in all later fits too. It comes with a fit of so many epochs,
# or once an architecture has had so many. So many steps Ctrl-C may wait for.
_UNSEEN_EPOCHS, _ALL_EPOCHS, _UNSEEN_STEPS = 30, 400, 4096


class CompiledFit:
    """A fit of a network, epoch by epoch, as ``keras.Model.fit`` does it.

    Parameters
    ----------
    loops : Loops
        Of the network's architecture.
    network : keras.Model
        What is trained, and callbacks see.
    batches, validation : Batches
        Of training and, if any, of validation.
    epochs, initial_epoch, validation_freq
        As in ``keras.Model.fit``.
    callbacks : list of keras.callbacks.Callback
    verbose : int or "auto"
    """

    def __init__(
        self,
        loops: Loops,
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
        self._loops, self._network = loops, network
        self._batches, self._validation = batches, validation
        self._train = loops.compiled("train", batches.example)
        if validation is not None:
            self._test = loops.compiled("test", validation.example)
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
        if loops.model is not network and not all(type(c) in _BLIND for c in every):
            build(network, batches.example)
        self._variables = loops.variables_of(network)
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
        self._loops.epochs += len(self._epochs)
        try:
            self._callbacks.on_train_begin()
            logs = self._run_unseen() if self._is_unseen() else self._run_epochs()
        except KeyboardInterrupt:
            is_interrupted = True
        finally:
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
        are_many = len(self._epochs) >= _UNSEEN_EPOCHS or self._loops.epochs >= _ALL_EPOCHS
        # JAX has no such loop: its calls cost little.
        has_loop = self._batches.are_few and hasattr(self._train, "epochs")
        return is_alone and are_many and has_loop

    def _run_unseen(self) -> dict[str, Any]:
        logs: dict[str, Any] = {}
        at_once = max(1, _UNSEEN_STEPS // len(self._batches))
        for first in self._epochs[::at_once]:
            epochs = range(first, min(first + at_once, self._epochs.stop))
            orders = self._batches.next_orders(len(epochs))
            data, shape = self._batches.parts, self._batches.stack_shape
            found = self._train.epochs(self._variables, data, orders, shape)
            for epoch, logs in zip(epochs, found, strict=True):
                self._callbacks.on_epoch_begin(epoch)
                self._callbacks.on_epoch_end(epoch, logs)
        return logs

    def _run_epoch(self, epoch: int) -> dict[str, Any]:
        self._callbacks.on_epoch_begin(epoch)
        logs = self._train_all()
        self._batches.on_epoch_end()
        if self._validation is not None and self._validates(epoch):
            self._callbacks.on_test_begin()
            found = self._test_all(self._validation)
            self._callbacks.on_test_end(found)
            logs |= {f"val_{name}": value for name, value in found.items()}
        self._callbacks.on_epoch_end(epoch, logs)
        return logs

    def _train_all(self) -> dict[str, Any]:
        done, logs = 0, {}
        for count, stack in self._batches.stacks():
            if self._is_followed:
                self._callbacks.on_train_batch_begin(done)
            if count:
                steps, logs = self._train.many(
                    self._variables, stack, count, done == 0, self._watches
                )
            else:
                steps, logs = 1, self._train.one(self._variables, stack, done == 0)
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
                _, logs = self._test.many(self._variables, stack, count, is_first, False)
            else:
                logs = self._test.one(self._variables, stack, is_first)
            is_first = False
        return _floats(logs)

    def _validates(self, epoch: int) -> bool:
        if isinstance(self._validation_freq, int):
            return (epoch + 1) % self._validation_freq == 0
        return epoch + 1 in self._validation_freq


def train_compiled(
    network: Any,
    batches: Batches,
    validation: tuple[Any, ...] | None,
    *,
    validation_batch_size: int | None = None,
    shuffle: bool = False,
    uses_xla: bool | None = None,
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
    loops = loops_for(network, batches, uses_xla)
    fit = CompiledFit(loops, network, batches, held_out, **arguments)
    batches.on_epoch_end()  # as Keras does once before it begins
    return fit.run()


def _floats(logs: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value) for name, value in logs.items()}
