"""The libraries of ``parity.py`` and their data: networks, and an adapter for each."""

from __future__ import annotations

import os
from typing import Any, ClassVar

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up log
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_keras_scaling import ScaledKerasClassifier, ScaledKerasRegressor, to_keras

N = 80
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 4))
Y = X @ [2.0, -1.0, 0.5, 0.0] + 0.1 * RNG.normal(size=N)
RAW_X, RAW_Y = 1e3 + 5 * X, 1e6 + 1e3 * Y  # the same in units of their own
LABELS = np.array(["low", "middle", "high"])[np.digitize(Y, np.quantile(Y, [1 / 3, 2 / 3]))]
PAIR = np.where(np.median(Y) < Y, "yes", "no")
WINDOWS = RNG.normal(size=(N, 5, 3))
WEIGHT = RNG.integers(0, 4, N).astype(float)
#: The one check that asks more of float32 than it holds.
FLOAT32 = {"check_sample_weight_equivalence_on_dense_data": "rtol 1e-7 of float32 training"}


class LackingError(Exception):
    """A library has no way to say what is asked."""


def require(condition: Any, otherwise: str) -> None:
    """Raise ``AssertionError`` with what came instead, unless the condition holds."""
    if not condition:
        raise AssertionError(otherwise)


# Networks


def network(shape: tuple[int, ...], width: int, activation: str, units: int) -> keras.Model:
    """Return dense layers, behind a flattening one where samples have axes."""
    flatten = [keras.layers.Flatten()] if len(shape) > 1 else []
    hidden = keras.layers.Dense(units, activation="relu")
    head = keras.layers.Dense(width, activation=activation)
    return keras.Sequential([keras.Input(shape), *flatten, hidden, head])


def for_ours(
    input_shape: Any, output_shape: Any, output_activation: str, units: int = 8
) -> keras.Model:
    """Return a network as our estimators ask for one."""
    return network(input_shape, output_shape[-1], output_activation, units)


def head_for(kind: str, n_classes: int) -> tuple[int, str, str]:
    """Return width, activation and loss for a kind of labels, as ``type_of_target`` says it."""
    if kind == "binary":
        return 1, "sigmoid", "binary_crossentropy"
    if kind == "multilabel-indicator":
        return n_classes, "sigmoid", "binary_crossentropy"
    return n_classes, "softmax", "sparse_categorical_crossentropy"


def for_scikeras(meta: dict[str, Any], compile_kwargs: dict[str, Any], units: int = 8) -> Any:
    """Return a network as SciKeras asks for one."""
    options = dict(compile_kwargs)
    if "n_classes_" in meta:
        width, activation, loss = head_for(meta["target_type_"], meta["n_classes_"])
        options["loss"] = options["loss"] or loss
    else:
        width, activation = meta["n_outputs_"], "linear"
    built = network(meta["X_shape_"][1:], width, activation, units)
    built.compile(**options)
    return built


def for_wrappers(
    X: Any,
    y: Any,
    activation: str = "linear",
    units: int = 8,
    optimizer: Any = "adam",
    rate: Any = None,
    **options: Any,
) -> keras.Model:
    """Return a network as ``keras.wrappers`` asks for one."""
    built = network(X.shape[1:], y.shape[1] if y.ndim > 1 else 1, activation, units)
    optimizer = keras.optimizers.get(optimizer)
    if rate is not None:
        optimizer.learning_rate = rate
    built.compile(optimizer, **{"loss": "mse", **options})
    return built


def two_inputs(**_: Any) -> keras.Model:
    """Return a network of the inputs "a" and "b"."""
    inputs = {"a": keras.Input((1,), name="a"), "b": keras.Input((3,), name="b")}
    built = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.concatenate([*inputs.values()])))
    built.compile("adam", "mse")
    return built


def two_outputs(**_: Any) -> keras.Model:
    """Return a network of the outputs "p" and "q"."""
    inputs = keras.Input((4,))
    built = keras.Model(inputs, {name: keras.layers.Dense(1, name=name)(inputs) for name in "pq"})
    built.compile("adam", {"p": "mse", "q": "mae"})
    return built


def compiled(width: int = 1) -> keras.Model:
    """Return a network that is no builder."""
    built = network((4,), width, "linear", 8)
    built.compile(keras.optimizers.Adam(0.05), "mse")
    return built


# Adapters: private, so that each method is explained once


