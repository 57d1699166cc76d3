"""``input_scaler="batchnorm"``: the layer scales in training, its moving statistics afterwards."""

import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.base import clone

from sklearn_keras_scaling import (
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    StandardScaler,
    to_keras,
)

RNG = np.random.default_rng(0)
X = RNG.normal([20.0, -3.0], [5.0, 0.5], size=(64, 2))
Y = X[:, 0] + 10.0 * X[:, 1]
KEEPS = 0.5  # of the moving statistics, in a step

# One step an epoch, so that the moving statistics are known in closed form.
WHOLE = {
    "input_scaler": "batchnorm",
    "input_scaler__momentum": KEEPS,
    "batch_size": 64,
    "hidden_layer_sizes": (4,),
    "random_state": 0,
}
# float32 statistics of batches, in raw units
CLOSE = {"rtol": 1e-5}


def moved(steps, data=X):
    """Moving mean and variance after some steps of the whole data, from 0 and 1."""
    left = KEEPS**steps
    axes = tuple(range(data.ndim - 1))
    return (1 - left) * data.mean(axis=axes), left + (1 - left) * data.var(axis=axes)


@pytest.fixture(scope="module")
def fitted():
    return ScaledKerasRegressor(**WHOLE, epochs=12).fit(X, Y)


def test_the_scaler_has_the_moving_statistics(fitted):
    scaler = fitted.input_scaler_
    mean, variance = moved(12)
    np.testing.assert_allclose(scaler.mean_, mean, **CLOSE)
    np.testing.assert_allclose(scaler.var_, variance, **CLOSE)
    np.testing.assert_array_equal(scaler.scale_, np.sqrt(scaler.var_ + 1e-3))
    np.testing.assert_allclose(scaler.statistics_.mean, X.mean(axis=0))
    assert all(isinstance(layer, keras.layers.Dense) for layer in fitted.network_.layers)


def test_the_lag_bounds_what_rows_within_a_standard_deviation_are_off_by(fitted):
    rows = X.mean(axis=0) + np.linspace(-1, 1, 21)[:, None] * X.std(axis=0)
    true = (rows - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-3)
    off = np.abs(fitted.input_scaler_.transform(rows) - true).max(axis=0)
    assert (off <= fitted.input_scaler_.lag_ * (1 + 1e-9)).all()
    assert (off > 0.4 * fitted.input_scaler_.lag_).all()


def test_it_trains_as_the_layer_in_front_does():
    regressor = ScaledKerasRegressor(**WHOLE, epochs=3, validation_split=0.25, metrics=["mae"])
    with pytest.warns(UserWarning, match="lag behind"):
        regressor.fit(X, Y)
    start = ScaledKerasRegressor(**{**WHOLE, "epochs": 1, "optimizer__learning_rate": 0.0})
    with pytest.warns(UserWarning, match="lag behind"):
        start.fit(X, Y)  # the first weights: of the same seed
    layer = keras.layers.BatchNormalization(center=False, scale=False, momentum=KEEPS)
    by_hand = keras.Sequential([keras.Input((2,)), layer, start.network_])
    by_hand.compile("adam", "mse")
    scaled = StandardScaler().fit_transform(Y.reshape(-1, 1))
    whole = clone(regressor).set_params(validation_split=0.0)
    with pytest.warns(UserWarning, match="lag behind"):
        whole.fit(X, Y)
    found = by_hand.fit(X, scaled, batch_size=64, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(whole.history_["loss"], found.history["loss"], rtol=1e-5)
    assert list(regressor.history_) == ["loss", "mae", "val_loss", "val_mae"]


def test_a_scaler_that_lags_is_told():
    with pytest.warns(UserWarning, match=r"input_scaler_: moving statistics lag behind"):
        ScaledKerasRegressor(**WHOLE, epochs=1).fit(X, Y)


def test_lag_is_that_of_the_layer_alone():
    data = np.column_stack([X[:, 0], 1e-3 * X[:, 1], np.full(64, 1e4)])  # small, and constant
    weight = np.where(Y.mean() < Y, 1.0, 1e-3)  # which the layer does not see
    fitted = ScaledKerasRegressor(**WHOLE, epochs=40).fit(data, Y, sample_weight=weight)
    assert fitted.input_scaler_.lag_.max() < 1e-3
    np.testing.assert_array_equal(fitted.input_scaler_.transform(data)[:, 2], 0.0)


def test_it_ships_as_any_scaler_does(fitted):
    found = to_keras(fitted).predict(X, verbose=0).ravel()
    np.testing.assert_allclose(found, fitted.predict(X), rtol=1e-5)
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.predict(X), fitted.predict(X))


