"""Steps of training and evaluation, many in one compiled TensorFlow function."""

from __future__ import annotations

import itertools
import math
import re
import threading
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from .._optional import keras
from ._backends import last_logs, variables_of

_FLAG, _ORDERS = tf.TensorSpec((), tf.bool), tf.TensorSpec((None, None), tf.int64)

# Operations that draw; Get: of what is known of a generator.
_RANDOM = "Random(?!Get)|TruncatedNormal|Multinomial"

_CONVOLUTION = re.compile(r"(Depthwise)?Conv[23]d", re.IGNORECASE)
# Products of two numbers in the convolutions of a step, beyond which XLA takes longer.
_PRODUCTS = 2e6

#: Blocks that are predicted in one call.
PREDICTED_BLOCKS = 256


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
    batch_size : int
        Rows of a full batch.
    uses_xla : bool or None
        Whether XLA compiles it; None: where it pays.

    Attributes
    ----------
    uses_xla : bool
        Whether XLA compiles the steps of full batches.

    Notes
    -----
    Each call takes the variables that it changes: those of a network, in the model's order.
    Several threads may call at a time; the first to need a function makes it, the others wait.

    The step is traced once, for any number of rows, as Keras traces it. Full batches go through
    a loop that XLA compiles for their shape; a smaller one through the traced step alone, since
    XLA would compile again for each number of rows. Steps with loops are traced again for full
    batches, since XLA differentiates no loop over shapes that it does not know. Steps that draw
    random numbers do without XLA: it makes other numbers of the same seeds. So do those whose
    convolutions are large: on a processor XLA takes up to 30 times as long for these.
    """

    _many: Any
    _made: dict[Hashable, Callable[..., Any]]

    def __init__(
        self,
        model: Any,
        kind: str,
        example: tuple[Any, ...],
        batch_size: int,
        uses_xla: bool | None,
    ) -> None:
        self._model = model
        self._function = getattr(model, f"{kind}_step")
        self._batch = keras.tree.map_structure(
            lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), example
        )
        self._step = self._traced(self._batch)
        self._last = last_logs(model, self._step.structured_outputs)
        operations = _operations(self._step.graph)
        self._has_loops = any("While" in name for name in operations)
        draws = any(re.search(_RANDOM, name) for name in operations)
        # Keras weighs the losses of several outputs otherwise, if it knows the number of rows.
        is_fixable = len(getattr(model, "outputs", ())) == 1 or not self._has_loops
        is_slow = batch_size * _products_in_convolutions(self._step.graph) > _PRODUCTS
        pays = model.jit_compile or (is_fixable and not draws and not is_slow)
        self._loop_over(uses_xla=pays if uses_xla is None else uses_xla)
        self._is_sure = uses_xla is not None  # that XLA takes it, or need not
        self._lock = threading.RLock()

    def one(self, variables: Any, batch: tuple[Any, ...], is_first: bool) -> dict[str, Any]:
        """Run a step on a batch of any size, and return the logs."""
        run = self._made_once("one", lambda: (self._run_one, self._batch, _FLAG))
        return dict(run(variables, _tensors(batch), tf.constant(is_first)))

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
        arguments = (_tensors(stack), *map(tf.constant, (count, is_first, watches)))
        shapes = tuple(array.shape for array in keras.tree.flatten(stack))

        def run() -> Any:
            return self._made_once(shapes, lambda: (self._many, *arguments))(variables, *arguments)

        steps, logs = self._with_xla_or_without(run)
        return int(steps), dict(logs)

    def epochs(
        self, variables: Any, data: tuple[Any, ...], orders: np.ndarray, shape: tuple[int, int]
    ) -> list[dict[str, Any]]:
        """Run whole epochs of few rows, and return the logs of each: the same as step by step.

        Parameters
        ----------
        variables : tuple of list
            Of a network.
        data : tuple
            All rows.
        orders : ndarray of shape (epochs, rows)
            Which row comes when.
        shape : tuple
            Steps of a stack, at least those of an epoch, and rows of a batch.
        """

        def run() -> Any:
            whole = partial(self._run_epochs, shape=shape)
            function = self._made_once("epochs", lambda: (whole, self._batch, _ORDERS))
            return function(variables, _tensors(data), tf.constant(orders))

        found = keras.tree.map_structure(np.asarray, self._with_xla_or_without(run))
        return [{name: found[name][i] for name in found} for i in range(len(orders))]

    def _made_once(self, key: Hashable, parts: Callable[[], Any]) -> Callable[..., Any]:
        """Return a traced function, by key; ``parts`` are what it traces and the arguments."""
        made = self._made.get(key)
        if made is None:
            with self._lock:
                made = self._made.get(key)
                if made is None:
                    function, *arguments = parts()
                    self._made[key] = made = self._of_any_network(function, arguments)
        return made

    def _of_any_network(self, function: Callable[..., Any], arguments: Any) -> Callable[..., Any]:
        """Trace a function, and return it with the variables of a network as first argument."""
        is_traced = hasattr(function, "get_concrete_function")
        compiled: Any = function if is_traced else tf.function(function, autograph=False)
        traced = compiled.get_concrete_function(*arguments)
        call = traced.inference_fn.call_preflattened
        every = itertools.chain.from_iterable(variables_of(self._model))
        numbers = {id(v.value.handle): number for number, v in enumerate(every)}
        captured = [(numbers.get(id(tensor)), tensor) for tensor in traced.captured_inputs]

        def run(variables: Any, *arguments: Any) -> Any:
            own = list(itertools.chain.from_iterable(variables))
            handles = [
                tensor if number is None else own[number].value.handle
                for number, tensor in captured
            ]
            # Checking arguments again would take twice as long as a small network.
            return call([*tf.nest.flatten(arguments), *handles])

        return run

    def _with_xla_or_without(self, call: Callable[[], Any]) -> Any:
        if self._is_sure:
            return call()
        with self._lock:
            try:
                result = call()
            except tf.errors.OpError:
                if self._is_sure:
                    raise
                # XLA has not every operation. It says so before it runs any.
                self._loop_over(uses_xla=False)
                result = call()
            self._is_sure = True
            return result

    def _run_epochs(self, data: Any, orders: Any, shape: tuple[int, int]) -> Any:
        signature = {
            name: tf.TensorSpec(spec.shape, spec.dtype)
            for name, spec in self._step.structured_outputs.items()
        }
        return tf.map_fn(
            lambda order: self._run_epoch(data, order, shape),
            orders,
            fn_output_signature=signature,
            parallel_iterations=1,
        )

    def _run_epoch(self, data: Any, order: Any, shape: tuple[int, int]) -> Any:
        steps, batch = shape
        rows = keras.tree.map_structure(lambda array: tf.gather(array, order), data)
        count = tf.size(order) // batch
        last = keras.tree.map_structure(lambda array: array[count * batch :], rows)

        def stacked(array: Any) -> Any:
            padding = [(0, (steps - count) * batch), *[(0, 0)] * (array.shape.rank - 1)]
            padded = tf.pad(array[: count * batch], padding)
            return tf.reshape(padded, (*shape, *array.shape[1:]))

        def all_but_last() -> Any:
            stack = keras.tree.map_structure(stacked, rows)
            return self._many(stack, count, tf.constant(True), tf.constant(False))[1]

        logs = tf.cond(count > 0, all_but_last, lambda: _blank(self._step.structured_outputs))
        has_last = tf.size(order) % batch > 0
        return tf.cond(has_last, lambda: self._run_one(last, count == 0), lambda: logs)

    def _traced(self, batch: Any) -> Any:
        """Return the step for batches of some shapes."""
        # A new function each time: one that knows a trace for any number would take that.
        return tf.function(self._function, autograph=False).get_concrete_function(batch)

    def _loop_over(self, uses_xla: bool) -> None:
        """Make the functions of many steps, and of whole epochs of them, anew."""
        self.uses_xla = uses_xla
        self._many = tf.function(
            partial(self._run_many, fixed=uses_xla and self._has_loops),
            autograph=False,
            jit_compile=uses_xla,
        )
        self._made = {}

    def _run_one(self, batch: Any, is_first: Any) -> Any:
        self._begin(is_first)
        return self._logs(self._step(batch))

    def _run_many(self, stack: Any, count: Any, is_first: Any, watches: Any, *, fixed: bool) -> Any:
        self._begin(is_first)
        step_ = self._step
        if fixed:
            step_ = self._traced(
                keras.tree.map_structure(lambda a: tf.TensorSpec(a.shape[1:], a.dtype), stack)
            )

        def goes_on(step: Any, loss: Any, last: Any) -> Any:
            return (step < count) & (tf.math.is_finite(loss) | ~watches)

        def run(step: Any, loss: Any, last: Any) -> Any:
            logs = step_(keras.tree.map_structure(lambda array: array[step], stack))
            loss = tf.reduce_sum(tf.cast(logs.get("loss", 0.0), tf.float32))
            return step + 1, loss, {name: logs[name] for name in last}

        steps, _, last = tf.while_loop(goes_on, run, (0, 0.0, _blank(self._last)))
        return steps, self._logs(last)

    def _begin(self, is_first: Any) -> None:
        """Reset the metrics at the beginning of an epoch."""
        variables = [variable.value for variable in self._model.metrics_variables]
        before = [variable.read_value() for variable in variables]
        self._model.reset_metrics()
        for variable, value in zip(variables, before, strict=True):
            variable.assign(tf.where(is_first, variable.read_value(), value))

    def _logs(self, logs: dict[str, Any]) -> dict[str, Any]:
        return logs if self._last else self._model.get_metrics_result()


def predictor(model: Callable[[], Any], row: Any, block: int) -> Callable[[Any, Any], Any]:
    """Return a function that predicts stacked blocks with a network of a model's architecture.

    One block goes through the same loop as many, so that it comes out in the same bits.
    """

    def spec(array: Any, *rows: int | None) -> Any:
        return tf.TensorSpec((*rows, *array.shape[1:]), array.dtype)

    def step(weights: Any, inputs: Any) -> Any:
        with keras.StatelessScope(list(zip(model().variables, weights, strict=True))):
            return model().predict_step((inputs,))

    weights = [tf.TensorSpec(v.shape, v.dtype) for v in model().variables]
    one = tf.function(step, autograph=False).get_concrete_function(
        weights, keras.tree.map_structure(lambda array: spec(array, block), row)
    )
    signature = keras.tree.map_structure(
        lambda output: tf.TensorSpec(output.shape, output.dtype), one.structured_outputs
    )

    def loop(handles: Any, blocks: Any) -> Any:
        read = [_read(handle, spec) for handle, spec in zip(handles, weights, strict=True)]
        return tf.map_fn(partial(one, read), blocks, fn_output_signature=signature)

    # Handles: variables are read inside, which is quicker.
    handles = [tf.TensorSpec((), tf.resource) for _ in weights]
    many = tf.function(loop, autograph=False).get_concrete_function(
        handles, keras.tree.map_structure(lambda array: spec(array, None, block), row)
    )

    def predict(network: Any, blocks: Any) -> Any:
        outputs = _call(many, [v.value.handle for v in network.variables], _tensors(blocks))
        return keras.tree.map_structure(lambda output: output.numpy(), outputs)

    return predict


def _read(handle: Any, spec: Any) -> Any:
    # Raw operations take a third of the time of others, and there are dozens of variables.
    value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=spec.dtype)
    value.set_shape(spec.shape)
    return value


def quick_variables() -> Any:
    """Return a scope in which variables are made in half the time, and leave nothing behind.

    TensorFlow makes, and keeps, a kernel for each name of a variable, and Keras counts names up.
    Keras's own names stay as they are.
    """
    # A slash at the end: without the names of scopes before it.
    return tf.variable_creator_scope(lambda make, **given: make(**{**given, "name": "variable/"}))


def _call(function: Any, *arguments: Any) -> Any:
    """Call a traced function with tensors that are known to fit."""
    # Checking them again takes twice as long as a small network.
    flat = [*tf.nest.flatten(arguments), *function.captured_inputs]
    return function.inference_fn.call_preflattened(flat)


def _blank(specs: dict[str, Any]) -> dict[str, Any]:
    return {name: tf.zeros(spec.shape, spec.dtype) for name, spec in specs.items()}


def _operations(graph: tf.Graph) -> set[str]:
    definition = graph.as_graph_def()
    functions = (function.node_def for function in definition.library.function)
    return {node.op for nodes in (definition.node, *functions) for node in nodes}


def _products_in_convolutions(graph: tf.Graph) -> float:
    """Return how many products of two numbers a step takes for a row, gradients included.

    Of shapes that are not known, and in loops, as many as may be.
    """
    products = 0.0
    for operation in graph.get_operations():
        if _CONVOLUTION.match(operation.type):
            is_backward = "Backprop" in operation.type
            places = operation.inputs[2] if is_backward else operation.outputs[0]
            of_kernel = is_backward and "Filter" in operation.type
            kernel = operation.outputs[0] if of_kernel else operation.inputs[1]
            sizes = [*places.shape.as_list()[1:-1], *kernel.shape.as_list()]
            products += math.inf if None in sizes else math.prod(sizes)
    inside = (node.op for f in graph.as_graph_def().library.function for node in f.node_def)
    return math.inf if any(map(_CONVOLUTION.match, inside)) else products


def _tensors(data: Any) -> Any:
    return keras.tree.map_structure(tf.convert_to_tensor, data)
