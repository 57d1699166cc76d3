"""Distributions and ensembles in raw units: laws for any network's outputs, and fitted ones."""

import copy
import functools
from dataclasses import dataclass

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, QuantileTransformer

from sklearn_keras_scaling import (
    Laplace,
    Normal,
    Numbers,
    Quantiles,
    ScaledKerasRegressor,
    StudentT,
    UnsupportedTransformerError,
    ZeroInflatedLogNormal,
    certify,
    register_distribution,
    to_keras,
)
from sklearn_keras_scaling._structure import each, part
from sklearn_keras_scaling.maps import IDENTITY, Affine, Chain
from sklearn_keras_scaling.scaling import as_map
from sklearn_keras_scaling.targets._views import Mean, Quantile, Seen, Std

from . import QUICK
from .layers import WIDE, numbers

needs_float64 = pytest.mark.skipif(WIDE != "float64", reason="there is no float64")
EPS = np.finfo(float).eps
LOG = FunctionTransformer(np.log, np.exp)
LOG1P = FunctionTransformer(np.log1p, np.expm1)
FALLING = {
    "reciprocal": FunctionTransformer(np.reciprocal, np.reciprocal),
    "negative": FunctionTransformer(np.negative, np.negative),
}
EACH = [Normal(), StudentT(), Laplace(), Quantiles(), ZeroInflatedLogNormal()]
SMOOTH = [Normal(), StudentT(), Laplace()]
LEVELS = (0.01, 0.05, 0.3, 0.5, 0.8, 0.99)
each_kind, smooth = st.sampled_from(EACH), st.sampled_from(SMOOTH)
seeds = st.integers(0, 2**32 - 1)
units = st.tuples(
    st.floats(1e-6, 1e6).flatmap(lambda a: st.sampled_from([a, -a])), st.floats(-1e6, 1e6)
)


def drawn(distribution, seed, n=8, k=1, n_members=None, spread=1.0):
    """Return what a network might say of rows of k numbers."""
    members = () if n_members is None else (n_members,)
    shape = (n, *members, k, distribution.n_outputs)
    return np.random.default_rng(seed).normal(size=shape) * spread


def seen(distribution, scaling=IDENTITY, k=1, n_members=None):
    return Seen(distribution, scaling, (k,), False, n_members, "target_scaler")


def ask(kind, of, outputs, *given):
    return kind(of, *given).forward(outputs, np)


def target_of(y, distribution, scaler="standard", n_members=None):
    """Return a target that is fitted on numbers, without a network."""
    target = Numbers(scaler, distribution=distribution).bound()
    y = target.check(ScaledKerasRegressor(), np.asarray(y), "y")
    target.learn(y)
    target.fit(y, None, "fit", True, None)
    assert target.fit_output(np.zeros((1, *(y.shape[1:] or (1,)), distribution.n_outputs)), "n")
    target.n_members_ = n_members
    return target


# Laws


@given(each_kind, seeds, units, st.sampled_from([None, 3]))
def test_another_unit_moves_locations_and_scales_deviations(distribution, seed, unit, n_members):
    a, b = unit
    scaling = Affine(3.0, 2.0)
    here = seen(distribution, scaling, n_members=n_members)
    there = seen(distribution, Chain((Affine(b, a), scaling)), n_members=n_members)
    outputs = drawn(distribution, seed, n_members=n_members)
    std = ask(Std, here, outputs)
    # The search for a mixture's quantile ends at 1e-10; offsets are rounded.
    bound = abs(a) * 1e-9 * np.maximum(std, 1.0) + 8 * EPS * abs(b)
    found = ask(Std, there, outputs)
    assert (np.abs(found - abs(a) * std) <= bound).all()
    assert (np.abs(ask(Mean, there, outputs) - (a * ask(Mean, here, outputs) + b)) <= bound).all()
    for q in LEVELS:
        expected = a * ask(Quantile, here, outputs, q if a > 0 else 1.0 - q) + b
        low = np.abs(ask(Quantile, there, outputs, q) - expected)
        assert (low <= bound + 1e-9 * np.abs(expected)).all(), q


@given(st.sampled_from([Normal(), Laplace(), Quantiles()]), seeds, units)
def test_so_it_is_behind_a_scaler_that_is_not_affine(distribution, seed, unit):
    a, b = unit
    scaling = as_map(LOG1P.fit(np.ones((2, 1))))
    here, there = seen(distribution, scaling), seen(distribution, Chain((Affine(b, a), scaling)))
    outputs = drawn(distribution, seed, spread=0.2)
    outputs[..., 1:] -= 2.0 if distribution != Quantiles() else 0.0
    mean, std = ask(Mean, here, outputs), ask(Std, here, outputs)
    bound = 1e-9 * abs(a) * (np.abs(mean) + std) + 16 * EPS * abs(b)
    assert (np.abs(ask(Mean, there, outputs) - (a * mean + b)) <= bound).all()
    # Squares of what an offset has rounded.
    found = ask(Std, there, outputs)
    assert (np.abs(found - abs(a) * std) <= bound + 64 * EPS * abs(b)).all()


