"""SquashingScaler: skrub's numbers, outliers and infinities, the inverse, networks, skrub's own."""

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.pipeline import make_pipeline

from sklearn_keras_scaling import (
    ScaledKerasRegressor,
    SquashingScaler,
    UnsupportedTransformerError,
    certify,
    fold,
    register_map,
    to_keras,
)
from sklearn_keras_scaling.bridge import _registry, map_of
from sklearn_keras_scaling.maps import Affine, Squash

from . import ONE_EPOCH, squashing
from .layers import WIDE, gradient

EPS = np.finfo(float).eps
EDGE = np.array([[np.inf], [-np.inf], [np.nan]])
#: Of float32, and beyond what its squares can be.
HUGE = np.array([0.0, 1e-30, 1.0, 1e3, 1e10, 1e19, 1e30, 3e38], dtype=np.float32).reshape(-1, 1)
HUGE = np.concatenate([HUGE, -HUGE])


def drawn(seed, n=40):
    """Columns: normal, of heavy tails, constant, rare ones, few values, far from 0; with holes."""
    rng = np.random.default_rng(seed)
    X = np.column_stack(
        [
            rng.normal(size=n),
            50.0 + 1e3 * rng.standard_cauchy(n),
            np.full(n, 7.0),
            (rng.random(n) < 0.2).astype(float),
            rng.integers(0, 3, size=n),
            1e8 + rng.normal(size=n),
        ]
    )
    for value in (np.nan, np.inf, -np.inf):
        X[rng.random(X.shape) < 0.05] = value
    X[:2] = np.arange(2.0)[:, None]
    return X


def call(model, x):
    return keras.ops.convert_to_numpy(model(x))


bounds = st.floats(0.1, 30.0)
ranges = st.sampled_from([(25.0, 75.0), (5.0, 95.0), (10.0, 60.0)])


@given(seed=st.integers(0, 2**32 - 1), bound=bounds, quantile_range=ranges)
def test_it_computes_skrubs_formula(seed, bound, quantile_range):
    X = drawn(seed)
    both = SquashingScaler, squashing.SquashingScaler
    ours, theirs = (scaler(bound, quantile_range).fit(X) for scaler in both)
    rows = np.concatenate([X, 3.0 * X[::-1], np.full_like(X[:1], 1e100)])
    # Roundings of both ways, each of at most the bound; the median is rounded once.
    offset = EPS * np.abs(ours.center_) / ours.scale_
    found, expected = ours.transform(rows), theirs.transform(rows)
    assert (np.isnan(found) == np.isnan(expected)).all()
    assert (np.nan_to_num(np.abs(found - expected)) <= 8 * EPS * bound + offset).all()
    Z = np.where(np.abs(expected) < 0.99 * bound, expected, np.nan)
    back, expected = ours.inverse_transform(Z), theirs.inverse_transform(Z)
    # Squares cancel next to the bound: 1 / (1 - 0.99**2) roundings of the formula's inverse.
    slack = 100 * EPS * np.abs(expected - ours.center_) + EPS * np.abs(ours.center_)
    assert (np.nan_to_num(np.abs(back - expected) - slack) <= 0.0).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_infinities_become_the_bounds_and_bounds_infinities(dtype):
    X = np.concatenate([np.arange(9.0).reshape(-1, 1), EDGE]).astype(dtype)
    scaler = SquashingScaler(2.0).fit(X)
    assert scaler.center_ == 4.0
    assert scaler.scale_ == 4.0
    Z = scaler.transform(X)
    np.testing.assert_array_equal(Z[-3:], [[2.0], [-2.0], [np.nan]])
    np.testing.assert_array_equal(scaler.inverse_transform(Z[-3:]), EDGE)
    assert np.isnan(scaler.inverse_transform(np.array([[2.5], [-9.0]], dtype))).all()
    with pytest.raises(ValueError, match="Input X contains infinity"):
        scaler.inverse_transform(EDGE)
    in_place = np.tile(X, (3, 1))
    found = SquashingScaler(2.0, copy=False).fit(X).transform(in_place)
    assert np.shares_memory(found, in_place)
    np.testing.assert_array_equal(found, np.tile(Z, (3, 1)))


