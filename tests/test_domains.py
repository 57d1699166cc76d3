"""Where an inverse is defined: predictions beyond it stay at its end, and say so."""

import warnings

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, QuantileTransformer

from sklearn_keras_scaling import (
    MinMaxScaler,
    ScaledKerasRegressor,
    SquashingScaler,
    StandardScaler,
    certify,
    to_keras,
)
from sklearn_keras_scaling.bridge import inverse_model, map_of
from sklearn_keras_scaling.maps import (
    IDENTITY,
    Affine,
    Chain,
    Function,
    Inverse,
    PerColumn,
    Power,
    Project,
    rows_beyond,
    rows_not_finite,
)
from sklearn_keras_scaling.scaling import HostMap

from .layers import WIDE, gradient

U = np.linspace(0.0, 0.999, 200)
SKEWED = ((1.0 - U) ** -2).reshape(-1, 1)
FAR = np.linspace(-500.0, 500.0, 201).reshape(-1, 1)
TRANSFORMERS = {
    "yeo-johnson": PowerTransformer(),
    "bare": PowerTransformer(standardize=False),
    "box-cox": PowerTransformer("box-cox"),
    "log": FunctionTransformer(np.log, np.exp),
    "log1p": FunctionTransformer(np.log1p, np.expm1),
    "root": FunctionTransformer(np.sqrt, np.square),
    "quantile": QuantileTransformer(n_quantiles=50),
    "standard": StandardScaler(),
    "squash": SquashingScaler(300.0),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_bounded_inverse_is_finite_monotone_and_the_same_inside(name):
    map_ = map_of(TRANSFORMERS[name].fit(SKEWED))
    bounded = map_.bounded()
    inside = np.asarray(map_.forward(SKEWED, np))
    np.testing.assert_array_equal(bounded.inverse(inside, np), map_.inverse(inside, np))
    back = np.asarray(bounded.inverse(FAR, np))
    assert np.isfinite(back).all()
    assert (np.diff(back[:, 0]) >= 0).all()
    low, high = map_.inverse_domain(1)
    assert rows_beyond((low, high), FAR) == ((low > FAR) | (high < FAR)).sum()


def test_maps_without_ends_are_left_as_they_are():
    for map_ in (map_of(StandardScaler().fit(SKEWED)), Chain((Affine(1.0, 2.0), Affine(0.0, 3.0)))):
        assert map_.bounded() is map_


@given(st.floats(-4.0, 4.0), st.floats(-50.0, 50.0), st.floats(0.1, 10.0))
def test_ends_move_with_what_comes_behind(lambda_, loc, scale):
    power = Power([lambda_], is_signed=True)
    low, high = power.inverse_domain(1)
    behind = Chain((power, Affine(loc, scale)))
    ends = behind.inverse_domain(1)
    np.testing.assert_allclose(ends, [(low - loc) / scale, (high - loc) / scale], rtol=1e-12)
    falling = Chain((power, Affine(loc, -scale)))
    np.testing.assert_allclose(falling.inverse_domain(1), [-ends[1], -ends[0]], rtol=1e-12)


def test_each_column_has_its_own_end():
    map_ = PerColumn.of([Power([-0.5], is_signed=True), Affine(0.0, 2.0)])
    low, high = map_.inverse_domain(2)
    assert high[0] == pytest.approx(2.0 * (1.0 - 16 * 2.0**-23), rel=1e-12)  # float32's roundings
    assert np.isinf([low[0], low[1], high[1]]).sum() >= 2
    found = np.asarray(map_.bounded().inverse(np.array([[99.0, 99.0]]), np))
    assert np.isfinite(found).all()
    assert found[0, 1] == 198.0


@pytest.mark.parametrize(
    ("transformer", "expected"),
    [
        (StandardScaler(), 1),
        (FunctionTransformer(np.negative, np.negative), -1),
        (FunctionTransformer(np.reciprocal, np.reciprocal), -1),
        (PowerTransformer(), 1),
        (QuantileTransformer(n_quantiles=50), 1),
        (MinMaxScaler((-1, 1)), 1),
    ],
    ids=["standard", "negative", "reciprocal", "power", "quantile", "minmax"],
)
def test_inverses_rise_or_fall(transformer, expected):
    assert map_of(transformer.fit(SKEWED)).direction(1).tolist() == [expected]


LIMITED = {
    "yeo-johnson below": (PowerTransformer(), -SKEWED),
    "yeo-johnson above": (PowerTransformer(), SKEWED),
    "bare": (PowerTransformer(standardize=False), SKEWED),
    "box-cox above": (PowerTransformer("box-cox"), SKEWED),
    "box-cox below": (PowerTransformer("box-cox"), 1.0 / SKEWED),
    "pipeline": (make_pipeline(PowerTransformer(), MinMaxScaler((-1, 1))), SKEWED),
    "log": (FunctionTransformer(np.log, np.exp), SKEWED),
    "arctanh": (FunctionTransformer(np.tanh, np.arctanh), 1.0 / SKEWED),
    "root": (FunctionTransformer(np.square, np.sqrt), SKEWED),
    "square": (FunctionTransformer(np.sqrt, np.square), SKEWED),
    "squash": (SquashingScaler(), SKEWED),
    "tangent": (FunctionTransformer(np.arctan, np.tan), SKEWED),
}


def limited(name):
    transformer, y = LIMITED[name]
    return map_of(transformer.fit(y)), transformer


@pytest.mark.parametrize("name", LIMITED)
def test_inside_it_is_scikit_learns_inverse_and_beyond_the_end(name):
    map_, transformer = limited(name)
    (low,), (high,) = map_.inverse_domain(1)
    z = np.linspace(max(low, -30.0), min(high, 30.0), 1001)[1:-1, None]
    found = map_.bounded().inverse(z, np)
    np.testing.assert_allclose(found, transformer.inverse_transform(z), rtol=1e-9)
    beyond = np.array([[-np.inf], [-1e300], [1e300], [np.inf]])
    ends = map_.bounded().inverse(beyond, np)[:, 0]
    if np.isfinite(low):
        assert np.isfinite(ends[0])
        assert ends[0] == ends[1] <= found.min()
    if np.isfinite(high):
        assert np.isfinite(ends[3])
        assert ends[3] == ends[2] >= found.max()
    assert np.isnan(map_.bounded().inverse(np.array([[np.nan]]), np)).all()


@pytest.mark.parametrize("name", LIMITED)
def test_graphs_stay_at_the_same_ends_with_finite_gradients(name, tmp_path):
    map_ = limited(name)[0].bounded()
    model = inverse_model(map_, (1,), dtype=WIDE)
    found = keras.ops.convert_to_numpy(model(FAR.astype(WIDE)))
    assert np.isfinite(found).all()
    assert np.isfinite(gradient(model, FAR.astype(WIDE))).all()
    if WIDE == "float64":  # in float32 ends are further inside
        np.testing.assert_allclose(found, map_.inverse(FAR, np), rtol=1e-9)
    model.save(tmp_path / "model.keras")
    assert "sklearn_keras_scaling" not in model.to_json()
    again = keras.saving.load_model(tmp_path / "model.keras")(FAR.astype(WIDE))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(again), found)


