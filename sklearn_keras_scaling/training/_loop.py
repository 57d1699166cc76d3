"""Training: in a compiled loop where that comes to the same, or in Keras's own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._optional import keras
from ._backends import without_retracing_advice
from ._compiled import train_compiled
from ._reasons import reason_for_keras
from ._sharing import CannotCompileError

_ENGINES = ("auto", "compiled", "keras")


@dataclass(frozen=True)
class Training:
    """What a training was.

    Attributes
    ----------
    history : dict of str to list of float
        Of each epoch.
    engine : {"compiled", "keras"}
        Which loop trained.
    reason : str
        Why it was not the compiled one; "" if it was.
    interrupted : bool
        Whether it was stopped by Ctrl-C. The network has the weights that it reached, the
        history the epochs that were completed.
    """

    history: dict[str, list[Any]]
    engine: str
    reason: str
    interrupted: bool


def train(
    network: Any,
    batches: Any,
    validation: Any,
    *,
    epochs: int,
    callbacks: Any = None,
    verbose: Any = 0,
    engine: str = "auto",
    jit_compile: Any = None,
    **fit_arguments: Any,
) -> Training:
    """Train a compiled network in place: weights and optimizer.

    Parameters
    ----------
    network : keras.Model
        Compiled, with an optimizer.
    batches : Batches
        Training rows in scaled space; or another ``keras.utils.PyDataset``, for Keras's loop.
    validation : tuple or None
        Inputs, targets and, if any, weights of the validation rows, as in ``batches``; or what
        else ``keras.Model.fit`` takes, for Keras's loop.
    epochs, callbacks, verbose
        As in ``keras.Model.fit``.
    engine : {"auto", "compiled", "keras"}
        "compiled": epochs run in a compiled loop around the network's own ``train_step``;
        "keras": ``keras.Model.fit``; "auto": the first, where it comes to the same.
    jit_compile : bool, "auto" or None, default=None
        What the network was compiled with, as it was asked for: whether XLA compiles the loop.
        If neither True nor False, it does where that pays.
    **fit_arguments
        Further arguments of ``keras.Model.fit``.

    Returns
    -------
    training : Training

    Raises
    ------
    ValueError
        If ``engine`` is "compiled" and there is a reason against it, or is unknown.
    """
    if engine not in _ENGINES:
        raise ValueError(f"engine must be one of {', '.join(_ENGINES)}, got {engine!r}.")
    uses_xla = jit_compile if isinstance(jit_compile, bool) else None
    callbacks = keras.tree.flatten(callbacks) if callbacks else []
    arguments = {"epochs": epochs, "callbacks": callbacks, "verbose": verbose, **fit_arguments}
    with without_retracing_advice():
        reason = "it was asked for"
        if engine != "keras":
            reason = reason_for_keras(network, (batches, validation), callbacks, fit_arguments)
        if not reason:
            try:
                interrupted = train_compiled(
                    network, batches, validation, uses_xla=uses_xla, **arguments
                )
            except CannotCompileError as error:
                reason = str(error)
        if reason and engine == "compiled":
            raise ValueError(
                f"engine='compiled' cannot train this network: {reason}. With engine='auto' "
                "keras.Model.fit trains it."
            )
        if reason:
            _say(f"Training in keras.Model.fit: {reason}.", verbose)
            interrupted = _train_in_keras(network, batches, validation, arguments)
    return Training(_history(network), "keras" if reason else "compiled", reason, interrupted)


def _train_in_keras(network: Any, batches: Any, validation: Any, arguments: dict[str, Any]) -> bool:
    if isinstance(validation, tuple):
        arguments = {"validation_batch_size": batches.batch_size, **arguments}
    try:
        network.fit(batches, validation_data=validation, **{"shuffle": False, **arguments})
    except KeyboardInterrupt:
        return True
    return False


def _history(network: Any) -> dict[str, list[Any]]:
    # tolist: floats, and lists of them for metrics that are vectors.
    history = network.history.history
    return {name: np.array(values, float).tolist() for name, values in history.items()}


def _say(text: str, verbose: Any) -> None:
    if verbose != "auto" and verbose >= 2:
        sys.stdout.write(f"{text}\n")
