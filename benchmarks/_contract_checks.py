"""Checks of ``parity.py``: scikit-learn's contract, weights, labels, targets and inputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up log
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from _peers import (
    FLOAT32,
    LABELS,
    PAIR,
    WEIGHT,
    WINDOWS,
    LackingError,
    N,
    X,
    Y,
    _KerasWrappers,
    require,
    two_inputs,
    two_outputs,
)
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    check_cv,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

FEATURES: list[Callable[[Any], Any]] = []


def feature(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Add a check, whose docstring says what a library must do."""
    FEATURES.append(check)
    return check


def epochs_of(lib: Any, fitted: Any) -> int:
    """Return how many epochs a fit had."""
    return len(lib.history(fitted)["loss"])


def require_equal(found: Any, expected: Any, otherwise: str, tolerance: float = 0.0) -> None:
    """Raise ``AssertionError`` unless arrays are as close as that."""
    found, expected = (np.asarray(a, float) for a in (found, expected))
    require(found.shape == expected.shape, f"shape {found.shape}")
    require(np.abs(found - expected).max() <= tolerance, otherwise)


def learns(lib: Any, *data: Any, **options: Any) -> Any:
    """Return a regressor that has learnt 1-D or 2-D targets to an R² of 0.8."""
    options = {"epochs": 150, "rate": 0.05, **options}
    fitted = lib.fit(lib.regressor(**options), *data)
    predicted = np.asarray(fitted.predict(data[0]))
    require(predicted.shape == np.shape(data[1]), f"predicts shape {predicted.shape}")
    flat = [np.reshape(a, (N, -1)) for a in (data[1], predicted)]
    score = r2_score(*flat)
    require(score > 0.8, f"R² {score:.1f}" if score > 0 else "R² below 0")
    return fitted


# scikit-learn's contract


@feature
def clones(lib: Any) -> None:
    """Keep the epochs in a clone."""
    found = epochs_of(lib, lib.fit(clone(lib.regressor(epochs=3)), X, Y))
    require(found == 3, f"trains {found}")


@feature
def validated(lib: Any) -> None:
    """Keep the epochs in cross-validation."""
    found = cross_validate(lib.regressor(epochs=3), X, Y, cv=2, return_estimator=True)
    trained = epochs_of(lib, found["estimator"][0])
    require(trained == 3, f"trains {trained}")


@feature
def epochs_grid(lib: Any) -> None:
    """Search a grid of epochs."""
    search = GridSearchCV(lib.regressor(rate=0.05), lib.grid("epochs", [1, 4]), cv=2)
    found = epochs_of(lib, lib.fit(search, X, Y).best_estimator_)
    require(found == 4, f"trains {found}")


@feature
def rate_grid(lib: Any) -> None:
    """Search a grid of learning rates."""
    grid = lib.grid("rate", [1e-6, 0.05])
    search = lib.fit(GridSearchCV(lib.regressor(epochs=5), grid, cv=2), X, Y)
    rate = float(lib.network(search.best_estimator_).optimizer.learning_rate)
    require(abs(rate - 0.05) < 1e-6, f"learning rate {rate:.2g}")


@feature
def builder_grid(lib: Any) -> None:
    """Search a grid of the builder's arguments."""
    search = lib.fit(GridSearchCV(lib.regressor(), lib.grid("units", [3, 5]), cv=2), X, Y)
    scores = search.cv_results_["mean_test_score"]
    require(np.isfinite(scores).all() and scores[0] != scores[1], "no difference")


@feature
def sets(lib: Any) -> None:
    """Set parameters of optimizer and builder by set_params."""
    estimator = lib.regressor().set_params(**lib.set(rate=0.5, units=5))
    found = lib.network(lib.fit(estimator, X, Y))
    require(float(found.optimizer.learning_rate) == 0.5, "rate not set")
    require(found.layers[0].units == 5, "units not set")


@feature
def misspelt(lib: Any) -> None:
    """Refuse a misspelt parameter."""
    try:
        estimator = lib.regressor()
        type(lib.innermost(estimator))(lib.innermost(estimator).model, epohcs=3)
    except (TypeError, ValueError):
        return
    raise AssertionError("takes it")


@feature
def kinds(lib: Any) -> None:
    """Be a regressor to scikit-learn's is_regressor."""
    require(is_regressor(lib.regressor()), "is none")


@feature
def classifier_kinds(lib: Any) -> None:
    """Be a classifier, with stratified folds."""
    require(is_classifier(lib.classifier()), "is none")
    folds = check_cv(3, LABELS, classifier=is_classifier(lib.classifier()))
    require(isinstance(folds, StratifiedKFold), "folds are not stratified")