@given(st.floats(-6.0, 8.0), st.booleans())
def test_bounded_powers_are_monotone_for_any_exponent(lambda_, is_signed):
    map_ = Power([lambda_], is_signed=is_signed).bounded()
    far = np.geomspace(1e-9, 1e30, 200)
    z = np.concatenate([-far[::-1], [0.0], far]).reshape(-1, 1)
    x = map_.inverse(z, np)
    assert np.isfinite(x).all()
    # Neighbours that differ little may change places by a rounding.
    assert (np.diff(x[:, 0]) >= -4 * np.finfo(float).eps * np.abs(x[1:, 0])).all()
    assert np.isfinite(gradient(inverse_model(map_, (1,), dtype=WIDE), z.astype(WIDE))).all()


def test_a_transformers_own_inverse_is_left_as_it_is():
    map_, transformer = limited("yeo-johnson above")
    exported = to_keras(transformer, inverse=True)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of which it knows nothing better
        expected = transformer.inverse_transform(FAR)
        np.testing.assert_array_equal(np.isnan(map_.inverse(FAR, np)), np.isnan(expected))
    assert np.isnan(expected).any()
    found = keras.ops.convert_to_numpy(exported(FAR))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


def test_rows_are_counted_once_and_roundings_not():
    map_ = PerColumn.of([Power([-0.5], is_signed=True), IDENTITY])
    end = map_.inverse_domain(2)[1][0]
    z = np.array([[end + 1e-7, 0.0], [3.0, 1e30], [np.nan, 0.0], [-1.0, 0.0]])
    assert rows_beyond(map_.inverse_domain(2), z) == 1
    assert rows_beyond(map_.inverse_domain(2), z[:0]) == rows_not_finite(z[:0]) == 0
    one = Power([-0.5], is_signed=True).inverse_domain(1)
    assert rows_beyond(one, np.full((4, 3, 1), 5.0)) == 4
    assert rows_not_finite(z) == 1


def minus_cube(x):
    return -(x**3)


def minus_root(z):
    return -np.cbrt(z)


