"""What a network does first with its inputs and last before its outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any

import numpy as np

from .._optional import is_stock, keras
from ..layers import LocalNormalization, ReversibleInstanceNormalization

_LAYERS = keras.layers

#: Layers that bring numbers of any size near 1.
_NORMALIZING = (
    _LAYERS.BatchNormalization,
    _LAYERS.GroupNormalization,
    _LAYERS.LayerNormalization,
    _LAYERS.UnitNormalization,
    getattr(_LAYERS, "RMSNormalization", _LAYERS.LayerNormalization),  # of newer Keras
    LocalNormalization,
    ReversibleInstanceNormalization,
)

#: Layers that leave each number alone, at most at another place.
PASSING = (
    _LAYERS.InputLayer,
    _LAYERS.ActivityRegularization,
    _LAYERS.AlphaDropout,
    _LAYERS.Dropout,
    _LAYERS.Flatten,
    _LAYERS.GaussianDropout,
    _LAYERS.GaussianNoise,
    _LAYERS.Identity,
    _LAYERS.Masking,
    _LAYERS.Permute,
    _LAYERS.Reshape,
    _LAYERS.SpatialDropout1D,
    _LAYERS.SpatialDropout2D,
    _LAYERS.SpatialDropout3D,
    _LAYERS.ZeroPadding1D,
    _LAYERS.ZeroPadding2D,
    _LAYERS.ZeroPadding3D,
)

#: Layers that take codes, whose size means nothing.
OF_CODES = (
    _LAYERS.CategoryEncoding,
    _LAYERS.Discretization,
    _LAYERS.Embedding,
    _LAYERS.HashedCrossing,
    _LAYERS.Hashing,
    _LAYERS.IntegerLookup,
    _LAYERS.StringLookup,
    _LAYERS.TextVectorization,
)

#: Intervals that activations reach, and what they make of zero.
_ACTIVATIONS = {
    "linear": (-math.inf, math.inf, 0.0),
    "celu": (-1.0, math.inf, 0.0),
    "elu": (-1.0, math.inf, 0.0),
    "exponential": (0.0, math.inf, 1.0),
    "gelu": (-0.17, math.inf, 0.0),
    "hard_sigmoid": (0.0, 1.0, 0.5),
    "hard_tanh": (-1.0, 1.0, 0.0),
    "leaky_relu": (-math.inf, math.inf, 0.0),
    "log_sigmoid": (-math.inf, 0.0, -math.log(2)),
    "log_softmax": (-math.inf, 0.0, math.nan),
    "mish": (-0.31, math.inf, 0.0),
    "relu": (0.0, math.inf, 0.0),
    "relu6": (0.0, 6.0, 0.0),
    "selu": (-1.76, math.inf, 0.0),
    "sigmoid": (0.0, 1.0, 0.5),
    "silu": (-0.28, math.inf, 0.0),
    "softmax": (0.0, 1.0, math.nan),
    "softplus": (0.0, math.inf, math.log(2)),
    "softsign": (-1.0, 1.0, 0.0),
    "tanh": (-1.0, 1.0, 0.0),
}
#: Those that come the nearer to an end of their interval, the larger their input is.
SATURATING = ("sigmoid", "softsign", "tanh")
#: Those that have no slope at all at the ends of their interval.
FLAT = ("hard_sigmoid", "hard_tanh", "relu", "relu6")

_ACTIVATION_LAYERS = (_LAYERS.Activation, _LAYERS.ReLU, _LAYERS.Softmax)
_WITHOUT_BIAS = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel", "gamma")


@dataclass(frozen=True)
class Activation:
    """An activation of Keras's own.

    Attributes
    ----------
    name : str
        As Keras spells it.
    low, high : float
        The interval that it reaches.
    at_zero : float
        What it makes of zero.
    """

    name: str
    low: float
    high: float
    at_zero: float

    @property
    def is_none(self) -> bool:
        """Whether there is none, so that what else bounds numbers is not known."""
        return self.name == "none"

    @property
    def reaches_all(self) -> bool:
        """Whether it reaches all numbers, as far as is known."""
        return math.isinf(self.low) and math.isinf(self.high)


@dataclass(frozen=True)
class Start:
    """What a network does first with an input.

    Attributes
    ----------
    layer : str or None
        Name of the first layer, or of the input where several read it.
    scaling : list of keras.Layer
        The layers up to the last Rescaling or Normalization that begins the network.
    following : list of keras.Layer
        The next two layers, as far as they are known.
    """

    layer: str | None
    scaling: list[Any]
    following: list[Any]

    @property
    def takes_codes(self) -> bool:
        """Whether inputs are codes, or text."""
        return bool(self.following) and isinstance(self.following[0], OF_CODES)

    @property
    def normalizes(self) -> bool:
        """Whether sizes are taken away: at once, or by a BatchNormalization behind linear layers.

        Arithmetic that is not known may do so.
        """
        first, *then = self.following or [None]
        if isinstance(first, _NORMALIZING) or not isinstance(first, keras.Layer):
            return True
        return bool(then and _is_linear(first) and _is_batch_norm(then[0]))


@dataclass(frozen=True)
class End:
    """What a network does last before an output.

    Attributes
    ----------
    layer : str or None
        Name of the last layer.
    activation : Activation or None
        The last one, if it is known.
    has_bias : bool
        False where the last layer with weights is known to have none.
    shape : tuple or None
        What the activation returns, rows first, if it is known.
    """

    layer: str | None
    activation: Activation | None
    has_bias: bool
    shape: tuple[int | None, ...] | None = None

    @property
    def softmax_width(self) -> int | None:
        """How many numbers a softmax brings to a sum of 1, if the last activation is one."""
        is_softmax = self.activation is not None and self.activation.name == "softmax"
        return self.shape[-1] if is_softmax and self.shape else None

    def has_layout_of(self, rows: np.ndarray) -> bool:
        """Return whether rows have the axes of the output, and several columns as it has."""
        shape = self.shape or ()
        return len(shape) == rows.ndim and shape[-1] == rows.shape[-1] > 1


def start_of(network: Any, name: Any) -> Start:
    """Return what a network does first with the input of a name; see :func:`tensors_of`."""
    tensor = tensors_of(network, "input").get(name)
    if tensor is not None:
        chain = list(_forward(graph_of(network), tensor))
    elif isinstance(network, keras.Sequential) and not network.built:
        chain = list(network.layers)
    else:
        chain = []
    known = chain[: chain.index(None)] if None in chain else chain
    known = [each for each in known if not isinstance(each, _LAYERS.InputLayer)]
    n_passing = 0
    for n, each in enumerate(known):
        if type(each) in (_LAYERS.Rescaling, _LAYERS.Normalization) and is_built(each):
            n_passing = n + 1
        elif not isinstance(each, PASSING):
            break
    passing = (*PASSING, _LAYERS.Concatenate)
    following = [each for each in known[n_passing:] if not isinstance(each, passing)]
    layer = known[0].name if known else getattr(tensor, "name", None)
    return Start(layer, known[:n_passing], following[:2])


def end_of(network: Any, name: Any) -> End:
    """Return what a network does last before the output of a name; see :func:`tensors_of`."""
    tensor = tensors_of(network, "output").get(name)
    chain: list[Any] = []
    if tensor is not None:
        chain = list(_backward(tensor))
    elif isinstance(network, keras.Sequential) and not network.built:
        chain = [(layer, _shape_to_be(layer)) for layer in network.layers[::-1]]
    known = chain[: chain.index(None)] if None in chain else chain
    known = [(unwrapped(each), at) for each, at in known if not isinstance(each, PASSING)]
    known = list(dropwhile(lambda one: _is_identity(one[0]), known))
    activation, shape = None, None
    if known:
        activation, shape = _activation_of(known[0][0]), _softmax_last(*known[0])
    weighted = next((each for each, _ in known if not isinstance(each, _ACTIVATION_LAYERS)), None)
    layer = None if not chain or chain[0] is None else chain[0][0].name
    return End(layer, activation, getattr(weighted, "use_bias", True), shape)


def place_of(network: Any, name: Any) -> int | None:
    """Return which of a network's outputs has a name, if it is known."""
    tensor = tensors_of(network, "output").get(name)
    if tensor is None:
        return None
    return next(i for i, each in enumerate(graph_of(network).outputs) if each is tensor)


