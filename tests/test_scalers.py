import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import preprocessing
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import sklearn_keras_scaling as sks

NAMES = ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"]
VARIANTS = [
    ("StandardScaler", {}),
    ("StandardScaler", {"with_mean": False}),
    ("StandardScaler", {"with_std": False}),
    ("StandardScaler", {"with_mean": False, "with_std": False}),
    ("MinMaxScaler", {}),
    ("MinMaxScaler", {"feature_range": (-1, 1)}),
    ("MinMaxScaler", {"feature_range": (0.1, 0.9), "clip": True}),
    ("MaxAbsScaler", {}),
    ("RobustScaler", {}),
    ("RobustScaler", {"with_centering": False, "quantile_range": (10.0, 90.0)}),
    ("RobustScaler", {"with_scaling": False}),
    ("RobustScaler", {"unit_variance": True}),
]


def both(name, **parameters):
    return getattr(sks, name)(**parameters), getattr(preprocessing, name)(**parameters)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(60, 4)) * [1, 20, 300, 4e3] + [0, 5, -50, 1e4]


@pytest.mark.parametrize(("name", "parameters"), VARIANTS)
def test_equals_scikit_learn_on_2d_data(name, parameters, X):
    ours, theirs = both(name, **parameters)
    ours.fit(X), theirs.fit(X)
    unseen = X * 1.5
    for fitted in (key for key in vars(theirs) if key.endswith("_")):
        np.testing.assert_array_equal(getattr(ours, fitted), getattr(theirs, fitted))
    np.testing.assert_allclose(ours.transform(unseen), theirs.transform(unseen), atol=1e-13)
    z = theirs.transform(unseen)
    np.testing.assert_allclose(ours.inverse_transform(z), theirs.inverse_transform(z), rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
)
def test_dtypes_are_kept_as_scikit_learn_keeps_them(name, dtype):
    X = (np.random.default_rng(0).normal(size=(40, 3)) * 30 + 40).clip(0, 120).astype(dtype)
    ours, theirs = (scaler.fit(X) for scaler in both(name))
    expected = theirs.transform(X)
    found = ours.transform(X)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, atol=8 * np.finfo(expected.dtype).eps)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e6])
def test_inverse_after_forward_is_the_identity_in_both_units(name, offset, spread):
    X = offset + spread * np.random.default_rng(0).normal(size=(50, 2))
    scaler = getattr(sks, name)().fit(X)
    Z = scaler.transform(X)
    back = scaler.inverse_transform(Z)
    raw_bound = 4 * np.finfo(float).eps * np.abs(X).max()
    assert np.abs(back - X).max() <= raw_bound
    unit = np.ptp(X) / np.ptp(Z)  # what 1 in scaled space is in raw units
    assert np.abs(scaler.transform(back) - Z).max() <= 2 * raw_bound / unit


def test_min_max_is_closer_to_exact_arithmetic_than_multiply_add():
    X = 1e9 + np.random.default_rng(0).uniform(size=(100, 1))
    low, high = (Fraction(float(v)) for v in (X.min(), X.max()))
    exact = np.array([[float((Fraction(float(v)) - low) / (high - low))] for v in X.ravel()])
    ours, theirs = (scaler.fit(X) for scaler in both("MinMaxScaler"))
    assert np.abs(ours.transform(X) - exact).max() <= 4 * np.finfo(float).eps
    assert np.abs(theirs.transform(X) - exact).max() > 1e-9
    # scikit-learn's own rounding is all that separates the two.
    bound = 4 * np.finfo(float).eps * np.abs(theirs.min_)
    assert (np.abs(ours.transform(X) - theirs.transform(X)) <= bound).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_column_neither_explodes_nor_is_lost(name):
    X = np.column_stack([np.full(30, 3.0), np.arange(30.0)])
    scaler = getattr(sks, name)().fit(X)
    near = np.array([[3.001, 5.0]])
    assert np.abs(scaler.transform(near)).max() < 2  # Keras's Normalization: 9999
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(near)), near, rtol=1e-15)