@given(smooth, seeds, st.sampled_from(["log", "quantile"]))
def test_quantiles_go_through_a_scaler_that_rises(distribution, seed, name):
    y = np.random.default_rng(seed).lognormal(size=(40, 2))
    scaler = LOG if name == "log" else QuantileTransformer(n_quantiles=10)
    scaler.fit(y)
    outputs = drawn(distribution, seed, k=2, spread=0.3)
    target = target_of(y, distribution, scaler)
    parameters = distribution.parameters(outputs, np)
    for q in LEVELS:
        z = distribution.quantile(q, parameters, np)
        found = target.view("quantile", q).forward(outputs, np)
        np.testing.assert_allclose(found, scaler.inverse_transform(z), rtol=1e-9)


@given(smooth, seeds, st.sampled_from(sorted(FALLING)), st.sampled_from([None, 3]))
def test_quantiles_swap_where_a_scaler_falls(distribution, seed, name, n_members):
    y = np.random.default_rng(seed).lognormal(size=(40, 1))
    scaler = FALLING[name].fit(y)
    target = target_of(y, distribution, scaler, n_members)
    outputs = drawn(distribution, seed, n_members=n_members, spread=0.1)
    outputs[..., 0] = 10.0 + np.abs(outputs[..., 0])  # far from the pole
    outputs[..., 1] = -3.0
    for q in (0.05, 0.3, 0.5, 0.9):
        found = target.view("quantile", q).forward(outputs, np)
        z = scaler.transform(found)
        every = outputs[:, None] if n_members is None else outputs
        parameters = distribution.parameters(every, np)
        cdf = np.mean(
            [
                distribution.cdf(z, tuple(p[:, i] for p in parameters))
                for i in range(every.shape[1])
            ],
            axis=0,
        )
        np.testing.assert_allclose(1.0 - cdf, q, atol=1e-8)  # the search ends at 1e-10


@pytest.mark.parametrize("n_members", [None, 3])
def test_moments_of_a_lognormal_target_are_the_closed_form(n_members):
    y = np.random.default_rng(0).lognormal(size=(50, 1))
    target = target_of(y, Normal(), LOG, n_members)
    outputs = drawn(Normal(), 0, n=40, n_members=n_members)
    mu, sigma = Normal().parameters(outputs, np)
    means = np.exp(mu + sigma**2 / 2)
    variances = means**2 * np.expm1(sigma**2)
    if n_members is not None:
        means, between = means.mean(axis=1), means.var(axis=1)
        variances = variances.mean(axis=1) + between
    mean, std = (target.view(kind).forward(outputs, np) for kind in ("mean", "std"))
    assert (np.abs(mean - means) <= 1e-3 * np.sqrt(variances)).all()
    np.testing.assert_allclose(std, np.sqrt(variances), rtol=1e-3)
    np.testing.assert_array_equal(target.decode(outputs), mean)


@given(each_kind, seeds)
def test_an_ensemble_is_the_mixture_of_its_members(distribution, seed):
    outputs = drawn(distribution, seed, n_members=4)
    of_all = seen(distribution, Affine(-5.0, 0.5), n_members=4)
    each_one = [seen(distribution, Affine(-5.0, 0.5))] * 4
    means, stds = (
        np.stack([ask(kind, one, outputs[:, i]) for i, one in enumerate(each_one)])
        for kind in (Mean, Std)
    )
    np.testing.assert_allclose(ask(Mean, of_all, outputs), means.mean(axis=0), rtol=1e-12)
    total = np.sqrt((stds**2).mean(axis=0) + means.var(axis=0))
    np.testing.assert_allclose(ask(Std, of_all, outputs), total, rtol=1e-9)
    parameters = distribution.parameters(outputs, np)
    for q in LEVELS:
        z = (ask(Quantile, of_all, outputs, q) + 5.0) / 0.5
        below, at = (
            np.mean([distribution.cdf(y, tuple(p[:, i] for p in parameters)) for i in range(4)], 0)
            for y in (z - 1e-7, z + 1e-7)  # cdfs may jump
        )
        assert (below <= q + 1e-9).all()
        assert (at >= q - 1e-9).all()


@given(each_kind, seeds, st.sampled_from([None, 3]), st.sampled_from([IDENTITY, Affine(0.0, -2.0)]))
def test_quantiles_never_cross(distribution, seed, n_members, scaling):
    of = seen(distribution, scaling, n_members=n_members)
    outputs = drawn(distribution, seed, n_members=n_members, spread=30.0)
    with np.errstate(over="ignore"):  # a log-normal quantile may be infinite
        found = np.stack([ask(Quantile, of, outputs, q) for q in LEVELS])
    # The search for a mixture's ends at 1e-10 in scaled space; predict_quantiles puts it right.
    bound = 0.0 if n_members is None else 2e-10 * np.maximum(np.abs(found[:-1]), 1.0)
    assert (found[1:] >= found[:-1] - bound).all()


