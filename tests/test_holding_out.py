"""Rows to validate on: held out before scalers are fitted, in raw units, and never by accident."""

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PowerTransformer

from sklearn_keras_scaling import ScaledKerasClassifier, ScaledKerasRegressor, StandardScaler

from . import ONE_EPOCH, QUICK

STILL = {**ONE_EPOCH, "optimizer__learning_rate": 0.0, "batch_size": 32}


def seen(regressor):
    return regressor.input_scaler_.n_samples_seen_


@pytest.mark.parametrize("target_scaler", ["standard", "minmax", PowerTransformer(), None])
@pytest.mark.parametrize("weighted", [False, True])
def test_on_the_same_data_without_learning_loss_equals_val_loss(target_scaler, weighted, diabetes):
    X, y = diabetes
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    regressor = ScaledKerasRegressor(
        **STILL, target_scaler=target_scaler, metrics=["mae"], compile__weighted_metrics=["mse"]
    )
    regressor.fit(X, y, weight, X_val=X, y_val=y, sample_weight_val=weight)
    history = regressor.history_
    for name in ("loss", "mae", "mse"):
        assert history[f"val_{name}"][0] == pytest.approx(history[name][0], rel=1e-6)


def test_validation_data_as_keras_takes_it(diabetes):
    X, y = diabetes
    weight = np.linspace(0, 1, 142)
    one = ScaledKerasRegressor(**ONE_EPOCH).fit(
        X[:300], y[:300], X_val=X[300:], y_val=y[300:], sample_weight_val=weight
    )
    other = ScaledKerasRegressor(**ONE_EPOCH).fit(
        X[:300], y[:300], validation_data=(X[300:], y[300:], weight)
    )
    assert one.history_ == other.history_
    with pytest.raises(ValueError, match="Pass X_val and y_val, or validation_data, not both"):
        other.fit(X, y, X_val=X, y_val=y, validation_data=(X, y))
    with pytest.raises(ValueError, match=r"validation_data must be \(X_val, y_val\), .* got ndarr"):
        other.fit(X, y, validation_data=X)


def test_splitters_keep_groups_together_and_the_future_apart(diabetes):
    X, y = diabetes
    groups = np.arange(len(y)) // 50

    def validated(y_true, y_pred):
        return y_true

    parameters = {**STILL, "input_scaler": "standard", "metrics": [validated]}
    splitter = GroupShuffleSplit(n_splits=1, test_size=2, random_state=0)
    regressor = ScaledKerasRegressor(**parameters, validation_split=splitter)
    regressor.fit(X, y, groups=groups)
    _, held_out = next(splitter.split(X, y, groups))
    assert seen(regressor) == len(y) - len(held_out)
    assert regressor.history_["val_validated"][0] == pytest.approx(y[held_out].mean(), rel=1e-5)
    weight = (groups != groups[held_out[0]]).astype(float)  # a group of weight 0 is absent
    with pytest.raises(ValueError, match=r"cannot split 392 rows"):
        regressor.set_params(validation_split=GroupKFold(1000)).fit(X, y, weight, groups=groups)
    future = ScaledKerasRegressor(**parameters, validation_split=TimeSeriesSplit(test_size=42))
    future.fit(X, y)
    np.testing.assert_allclose(future.input_scaler_.mean_, X[:400].mean(axis=0))
    assert future.history_["val_validated"][0] == pytest.approx(y[400:].mean(), rel=1e-5)


def test_a_splitter_without_a_seed_follows_random_state(diabetes):
    fits = [
        ScaledKerasRegressor(
            **ONE_EPOCH, validation_split=ShuffleSplit(n_splits=1, test_size=0.3)
        ).fit(*diabetes)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*(fit.input_scaler_.mean_ for fit in fits))


