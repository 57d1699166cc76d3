"""Steps of training and evaluation, many in one compiled JAX function."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._optional import keras
from ._backends import last_logs, variables_of

#: Blocks that are predicted in one call.
PREDICTED_BLOCKS = 16


class Pass:
    """Passes over data by one kind of step, for all networks of a model's architecture.

    Parameters
    ----------
    model : keras.Model
        Compiled and built. It is traced; its variables stay as they are.
    kind : {"train", "test"}
        Of the step.
    example : tuple
        A batch, for shapes and dtypes.
    batch_size, uses_xla
        As in TensorFlow's; here XLA compiles all.

    Notes
    -----
    Each call takes the variables that it changes: those of a network, in the model's order.
    """

    def __init__(
        self,
        model: Any,
        kind: str,
        example: tuple[Any, ...],
        batch_size: int,
        uses_xla: bool | None,
    ) -> None:
        self._model = model
        self._step = getattr(model, f"{kind}_step")
        self._taken = (0, 1, 2, 3) if kind == "train" else (0, 1, 3)  # without the optimizer
        # Of Keras before 3.12: its steps look at where the variables lie.
        getattr(model, "_record_training_state_sharding_spec", lambda: None)()
        logs, _ = jax.eval_shape(self._step, _values(self._groups(variables_of(model))), example)
        self._last = last_logs(model, logs)
        self._one = jax.jit(self._run_one)
        self._many = jax.jit(self._run_many)

    def one(self, variables: Any, batch: tuple[Any, ...], is_first: bool) -> dict[str, Any]:
        """Run a step on a batch of any size, and return the logs."""
        groups = self._groups(variables)
        logs, state = self._one(_values(groups), batch, is_first)
        _assign(groups, state)
        return logs

    def many(
        self, variables: Any, stack: tuple[Any, ...], count: int, is_first: bool, watches: bool
    ) -> tuple[int, dict[str, Any]]:
        """Run steps on the first batches of a stack, and return their number and the logs.

        Parameters
        ----------
        variables : tuple of list
            Of a network.
        stack : tuple
            Batches, of shape (steps, batch_size, ...).
        count : int
            How many of them to take.
        is_first : bool
            Whether an epoch begins: metrics then start anew.
        watches : bool
            Whether to stop behind a step whose loss is not finite.
        """
        groups = self._groups(variables)
        steps, logs, state = self._many(_values(groups), stack, count, is_first, watches)
        _assign(groups, state)
        return int(steps), logs

    def _groups(self, variables: Any) -> list[list[Any]]:
        """Return those of the variables that the step takes."""
        return [variables[number] for number in self._taken]

    def _run_one(self, state: Any, batch: Any, is_first: Any) -> Any:
        logs, state = self._step(self._begun(state, is_first), batch)
        return self._logs(logs, state), state

    def _run_many(self, state: Any, stack: Any, count: Any, is_first: Any, watches: Any) -> Any:
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
        start = (jnp.int32(0), jnp.float32(0.0), blank, self._begun(state, is_first))
        steps, _, last, state = jax.lax.while_loop(goes_on, run, start)
        return steps, self._logs(last, state), state

    def _begun(self, state: Any, is_first: Any) -> Any:
        """Return the state with the metrics reset, at the beginning of an epoch."""
        *others, metrics = state
        with self._metrics_as(metrics) as scope:
            self._model.reset_metrics()
        fresh = map(scope.get_current_value, self._model.metrics_variables)
        pairs = zip(fresh, metrics, strict=True)
        return [*others, [jnp.where(is_first, new, old) for new, old in pairs]]

    def _logs(self, logs: dict[str, Any], state: Any) -> dict[str, Any]:
        if self._last:
            return logs
        with self._metrics_as(state[-1]):
            return self._model.get_metrics_result()

    def _metrics_as(self, values: Any) -> Any:
        return keras.StatelessScope(list(zip(self._model.metrics_variables, values, strict=True)))


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


def quick_variables() -> Any:
    """Return a scope that changes nothing: JAX's variables are quick."""
    return nullcontext()


def _values(groups: list[list[Any]]) -> list[list[Any]]:
    return [[variable.value for variable in group] for group in groups]


def _assign(groups: list[list[Any]], state: Any) -> None:
    for variables, values in zip(groups, state, strict=True):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _like(old: Any, new: Any) -> Any:
    """Return the new state in the structure of the old: steps return lists or tuples."""
    return jax.tree.unflatten(jax.tree.structure(old), jax.tree.leaves(new))