def test_it_goes_on_where_it_was():
    regressor = ScaledKerasRegressor(**WHOLE, epochs=12, warm_start=True).fit(X, Y)
    with pytest.warns(
        UserWarning, match="lag behind those of the rows that the scaler was fitted on"
    ):
        regressor.set_params(epochs=3).fit(X + 4.0, Y)
    mean, _ = moved(12)
    expected = KEEPS**3 * mean + (1 - KEEPS**3) * (X + 4.0).mean(axis=0)
    np.testing.assert_allclose(regressor.input_scaler_.mean_, expected, **CLOSE)
    with pytest.warns(UserWarning, match="lag behind"):
        regressor.set_params(update_scalers=True).partial_fit(X + 4.0, Y)
    expected = KEEPS * expected + (1 - KEEPS) * (X + 4.0).mean(axis=0)
    np.testing.assert_allclose(regressor.input_scaler_.mean_, expected, **CLOSE)
    np.testing.assert_allclose(regressor.input_scaler_.statistics_.mean, X.mean(axis=0) + 2.0)


def test_of_several_inputs_each_has_its_own():
    def network(input_shape, output_shape):
        inputs = {name: keras.Input(shape, name=name) for name, shape in input_shape.items()}
        history = keras.layers.Flatten()(inputs["history"])
        joined = keras.layers.Concatenate()([history, inputs["site"]])
        return keras.Model(
            inputs, {name: keras.layers.Dense(1, name=name)(joined) for name in output_shape}
        )

    history = RNG.normal([3.0, 50.0], [1.0, 9.0], size=(64, 5, 2))
    inputs = {"history": history, "site": X}
    regressor = ScaledKerasRegressor(
        network,
        input_scaler={"history": "batchnorm", "site": "standard"},
        input_scaler__history__momentum=KEEPS,
        epochs=12,
        batch_size=64,
        metrics=["mae"],
        random_state=0,
    ).fit(inputs, {"a": Y, "b": -Y})
    scaler = regressor.input_scaler_["history"]
    np.testing.assert_allclose(scaler.mean_, moved(12, history)[0], **CLOSE)
    np.testing.assert_allclose(regressor.input_scaler_["site"].mean_, X.mean(axis=0))
    assert {"loss", "a_mae", "b_mae"} <= set(regressor.history_)
    found = keras.tree.map_structure(keras.ops.convert_to_numpy, to_keras(regressor)(inputs))
    for name, expected in regressor.predict(inputs).items():
        np.testing.assert_allclose(np.ravel(found[name]), expected, rtol=1e-4, atol=1e-4)


def test_classifiers_and_streams_have_it_too():
    data = tf.data.Dataset.from_tensor_slices((X, Y.mean() < Y)).batch(64)
    classifier = ScaledKerasClassifier(**WHOLE, epochs=12).fit(data)
    np.testing.assert_allclose(classifier.input_scaler_.mean_, moved(12)[0], **CLOSE)


class Own(keras.Model):
    def __init__(self, output_shape):
        super().__init__()
        self.dense = keras.layers.Dense(*output_shape)

    def call(self, inputs):
        return self.dense(inputs)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": Own}, r"input_scaler='batchnorm' puts a layer in front.* got Own\. Put a Batch"),
        ({"target_scaler": "batchnorm"}, r"target_scaler='batchnorm' is no known scaler"),
        ({"input_scaler__momentum": 1.5}, r"'momentum' parameter of BatchNormScaler must be"),
        ({"input_scaler": ["batchnorm", None]}, r"'batchnorm' scales a whole input inside"),
        ({"input_scaler__axis": 1}, r"input_scaler__axis: BatchNormScaler has no parameter 'axis'"),
    ],
)
def test_what_it_cannot_do_is_told(parameters, message):
    routed = {} if "input_scaler" in parameters else WHOLE
    regressor = ScaledKerasRegressor(**{**routed, **parameters, "epochs": 1})
    before = dict(vars(regressor))
    with pytest.raises((TypeError, ValueError), match=message):
        regressor.fit(X, Y)
    assert vars(regressor) == before