def test_early_stopping_is_one_parameter_and_restores_the_best_weights(diabetes):
    X, y = diabetes
    parameters = {**QUICK, "epochs": 200, "optimizer__learning_rate": 0.3}
    regressor = ScaledKerasRegressor(**parameters, early_stopping=True, metrics=["mse"])
    regressor.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    history = regressor.history_["val_loss"]
    assert regressor.n_iter_ == len(history) < 200
    assert np.argmin(history) == len(history) - 11
    error = ((regressor.predict(X[300:]) - y[300:]) ** 2).mean()
    assert regressor.history_["val_mse"][np.argmin(history)] == pytest.approx(error, rel=1e-4)
    assert regressor.callbacks is None
    alone = ScaledKerasRegressor(**ONE_EPOCH, early_stopping=True).fit(X, y)
    assert seen(alone) == 397  # a tenth is held out
    share = ScaledKerasRegressor(**ONE_EPOCH, early_stopping=True, validation_split=0.5).fit(X, y)
    assert seen(share) == 221


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_waits_as_long_as_it_is_told(diabetes, patience):
    X, y = diabetes
    parameters = {**QUICK, "epochs": 200, "optimizer__learning_rate": 0.3}
    stops = ScaledKerasRegressor(**parameters, early_stopping=True, n_iter_no_change=patience)
    stops.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    history = stops.history_["val_loss"]
    assert stops.n_iter_ == np.argmin(history) + 1 + patience < 200
    # One callback need not be in a list.
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    same = ScaledKerasRegressor(**parameters, callbacks=stop)
    same.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    assert same.history_["val_loss"] == history
    np.testing.assert_array_equal(same.predict(X), stops.predict(X))
    both = ScaledKerasRegressor(**parameters, callbacks=stop, early_stopping=True)
    both.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    assert both.history_["val_loss"] == history


def test_early_stopping_of_a_classifier_is_stratified(wine):
    X, y = wine
    classifier = ScaledKerasClassifier(**QUICK, early_stopping=True).fit(X, y)
    assert seen(classifier) == 160
    assert "val_loss" in classifier.history_


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_validation_rows_go_through_a_pipeline(routing, diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**STILL, metrics=["mae"], input_scaler=None)
    regressor.set_fit_request(X_val=True, y_val=True)
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("network", regressor)], transform_input=["X_val"]
    )
    pipeline.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    error = np.abs(pipeline.predict(X[300:]) - y[300:]).mean()
    assert pipeline[-1].history_["val_mae"][0] == pytest.approx(error, rel=1e-5)


def test_validation_rows_of_another_length_go_through_a_search(routing, diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**ONE_EPOCH).set_fit_request(X_val=True, y_val=True)
    grid = {"hidden_layer_sizes": [(4,)]}
    search = GridSearchCV(regressor, grid, cv=2, error_score="raise")
    search.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    assert len(search.best_estimator_.history_["val_loss"]) == 1


def test_validation_rows_that_a_search_has_sliced_are_refused_where_it_shows(routing, diabetes):
    X, y = pd.DataFrame(diabetes[0]), diabetes[1]
    regressor = ScaledKerasRegressor(**ONE_EPOCH).set_fit_request(X_val=True, y_val=True)
    search = GridSearchCV(regressor, {"hidden_layer_sizes": [(4,)]}, cv=3, error_score="raise")
    with pytest.raises(ValueError, match=r"a search or cross-validation has sliced it"):
        search.fit(X, y, X_val=X + 1, y_val=y)
    # Outside of a search, the same rows and any frame of another index are right.
    regressor.fit(X[::2], y[::2], X_val=X[::2], y_val=y[::2])
    regressor.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    regressor.fit(X[:200], y[:200], X_val=X[:200] + 1, y_val=y[:200])


def test_early_stopping_monitors_target_units(diabetes):
    X, y = diabetes
    stop = keras.callbacks.EarlyStopping(monitor="val_mae", patience=3, start_from_epoch=2)
    regressor = ScaledKerasRegressor(
        **{**QUICK, "optimizer__learning_rate": 0.5, "epochs": 60},
        metrics=["mae"],
        callbacks=[stop],
        validation_split=0.3,
    ).fit(X, y)
    best = np.argmin(regressor.history_["val_mae"][2:]) + 2
    assert regressor.n_iter_ == min(60, best + 4)
