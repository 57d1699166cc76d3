"""Fits in several threads at a time: one compilation an architecture, the bits of single fits."""

import random
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from sklearn_keras_scaling import ScaledKerasClassifier, ScaledKerasRegressor, clear_compiled

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 3))
Y = X @ [1.0, -2.0, 0.5] + RNG.normal(size=70)

pytestmark = [
    pytest.mark.filterwarnings("ignore:Training (was interrupted|diverged)"),
    pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch trains in Keras's loop"),
]


class Trips(keras.callbacks.Callback):
    """Ends a fit with an error in its second epoch."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise self.error


def with_dropout(input_shape):
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )


def make(kind, seed, **given):
    """Return a regressor or classifier of one of three architectures, not yet fitted."""
    given = {"epochs": 4, "random_state": seed, "engine": "compiled", **given}
    if kind == "classes":
        return ScaledKerasClassifier(hidden_layer_sizes=(4,), metrics=["accuracy"], **given)
    model = with_dropout if kind == "dropout" else None
    return ScaledKerasRegressor(model, hidden_layer_sizes=(5,), metrics=["mae"], **given)


def fit(kind, seed, **given):
    estimator = make(kind, seed, **given)
    y = np.where(Y > 0, "a", "b") if kind == "classes" else Y
    return estimator.fit(X, y)


def state(estimator):
    network = estimator.network_
    numbers = [*network.get_weights(), *map(np.asarray, network.optimizer.variables)]
    return [array.tobytes() for array in numbers], str(estimator.history_)


KINDS = ("numbers", "dropout", "classes")
FITS = [(kind, seed) for kind in KINDS for seed in range(4)]
#: What ends a fit early, or spoils it.
FAULTS = {
    "an error": {"callbacks": [Trips(OSError("no room"))]},
    "Ctrl-C": {"callbacks": [Trips(KeyboardInterrupt())]},
    "numbers beyond all bounds": {"optimizer__learning_rate": 1e38},
}


@pytest.fixture(scope="module")
def alone():
    return {job: state(fit(*job)) for job in FITS}


@pytest.fixture
def many_switches():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def test_eight_threads_compile_each_architecture_once(alone, compilations, many_switches):
    clear_compiled()
    jobs = FITS * 2
    random.Random(0).shuffle(jobs)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda job: state(fit(*job)), jobs))
    assert [job for job, each in zip(jobs, found, strict=True) if each != alone[job]] == []
    assert len(compilations) == len(KINDS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fit_that_goes_wrong_leaves_nothing_to_others(alone, many_switches, fault):
    def run(number):
        kind, seed = FITS[number % len(FITS)]
        if number % 3:
            return state(fit(kind, seed)) == alone[kind, seed]
        try:
            found = fit(kind, seed, **FAULTS[fault])
            return found.n_iter_ == 1 or not np.isfinite(found.history_["loss"][-1])
        except OSError as error:
            return str(error) == "no room"

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(24)))


def test_a_search_in_threads_scores_the_bits_of_one(compilations):
    clear_compiled()
    grid = {"target_scaler": ["standard", "robust"], "input_scaler": ["standard", "minmax"]}
    search = GridSearchCV(make("numbers", 0), grid, cv=3, error_score="raise")
    expected = search.fit(X, Y).cv_results_["mean_test_score"]
    with parallel_config("threading", n_jobs=2):
        found = search.fit(X, Y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(found, expected)
    assert len(compilations) == 1