def test_columns_without_spread_between_the_quartiles():
    rare = np.r_[np.zeros(8), 4.0, -2.0]
    X = np.column_stack([rare, np.full(10, 5.0), rare * 1e-30])
    scaler = SquashingScaler().fit(X)
    np.testing.assert_allclose(scaler.scale_, [3.0, 1.0, 3e-30])
    assert scaler.constant_features_.tolist() == [False, True, False]
    Z = scaler.transform(X)
    assert not Z[:, 1].any()
    np.testing.assert_array_equal(Z[:, 2], Z[:, 0])  # whatever the unit
    other = np.array([[0.0, 6.0, 0.0]])  # of a constant column, which comes back
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(other)), other)


@given(x=st.floats(-1e300, 1e300), bound=bounds)
def test_the_map_rises_stays_within_and_comes_back(x, bound):
    map_ = Squash(bound)
    x, beside = np.array([x]), np.nextafter([x], np.inf)
    z = map_.forward(x, np)
    assert np.abs(z) <= bound
    assert map_.forward(beside, np) >= z - EPS * bound
    np.testing.assert_array_equal(map_.forward(-x, np), -z)
    if abs(x[0]) < 1e3 * bound:  # a rounding of z is so many of x
        slack = 8 * EPS * np.abs(x) * (1.0 + (x / bound) ** 2)
        assert np.abs(map_.inverse(z, np) - x) <= slack + 1e-300


def test_a_graph_neither_overflows_nor_loses_its_slope():
    scaler = SquashingScaler().fit(np.arange(9.0).reshape(-1, 1))
    model = to_keras(scaler)
    rows = np.concatenate([HUGE, EDGE]).astype(np.float32)
    # In float32 arithmetic, as on JAX without x64, within 6 half steps of the bound.
    np.testing.assert_allclose(call(model, rows), scaler.transform(rows), atol=6 * 3 * 2.0**-24)
    map_ = map_of(scaler)
    for x in (HUGE, HUGE.astype(WIDE), EDGE[:2].astype(WIDE)):
        assert np.isfinite(gradient(lambda x: map_.forward(x, keras.ops), x)).all()


def test_scaling_that_is_not_affine_is_not_folded():
    scaler = SquashingScaler().fit(drawn(0)[:, :5])
    network = keras.Sequential([keras.Input((5,)), to_keras(scaler), keras.layers.Dense(2)])
    folded, report = fold(network)
    # Behind it, the bound is a factor, which the weights take.
    ((factor,),) = (place.scaling for place in report.folded)
    assert factor.startswith("multiply")
    assert report.kept[0].scaling[0].startswith("subtract")
    x = np.zeros((1, 5), dtype=np.float32)
    np.testing.assert_allclose(call(folded, x), call(network, x), rtol=1e-5)


def test_scaling_by_name_of_inputs_and_targets_trains_and_ships(diabetes):
    X, y = diabetes
    y = np.where(np.arange(len(y)) % 50 == 0, 1e3 * y, y)
    regressor = ScaledKerasRegressor(input_scaler="squash", target_scaler="squash", **ONE_EPOCH)
    regressor.set_params(input_scaler__max_absolute_value=2.0).fit(X, y)
    assert isinstance(regressor.input_scaler_, SquashingScaler)
    assert regressor.input_scaler_.max_absolute_value == 2.0
    assert regressor.network_.layers[-1].activation.__name__ == "linear"
    predicted = call(to_keras(regressor), X).reshape(-1)
    np.testing.assert_allclose(predicted, regressor.predict(X), rtol=1e-3)


