"""Affine scaling moved from a model's graph into the weights of its layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator

from .._optional import keras
from ._fold_error import error_of, tried, units_of
from ._fold_graph import Graph, Place, flatten, input_like, replay
from ._folding import FoldedLayer
from ._graph import copy_network
from ._reading import is_graph


@dataclass(frozen=True)
class FoldedPlace:
    """One place of a model with affine scaling, and what became of it.

    Attributes
    ----------
    scaling : tuple of str
        Names of the scaling layers and operations.
    layers : tuple of str
        Names, in the model given, of the layers that took it into their weights; empty where it
        was kept.
    predicted_error : float
        Error that rounding raw numbers is expected to cost, in standardised units.
    note : str
        Why it was kept; of a folded one, what to know before training on.
    """

    scaling: tuple[str, ...]
    layers: tuple[str, ...] = ()
    predicted_error: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        into = f" -> {', '.join(self.layers)}" if self.layers else ""
        return f"{', '.join(self.scaling)}{into}{': ' * bool(self.note)}{self.note}"


@dataclass(frozen=True)
class FoldReport:
    """What :func:`fold` did.

    Attributes
    ----------
    folded, kept : tuple of FoldedPlace
        Scaling that is in the weights now, and scaling that is as it was; also layers that
        scale in a way that was not read.
    predicted_error : float
        Sum over the folded places, in standardised units.
    measured_error : float
        Largest difference between the folded model and the one given, in standardised
        units: the standard deviation of the outputs, or the scale of their inverse scaling
        where that is larger. Probabilities, and outputs that do not vary, are measured as they
        are, and the unit of outputs in float32 is 1/32 of their size or more, since they hold
        no more digits.
    """

    folded: tuple[FoldedPlace, ...]
    kept: tuple[FoldedPlace, ...]
    predicted_error: float
    measured_error: float

    def __str__(self) -> str:
        lines = [f"folded  {place}" for place in self.folded]
        lines += [f"kept    {place}" for place in self.kept]
        errors = f"{self.predicted_error:.1e} predicted, {self.measured_error:.1e} measured"
        return "\n".join([*(lines or ["no scaling"]), f"error   {errors}, standardised units"])


def fold(
    model: Any, *, tolerance: float = 1e-5, padding: str = "refuse", X: Any = None
) -> tuple[Any, FoldReport]:
    """Return a model with its affine scaling in the weights of its layers, and a report.

    Scaling of inputs moves into the ``Dense``, ``EinsumDense``, convolution (plain,
    depthwise, separable) or recurrent layer behind it, and that of outputs, or behind any
    other linear layer, into the layer before it: the operations are gone, and the
    predictions are those of before. Scaling is what ``Normalization``, ``Rescaling`` and
    ``BatchNormalization`` do at inference, and the arithmetic in models of
    :func:`to_keras`.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, built. It is left as it is.
    tolerance : float, default=1e-5
        Largest error, predicted or measured, in standardised units. Raw numbers in float32
        cost about 1e-7 times the ratio of mean to standard deviation; where that is more
        than ``tolerance`` the scaling is kept.
    padding : {"refuse", "mean"}, default="refuse"
        What to do with a convolution of ``padding="same"`` or ``"causal"``, whose zeros are
        means of scaled numbers: keep the scaling, or add the means to the raw input by an
        operation, which is exact.
    X : array-like or structure of them, default=None
        Raw inputs to measure the error on, a few hundred rows. By default they are drawn from
        the scaling: normal, a quarter of the rows three times as wide, another quarter with
        masked steps where the model masks.

    Returns
    -------
    folded : keras.Model
        Uncompiled, functional, flat (models in it are resolved into their layers), with
        outputs in the dtype of the layer that computes them. Inputs in float64 become
        float32 where all that reads them is folded. A layer that replaces the last one, gone
        into its weights, has its name, so that outputs keep theirs. States of recurrent
        layers are zero.
    report : FoldReport
        What was folded, the errors, and what was not and why.

    Raises
    ------
    TypeError
        If the model has no graph, or Keras cannot copy it.
    ValueError
        If ``tolerance`` or ``padding`` is none, ``X`` does not fit the model, or there is no
        ``X`` and drawn inputs give no outputs to compare (strings, for example).

    Notes
    -----
    Fold to predict. Training a folded model works worse, as training in raw units does, and
    ``BatchNormalization`` that is folded learns no more.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from sklearn_keras_scaling import fold
    >>> model = keras.Sequential(
    ...     [
    ...         keras.Input((2,)),
    ...         keras.layers.Normalization(mean=[3.0, 50.0], variance=[1.0, 100.0], name="norm"),
    ...         keras.layers.Dense(4, name="dense"),
    ...     ]
    ... )
    >>> folded, report = fold(model)
    >>> [layer.name for layer in folded.layers[1:]]
    ['dense']
    >>> print(report.folded[0])
    norm -> dense
    >>> report.measured_error < 1e-5
    True
    """
    _check(model, tolerance, padding)
    graph = Graph(flatten(copy_network(model)))
    inputs, expected = tried(model, graph, X)
    units = units_of(graph, expected)
    folded = [place for place in graph.places if graph.plan(place, tolerance, padding)]
    while True:
        new = copy_network(_rebuild(graph, folded, padding))
        error = error_of(new, inputs, expected, units)
        if error <= tolerance or not folded:
            break
        worst = max(folded, key=lambda place: place.predicted_error)
        folded.remove(worst)
        worst.note = f"the measured error was {error:.0e}, above the tolerance of {tolerance:.0e}"
    kept = [_told(place, folded) for place in graph.places if place not in folded]
    kept += [FoldedPlace((node.operation.name,), note=reason) for node, reason in graph.unread]
    report = FoldReport(
        folded=tuple(_told(place, folded) for place in graph.places if place in folded),
        kept=tuple(kept),
        predicted_error=sum(place.predicted_error for place in folded),
        measured_error=error,
    )
    return new, report


def _check(model: Any, tolerance: float, padding: str) -> None:
    if not is_graph(model):
        raise TypeError(
            f"fold takes a functional or Sequential keras.Model that is built, got a "
            f"{type(model).__name__}, which has no graph to read. {_instead(model)}"
        )
    if padding not in ("refuse", "mean"):
        raise ValueError(f'padding must be "refuse" or "mean", got {padding!r}.')
    if not tolerance > 0:
        raise ValueError(f"tolerance must be a number above 0, got {tolerance!r}.")


def _instead(thing: Any) -> str:
    """Return what to give instead of what is no model with a graph."""
    if isinstance(thing, BaseEstimator):
        return "Fit it, and pass to_keras(estimator)."
    if isinstance(thing, keras.Model):
        return "Build it by calling it on data; of a subclassed model, pass the functional part."
    if isinstance(thing, keras.Layer):
        return "Pass keras.Sequential([keras.Input(shape), layer])."
    return "Of a file, pass keras.saving.load_model(path)."


def _told(place: Place, folded: list[Place]) -> FoldedPlace:
    is_folded = place in folded
    return FoldedPlace(
        scaling=tuple(node.operation.name for node in place.scalings.values()),
        layers=tuple(move.layer.name for move in place.moves if is_folded),
        predicted_error=place.predicted_error,
        note=place.note,
    )


# The new model


def _rebuild(graph: Graph, folded: list[Place], padding: str) -> Any:
    """Return the model with the scaling of these places in its layers."""
    uses = [use for place in folded for use in place.uses]
    needed = {id(node) for use in graph.uses if use not in uses for node in use.scaled.casts}
    gone = {id(node) for place in folded for node in place.scalings.values()}
    gone |= {id(node) for use in uses for node in use.scaled.casts} - needed
    layers: dict[int, FoldedLayer] = {}
    for move in (move for place in folded for move in place.moves):
        move.into(layers.setdefault(id(move.layer), FoldedLayer(move.layer)), padding)
    for output in graph.flat.outputs:
        _rename(output, gone, layers)

    def call(node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if id(node) in gone:
            found = keras.tree.flatten((args, kwargs))
            return next(each for each in found if isinstance(each, keras.KerasTensor))
        return layers.get(id(node.operation), node.operation)(*args, **kwargs)

    inputs = [input_like(each, _dtype(each, graph, folded)) for each in graph.flat.inputs]
    # Keras before 3.12 takes no model without an operation.
    outputs = keras.tree.map_structure(
        lambda each: keras.layers.Identity()(each) if any(each is i for i in inputs) else each,
        replay(graph.flat, inputs, call),
    )
    inputs = keras.tree.pack_sequence_as(graph.flat.input, inputs)
    return keras.Model(inputs, outputs, name=graph.flat.name)


def _rename(output: Any, gone: set[int], layers: dict[int, FoldedLayer]) -> None:
    """Give the layer that makes an output the name of one that did, and that outputs go by."""
    operation, index, _ = output._keras_history
    name = operation.name if isinstance(operation, keras.Layer) else ""
    while id(node := operation._inbound_nodes[index]) in gone:
        operation, index, _ = node.input_tensors[0]._keras_history
    if name and id(operation) in layers:
        layers[id(operation)].name = name


def _dtype(tensor: Any, graph: Graph, folded: list[Place]) -> str:
    """Return float32 for an input in float64 that layers of less alone read, in their weights."""
    if tensor.dtype != "float64":
        return tensor.dtype
    readers = [use for use in graph.uses if any(each is tensor for each in use.scaled.bases)]
    moved = [use for place in folded for use in place.uses]
    is_narrow = readers and all(
        use in moved and use.node.operation.compute_dtype != "float64" for use in readers
    )
    return "float32" if is_narrow else "float64"
