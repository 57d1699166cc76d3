"""Which columns of its inputs a network looks up, cuts or masks, and what those layers are given.

Part of the graph is computed, on the numbers of columns and on rows: from the inputs up to such a
layer, as long as operations move numbers about or change each by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._optional import is_stock, keras
from ._graph import OF_CODES, PASSING, graph_of, tensors_of, unwrapped

_LAYERS = keras.layers

_MOVING_LAYERS = (
    _LAYERS.Concatenate,
    _LAYERS.Cropping1D,
    _LAYERS.Cropping2D,
    _LAYERS.Cropping3D,
    _LAYERS.Flatten,
    _LAYERS.Permute,
    _LAYERS.RepeatVector,
    _LAYERS.Reshape,
    _LAYERS.ZeroPadding1D,
    _LAYERS.ZeroPadding2D,
    _LAYERS.ZeroPadding3D,
)
_MOVING = (
    *("Append", "BroadcastTo", "Concatenate", "Dstack", "ExpandDims", "Flip", "GetItem", "Hsplit"),
    *("Hstack", "Moveaxis", "Pad", "Ravel", "Repeat", "Reshape", "Roll", "Slice", "Split"),
    *("Squeeze", "Stack", "Swapaxes", "Take", "Tile", "Transpose", "Unstack", "Vsplit", "Vstack"),
)
#: Operations that change each number by itself.
_ELEMENTWISE = (
    *("Absolute", "Add", "Ceil", "Clip", "Divide", "Floor", "FloorDivide", "Maximum", "Minimum"),
    *("Mod", "Multiply", "Negative", "Relu", "Rescaling", "Round", "Subtract", "TrueDivide"),
    *("Trunc",),
)
#: Casts too: what a cast to integers would hide is seen in what it is given.
_UNCHANGING = ("Cast", "ConvertToTensor", "Copy", "SaturateCast", "StopGradient")
_LOOKUPS = ("MultiHot", "OneHot")
#: Comes from code that is the user's own.
_HIDDEN = object()


def readers(network: Any, inputs: dict[Any, Any]) -> list[tuple[Any, list[Any]]]:
    """Return the layers that read codes or padding, each with the arrays that it is given.

    Parameters
    ----------
    network : keras.Model
        Functional or Sequential, built; of others nothing is known.
    inputs : dict of ndarray
        By the inputs' names; see :func:`_graph.tensors_of`.

    Returns
    -------
    readers : list of (keras.Layer or Operation, list of tensor or None)
        The same for the same network and any inputs, in the same order. None is an array that
        comes from something else than moved inputs, or from an input that is not given.
    """
    return list(_readers(network, inputs, of_columns=False))


def columns_read(network: Any, shapes: dict[Any, tuple[int, ...]]) -> list[tuple[Any, Any]]:
    """Return the layers that read codes or padding, as :func:`readers`, and columns of the inputs.

    Parameters
    ----------
    network : keras.Model
        As there.
    shapes : dict of tuple of int
        Of the inputs by name, rows first.

    Returns
    -------
    columns : list of (keras.Layer or Operation, dict of list of int)
        By the inputs' names, along the last axis; without the inputs that it does not read.
    """
    places: dict[int, tuple[Any, int]] = {}
    inputs: dict[Any, np.ndarray] = {}
    begin = 1  # since padding is 0
    for name, shape in shapes.items():
        numbers = np.arange(begin, begin + shape[-1])
        places |= {int(number): (name, j) for j, number in enumerate(numbers)}
        inputs[name] = np.broadcast_to(numbers, (2, *shape[1:]))
        begin += shape[-1]
    found = []
    for layer, arrays in _readers(network, inputs, of_columns=True):
        columns: dict[Any, list[int]] = {}
        for number in sorted({int(n) for one in arrays if one is not None for n in _unique(one)}):
            if number in places:
                name, j = places[number]
                columns.setdefault(name, []).append(j)
        found.append((layer, columns))
    return found


def code_columns(network: Any, shapes: dict[Any, tuple[int, ...]]) -> dict[Any, list[int]]:
    """Return the columns of each input that layers look up or cut; padding is none of them."""
    found: dict[Any, set[int]] = {name: set() for name in shapes}
    for layer, columns in columns_read(network, shapes):
        if not isinstance(layer, _LAYERS.Masking):
            for name, numbers in columns.items():
                found[name] |= set(numbers)
    return {name: sorted(numbers) for name, numbers in found.items()}


def hidden_code_layer(network: Any) -> Any:
    """Return a layer that takes codes in or behind a class or function that is not known, or None.

    Which columns it reads cannot be told. A layer whose codes known layers compute is none of them.
    """
    inside = {
        id(layer): any(one is _HIDDEN for one in arrays)
        for layer, arrays in _walked(network, {}, of_columns=True)
    }
    layers = network._flatten_layers(include_self=False)
    of_codes = (layer for layer in layers if isinstance(layer, OF_CODES))
    return next((layer for layer in of_codes if inside.get(id(layer), True)), None)


def _readers(network: Any, inputs: dict[Any, Any], *, of_columns: bool) -> Iterator[Any]:
    for layer, arrays in _walked(network, inputs, of_columns=of_columns):
        yield layer, [None if one is _HIDDEN else one for one in arrays]


def _walked(network: Any, inputs: dict[Any, Any], *, of_columns: bool) -> Iterator[Any]:
    graph = graph_of(network)
    if graph is None:
        return
    tensors = tensors_of(network, "input")
    known = {
        id(tensors[name]): keras.ops.convert_to_tensor(np.asarray(rows, keras.config.floatx()))
        for name, rows in inputs.items()
        if name in tensors
    }
    yield from _Walk(graph, known, of_columns).readers()


def _unique(tensor: Any) -> np.ndarray:
    return np.unique(keras.ops.convert_to_numpy(tensor))


class _Walk:
    """A graph, of which some tensors are known.

    Parameters
    ----------
    graph : Functional
        Of a network.
    known : dict of tensor
        By the identities of symbolic tensors.
    of_columns : bool
        Whether numbers stand for columns, and so are only moved.
    """

    def __init__(self, graph: Any, known: dict[int, Any], of_columns: bool) -> None:
        self._graph, self._known, self._of_columns = graph, known, of_columns

    def readers(self) -> Iterator[tuple[Any, list[Any]]]:
        for operation in self._graph.operations:
            inner = _graph_inside(operation)
            for node in operation._inbound_nodes:
                if inner is not None:
                    yield from self._inside(node, inner).readers()
                elif _is_reader(operation):
                    yield unwrapped(operation), [self._at(each) for each in node.input_tensors]

    def _at(self, tensor: Any) -> Any:
        """Return what a symbolic tensor is, None where it is not known."""
        if id(tensor) not in self._known:
            operation, i_node, i_output = tensor._keras_history
            inner = _graph_inside(operation)
            node = operation._inbound_nodes[i_node]
            if inner is None:
                outputs = self._computed(node)
                self._known[id(tensor)] = None if outputs is None else outputs[i_output]
            else:
                self._known[id(tensor)] = self._inside(node, inner)._at(inner.outputs[i_output])
        return self._known[id(tensor)]

    def _inside(self, node: Any, inner: Any) -> _Walk:
        pairs = zip(inner.inputs, node.input_tensors, strict=False)
        known = {id(own): self._at(outer) for own, outer in pairs}
        return _Walk(inner, known, self._of_columns)

    def _computed(self, node: Any) -> list[Any] | None:
        operation = node.operation
        name = type(operation).__name__
        moves = isinstance(operation, _MOVING_LAYERS) or name in _MOVING
        is_unchanging = isinstance(operation, PASSING) or name in _UNCHANGING
        if not is_stock(operation) or isinstance(operation, _LAYERS.Lambda):
            return [_HIDDEN] * len(node.outputs)
        if not (moves or is_unchanging or name in _ELEMENTWISE):
            return None
        given = [self._at(tensor) for tensor in node.input_tensors]
        if any(one is _HIDDEN for one in given):
            return [_HIDDEN] * len(node.outputs)
        if not given or any(one is None for one in given):
            return None
        if moves:
            return None if name == "Take" and _is_index(node) else self._called(node)
        if len(given) > 1 or node.outputs[0].shape[1:] != node.input_tensors[0].shape[1:]:
            return None
        return given if is_unchanging or self._of_columns else self._called(node)

    def _called(self, node: Any) -> list[Any] | None:
        args, kwargs = keras.tree.map_structure(
            lambda one: self._at(one) if isinstance(one, keras.KerasTensor) else one,
            (node.arguments.args, node.arguments.kwargs),
        )
        try:  # not as layers are called: half a float would round numbers of columns
            return list(keras.tree.flatten(node.operation.call(*args, **kwargs)))
        except Exception:  # made for one number of rows: not known, as others are not
            return None


def _is_index(node: Any) -> bool:
    """Return whether a tensor says what to take of a constant."""
    return not (node.arguments.args and node.arguments.args[0] is node.input_tensors[0])


def _graph_inside(operation: Any) -> Any:
    return graph_of(operation) if isinstance(operation, keras.Model) else None


def _is_reader(operation: Any) -> bool:
    if isinstance(unwrapped(operation), (*OF_CODES, _LAYERS.Masking)):
        return True
    return type(operation).__name__ in _LOOKUPS and is_stock(operation)
