"""Laws that hold for any data: inverse after forward, graph equals host, load after save."""

import io
import tempfile
from pathlib import Path

import joblib
import keras
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone

import sklearn_keras_scaling as sks
from sklearn_keras_scaling.maps import Affine, Chain, Clip

EPS = np.finfo(float).eps
COLUMNS = 3
locs = arrays(np.float64, COLUMNS, elements=st.floats(-1e9, 1e9))
scales = arrays(np.float64, COLUMNS, elements=st.floats(1e-12, 1e12))
scaled = arrays(np.float64, (4, COLUMNS), elements=st.floats(-10, 10, width=32))
offsets, spreads = st.floats(-1e9, 1e9), st.floats(1e-9, 1e9)
scalers = st.sampled_from(
    [
        sks.StandardScaler(),
        sks.MinMaxScaler(),
        sks.MinMaxScaler(feature_range=(-1, 1)),
        sks.MaxAbsScaler(),
        sks.RobustScaler(),
    ]
).map(clone)


@given(locs, scales, scaled)
def test_inverse_after_forward_of_a_map(loc, scale, z):
    affine = Affine(loc, scale)
    x = affine.inverse(z, np)
    # The raw number is rounded once: half a step of x, seen through the scale.
    bound = 4 * EPS * (np.abs(x).max(axis=0) / scale + np.abs(z).max() + 1)
    assert (np.abs(affine.forward(x, np) - z) <= bound).all()


@given(locs, scales, scaled)
def test_a_graph_evaluates_the_same_formula_as_the_host(loc, scale, z):
    map_ = Chain((Affine(loc, scale), Clip(-5.0, 5.0)))
    x = Affine(loc, scale).inverse(z, np)
    in_graph = np.asarray(map_.forward(keras.ops.convert_to_tensor(x, "float64"), keras.ops))
    np.testing.assert_allclose(in_graph, map_.forward(x, np), rtol=4 * EPS)


@given(scalers, offsets, spreads)
def test_inverse_after_forward_of_a_scaler(scaler, offset, spread):
    X = offset + spread * np.linspace(-2, 2, 9).reshape(-1, 1)
    back = scaler.fit(X).inverse_transform(scaler.transform(X))
    assert np.abs(back - X).max() <= 4 * EPS * np.abs(X).max()


@given(scalers, offsets, spreads)
def test_an_exported_scaler_equals_the_scaler(scaler, offset, spread):
    X = offset + spread * np.linspace(-2, 2, 9).reshape(-1, 1)
    Z = scaler.fit(X).transform(X)
    model = sks.to_keras(scaler)
    # to_keras takes float64 in where float32 would cost more than 1e-4.
    tolerance = 1e-7 if model.input.dtype == "float64" else 1.1e-4
    np.testing.assert_allclose(np.asarray(model(X)), Z, atol=tolerance, rtol=1e-6)


@given(scalers, offsets, spreads)
def test_load_after_save_is_the_identity(scaler, offset, spread):
    X = offset + spread * np.linspace(-2, 2, 9).reshape(-1, 1)
    model = sks.to_keras(scaler.fit(X))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scaler.keras"
        model.save(path)
        loaded = keras.saving.load_model(path, safe_mode=True)
    np.testing.assert_array_equal(np.asarray(loaded(X)), np.asarray(model(X)))
    file = io.BytesIO()
    joblib.dump(scaler, file)
    file.seek(0)
    np.testing.assert_array_equal(joblib.load(file).transform(X), scaler.transform(X))


@given(offsets, st.integers(0, 2**32 - 1))
def test_scaling_depends_neither_on_the_unit_nor_on_the_offset(offset, seed):
    x = np.random.default_rng(seed).normal(size=(20, 1))
    here = sks.StandardScaler().fit_transform(x)
    unit = 2.0**20  # exact in floating point, so that only the scaler rounds
    np.testing.assert_array_equal(sks.StandardScaler().fit_transform(x * unit), here)
    moved = sks.StandardScaler().fit_transform(x + offset)
    bound = 8 * EPS * (abs(offset) + 10) / x.std()
    np.testing.assert_allclose(moved, here, atol=bound)
