"""Windows of series, and ``input_scaler="instance"`` for series whose level drifts."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

from sklearn_keras_scaling import (
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    make_windows,
    to_keras,
)

SERIES = np.arange(30.0).reshape(10, 3)
FRAME = pd.DataFrame(SERIES, columns=["a", "b", "c"])


@pytest.mark.parametrize("horizon", [1, 2, 7])
@pytest.mark.parametrize(
    ("series", "target", "columns"),
    [
        (SERIES, None, [0, 1, 2]),
        (SERIES, 1, 1),
        (SERIES, -1, 2),
        (SERIES, [2, 0], [2, 0]),
        (FRAME, "b", 1),
        (FRAME, ["c"], [2]),
        (FRAME, pd.Index(["c", "a"]), [2, 0]),
        (SERIES, np.array([1]), [1]),
        (SERIES[:, 0], None, 0),
    ],
)
def test_windows_and_what_follows(series, target, columns, horizon):
    X, y = make_windows(series, 3, horizon=horizon, target=target)
    table = np.asarray(series).reshape(10, -1)
    assert X.shape == (10 - 3 - horizon + 1, 3, table.shape[1])
    for i, window in enumerate(X):
        np.testing.assert_array_equal(window, table[i : i + 3])
        following = table[i + 3 : i + 3 + horizon, columns]
        np.testing.assert_array_equal(y[i], following[0] if horizon == 1 else following)
    assert len(y) == len(X)


def test_windows_are_views():
    X, y = make_windows(SERIES, 3, target=0)
    assert np.shares_memory(X, SERIES)
    assert not X.flags.writeable
    assert y.shape == (7,)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((SERIES, 0), ValueError, r"length must be at least 1, got 0"),
        ((SERIES, 2.0), TypeError, r"length must be a whole number, got 2\.0"),
        ((SERIES, True), TypeError, r"length must be a whole number, got True"),
        ((SERIES, 10), ValueError, r"10 steps, fewer than length \+ horizon = 11"),
        ((SERIES[None], 3), ValueError, r"series must have shape \(n_steps,\).*got \(1, 10, 3\)"),
    ],
)
def test_bad_windows(arguments, error, message):
    with pytest.raises(error, match=message):
        make_windows(*arguments)


def test_bad_horizons_and_targets():
    with pytest.raises(ValueError, match=r"horizon must be at least 1, got 0"):
        make_windows(SERIES, 3, horizon=0)
    with pytest.raises(ValueError, match=r"target: there is no column 3; there are 3"):
        make_windows(SERIES, 3, target=3)
    with pytest.raises(ValueError, match=r"target: there is no column 'bb'\. Did you mean 'b'\?"):
        make_windows(FRAME, 3, target=["a", "bb"])
    with pytest.raises(
        ValueError, match=r"target: there are several columns 'a'\. Give its number"
    ):
        make_windows(FRAME.set_axis(["a", "a", "b"], axis=1), 3, target="a")
    with pytest.raises(ValueError, match=r"target: there is no column True; there are 3"):
        make_windows(SERIES, 3, target=True)
    with pytest.raises(ValueError, match=r"target names no column"):
        make_windows(SERIES, 3, target=[])
    with pytest.raises(ValueError, match=r"series must hold numbers, got dtype object"):
        make_windows(FRAME.assign(a="text"), 3)


def drifting(steps=400, slope=0.5):
    """Two waves on a level that rises by many of their heights, in large units."""
    rng = np.random.default_rng(0)
    time = np.arange(steps)
    waves = np.stack([np.sin(time / 3), np.cos(time / 5)], axis=1)
    return 1e3 + slope * time[:, None] * [1.0, -2.0] + 5.0 * waves + rng.normal(0, 0.2, (steps, 2))


LENGTH, TRAIN = 16, 250
QUICK = {"epochs": 40, "hidden_layer_sizes": (32,), "random_state": 0}
PARTS = drifting()[:TRAIN], drifting()[TRAIN:]


def test_a_level_that_was_never_seen():
    (X, y), (X_test, y_test) = (make_windows(part, LENGTH, target=0) for part in PARTS)
    plain = ScaledKerasRegressor(**QUICK).fit(X, y).predict(X_test)
    instance = {"input_scaler": "instance", "input_scaler__features": 0}
    regressor = ScaledKerasRegressor(**QUICK, **instance).fit(X, y)
    found = regressor.predict(X_test)
    last = r2_score(y_test, X_test[:, -1, 0])  # what was seen last
    assert r2_score(y_test, found) > max(last, r2_score(y_test, plain))
    # A level more or less changes nothing but the level: float32 of the scaled numbers.
    moved = regressor.predict(X_test + 1e3) - 1e3
    scaled = np.abs(regressor.input_scaler_.transform(X_test + 1e3)).max()
    scale = regressor.target_scaler_.scale_[0]
    assert np.abs(moved - found).max() < 8 * 2.0**-23 * scaled * scale


@pytest.mark.parametrize("levels", [1e3, 1e5])
def test_levels_far_apart_are_learnt_as_well(levels):
    time = np.arange(50)
    several = [
        make_windows(level + np.sin(time / 3 + k), 12)
        for k, level in enumerate(np.linspace(0, levels, 40))
    ]
    X, y = (np.concatenate(arrays) for arrays in zip(*several, strict=True))
    regressor = ScaledKerasRegressor(**QUICK, input_scaler="instance").fit(X, y.ravel())
    # Of waves of height 1; at 1e5 float32 rounds them to 0.004.
    assert np.abs(regressor.predict(X) - y.ravel()).mean() < 0.02


def test_what_does_not_move_is_forecast_beside_its_level():
    X, y = make_windows(PARTS[0], LENGTH, target=0)
    instance = {"input_scaler": "instance", "input_scaler__features": 0}
    regressor = ScaledKerasRegressor(**QUICK, **instance).fit(X, y)
    still = np.full((2, LENGTH, 2), [[[990.0]], [[1010.0]]])
    moves = regressor.predict(still) - [990.0, 1010.0]
    np.testing.assert_allclose(moves[0], moves[1], atol=1e-3)  # float32 of the level
    assert np.abs(moves).max() < regressor.target_scaler_.scale_[0]


def half_flat(noise=0.0):
    """Half of the series stay at their level, and the other feature says where they go."""
    rng = np.random.default_rng(0)
    level = rng.normal(500.0, 100.0, size=(300, 1))
    flat = np.arange(300) % 2 == 0
    X = rng.normal(size=(300, 12, 2))
    X[..., 0] = level + 5 * np.cumsum(rng.normal(size=(300, 12)), axis=1)
    X[flat, :, 0] = level[flat] + noise * rng.normal(size=(flat.sum(), 12))
    return X, level[:, 0] + 5 * X[:, -1, 1], flat


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-2])
def test_forecasts_of_flat_series_leave_their_level(noise):
    X, y, flat = half_flat(noise)
    instance = {"input_scaler": "instance", "input_scaler__features": 0}
    regressor = ScaledKerasRegressor(**{**QUICK, "epochs": 60}, **instance).fit(X, y)
    square = (regressor.predict(X) - y) ** 2
    assert square[flat].mean() < 1.5 * square[~flat].mean()  # 25 is what the level alone has
    assert square[flat].mean() < 5.0
    found = np.ravel(keras.ops.convert_to_numpy(to_keras(regressor)(X)))
    scale = regressor.target_scaler_.scale_[0]
    assert np.abs(found - regressor.predict(X)).max() < 1e-4 * scale  # the bound of every export


@pytest.mark.parametrize("digits", [0, 6])
def test_levels_without_any_movement_are_scaled_by_all_of_them(digits):
    rng = np.random.default_rng(0)
    level = np.round(rng.uniform(0, 1000, size=(300, 1)), digits)
    covariate = rng.uniform(size=(300, 1))
    X = np.stack([np.repeat(level, 12, axis=1), np.repeat(covariate, 12, axis=1)], axis=-1)
    regressor = ScaledKerasRegressor(
        input_scaler="instance", input_scaler__features=0, epochs=2, random_state=0
    ).fit(X, level[:, 0])
    scale = regressor.input_scaler_.scale_
    np.testing.assert_allclose(scale, X.std(axis=(0, 1)), rtol=1e-9)
    np.testing.assert_array_equal(regressor.target_scaler_.scale_, scale[:1])
    assert np.abs(regressor.predict(X) - level[:, 0]).max() < 3 * scale[0]
    # A feature that moves beside one that repeats a number.
    X[..., 0] += rng.normal(size=(300, 12))
    regressor.fit(X, level[:, 0])
    expected = [np.sqrt(X[..., 0].var(axis=1).mean()), covariate.std()]
    np.testing.assert_allclose(regressor.input_scaler_.scale_, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([1.0], 1e-2), ([1.0, 100.0], 1e-3), ([1.0, 1e4], 1e-5), ([1e-3, 1e6], 0.0)],
)
def test_series_of_other_sizes_are_not_taken_for_flat(sizes, expected):
    rng = np.random.default_rng(0)
    X = np.concatenate([s * (1 + 0.1 * rng.normal(size=(50, 12, 1))) for s in sizes])
    y = X[:, -3:, 0].mean(axis=1)
    instance = {"input_scaler": "instance", "epochs": 1, "random_state": 0}
    scaler = ScaledKerasRegressor(**instance).fit(X, y).input_scaler_
    np.testing.assert_allclose(scaler.flat_below(), [expected], rtol=1e-12)
    halves = ScaledKerasRegressor(**instance, update_scalers=True)
    for rows in (slice(0, None, 2), slice(1, None, 2)):
        halves.partial_fit(X[rows], y[rows])
    np.testing.assert_array_equal(halves.input_scaler_.least_, scaler.least_)


def test_the_scale_is_that_within_series_in_any_number_of_batches():
    X, y = make_windows(PARTS[0], LENGTH, target=0)
    instance = {"input_scaler": "instance", "input_scaler__features": 0}
    regressor = ScaledKerasRegressor(epochs=1, update_scalers=True, **instance)
    for part in (slice(0, 50), slice(50, None)):
        regressor.partial_fit(X[part], y[part])
    expected = np.sqrt(X.var(axis=1).mean(axis=0))
    np.testing.assert_allclose(regressor.input_scaler_.scale_, expected)
    np.testing.assert_allclose(regressor.input_scaler_.mean_, X.mean(axis=(0, 1)))


@pytest.mark.parametrize(
    ("horizon", "target", "features"),
    [
        *[(1, 1, 1), (4, 1, -1), (1, None, [0, 1]), (4, None, None), (4, [1, 0], (1, 0))],
        (1, [1], np.array([1])),
    ],
)
def test_targets_of_any_kind(horizon, target, features):
    X, y = make_windows(PARTS[0], LENGTH, horizon=horizon, target=target)

    def zeros(input_shape, output_shape, output_activation):
        assert output_activation == "linear"
        dense = keras.layers.Dense(int(np.prod(output_shape)), kernel_initializer="zeros")
        return keras.Sequential(
            [
                keras.Input(input_shape),
                keras.layers.Flatten(),
                dense,
                keras.layers.Reshape(output_shape),
            ]
        )

    regressor = ScaledKerasRegressor(
        zeros,
        input_scaler="instance",
        input_scaler__features=features,
        epochs=1,
        optimizer__learning_rate=0.0,
    ).fit(X, y)
    # A network that says 0 means the mean of the window.
    means = X.mean(axis=1)[:, [0, 1] if target is None else np.ravel(target)]
    expected = np.broadcast_to(
        means[:, 0].reshape(-1, *(1,) * (y.ndim - 1))
        if np.ndim(target) == 0 and target is not None
        else means.reshape(len(X), *(1,) * (y.ndim - 2), -1),
        y.shape,
    )
    np.testing.assert_allclose(regressor.predict(X), expected, rtol=1e-6)


def test_it_ships_with_keras_alone_and_goes_on():
    X, y = make_windows(PARTS[0], LENGTH, target=0)
    instance = {"input_scaler": "instance", "input_scaler__features": 0, "warm_start": True}
    regressor = ScaledKerasRegressor(**QUICK, **instance).fit(X, y)
    model = to_keras(regressor)
    assert "sklearn_keras_scaling" not in model.to_json()
    found = np.ravel(keras.ops.convert_to_numpy(model(X)))
    scale = regressor.target_scaler_.scale_[0]
    # The bound of every export.
    assert np.abs(found - regressor.predict(X)).max() < 1e-4 * scale
    restored = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(restored.predict(X), regressor.predict(X))
    before = regressor.history_["loss"][-1]
    regressor.set_params(epochs=1).fit(X, y).partial_fit(X, y)
    assert regressor.history_["loss"][0] < 1.5 * before
    assert len(regressor.network_.inputs) == 1


def test_it_is_searched_with_folds_that_are_apart():
    X, y = make_windows(PARTS[0], LENGTH, target=0)
    instance = {"input_scaler": "instance", "input_scaler__features": 0}
    folds = TimeSeriesSplit(3, gap=LENGTH)
    scores = cross_val_score(ScaledKerasRegressor(**QUICK, **instance), X, y, cv=folds)
    plain = cross_val_score(ScaledKerasRegressor(**QUICK), X, y, cv=folds)
    assert scores.min() > plain.min()


def test_beside_another_input_and_for_labels():
    X, y = make_windows(PARTS[0], LENGTH, target=0)
    inputs = {"series": X, "site": X[:, -1]}
    scalers = {"series": "instance", "site": "standard"}
    regressor = ScaledKerasRegressor(
        **QUICK, input_scaler=scalers, input_scaler__series__features=0
    ).fit(inputs, y)
    found = keras.ops.convert_to_numpy(to_keras(regressor)(inputs))
    np.testing.assert_allclose(np.ravel(found), regressor.predict(inputs), rtol=1e-6)
    rises = y > X[:, -1, 0]
    classifier = ScaledKerasClassifier(**QUICK, input_scaler="instance").fit(X, rises)
    assert classifier.score(X, rises) > 0.9
    np.testing.assert_allclose(
        classifier.predict_proba(X + 1e3), classifier.predict_proba(X), atol=1e-4
    )


WINDOWS = make_windows(SERIES, 3)[0]
BAD = {
    "table": (SERIES, SERIES[:, 0], {}, r"takes series of shape \(n_samples, n_steps.*\(3,\)"),
    "which feature": (WINDOWS, WINDOWS[:, 0, 0], {}, r"a row of y has shape \(\), and the series "),
    "no such feature": (WINDOWS, WINDOWS[:, 0, 0], {"input_scaler__features": 3}, r"features=3 n"),
    "target_scaler": (WINDOWS, WINDOWS[:, 0], {"target_scaler": "minmax"}, r"='minmax' was given"),
    "named outputs": (WINDOWS, {"a": WINDOWS[:, 0, 0]}, {}, r"needs y of shape .* got samples"),
    "two series": (
        {"a": WINDOWS, "b": WINDOWS},
        WINDOWS[:, 0],
        {},
        r"'instance' for several inputs",
    ),
    "not a feature": (WINDOWS, WINDOWS[:, 0], {"input_scaler__features": "a"}, r"'features' param"),
    "names": (WINDOWS, WINDOWS[:, 0], {"input_scaler__features": ["a"]}, r"\['a'\] names the"),
    "a flag": (WINDOWS, WINDOWS[:, 0, 0], {"input_scaler__features": [True]}, r"\[True\] names"),
    "steps or features": (WINDOWS, WINDOWS[:, 0], {}, r"shape \(3,\), and the series has 3 feat"),
    "in a list": (
        WINDOWS,
        WINDOWS[:, 0],
        {"input_scaler": ["instance"] * 3},
        r"cannot be one of a",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_instances(case):
    X, y, parameters, message = BAD[case]
    regressor = ScaledKerasRegressor(**{"input_scaler": "instance", "epochs": 1, **parameters})
    before = dict(vars(regressor))
    with pytest.raises(ValueError, match=message):
        regressor.fit(X, y)
    assert vars(regressor) == before


def test_statistics_of_the_series_scale_the_target():
    X, y = make_windows(PARTS[0], LENGTH, horizon=2, target=1)
    regressor = ScaledKerasRegressor(
        input_scaler="instance", input_scaler__features=1, epochs=1
    ).fit(X, y)
    expected = regressor.input_scaler_
    np.testing.assert_allclose(regressor.target_scaler_.mean_, expected.mean_[[1, 1]])
    np.testing.assert_allclose(regressor.target_scaler_.scale_, expected.scale_[[1, 1]])
