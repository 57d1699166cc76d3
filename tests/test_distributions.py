import copy
import json
import pickle
from dataclasses import dataclass
from itertools import pairwise

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats
from sklearn.base import BaseEstimator, clone

from sklearn_keras_scaling import distributions
from sklearn_keras_scaling.distributions import (
    Distribution,
    Normal,
    Quantiles,
    StudentT,
    make_distribution,
    mixture_quantile,
    moments,
    register_distribution,
)
from sklearn_keras_scaling.distributions._base import REGISTERED

from .distributions import EACH, MANY, NARROW, PAIR, SCIPY, SMOOTH, ZEROS, drawn, on_graph, one
from .layers import EPS, gradient, numbers

ops = keras.ops


def crps_by_integration(cdf, y, knots=()):
    """Return the integral of ``(F(x) - 1(x >= y))**2``, in pieces between the kinks of ``F``."""
    edges = np.unique([-np.inf, *knots, y, np.inf])
    parts = [
        integrate.quad(lambda x: (cdf(x) - (x >= y)) ** 2, a, b, limit=200, epsabs=1e-12)[0]
        for a, b in pairwise(edges)
    ]
    return sum(parts)


# Against scipy.stats. Both round a few times: 1e-12 of the number, or of 1.


@pytest.mark.parametrize("distribution", SMOOTH, ids=repr)
def test_a_standard_distribution_is_that_of_scipy(distribution):
    parameters, y = drawn(distribution)
    known = SCIPY[distribution](*parameters)
    close = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(
        distribution.log_likelihood(y, parameters, np), known.logpdf(y), **close
    )
    np.testing.assert_allclose(distribution.loss(y, parameters, np), -known.logpdf(y), **close)
    np.testing.assert_allclose(distribution.cdf(y, parameters), known.cdf(y), **close)
    np.testing.assert_allclose(distribution.mean(parameters, np), known.mean(), **close)
    np.testing.assert_allclose(distribution.location(parameters, np), known.mean(), **close)
    np.testing.assert_allclose(distribution.std(parameters, np), known.std(), **close)
    for q in (1e-9, 0.05, 0.5, 0.9, 1 - 1e-9):
        np.testing.assert_allclose(
            distribution.quantile(q, parameters, np), known.ppf(q), rtol=1e-7, atol=1e-10
        )


@pytest.mark.parametrize("df", [2.001, 4.0, 1e3, 1e8, 1e14])
def test_the_density_of_student_t_has_its_digits_for_any_df(df):
    student = StudentT(df)
    z = np.linspace(-5, 5, 11)
    expected = stats.norm.logpdf(z) if df > 1e10 else stats.t.logpdf(z, df)
    found = student.log_likelihood(z, (np.zeros(11), np.ones(11)), np)
    np.testing.assert_allclose(found, expected, atol=1e-7)  # scipy's own loses digits at 1e8


@pytest.mark.parametrize("distribution", SMOOTH, ids=repr)
def test_scores_beyond_probabilities_of_one_are_quantiles_of_the_other_tail(distribution):
    parameters = (np.zeros(1), np.ones(1))
    t = np.array([1e-12, 1.0, 8.0, 20.0])
    up, down = (distribution.at_scores(sign * t[:, None], parameters, np) for sign in (1, -1))
    np.testing.assert_array_equal(up, -down)
    assert np.all(np.isfinite(up))
    np.testing.assert_allclose(
        up[1:, 0], SCIPY[distribution](0.0, 1.0).isf(special.ndtr(-t[1:])), rtol=1e-9
    )