@pytest.mark.parametrize("n_members", [None, 3])
@pytest.mark.parametrize("distribution", [Normal(), Laplace(), Quantiles()], ids=repr)
def test_samples_have_the_moments(distribution, n_members):
    y = np.random.default_rng(0).normal(50.0, 7.0, size=(30, 2))
    target = target_of(y, distribution, "minmax", n_members)
    outputs = drawn(distribution, 0, n=3, k=2, n_members=n_members)
    mean, std = (target.view(kind).forward(outputs, np) for kind in ("mean", "std"))
    n = 20_000
    draws = target.sample(outputs, n, np.random.default_rng(0))
    assert draws.shape == (3, 2, n)
    assert (np.abs(draws.mean(axis=-1) - mean) < 5 * std / np.sqrt(n)).all()
    # The variance's own deviation is at most sqrt(5 / n) of it (Laplace), 2.5 in std.
    np.testing.assert_allclose(draws.std(axis=-1), std, rtol=5 * np.sqrt(5 / n) / 2)
    low = target.view("quantile", 0.1).forward(outputs, np)
    share = (draws < low[..., None]).mean(axis=-1)
    assert (np.abs(share - 0.1) < 5 * np.sqrt(0.09 / n)).all()


def test_members_are_drawn_for_all_numbers_of_a_row():
    target = target_of(np.random.default_rng(0).normal(size=(30, 2)), Normal(), None, 2)
    outputs = np.zeros((1, 2, 2, 2))
    outputs[0, 1, :, 0], outputs[..., 1] = 100.0, -9.0
    draws = target.sample(outputs, 500, np.random.default_rng(0))[0]
    assert set(np.round(draws[0] / 100.0)) == {0.0, 1.0}
    np.testing.assert_array_equal(np.round(draws[0] / 100.0), np.round(draws[1] / 100.0))


# Likelihoods


RAW = {
    Normal(): lambda loc, scale: stats.norm(loc, scale),
    Laplace(): lambda loc, scale: stats.laplace(loc, scale),
    StudentT(): lambda loc, scale: stats.t(4, loc, scale),
}


@pytest.mark.parametrize("distribution", SMOOTH, ids=repr)
def test_likelihoods_are_of_raw_numbers_summed_over_columns(distribution):
    y = np.random.default_rng(0).normal([1e3, -2.0], [50.0, 1e-3], size=(20, 2))
    target = target_of(y, distribution)
    outputs = drawn(distribution, 0, n=20, k=2)
    loc, scale = distribution.parameters(outputs, np)
    unit = y.mean(axis=0), y.std(axis=0)
    expected = RAW[distribution](loc * unit[1] + unit[0], scale * unit[1]).logpdf(y)
    found = target.log_likelihood(outputs, y)
    np.testing.assert_allclose(found, expected.sum(axis=1), rtol=1e-9)
    some = y.copy()
    some[0], some[1, 1] = np.nan, np.nan
    expected[np.isnan(some)] = 0.0
    np.testing.assert_allclose(target.log_likelihood(outputs, some), expected.sum(axis=1), 1e-9)


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_likelihoods_behind_a_logarithm(size):
    y = np.random.default_rng(0).lognormal(size=(20, 2)) * size
    target = target_of(y, Normal(), LOG)
    outputs = drawn(Normal(), 0, n=20, k=2)
    mu, sigma = Normal().parameters(outputs, np)
    expected = stats.lognorm(sigma, scale=np.exp(mu)).logpdf(y)
    found = target.log_likelihood(outputs, y)
    np.testing.assert_allclose(found, expected.sum(axis=1), rtol=1e-8)
    some = y.copy()
    some[0, 0], some[1] = np.nan, [np.nan, 0.0]
    found = target.log_likelihood(outputs, some)
    assert found[0] == pytest.approx(expected[0, 1], rel=1e-8)
    assert found[1] == -np.inf  # no logarithm, no density
    some[1] = -1.0
    assert target.log_likelihood(outputs, some)[1] == -np.inf


def test_likelihoods_far_from_zero_behind_a_scaler_that_is_not_affine():
    rng = np.random.default_rng(0)
    y = 1e6 + np.sort(rng.normal(size=(30, 1)), axis=0)
    scaler = QuantileTransformer(n_quantiles=10, output_distribution="uniform")
    target = target_of(y, Normal(), scaler)
    outputs = drawn(Normal(), 0, n=30)
    mu, sigma = Normal().parameters(outputs, np)
    z = scaler.fit(y).transform(y)
    inner = slice(2, -2)
    step = 1e-3 * np.diff(scaler.quantiles_[:, 0]).min()
    slope = (scaler.transform(y + step) - scaler.transform(y - step)) / (2 * step)
    expected = (stats.norm(mu, sigma).logpdf(z) + np.log(slope))[inner, 0]
    is_knot = np.isin(y, scaler.quantiles_)[inner, 0]
    found = target.log_likelihood(outputs, y)
    np.testing.assert_allclose(found[inner][~is_knot], expected[~is_knot], rtol=1e-4)
    assert np.isfinite(found).all()  # at the ends too


def test_likelihoods_of_members_are_the_mixtures():
    y = np.random.default_rng(0).normal(size=(20, 1))
    target = target_of(y[:, 0], Laplace(), None, 3)
    outputs = drawn(Laplace(), 0, n=20, n_members=3)[:, :, 0]
    loc, scale = Laplace().parameters(outputs, np)
    expected = np.log(stats.laplace(loc, scale).pdf(y).mean(axis=1))
    np.testing.assert_allclose(target.log_likelihood(outputs, y[:, 0]), expected, rtol=1e-9)


