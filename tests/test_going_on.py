"""Training that goes on: partial_fit, and what an interruption leaves."""

import keras
import numpy as np
import pytest
from sklearn.preprocessing import PowerTransformer

from sklearn_keras_scaling import ScaledKerasClassifier, ScaledKerasRegressor

from . import ONE_EPOCH, QUICK


class Interrupt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_partial_fit_trains_an_epoch_and_goes_on(diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**QUICK)
    for part in np.array_split(np.arange(442), 4):
        regressor.partial_fit(X[part], y[part])
    assert regressor.n_iter_ == 1
    assert int(regressor.network_.optimizer.iterations) == 4
    assert regressor.input_scaler_.n_samples_seen_ == 111
    for _ in range(40):
        regressor.partial_fit(X, y)
    assert regressor.score(X, y) > 0.4
    one = ScaledKerasRegressor(**ONE_EPOCH).partial_fit(X, y)
    np.testing.assert_array_equal(one.predict(X), one.fit(X, y).predict(X))


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_going_on_compiles_nothing_anew(diabetes, method):
    traced = []

    def loss(y, prediction):
        if not hasattr(prediction, "numpy"):  # of a graph
            traced.append(prediction)
        return keras.ops.mean(keras.ops.square(y - prediction), axis=-1)

    regressor = ScaledKerasRegressor(**ONE_EPOCH, loss=loss, warm_start=True)
    getattr(regressor, method)(*diabetes)
    n_traced = len(traced)
    assert n_traced > 0
    for _ in range(2):
        getattr(regressor, method)(*diabetes)
    assert len(traced) == n_traced


def test_scalers_may_go_on_learning(diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**ONE_EPOCH, update_scalers=True, target_scaler="minmax")
    first = regressor.partial_fit(X[:200], y[:200]).input_scaler_
    regressor.partial_fit(X[200:], y[200:], sample_weight=np.ones(242))
    np.testing.assert_allclose(regressor.input_scaler_.mean_, X.mean(axis=0))
    assert regressor.target_scaler_.data_max_ == y.max()
    assert first.n_samples_seen_ == 200  # the earlier ones are left alone
    lambdas = ScaledKerasRegressor(
        **ONE_EPOCH, update_scalers=True, input_scaler=PowerTransformer()
    ).partial_fit(X, y)
    before = dict(vars(lambdas))
    with pytest.raises(TypeError, match=r"input_scaler: PowerTransformer has no partial_fit"):
        lambdas.partial_fit(X, y)
    assert vars(lambdas) == before


def test_a_failing_partial_fit_changes_nothing(diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**ONE_EPOCH, update_scalers=True).partial_fit(X, y)
    before, expected = dict(vars(regressor)), regressor.predict(X)
    with pytest.raises(ValueError, match="X has 3 features"):
        regressor.partial_fit(X[:, :3], y)
    regressor.set_params(callbacks=[Interrupt(None)], loss="mean_absolute_percentage_error")
    with pytest.raises(ValueError, match="means nothing for targets scaled"):
        regressor.partial_fit(X, y)
    regressor.set_params(callbacks=None, loss=None)
    assert vars(regressor) == before
    np.testing.assert_array_equal(regressor.predict(X), expected)


def test_a_classifier_is_told_of_classes_to_come(wine):
    X, y = wine
    classifier = ScaledKerasClassifier(**QUICK)
    classifier.partial_fit(X[:60], y[:60], classes=np.unique(y))
    assert len(classifier.classes_) == 3
    for _ in range(30):
        classifier.partial_fit(X, y)
    assert classifier.score(X, y) > 0.9
    with pytest.raises(ValueError, match="The label 'merlot' is none of those"):
        classifier.partial_fit(X, np.where(y == "barolo", "merlot", y))
    with pytest.raises(ValueError, match="is none of those"):
        ScaledKerasClassifier(**ONE_EPOCH).partial_fit(X, y, classes=["barolo", "barbera"])


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_ctrl_c_leaves_a_fitted_estimator_that_says_so(engine, diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**QUICK, callbacks=[Interrupt(3)], engine=engine)
    with pytest.warns(UserWarning, match=r"interrupted after 3 of 20 epochs.*warm_start=True"):
        regressor.fit(X, y)
    assert regressor.n_iter_ == len(regressor.history_["loss"]) == 3
    three = ScaledKerasRegressor(**{**QUICK, "epochs": 3}, engine=engine).fit(X, y)
    np.testing.assert_array_equal(regressor.predict(X), three.predict(X))
    regressor.set_params(callbacks=None, warm_start=True).fit(X, y)
    assert int(regressor.network_.optimizer.iterations) == 3 * 2 + 20 * 2


def weights_of(classifier):
    """Return the weights of single labels in training."""
    return classifier.targets_.by_output.weights(classifier.classes_, None, None, True)


def test_balanced_classes_are_those_of_the_rows_that_train():
    X = np.random.default_rng(0).normal(size=(40, 3))
    often, seldom = np.repeat([0, 1], [38, 2]), np.repeat([0, 1], [2, 38])
    classifier = ScaledKerasClassifier(**ONE_EPOCH, class_weight="balanced", warm_start=True)
    classifier.fit(X, often).fit(X, seldom)
    np.testing.assert_allclose(weights_of(classifier), [10, 40 / 76])
    y = np.repeat([0, 1, 2], [15, 15, 10])
    classifier = ScaledKerasClassifier(**ONE_EPOCH, class_weight="balanced")
    classifier.partial_fit(X[:30], y[:30], classes=[0, 1, 2]).partial_fit(X[30:], y[30:])
    np.testing.assert_allclose(weights_of(classifier), [40 / 45, 40 / 45, 40 / 30])
    assert classifier.history_["loss"][0] > 0