def test_zero_inflated_is_a_share_of_the_log_normal():
    parameters, y = drawn(ZEROS)
    p = ZEROS.probability(parameters, np)
    known = stats.lognorm(parameters[2], scale=np.exp(parameters[1]))
    with np.errstate(divide="ignore"):
        density = np.where(y > 0, np.log(p) + known.logpdf(y), np.log1p(-p))
    np.testing.assert_allclose(ZEROS.log_likelihood(y, parameters, np), density, rtol=1e-12)
    np.testing.assert_allclose(ZEROS.cdf(y, parameters), 1 - p + p * known.cdf(y), rtol=1e-12)
    np.testing.assert_array_equal(ZEROS.cdf(np.full(50, -1e-9), parameters), 0.0)
    mean = p * known.mean()
    np.testing.assert_allclose(ZEROS.mean(parameters, np), mean, rtol=1e-12)
    second = p * (known.var() + known.mean() ** 2)
    np.testing.assert_allclose(ZEROS.std(parameters, np), np.sqrt(second - mean**2), rtol=1e-9)
    for q in (0.1, 0.5, 0.9):
        level = (q - (1 - p)) / p
        expected = np.where(level > 0, known.ppf(np.maximum(level, 1e-300)), 0.0)
        np.testing.assert_allclose(ZEROS.quantile(q, parameters, np), expected, rtol=1e-9)


def test_a_mean_beyond_all_floats_is_infinite_without_a_warning():
    parameters = ZEROS.parameters(np.array([[0.0, 50.0, 50.0]]), np)
    assert ZEROS.mean(parameters, np)[0] == ZEROS.std(parameters, np)[0] == np.inf


def test_a_sure_network_still_has_a_likelihood_for_what_it_excludes():
    parameters = ZEROS.parameters(np.float32([[50.0, 0.0, 0.0], [-50.0, 0.0, 0.0]]), np)
    np.testing.assert_allclose(
        ZEROS.log_likelihood(np.array([0.0, 1.0]), parameters, np), [-50.0, -50.0 - 0.9189385332]
    )


# Quantiles


def test_quantiles_of_a_normal_distribution_are_that_distribution():
    y = np.linspace(-6, 8, 20)
    for levels in [(0.05, 0.5, 0.95), (0.1, 0.9), (1e-6, 1e-5, 0.3, 0.300001, 0.9)]:
        some = Quantiles(levels)
        outputs = np.tile(1.0 + 2.0 * special.ndtri(levels), (20, 1))
        parameters, normal = some.parameters(outputs, np), (np.full(20, 1.0), np.full(20, 2.0))
        close = {"rtol": 1e-8, "atol": 1e-8}  # levels 1e-6 apart lose six digits
        for name in ("mean", "std", "location"):
            found = getattr(some, name)(parameters, np)
            np.testing.assert_allclose(found, getattr(Normal(), name)(normal, np), **close)
        for name in ("log_likelihood", "crps"):
            found = getattr(some, name)(y, parameters, np)
            np.testing.assert_allclose(found, getattr(Normal(), name)(y, normal, np), **close)
        np.testing.assert_allclose(some.cdf(y, parameters), Normal().cdf(y, normal), **close)
        np.testing.assert_allclose(
            some.quantile(0.77, parameters, np), Normal().quantile(0.77, normal, np), **close
        )


@pytest.mark.parametrize("distribution", [NARROW, PAIR, MANY], ids=repr)
def test_moments_of_quantiles_are_integrals_of_the_quantile_function(distribution):
    parameters, _ = drawn(distribution, 5, spread=3.0)
    parameters[0][0, -1] = parameters[0][0, 0]  # a tie
    # Fine trapezoids between kinks: 1e-6 of the spacing's square.
    edges = np.unique([-9.0, *distribution.knots, 9.0])
    t = np.concatenate([np.linspace(a, b, 20001) for a, b in pairwise(edges)])
    values = distribution.at_scores(t[:, None], parameters, np)
    phi = stats.norm.pdf(t)[:, None]
    mean = np.trapezoid(values * phi, t, axis=0)
    std = np.sqrt(np.trapezoid((values - mean) ** 2 * phi, t, axis=0))
    np.testing.assert_allclose(distribution.mean(parameters, np), mean, atol=1e-6)
    np.testing.assert_allclose(distribution.std(parameters, np), std, atol=1e-6)


def test_moments_of_quantiles_do_not_cancel_at_an_offset():
    outputs = np.array([[-1.0, 0.5, 2.0]])
    std = NARROW.std(NARROW.parameters(outputs, np), np)
    shifted = NARROW.std(NARROW.parameters(outputs + 2.0**30, np), np)
    np.testing.assert_array_equal(std, shifted)


