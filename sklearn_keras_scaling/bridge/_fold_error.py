"""How far a folded model is from the one given: rows to try both on, and what counts as 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import keras
from ._fold_graph import Graph, replay
from ._measuring import largest_difference, standard_unit
from ._reading import is_factor_zero

_ROWS = 256
_VALUES = 2**21  # of one input: large images are drawn in fewer rows
_LENGTHS = (32, 64, 128, 256, 512)  # of axes without a fixed one, until the model takes them


def tried(model: Any, graph: Graph, X: Any) -> tuple[Any, list[np.ndarray]]:
    """Return inputs, X or drawn ones, in the model's structure, and the outputs for them."""
    if X is not None:
        inputs = _checked(X, graph)
        return inputs, _predict(model, inputs)
    is_fixed = all(None not in each.shape[1:] for each in graph.flat.inputs)
    lengths = _LENGTHS[:1] if is_fixed else _LENGTHS
    reason, cause = "", None
    for length in lengths:
        try:
            if not is_fixed:
                _check_lengths(graph, length)
            inputs = keras.tree.pack_sequence_as(graph.flat.input, _drawn(graph, length))
            outputs = _predict(model, inputs)
        except Exception as error:  # each backend has its own
            reason, cause = str(error).strip().split("\n")[0], error
            continue
        if all(np.isfinite(each).any() for each in outputs):
            return inputs, outputs
        reason, cause = "an output has no finite number.", None
    tried_lengths = "" if is_fixed else f" of lengths {lengths[0]} to {lengths[-1]}"
    raise ValueError(
        f"fold measures what it did on drawn inputs, and the model {model.name!r} does not "
        f"predict on them{tried_lengths}: {reason} Pass some raw inputs as X."
    ) from cause


def error_of(model: Any, inputs: Any, expected: list[np.ndarray], units: list[np.ndarray]) -> float:
    """Return the largest difference from what is expected, in these units."""
    found = _predict(model, inputs)
    return max(largest_difference(*each) for each in zip(found, expected, units, strict=True))


def units_of(graph: Graph, expected: list[np.ndarray]) -> list[np.ndarray]:
    """Return what counts as 1 in each of the outputs."""
    uses = [use for use in graph.uses if use.node is None]
    return [_unit(use, each) for use, each in zip(uses, expected, strict=True)]


def _unit(use: Any, expected: np.ndarray) -> np.ndarray:
    if use.scaled.scalings and (use.scaled.scale != 1.0).any():
        return np.fmax(np.abs(1.0 / use.scaled.scale), np.std(expected, axis=0))
    if (expected >= 0.0).all() and np.allclose(expected.sum(axis=-1), 1.0, atol=1e-3):
        return np.ones(())  # probabilities
    unit = standard_unit(expected, use.tensor.shape[1:])
    if use.tensor.dtype == "float64":
        return unit
    size = np.abs(np.nan_to_num(expected, posinf=0.0, neginf=0.0)).max(axis=0)
    return np.fmax(unit, size / 32.0)  # so that four roundings to float32 are below 1e-5


def _predict(model: Any, inputs: Any) -> list[np.ndarray]:
    """Return the outputs of a model whose recurrent states are 0, and leave those alone."""
    states = [
        state
        for layer in model._flatten_layers()
        for state in keras.tree.flatten(getattr(layer, "states", None))
        if isinstance(state, keras.Variable)
    ]
    zeros = [(state, keras.ops.zeros(state.shape, state.dtype)) for state in states]
    with keras.StatelessScope(zeros):
        outputs = keras.tree.flatten(model(inputs, training=False))
    return [keras.ops.convert_to_numpy(each).astype(np.float64) for each in outputs]


# Inputs that are given


def _checked(X: Any, graph: Graph) -> Any:
    """Return X as arrays in the structure of the model's inputs."""
    structure = graph.flat.input
    if isinstance(structure, (list, tuple)):
        one = len(structure) == 1 and not isinstance(X, (list, tuple, dict))
        X = type(structure)([X] if one else X) if one or isinstance(X, (list, tuple)) else X
    try:
        arrays = keras.tree.map_structure_up_to(structure, lambda _, x: _array(x), structure, X)
    except (ValueError, TypeError, KeyError) as error:
        names = keras.tree.map_structure(lambda each: each.name, structure)
        found = sorted(X) if isinstance(X, dict) else len(X) if hasattr(X, "__len__") else X
        raise ValueError(
            f"X has another structure than the inputs of the model: pass arrays as {names}, got "
            f"{type(X).__name__} of {found}."
        ) from error
    for tensor, array in zip(graph.flat.inputs, keras.tree.flatten(arrays), strict=True):
        _check_array(tensor, array)
    return arrays