def test_zero_has_a_probability_and_what_is_above_a_density():
    y = np.r_[np.zeros(5), np.random.default_rng(0).lognormal(size=15) * 100.0]
    target = target_of(y, ZeroInflatedLogNormal())
    assert target.scaler_.transform([[0.0]]) == 0.0
    outputs = drawn(ZeroInflatedLogNormal(), 0, n=20)[:, 0]
    logit, mu, sigma = ZeroInflatedLogNormal().parameters(outputs, np)
    p = 1.0 / (1.0 + np.exp(-logit))
    expected = np.log(p) + stats.lognorm(sigma, scale=np.exp(mu) * y.std()).logpdf(np.maximum(y, 1))
    expected[:5] = np.log(1.0 - p[:5])
    np.testing.assert_allclose(target.log_likelihood(outputs, y), expected, rtol=1e-9)
    at_zero, below = (target.log_likelihood(outputs, np.full(20, y)) for y in (0.0, -1.0))
    np.testing.assert_array_equal(below, at_zero)  # which counts as zero


def test_outputs_that_are_no_numbers_have_no_likelihood():
    target = target_of(np.arange(4.0), Normal())
    outputs = np.zeros((4, 2))
    outputs[1, 0] = np.nan
    np.testing.assert_array_equal(
        np.isnan(target.log_likelihood(outputs, np.arange(4.0))), [False, True, False, False]
    )


# Fitted


RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = 1e3 + 50.0 * X[:, 0] + 20.0 * RNG.normal(size=60) * np.exp(0.3 * X[:, 1])
TWO = np.c_[Y, np.exp(X[:, 1])]
EAGER = {**QUICK, "epochs": 2, "compile__run_eagerly": True}
NAMES = ["normal", "student_t", "laplace", "quantiles", "zero_inflated_lognormal"]
TARGETS = {
    "row": Y,
    "column": Y[:, None],
    "two": TWO,
    "steps": np.stack([Y + i for i in range(4)], axis=1),
    "steps of two": np.stack([TWO + i for i in range(4)], axis=1),
    "named": {"a": Y, "b": TWO},
    "table": pd.DataFrame(np.c_[TWO, -Y], columns=["p", "q", "r"]),
}
CASES = [(name, "two") for name in NAMES] + [("normal", kind) for kind in TARGETS if kind != "two"]


@functools.cache
def fitted(name, kind):
    parameters = {}
    if kind == "table":
        parameters["target_columns"] = {"rest": ["r", "q"], "first": ["p"]}
        parameters["distribution"] = {"rest": name, "first": "laplace"}
    elif kind == "named":
        parameters["distribution"] = {"a": name, "b": "laplace"}
    else:
        parameters["distribution"] = name
    return ScaledKerasRegressor(**EAGER, **parameters).fit(X, TARGETS[kind])


def assert_shapes(found, y, *behind):
    if isinstance(y, dict):
        assert set(found) == set(y)
        for key, one in y.items():
            assert_shapes(found[key], one, *behind)
        return
    assert found.shape == (*y.shape, *behind)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_results_have_the_shape_of_the_targets(name, kind):
    regressor, y = fitted(name, kind), TARGETS[kind]
    mean, std = regressor.predict(X, return_std=True)
    assert_shapes(mean, y)
    assert_shapes(std, y)
    assert_shapes(regressor.predict_quantiles(X), y, 3)
    assert_shapes(regressor.predict_quantiles(X, 0.3), y, 1)
    assert_shapes(regressor.predict_interval(X), y, 2)
    assert_shapes(regressor.sample(X, 4, 0), y, 4)
    assert_shapes(regressor.at_quantile(0.3).predict(X), y)
    likelihood = regressor.log_likelihood(X, y)
    for one in likelihood.values() if isinstance(likelihood, dict) else [likelihood]:
        assert one.shape == (60,)
        assert np.isfinite(one).all()
    assert np.isfinite(regressor.score(X, y))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_what_is_exported_is_what_the_host_says(name, kind, tmp_path):
    regressor = fitted(name, kind)
    first = "quantile_0.5" if name == "quantiles" else "mean"  # what is predicted
    asked = (first, "std", "quantile_0.05", "quantile_0.9")
    model = to_keras(regressor, outputs=asked)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    found = {key: numbers(one) for key, one in model(X).items()}
    low, high = (regressor.predict_quantiles(X, q) for q in (0.05, 0.9))
    every = [*regressor.predict(X, return_std=True), low, high]
    every[2:] = [each(lambda _, y: y[..., 0], one) for one in every[2:]]
    targets = TARGETS[kind] if isinstance(TARGETS[kind], dict) else {None: TARGETS[kind]}
    assert set(found) == {f"{key}_{one}" if key else one for key in targets for one in asked}
    for key, y in targets.items():
        for one, expected in zip(asked, every, strict=True):
            raw = found[f"{key}_{one}" if key else one]
            expected = part(expected, key)
            assert raw.shape == expected.shape
            # Float32 of outputs of order 1, seen through the scale, and of large numbers.
            bound = 1e-5 * (np.asarray(y).std(axis=0) + np.abs(expected))
            assert (np.abs(raw - expected) <= bound).all()
    for key, one in loaded(X).items():
        np.testing.assert_array_equal(numbers(one), found[key])
    assert certify(regressor, model, X, outputs=asked).given < 1e-4