@pytest.mark.parametrize("distribution", [NARROW, PAIR, MANY], ids=repr)
def test_the_density_of_quantiles_is_the_slope_of_their_probability(distribution):
    outputs = np.sort(np.random.default_rng(0).normal(size=(1, distribution.n_outputs)))
    outputs = outputs + np.arange(distribution.n_outputs)  # apart, so that no floor counts
    y = np.linspace(-4.03, 9.01, 301)
    parameters = (np.tile(outputs, (301, 1)),)
    slope = (distribution.cdf(y + 1e-5, parameters) - distribution.cdf(y - 1e-5, parameters)) / 2e-5
    near = np.abs(y[:, None] - outputs).min(axis=1) < 1e-4  # a kink
    density = np.exp(distribution.log_likelihood(y, parameters, np))
    np.testing.assert_allclose(density[~near], slope[~near], atol=1e-8)


def test_ties_are_a_jump_of_the_probability_and_have_a_density():
    parameters = (np.array([[2.0, 2.0, 2.0]]),)
    y = np.array([[1.999], [2.0], [2.5]])
    np.testing.assert_array_equal(NARROW.cdf(y, parameters), [[0.0], [1.0], [1.0]])
    np.testing.assert_array_equal(NARROW.std(parameters, np), 0.0)
    np.testing.assert_array_equal(NARROW.crps(y, parameters, np), np.abs(y - 2.0))
    assert np.all(np.isfinite(NARROW.log_likelihood(y, parameters, np)))
    # With the least scale that there is, the density is the normal one.
    expected = stats.norm.logpdf(y, 2.0, 1e-3)
    np.testing.assert_allclose(NARROW.log_likelihood(y, parameters, np), expected, rtol=1e-9)


@given(st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6))
def test_quantiles_never_cross_and_answer_their_own_levels(outputs):
    parameters = (np.array([outputs]),)
    q = np.sort(np.concatenate([np.linspace(1e-6, 1 - 1e-6, 101), MANY.quantiles]))
    found = MANY.quantile(q[:, None], parameters, np)[:, 0]
    assert np.all(np.diff(found) >= -1e-9)  # roundings of 1e3
    own = [MANY.quantile(level, parameters, np)[0] for level in MANY.quantiles]
    np.testing.assert_array_equal(own, np.sort(outputs))


def test_the_pinball_loss_takes_each_output_for_its_level_though_they_cross():
    parameters = NARROW.parameters(np.array([[3.0, 1.0, 0.0]]), np)
    expected = (0.95 * 1.0 + 0.5 * 1.0 + 0.95 * 2.0) / 3.0
    np.testing.assert_allclose(NARROW.loss(np.array([2.0]), parameters, np), [expected])
    assert parameters[0].tolist() == [[3.0, 1.0, 0.0]]
    assert NARROW.location(parameters, np) == [1.0]


def test_the_median_is_interpolated_where_it_is_no_level():
    np.testing.assert_allclose(PAIR.location((np.array([[1.0, 3.0]]),), np), [2.0])


def test_a_single_level_is_that_quantile_and_nothing_else():
    single, parameters = Quantiles((0.9,)), (np.array([[2.0], [3.0]]),)
    assert single.location(parameters, np).tolist() == [2.0, 3.0]
    assert single.quantile(0.9, parameters, np).tolist() == [2.0, 3.0]
    np.testing.assert_allclose(single.loss(np.array([1.0, 4.0]), parameters, np), [0.1, 0.9])
    y = np.ones(2)
    for ask, what in [
        (lambda: single.mean(parameters, np), "a mean"),
        (lambda: single.std(parameters, np), "a standard deviation"),
        (lambda: single.cdf(y, parameters), "a distribution function"),
        (lambda: single.log_likelihood(y, parameters, np), "a density"),
        (lambda: single.crps(y, parameters, np), "a score"),
        (lambda: single.quantile(0.5, parameters, np), "other quantiles"),
        (lambda: moments(np.exp, single, parameters, np), "other quantiles"),
    ]:
        with pytest.raises(ValueError, match=f"single level, which says nothing about {what}"):
            ask()