@feature
def unfitted(lib: Any) -> None:
    """Raise NotFittedError before fit."""
    try:
        lib.regressor().predict(X)
    except NotFittedError:
        return
    raise AssertionError("predicts")


@feature
def names(lib: Any) -> None:
    """Keep feature names and refuse others."""
    frame = pd.DataFrame(X, columns=list("abcd"))
    fitted = lib.fit(lib.regressor(), frame, Y)
    require(list(getattr(fitted, "feature_names_in_", ())) == list("abcd"), "no feature_names_in_")
    try:
        fitted.predict(frame[list("dcba")])
    except ValueError:
        return
    raise AssertionError("takes columns in another order")


@feature
def counts(lib: Any) -> None:
    """Keep n_features_in_ and refuse another number."""
    fitted = lib.fit(lib.regressor(), X, Y)
    require(fitted.n_features_in_ == 4, "no n_features_in_")
    try:
        fitted.predict(X[:, :3])
    except ValueError:
        return
    raise AssertionError("takes 3 columns")


@feature
def ensembles(lib: Any) -> None:
    """Vote, stack and bag."""
    pair = [("network", lib.regressor()), ("line", Ridge())]
    for ensemble in (VotingRegressor(pair), StackingRegressor(pair, cv=2)):
        require(np.isfinite(lib.fit(ensemble, X, Y).predict(X)).all(), "no numbers")
    lib.fit(BaggingRegressor(lib.regressor(), n_estimators=2), X, Y).predict(X)


@feature
def calibrated(lib: Any) -> None:
    """Calibrate probabilities."""
    found = lib.fit(CalibratedClassifierCV(lib.classifier(epochs=20, rate=0.05), cv=2), X, PAIR)
    require_equal(found.predict_proba(X).sum(axis=1), np.ones(N), "sums are not 1", 1e-6)


@feature
def routed(lib: Any) -> None:
    """Route sample_weight through a pipeline."""
    plain = lib.fit(lib.regressor(epochs=5, rate=0.05), X, Y).predict(X)
    with config_context(enable_metadata_routing=True):
        estimator = lib.regressor(epochs=5, rate=0.05)
        lib.request(estimator)
        keras.utils.set_random_seed(0)
        weighted = make_pipeline("passthrough", estimator).fit(X, Y, sample_weight=WEIGHT + 0.1)
    require((np.ravel(weighted.predict(X)) != np.ravel(plain)).any(), "weights change nothing")


@feature
def checks(lib: Any) -> None:
    """Pass check_estimator (but for 1e-7 of float32)."""
    failed = [
        result["check_name"]
        for make in (lib.regressor, lib.classifier)
        for result in _checked(make)
        if result["status"] == "failed"
    ]
    require(not failed, f"{len(failed)} fail")


def _checked(make: Callable[..., Any]) -> list[dict[str, Any]]:
    try:
        estimator = make(epochs=20, rate=0.05)
    except LackingError:  # TransformedTargetRegressor has no classifier
        return []
    return check_estimator(estimator, on_skip=None, on_fail=None, expected_failed_checks=FLOAT32)


# Weights


@feature
def absent(lib: Any) -> None:
    """Take weight 0 as absence."""
    some = WEIGHT > 0
    options = {"epochs": 5, "optimizer": "sgd", "batch_size": 16}
    whole = lib.fit(lib.regressor(**options), X, Y, weight=some.astype(float))
    part = lib.fit(lib.regressor(**options), X[some], Y[some])
    require_equal(np.ravel(whole.predict(X)), np.ravel(part.predict(X)), "differs", 1e-4)


@feature
def repeated(lib: Any) -> None:
    """Take integer weights as repetition."""
    count = WEIGHT.astype(int)
    options = {"epochs": 5, "optimizer": "sgd", "batch_size": 1000}
    weighted = lib.fit(lib.regressor(**options), X, Y, weight=WEIGHT)
    again = lib.fit(lib.regressor(**options), X.repeat(count, 0), Y.repeat(count))
    require_equal(np.ravel(weighted.predict(X)), np.ravel(again.predict(X)), "differs", 1e-4)


@feature
def scored(lib: Any) -> None:
    """Score with weights."""
    fitted = lib.fit(lib.regressor(), X, Y)
    expected = r2_score(Y, fitted.predict(X), sample_weight=WEIGHT)
    require_equal(fitted.score(X, Y, sample_weight=WEIGHT), expected, "differs", 1e-6)