def takes(network: Any, n_inputs: int) -> bool:
    """Return whether a network is known to take any number of rows of so many inputs."""
    graph = graph_of(network)
    inputs = [] if graph is None else graph.inputs
    return len(inputs) == n_inputs and all(each.shape[0] is None for each in inputs)


def keeps_zero(network: Any) -> bool:
    """Return whether a network is known to make zeros of zeros, up to its last activation."""
    graph = graph_of(network)
    if graph is None:
        return False
    operations = [each for each in _operations(graph) if not isinstance(each, _LAYERS.InputLayer)]
    fixed = (_LAYERS.Rescaling, _LAYERS.Normalization, _LAYERS.Lambda, _LAYERS.BatchNormalization)
    if not all(_is_stock_layer(each) and not isinstance(each, fixed) for each in operations):
        return False
    names = [variable.name for variable in network.weights]
    if not names or any(name not in _WITHOUT_BIAS for name in names):
        return False
    outputs = {tensor._keras_history[0] for tensor in graph.outputs}
    hidden = [_activation_of(each) for each in operations if each not in outputs]
    return all(each is not None and each.at_zero == 0.0 for each in hidden)


def has_trained_statistics(layer: Any) -> bool:
    """Return whether a BatchNormalization has other statistics than it begins with."""
    return bool(np.any(keras.ops.convert_to_numpy(layer.moving_mean) != 0))


