"""Getting a network from ``model``: the default one, a builder's, or a copy of the user's."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._optional import keras
from .._validation import did_you_mean
from ..bridge import copy_network

# Networks that builders have returned and fits have trained.
_BUILT: weakref.WeakSet[Any] = weakref.WeakSet()


def mlp(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    output_activation: str,
    hidden_layer_sizes: Sequence[int],
    activation: str = "relu",
) -> Any:
    """Return the default network: dense hidden layers and a dense output."""
    hidden = [keras.layers.Dense(units, activation=activation) for units in hidden_layer_sizes]
    # float32 whatever the policy: mixed_float16 would leave three digits of a prediction.
    output = keras.layers.Dense(output_shape[-1], activation=output_activation, dtype="float32")
    return keras.Sequential([keras.Input(input_shape), *hidden, output])


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


def check_network_output(network: Any, inputs: np.ndarray, widths: set[int], expected: str) -> Any:
    """Return the network's outputs for a few rows, building it if need be.

    Parameters
    ----------
    network : keras.Model
        The network.
    inputs : ndarray of shape (n, n_features)
        Rows in scaled space.
    widths : set of int
        Allowed numbers of output columns.
    expected : str
        The end of the error: what would fit.

    Returns
    -------
    outputs : ndarray of shape (n, n_columns)
        The outputs.

    Raises
    ------
    ValueError
        If the inputs do not fit or the outputs have another shape.
    """
    try:
        outputs = network(inputs, training=False)
    except Exception as error:
        raise ValueError(
            f"The network {network.name!r} does not take inputs of shape "
            f"(batch, {inputs.shape[1]}), the shape of the scaled X: {error}"
        ) from error
    shape = getattr(outputs, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] not in widths:
        found = keras.tree.map_structure(lambda output: ("batch", *output.shape[1:]), outputs)
        raise ValueError(
            f"The network {network.name!r} returns outputs of shape {found}, but {expected}."
        )
    return keras.ops.convert_to_numpy(outputs)


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