@pytest.mark.parametrize(
    ("map_", "expected"),
    [
        (Affine([1.0, 2.0], [-1.0, 3.0]), [-1, 1]),
        (Chain((Power([2.0, 0.5], is_signed=True), Affine(0.0, [1.0, -2.0]))), [1, -1]),
        (Inverse(Affine(0.0, [-1.0, 1.0])), [-1, 1]),
        (PerColumn.of([Affine(0.0, -1.0), Function((minus_cube, None), (minus_root, None))]), -1),
        (Function((minus_cube, None), (minus_root, None)), -1),
        (HostMap(FunctionTransformer(minus_cube, minus_root)), -1),
        (HostMap(FunctionTransformer(lambda x: 1 / x, lambda z: 1 / z)), -1),
        (Function((np.sqrt, None), (lambda z: z * z, None)), 1),  # on what roots can be
        (Function((np.sin, None), (np.sin, None)), 0),
        (Project([[0.6, 0.8], [-0.8, 0.6]], 0.0), 0),
        (IDENTITY, 1),
    ],
)
def test_maps_rise_or_fall_with_each_column(map_, expected):
    np.testing.assert_array_equal(map_.direction(2), np.broadcast_to(expected, 2))


def steep(input_shape):
    """What it predicts is the scaled input, whose ends lie far outside of the inverse's domain."""
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(1, kernel_initializer="ones")]
    )


@pytest.mark.parametrize("several", [False, True])
def test_predictions_stay_at_the_end_and_a_warning_says_so(several):
    y = {"a": SKEWED[:, 0], "b": SKEWED} if several else SKEWED[:, 0]
    regressor = ScaledKerasRegressor(
        None if several else steep,
        hidden_layer_sizes=(),
        target_scaler={"a": PowerTransformer(), "b": "standard"} if several else PowerTransformer(),
        metrics=None if several else ["mae"],
        epochs=1,
        optimizer__learning_rate=0.0,
        random_state=0,
    ).fit(U.reshape(-1, 1), y)
    rows = np.array([[-900.0], [0.5], [900.0]])
    name = r"target_scaler\['a'\]" if several else "target_scaler"
    with pytest.warns(UserWarning, match=rf"{name}: \d of 3 rows are predicted beyond the numbers"):
        predicted = regressor.predict(rows)
    exported = to_keras(regressor)(rows)
    for key in ("a", "b") if several else (None,):
        found = predicted[key] if several else predicted
        same = keras.ops.convert_to_numpy(exported[key] if several else exported)
        assert np.isfinite(found).all()
        assert np.isfinite(same).all()
        # In float32 the ends are further inside.
        compared = slice(None) if WIDE == "float64" else slice(1, 2)
        np.testing.assert_allclose(same[compared], found[compared], rtol=1e-5)


def test_metrics_in_target_units_stay_finite_beyond():
    regressor = ScaledKerasRegressor(
        steep, target_scaler=PowerTransformer(), metrics=["mae"], epochs=1, random_state=0
    )
    regressor.fit(U.reshape(-1, 1), SKEWED[:, 0], X_val=[[900.0], [-900.0]], y_val=[1.0, 2.0])
    assert np.isfinite(regressor.history_["val_mae"]).all()


def test_predictions_of_an_unknown_inverse_that_are_not_finite_are_told():
    own = FunctionTransformer(lambda y: y, lambda z: np.where(z > 1.0, np.nan, z))
    regressor = ScaledKerasRegressor(steep, target_scaler=own, epochs=1, random_state=0)
    regressor.fit(U.reshape(-1, 1), U)
    with pytest.warns(
        UserWarning, match=r"target_scaler: the inverse turns \d rows of predictions"
    ):
        regressor.predict([[-900.0], [900.0]])


def test_a_network_that_says_nan_is_no_fault_of_the_scaler():
    own = FunctionTransformer(np.log1p, np.expm1)
    regressor = ScaledKerasRegressor(steep, target_scaler=own, epochs=1, random_state=0)
    regressor.fit(U.reshape(-1, 1), U)
    weights = regressor.network_.get_weights()
    regressor.network_.set_weights([np.full_like(weight, np.nan) for weight in weights])
    with pytest.raises(ValueError, match=r"^The network returns NaN for y in 1 of 1 rows"):
        regressor.predict([[0.5]])


def test_a_certificate_is_of_the_predictions_that_are_not_at_an_end():
    regressor = ScaledKerasRegressor(
        target_scaler=PowerTransformer("box-cox"), epochs=60, random_state=0
    )
    X = U.reshape(-1, 1)
    certificate = certify(regressor.fit(X, SKEWED[:, 0]), to_keras(regressor), X)
    # Alike in size: in units of a prediction at the end, differences would be next to 0.
    assert certificate.within > 1e-3 * certificate.given
    assert certificate.error < 1e-2
