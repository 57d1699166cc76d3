"""Where a model's graph scales, what reads that, and which layers can take it in."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._optional import is_stock, keras
from ..maps import IDENTITY
from ._folding import FoldedLayer, NotFoldedError, Shape, is_linear
from ._reading import is_graph, map_of_operation, trains

#: Layers that are scaling, whatever else they do.
_SCALING = (
    keras.layers.BatchNormalization,
    keras.layers.Normalization,
    keras.layers.Rescaling,
)

#: Layers and operations that only move numbers.
_MOVES = {
    *("Flatten", "Permute", "Reshape"),
    *("ExpandDims", "GetItem", "Squeeze", "Take", "Transpose"),
}


@dataclass(frozen=True, eq=False)
class Scaled:
    """A tensor in terms of what it is scaled from: ``(moved bases - loc) / scale``.

    Parameters
    ----------
    bases : tuple of KerasTensor
        Several where scaled columns were concatenated.
    loc, scale : ndarray
        Broadcasting against a sample of the tensor.
    order : ndarray of int, of the shape of a sample, default=None
        Where each number comes from in the samples of the bases, one base after another;
        None where none has moved.
    scalings, casts : tuple of Node
        On the way from the bases.
    """

    bases: tuple[Any, ...]
    loc: np.ndarray = field(default_factory=lambda: np.zeros(()))
    scale: np.ndarray = field(default_factory=lambda: np.ones(()))
    order: np.ndarray | None = None
    scalings: tuple[Any, ...] = ()
    casts: tuple[Any, ...] = ()

    def full(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return loc, scale and order of the whole sample."""
        loc, scale = (np.broadcast_to(each, shape) for each in (self.loc, self.scale))
        order = np.arange(loc.size).reshape(shape) if self.order is None else self.order
        return loc, scale, order

    def of_bases(self, shape: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the loc and scale of each base; 0 and 1 where nothing reads it."""
        if self.order is None:
            return [(self.loc, self.scale)]
        *values, order = self.full(shape)
        ends = np.cumsum([_size(base) for base in self.bases])
        parts = []
        for value, unread in zip(values, (0.0, 1.0), strict=True):
            spread = np.full(ends[-1], unread)
            spread[order] = value
            parts.append(np.split(spread, ends[:-1]))
        shapes = [base.shape[1:] for base in self.bases]
        return [
            (loc.reshape(each), scale.reshape(each))
            for loc, scale, each in zip(*parts, shapes, strict=True)
        ]

    def is_whole(self) -> bool:
        """Whether each number of the bases is in it, once."""
        if self.order is None:
            return True
        n = sum(map(_size, self.bases))
        return np.array_equal(np.sort(self.order, axis=None), np.arange(n))


@dataclass(frozen=True, eq=False)
class Use:
    """A tensor, and the node that reads it; None where it is an output of the model."""

    node: Any
    tensor: Any
    scaled: Scaled


@dataclass(frozen=True, eq=False)
class Move:
    """Scaling on one side of a layer, to move into its weights.

    Parameters
    ----------
    layer : keras.Layer
    side : {"input", "output"}
    loc, scale : ndarray
        Broadcasting against a sample.
    tensor : KerasTensor
        What is scaled, on the layer's side of it.
    spread : ndarray
        Standardised unit on the layer's side of the scaling.
    """

    layer: Any
    side: str
    loc: np.ndarray
    scale: np.ndarray
    tensor: Any
    spread: np.ndarray

    def into(self, folded: FoldedLayer, padding: str) -> float:
        """Do it, and return how many roundings the output may be off by."""
        shape = self.tensor.shape[1:]
        if self.side == "input":
            return folded.take_input(self.loc, self.scale, shape, padding)
        folded.take_output(self.loc, self.scale, shape)
        return 2.0 * (float(np.abs(self.loc / self.spread).max()) + 1.0)  # of W, and of it all


@dataclass(eq=False)
class Place:
    """Scaling that goes or stays as one, since its readers share it."""

    uses: list[Use]
    moves: list[Move] = field(default_factory=list)
    predicted_error: float = 0.0
    note: str = ""

    @property
    def scalings(self) -> dict[int, Any]:
        """The nodes that scale, in order, by their ids."""
        return {id(node): node for use in self.uses for node in use.scaled.scalings}


class Graph:
    """A flat functional model, read for scaling.

    Attributes
    ----------
    uses : list of Use
        All that its tensors are read for, except to scale or to move numbers.
    places : list of Place
        Its scaling.
    unread : list of (Node, str)
        Scaling that is not read as such, and why.
    """

    def __init__(self, flat: Any) -> None:
        self.flat = flat
        self.uses: list[Use] = []
        self.unread: list[tuple[Any, str]] = []
        self._scaled: dict[int, Scaled] = {}
        nodes = nodes_of(flat)
        self._n_calls = Counter(id(node.operation) for node in nodes)
        for node in nodes:
            try:
                carried = self._carried(node)
            except NotFoldedError as refused:
                carried = None
                self.unread.append((node, str(refused)))
            if carried is None:
                self.uses += [Use(node, each, self._of(each)) for each in node.input_tensors]
            else:
                self._scaled[id(node.outputs[0])] = carried
        self.uses += [Use(None, each, self._of(each)) for each in flat.outputs]
        self.places: list[Place] = []
        for use in self.uses:
            if use.scaled.scalings:
                self._add(use)

    def plan(self, place: Place, tolerance: float, padding: str) -> bool:
        """Find layers for a place's scaling, or note why there are none."""
        reasons = []
        place.note = _broken_mask(place)
        if place.note:
            return False
        for moves_of in (self._backward, self._forward):
            try:
                moves = moves_of(place)
                error = max((_predicted_error(move, padding) for move in moves), default=0.0)
            except NotFoldedError as refused:
                reasons.append(str(refused))
                continue
            if error <= tolerance:
                place.moves, place.predicted_error = moves, error
                place.note = _note(moves)
                return True
            reasons.append(
                f"{_named(moves[0].layer)}: rounding raw numbers would cost {error:.0e} of their "
                f"spread, above the tolerance of {tolerance:.0e}"
            )
        place.note = "; ".join(filter(None, reasons))
        return False

    # Scaling carried along

    def _of(self, tensor: Any) -> Scaled:
        return self._scaled.get(id(tensor)) or Scaled((tensor,))

    def _carried(self, node: Any) -> Scaled | None:
        """Return what a node returns where it only scales or moves; None of other nodes."""
        _check_scaling(node)
        if len(node.outputs) != 1 or trains(node):
            return None
        kind = _kind(node.operation)
        if kind == "Concatenate":
            return self._concatenated(node)
        mask = node.arguments.kwargs.get("mask")
        if len([each for each in node.input_tensors if each is not mask]) != 1:
            return None
        before = self._of(node.input_tensors[0])
        if kind not in _MOVES:
            return _scaled_by(node, before, kind)
        # take(table, index) moves nothing: it looks up.
        is_moved = bool(node.arguments.args) and node.arguments.args[0] is node.input_tensors[0]
        return _moved(node, before) if is_moved else None

    def _concatenated(self, node: Any) -> Scaled | None:
        tensors, axis = node.input_tensors, node.operation.axis
        parts = [self._of(each) for each in tensors]
        shape = node.outputs[0].shape
        lengths = [length for each in tensors for length in each.shape[1:]]
        if list(node.arguments.args[0]) != tensors or None in lengths or axis % len(shape) == 0:
            return None
        if not any(part.scalings for part in parts):
            return None
        bases = tuple({id(base): base for part in parts for base in part.bases}.values())
        starts = np.cumsum([0, *map(_size, bases)])
        full = []
        for part, tensor in zip(parts, tensors, strict=True):
            loc, scale, order = part.full(tensor.shape[1:])
            among = [starts[_index(bases, base)] + np.arange(_size(base)) for base in part.bases]
            full.append((loc, scale, np.concatenate(among)[order]))
        loc, scale, order = (
            np.concatenate(each, axis=axis % len(shape) - 1) for each in zip(*full, strict=True)
        )
        return Scaled(
            bases,
            loc,
            scale,
            order,
            scalings=tuple(each for part in parts for each in part.scalings),
            casts=tuple(each for part in parts for each in part.casts),
        )

    def _add(self, use: Use) -> None:
        """Add a use to the place whose scaling it shares, or to a new one."""
        ids = set(map(id, use.scaled.scalings))
        shared = [place for place in self.places if ids & set(place.scalings)]
        uses = [each for place in shared for each in place.uses]
        self.places = [place for place in self.places if place not in shared]
        self.places.append(Place([*uses, use]))

    # Layers to move it into

    def _backward(self, place: Place) -> list[Move]:
        bases = {id(base): base for use in place.uses for base in use.scaled.bases}
        return [move for base in bases.values() for move in self._before(place, base)]

    def _before(self, place: Place, base: Any) -> list[Move]:
        layer = base._keras_history.operation
        readers = [use for use in self.uses if _index(use.scaled.bases, base) >= 0]
        if any(use in place.uses and not use.scaled.is_whole() for use in readers):
            raise NotFoldedError(f"it reads {_named(layer)} in parts, or several times")
        found = [
            use.scaled.of_bases(use.tensor.shape[1:])[_index(use.scaled.bases, base)]
            for use in readers
        ]
        if not any(loc.any() or (scale != 1).any() for loc, scale in found):
            return []
        if isinstance(layer, keras.layers.InputLayer):
            raise NotFoldedError
        self._check_layer(layer)
        if not all(use in place.uses and use.scaled.is_whole() for use in readers):
            raise NotFoldedError(f"not all that reads {_named(layer)} reads all of it scaled")
        loc, scale = found[0]
        if not all((loc == each[0]).all() and (scale == each[1]).all() for each in found):
            raise NotFoldedError(f"what reads {_named(layer)} scales it differently")
        # What leaves the model comes from a network in scaled space, with unit spread.
        is_output = any(use.node is None for use in readers)
        spread = np.ones(()) if is_output else scale
        return [Move(layer, "output", loc, scale, base, spread)]

    def _forward(self, place: Place) -> list[Move]:
        moves = []
        # A layer says more than the operations that it consists of.
        for use in sorted(place.uses, key=lambda use: not _is_layer(use.node)):
            if use.node is None:
                raise NotFoldedError("it makes an output of the model")
            layer = use.node.operation
            self._check_layer(layer)
            is_input = sum(each is use.tensor for each in use.node.input_tensors) == 1
            if not is_input or use.node.arguments.args[:1] != (use.tensor,):
                raise NotFoldedError(f"{_named(layer)} reads it as something else than its input")
            is_float = all("float" in base.dtype for base in use.scaled.bases)
            if _has_mask(use.tensor) and not is_float:
                raise NotFoldedError(f"{_named(layer)} would read a cast, which ends the mask")
            loc, scale = use.scaled.loc, use.scaled.scale
            moves.append(Move(layer, "input", loc, scale, use.tensor, scale))
        return moves

    def _check_layer(self, layer: Any) -> None:
        if not is_linear(layer):
            raise NotFoldedError(f"{_named(layer)} is no layer that scaling moves into")
        n_calls = self._n_calls[id(layer)]
        if n_calls > 1:
            raise NotFoldedError(f"{_named(layer)} is shared: it is called {n_calls} times")


def functional_of(model: Any) -> Any:
    """Return a functional model itself, or the one that a Sequential model keeps."""
    return getattr(model, "_functional", model)


def nodes_of(model: Any) -> list[Any]:
    """Return the calls in a functional or Sequential model, each after those it reads."""
    by_depth = functional_of(model)._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [node for node in nodes if not node.is_input]


def replay(
    model: Any, tensors: list[Any], call: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
) -> Any:
    """Return the outputs of ``call(node, args, kwargs)`` for each node, from these inputs on."""
    values = {id(old): new for old, new in zip(model.inputs, tensors, strict=True)}
    for node in nodes_of(model):
        outputs = call(node, *node.arguments.fill_in(values))
        values.update(zip(map(id, node.outputs), keras.tree.flatten(outputs), strict=True))
    outputs = [values[id(each)] for each in model.outputs]
    return keras.tree.pack_sequence_as(functional_of(model).output, outputs)


def flatten(model: Any) -> Any:
    """Return a functional model of the same layers, those of models within it among them."""
    inputs = keras.tree.map_structure(input_like, functional_of(model).input)
    tensors = keras.tree.flatten(inputs)
    renamed: dict[int, str] = {}
    taken = {each.name for each in tensors}

    def call(node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operation = node.operation
        args, kwargs = _positional(operation, args, kwargs)
        if _is_transparent(operation, args, kwargs):
            pairs = zip(keras.tree.flatten(args), operation.inputs, strict=True)
            return replay(operation, [_as_dtype(each, old.dtype) for each, old in pairs], call)
        if id(operation) not in renamed:  # names of different models may be the same
            operation.name = renamed[id(operation)] = _free_name(operation.name, taken)
        return operation(*args, **kwargs)

    return keras.Model(inputs, replay(model, tensors, call), name=model.name)


def input_like(tensor: Any, dtype: str | None = None) -> Any:
    """Return a new input of a model like this one, of another dtype where one is given."""
    layer = tensor._keras_history.operation
    config = {**layer.get_config(), "optional": layer.optional}  # not in it before Keras 3.12
    return keras.layers.InputLayer(**{**config, "dtype": dtype or tensor.dtype}).output


def _positional(
    operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with the first by its position, if it was by its name."""
    first = next(iter(inspect.signature(operation.call).parameters))
    if args or first not in kwargs:
        return args, kwargs
    return (kwargs[first],), {name: each for name, each in kwargs.items() if name != first}


def _is_transparent(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether calling a model within another is nothing but calling its layers."""
    # Of several inputs the masks are a structure.
    options = keras.tree.flatten(kwargs)
    if not is_graph(operation) or any(not (each is None or each is False) for each in options):
        return False
    tensors, inputs = keras.tree.flatten(args), operation.inputs
    is_alike = isinstance(args[0], dict) == isinstance(functional_of(operation).input, dict)
    ranks = [len(each.shape) for each in tensors] == [len(each.shape) for each in inputs]
    return is_alike and ranks and is_stock(type(operation).call)


def _as_dtype(tensor: Any, dtype: str) -> Any:
    return tensor if tensor.dtype == dtype else keras.ops.cast(tensor, dtype)


def _free_name(name: str, taken: set[str]) -> str:
    free, n = name, 1
    while free in taken:
        free, n = f"{name}_{n}", n + 1
    taken.add(free)
    return free


def _kind(operation: Any) -> str:
    """Return the class name of what is stock Keras."""
    return type(operation).__name__ if is_stock(operation) else ""


def _is_layer(node: Any) -> bool:
    return node is not None and isinstance(node.operation, keras.Layer)


def _named(operation: Any) -> str:
    return f"{type(operation).__name__} {operation.name!r}"


def _size(tensor: Any) -> int:
    return int(np.prod(tensor.shape[1:]))


def _index(tensors: tuple[Any, ...], wanted: Any) -> int:
    return next((i for i, each in enumerate(tensors) if each is wanted), -1)


def _scaled_by(node: Any, before: Scaled, kind: str) -> Scaled | None:
    shape = node.input_tensors[0].shape[1:]
    try:
        map_ = map_of_operation(node)
    except ValueError as error:
        raise NotFoldedError(str(error)) from error
    if map_ is None or not map_.is_affine:
        return None
    if node.outputs[0].shape[1:] != shape:
        raise NotFoldedError(f"{_named(node.operation)} changes the shape of what it scales")
    if kind == "Cast":
        return replace(before, casts=(*before.casts, node))
    if map_ is IDENTITY:
        return before
    loc, scale = map(np.asarray, map_.locate(before.loc, before.scale))
    loc, scale = _of_sample(loc, shape), _of_sample(scale, shape)
    if max(loc.ndim, scale.ndim) > len(shape):
        raise NotFoldedError(f"{_named(node.operation)} scales samples apart")
    return replace(before, loc=loc, scale=scale, scalings=(*before.scalings, node))


def _of_sample(values: np.ndarray, shape: Shape) -> np.ndarray:
    return values[0] if values.ndim == len(shape) + 1 and len(values) == 1 else values


def _moved(node: Any, before: Scaled) -> Scaled | None:
    """Return where a node moves numbers to, by having it move their positions."""
    shape, after = node.input_tensors[0].shape[1:], node.outputs[0].shape[1:]
    if None in shape or None in after:
        return None
    loc, scale, order = before.full(shape)
    positions = np.arange(loc.size, dtype=np.int32).reshape(1, *shape)
    filled = {id(node.input_tensors[0]): keras.ops.convert_to_tensor(positions)}
    args, kwargs = node.arguments.fill_in(filled)
    try:
        moved = keras.ops.convert_to_numpy(node.operation(*args, **kwargs))
    except Exception:  # the backends have theirs: it takes no batch of 1, for example
        return None
    if moved.shape != (1, *after):
        return None
    flat = moved[0]
    return replace(
        before, loc=loc.ravel()[flat], scale=scale.ravel()[flat], order=order.ravel()[flat]
    )


def _predicted_error(move: Move, padding: str) -> float:
    try:
        folded = FoldedLayer(move.layer)
        return folded.roundoff * move.into(folded, padding)
    except NotFoldedError as refused:
        raise NotFoldedError(f"{_named(move.layer)}: {refused}") from refused


def _note(moves: list[Move]) -> str:
    found = {
        f"{name} of {_named(move.layer)} would see other "
        f"{'outputs' if name == 'activity_regularizer' else 'weights'} in training"
        for move in moves
        for name in FoldedLayer(move.layer).regularizers(move.side)
    }
    return "; ".join(sorted(found))


def _check_scaling(node: Any) -> None:
    """Refuse a scaling layer, or a layer with one in it, that may do what is not read."""
    layer = node.operation
    if not isinstance(layer, keras.Layer):
        return
    inner = [each for each in layer._flatten_layers(False) if isinstance(each, _SCALING)]
    if inner:
        raise NotFoldedError(f"{_named(layer)} calls {_named(inner[0])} in its own way")
    if not isinstance(layer, _SCALING):
        return
    if type(layer) not in _SCALING:
        raise NotFoldedError(f"{_named(layer)} is of a class of its own, which may do other things")
    if trains(node):
        raise NotFoldedError(f"{_named(layer)} is called with training=True: it scales by batches")


def _has_mask(tensor: Any) -> bool:
    return getattr(tensor, "_keras_mask", None) is not None


def _broken_mask(place: Place) -> str:
    """Return why a place must stay for the masks, which pass layers and end at operations."""
    casts = [node for use in place.uses for node in use.scaled.casts]
    for node in [*place.scalings.values(), *casts]:
        if _has_mask(node.input_tensors[0]) != _has_mask(node.outputs[0]):
            return f"a mask ends at {_named(node.operation)}, and would go on without it"
    return ""
