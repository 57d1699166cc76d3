"""Losses and metrics of networks that return the parameters of a distribution."""

import copy
from dataclasses import dataclass

import keras
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_pinball_loss

from sklearn_keras_scaling.distributions import (
    Distribution,
    Laplace,
    Normal,
    Quantiles,
    StudentT,
    ZeroInflatedLogNormal,
    register_distribution,
)
from sklearn_keras_scaling.training import (
    DistributionLoss,
    OfLocation,
    TargetUnits,
    make_distribution_metric,
)
from sklearn_keras_scaling.training._distributions import (
    ContinuousRankedProbabilityScore,
    Coverage,
    IntervalWidth,
    Pinball,
)

from .distributions import EACH, MANY, NARROW
from .layers import gradient, numbers

RNG = np.random.default_rng(0)
UNITS = ([3.0, -1e3], [2.0, 50.0])
FALLING = ([3.0, -1e3], [-2.0, -50.0])
# Float32 has rounded the targets and, on JAX, all else: 1e-4 of numbers of order 1.
CLOSE = {"rel": 1e-4, "abs": 1e-6}


def cells(distribution, *shape, seed=0):
    """Return targets of a shape and outputs for them."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(*shape, distribution.n_outputs)).astype("float32")
    y = rng.normal(size=shape).astype("float32") * 2
    return (np.maximum(y, 0.0) if distribution.keeps_zero else y), outputs


def model(function, width=1):
    inputs = keras.Input((width,))
    return keras.Model(inputs, function(inputs))


def again(thing):
    node = keras.saving.serialize_keras_object(thing)
    restored = keras.saving.deserialize_keras_object(copy.deepcopy(node))  # which changes it
    assert type(restored) is type(thing)
    assert keras.saving.serialize_keras_object(restored) == node
    return restored


# Losses


@pytest.mark.parametrize("score", ["likelihood", "crps"])
@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_a_loss_is_that_of_the_distribution(distribution, score):
    if distribution == StudentT(2.5) and score == "crps":
        with pytest.raises(ValueError, match=r"StudentT\(df=2.5\) has no CRPS in a graph"):
            DistributionLoss(distribution, score)
        return
    loss = again(DistributionLoss(distribution, score))
    y, outputs = cells(distribution, 40, 3)
    parameters = distribution.parameters(outputs, np)
    expected = getattr(distribution, "crps" if score == "crps" else "loss")(
        y.astype(float), parameters, np
    )
    values = numbers(loss.call(y, outputs))
    assert (values.shape, values.dtype, loss.name) == (y.shape, np.float32, score)
    # Sums of terms up to a hundred, in float32.
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=2e-5)
    assert float(loss(y, outputs)) == pytest.approx(expected.mean(), rel=1e-4)


def test_a_loss_is_written_with_all_that_it_is():
    loss = DistributionLoss(Quantiles((0.1, 0.9)), "crps", "own", reduction="sum", dtype="float64")
    restored = again(loss)
    assert restored.distribution == loss.distribution
    assert (restored.score, restored.name) == ("crps", "own")
    assert (restored.reduction, restored.dtype) == ("sum", "float64")


@pytest.mark.parametrize("axis", [(40, 2), (40, 1, 2)], ids=str)
def test_a_single_column_may_have_an_axis_or_none(axis):
    y, outputs = cells(Normal(), 40, 1)
    loss = DistributionLoss(Normal())
    expected = -stats.norm(*Normal().parameters(outputs, np)).logpdf(y)
    values = numbers(loss.call(y, outputs.reshape(axis)))
    assert values.shape == (40, 1)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)  # float32
    flat = numbers(loss.call(y[:, 0], outputs[:, 0]))
    np.testing.assert_array_equal(flat, values[:, 0])
    weight = RNG.uniform(size=40).astype("float32")
    for each in (weight, weight[:, None]):
        found = float(loss(y, outputs.reshape(axis), sample_weight=each))
        assert found == pytest.approx(np.mean(weight * expected[:, 0]), **CLOSE)


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 4), (6, 4, 1), (6, 4, 3)], ids=str)
def test_weights_are_those_of_rows_or_steps_or_cells(shape):
    y, outputs = cells(Laplace(), 6, 4, 3)
    expected = -stats.laplace(*Laplace().parameters(outputs, np)).logpdf(y)
    weight = RNG.uniform(size=shape).astype("float32")
    of_cells = np.broadcast_to(weight.reshape(*shape, *(1,) * (3 - len(shape))), y.shape)
    loss = DistributionLoss(Laplace())
    found = float(loss(y, outputs, sample_weight=weight))
    assert found == pytest.approx(np.mean(of_cells * expected), **CLOSE)
    metric = OfLocation(keras.metrics.MeanAbsoluteError(), Laplace())
    assert np.isfinite(float(metric(y, outputs)))
    metric = Pinball(Laplace(), (0.0, 1.0))
    halves = np.abs(y - outputs[..., 0]) / 2
    found = float(metric(y, outputs, sample_weight=weight))
    assert found == pytest.approx(np.average(halves, weights=of_cells), **CLOSE)


def test_outputs_of_another_shape_are_refused():
    text = r"Targets of shape \(4, 3\) need outputs of shape \(4, 3, 2\), .* got \(4, 2\)"
    with pytest.raises(ValueError, match=text):
        DistributionLoss(Normal()).call(np.zeros((4, 3)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"outputs of shape \(4, 1, 3\).* got \(4, 2\)"):
        Coverage(NARROW).update_state(np.zeros((4, 1)), np.zeros((4, 2)))


def test_scores_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="score must be one of 'likelihood', 'crps', got 'crsp'"):
        DistributionLoss(Normal(), "crsp")
    with pytest.raises(ValueError, match="single level, which says nothing about a score"):
        DistributionLoss(Quantiles((0.5,)), "crps")


@register_distribution("test_without_score")
@dataclass(frozen=True)
class WithoutScore(Normal):
    crps = Distribution.crps


def test_a_distribution_without_a_score_is_trained_by_its_likelihood_and_scored_by_an_integral():
    text = "WithoutScore has no closed form of the CRPS. These have one: .*Normal.*'likelihood'"
    with pytest.raises(ValueError, match=text):
        DistributionLoss(WithoutScore(), "crps")
    y, outputs = cells(Normal(), 500, 2)
    found, expected = (
        float(ContinuousRankedProbabilityScore(each, FALLING)(y, outputs))
        for each in (WithoutScore(), Normal())
    )
    assert found == pytest.approx(expected, rel=1e-3)  # the bound of the rule


# Metrics, against formulas on the host in target units


def raw(unit, z):
    return z * np.array(unit[1]) + np.array(unit[0])


@pytest.mark.parametrize("unit", [UNITS, FALLING], ids=["rising", "falling"])
@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_metrics_are_in_target_units(distribution, unit):
    y, outputs = cells(distribution, 60, 2)
    parameters = distribution.parameters(outputs, np)
    sign = np.sign(unit[1][0])
    quantile = lambda q: raw(unit, distribution.quantile(q if sign > 0 else 1 - q, parameters, np))  # noqa: E731
    low, high = (distribution.quantile(q, parameters, np) for q in (0.05, 0.95))
    expected = {
        "coverage_0.9": np.mean((low <= y) & (y <= high)),
        "interval_width_0.9": np.mean(np.abs(raw(unit, high) - raw(unit, low))),
        "pinball_0.05": mean_pinball_loss(raw(unit, y), quantile(0.05), alpha=0.05),
        "crps": np.mean(np.abs(unit[1]) * distribution.crps(y.astype(float), parameters, np)),
    }
    for name, value in expected.items():
        metric = again(make_distribution_metric(name, distribution, unit))
        # Without a closed form in a graph, the integral's rule.
        bound = 1e-3 if name == "crps" and distribution == StudentT(2.5) else 1e-4
        assert float(metric(y, outputs)) == pytest.approx(value, rel=bound)
        assert metric.name == name


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["rising", "falling"])
def test_metrics_behind_a_map_that_is_not_affine(sign):
    # exp turns normal into log-normal numbers, which have a closed form.
    y, outputs = cells(Normal(), 2000, 1)
    loc, scale = Normal().parameters(outputs, np)
    scale = np.minimum(scale, 0.8)
    outputs[..., 1] = np.log(np.expm1(scale - 1e-3)) - np.log(np.expm1(1.0 - 1e-3))
    y = (loc + scale * RNG.normal(size=loc.shape)).astype("float32")  # calibrated
    inverse = model(lambda z: keras.ops.exp(sign * z))
    target = np.exp(sign * y.astype(float))
    log_normal = np.full(loc.shape, 60.0), sign * loc, scale
    score = ZeroInflatedLogNormal().crps(target, log_normal, np)
    metric = again(ContinuousRankedProbabilityScore(Normal(), inverse, sign))
    assert float(metric(y, outputs)) == pytest.approx(score.mean(), rel=1e-3)  # of the rule
    worst = np.argmax(np.abs(y - loc) / scale)
    one = ContinuousRankedProbabilityScore(Normal(), inverse, sign)
    found = float(one(y[worst : worst + 1], outputs[worst : worst + 1]))
    assert found == pytest.approx(score[worst, 0], abs=2e-2 * score.mean())  # as documented
    own = stats.lognorm(scale, scale=np.exp(sign * loc))
    pinball = again(Pinball(Normal(), inverse, (0.1,), sign))
    expected = mean_pinball_loss(target, own.ppf(0.1), alpha=0.1)
    assert float(pinball(y, outputs)) == pytest.approx(expected, **CLOSE)
    width = again(IntervalWidth(Normal(), inverse, 0.8))
    expected = np.mean(own.ppf(0.9) - own.ppf(0.1))
    assert float(width(y, outputs)) == pytest.approx(expected, **CLOSE)


def test_columns_of_a_map_may_rise_and_fall():
    y, outputs = cells(Normal(), 50, 2)
    inverse = model(lambda z: z * np.array([2.0, -3.0], "float32"), width=2)
    parameters = Normal().parameters(outputs, np)
    expected = 0.0
    for column, (scale, q) in enumerate([(2.0, 0.1), (-3.0, 0.9)]):
        quantiles = scale * Normal().quantile(q, parameters, np)[:, column]
        expected += mean_pinball_loss(scale * y[:, column], quantiles, alpha=0.1) / 2
    for unit, direction in ((inverse, [1, -1]), (([0.0, 9.0], [2.0, -3.0]), None)):
        metric = again(Pinball(Normal(), unit, (0.1,), direction))
        assert float(metric(y, outputs)) == pytest.approx(expected, **CLOSE)


@pytest.mark.parametrize("name", ["crps", "coverage_0.5", "interval_width_0.5", "pinball_0.2"])
@pytest.mark.parametrize("unit", ["numbers", "model"])
def test_missing_targets_count_for_nothing(name, unit):
    inverse = (5.0, 2.0) if unit == "numbers" else model(keras.ops.exp, width=2)
    y, outputs = cells(Normal(), 12, 2)
    weight = RNG.uniform(0.5, 2.0, (12, 2)).astype("float32")
    missing = RNG.random((12, 2)) < 0.4
    missing[:4] = True
    some = np.where(missing, np.nan, y)
    metric = make_distribution_metric(name, Normal(), inverse)
    for rows in np.split(np.arange(12), 3):  # the first has none at all
        metric.update_state(some[rows], outputs[rows], sample_weight=weight[rows])
        if rows[0] == 0:
            assert float(metric.result()) == 0.0
    whole = make_distribution_metric(name, Normal(), inverse)
    expected = float(whole(y, outputs, sample_weight=weight * ~missing))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)  # float32 on JAX
    constants = [numbers(v).tolist() for v in getattr(metric, "constants_as_weights", [])]
    metric.reset_state()
    assert float(metric.result()) == 0.0
    assert constants == [numbers(v).tolist() for v in getattr(metric, "constants_as_weights", [])]


def test_offsets_cost_no_digits():
    y, outputs = cells(Normal(), 30, 1)
    for name in ("crps", "interval_width_0.9", "pinball_0.3"):
        near, far = (
            float(make_distribution_metric(name, Normal(), (loc, 1.0))(y, outputs))
            for loc in (0.0, 1e12)
        )
        assert near == far


def test_all_quantiles_have_one_pinball_loss():
    y, outputs = cells(MANY, 40, 1)
    metric = again(make_distribution_metric("pinball", MANY, (0.0, 2.0)))
    expected = 2.0 * MANY.loss(y, (np.sort(outputs, axis=-1),), np).mean()
    assert float(metric(y, outputs)) == pytest.approx(expected, rel=1e-5)
    assert (metric.name, metric.levels) == ("pinball", MANY.quantiles)


def test_other_metrics_are_those_of_the_location():
    y, outputs = cells(NARROW, 40, 2)
    location = NARROW.location(NARROW.parameters(outputs, np), np)
    for inner, expected in (
        (TargetUnits(keras.metrics.MeanSquaredError(name="mse"), ([1.0, 2.0], [3.0, 4.0])), None),
        (keras.metrics.R2Score(), None),
    ):
        expected = float(again(inner)(y, location.astype("float32")))
        metric = again(OfLocation(inner, NARROW))
        assert float(metric(y, outputs)) == pytest.approx(expected, rel=1e-4)
        assert (metric.name, metric._direction) == (inner.name, inner._direction)
        metric.reset_state()
        assert float(metric(y, outputs)) == pytest.approx(expected, rel=1e-4)
    single = OfLocation(keras.metrics.MeanAbsoluteError(), NARROW)
    found = float(single(y[:, :1], outputs[:, 0]))  # (n, 1) and (n, n_outputs)
    assert found == pytest.approx(np.abs(y - location)[:, 0].mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("coverage", r"metrics='coverage' needs a level between 0 and 1.* Write 'crps', 'coverage"),
        ("coverage_90", "has the level '90', which is not between 0 and 1, both excluded.*90 %"),
        ("coverage_x", "has the level 'x', which is not between"),
        ("interval_width_1", "has the level '1', which is not between"),
        ("pinball", "metrics='pinball' needs a level"),
        ("crps_0.5", "the score has no level. Write 'crps'"),
        ("coverge_0.9", "is no metric of a distribution. Did you mean 'coverage'"),
        ("interval_with_0.9", "Did you mean 'interval_width'"),
        ("pinnball", "Did you mean 'pinball'"),
    ],
)
def test_names_that_are_wrong_are_explained(name, text):
    with pytest.raises(ValueError, match=text):
        make_distribution_metric(name, Normal(), (0.0, 1.0))


def test_levels_that_are_not_there_are_refused():
    for kind in (Coverage, lambda d, level: IntervalWidth(d, (0.0, 1.0), level)):
        with pytest.raises(ValueError, match=r"level lies between 0 and 1, both excluded, got 90"):
            kind(Normal(), level=90)
    median = Quantiles((0.5,))
    for name in ("coverage_0.5", "interval_width_0.5", "pinball_0.1", "crps"):
        with pytest.raises(ValueError, match="has a single level, which says nothing about"):
            make_distribution_metric(name, median, (0.0, 1.0))
    assert float(Pinball(median, (0.0, 2.0))(np.ones((1, 1)), np.zeros((1, 1)))) == 1.0


def test_names_of_other_metrics_are_left_to_keras():
    for metric in ("mae", "r2_score", "root_mean_squared_error", keras.metrics.R2Score(), len):
        assert make_distribution_metric(metric, Normal(), (0.0, 1.0)) is None


@pytest.mark.parametrize("distribution", EACH, ids=repr)
def test_gradients_of_a_loss_are_finite(distribution):
    y, outputs = cells(distribution, 20, 2)
    loss = DistributionLoss(distribution)
    slope = gradient(lambda z: loss.call(keras.ops.convert_to_tensor(y), z), outputs * 100)
    assert np.isfinite(slope).all()
