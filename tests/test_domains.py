"""Where an inverse is defined: predictions beyond it stay at its end, and say so."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, QuantileTransformer

from sklearn_keras_scaling import MinMaxScaler, ScaledKerasRegressor, StandardScaler, to_keras
from sklearn_keras_scaling.bridge import map_of
from sklearn_keras_scaling.maps import Affine, Chain, PerColumn, Power, rows_beyond

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
    assert rows_beyond(map_, FAR) == ((low > FAR) | (high < FAR)).sum()


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
    assert high[0] == pytest.approx(2.0)
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
        np.testing.assert_allclose(same, found, rtol=1e-5)


def test_metrics_in_target_units_stay_finite_beyond():
    regressor = ScaledKerasRegressor(
        steep, target_scaler=PowerTransformer(), metrics=["mae"], epochs=1, random_state=0
    )
    regressor.fit(U.reshape(-1, 1), SKEWED[:, 0], X_val=[[900.0], [-900.0]], y_val=[1.0, 2.0])
    assert np.isfinite(regressor.history_["val_mae"]).all()