def edge_layers(network: Any, forward: bool) -> list[Any]:
    """Return the first, or the last, layer with a kernel of each input or output."""
    graph, found = graph_of(network), []
    if graph is None:
        return []
    for tensor in graph.inputs if forward else graph.outputs:
        chain = _forward(graph, tensor) if forward else _backward(tensor)
        layers = (one if forward or one is None else one[0] for one in chain)
        first = next((each for each in layers if each is None or hasattr(each, "kernel")), None)
        if first is not None:
            found.append(first)
    return found


def is_built(layer: Any) -> bool:
    """Return whether a Normalization has its statistics."""
    return type(layer) is not _LAYERS.Normalization or layer.mean is not None


def is_unadapted(layer: Any) -> bool:
    """Return whether a Normalization has the statistics that it begins with."""
    mean, variance = (keras.ops.convert_to_numpy(each) for each in (layer.mean, layer.variance))
    return bool((mean == 0).all() and (variance == 1).all())


def names_of(network: Any, side: str) -> list[str]:
    """Return the names of a network's inputs or outputs, as far as they are known."""
    return [name for name in tensors_of(network, side) if isinstance(name, str)]


def tensors_of(network: Any, side: str) -> dict[Any, Any]:
    """Return the symbolic inputs or outputs by name, index and, of one alone, None."""
    graph = graph_of(network)
    if graph is None:
        return {}
    tensors = getattr(graph, f"{side}s")
    structure = getattr(graph, side)
    found: dict[Any, Any] = dict(enumerate(tensors))
    if side == "input":
        found |= {tensor.name: tensor for tensor in tensors}
    else:
        found |= dict(zip(graph.output_names, tensors, strict=False))
    if isinstance(structure, dict):
        found |= structure
    return found | ({None: tensors[0]} if len(tensors) == 1 else {})


def graph_of(network: Any) -> Any:
    """Return a functional model, or that behind a Sequential; None where there is no graph."""
    graph = network._functional if isinstance(network, keras.Sequential) else network
    is_functional = isinstance(graph, keras.Model) and bool(getattr(graph, "outputs", None))
    # A subclass may compute something else than its graph.
    return graph if is_functional and is_stock(network) else None


