"""Ensembles: several networks as one estimator and one exported model."""

import copy

import joblib
import keras
import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone

from sklearn_keras_scaling import (
    ScaledKerasRegressor,
    UnsupportedTransformerError,
    certify,
    to_keras,
)
from sklearn_keras_scaling._structure import part

from .layers import numbers
from .uncertain import STILL, TWO, X, Y, dense

THREE = {**STILL, "epochs": 2, "n_members": 3}


@pytest.fixture(scope="module")
def ensemble():
    return ScaledKerasRegressor(**THREE, distribution="normal").fit(X, TWO)


@pytest.fixture(scope="module")
def plain():
    return ScaledKerasRegressor(**THREE).fit(X, Y)


def alone(ensemble, i):
    """Return a fitted regressor with one of the members."""
    other = copy.copy(ensemble)
    other.targets_ = ensemble.targets_.going_on()
    other.targets_.have_members(None)
    other.network_, other._members = ensemble.members_[i], None
    return other


def test_the_first_member_is_the_network_that_is_fitted_alone(plain):
    single = clone(plain).set_params(n_members=1).fit(X, Y)
    assert [len(one.members_) for one in (plain, single)] == [3, 1]
    first, *others = plain.members_
    for a, b in zip(first.get_weights(), single.network_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for other in others:
        assert not np.array_equal(other.get_weights()[0], first.get_weights()[0])
    again = clone(plain).fit(X, Y)
    np.testing.assert_array_equal(again.predict(X), plain.predict(X))
    every = [alone(plain, i).predict(X) for i in range(3)]
    np.testing.assert_array_equal(every[0], single.predict(X))
    mean, std = plain.predict(X, return_std=True)
    np.testing.assert_allclose(mean, np.mean(every, axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, np.std(every, axis=0), rtol=1e-9)
    with pytest.raises(ValueError, match="quantile of y is not known: the network says a number"):
        plain.predict_quantiles(X)


def test_members_together_are_a_mixture(ensemble):
    every = [alone(ensemble, i).predict(X, return_std=True) for i in range(3)]
    means, stds = np.stack(every, axis=1)
    mean, std = ensemble.predict(X, return_std=True)
    np.testing.assert_allclose(mean, means.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std**2, (stds**2).mean(axis=0) + means.var(axis=0), rtol=1e-9)
    found = ensemble.predict_quantiles(X, (0.1, 0.9))
    cdf = stats.norm(means[..., None], stds[..., None]).cdf(found).mean(axis=0)
    np.testing.assert_allclose(cdf, np.broadcast_to([0.1, 0.9], cdf.shape), rtol=1e-7)
    likelihood = np.log(stats.norm(means, stds).pdf(TWO).mean(axis=0)).sum(axis=1)
    np.testing.assert_allclose(ensemble.log_likelihood(X, TWO), likelihood, rtol=1e-6)
    assert (np.diff(ensemble.predict_quantiles(X, np.arange(1, 100) / 100)) >= 0).all()


def test_an_ensemble_is_one_exported_model(ensemble, plain, tmp_path):
    for fitted_one in (ensemble, plain):
        asked = ("mean", "std")
        model = to_keras(fitted_one, outputs=asked)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        expected = fitted_one.predict(X, return_std=True)
        for name, one in zip(asked, expected, strict=True):
            # The deviation of members is a difference of what float32 has rounded.
            bound = 1e-4 * np.std(TWO if one.ndim == 2 else Y, axis=0)
            assert (np.abs(numbers(loaded(X)[name]) - one) <= bound).all()
        assert certify(fitted_one, model, X, outputs=asked).given < 1e-3
        assert np.abs(numbers(to_keras(fitted_one)(X)) - expected[0]).max() < 1e-4 * Y.std()
        assert certify(fitted_one, to_keras(fitted_one), X).given < 1e-4
    with pytest.raises(UnsupportedTransformerError, match="several members are found by a search"):
        to_keras(ensemble, outputs=("quantile_0.5",))


def test_an_ensemble_is_pickled_with_its_bits_and_goes_on(ensemble, tmp_path):
    joblib.dump(ensemble, tmp_path / "ensemble")
    loaded = joblib.load(tmp_path / "ensemble")
    np.testing.assert_array_equal(loaded.predict_interval(X), ensemble.predict_interval(X))
    weights = [member.get_weights()[0] for member in loaded.members_]
    steps = int(loaded.members_[1].optimizer.iterations)
    loaded.set_params(warm_start=True).fit(X, TWO)
    for member, before in zip(loaded.members_, weights, strict=True):
        assert 0 < np.abs(member.get_weights()[0] - before).max() < 0.5
        assert int(member.optimizer.iterations) == 2 * steps
    loaded.partial_fit(X, TWO)
    assert int(loaded.members_[2].optimizer.iterations) == 2 * steps + 1
    with pytest.raises(ValueError, match="n_members=2, but the last fit had 3, from which"):
        loaded.set_params(n_members=2).fit(X, TWO)


def heads_in_a_list():
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, "relu")(inputs)
    return keras.Model(
        inputs, [keras.layers.Dense(1, name=name)(hidden) for name in "ab"], name="n"
    )


def of_two_inputs():
    inputs = [keras.Input((3,)), keras.Input((1,))]
    hidden = keras.layers.Dense(4, "relu")(keras.layers.concatenate(inputs))
    return keras.Model(inputs, keras.layers.Dense(1)(hidden), name="of_two")


@pytest.mark.parametrize("case", ["a model", "heads in a list", "inputs in a list"])
def test_members_may_have_one_name(case, tmp_path):
    model, data, y = {
        "a model": (dense(1)(), X, Y),
        "heads in a list": (heads_in_a_list, X, {"b": Y, "a": -Y}),
        "inputs in a list": (of_two_inputs, [X, X[:, :1]], Y),
    }[case]
    regressor = ScaledKerasRegressor(model, **{**THREE, "batch_size": 16}).fit(data, y)
    assert len({member.name for member in regressor.members_}) == 3
    mean, std = regressor.predict(data, return_std=True)
    joblib.dump(regressor, tmp_path / "ensemble")
    loaded = joblib.load(tmp_path / "ensemble")
    exported = to_keras(regressor)(data)
    for key in y if isinstance(y, dict) else [None]:
        assert (part(std, key) > 0).any()
        np.testing.assert_array_equal(part(loaded.predict(data), key), part(mean, key))
        assert np.abs(numbers(part(exported, key)) - part(mean, key)).max() < 1e-4 * Y.std()
    regressor.set_params(warm_start=True).fit(data, y)


def test_members_have_no_batchnorm_scaler():
    with pytest.raises(ValueError, match="n_members=3: each network would have an input scaler"):
        ScaledKerasRegressor(**THREE, input_scaler="batchnorm").fit(X, Y)


class InterruptsSecond(keras.callbacks.Callback):
    """Stops the second network that is trained; copies count together."""

    begun = 0

    def __deepcopy__(self, memo):
        return self

    def on_train_begin(self, logs=None):
        self.begun += 1

    def on_epoch_end(self, epoch, logs=None):
        if self.begun == 2:
            raise KeyboardInterrupt


def test_an_ensemble_that_is_interrupted_is_fitted_and_goes_on():
    regressor = ScaledKerasRegressor(**THREE, callbacks=[InterruptsSecond()], warm_start=True)
    text = "interrupted after [01] of 2 epochs of member 2; the ScaledKerasRegressor is fitted as"
    with pytest.warns(UserWarning, match=text):
        regressor.fit(X, Y)
    assert len(regressor.members_) == 2
    assert np.isfinite(regressor.predict(X, return_std=True)[1]).all()
    regressor.fit(X, Y)  # as the warning says
    assert len(regressor.members_) == 3
    single = ScaledKerasRegressor(**{**THREE, "n_members": 1}, warm_start=True).fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(alone(regressor, 0).predict(X), single.predict(X))