# Scores


@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_the_crps_is_the_integral_over_the_probabilities(distribution):
    parameters, y = drawn(distribution, 4)
    y[0] = 0.0
    found = distribution.crps(y, parameters, np)
    for i in range(4):
        own = one(parameters, i)
        knots = own[0].ravel().tolist() if isinstance(distribution, Quantiles) else [0.0]
        cdf = lambda x, own=own: distribution.cdf(np.array([x]), own)[0]  # noqa: E731
        # The integrals' own error, over infinite tails.
        assert found[i] == pytest.approx(crps_by_integration(cdf, y[i], knots), abs=1e-6)


def test_a_distribution_without_a_crps_says_which_have_one():
    class Bare(Normal):
        crps = Distribution.crps

    with pytest.raises(NotImplementedError, match=r"Bare has no closed form .*Laplace.*, Normal"):
        Bare().crps(np.zeros(1), (np.zeros(1), np.ones(1)), np)


def test_student_t_has_no_crps_in_a_graph_for_broken_df():
    parameters = on_graph((np.zeros(1), np.ones(1)))
    for df in (2.5, 101):
        with pytest.raises(NotImplementedError, match="whole df up to 100 alone"):
            StudentT(df).crps(parameters[0], parameters, ops)


# Host and graph


def compared(distribution):
    q = np.linspace(0.05, 0.95, 50)
    names = ["log_likelihood", "loss", "crps"]
    calls = [lambda y, p, xp, name=name: getattr(distribution, name)(y, p, xp) for name in names]
    calls += [
        lambda y, p, xp: distribution.quantile(q, p, xp),
        lambda y, p, xp: distribution.quantile(0.9, p, xp),
        lambda y, p, xp: distribution.mean(p, xp),
        lambda y, p, xp: distribution.std(p, xp),
        lambda y, p, xp: distribution.location(p, xp),
    ]
    return calls[:2] + calls[3:] if distribution == StudentT(2.5) else calls


@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_host_and_graph_compute_the_same(distribution):
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(50, distribution.n_outputs))
    outputs += np.arange(distribution.n_outputs)  # no piece is almost without width
    y = np.abs(rng.normal(size=50)) * (rng.random(50) > 0.3)
    host = distribution.parameters(outputs, np)
    graph = distribution.parameters(ops.convert_to_tensor(outputs), ops)
    # Of mild numbers, some thousand roundings: erfinv's slope, squares, differences of pieces.
    # Of odd df the score has an arctangent, which Keras on JAX computes in float32.
    is_odd = distribution == StudentT(7) and keras.backend.backend() == "jax"
    eps = np.finfo(np.float32).eps if is_odd else EPS
    bound = {"rtol": 2e3 * eps, "atol": 2e3 * eps}
    for call in compared(distribution):
        found = numbers(call(ops.convert_to_tensor(y), graph, ops))
        assert found.shape == (50,)
        np.testing.assert_allclose(found, call(y, host, np), **bound)


@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_a_float32_graph_stays_float32(distribution):
    outputs = ops.convert_to_tensor(np.zeros((50, distribution.n_outputs), dtype=np.float32))
    y = ops.convert_to_tensor(np.ones(50, dtype=np.float32))
    parameters = distribution.parameters(outputs, ops)
    for call in compared(distribution):
        assert "float32" in str(call(y, parameters, ops).dtype)


@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_symbolic_outputs_of_several_columns_make_a_model(distribution):
    inputs = keras.Input((3, distribution.n_outputs))
    parameters = distribution.parameters(inputs, ops)
    found = [
        distribution.location(parameters, ops),
        distribution.quantile(0.9, parameters, ops),
        distribution.std(parameters, ops),
        *moments(ops.tanh, distribution, parameters, ops),
    ]
    model = keras.Model(inputs, found)
    outputs = np.random.default_rng(0).normal(size=(4, 3, distribution.n_outputs))
    host = distribution.parameters(np.float32(outputs), np)
    expected = [
        distribution.location(host, np),
        distribution.quantile(0.9, host, np),
        distribution.std(host, np),
        *moments(np.tanh, distribution, host, np),
    ]
    again = keras.Model.from_config(model.get_config())
    for graph in (model, again):
        # float32; the last two by one rule, whose kinks count 1e-3 of the deviation.
        for i, (a, b) in enumerate(zip(graph(np.float32(outputs)), expected, strict=True)):
            np.testing.assert_allclose(numbers(a), b, rtol=1e-3 if i > 2 else 1e-4, atol=1e-3)


