"""What two fits must share to share a compiled loop."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from .._optional import is_stock, keras
from ._random import seeded
from ._told import PACKAGE, told, wrapped

# Layers that do what their configuration does not tell; so do those that adapt to data.
_OPAQUE = {"Lambda", "FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"}

# Attributes that hide a method of the model's class, if they are set on an instance.
_STEPS = {"call", "train_step", "test_step", "compute_loss", "compute_metrics", "metrics"}

# Arguments of ``compile`` that hold functions and objects.
_PARTS = ("loss", "metrics", "weighted_metrics")


class UniqueError(Exception):
    """A network whose compiled loop serves no other: the text says why."""


def key_of_architecture(network: Any, example: Any) -> str:
    """Return what is equal for networks that differ in the values of their variables alone.

    Parameters
    ----------
    network : keras.Model
        Built.
    example : structure of arrays
        What goes in: dtypes, and shapes without rows, belong to the key.

    Raises
    ------
    UniqueError
        If the network does what cannot be compared.
    """
    if not is_stock(network):
        raise UniqueError(f"{type(network).__name__} is no stock model")
    if _STEPS & vars(network).keys():
        raise UniqueError("the network has a step of its own")
    node = {"class_name": type(network).__name__, "config": network.get_config()}
    # Of several outputs the names are those of losses and metrics.
    kept = network.output_names if len(network.outputs) > 1 else ()
    config = (
        _without_automatic_names(node, kept)["config"],
        _plain_attributes(network),
        keras.tree.map_structure(lambda array: [array.shape[1:], str(array.dtype)], example),
        [_signature(network.trainable_variables), _signature(network.non_trainable_variables)],
        [keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon()],
    )
    return _written(config)


def key_of_training(network: Any, example: tuple[Any, ...]) -> Hashable:
    """Return what is equal for networks that one compiled loop can train.

    Raises
    ------
    UniqueError
        If the loop depends on what cannot be compared.
    """
    compiled = dict(compile_arguments(network))
    compiled.pop("optimizer")
    functions = tuple(map(_key_of_part, _parts(compiled)))
    optimizer = keras.saving.serialize_keras_object(network.optimizer)
    config = [_without_variables(optimizer, network.optimizer), _skeleton(compiled)]
    return key_of_architecture(network, example), _written(config), functions


def copy_architecture(network: Any) -> Any:
    """Return a stock network of the same configuration, with weights of no meaning."""
    with seeded(0):
        copy = type(network).from_config(network.get_config())
    if _plain_attributes(copy) != _plain_attributes(network):
        raise UniqueError("its configuration does not tell all that its layers are")
    return copy


def compile_arguments(network: Any) -> dict[str, Any]:
    """Return the arguments of ``compile`` that the network keeps, as they were given."""
    # Private: the public get_compile_config serializes, and warns of each lambda.
    return network._compile_config.config


def constants(network: Any) -> list[Any]:
    """Return the variables of the network's metrics that hold constants, in order."""
    return [
        constant
        for part in _parts(compile_arguments(network))
        for each in wrapped(part)
        for constant in getattr(each, "constants_as_weights", ())
    ]


def _parts(structure: Any) -> list[Any]:
    return keras.tree.flatten([structure.get(name) for name in _PARTS])


def _skeleton(compiled: dict[str, Any]) -> Any:
    """Return where the parts are, and the other arguments."""
    structures = {
        name: keras.tree.map_structure(lambda _: 0, compiled.get(name)) for name in _PARTS
    }
    return {**compiled, **structures}


def _plain_attributes(network: Any) -> list[dict[str, Any]]:
    """Return numbers, flags and texts that layers hold: some configurations leave out a few."""
    # Private: `layers` has not the layers within layers. Flags that are down count as absent: Keras
    # sets some on layers that it loads, and on no others.
    return [
        {
            key: value
            for key, value in vars(layer).items()
            if isinstance(value, (bool, int, float, str))
            and key[0] != "_"
            and key != "name"
            and value is not False
        }
        for layer in network._flatten_layers(include_self=False)
    ]


