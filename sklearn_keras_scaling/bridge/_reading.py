"""Keras layers, operations and linear models read as maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._optional import is_stock, keras
from ..maps import IDENTITY, Affine, Clip, Inverse, Map

#: Layers that at inference return their input.
_IDENTITIES = (
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
)

#: What stands for a factor of 0, which has no reciprocal: products with it round to 0.
_VANISHING = 1e-100


@dataclass(frozen=True, eq=False)
class Standardization(Affine):
    """The map of a Normalization, with the variance, which the floor of its scale may hide."""

    variance: Any = 1.0


def affine_of_layer(layer: Any) -> Map | None:
    """Return the affine map that a stock Keras layer computes at inference.

    Parameters
    ----------
    layer : keras.Layer
        Built.

    Returns
    -------
    map : Map or None
        Affine, with constants that broadcast against a sample; None where the layer is
        another, or of a class that may compute something else.

    Raises
    ------
    ValueError
        If such a layer is not built or keeps statistics of single samples.
    """
    return forward(map_of_layer(layer))


def map_of_operation(node: Any) -> Map | None:
    """Return the map that a node of a functional model computes with one of ``keras.ops``.

    Parameters
    ----------
    node : Node
        Of an addition, subtraction, multiplication, division, clip or cast of one tensor,
        with constants.

    Returns
    -------
    map : Map or None
        Affine or Clip; None where the operation is another.

    Raises
    ------
    ValueError
        If it is arithmetic of integers.
    """
    return forward(as_written(node))


def as_written(node: Any) -> Map | None:
    """Return the map of a node, layer or operation, with the constants that are written in it.

    Where the node multiplies, that is the ``Inverse`` of an ``Affine``: the reciprocal of a
    factor would be rounded.
    """
    operation = node.operation
    if isinstance(operation, keras.Layer):
        return None if trains(node) else map_of_layer(operation)
    name = type(operation).__name__ if is_stock(operation) else ""
    if name == "Cast":  # to integers and to half a float it loses digits
        return IDENTITY if str(operation.dtype) in ("float32", "float64") else None
    if name == "Clip":
        limits = [_numbers(each) for each in (operation.x_min, operation.x_max)]
        is_one = all(each.size == 1 for each in limits)
        return Clip(limits[0].item(), limits[1].item()) if is_one else None
    map_ = _arithmetic(name, [*node.arguments.args, *node.arguments.kwargs.values()])
    dtype = node.outputs[0].dtype
    if map_ is not None and "float" not in dtype:
        raise ValueError(
            f"The {name} {operation.name!r} computes in {dtype}, where numbers wrap around, and "
            'scalers compute in floats. Cast to "float32" before it.'
        )
    return map_


def chain_of(model: Any) -> list[Any]:
    """Return the nodes of a linear model from its input to its output.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one input and one output. Models in it are resolved
        into their nodes.

    Returns
    -------
    nodes : list of Node
        ``node.operation`` is the layer or operation that is called.

    Raises
    ------
    ValueError
        If the model has no graph, or the graph branches.
    """
    tensor, first = _only(model, "output"), _only(model, "input")
    nodes: list[Any] = []
    while tensor is not first:
        operation, node_index, _ = tensor._keras_history
        node = operation._inbound_nodes[node_index]
        if len(node.input_tensors) != 1 or len(node.outputs) != 1:
            raise ValueError(
                f"The model {model.name!r} branches at {operation.name!r}, which has "
                f"{len(node.input_tensors)} input tensors and {len(node.outputs)} output tensors. "
                "Pass a model that is one chain of layers, or the part of it that is."
            )
        is_nested = is_graph(operation) and not trains(node)
        nodes = [*(chain_of(operation) if is_nested else [node]), *nodes]
        tensor = node.input_tensors[0]
    return nodes


def is_graph(layer: Any) -> bool:
    """Return whether a layer is a functional or built Sequential model of Keras's own class."""
    # A class of somebody's own may compute something else under a familiar name.
    is_own = isinstance(layer, keras.Model) and is_stock(layer)
    return is_own and bool(getattr(layer, "outputs", None))


def map_of_layer(layer: Any) -> Map | None:
    """Return the map of a layer with the constants that it holds; see :func:`as_written`."""
    if type(layer) is keras.layers.Normalization:
        return _normalization(layer)
    if type(layer) is keras.layers.Rescaling:
        return _rescaling(layer)
    if type(layer) is keras.layers.BatchNormalization:
        return _batch_normalization(layer)
    is_linear = (
        type(layer) is keras.layers.Activation and layer.activation is keras.activations.linear
    )
    is_identity = type(layer).__name__ in _IDENTITIES and is_stock(layer)
    return IDENTITY if is_linear or is_identity else None