@feature
def class_weights(lib: Any) -> None:
    """Weight classes by label, or balance them."""
    few = np.flatnonzero((PAIR == "yes") | (np.arange(N) < 20))
    y = PAIR[few]
    balanced = {label: len(y) / (2 * (y == label).sum()) for label in ("yes", "no")}
    p = [
        lib.fit(lib.classifier(epochs=5, rate=0.05, **given), X[few], y).predict_proba(X[few])
        for given in ({"class_weight": "balanced"}, {"class_weight": balanced}, {})
    ]
    require_equal(p[0], p[1], "they differ", 1e-5)
    require(np.abs(p[0] - p[2]).max() > 0.01, "changes nothing")


# Labels, targets and inputs


@feature
def strings(lib: Any) -> None:
    """Take labels that are strings."""
    fitted = lib.fit(lib.classifier(epochs=100, rate=0.05), X, LABELS)
    require(fitted.classes_.tolist() == ["high", "low", "middle"], "other classes_")
    require(fitted.score(X, LABELS) > 0.8, f"accuracy {fitted.score(X, LABELS):.2f}")


@feature
def binary(lib: Any) -> None:
    """Give both classes a probability."""
    fitted = lib.fit(lib.classifier(epochs=100, rate=0.05), X, PAIR)
    p = fitted.predict_proba(X)
    require(p.shape == (N, 2), f"shape {p.shape}")
    require_equal(p.sum(axis=1), np.ones(N), "sums are not 1", 1e-6)
    require((fitted.classes_[p.argmax(axis=1)] == PAIR).mean() > 0.8, "wrong columns")


@feature
def multilabel(lib: Any) -> None:
    """Take several labels a row."""
    y = (X[:, :3] > 0).astype(int)
    given = {"activation": "sigmoid", "loss": "binary_crossentropy"}
    options = given if isinstance(lib, _KerasWrappers) else {}
    fitted = lib.fit(lib.classifier(epochs=100, rate=0.05, **options), X, y)
    predicted = np.asarray(fitted.predict(X))
    require(predicted.shape == y.shape and np.isin(predicted, (0, 1)).all(), "no 0 and 1")
    require((predicted == y).mean() > 0.9, f"accuracy {(predicted == y).mean():.2f}")


@feature
def several_targets(lib: Any) -> None:
    """Learn targets of several columns."""
    learns(lib, X, np.c_[Y, -2 * Y])


@feature
def sequences(lib: Any) -> None:
    """Learn from sequences, of shape (n, time, features)."""
    learns(lib, WINDOWS, WINDOWS.sum(axis=(1, 2)) / 5)


@feature
def sequence_targets(lib: Any) -> None:
    """Learn targets of shape (n, time)."""
    learns(lib, WINDOWS, np.cumsum(WINDOWS[:, :, 0], axis=1), epochs=300)


def _to_steps(**_: Any) -> keras.Model:
    built = keras.Sequential([keras.Input((5, 3)), keras.layers.Dense(2)])
    built.compile(keras.optimizers.Adam(0.05), "mse")
    return built


@feature
def deep_targets(lib: Any) -> None:
    """Learn targets of shape (n, time, k)."""
    learns(lib, WINDOWS, 2 * WINDOWS[:, :, :2], model=lambda **_: _to_steps())


@feature
def named_inputs(lib: Any) -> None:
    """Take a dict of named inputs."""
    parts = {"a": X[:, :1], "b": X[:, 1:]}
    predicted = lib.fit(lib.regressor(model=two_inputs), parts, Y).predict(parts)
    require(np.shape(predicted) == (N,), f"shape {np.shape(predicted)}")


@feature
def named_outputs(lib: Any) -> None:
    """Learn a dict of named outputs."""
    targets = {"p": Y, "q": -Y}
    loss = {} if isinstance(lib, _KerasWrappers) else {"loss": {"p": "mse", "q": "mae"}}
    found = lib.fit(lib.regressor(model=two_outputs, **loss), X, targets).predict(X)
    require(set(found) == {"p", "q"}, "no outputs by name")


@feature
def sparse_inputs(lib: Any) -> None:
    """Take sparse matrices."""
    some = np.where(np.abs(X) > 1, X, 0)
    found = [
        np.ravel(lib.fit(lib.regressor(sparse=True), data, Y).predict(data))
        for data in (sparse.csr_matrix(some), some)
    ]
    require_equal(*found, "differs from dense", 1e-4)


@feature
def datasets(lib: Any) -> None:
    """Fit on a tf.data.Dataset."""
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(20)
    fitted = lib.fit(lib.regressor(epochs=2), batches, None)
    require(np.isfinite(fitted.predict(X)).all(), "no numbers")