def _key_of_part(part: Any) -> Hashable:
    """Return losses and metrics by what they are, functions by identity: a key keeps them."""
    if part is None or isinstance(part, str) or hasattr(part, "__code__"):
        return part
    if not isinstance(part, (keras.losses.Loss, keras.metrics.Metric)):
        raise UniqueError(f"{type(part).__name__} is an object of its own")
    innermost = list(wrapped(part))[-1]
    known = innermost.__name__ if hasattr(innermost, "__code__") else None
    if known and not is_stock(innermost):
        raise UniqueError(f"{known} is a function of the user's own within another")
    # Distributions as they are: a class may have been written anew under the name of another.
    distributions = [getattr(each, "distribution", None) for each in wrapped(part)]
    return _written(_without_constants(told(part)), known), tuple(distributions)


def _without_constants(node: Any) -> Any:
    """Return a configuration without what is held as weights, and without automatic names."""
    if isinstance(node, (list, tuple)):
        return [_without_constants(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {name: _without_constants(value) for name, value in node.items()}
    if str(node.get("registered_name")).startswith(PACKAGE):
        inverse = node["config"].get("inverse")
        if isinstance(inverse, list):
            node["config"]["inverse"] = [list(np.shape(numbers)) for numbers in inverse]
        elif inverse is not None:
            node["config"]["inverse"] = _without_automatic_names(inverse)
    return node


def _without_variables(node: dict[str, Any], optimizer: Any) -> dict[str, Any]:
    """Return an optimizer's configuration without its names and what its variables hold."""
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise UniqueError("the optimizer excludes variables from its weight decay")
    config = {name: value for name, value in node["config"].items() if name != "name"}
    if isinstance(config.get("learning_rate"), float):
        del config["learning_rate"]
    if isinstance(config.get("inner_optimizer"), dict):
        inner = optimizer.inner_optimizer
        config["inner_optimizer"] = _without_variables(config["inner_optimizer"], inner)
    return {**node, "config": config}


def _without_automatic_names(node: dict[str, Any], kept: Sequence[str] = ()) -> Any:
    """Return a model's configuration with the names that Keras counts up replaced by numbers."""
    found = dict.fromkeys(name for name in _automatic_names(node) if name not in kept)
    names = {name: f"#{number}" for number, name in enumerate(found)}

    def renamed(part: Any) -> Any:
        if isinstance(part, dict):
            return {
                key: names.get(value, value) if _is_name(key, value) else renamed(value)
                for key, value in part.items()
            }
        if not isinstance(part, (list, tuple)):
            return part
        is_reference = len(part) >= 3 and isinstance(part[0], str) and isinstance(part[1], int)
        first = [names.get(part[0], part[0])] if is_reference else []
        return [*first, *map(renamed, part[len(first) :])]

    return renamed(node)


def _is_name(key: str, value: Any) -> bool:
    return key == "name" and isinstance(value, str)


def _automatic_names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        name = isinstance(node.get("config"), dict) and node["config"].get("name")
        if isinstance(name, str) and _is_automatic(name, node["class_name"]):
            yield name
    parts = node.values() if isinstance(node, dict) else node
    if isinstance(node, (dict, list, tuple)):
        for part in parts:
            yield from _automatic_names(part)


def _is_automatic(name: str, class_name: str) -> bool:
    # Of the class's own name: Keras exports some under another.
    own = getattr(getattr(keras.layers, class_name, None), "__name__", class_name)
    # Private: what Keras makes of it. Bidirectional puts a direction before that.
    own = keras.src.utils.naming.to_snake_case(own)
    return bool(re.fullmatch(rf"((for|back)ward_)?{own}(_\d+)?", name))


def _signature(variables: list[Any]) -> list[Any]:
    return [[list(v.shape), str(v.dtype), v.trainable] for v in variables]


def _written(config: Any, function: str | None = None) -> str:
    """Return a configuration as text; of functions it may have the one of this name."""
    _check_stock(config, function)
    try:
        return json.dumps(config)
    except TypeError as error:
        raise UniqueError(f"its configuration cannot be written: {error}") from error


def _check_stock(node: Any, function: str | None) -> None:
    """Raise ``UniqueError`` unless all that is configured comes from Keras, and tells all."""
    if isinstance(node, dict):
        name, module = node.get("class_name", "__"), str(node.get("module"))
        adapts = hasattr(getattr(keras.layers, name, None), "adapt")
        is_known = (
            module.split(".")[0] == "keras"
            or (name.startswith("__") and name != "__lambda__")
            or str(node.get("registered_name")).startswith(PACKAGE)
            or (name == "function" and node["config"] == function)
        )
        if name in _OPAQUE or adapts or not is_known:
            raise UniqueError(f"{name} does what its configuration does not tell")
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for part in node:
            _check_stock(part, function)