def forward(map_: Map | None) -> Map | None:
    """Return an affine map in the form ``(x - loc) / scale``, others as they are."""
    if not isinstance(map_, Inverse):
        return map_
    affine: Any = map_.map
    factor = np.where(affine.scale == 0.0, _VANISHING, affine.scale)
    return Affine(-affine.loc / factor, 1.0 / factor)


def trains(node: Any) -> bool:
    """Return whether a layer is called so that it behaves as in training, always."""
    return bool(node.arguments.kwargs.get("training"))


def is_factor_zero(scale: Any) -> np.ndarray:
    """Return where dividing by ``scale`` stands for a multiplication by 0; see :func:`forward`."""
    return np.abs(scale) > np.finfo(np.float32).max


def not_built(layer: Any) -> str:
    """Return what to tell of a layer that has no shape yet."""
    return (
        f"The {type(layer).__name__} {layer.name!r} is not built, so that its shape is not known. "
        "Call it on data, adapt it if it is to learn from them, or call its build(input_shape)."
    )


def _normalization(layer: Any) -> Map:
    if layer.mean is None:
        raise ValueError(not_built(layer))
    mean, variance = _numbers(layer.mean), _numbers(layer.variance)
    kept = sorted(axis % mean.ndim for axis in layer.axis)
    if kept and kept[0] == 0:
        raise ValueError(
            f"The Normalization {layer.name!r} keeps statistics of axis 0, the samples "
            f"(axis={layer.axis}), so that it fits one batch alone. Keep other axes."
        )
    shape = mean.shape[kept[0] :] if kept else ()
    mean, variance = mean.reshape(shape), variance.reshape(shape)
    scale = np.maximum(np.sqrt(variance), keras.config.epsilon())
    standardization = Standardization(mean, scale, variance=variance)
    return Inverse(standardization) if layer.invert else standardization


def _rescaling(layer: Any) -> Map:
    scale, offset = _numbers(layer.scale), _numbers(layer.offset)
    if scale.ndim and keras.config.image_data_format() == "channels_first":
        scale = scale.reshape(scale.shape + (1,) * (3 - scale.ndim))  # as the layer does
    return Inverse(Affine(offset, scale))


def _batch_normalization(layer: Any) -> Map:
    if layer.moving_mean is None:
        raise ValueError(not_built(layer))
    ndim = layer.input_spec.ndim
    shape = (-1,) + (1,) * (ndim - 1 - layer.axis % ndim)
    mean = _numbers(layer.moving_mean).reshape(shape)
    spread = np.sqrt(_numbers(layer.moving_variance).reshape(shape) + layer.epsilon)
    gamma = _numbers(layer.gamma).reshape(shape) if layer.scale else np.ones(())
    beta = _numbers(layer.beta).reshape(shape) if layer.center else 0.0
    if not gamma.all():
        factor = gamma / spread
        return Inverse(Affine(beta - mean * factor, factor))
    spread = spread / gamma
    return Affine(mean - beta * spread, spread)


def _arithmetic(name: str, operands: list[Any]) -> Map | None:
    is_tensor = [isinstance(each, keras.KerasTensor) for each in operands]
    if len(operands) != 2 or sum(is_tensor) != 1:
        return None
    constant = _numbers(operands[is_tensor.index(False)])
    if name == "Add":
        return Inverse(Affine(constant, 1.0))
    if name == "Subtract":
        return Affine(constant, 1.0 if is_tensor[0] else -1.0)
    if name == "Multiply":
        return Inverse(Affine(0.0, constant))
    if name in ("Divide", "TrueDivide") and is_tensor[0] and constant.all():
        return Affine(0.0, constant)
    return None


def _numbers(values: Any) -> np.ndarray:
    if not isinstance(values, (int, float, list, tuple, np.ndarray)):
        values = keras.ops.convert_to_numpy(values)
    return np.asarray(values, dtype=np.float64)


def _only(model: Any, side: str) -> Any:
    if not is_graph(model):
        raise ValueError(
            f"{type(model).__name__} {model.name!r} has no graph to read: it is no functional or "
            "Sequential model, or of a subclass of them, or not built. Pass a functional model, or "
            "build this one, for example by calling it on data."
        )
    tensors = getattr(model, f"{side}s")
    if len(tensors) != 1:
        raise ValueError(
            f"The model {model.name!r} has {len(tensors)} {side}s, and one is expected. Pass a "
            "model that is one chain of layers, or the part of it that is."
        )
    return tensors[0]