EXTREMES = np.array([-50.0, -10.0, -1e-3, 0.0, 1e-3, 10.0, 50.0], dtype=np.float32)


@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_losses_and_gradients_of_extreme_numbers_are_finite_in_float32(distribution):
    k = distribution.n_outputs
    grid = np.stack(np.meshgrid(*[EXTREMES] * min(k, 3), indexing="ij"), axis=-1)
    outputs = np.tile(grid.reshape(-1, min(k, 3)), (1, 2))[:, :k]
    for y in np.float32([-1e4, -1.0, 0.0, 1e-30, 1e-3, 1.0, 1e4]):
        own = np.full(len(outputs), y)

        def function(x, own=own, name="log_likelihood"):
            parameters = distribution.parameters(x, ops)
            return getattr(distribution, name)(ops.convert_to_tensor(own), parameters, ops)

        for name in ("log_likelihood", "loss"):
            value = numbers(function(ops.convert_to_tensor(outputs), name=name))
            assert value.dtype == np.float32
            assert np.all(np.isfinite(value))
            slope = gradient(lambda x, name=name: function(x, name=name), outputs)
            assert np.all(np.isfinite(slope))


def test_a_scale_is_one_for_zero_and_never_below_a_thousandth():
    outputs = np.array([[0.0, 0.0], [0.0, -1e3], [0.0, 1e3]])
    _, scale = Normal().parameters(outputs, np)
    np.testing.assert_allclose(scale, [1.0, 1e-3, 1e3], rtol=1e-3)
    assert scale[:2].tolist() == [1.0, 1e-3]


# As parameters, in files and by name


class Holder(BaseEstimator):
    def __init__(self, distribution=None):
        self.distribution = distribution


@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_a_distribution_is_a_value(distribution):
    copies = [
        copy.deepcopy(distribution),
        pickle.loads(pickle.dumps(distribution)),
        clone(Holder(distribution)).distribution,
        Distribution.from_config(json.loads(json.dumps(distribution.get_config()))),
        eval(repr(distribution), vars(distributions)),
    ]
    for each in copies:
        assert each == distribution
        assert hash(each) == hash(distribution)
    assert distribution != StudentT(3.0)


def test_repr_reads_like_python():
    assert repr(Quantiles([0.25, 0.75])) == "Quantiles(quantiles=(0.25, 0.75))"
    assert repr(StudentT(5)) == "StudentT(df=5.0)"
    assert Quantiles([0.25, 0.75]).get_config() == {"name": "quantiles", "quantiles": [0.25, 0.75]}


def test_distributions_come_from_what_users_write():
    assert make_distribution(None) is None
    assert make_distribution("normal") == make_distribution(Normal) == Normal()
    own = StudentT(5)
    assert make_distribution(own) is own
    assert make_distribution(own, {"df": 7}) == StudentT(7)
    assert make_distribution("quantiles", {"quantiles": [0.2, 0.8]}) == Quantiles((0.2, 0.8))
    names = {"normal", "student_t", "laplace", "quantiles", "zero_inflated_lognormal"}
    assert names <= set(REGISTERED)


@pytest.mark.parametrize(
    ("value", "routed", "error", "text"),
    [
        ("nomal", {}, ValueError, r"'nomal' is no known distribution. Did you mean 'normal'\?"),
        ("normal", {"df": 3}, ValueError, "Normal has no parameter 'df'. It has none."),
        ("quantiles", {"quantile": 3}, ValueError, "Did you mean 'distribution__quantiles'"),
        (None, {"df": 3}, ValueError, "distribution__df was given, but distribution is None"),
        (3, {}, TypeError, "must be a name .* got 3"),
        (dict, {}, TypeError, "derived from Distribution"),
        ("student_t", {"df": 2}, ValueError, "df must be above 2 and finite, got 2"),
        ("student_t", {"df": np.inf}, ValueError, r"Normal\(\) for infinitely many"),
        ("student_t", {"df": "4"}, TypeError, "df must be a number above 2, got '4'"),
    ],
)
def test_what_is_no_distribution_is_refused(value, routed, error, text):
    with pytest.raises(error, match=text):
        make_distribution(value, routed)