def test_a_table_of_which_some_columns_have_a_distribution():
    columns, kinds = {"a": ["p", "r"], "b": ["q"]}, {"a": None, "b": "normal"}
    regressor = ScaledKerasRegressor(**EAGER, target_columns=columns, distribution=kinds)
    regressor.fit(X, TARGETS["table"])
    assert regressor.predict(X).shape == (60, 3)
    found = regressor.predict_interval(X)
    assert {name: one.shape for name, one in found.items()} == {"b": (60, 1, 2)}
    _, std = regressor.predict(X, return_std=True)
    assert list(std) == ["b"]
    model = to_keras(regressor, outputs=("mean", "std"))
    assert {name: one.shape[1:] for name, one in model(X).items()} == {"mean": (3,), "b_std": (1,)}
    assert certify(regressor, model, X, outputs=("mean", "std")).given < 1e-4


def test_pickles_and_clones(tmp_path):
    regressor = fitted("quantiles", "two")
    joblib.dump(regressor, tmp_path / "regressor")
    loaded = joblib.load(tmp_path / "regressor")
    np.testing.assert_array_equal(loaded.predict_interval(X), regressor.predict_interval(X))
    levels = {"distribution": "quantiles", "distribution__quantiles": (0.1, 0.25, 0.9)}
    other = clone(regressor).set_params(**levels)
    assert clone(other).get_params()["distribution__quantiles"] == (0.1, 0.25, 0.9)
    other.fit(X, Y)
    assert other.network_.output_shape == (None, 3)
    assert other.targets_.by_output.distribution_ == Quantiles((0.1, 0.25, 0.9))
    # Its own level is what the network says, unless they cross.
    outputs = np.sort(other.network_.predict(other.input_scaler_.transform(X), verbose=0))
    raw = outputs * Y.std() + Y.mean()
    np.testing.assert_allclose(other.predict_quantiles(X, (0.1, 0.25, 0.9)), raw, rtol=1e-6)


def test_parameters_of_a_distribution_are_searched():
    regressor = ScaledKerasRegressor(**EAGER, distribution="student_t")
    search = GridSearchCV(regressor, {"distribution__df": [3, 30]}, cv=2, error_score="raise")
    pipeline = make_pipeline(FunctionTransformer(), search).fit(X, Y)
    best = search.best_estimator_
    assert best.targets_.by_output.distribution_ == StudentT(
        search.best_params_["distribution__df"]
    )
    model = to_keras(pipeline, outputs=("std", "quantile_0.25"))
    assert certify(pipeline, model, X, outputs=("std", "quantile_0.25")).given < 1e-4
    found = numbers(model(X)["std"])
    np.testing.assert_allclose(found, best.predict(X, return_std=True)[1], rtol=1e-5)


@register_distribution("test_half_normal")
@dataclass(frozen=True)
class Halved(Normal):
    """A distribution of one's own: a normal one with a factor."""

    factor: float = 0.5

    def parameters(self, outputs, xp):
        loc, scale = super().parameters(outputs, xp)
        return loc, scale * self.factor


def test_a_distribution_of_ones_own(tmp_path):
    given = {"distribution": "test_half_normal", "distribution__factor": 0.25}
    regressor = ScaledKerasRegressor(**{**EAGER, "epochs": 1}, **given).fit(X, Y)
    _, std = regressor.predict(X, return_std=True)
    outputs = regressor.network_.predict(regressor.input_scaler_.transform(X), verbose=0)
    _, scale = Normal().parameters(outputs, np)
    np.testing.assert_allclose(std, scale * 0.25 * Y.std(), rtol=1e-6)
    model = to_keras(regressor, outputs="std")
    model.save(tmp_path / "model.keras")
    found = keras.saving.load_model(tmp_path / "model.keras")(X)["std"]
    np.testing.assert_allclose(numbers(found), std, rtol=1e-5)


# Metrics


def test_metrics_while_training_are_those_of_what_is_predicted():
    metrics = ["crps", "coverage_0.8", "interval_width_0.8", "pinball_0.05", "mae"]
    still = {**EAGER, "epochs": 1, "optimizer__learning_rate": 0.0}
    regressor = ScaledKerasRegressor(**still, distribution="normal", metrics=metrics, loss="crps")
    regressor.fit(X, Y, X_val=X, y_val=Y)
    mean, std = regressor.predict(X, return_std=True)
    low, high = regressor.predict_interval(X, 0.8).T
    pinball = mean_pinball_loss(Y, regressor.predict_quantiles(X, 0.05)[:, 0], alpha=0.05)
    z = (Y - mean) / std
    normal = stats.norm()
    crps = std * (z * (2 * normal.cdf(z) - 1) + 2 * normal.pdf(z) - 1 / np.sqrt(np.pi))
    history = {name: values[0] for name, values in regressor.history_.items()}
    expected = {
        "crps": crps.mean(),
        "coverage_0.8": np.mean((low <= Y) & (high >= Y)),
        "interval_width_0.8": np.mean(high - low),
        "pinball_0.05": pinball,
        "mae": np.abs(Y - mean).mean(),
    }
    for name, value in expected.items():
        assert history[f"val_{name}"] == pytest.approx(value, rel=1e-4)  # float32
        assert history[name] == pytest.approx(value, rel=1e-4)
    assert history["loss"] == pytest.approx(crps.mean() / Y.std(), rel=1e-4)