def _array(given: Any) -> np.ndarray:
    return np.asarray(given.toarray() if hasattr(given, "toarray") else given)


def _check_array(tensor: Any, array: np.ndarray) -> None:
    lengths = zip(tensor.shape, array.shape, strict=False)
    if array.ndim != len(tensor.shape) or any(n not in (None, got) for n, got in lengths):
        raise ValueError(
            f"X has shape {array.shape} for the input {tensor.name!r} of shape {tensor.shape}. "
            "Pass raw inputs as the model takes them."
        )
    if not len(array):
        raise ValueError(
            f"X has no rows for the input {tensor.name!r}. Pass a few hundred to measure on, or "
            "leave X out."
        )


# Inputs that are drawn


def _check_lengths(graph: Graph, length: int) -> None:
    """Refuse a length that leaves nothing somewhere in the model.

    Backends do not agree on what comes of it: an error, NaN or memory that nobody wrote to.
    """

    def call(node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        outputs = node.operation.compute_output_spec(*args, **kwargs)
        if any(0 in each.shape for each in keras.tree.flatten(outputs)):
            raise ValueError(f"nothing is left behind {node.operation.name!r}.")
        return outputs

    tensors = [
        keras.KerasTensor([each.shape[0], *(n or length for n in each.shape[1:])], each.dtype)
        for each in graph.flat.inputs
    ]
    replay(graph.flat, tensors, call)


def _drawn(graph: Graph, length: int) -> list[np.ndarray]:
    """Return raw inputs as the scaling says they are, a quarter of them far from the mean."""
    rng = np.random.default_rng(0)
    shapes = [tuple(n or length for n in each.shape[1:]) for each in graph.flat.inputs]
    fixed = max(each.shape[0] or 0 for each in graph.flat.inputs)
    n_rows = fixed or int(np.clip(_VALUES // max(map(np.prod, shapes)), 8, _ROWS))
    arrays = []
    for tensor, shape in zip(graph.flat.inputs, shapes, strict=True):
        z = rng.normal(size=(n_rows, *shape))
        z[: n_rows // 4] *= 3.0
        arrays.append(_raw(z, tensor, graph))
    return arrays


def _raw(z: np.ndarray, tensor: Any, graph: Graph) -> np.ndarray:
    """Return drawn numbers in the units of an input; where it is masked, some that are."""
    if tensor.dtype == "string":
        raise ValueError(f"the input {tensor.name!r} is of strings.")
    readers = [
        (use, *use.scaled.of_bases(use.tensor.shape[1:])[i])
        for use in graph.uses
        for i, base in enumerate(use.scaled.bases)
        if base is tensor
    ]
    x = _unscaled(z, tensor, readers)
    for use, loc, scale in readers:
        value = _mask_value(use.node)
        if value is not None:
            is_masked = np.zeros(x.shape, bool)
            is_masked[3 * len(x) // 4 :, x.shape[1] // 2 :] = True
            x = np.where(is_masked, loc + scale * value, x)
    if "float" in tensor.dtype:
        return x
    if tensor.dtype == "bool":
        return np.zeros(x.shape, bool)
    limits = np.iinfo(tensor.dtype)
    return np.clip(np.rint(x), limits.min, limits.max).astype(tensor.dtype)


def _unscaled(z: np.ndarray, tensor: Any, readers: list[Any]) -> np.ndarray:
    for use, loc, scale in readers:
        if isinstance(use.node and use.node.operation, keras.layers.Embedding):
            return np.abs(np.rint(1e3 * z)) % use.node.operation.input_dim
        if use.scaled.scalings:
            return np.where(is_factor_zero(scale), z, loc + scale * z)
    return z if "float" in tensor.dtype else np.zeros(z.shape)  # a category, or an index


def _mask_value(node: Any) -> float | None:
    operation = node and node.operation
    if isinstance(operation, keras.layers.Masking):
        return operation.mask_value
    return 0.0 if getattr(operation, "mask_zero", False) else None
