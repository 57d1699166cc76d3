"""Distributions and ensembles in raw units: laws for whatever a network says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.preprocessing import QuantileTransformer

from sklearn_keras_scaling import (
    Laplace,
    Normal,
    Quantiles,
    StudentT,
    ZeroInflatedLogNormal,
)
from sklearn_keras_scaling.maps import IDENTITY, Affine, Chain
from sklearn_keras_scaling.scaling import as_map
from sklearn_keras_scaling.targets._views import Mean, Quantile, Std

from .uncertain import FALLING, LOG, LOG1P, ask, seen, target_of

EPS = np.finfo(float).eps
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