# What is predicted


SKEWED = np.exp(2.0 + RNG.normal(size=60))
STILL = {**EAGER, "epochs": 1}


def test_behind_a_power_the_median_is_predicted_and_a_mean_does_not_exist():
    given = {**STILL, "distribution": "normal", "target_scaler": PowerTransformer()}
    regressor = ScaledKerasRegressor(**given).fit(X, SKEWED)
    median = regressor.predict_quantiles(X, 0.5)[:, 0]
    np.testing.assert_array_equal(regressor.predict(X), median)
    text = "of y does not exist for all that the network may say: target_scaler=PowerTransformer"
    for ask in (
        lambda: regressor.predict(X, return_std=True),
        lambda: to_keras(regressor, outputs=("mean",)),
    ):
        with pytest.raises(ValueError, match=text):
            ask()
    before = dict(vars(regressor))
    regressor.target_statistic = "mean"
    with pytest.raises(ValueError, match=f"mean {text}.*Ask for quantiles, or use an affine"):
        regressor.fit(X, SKEWED)
    assert vars(regressor) == {**before, "target_statistic": "mean"}


def test_students_t_behind_an_exponential_has_quantiles_alone():
    given = {**STILL, "distribution": "student_t", "target_scaler": LOG}
    regressor = ScaledKerasRegressor(**given).fit(X, SKEWED)
    median = regressor.predict_quantiles(X, 0.5)[:, 0]
    np.testing.assert_array_equal(regressor.predict(X), median)
    with pytest.raises(ValueError, match=r"std of y does not exist.*StudentT|std.*'student_t'"):
        regressor.predict(X, return_std=True)
    assert np.isfinite(regressor.predict_interval(X)).all()
    assert np.isfinite(regressor.log_likelihood(X, SKEWED)).all()
    model = to_keras(regressor)
    np.testing.assert_allclose(numbers(model(X)), median, rtol=1e-5)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_a_statistic_of_a_distribution(statistic):
    given = {**STILL, "distribution": "normal", "target_scaler": LOG, "target_statistic": statistic}
    regressor = ScaledKerasRegressor(**given).fit(X, SKEWED)
    outputs = regressor.network_.predict(regressor.input_scaler_.transform(X), verbose=0)
    mu, sigma = Normal().parameters(outputs, np)
    expected = np.exp(mu + (sigma**2 / 2 if statistic == "mean" else 0.0))
    std = expected * np.sqrt(np.expm1(sigma**2))
    assert (np.abs(regressor.predict(X) - expected) <= 1e-3 * std).all()
    np.testing.assert_allclose(numbers(to_keras(regressor)(X)), regressor.predict(X), rtol=1e-5)


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_plain_networks_mean_is_smeared(n_members):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 1))
    y = np.expm1(np.abs(2.0 + 0.3 * x[:, 0] + rng.normal(size=2000)))
    linear = {
        **QUICK,
        "epochs": 30,
        "hidden_layer_sizes": (),
        "target_scaler": LOG1P,
        "n_members": n_members,
    }
    median = ScaledKerasRegressor(**linear).fit(x, y)
    mean = ScaledKerasRegressor(**linear, target_statistic="mean").fit(x, y)
    assert median.predict(x).mean() < 0.75 * y.mean()
    assert mean.predict(x).mean() == pytest.approx(y.mean(), rel=0.05)
    found = numbers(to_keras(mean)(x))
    np.testing.assert_allclose(found, mean.predict(x), rtol=1e-5)
    # Duan's formula, over all the residuals.
    if n_members == 1:
        z = np.log1p(median.predict(x))
        residuals = np.log1p(y) - z
        duan = np.array([np.expm1(one + residuals).mean() for one in z])
        np.testing.assert_allclose(mean.predict(x), duan, rtol=0.1)  # 101 quantiles, cut
    missing = np.r_[y[:-1], np.nan]
    again = ScaledKerasRegressor(**{**linear, "epochs": 1}, target_statistic="mean")
    assert np.isfinite(again.fit(x, missing).predict(x)).all()


def test_the_mean_behind_an_affine_scaler_needs_nothing():
    plain, mean = (
        ScaledKerasRegressor(**STILL, target_statistic=statistic).fit(X, TWO)
        for statistic in (None, "mean")
    )
    np.testing.assert_array_equal(plain.predict(X), mean.predict(X))


# Ensembles


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


# Bad input