@pytest.mark.parametrize(
    ("levels", "error", "text"),
    [
        ((), ValueError, "quantiles is empty"),
        ((0.0, 0.5), ValueError, "between 0 and 1, both excluded, got 0"),
        ((0.5, 95), ValueError, "between 0 and 1, both excluded, got 95"),
        ((0.5, np.nan), ValueError, "between 0 and 1, both excluded, got nan"),
        ((0.9, 0.1), ValueError, r"not ascending: got \(0.9, 0.1\). Write \(0.1, 0.9\)"),
        ((0.1, 0.1), ValueError, r"repeated: got \(0.1, 0.1\)"),
        (("a",), TypeError, "numbers between 0 and 1, got 'a'"),
        ((True,), TypeError, "numbers between 0 and 1, got True"),
        ("0.5", TypeError, "a sequence of levels, got '0.5'"),
        (0.5, TypeError, "a sequence of levels, got 0.5"),
    ],
)
def test_wrong_levels_are_refused(levels, error, text):
    with pytest.raises(error, match=text):
        Quantiles(levels)


@pytest.mark.parametrize("distribution", EACH, ids=repr)
@pytest.mark.parametrize("q", [0.0, 1.0, 95, np.nan, [0.5, -1.0]])
def test_wrong_probabilities_are_refused(distribution, q):
    with pytest.raises(ValueError, match="lies between 0 and 1, both excluded"):
        distribution.quantile(q, drawn(distribution, 2)[0], np)


@pytest.fixture
def registry():
    before = dict(REGISTERED)
    yield
    REGISTERED.clear()
    REGISTERED.update(before)


def test_a_distribution_of_ones_own_needs_a_quantile_function(registry):
    @register_distribution("logistic")
    @dataclass(frozen=True)
    class Logistic(Distribution):
        slope: float = 1.0
        n_outputs = 1

        def parameters(self, outputs, xp):
            return (outputs[..., 0],)

        def log_likelihood(self, y, parameters, xp):
            return y * 0.0

        def cdf(self, y, parameters):
            return special.expit((y - parameters[0]) / self.slope)

        def quantile(self, q, parameters, xp):
            return parameters[0] + self.slope * special.logit(q)

        def mean(self, parameters, xp):
            return parameters[0]

        def std(self, parameters, xp):
            return parameters[0] * 0.0 + self.slope * np.pi / np.sqrt(3.0)

    own = make_distribution("logistic", {"slope": 2.0})
    assert Distribution.from_config(own.get_config()) == own
    parameters = own.parameters(np.array([[1.0]]), np)
    mean, std = moments(lambda x: x, own, parameters, np)
    np.testing.assert_allclose([mean[0], std[0]], [1.0, own.std(parameters, np)[0]], rtol=1e-5)
    members = tuple(np.stack([each, each]) for each in parameters)
    np.testing.assert_allclose(
        mixture_quantile(own, 0.9, members), own.quantile(0.9, parameters, np)
    )
    with pytest.raises(NotImplementedError, match="Logistic has no closed form of the CRPS"):
        own.crps(np.ones(1), parameters, np)


def test_names_are_for_distributions_and_for_one_class_each(registry):
    with pytest.raises(TypeError, match="takes a class derived from Distribution"):
        register_distribution("number")(int)
    with pytest.raises(ValueError, match=r"'normal' is taken by .*Normal. Choose another"):

        @register_distribution("normal")
        class Other(Normal):
            pass

    class Nameless(Normal):
        pass

    with pytest.raises(ValueError, match="Nameless has no name by which a file"):
        Nameless().get_config()
