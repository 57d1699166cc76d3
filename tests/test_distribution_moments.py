import keras
import numpy as np
import pytest
from scipy import special, stats

from sklearn_keras_scaling.distributions import (
    Laplace,
    Normal,
    StudentT,
    mixture_cdf,
    mixture_moments,
    mixture_quantile,
    moments,
    sample,
)

from .distributions import EACH, ZEROS, drawn, on_graph, one
from .layers import numbers

ops = keras.ops

# Moments of functions


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 1.5, 4.0])
def test_moments_behind_an_exponential_are_the_log_normal_ones(sigma):
    mean, std = moments(np.exp, Normal(), (np.array([0.3]), np.array([sigma])), np)
    known = stats.lognorm(sigma, scale=np.exp(0.3))
    np.testing.assert_allclose(mean, known.mean(), rtol=1e-9)
    np.testing.assert_allclose(std, known.std(), rtol=1e-9)


@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_moments_of_the_numbers_themselves_are_the_closed_forms(distribution):
    if distribution == StudentT(2.5):
        distribution = StudentT(3.0)
    parameters, _ = drawn(distribution, 30, spread=0.5)
    mean, std = moments(lambda x: x, distribution, parameters, np)
    expected = distribution.std(parameters, np)
    # Between the rules, 1e-3 of the deviation; smooth ones and those of pieces are far better.
    np.testing.assert_allclose(mean, distribution.mean(parameters, np), atol=1e-5)
    np.testing.assert_allclose(
        std, expected, rtol=1e-3 if "Student" in repr(distribution) else 1e-5
    )


def test_moments_behind_a_table_are_within_a_thousandth_of_the_deviation():
    rng = np.random.default_rng(0)
    table = np.sort(rng.exponential(size=1000))
    knots = special.ndtri(np.clip(np.linspace(0, 1, 1000), 1e-7, 1 - 1e-7))
    t = np.linspace(-8.2, 8.2, 1_000_001)
    weight = np.exp(-(t**2) / 2) / np.sum(np.exp(-(t**2) / 2))
    for loc, scale in [(0.0, 1.0), (0.5, 0.2), (-1.0, 0.03)]:
        values = np.interp(loc + scale * t, knots, table)
        mean = weight @ values
        std = np.sqrt(weight @ (values - mean) ** 2)
        parameters = (np.array([loc]), np.array([scale]))
        for xp in (np, ops):
            own = parameters if xp is np else on_graph(parameters)
            function = lambda x: np.interp(numbers(x), knots, table)  # noqa: E731
            found = moments(function, Normal(), own, xp)
            assert abs(float(numbers(found[0])[0]) - mean) < 1.5e-3 * std
            assert abs(float(numbers(found[1])[0]) - std) < 1.5e-3 * std


def test_moments_do_not_depend_on_blocks_or_columns():
    rng = np.random.default_rng(0)
    loc, scale = rng.normal(size=(2000, 2)), rng.uniform(0.1, 0.5, (2000, 2))
    mean, std = moments(np.exp, Normal(), (loc, scale), np)
    assert mean.shape == std.shape == (2000, 2)
    np.testing.assert_allclose(mean, np.exp(loc + scale**2 / 2), rtol=1e-9)
    scalar = moments(np.exp, Normal(), (np.array(loc[0, 0]), np.array(scale[0, 0])), np)
    np.testing.assert_allclose(scalar, [mean[0, 0], std[0, 0]], rtol=1e-12)
    assert moments(np.exp, Normal(), (loc[:0], scale[:0]), np)[0].shape == (0, 2)


@pytest.mark.parametrize(
    ("distribution", "function"),
    [
        (StudentT(), np.exp),
        (StudentT(), np.square),  # the fourth moment of four degrees of freedom
        (Laplace(), np.exp),  # of scale 1
        (Normal(), lambda x: np.where(x > 2.0, np.nan, x)),
        (Normal(), lambda x: np.exp(np.exp(x))),
    ],
    ids=["t-exp", "t-square", "laplace", "domain", "double"],
)
def test_moments_that_do_not_exist_are_no_numbers(distribution, function):
    parameters = (np.array([np.nan, 0.1]), np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match=r"in row 1 for one: .* Ask for quantiles"):
        moments(function, distribution, parameters, np)


def test_rows_without_finite_parameters_have_no_moments_but_no_error():
    mean, std = moments(np.exp, Normal(), (np.array([np.nan, 0.0]), np.array([1.0, 1.0])), np)
    assert np.isnan([mean[0], std[0]]).all()
    assert mean[1] == pytest.approx(np.exp(0.5))


# Mixtures and samples


@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_a_mixture_of_equals_is_each_of_them(distribution):
    parameters, y = drawn(distribution, 20)
    members = tuple(np.stack([each] * 3) for each in parameters)
    np.testing.assert_allclose(
        mixture_cdf(distribution, y, members), distribution.cdf(y, parameters), rtol=1e-14
    )
    for q in (0.05, 0.5, 0.9):
        found = mixture_quantile(distribution, q, members)
        expected = distribution.quantile(q, parameters, np)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    mean, std = distribution.mean(members, np), distribution.std(members, np)
    mean, std = mixture_moments(mean, std)
    np.testing.assert_allclose(mean, distribution.mean(parameters, np), rtol=1e-13)
    np.testing.assert_allclose(std, distribution.std(parameters, np), rtol=1e-13)


def test_a_mixture_of_different_ones_is_between_them_and_wider():
    parameters = (np.array([[-1.0, 0.0], [1.0, 4.0]]), np.array([[1.0, 0.1], [1.0, 0.2]]))
    mean, std = mixture_moments(*parameters)
    np.testing.assert_allclose(mean, [0.0, 2.0])
    np.testing.assert_allclose(std, np.sqrt([2.0, 0.025 + 4.0]))
    q = np.array([[0.01], [0.3], [0.5], [0.9]])
    found = mixture_quantile(Normal(), q, parameters)
    assert found.shape == (4, 2)
    np.testing.assert_allclose(
        mixture_cdf(Normal(), found, parameters), np.broadcast_to(q, (4, 2)), atol=1e-9
    )


def test_a_mixture_of_zeros_and_others_has_zeros_up_to_their_share():
    parameters = ZEROS.parameters(np.array([[[-50.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]]]), np)
    share = float(1.0 - special.expit(1.0) / 2.0)
    assert mixture_quantile(ZEROS, share - 1e-6, parameters)[0] == 0.0
    found = mixture_quantile(ZEROS, share + 1e-3, parameters)
    np.testing.assert_allclose(mixture_cdf(ZEROS, found, parameters), share + 1e-3, atol=1e-9)


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_samples_have_the_distribution(distribution, make):
    parameters = one(drawn(distribution)[0])
    found = sample(distribution, parameters, 2000, make(0))
    assert found.shape == (2000, 1)
    if distribution.keeps_zero:
        assert np.mean(found == 0.0) == pytest.approx(
            distribution.cdf(0.0, parameters)[0], abs=0.04
        )
        return
    test = stats.kstest(found[:, 0], lambda x: distribution.cdf(x, one(parameters)))
    assert test.pvalue > 1e-3


def test_a_sample_of_zero_is_a_number():
    class Zeros:
        def random(self, shape):
            return np.zeros(shape)

    assert np.isfinite(sample(Normal(), (np.zeros(1), np.ones(1)), 1, Zeros())).all()
