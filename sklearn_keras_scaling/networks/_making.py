"""Getting a network from ``model``: the default one, a builder's, or a copy of the user's."""

from __future__ import annotations

import inspect
import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from .._optional import keras
from .._structure import each, parts
from .._validation import did_you_mean
from ..bridge import copy_network

# Networks that builders have returned and fits have trained.
_BUILT: weakref.WeakSet[Any] = weakref.WeakSet()


def mlp(
    input_shape: Any,
    output_shape: Any,
    output_activation: Any,
    hidden_layer_sizes: Sequence[int],
    activation: str = "relu",
) -> Any:
    """Return the default network: inputs flattened side by side, dense layers, dense outputs."""
    hidden = [keras.layers.Dense(units, activation=activation) for units in hidden_layer_sizes]
    if isinstance(input_shape, tuple) and isinstance(output_shape, tuple):
        head = _head(None, output_shape, output_activation)
        return keras.Sequential([keras.Input(input_shape), *_flatten(input_shape), *hidden, *head])
    inputs = each(
        lambda name, shape: keras.Input(shape, name=name if isinstance(name, str) else None),
        input_shape,
    )
    flat = each(lambda _, shape, tensor: _through(_flatten(shape), tensor), input_shape, inputs)
    joined = keras.layers.Concatenate()(parts(flat)) if len(parts(flat)) > 1 else parts(flat)[0]
    features = _through(hidden, joined)
    outputs = each(lambda *head: _through(_head(*head), features), output_shape, output_activation)
    return keras.Model(inputs, outputs)


def _flatten(shape: tuple[int, ...]) -> list[Any]:
    return [keras.layers.Flatten()] if len(shape) > 1 else []


def _head(name: Any, shape: tuple[int, ...], activation: str) -> list[Any]:
    # float32 whatever the policy: mixed_float16 would leave three digits of a prediction.
    options = {"dtype": "float32"}
    dense = {"units": math.prod(shape), **options}
    if len(shape) == 1:
        return [keras.layers.Dense(**dense, activation=activation, name=name)]
    if activation == "softmax":  # of the last axis alone
        reshape = keras.layers.Reshape(shape, **options)
        return [keras.layers.Dense(**dense), reshape, keras.layers.Softmax(name=name, **options)]
    reshape = keras.layers.Reshape(shape, name=name, **options)
    return [keras.layers.Dense(**dense, activation=activation), reshape]


def _through(layers: list[Any], tensor: Any) -> Any:
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def make_network(model: Any, offers: dict[str, Any], routed: dict[str, Any]) -> Any:
    """Return the user's ``keras.Model`` itself, or a new network from a builder.

    Parameters
    ----------
    model : None, callable or keras.Model
        As in the estimators.
    offers : dict
        What a builder may ask for by naming it as a parameter.
    routed : dict
        Keywords given as ``model__*``.

    Raises
    ------
    TypeError
        If ``model`` is something else, returns something else or does not take a keyword.
    ValueError
        If a builder returns a network that an earlier fit has trained.
    """
    if isinstance(model, keras.Model):
        if routed:
            raise TypeError(
                f"model__{next(iter(routed))} needs a builder, but model is the keras.Model "
                f"{model.name!r}. Pass a function that returns the network."
            )
        return model
    if not (model is None or callable(model)):
        raise TypeError(
            f"model must be None, a function that returns a keras.Model, or a keras.Model, "
            f"got {model!r}."
        )
    network = _call(mlp if model is None else model, offers, routed)
    if not isinstance(network, keras.Model):
        raise TypeError(
            f"model must return a keras.Model, but {_name(model)} returned {network!r} of type "
            f"{type(network).__name__}. Does it end with `return network`?"
        )
    if network in _BUILT:
        raise ValueError(
            f"model must return a new network in each call, but {_name(model)} returned "
            f"{network.name!r} again, with the weights of the earlier fit. Build it inside the "
            "function, or pass the keras.Model itself, which each fit copies."
        )
    _BUILT.add(network)
    return network


def fresh_copy(model: Any) -> Any:
    """Return a network of one's own to train, with the weights of ``model`` if it has any."""
    if model.built:
        return copy_network(model)
    return type(model).from_config(model.get_config())  # no weights yet: drawn by this fit


def run_network(network: Any, inputs: Any) -> Any:
    """Return the network's outputs for a few rows as arrays, building it if need be.

    Parameters
    ----------
    network : keras.Model
        The network.
    inputs : ndarray, or dict or list of ndarray
        Rows in scaled space.

    Raises
    ------
    ValueError
        If the inputs do not fit.
    """
    shapes = each(lambda _, array: ("batch", *array.shape[1:]), inputs)
    wanted = _input_names(network)
    if isinstance(inputs, dict) and wanted is not None and set(inputs) != wanted:
        raise ValueError(
            f"The network {network.name!r} has inputs named {sorted(wanted)}, but X has "
            f"{sorted(inputs)}. Name the keras.Input layers as the inputs of X."
        )
    try:
        outputs = network(inputs, training=False)
    except Exception as error:
        raise ValueError(
            f"The network {network.name!r} does not take inputs of shape {shapes}, the shape of "
            f"the scaled X: {error}"
        ) from error
    if isinstance(outputs, dict):
        # Keras names the losses of outputs by their layers; the keys are the users' names.
        network.output_names = keras.tree.flatten({name: name for name in outputs})
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def are_alike(network: Any, other: Any) -> bool:
    """Return whether two networks are known to take and to return the same."""

    def shapes(one: Any) -> list[Any]:
        return [(tensor.shape, tensor.dtype) for tensor in [*one.inputs, *one.outputs]]

    try:
        return shapes(network) == shapes(other)
    except (AttributeError, TypeError):  # a subclass, or not built yet
        return False


def _input_names(network: Any) -> set[str] | None:
    """Return the names of a functional model's inputs; None where there are none."""
    try:
        inputs = network.input
    except AttributeError:  # a subclass, or not built yet
        return None
    if isinstance(inputs, dict):
        return set(inputs)
    return {tensor.name for tensor in keras.tree.flatten(inputs)}


def _call(builder: Callable[..., Any], offers: dict[str, Any], routed: dict[str, Any]) -> Any:
    parameters = inspect.signature(builder).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [name for name in routed if name not in parameters and not takes_any]
    if unknown:
        own = [name for name, p in parameters.items() if p.kind is not p.VAR_POSITIONAL]
        raise TypeError(
            f"model__{unknown[0]}: {_name(builder)} takes no keyword {unknown[0]!r}. "
            f"{did_you_mean(unknown[0], own)}"
        )
    given = {name: value for name, value in offers.items() if name in parameters} | routed
    for name, parameter in parameters.items():
        open_ended = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and name not in given and not open_ended:
            raise TypeError(
                f"{_name(builder)} requires {name!r}, which is not offered. Pass it as "
                f"model__{name}, or ask for any of {', '.join(map(repr, offers))}."
            )
    return builder(**given)


def _name(builder: Any) -> str:
    return f"{getattr(builder, '__name__', repr(builder))}()"
