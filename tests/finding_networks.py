"""Data, networks and arguments of ``check_scaling`` for the tests of findings."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from sklearn_keras_scaling import (
    MinMaxScaler,
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    StandardScaler,
)
from sklearn_keras_scaling.checks import KINDS

RNG = np.random.default_rng(0)
X = RNG.normal([30.0, 5.0, -2.0], [10.0, 1.0, 0.5], size=(200, 3))
Y = RNG.normal(150.0, 70.0, size=(200, 1))
IMAGES = RNG.integers(0, 256, size=(40, 8, 8, 3)).astype(float)
CAPPED = np.append(np.full(1000, 5.0), np.arange(20.0)).reshape(-1, 1)
MOSTLY_ZERO = np.append(np.zeros(420), np.linspace(0.0, 50.0, 25)).reshape(-1, 1)
TWO = np.column_stack([Y, Y[::-1] / 1000])
_OTHER = np.random.default_rng(1)
#: Log-normal numbers, and numbers far from zero of which a power leaves no digits.
POSITIVE = np.exp(_OTHER.normal(size=(200, 1)))
FAR = 1e6 + np.tanh(_OTHER.normal(size=(200, 1)))
MOSTLY_GAPS = np.where(np.arange(200)[:, None] % 3, np.nan, FAR)
SHARES = RNG.dirichlet([1.0, 2.0, 3.0], size=200)
LABELS = np.arange(200) % 3
STEPS = np.arange(1000).reshape(200, 5) % 2
SEVERAL = (RNG.uniform(size=(200, 3)) > 0.6).astype(int)
LONG_TAIL = X * np.where(np.arange(200) == 7, 1e4, 1.0)[:, None]


@dataclass(frozen=True)
class Case:
    """What ``check_scaling`` is given, and whether it finds the code."""

    code: str
    name: str
    given: Callable[[], dict[str, Any]]
    found: bool


def yes(code: str, **cases: Callable[[], dict[str, Any]]) -> list[Case]:
    return [Case(code, name, given, True) for name, given in cases.items()]


def no(code: str, **cases: Callable[[], dict[str, Any]]) -> list[Case]:
    return [Case(code, name, given, False) for name, given in cases.items()]


class Batches(keras.utils.PyDataset):
    """Batches as they are given."""

    def __init__(self, batches: list[Any]) -> None:
        super().__init__()
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]


def net(*layers: Any, shape: tuple[int, ...] = (3,), **compiled: Any) -> Any:
    network = keras.Sequential([keras.Input(shape), *layers])
    if compiled:
        network.compile(**compiled)
    return network


def dense(units: int = 1, activation: Any = None, **options: Any) -> Any:
    return keras.layers.Dense(units, activation, **options)


def mlp(activation: Any = None, **compiled: Any) -> Any:
    return net(dense(8, "relu"), dense(1, activation), **compiled)


def adapted(data: np.ndarray) -> Any:
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(data)
    return layer


def convolution(*before: Any, after: Any = ()) -> Any:
    layers = [keras.layers.Conv2D(4, 3), *after, keras.layers.Flatten(), dense()]
    return net(*before, *layers, shape=(8, 8, 3))


def trained_on(images: np.ndarray) -> Any:
    """A convolution whose BatchNormalization has the statistics of what these images become."""
    kernel = np.random.default_rng(1).normal(0.2, 0.3, size=(3, 3, 3, 16))
    norm = keras.layers.BatchNormalization()
    network = net(
        keras.layers.Conv2D(16, 3, use_bias=False),
        *(norm, keras.layers.Flatten(), dense()),
        shape=(8, 8, 3),
    )
    network.layers[0].set_weights([kernel])
    z = keras.ops.convert_to_numpy(network.layers[0](images.astype("float32")))
    moments = [z.mean(axis=(0, 1, 2)), z.var(axis=(0, 1, 2))]
    norm.set_weights([*norm.get_weights()[:2], *moments])
    return network


def branched(*, use_bias: bool) -> Any:
    x = keras.Input((3,))
    hidden = dense(4, "relu", use_bias=use_bias)(x)
    return keras.Model(x, dense(use_bias=use_bias)(keras.layers.Concatenate()([hidden, x])))


def two_outputs(**compiled: Any) -> Any:
    x = keras.Input((3,))
    network = keras.Model(x, {"a": dense(name="a")(x), "b": dense(name="b")(x)})
    network.compile(loss="mse", **compiled)
    return network


def recurrent(units: int, activation: Any = "tanh", **options: Any) -> Any:
    return net(keras.layers.LSTM(units, activation=activation, **options), shape=(5, 3))


def ending(activation: Any, bias: list[float], size: float = 1.0) -> Any:
    """A network that returns what the activation makes of about a bias, for scaled inputs."""
    last = dense(len(bias)) if isinstance(activation, keras.Layer) else dense(len(bias), activation)
    then = [activation] if isinstance(activation, keras.Layer) else []
    network = net(last, *then)
    last.set_weights([size * np.ones((3, len(bias))), np.array(bias)])
    return network


def ended(activation: Any, bias: list[float], y: Any = Y) -> dict[str, Any]:
    network = ending(activation, bias)
    return {"model": network, "input_scaler": standard(X), "X": X, "y": np.abs(y)}


def joined(activation: str, bias: float) -> Any:
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((1,), name="b")}
    both = keras.layers.Concatenate()([keras.ops.tanh(one) for one in inputs.values()])
    constant = keras.initializers.Constant(bias)
    return keras.Model(inputs, dense(1, activation, bias_initializer=constant)(both))


def location_and_scale() -> Any:
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.Concatenate()([dense()(x), dense(1, "softplus")(x)]))


class Own(keras.Model):
    def call(self, x: Any) -> Any:
        return keras.ops.softmax(x[:, :1])


def with_gaps(data: np.ndarray) -> np.ndarray:
    """Numbers of which every fifth row misses the first, and another the last."""
    data = data.copy()
    data[::5, 0] = data[1::5, -1] = np.nan
    return data


def fitted(y: Any, network: Any, **parameters: Any) -> dict[str, Any]:
    """An estimator of numbers, or of labels where they are integers, and its data."""
    kind = ScaledKerasClassifier if y.dtype.kind == "i" else ScaledKerasRegressor
    every = tuple(KINDS)  # what is found is asked of check_scaling
    parameters = {"ignore_findings": every, "compile__run_eagerly": True, **parameters}
    estimator = kind(network, epochs=1, batch_size=200, **parameters)
    estimator.set_params(optimizer__learning_rate=0.0)
    with warnings.catch_warnings():  # Keras warns of some of it, too
        warnings.simplefilter("ignore")
        return {"model": estimator.fit(X, y), "X": X, "y": y}


def embedding() -> Any:
    layers = [keras.layers.Embedding(9000, 4), keras.layers.Flatten(), dense()]
    return net(*layers)


def standard(data: Any) -> Any:
    return StandardScaler().fit(data)


def minmax(data: Any, low: float = 0.0, high: float = 1.0, **options: Any) -> Any:
    return MinMaxScaler((low, high), **options).fit(data)


def of_y(network: Any, scaler: Any, y: Any = Y) -> dict[str, Any]:
    return {"model": network, "target_scaler": scaler, "y": y}


def of_x(network: Any, scaler: Any, data: Any = X) -> dict[str, Any]:
    return {"model": network, "input_scaler": scaler, "X": data}