class _Ours:
    name = "ours"

    def regressor(self, **options: Any) -> Any:
        """Return an unfitted one; the options have the same names for all libraries."""
        return ScaledKerasRegressor(**self._arguments({"model": for_ours, **options}))

    def classifier(self, **options: Any) -> Any:
        return ScaledKerasClassifier(**self._arguments({"model": for_ours, **options}))

    def _arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        if options.pop("sparse", False):
            options["input_scaler"] = "maxabs"
        return self.parameters(**{"epochs": 1, "batch_size": N, **options})

    def parameters(self, **options: Any) -> dict[str, Any]:
        """Return the library's own names and values for options."""
        routed = {"rate": "optimizer__learning_rate", "units": "model__units"}
        found = {routed.get(name, name): value for name, value in options.items()}
        for method in ("compile", "fit"):
            found |= {f"{method}__{k}": v for k, v in found.pop(method, {}).items()}
        return found

    def set(self, **options: Any) -> dict[str, Any]:
        """Return what ``set_params`` takes for options."""
        return self.parameters(**options)

    def grid(self, name: str, values: list[Any]) -> dict[str, Any]:
        """Return what ``GridSearchCV`` takes for values of an option."""
        (key,) = self.set(**{name: None})
        return {key: values}

    def fit(self, estimator: Any, *data: Any, weight: Any = None, validation: Any = None) -> Any:
        """Return the estimator, fitted from the same random numbers each time."""
        keras.utils.set_random_seed(0)  # for those that have no random_state
        given = {"sample_weight": weight, "validation_data": validation}
        given = {name: value for name, value in given.items() if value is not None}
        return estimator.fit(*data, **self.named(given))

    def named(self, metadata: dict[str, Any]) -> dict[str, Any]:
        return metadata

    def innermost(self, unfitted: Any) -> Any:
        return unfitted

    def request(self, unfitted: Any) -> None:
        """Let the estimator ask for weights."""
        unfitted.set_fit_request(sample_weight=True)

    def network(self, fitted: Any) -> keras.Model:
        return fitted.network_

    def history(self, fitted: Any) -> dict[str, Any]:
        return fitted.history_

    def scaler(self, fitted: Any) -> Any:
        """Return the fitted scaler of the inputs."""
        return fitted.input_scaler_

    def export(self, fitted: Any) -> keras.Model:
        """Return one Keras model of all."""
        return to_keras(fitted)


class _SciKeras(_Ours):
    name = "SciKeras"
    defaults: ClassVar[dict[str, Any]] = {
        "model": for_scikeras,
        "optimizer": "adam",
        "epochs": 1,
        "batch_size": N,
        "verbose": 0,
    }
    lacks = ("early_stopping", "target_scaler")

    def regressor(self, **options: Any) -> Any:
        return KerasRegressor(**self._arguments({"loss": "mse", **options}))

    def classifier(self, **options: Any) -> Any:
        return KerasClassifier(**self._arguments(options))

    def _arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        lacking = [name for name in self.lacks if name in options]
        if lacking:
            raise LackingError(f"has no {lacking[0]}")
        options.pop("sparse", None)
        return self.parameters(**self.defaults | options)

    def network(self, fitted: Any) -> keras.Model:
        return fitted.model_

    def scaler(self, fitted: Any) -> Any:
        raise LackingError("scales nothing")

    def export(self, fitted: Any) -> keras.Model:
        return self.network(fitted)


class _KerasWrappers(_SciKeras):
    name = "keras.wrappers"
    defaults: ClassVar[dict[str, Any]] = {"model": for_wrappers, "epochs": 1}
    lacks = ("early_stopping", "target_scaler", "random_state")

    def regressor(self, **options: Any) -> Any:
        return keras.wrappers.SKLearnRegressor(**self._arguments(options))

    def classifier(self, **options: Any) -> Any:
        head = {"activation": "softmax", "loss": "categorical_crossentropy"}
        return keras.wrappers.SKLearnClassifier(**self._arguments({**head, **options}))

    def parameters(self, **options: Any) -> dict[str, Any]:
        own = {name: options.pop(name) for name in ("model", "warm_start") if name in options}
        fit = {"verbose": 0, "batch_size": N, **options.pop("fit", {})}
        for name in ("epochs", "batch_size", "callbacks", "validation_split", "class_weight"):
            if name in options:
                fit[name] = options.pop(name)
        network = {**options.pop("compile", {}), **options}
        return {**own, "fit_kwargs": fit, **({"model_kwargs": network} if network else {})}

    def grid(self, name: str, values: list[Any]) -> dict[str, Any]:
        dicts = [self.parameters(**{name: value}) for value in values]
        key = "model_kwargs" if "model_kwargs" in dicts[0] else "fit_kwargs"
        return {key: [one[key] for one in dicts]}

    def history(self, fitted: Any) -> dict[str, Any]:
        return fitted.history_.history


class _Transformed(_SciKeras):
    name = "TransformedTargetRegressor"
    lacks = ("early_stopping",)

    def regressor(self, **options: Any) -> Any:
        target = options.pop("target_scaler", StandardScaler())
        inputs = StandardScaler(with_mean=not options.get("sparse", False))
        return TransformedTargetRegressor(
            make_pipeline(inputs, super().regressor(**options)), transformer=target
        )

    def classifier(self, **options: Any) -> Any:
        raise LackingError("for regression alone")

    def set(self, **options: Any) -> dict[str, Any]:
        return {f"regressor__kerasregressor__{k}": v for k, v in self.parameters(**options).items()}

    def named(self, metadata: dict[str, Any]) -> dict[str, Any]:
        return {f"kerasregressor__{name}": value for name, value in metadata.items()}

    def innermost(self, unfitted: Any) -> Any:
        return unfitted.regressor[-1]

    def request(self, unfitted: Any) -> None:
        unfitted.regressor[0].set_fit_request(sample_weight=False)
        unfitted.regressor[-1].set_fit_request(sample_weight=True)

    def network(self, fitted: Any) -> keras.Model:
        return fitted.regressor_[-1].model_

    def history(self, fitted: Any) -> dict[str, Any]:
        return fitted.regressor_[-1].history_

    def scaler(self, fitted: Any) -> Any:
        return fitted.regressor_[0]


LIBRARIES = (_SciKeras(), _KerasWrappers(), _Transformed(), _Ours())
