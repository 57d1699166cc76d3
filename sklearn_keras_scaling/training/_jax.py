"""Steps of training and evaluation, many in one compiled JAX function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._optional import keras
from ._backends import last_logs

#: Blocks that are predicted in one call.
PREDICTED_BLOCKS = 16


class Pass:
    """Passes over data by one kind of step, with the model's own variables.

    Parameters
    ----------
    model : keras.Model
        Compiled and built; its variables hold the state before and after each call.
    kind : {"train", "test"}
        Of the step.
    example : tuple
        A batch, for shapes and dtypes.
    """

    def __init__(self, model: Any, kind: str, example: tuple[Any, ...]) -> None:
        self._model = model
        self._step = getattr(model, f"{kind}_step")
        weights = (model.trainable_variables, model.non_trainable_variables)
        optimizer = (model.optimizer.variables,) if kind == "train" else ()
        self._groups = (*weights, *optimizer, model.metrics_variables)
        # Of Keras before 3.12: its steps look at where the variables lie.
        getattr(model, "_record_training_state_sharding_spec", lambda: None)()
        logs, _ = jax.eval_shape(self._step, self._state(), example)
        self._last = last_logs(model, logs)
        self._one = jax.jit(self._run_one)
        self._many = jax.jit(self._run_many)

    def one(self, batch: tuple[Any, ...], is_first: bool) -> dict[str, Any]:
        """Run a step on a batch of any size, and return the logs."""
        self._begin(is_first)
        logs, state = self._one(self._state(), batch)
        self._assign(state)
        return logs

    def many(
        self, stack: tuple[Any, ...], count: int, is_first: bool, watches: bool
    ) -> tuple[int, dict[str, Any]]:
        """Run steps on the first batches of a stack, and return their number and the logs.

        Parameters
        ----------
        stack : tuple
            Batches, of shape (steps, batch_size, ...).
        count : int
            How many of them to take.
        is_first : bool
            Whether an epoch begins: metrics then start anew.
        watches : bool
            Whether to stop behind a step whose loss is not finite.
        """
        self._begin(is_first)
        steps, logs, state = self._many(self._state(), stack, count, watches)
        self._assign(state)
        return int(steps), logs

    def _run_one(self, state: Any, batch: Any) -> Any:
        logs, state = self._step(state, batch)
        return self._logs(logs, state), state

    def _run_many(self, state: Any, stack: Any, count: Any, watches: Any) -> Any:
        def goes_on(carry: Any) -> Any:
            step, loss, _, _ = carry
            return (step < count) & (jnp.isfinite(loss) | ~watches)

        def run(carry: Any) -> Any:
            step, _, last, state = carry
            batch = keras.tree.map_structure(lambda array: array[step], stack)
            logs, new = self._step(state, batch)
            loss = jnp.sum(jnp.asarray(logs.get("loss", 0.0), jnp.float32))
            return step + 1, loss, {name: logs[name] for name in last}, _like(state, new)

        blank = {name: jnp.zeros(spec.shape, spec.dtype) for name, spec in self._last.items()}
        start = (jnp.int32(0), jnp.float32(0.0), blank, state)
        steps, _, last, state = jax.lax.while_loop(goes_on, run, start)
        return steps, self._logs(last, state), state

    def _begin(self, is_first: bool) -> None:
        """Reset the metrics at the beginning of an epoch."""
        if is_first:
            self._model.reset_metrics()

    def _logs(self, logs: dict[str, Any], state: Any) -> dict[str, Any]:
        if self._last:
            return logs
        with keras.StatelessScope(list(zip(self._model.metrics_variables, state[-1], strict=True))):
            return self._model.get_metrics_result()

    def _state(self) -> list[list[Any]]:
        return [[variable.value for variable in group] for group in self._groups]

    def _assign(self, state: Any) -> None:
        for variables, values in zip(self._groups, state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


def predictor(model: Callable[[], Any], row: Any, block: int) -> Callable[[Any, Any], Any]:
    """Return a function that predicts stacked blocks with a network of a model's architecture.

    One block goes through the same loop as many, so that it comes out in the same bits.
    """

    def step(state: Any, inputs: Any) -> Any:
        return model().predict_step(state, (inputs,))[0]

    def loop(state: Any, blocks: Any, count: Any) -> Any:
        def run(number: Any, outputs: Any) -> Any:
            found = step(state, keras.tree.map_structure(lambda array: array[number], blocks))
            return jax.tree.map(lambda array, part: array.at[number].set(part), outputs, found)

        first = keras.tree.map_structure(lambda array: array[0], blocks)
        blank = jax.tree.map(
            lambda spec: jnp.zeros((PREDICTED_BLOCKS, *spec.shape), spec.dtype),
            jax.eval_shape(step, state, first),
        )
        return jax.lax.fori_loop(0, count, run, blank)

    many = jax.jit(loop)

    def fill(array: Any) -> np.ndarray:
        filled = np.zeros((PREDICTED_BLOCKS, block, *array.shape[2:]), array.dtype)
        filled[: len(array)] = array
        return filled

    def predict(network: Any, blocks: Any) -> Any:
        groups = network.trainable_variables, network.non_trainable_variables
        state = tuple([variable.value for variable in group] for group in groups)
        count = len(keras.tree.flatten(blocks)[0])
        outputs = many(state, keras.tree.map_structure(fill, blocks), count)
        return keras.tree.map_structure(lambda output: np.asarray(output)[:count], outputs)

    example = keras.tree.map_structure(lambda array: array[np.newaxis].repeat(block, 1), row)
    predict(model(), example)  # says whether it can be traced
    return predict


def copy_variables(sources: Sequence[Any], targets: Sequence[Any]) -> None:
    """Give the second variables the values of the first."""
    for source, target in zip(sources, targets, strict=True):
        target.assign(source.value)


def tidy() -> None:
    """Do nothing: JAX keeps nothing of variables that are gone."""


def _like(old: Any, new: Any) -> Any:
    """Return the new state in the structure of the old: steps return lists or tuples."""
    return jax.tree.unflatten(jax.tree.structure(old), jax.tree.leaves(new))
