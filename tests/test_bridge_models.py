"""What happens to a model: copies, nesting, training, policies, compilation, files."""

import importlib.util
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from sklearn import compose, decomposition, feature_selection, impute, pipeline, preprocessing

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import to_keras

from .test_bridge_laws import (
    BACKEND,
    HALF_STEP,
    HAS_FLOAT64,
    WIDEST,
    called,
    unheard,
)

each = preprocessing
N_ROWS = 60

# Imports fail for this package and for scikit-learn: a file must load with Keras alone.
LOAD_WITH_KERAS_ALONE = """
import sys
sys.modules["sklearn_keras_scaling"] = sys.modules["sklearn"] = None
import keras, numpy
for path in sys.argv[1:]:
    model = keras.saving.load_model(path, safe_mode=True)
    y = model(numpy.load(path + ".x.npy"))
    numpy.save(path + ".y.npy", keras.ops.convert_to_numpy(y))
"""


def sample() -> np.ndarray:
    """Return two positive columns, two of codes, one with missing values, one far from 0."""
    rng = np.random.default_rng(0)
    missing = np.where(rng.random((N_ROWS, 1)) < 0.2, np.nan, rng.normal(size=(N_ROWS, 1)))
    far = (1e6 if HAS_FLOAT64 else 30.0) + rng.normal(size=(N_ROWS, 1))
    codes = rng.integers(0, 3, (N_ROWS, 1)), rng.choice([10, 20, 50], (N_ROWS, 1))
    return np.hstack([np.exp(rng.normal(size=(N_ROWS, 2))), *codes, missing, far])


def everything() -> Any:
    """Return a column transformer with nearly every kind of map."""
    log = each.FunctionTransformer(np.log1p, np.expm1)
    of_numbers = [
        each.PowerTransformer(),
        each.PowerTransformer("box-cox"),
        each.QuantileTransformer(n_quantiles=20),
        each.QuantileTransformer(n_quantiles=20, output_distribution="normal"),
        each.MinMaxScaler((-1, 2), clip=True),
        each.MaxAbsScaler(),
        sks.RobustScaler(),
        sks.SquashingScaler(),
        each.Normalizer("l2"),
        each.Binarizer(threshold=1.0),
        each.KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"),
        each.PolynomialFeatures(3),
        each.SplineTransformer(4, knots="quantile"),
        each.SplineTransformer(4, extrapolation="periodic"),
        pipeline.make_pipeline(log, each.StandardScaler(), decomposition.PCA(2, whiten=True)),
        decomposition.TruncatedSVD(1, random_state=0),
        feature_selection.VarianceThreshold(),
    ]
    parts = [(transformer, [0, 1]) for transformer in of_numbers]
    parts += [(each.OneHotEncoder(drop="if_binary", handle_unknown="ignore"), [2, 3])]
    parts += [
        (each.OrdinalEncoder(), [2, 3]),
        (impute.SimpleImputer(add_indicator=True), [4]),
    ]
    return compose.make_column_transformer(*parts, (each.StandardScaler(), [5]), sparse_threshold=0)


def back() -> Any:
    """Return a pipeline whose inverse is made of the inverses of many kinds of map."""
    return pipeline.make_pipeline(
        each.StandardScaler(),
        each.PowerTransformer(),
        each.QuantileTransformer(n_quantiles=40, output_distribution="normal"),
        each.MinMaxScaler((-1, 2)),
        decomposition.PCA(2, whiten=True),
    )


@dataclass(frozen=True)
class Exported:
    """A model, what goes in, and what came out when it was made."""

    model: Any
    x: np.ndarray
    y: np.ndarray
    expected: np.ndarray

    def assert_near(self, found: np.ndarray, expected: np.ndarray) -> None:
        """Assert that two ways of computing this agree: other functions, or another order."""
        # Of float32 outputs one step; where all is float32, some steps of terms of up to 60.
        tolerance = 2 * HALF_STEP if self.y.dtype == "float32" else 1e-13
        tolerance = tolerance if HAS_FLOAT64 else 2e-5
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def forward():
    X = sample()
    with unheard():  # JAX without x64 says what float32 costs
        fitted = everything().fit(X)
        model = to_keras(fitted, dtype=WIDEST)
    return Exported(model, X, called(model, X), fitted.transform(X))


@pytest.fixture(scope="module")
def backward():
    X = sample()[:, :2]
    with unheard():
        fitted = back().fit(X)
        model = to_keras(fitted, inverse=True, dtype=WIDEST)
        Z = fitted.transform(X)
    return Exported(model, Z, called(model, Z), fitted.inverse_transform(Z))


@pytest.fixture(params=["forward", "backward"])
def exported(request):
    return request.getfixturevalue(request.param)


def from_file(model: Any, path: Any) -> Any:
    model.save(path)
    return keras.saving.load_model(path, safe_mode=True)


def within_another(model: Any) -> Any:
    inputs = keras.Input(model.input_shape[1:], dtype=model.input.dtype)
    return keras.Model(inputs, model(inputs))


def with_its_own_weights(model: Any) -> Any:
    copied = keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    return copied


WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "file": from_file,
    "clone_model": lambda model, _: keras.models.clone_model(model),
    "from_config": lambda model, _: keras.Model.from_config(model.get_config()),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "set_weights": lambda model, _: with_its_own_weights(model),
    "nested": lambda model, _: within_another(model),
    "nested file": lambda model, path: from_file(within_another(model), path),
    # Without an Input of its dtype, Sequential rounds to its own policy's.
    "sequential": lambda model, _: keras.Sequential(
        [keras.Input(model.input_shape[1:], dtype=model.input.dtype), model]
    ),
}


def test_the_model_of_many_maps_equals_scikit_learn(exported):
    exported.assert_near(exported.y, exported.expected)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("way", WAYS)
def test_copies_are_bitwise_equal_under_any_policy(way, policy, exported, tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        copied = WAYS[way](exported.model, tmp_path / "copy.keras")
        found = called(copied, exported.x)
    finally:
        keras.config.set_dtype_policy(before)
    assert found.dtype == exported.y.dtype
    np.testing.assert_array_equal(found, exported.y)


def test_it_is_frozen_inside_of_a_model_that_trains(exported):
    inner = keras.models.clone_model(exported.model)
    inner.trainable = False
    inputs = keras.Input(inner.input_shape[1:], dtype=inner.input.dtype)
    dense = keras.layers.Dense(1)
    model = keras.Model(inputs, dense(inner(inputs)))
    model.compile(keras.optimizers.SGD(1e-6), "mse")
    before = dense.get_weights()[0]
    x, y = exported.x, np.zeros(len(exported.x))
    model.train_on_batch(x, y)
    after = dense.get_weights()[0]
    assert np.isfinite(after).all()
    assert (after != before).any()
    np.testing.assert_array_equal(called(inner, x), exported.y)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32"])
def test_narrower_numbers_are_widened_on_the_way_in(dtype, exported):
    x = np.nan_to_num(exported.x)[:8].clip(-1e3, 1e3).astype(dtype)
    np.testing.assert_array_equal(
        called(exported.model, x), called(exported.model, x.astype(WIDEST))
    )


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # its own
def test_compiled_it_is_the_same_but_for_the_order_of_operations(exported):
    model, x = exported.model, exported.x.astype(np.float32)  # as predict rounds it
    if BACKEND == "torch":  # whose compiler takes minutes for a model of many operations
        scaler = pipeline.make_pipeline(each.StandardScaler(), each.MinMaxScaler())
        x = x[:, :2]
        model = to_keras(scaler.fit(x))
    expected = called(model, x)
    model = keras.models.clone_model(model)
    model.compile(jit_compile=True)
    found = model.predict(x, batch_size=len(x), verbose=0)
    exported.assert_near(found, expected)


BACKENDS = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_load_with_keras_alone_under_any_backend(backend, forward, backward, tmp_path):
    for name, exported in {"forward": forward, "backward": backward}.items():
        exported.model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.keras.x.npy", exported.x)
    subprocess.run(
        [sys.executable, "-c", LOAD_WITH_KERAS_ALONE, *tmp_path.glob("*.keras")],
        check=True,
        capture_output=True,
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_ENABLE_X64": str(int(HAS_FLOAT64))},
    )
    for name, exported in {"forward": forward, "backward": backward}.items():
        exported.assert_near(np.load(tmp_path / f"{name}.keras.y.npy"), exported.y)


@pytest.mark.parametrize("inverse", [False, True])
def test_a_pca_of_images_makes_a_file_of_their_components_in_decimal_digits(inverse, tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 64 * 64))
    pca = decomposition.PCA(20, whiten=True).fit(X)
    path = tmp_path / "pca.keras"
    to_keras(pca, inverse=inverse).save(path)
    raw = pca.components_.nbytes + pca.mean_.nbytes
    # JSON writes a float64 in up to 25 characters for its 8 bytes: -1.2345678901234567e-05 and
    # ", ". Each constant is there once.
    assert path.stat().st_size < 25 / 8 * raw + 20_000


@pytest.mark.skipif(BACKEND != "torch", reason="of PyTorch's modules")
def test_under_pytorch_it_is_a_module_that_trains_in_a_plain_loop():
    import torch

    rng = np.random.default_rng(0)
    images = rng.normal([20.0, -3.0], [5.0, 0.5], size=(64, 6, 6, 2)).transpose(0, 3, 1, 2)
    y = 1e3 + 10.0 * images[:, 0].mean(axis=(1, 2)) + images[:, 1, 2, 2]
    scaler = sks.StandardScaler(axis=1).fit(images)  # channels first
    mean, std = (
        torch.tensor(statistic.ravel()).reshape(-1, 1, 1)
        for statistic in (scaler.mean_, scaler.scale_)
    )
    front = to_keras(scaler)
    assert isinstance(front, torch.nn.Module)
    by_hand = (torch.tensor(images) - mean) / std
    found = front(torch.tensor(images))
    assert (found - by_hand).abs().max() < 1e-6  # float32 of numbers below 5

    def network(input_shape, output_shape):
        layers = [keras.layers.Flatten(), keras.layers.Dense(*output_shape)]
        return keras.Sequential([keras.Input(input_shape), *layers])

    regressor = sks.ScaledKerasRegressor(network, input_scaler=scaler, epochs=1, random_state=0)
    model = to_keras(regressor.fit(images, y))
    inputs, targets = torch.tensor(images), torch.tensor(y)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(inputs).reshape(-1), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert len(model.state_dict()) == 2  # kernel and bias: the scaling is constants
