"""From the parameters ``optimizer``, ``loss`` and ``metrics`` to Keras objects."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from .._optional import keras
from .._structure import named, names, part
from .._validation import did_you_mean

_OWNED_BY_ESTIMATOR = {
    "compile": {"optimizer", "loss", "metrics"},
    "fit": {
        *("x", "y", "batch_size", "epochs", "verbose", "callbacks", "shuffle"),
        *("validation_split", "validation_data", "sample_weight", "class_weight"),
    },
}

_CHOSEN_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


def make_optimizer(optimizer: Any, routed: dict[str, Any], own: Any) -> Any:
    """Return a new optimizer.

    Parameters
    ----------
    optimizer : str, dict, keras.optimizers.Optimizer or class
        The parameter. At its default, "adam", a compiled network keeps its own.
    routed : dict
        Keywords given as ``optimizer__*``.
    own : keras.optimizers.Optimizer or None
        That of a network that its builder compiled.

    Raises
    ------
    ValueError
        If the name or a keyword is unknown.
    TypeError
        If it is no optimizer.
    """
    if own is not None and isinstance(optimizer, str) and optimizer == "adam":
        optimizer = own
    if isinstance(optimizer, type) and issubclass(optimizer, keras.optimizers.Optimizer):
        return _construct(optimizer, {}, routed, "optimizer")
    if isinstance(optimizer, (str, dict)):
        optimizer = _look_up(keras.optimizers, optimizer, "optimizer")
        if not routed:
            return optimizer
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            f"optimizer must be a name, a configuration or a keras.optimizers.Optimizer, got "
            f"{optimizer!r}."
        )
    # An instance belongs to the variables it first meets, so each fit has its own.
    return _construct(type(optimizer), optimizer.get_config(), routed, "optimizer")


def make_loss(loss: Any, routed: dict[str, Any]) -> Any:
    """Return the loss with its routed keywords.

    Raises
    ------
    ValueError
        If the name or a keyword is unknown, or keywords are given for a function.
    """
    if isinstance(loss, (list, tuple)) or (isinstance(loss, dict) and "class_name" not in loss):
        raise ValueError(f"loss must be one loss for the one output, got several: {loss}.")
    found = _look_up(keras.losses, loss, "loss") if isinstance(loss, (str, dict)) else loss
    if inspect.isclass(found):
        return _construct(found, {}, routed, "loss")
    if not routed:
        return found
    if isinstance(found, keras.losses.Loss):
        # The configuration of some (Huber's) leaves out what their function is given.
        config = {**getattr(found, "_fn_kwargs", {}), **found.get_config()}
        return _construct(type(found), config, routed, "loss")
    cls = _class_of_function(found)
    if cls is None:
        raise ValueError(
            f"loss__{next(iter(routed))} needs a loss with parameters, but loss={loss!r} is a "
            "function. Pass a keras.losses.Loss."
        )
    return _construct(cls, {}, routed, "loss")


def loss_name(loss: Any) -> str:
    """Return the snake-case name of a made loss: ``mean_squared_error`` for that of "mse"."""
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__))


def make_metrics(metrics: Any, dtype: str | None = None) -> list[Any]:
    """Return new metrics for the parameter ``metrics``.

    Parameters
    ----------
    metrics : None or list
        Names, functions, ``keras.metrics.Metric`` classes or instances.
    dtype : str, default=None
        Dtype to compute them in. If None, "accuracy" and "crossentropy" stay names:
        Keras chooses their kind by the shapes that it meets.

    Raises
    ------
    ValueError
        If a name is unknown.
    TypeError
        If it is no list.
    """
    if metrics is None:
        return []
    if not isinstance(metrics, (list, tuple)):
        raise TypeError(f"metrics must be a list, got {metrics!r}. Write metrics=[...].")
    return [_metric(metric, dtype) for metric in metrics]


def check_keywords(method: str, routed: dict[str, Any]) -> None:
    """Check the names of keywords for ``keras.Model.compile`` or ``fit``.

    Raises
    ------
    TypeError
        If ``method`` takes no such keyword, or the estimator gives it itself.
    """
    known = set(inspect.signature(getattr(keras.Model, method)).parameters) - {"self"}
    allowed = known - _OWNED_BY_ESTIMATOR[method]
    for name in routed:
        if name in known - allowed:
            raise TypeError(
                f"{method}__{name}: the estimator gives {name!r} to keras.Model.{method} itself. "
                "Use its own parameters, or the sample_weight of fit."
            )
        if name not in allowed:
            raise TypeError(
                f"{method}__{name}: keras.Model.{method} takes no keyword {name!r}. "
                f"{did_you_mean(name, allowed)}"
            )


def check_loss(network: Any, inputs: Any, targets: Any, outputs: Any) -> None:
    """Raise ``ValueError`` unless the compiled loss gives a number for a few rows."""
    losses = network.loss
    name = loss_name(losses) if callable(losses) else keras.tree.map_structure(loss_name, losses)
    shapes = f"targets of shape {_shapes(targets)} and outputs of shape {_shapes(outputs)}"
    try:
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, (targets, outputs))
        value = network.compute_loss(x=inputs, y=tensors[0], y_pred=tensors[1])
        number = float(keras.ops.convert_to_numpy(value))
    except Exception as error:
        raise ValueError(
            f"loss={name!r} cannot be computed from {shapes}: {error} Choose a loss that "
            "fits, for example loss=None for the default."
        ) from error
    if not np.isfinite(number):
        raise ValueError(
            f"loss={name!r} is {number} before training, from {shapes}. Is it defined for what it "
            "is given? Scaled targets and a network's first outputs may be negative; "
            "target_scaler='minmax' keeps outputs within the range of y."
        )


def check_metrics(metrics: Any, targets: Any, outputs: Any) -> None:
    """Compute metrics for a few rows once, so that an error names the metric.

    Parameters
    ----------
    metrics : list, or dict or list of lists
        Of one output, or of each.
    targets, outputs : ndarray, or dict or list of ndarray
        As the network takes and returns them.
    """
    several = isinstance(targets, dict | list)
    every = targets if several else None
    for name in names(every):
        for metric in part(metrics, name):
            if not isinstance(metric, keras.metrics.Metric):
                continue  # a name whose kind Keras chooses
            try:
                metric.update_state(part(targets, name), part(outputs, name))
            except Exception as error:
                error.add_note(f"Raised by {metric.name!r} of {named('metrics', name)}.")
                raise
            metric.reset_state()


def _shapes(data: Any) -> Any:
    return keras.tree.map_structure(lambda array: tuple(array.shape), data)


def carry_over(old: Any, new: Any) -> None:
    """Give a built optimizer the state of an earlier one of its kind, on a copy of its network.

    The learning rate stays the new one's, so that a changed parameter counts.
    """
    # mixed_float16 wraps an optimizer in one that scales losses.
    old, new = (getattr(optimizer, "inner_optimizer", optimizer) for optimizer in (old, new))
    states = [
        [variable for variable in optimizer.variables if variable is not optimizer.learning_rate]
        for optimizer in (old, new)
    ]
    if type(old) is type(new) and len(states[0]) == len(states[1]):
        for earlier, variable in zip(*states, strict=True):
            variable.assign(earlier)


def _look_up(module: Any, identifier: Any, parameter: str) -> Any:
    try:
        return module.get(identifier)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{parameter}={identifier!r} is unknown to Keras: {error}. "
            f"{did_you_mean(str(identifier), _names(module))}"
        ) from error


def _names(module: Any) -> list[str]:
    """Return names that Keras takes for the objects of a module."""
    short = ["mse", "mae"] if module is not keras.optimizers else []
    public = [name for name in vars(module) if name[0] != "_" and name.islower()]
    hidden = {"get", "serialize", "deserialize", "legacy", "schedules"}
    classes = [n.lower() for n, v in vars(module).items() if inspect.isclass(v)]
    return sorted({*public, *short, *(classes if module is keras.optimizers else [])} - hidden)


def _construct(cls: Any, config: dict[str, Any], routed: dict[str, Any], parameter: str) -> Any:
    allowed = set(config) | set(inspect.signature(cls).parameters) - {"args", "kwargs"}
    for name in routed:
        if name not in allowed:
            raise ValueError(
                f"{parameter}__{name}: {cls.__name__} has no parameter {name!r}. "
                f"{did_you_mean(name, allowed)}"
            )
    return cls.from_config({**config, **routed}) if config else cls(**routed)


def _class_of_function(function: Any) -> Any:
    """Return ``keras.losses.Huber`` for ``keras.losses.huber``."""
    name = getattr(function, "__name__", "")
    if getattr(keras.losses, name, None) is not function:
        return None  # the user's own
    classes = {n.lower(): cls for n, cls in vars(keras.losses).items() if inspect.isclass(cls)}
    return classes.get(name.replace("_", ""))


def _metric(metric: Any, dtype: str | None) -> Any:
    is_written = isinstance(metric, (str, dict))
    if dtype is None and isinstance(metric, str) and metric in _CHOSEN_BY_SHAPE:
        return metric
    found = _look_up(keras.metrics, metric, "metrics") if is_written else metric
    if inspect.isclass(found):
        found = found()
    if not isinstance(found, keras.metrics.Metric):
        name = metric if isinstance(metric, str) else getattr(metric, "__name__", None)
        return keras.metrics.MeanMetricWrapper(found, name=name, dtype=dtype)
    config = found.get_config() | ({"dtype": dtype} if dtype else {})
    config["name"] = metric if isinstance(metric, str) else found.name
    return type(found).from_config(config)
