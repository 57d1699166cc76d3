"""Real data of each kind: better than the same network unscaled, and equal to scaling by hand."""

import keras
import numpy as np
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_linnerud,
    load_wine,
)
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from sklearn_keras_scaling import (
    MinMaxScaler,
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    ScalingWarning,
    StandardScaler,
)

EPOCHS = 15
PARAMETERS = {"hidden_layer_sizes": (16,), "epochs": EPOCHS, "random_state": 0}


def diabetes():
    return *load_diabetes(return_X_y=True, scaled=False), {}


def linnerud():
    return *load_linnerud(return_X_y=True), {"batch_size": 4, "epochs": 60}


def series():
    """1,500 rows x 9 columns from 0.1 to 500; windows of 12; the next value of the first one."""
    rng = np.random.default_rng(0)
    time = np.arange(1500)[:, None]
    period, phase = rng.uniform(20, 90, size=9), rng.uniform(0, 6, size=9)
    waves = np.sin(2 * np.pi * time / period + phase) + 0.1 * rng.normal(size=(1500, 9))
    low, high = np.geomspace(0.1, 50, 9), np.geomspace(1, 500, 9)
    unit = (waves - waves.min(axis=0)) / np.ptp(waves, axis=0)
    table = low + unit * (high - low)
    windows = np.lib.stride_tricks.sliding_window_view(table, 12, axis=0)[:-1].transpose(0, 2, 1)
    return windows, table[12:, 8], {"model": recurrent, "epochs": 5}


def recurrent(input_shape, output_shape):
    layers = [keras.layers.LSTM(16), keras.layers.Dense(*output_shape)]
    return keras.Sequential([keras.Input(input_shape), *layers])


def wine():
    return *load_wine(return_X_y=True), {}


def breast_cancer():
    return *load_breast_cancer(return_X_y=True), {"epochs": 5}


def digits(axis):
    X, y = load_digits(return_X_y=True)
    bright = X.reshape(-1, 8, 8, 1) * 16.0 + 1000.0  # as a sensor counts
    images = bright if axis == -1 else np.moveaxis(bright, 3, 1)
    return images, y, {"epochs": 4, "input_scaler": StandardScaler(axis=axis)}


def digits_channel_last():
    return digits(-1)


def digits_channel_first():
    return digits(1)


REGRESSIONS = [diabetes, linnerud, series]
CLASSIFICATIONS = [wine, breast_cancer, digits_channel_last, digits_channel_first]


def parts(case):
    X, y, own = case()
    shuffle = case is not series  # the future is not for training
    labels = y if case in CLASSIFICATIONS else None
    split = train_test_split(X, y, random_state=0, shuffle=shuffle, stratify=labels)
    return *split, {**PARAMETERS, **own}


@pytest.mark.parametrize("case", REGRESSIONS)
def test_regressions(case):
    X, X_test, y, y_test, parameters = parts(case)
    scaled = ScaledKerasRegressor(**parameters).fit(X, y)
    raw = ScaledKerasRegressor(**parameters, input_scaler=None, target_scaler=None).fit(X, y)
    assert scaled.score(X_test, y_test) > raw.score(X_test, y_test)
    mean, sd = (f(X, axis=tuple(range(X.ndim - 1))) for f in (np.mean, np.std))
    by_hand = ScaledKerasRegressor(**parameters, input_scaler=None, target_scaler=None)
    by_hand.fit((X - mean) / sd, (y - y.mean(axis=0)) / y.std(axis=0))
    predicted = by_hand.predict((X_test - mean) / sd) * y.std(axis=0) + y.mean(axis=0)
    difference = np.abs(scaled.predict(X_test) - predicted) / y.std(axis=0)
    # The same float32 inputs, but for roundings of float64: training spreads them a little.
    assert difference.max() < 1e-3
    assert scaled.score(X_test, y_test) == pytest.approx(r2_score(y_test, predicted), abs=1e-3)


@pytest.mark.parametrize("case", CLASSIFICATIONS)
def test_classifications(case):
    X, X_test, y, y_test, parameters = parts(case)
    scaled = ScaledKerasClassifier(**parameters).fit(X, y)
    unscaled = {**parameters, "input_scaler": None}
    with pytest.warns(ScalingWarning, match="unscaled"):
        raw = ScaledKerasClassifier(**unscaled).fit(X, y)
    assert scaled.score(X_test, y_test) > raw.score(X_test, y_test)
    Z, Z_test = (scaled.input_scaler_.transform(data) for data in (X, X_test))
    by_hand = ScaledKerasClassifier(**unscaled).fit(Z, y)
    p, p_by_hand = scaled.predict_proba(X_test), by_hand.predict_proba(Z_test)
    assert np.abs(p - p_by_hand).max() < 1e-3


def test_channel_first_and_last_are_the_same_images():
    last, first = (MinMaxScaler(axis=axis).fit(digits(axis)[0]) for axis in (-1, 1))
    np.testing.assert_array_equal(last.data_max_, first.data_max_)