def test_predictions_beyond_the_bound_stay_next_to_it(diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(target_scaler="squash", **ONE_EPOCH).fit(X, y)
    layer = regressor.network_.layers[-1]
    layer.set_weights([layer.get_weights()[0], np.array([50.0])])
    with pytest.warns(UserWarning, match=r"target_scaler: 442 of 442 rows are predicted beyond"):
        predicted = regressor.predict(X)
    scaler = regressor.target_scaler_
    end = np.asarray(map_of(scaler).bounded().inverse(np.array([[50.0]]), np))
    np.testing.assert_array_equal(predicted, np.full(len(X), end.item()))
    assert 400 < (end.item() - scaler.center_) / scaler.scale_ / 3.0 < 600


BAD = {
    "sparse": (lambda: SquashingScaler().fit(sparse.eye(3, format="csr")), TypeError,
               r"SquashingScaler takes NumPy arrays, .* got a csr_matrix.*pass X\.toarray\(\)"),
    "bound": (lambda: SquashingScaler(0.0).fit(np.eye(3)), ValueError, "'max_absolute_value'"),
    "infinite": (lambda: SquashingScaler(np.inf).fit(np.eye(3)), ValueError, "'max_absolute_va"),
    "range": (lambda: SquashingScaler(quantile_range=(80.0, 20.0)).fit(np.eye(3)), ValueError,
              "Invalid quantile range"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_it_does_not_take_is_explained(case):
    make, error, message = BAD[case]
    with pytest.raises(error, match=message):
        make()
    fitted = SquashingScaler().fit(np.eye(3))
    for method in (fitted.partial_fit, fitted.transform, fitted.inverse_transform):
        with pytest.raises(TypeError, match="takes NumPy arrays"):
            method(sparse.eye(3, format="csr"))


# skrub's own


@pytest.fixture(scope="module")
def skrub():
    return pytest.importorskip("skrub", reason="an optional package")


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    columns = {
        "a": rng.normal(size=60),
        "code": rng.integers(0, 9, size=60),
        "constant": 1.0,
        "far": 1e8 + rng.normal(size=60),
        "rare": np.where(np.arange(60) % 9 == 0, 3.5, 0.0),
        "missing": np.where(rng.random(60) < 0.2, np.nan, rng.standard_cauchy(60)),
    }
    return pd.DataFrame(columns)


@pytest.mark.parametrize("bound", [1.0, 3.0])
def test_skrubs_scaler_has_our_numbers_and_a_graph(skrub, bound, frame):
    X = frame.drop(columns=[] if WIDE == "float64" else ["far"]).to_numpy()
    theirs = skrub.SquashingScaler(bound).fit(X)
    ours = SquashingScaler(**theirs.get_params()).fit(X)
    rows = np.concatenate([X, 2.0 * X, np.full_like(X[:1], np.inf)])
    expected = theirs.transform(rows)
    np.testing.assert_allclose(map_of(theirs).forward(rows, np), expected, atol=8 * EPS * bound)
    varying = ~ours.constant_features_
    found = ours.transform(rows)[:, varying]
    np.testing.assert_allclose(found, expected[:, varying], atol=8 * EPS * bound)
    np.testing.assert_array_equal(ours.transform(X)[:, ~varying], 0.0)
    certificate = certify(theirs, to_keras(theirs, dtype=WIDE))
    assert certificate.within < (1e-12 if WIDE == "float64" else 1e-3)
    with pytest.raises(ValueError, match="SquashingScaler has none"):
        to_keras(theirs, inverse=True)


def test_a_table_vectorizer_of_numbers_has_a_graph(skrub, frame):
    empty = frame.assign(empty=np.nan)  # which it drops
    for numeric in (skrub.SquashingScaler(), "passthrough"):
        vectorizer = skrub.TableVectorizer(numeric=numeric)
        expected = vectorizer.fit_transform(empty).to_numpy()
        found = call(to_keras(vectorizer), empty.to_numpy())
        # It computes in float32.
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    columns = to_keras(vectorizer, inputs="columns")
    assert list(columns.input) == list(frame)
    vectorizer.fit(frame.assign(text=["yes", "no"] * 30))
    with pytest.raises(UnsupportedTransformerError, match="column 'text' of the kind 'low_card"):
        to_keras(vectorizer)


def test_skrub_before_a_regressor_ships_with_it(skrub, frame):
    X = frame.drop(columns="missing")
    regressor = ScaledKerasRegressor(input_scaler=None, **ONE_EPOCH)
    pipeline = make_pipeline(skrub.TableVectorizer(), skrub.SquashingScaler(), regressor)
    pipeline.fit(X, frame["a"])
    found = call(to_keras(pipeline), X.to_numpy()).reshape(-1)
    np.testing.assert_allclose(found, pipeline.predict(X), atol=1e-5)


def test_a_class_is_registered_by_the_name_of_its_package(monkeypatch):
    monkeypatch.setattr(_registry, "_MAPS", dict(_registry._MAPS))

    class Doubling(squashing.SquashingScaler):
        def transform(self, X):
            return 2.0 * np.asarray(X)

    Doubling.__module__, Doubling.__qualname__ = "some_package._somewhere", "Doubling"
    fitted = Doubling().fit(np.eye(2))
    with pytest.raises(UnsupportedTransformerError, match=r"Supported: .*skrub\.SquashingScaler"):
        to_keras(fitted)
    register_map("some_package.Doubling")(lambda _: Affine(0.0, 0.5))
    np.testing.assert_array_equal(call(to_keras(fitted), np.ones((1, 2))), [[2.0, 2.0]])