def dense(units):
    return lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"distribution": "normall"}, ValueError, "'normall' is no known .* Did you mean 'normal'"),
        ({"distribution": 3}, TypeError, "distribution must be a name .* got 3"),
        ({"distribution__df": 3}, ValueError, "distribution__df was given, but distribution is No"),
        (
            {"distribution": "student_t", "distribution__dof": 3},
            ValueError,
            "no parameter 'dof'.*Did you mean 'distribution__df'",
        ),
        ({"distribution": "student_t", "distribution__df": -1}, ValueError, "df"),
        ({"distribution": {"a": "normal"}}, TypeError, "distribution must be a name"),
        (
            {"distribution": "quantiles", "distribution__quantiles": (0.0, 0.5)},
            ValueError,
            "between 0 and 1, both excluded",
        ),
        (
            {"distribution": "quantiles", "distribution__quantiles": (0.9, 0.1)},
            ValueError,
            "ascending",
        ),
        (
            {"distribution": "quantiles", "distribution__quantiles": (0.1, 0.1)},
            ValueError,
            "repeated|twice",
        ),
        ({"distribution": "quantiles", "distribution__quantiles": ()}, ValueError, "quantile"),
        (
            {"distribution": "normal", "model": dense(1)},
            ValueError,
            r"returns outputs of shape \('batch', 1\), but distribution=Normal\(\) needs 2 "
            r"numbers for each number of y.*End the network with Dense\(2\), without an activation",
        ),
        (
            {"distribution": "quantiles", "model": dense(2)},
            ValueError,
            "needs 3 numbers for each number of y",
        ),
        ({"model": dense(2)}, ValueError, r"but y has 1 column\. End the network with Dense\(1\)"),
        (
            {"distribution": "normal", "loss": "mse"},
            ValueError,
            "loss='mse' compares numbers, but with distribution='normal' the network returns param",
        ),
        ({"distribution": "normal", "loss": keras.losses.Huber()}, ValueError, "compares numbers"),
        (
            {"distribution": "normal", "loss__delta": 2.0},
            ValueError,
            "loss__delta: the loss of a distribution has no parameters. Give them to",
        ),
        (
            {"distribution": "normal", "loss_units": "target"},
            ValueError,
            "that of a distribution is the same in all units. Use 'scaled'",
        ),
        (
            {"distribution": "student_t", "distribution__df": 2.5, "loss": "crps"},
            ValueError,
            "no CRPS in a graph",
        ),
        ({"loss": "crps"}, ValueError, "loss='crps' is unknown to Keras|distribution"),
        (
            {"distribution": "normal", "metrics": ["coverage_90"]},
            ValueError,
            "Write 0.9 for 90 %|90",
        ),
        ({"metrics": ["coverage_0.9"]}, ValueError, "coverage_0.9"),
        (
            {"target_statistic": "mode"},
            ValueError,
            "target_statistic must be one of None, 'mean', 'median', got 'mode'",
        ),
        ({"target_statistic": "median"}, ValueError, "target_statistic='median' needs a distribu"),
        ({"n_members": 0}, ValueError, "n_members == 0, must be >= 1"),
        ({"n_members": 2.5}, TypeError, "n_members must be an instance of"),
        (
            {"distribution": "zero_inflated_lognormal", "target_scaler": "minmax"},
            ValueError,
            "gives zero a probability of its own, but target_scaler='minmax' moves zero",
        ),
        ({"distribution": "normal", "target_scaler": "none"}, ValueError, "target_scaler='none'"),
    ],
    ids=range(27),
)
def test_wrong_parameters_are_explained(parameters, error, text):
    regressor = ScaledKerasRegressor(**EAGER, **parameters)
    before = dict(vars(regressor))
    with pytest.raises(error, match=text):
        regressor.fit(X, Y)
    assert vars(regressor) == before


def test_numbers_below_zero_have_no_zero_inflated_distribution():
    regressor = ScaledKerasRegressor(**EAGER, distribution="zero_inflated_lognormal")
    before = dict(vars(regressor))
    with pytest.raises(ValueError, match="is of numbers from zero on, but y has -3 among others"):
        regressor.fit(X, np.r_[-3.0, Y[1:]])
    assert vars(regressor) == before


@pytest.mark.parametrize(
    ("quantiles", "text"),
    [
        ((0.0, 0.5), r"between 0 and 1, both excluded, got 0\.0\. Write 0\.95 for 95 %"),
        (95, "between 0 and 1, both excluded, got 95"),
        ((0.9, 0.1), r"not ascending: got \(0\.9, 0\.1\)\. Write \(0\.1, 0\.9\)"),
        ((0.1, 0.1, 0.9), r"repeated: got .*Write \(0\.1, 0\.9\)"),
        ((), "quantiles is empty"),
        ((np.nan,), "between 0 and 1"),
        (("0.5",), "between 0 and 1.*'0.5'"),
        ((True,), "between 0 and 1"),
        (None, "quantiles"),
    ],
    ids=range(9),
)
def test_wrong_quantiles_are_explained(quantiles, text):
    regressor = fitted("normal", "row")
    with pytest.raises(ValueError, match=text):
        regressor.predict_quantiles(X, quantiles)


