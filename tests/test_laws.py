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
        sks.SquashingScaler(),
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


@given(st.data(), st.sampled_from([16, 32]))
def test_one_operation_on_narrow_floats_is_that_of_float64_rounded(data, width):
    finite = st.floats(-1000, 1000, width=width)
    X = data.draw(arrays(f"float{width}", (5, COLUMNS), elements=finite))
    scaler = sks.MaxAbsScaler().fit(X)
    wide = scaler.transform(X.astype(np.float64))
    Z = scaler.transform(X)
    np.testing.assert_array_equal(Z, wide.astype(X.dtype))
    back = scaler.inverse_transform(Z.astype(np.float64))
    np.testing.assert_array_equal(scaler.inverse_transform(Z), back.astype(X.dtype))


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


NAMES = ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "SquashingScaler"]
kinds = st.sampled_from(NAMES)
seeds = st.integers(0, 2**32 - 1)
few_rows = st.integers(1, 40)


def drawn(seed, n_rows, offset, spread):
    """Three columns: one normal, one of few values, one constant."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=n_rows), rng.integers(0, 3, size=n_rows), np.ones(n_rows)
    return offset + spread * np.column_stack(columns)


def assert_same_scaler(found, expected, X):
    # What separates the scales is 1e-12; the location is rounded to a float64 once.
    np.testing.assert_allclose(found.scale_, expected.scale_, rtol=1e-12)
    bound = 1e-12 + 4 * EPS * np.abs(X).max() / expected.scale_.min()
    if hasattr(expected, "data_range_"):  # there scale_ multiplies
        bound = 1e-12 + 4 * EPS * np.abs(X).max() * expected.scale_.max()
    np.testing.assert_allclose(found.transform(X), expected.transform(X), atol=bound)


@given(kinds, seeds, few_rows, offsets, spreads, st.lists(st.integers(0, 40), max_size=5))
def test_merge_and_stream_under_any_chunking_equal_one_fit(name, seed, n, offset, spread, cuts):
    X = drawn(seed, n, offset, spread)
    parts = [part for part in np.split(X, sorted(cut for cut in cuts if cut <= n)) if len(part)]
    whole = getattr(sks, name)().fit(X)
    assert_same_scaler(sks.merge([getattr(sks, name)().fit(part) for part in parts]), whole, X)
    assert_same_scaler(getattr(sks, name)().fit_batches(parts), whole, X)
    going_on = getattr(sks, name)()
    for part in parts:
        going_on.partial_fit(part)
    assert_same_scaler(going_on, whole, X)


@given(kinds, seeds, few_rows, offsets, spreads)
def test_the_order_of_rows_does_not_matter(name, seed, n, offset, spread):
    X = drawn(seed, n, offset, spread)
    shuffled = np.random.default_rng(seed).permutation(X)
    assert_same_scaler(getattr(sks, name)().fit(shuffled), getattr(sks, name)().fit(X), X)


@given(kinds, seeds, few_rows, offsets, spreads)
def test_whole_weights_equal_repetition(name, seed, n, offset, spread):
    X = drawn(seed, n, offset, spread)
    weight = np.random.default_rng(seed).integers(0, 4, size=n)
    weight[0] += 1
    repeated = np.repeat(X, weight, axis=0)
    weighted = getattr(sks, name)().fit(X, sample_weight=weight)
    assert_same_scaler(weighted, getattr(sks, name)().fit(repeated), repeated)


@given(kinds, seeds, few_rows, st.integers(1, 6), offsets, spreads)
def test_any_rank_equals_reshaped_rows(name, seed, n, steps, offset, spread):
    rows = drawn(seed, n * steps, offset, spread)
    flat = getattr(sks, name)().fit(rows)
    windows = rows.reshape(n, steps, 3)
    last = getattr(sks, name)().fit(windows)
    first = getattr(sks, name)(axis=1).fit(windows.transpose(0, 2, 1))
    for scaler in (last, first):
        np.testing.assert_allclose(scaler.scale_, flat.scale_, rtol=1e-12)
    back = first.inverse_transform(last.transform(windows).transpose(0, 2, 1))
    np.testing.assert_allclose(back.transpose(0, 2, 1), windows, atol=8 * EPS * np.abs(rows).max())


@given(kinds, seeds, few_rows, st.integers(-66, 66))
def test_the_unit_of_the_data_does_not_matter(name, seed, n, exponent):
    X = drawn(seed, n, 5.0, 1.0)
    here, there = getattr(sks, name)().fit(X), getattr(sks, name)().fit(X * 2.0**exponent)
    np.testing.assert_array_equal(here.constant_features_, there.constant_features_)
    varying = ~here.constant_features_
    np.testing.assert_array_equal(
        there.transform(X * 2.0**exponent)[:, varying], here.transform(X)[:, varying]
    )
