"""The same weights in any process, at any n_jobs; threads; forks; no memory that grows."""

import multiprocessing
import os
import subprocess
import sys
import threading
import tracemalloc

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_keras_scaling import ScaledKerasClassifier, ScaledKerasRegressor, clear_compiled

from . import ONE_EPOCH, QUICK

FIT = """
import sys, joblib
regressor, X, y = joblib.load(sys.argv[1])
joblib.dump(regressor.fit(X, y).network_.get_weights(), sys.argv[2])
"""

MEMORY = """
import resource, numpy as np
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn_keras_scaling import ScaledKerasRegressor

def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20

X, y = load_diabetes(return_X_y=True)
regressor = ScaledKerasRegressor(epochs=1, batch_size=256, metrics=["mae"], validation_split=0.2)
for fit in range(220):
    clone(regressor).set_params(random_state=fit).fit(X, y).predict(X)
    if fit == 19:
        before = megabytes()
print(megabytes() - before)
"""


def test_same_weights_in_a_new_process_and_after_other_fits(diabetes, tmp_path):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**{**QUICK, "epochs": 3}, validation_split=0.2)
    joblib.dump((regressor, X, y), tmp_path / "in.joblib")
    command = [sys.executable, "-c", FIT, tmp_path / "in.joblib", tmp_path / "out.joblib"]
    subprocess.run(command, check=True, capture_output=True)
    ScaledKerasRegressor(**ONE_EPOCH).fit(X, y)
    here = clone(regressor).fit(X, y).network_.get_weights()
    for mine, theirs in zip(here, joblib.load(tmp_path / "out.joblib"), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_same_scores_at_two_jobs(wine):
    grid = {"hidden_layer_sizes": [(4,), (8,)]}
    scores = [
        GridSearchCV(ScaledKerasClassifier(**ONE_EPOCH), grid, cv=2, n_jobs=n_jobs)
        .fit(*wine)
        .cv_results_["mean_test_score"]
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*scores)


def test_eight_threads_predict_on_one_estimator(regressor, diabetes):
    X, _ = diabetes
    expected = regressor.predict(X)
    found = []

    def predict():
        found.extend([(rows, regressor.predict(X[:rows])) for rows in (1, 65, 442)])

    threads = [threading.Thread(target=predict) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 24
    for rows, predicted in found:
        np.testing.assert_array_equal(predicted, expected[:rows])


def test_threads_that_fit_at_the_same_time_disturb_each_other_in_nothing(diabetes):
    X, y = diabetes
    expected = ScaledKerasRegressor(**ONE_EPOCH).fit(X, y).predict(X)
    found = []
    threads = [
        threading.Thread(
            target=lambda: found.append(ScaledKerasRegressor(**ONE_EPOCH).fit(X, y).predict(X))
        )
        for _ in range(4)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for predicted in found:
        np.testing.assert_array_equal(predicted, expected)


def _fit_in_child(queue, X, y):
    for call in (
        lambda: ScaledKerasRegressor(**ONE_EPOCH).fit(X, y),
        lambda: _FITTED.predict(X),
    ):
        try:
            call()
            queue.put("no error")
        except RuntimeError as error:
            queue.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_fails_at_once_with_the_reason(regressor, diabetes):
    global _FITTED
    _FITTED = regressor
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_fit_in_child, args=(queue, *diabetes))
    child.start()
    messages = [queue.get(timeout=60) for _ in range(2)]
    child.join(timeout=60)
    assert child.exitcode == 0
    for message in messages:
        assert "cannot compute in a process that was forked after Keras was imported" in message
        assert "'spawn' or 'forkserver'" in message


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_hundred_fits_leave_less_than_50_megabytes():
    result = subprocess.run(
        [sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True
    )
    assert float(result.stdout) < 50


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_search_that_is_killed_leaves_nothing_behind(wine, error):
    X, y = wine

    class Killed(ScaledKerasClassifier):
        def predict_proba(self, X):
            if self.hidden_layer_sizes == (8,):
                raise error("killed")  # in the middle: between two fits of the search
            return super().predict_proba(X)

    def search(kind):
        classifier = kind(**{**QUICK, "epochs": 3})
        grid = {"hidden_layer_sizes": [(16,), (8,)]}
        return GridSearchCV(classifier, grid, cv=2, error_score="raise").fit(X, y)

    clear_compiled()
    expected = search(ScaledKerasClassifier).cv_results_
    clear_compiled()
    with pytest.raises(error, match="killed"):
        search(Killed)
    found = search(ScaledKerasClassifier).cv_results_
    np.testing.assert_array_equal(found["mean_test_score"], expected["mean_test_score"])


def test_a_fit_takes_no_more_memory_than_its_scaled_rows():
    X = np.random.default_rng(0).normal(1e3, 5.0, size=(200_000, 40))  # 64 MB
    regressor = ScaledKerasRegressor(epochs=1, batch_size=20_000, hidden_layer_sizes=(4,))
    regressor.fit(X[:1000], X[:1000, 0])
    tracemalloc.start()
    try:
        regressor.fit(X, X[:, 0])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    scaled = X.nbytes / 2 + 4 * len(X)  # float32, and the targets'
    blocks = 32 << 20  # what threads work on, and batches on their way
    assert scaled < peak < scaled + blocks