def test_what_cannot_be_asked():
    regressor, plain = fitted("normal", "row"), ScaledKerasRegressor(**STILL).fit(X, Y)
    for coverage in (0.0, 1.0, 90):
        with pytest.raises(ValueError, match="coverage must lie between 0 and 1, both excluded"):
            regressor.predict_interval(X, coverage)
    with pytest.raises(TypeError, match="coverage must be an instance of"):
        regressor.predict_interval(X, "0.9")
    with pytest.raises(ValueError, match="n_samples == 0, must be >= 1"):
        regressor.sample(X, 0)
    with pytest.raises(ValueError, match="quantiles must lie between 0 and 1"):
        regressor.at_quantile(1.0)
    text = "of y is not known: the network says a number alone. Fit with distribution='normal'"
    with pytest.raises(ValueError, match=f"std {text} or another one, or with n_members=5"):
        plain.predict(X, return_std=True)
    for ask in (
        lambda: plain.predict_quantiles(X),
        lambda: plain.predict_interval(X),
        lambda: plain.sample(X),
        lambda: plain.log_likelihood(X, Y),
        lambda: plain.at_quantile(0.5),
        lambda: to_keras(plain, outputs=("quantile_0.5",)),
    ):
        with pytest.raises(ValueError, match=text):
            ask()
    with pytest.raises(ValueError, match="outputs names 'sd', but has 'mean', 'std' and 'quant"):
        to_keras(regressor, outputs=("sd",))
    with pytest.raises(ValueError, match="outputs names 'quantile_5'"):
        to_keras(regressor, outputs=("quantile_5",))
    for outputs in ((), ("mean", "mean")):
        with pytest.raises(ValueError, match="outputs must name one thing or more, each once"):
            to_keras(regressor, outputs=outputs)
    with pytest.raises(ValueError, match="y has samples of shape"):
        regressor.log_likelihood(X, TWO)
    with pytest.raises(NotFittedError):
        ScaledKerasRegressor(distribution="normal").predict_quantiles(X)
    with pytest.raises(NotFittedError):
        ScaledKerasRegressor(distribution="normal").at_quantile(0.5)


def test_a_failed_fit_leaves_the_one_before():
    regressor = ScaledKerasRegressor(**EAGER, distribution="normal").fit(X, Y)
    before, expected = dict(vars(regressor)), regressor.predict_interval(X)
    regressor.set_params(distribution="quantiles", loss="mse")
    with pytest.raises(ValueError, match="loss='mse' compares numbers"):
        regressor.fit(X, TWO)
    regressor.set_params(distribution="normal", loss=None)
    assert vars(regressor) == before
    np.testing.assert_array_equal(regressor.predict_interval(X), expected)


# Behind other scalers


def test_a_scaler_for_each_column():
    scalers = ["minmax", LOG]
    regressor = ScaledKerasRegressor(**STILL, distribution="normal", target_scaler=scalers)
    regressor.fit(X, TWO)
    outputs = regressor.network_.predict(regressor.input_scaler_.transform(X), verbose=0)
    mu, sigma = Normal().parameters(outputs, np)
    mean, std = regressor.predict(X, return_std=True)
    np.testing.assert_allclose(std[:, 0], sigma[:, 0] * np.ptp(Y), rtol=1e-3)
    means = np.exp(mu[:, 1] + sigma[:, 1] ** 2 / 2)
    assert (np.abs(mean[:, 1] - means) <= 1e-3 * std[:, 1]).all()
    asked = ("mean", "std", "quantile_0.1")
    assert certify(regressor, to_keras(regressor, outputs=asked), X, outputs=asked).given < 1e-4
    low = regressor.predict_quantiles(X, 0.1)[..., 0]
    expected = mu + sigma * stats.norm.ppf(0.1)
    np.testing.assert_allclose(low[:, 1], np.exp(expected[:, 1]), rtol=1e-6)


def test_intervals_stay_in_order_behind_a_scaler_that_falls():
    falls = FALLING["negative"]
    regressor = ScaledKerasRegressor(**STILL, distribution="laplace", target_scaler=falls)
    regressor.fit(X, TWO / [50.0, 1.0] - [20.0, 1.0])
    found = regressor.predict_interval(X)
    assert (found[..., 0] < found[..., 1]).all()
    asked = ("quantile_0.05", "quantile_0.95")
    exported = to_keras(regressor, outputs=asked)(X)
    both = np.stack([numbers(exported[name]) for name in asked], axis=-1)
    np.testing.assert_allclose(both, found, rtol=1e-4, atol=1e-5)


def test_series_at_their_own_level_have_no_distribution_but_members():
    level = 1e3 * np.arange(1, 41)[:, None]
    series = level + np.random.default_rng(0).normal(size=(40, 8)) * level / 100
    past, future = series[:, :6, None], series[:, 6:]
    regressor = ScaledKerasRegressor(**STILL, input_scaler="instance", distribution="normal")
    with pytest.raises(ValueError, match="'instance' brings numbers back to the level of their"):
        regressor.fit(past, future)
    regressor.set_params(distribution=None, n_members=2).fit(past, future)
    mean, std = regressor.predict(past, return_std=True)
    assert np.corrcoef(mean[:, 0], level[:, 0])[0, 1] > 0.9
    assert np.corrcoef(std[:, 0], level[:, 0])[0, 1] > 0.2


@needs_float64
def test_deviations_of_wide_lognormal_numbers_are_exported():
    target = target_of(np.exp(RNG.normal(size=(30, 1))), Normal(), LOG)
    outputs = np.c_[np.zeros(9), np.linspace(-3.0, 3.5, 9)][:, None]
    _, sigma = Normal().parameters(outputs, np)
    expected = np.exp(sigma**2 / 2) * np.sqrt(np.expm1(sigma**2))
    for xp in (np, keras.ops):
        given = outputs if xp is np else keras.ops.convert_to_tensor(outputs, "float64")
        found = numbers(target.view("std").forward(given, xp))
        np.testing.assert_allclose(found, expected, rtol=1e-3)
