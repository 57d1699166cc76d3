import copy
import pickle
import subprocess
import sys

import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_keras_scaling import (
    MinMaxScaler,
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    to_keras,
)

from . import ONE_EPOCH

PREDICT_AND_GO_ON = """
import sys, joblib, numpy
fitted, X, y = joblib.load(sys.argv[1])
predicted = fitted.predict(X)
last = getattr(fitted, "best_estimator_", fitted)[-1]
iterations = int(last.network_.optimizer.iterations)
last.set_params(warm_start=True).fit(X, y)
assert int(last.network_.optimizer.iterations) == 2 * iterations, last.network_.optimizer.iterations
joblib.dump((predicted, last.predict(X)), sys.argv[2])
"""


def in_new_process(fitted, X, y, folder):
    joblib.dump((fitted, X, y), folder / "in.joblib")
    command = [sys.executable, "-c", PREDICT_AND_GO_ON, folder / "in.joblib", folder / "out.joblib"]
    subprocess.run(command, check=True, capture_output=True)
    return joblib.load(folder / "out.joblib")


def test_a_pipeline_predicts_the_same_bits_in_a_new_process_and_goes_on(diabetes, tmp_path):
    X, y = diabetes
    pipeline = make_pipeline(MinMaxScaler(), ScaledKerasRegressor(**ONE_EPOCH)).fit(X, y)
    predicted, later = in_new_process(pipeline, X, y, tmp_path)
    np.testing.assert_array_equal(predicted, pipeline.predict(X))
    # Going on here, in this process, leads to the same weights as there.
    last = pipeline[-1].set_params(warm_start=True)
    np.testing.assert_array_equal(last.fit(X, y).predict(X), later)


def test_a_search_predicts_the_same_bits_in_a_new_process(wine, tmp_path):
    X, y = wine
    pipeline = make_pipeline(MinMaxScaler(), ScaledKerasClassifier(**ONE_EPOCH))
    grid = {"scaledkerasclassifier__input_scaler": ["standard", None]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    predicted, _ = in_new_process(search, X, y, tmp_path)
    np.testing.assert_array_equal(predicted, search.predict(X))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_of_fitted_and_unfitted(duplicate, regressor, diabetes):
    X, _ = diabetes
    twin = duplicate(regressor)
    np.testing.assert_array_equal(twin.predict(X), regressor.predict(X))
    assert twin.network_ is not regressor.network_
    assert twin.history_ == regressor.history_
    unfitted = duplicate(ScaledKerasRegressor(model__units=3, metrics=["mae"]))
    assert (
        unfitted.get_params() == ScaledKerasRegressor(model__units=3, metrics=["mae"]).get_params()
    )
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    around = duplicate(ScaledKerasRegressor(model, **ONE_EPOCH)).fit(*diabetes)
    assert around.predict(X).shape == (442,)


def test_clone_drops_what_was_fitted_and_keeps_the_parameters(regressor, diabetes):
    twin = clone(regressor)
    assert not hasattr(twin, "network_")
    assert twin.get_params() == regressor.get_params()
    refitted = twin.fit(*diabetes)
    np.testing.assert_array_equal(refitted.predict(diabetes[0]), regressor.predict(diabetes[0]))


def test_a_loss_or_metric_of_ones_own_does_not_keep_a_fit_from_pickling(diabetes):
    def own(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    regressor = ScaledKerasRegressor(**ONE_EPOCH, loss=own, metrics=[own]).fit(*diabetes)
    twin = pickle.loads(pickle.dumps(regressor.set_params(loss=None, metrics=None)))
    np.testing.assert_array_equal(twin.predict(diabetes[0]), regressor.predict(diabetes[0]))


def test_the_networks_own_file_needs_nothing_but_keras(regressor, tmp_path):
    regressor.network_.save(tmp_path / "network.keras")
    code = (
        "import sys; sys.modules['sklearn_keras_scaling'] = None\n"
        "import keras; keras.saving.load_model(sys.argv[1])"
    )
    command = [sys.executable, "-c", code, tmp_path / "network.keras"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_what_keras_could_not_read_back_is_refused_when_it_is_written(diabetes):
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return inputs * 2

    def build(input_shape):
        return keras.Sequential([keras.Input(input_shape), Doubled(), keras.layers.Dense(1)])

    regressor = ScaledKerasRegressor(build, **ONE_EPOCH).fit(*diabetes)
    assert np.isfinite(regressor.predict(diabetes[0])).all()
    for duplicate in (pickle.dumps, copy.deepcopy, to_keras):
        with pytest.raises(TypeError, match=r"cannot be copied or saved.*need get_config\(\)"):
            duplicate(regressor)


def test_an_exported_file_has_no_optimizer_state(regressor, tmp_path):
    to_keras(regressor).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert [network.compiled for network in (model, *nested)] == [False, False]