def test_a_real_column_of_tiny_spread_is_scaled():
    X = np.random.default_rng(0).normal(size=(1000, 1)) * 1e-9
    assert sks.StandardScaler().fit_transform(X).std() == pytest.approx(1)  # Keras's: 0.01


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_ignored_in_fit_and_kept_in_transform(name, X):
    holes = X.copy()
    holes[::7, 1] = np.nan
    ours, theirs = (scaler.fit(holes) for scaler in both(name))
    np.testing.assert_allclose(ours.transform(holes), theirs.transform(holes), atol=1e-13)
    assert np.isnan(ours.inverse_transform(ours.transform(holes))[::7, 1]).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: X[:, ::-1][:, ::-1],
        lambda X: np.array(X).view(type("Sub", (np.ndarray,), {})),
    ],
    ids=["fortran", "strided", "reversed", "subclass"],
)
def test_memory_layout_does_not_matter(name, arrange, X):
    expected = getattr(sks, name)().fit_transform(X)
    np.testing.assert_allclose(getattr(sks, name)().fit_transform(arrange(X)), expected, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_read_only_and_memory_mapped_arrays_are_left_alone(name, X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    scaler = getattr(sks, name)().fit(mapped)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(mapped)), X, rtol=1e-12)
    np.testing.assert_array_equal(mapped, X)


def test_copy_false_scales_in_place(X):
    data = X.copy()
    scaled = sks.StandardScaler(copy=False).fit_transform(data)
    assert np.shares_memory(scaled, data)
    other = X.copy()
    sks.StandardScaler().fit(other).transform(other, copy=False)
    np.testing.assert_array_equal(other, data)


@pytest.mark.parametrize("name", ["MaxAbsScaler", "StandardScaler", "RobustScaler"])
def test_sparse_matrices_stay_sparse(name):
    X = sparse.random(50, 4, density=0.5, random_state=0, format="csr")
    centred = {"StandardScaler": "with_mean", "RobustScaler": "with_centering"}
    parameters = {centred[name]: False} if name in centred else {}
    ours, theirs = (scaler.fit(X) for scaler in both(name, **parameters))
    assert sparse.issparse(ours.transform(X))
    np.testing.assert_array_equal(ours.transform(X).toarray(), theirs.transform(X).toarray())
    np.testing.assert_allclose(
        ours.inverse_transform(ours.transform(X)).toarray(), X.toarray(), rtol=1e-14
    )


@pytest.mark.parametrize("name", NAMES)
def test_pandas_names_go_in_and_out(name, X):
    frame = pd.DataFrame(X, columns=list("abcd"))
    scaler = getattr(sks, name)().set_output(transform="pandas").fit(frame)
    scaled = scaler.transform(frame)
    assert list(scaled.columns) == list(scaler.get_feature_names_out()) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        scaler.transform(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler", "MaxAbsScaler"])
def test_partial_fit_in_chunks_equals_one_fit(name, X):
    whole, parts = getattr(sks, name)().fit(X), getattr(sks, name)()
    for chunk in (X[:1], X[1:10], X[10:]):
        parts.partial_fit(chunk)
    np.testing.assert_allclose(parts.transform(X), whole.transform(X), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_one_row_is_enough(name):
    assert np.isfinite(getattr(sks, name)().fit([[5.0, -2.0]]).transform([[6.0, 0.0]])).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_errors_name_what_came_and_what_was_expected(name, method, X):
    scaler = getattr(sks, name)()
    with pytest.raises(NotFittedError, match=f"This {name} instance is not fitted yet"):
        getattr(scaler, method)(X)
    scaler.fit(X)
    with pytest.raises(ValueError, match=f"X has 3 features, but {name} is expecting 4"):
        getattr(scaler, method)(X[:, :3])
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        getattr(scaler, method)(X[:0])
    with pytest.raises(ValueError, match="could not convert string to float"):
        getattr(scaler, method)([["a", "b", "c", "d"]])


@pytest.mark.parametrize("name", NAMES)
def test_clone_pickle_and_pipeline(name, X):
    pipeline = make_pipeline(clone(getattr(sks, name)())).fit(X)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.transform(X), pipeline.transform(X))


def test_scalers_import_no_keras():
    code = (
        "import sys; from sklearn_keras_scaling import StandardScaler, RobustScaler; "
        "StandardScaler().fit_transform([[1.0], [2.0]]); "
        "sys.exit(bool({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