def _operations(graph: Any) -> Iterator[Any]:
    for operation in graph.operations:
        inner = graph_of(operation) if isinstance(operation, keras.Model) else None
        if inner is None:
            yield operation
        else:
            yield from _operations(inner)


def _forward(graph: Any, tensor: Any) -> Iterator[Any]:
    """Yield the operations that read an input, one after another; None where they branch."""
    own = set(map(id, graph.operations))
    ends = set(map(id, graph.outputs))
    while id(tensor) not in ends:
        nodes = [
            node
            for node in tensor._keras_history[0]._outbound_nodes
            if id(node.operation) in own and any(each is tensor for each in node.input_tensors)
        ]
        if len(nodes) != 1 or not _is_one_to_one(nodes[0]):
            yield None
            return
        operation = nodes[0].operation
        inner = graph_of(operation) if isinstance(operation, keras.Model) else None
        if inner is None:
            yield operation
        else:
            yield from _forward(inner, inner.inputs[0])
        tensor = nodes[0].outputs[0]


def _is_one_to_one(node: Any) -> bool:
    joins = isinstance(node.operation, _LAYERS.Concatenate)  # inputs side by side, each as it was
    return (joins or len(node.input_tensors) == 1) and len(node.outputs) == 1


def _backward(tensor: Any) -> Iterator[Any]:
    """Yield the operations that an output comes from, from the last one, and their shapes.

    Where they branch, None.
    """
    while True:
        operation, node_index, tensor_index = tensor._keras_history
        inner = graph_of(operation) if isinstance(operation, keras.Model) else None
        if inner is None:
            yield operation, tuple(tensor.shape)
        else:
            yield from _backward(inner.outputs[tensor_index])
        node = operation._inbound_nodes[node_index]
        if len(node.input_tensors) != 1:
            if node.input_tensors:
                yield None
            return
        tensor = node.input_tensors[0]


_NONE = Activation("none", -math.inf, math.inf, 0.0)


def _activation_of(layer: Any) -> Activation | None:
    """Return the activation of a layer, ``_NONE`` where it has none, None where it is unknown."""
    if not is_stock(layer):
        return None
    if type(layer) is _LAYERS.ReLU:
        low = 0.0 if not layer.negative_slope else -math.inf
        high = math.inf if layer.max_value is None else float(layer.max_value)
        return Activation("relu", low, high, 0.0) if not layer.threshold else None
    if type(layer) is _LAYERS.Softmax:
        return Activation("softmax", *_ACTIVATIONS["softmax"])
    function = getattr(layer, "activation", None)
    if function is None:
        return _NONE
    name = getattr(function, "__name__", "")
    is_known = is_stock(function) and name in _ACTIVATIONS
    return Activation(name, *_ACTIVATIONS[name]) if is_known else None


def _shape_to_be(layer: Any) -> tuple[int | None, ...] | None:
    units = getattr(layer, "units", None)
    return None if units is None else (None, units)


def _softmax_last(layer: Any, shape: Any) -> Any:
    """Return a shape; None for a softmax over another axis than the last."""
    is_other = type(layer) is _LAYERS.Softmax and layer.axis not in (-1, len(shape or ()) - 1)
    return None if is_other else shape


def _is_linear(layer: Any) -> bool:
    activation = _activation_of(layer)
    return hasattr(layer, "kernel") and activation is not None and activation.name == "linear"


def _is_batch_norm(layer: Any) -> bool:
    return type(layer) is _LAYERS.BatchNormalization


def _is_identity(layer: Any) -> bool:
    return type(layer) is _LAYERS.Activation and layer.activation is keras.activations.linear


def unwrapped(layer: Any) -> Any:
    return layer.layer if type(layer) is _LAYERS.TimeDistributed else layer


def _is_stock_layer(operation: Any) -> bool:
    return isinstance(operation, keras.Layer) and is_stock(operation)
