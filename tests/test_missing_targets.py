"""Losses and metrics of targets of which some are missing."""

import copy

import keras
import numpy as np
import pytest
from sklearn.metrics import r2_score

from sklearn_keras_scaling.distributions import Normal, ZeroInflatedLogNormal
from sklearn_keras_scaling.training import (
    DistributionLoss,
    MissingLoss,
    OfLocation,
    TargetUnits,
    read,
)
from sklearn_keras_scaling.training._told import told

from .layers import WIDE, gradient, numbers

losses, metrics = keras.losses, keras.metrics
RNG = np.random.default_rng(0)
Y = RNG.uniform(0.1, 0.9, (30, 3)).astype("float32")
Z = RNG.uniform(0.1, 0.9, (30, 3)).astype("float32")
MISSING = RNG.random((30, 3)) < 0.3
SOME = np.where(MISSING, np.float32(np.nan), Y)
WEIGHT = RNG.uniform(0.5, 2.0, (30, 3)).astype("float32")
UNITS = ([3.0, -5.0, 0.0], [2.0, 50.0, 0.1])


def again(thing):
    node = told(thing)
    restored = read(copy.deepcopy(node))
    assert told(restored) == node
    return restored


def unreduced(y, z):
    return keras.ops.abs(y - z)


def pole(y, z):
    """Infinite at 0, as are its gradients."""
    return keras.ops.mean(keras.ops.sqrt(keras.ops.abs(z - y)) / y + keras.ops.log(z), axis=-1)


BY_CELL = [
    *(losses.MeanSquaredError(), losses.MeanAbsoluteError(), losses.Huber(0.2), losses.LogCosh()),
    *(losses.MeanAbsolutePercentageError(), losses.MeanSquaredLogarithmicError()),
    *(losses.Poisson(), losses.mean_squared_error, pole),
]


def name_of(loss):
    return getattr(loss, "name", None) or loss.__name__


# Losses


@pytest.mark.parametrize("loss", BY_CELL, ids=name_of)
def test_with_all_cells_it_is_the_loss_itself(loss):
    function = loss.call if isinstance(loss, losses.Loss) else loss
    expected = numbers(function(Y, Z)).mean()
    wrapped = MissingLoss(loss)
    assert wrapped.name == name_of(loss)
    for weight in (None, np.ones((30, 3), "float32"), np.ones(30, "float32")):
        found = float(wrapped(Y, Z, sample_weight=weight))
        assert found == pytest.approx(expected, rel=1e-5)  # float32


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
@pytest.mark.parametrize("weight", [None, WEIGHT[:, 0]], ids=["equal", "weighted"])
def test_reductions_are_those_of_the_loss(reduction, weight):
    loss = losses.MeanSquaredError(reduction=reduction)
    expected = float(loss(Y, Z, sample_weight=weight))
    assert float(MissingLoss(loss)(Y, Z, sample_weight=weight)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [*BY_CELL, unreduced], ids=name_of)
def test_missing_cells_have_no_loss_and_no_gradient(loss):
    wrapped = MissingLoss(loss)
    values = numbers(wrapped.call(SOME, Z))
    assert (values.shape, values[MISSING].any()) == (Y.shape, False)
    of_cells = numbers(wrapped.call(Y, Z))
    np.testing.assert_array_equal(values[~MISSING], of_cells[~MISSING])
    weight = np.where(MISSING, 0.0, WEIGHT).astype("float32")
    expected = np.mean(weight * of_cells)
    assert float(wrapped(SOME, Z, sample_weight=weight)) == pytest.approx(expected, rel=1e-5)
    # Where nothing is known, the network may say anything.
    wild = np.where(MISSING, np.float32(-3e38), Z)
    slope = gradient(lambda z: wrapped(SOME, z, sample_weight=weight), wild)
    assert np.isfinite(slope).all()
    assert not slope[MISSING].any()
    assert slope[~MISSING].any()


def test_a_last_axis_of_one_is_no_column():
    wrapped = MissingLoss(losses.MeanSquaredError())
    expected = numbers(wrapped.call(SOME, Z))
    np.testing.assert_array_equal(numbers(wrapped.call(SOME, Z[..., None])), expected)
    column = numbers(wrapped.call(SOME[:, :1], Z[:, 0]))
    np.testing.assert_array_equal(column, expected[:, :1])


@pytest.mark.parametrize("axis", [(30, 2), (30, 1, 2)], ids=str)
def test_a_distribution_has_a_loss_for_each_cell_already(axis):
    loss = DistributionLoss(Normal(), "crps")
    outputs = RNG.normal(size=axis).astype("float32")
    y, missing = SOME[:, :1], MISSING[:, :1]
    wrapped = again(MissingLoss(loss))
    assert (wrapped.name, wrapped.loss.distribution) == ("crps", Normal())
    expected = np.where(missing, 0.0, numbers(loss.call(Y[:, :1], outputs)))
    np.testing.assert_array_equal(numbers(wrapped.call(y, outputs)), expected)
    slope = gradient(lambda z: wrapped.call(keras.ops.convert_to_tensor(y), z), outputs)
    assert np.isfinite(slope).all()
    assert not slope[missing[:, 0]].any()


def test_zeros_of_a_distribution_are_no_missing_targets():
    loss = DistributionLoss(ZeroInflatedLogNormal())
    outputs = RNG.normal(size=(2, 3)).astype("float32")
    values = numbers(MissingLoss(loss).call(np.array([[0.0], [np.nan]], "float32"), outputs))
    assert values[0, 0] > 0.0
    assert values[1, 0] == 0.0


@pytest.mark.filterwarnings("ignore:In loss categorical_crossentropy")
@pytest.mark.parametrize(
    "loss",
    [
        *(losses.CosineSimilarity(), losses.KLDivergence(), losses.CategoricalCrossentropy()),
        *(losses.CategoricalHinge(), losses.SparseCategoricalCrossentropy(), losses.Dice()),
        *(losses.cosine_similarity, lambda y, z: keras.ops.mean((y - z) ** 2)),
    ],
    ids=lambda loss: name_of(loss).strip("<>"),
)
def test_losses_that_mix_cells_are_refused(loss):
    text = rf"loss='{name_of(loss)}' cannot be computed where targets are missing: it is no mean"
    with pytest.raises(ValueError, match=text):
        MissingLoss(loss)


def test_a_loss_is_written_with_all_that_it_is():
    restored = again(MissingLoss(losses.Huber(5.0, reduction="sum", dtype="float64"), "own"))
    assert (restored.name, restored.reduction, restored.dtype) == ("own", "sum", "float64")
    assert float(restored.loss(np.zeros((1, 1)), np.full((1, 1), 20.0))) == 87.5


# Metrics

MEANS = [
    *(metrics.MeanAbsoluteError, metrics.MeanSquaredError, metrics.RootMeanSquaredError),
    *(metrics.LogCoshError, metrics.MeanAbsolutePercentageError),
]


def in_units(x):
    return x.astype(float) * UNITS[1] + UNITS[0]


@pytest.mark.parametrize("weight", [None, WEIGHT[:, 0], WEIGHT], ids=["equal", "rows", "cells"])
@pytest.mark.parametrize("metric", MEANS)
def test_a_mean_is_over_the_cells_that_are_there(metric, weight):
    found = again(TargetUnits(metric(dtype=WIDE), UNITS, has_missing=True))
    for rows in np.split(np.arange(30), 3):
        each = None if weight is None else weight[rows]
        found.update_state(SOME[rows], Z[rows], sample_weight=each)
    of_cells = np.ones((30, 3)) if weight is None else weight.reshape(30, -1) * np.ones((30, 3))
    expected = metric(dtype=WIDE)
    there = [each[~MISSING][:, None] for each in (in_units(Y), in_units(Z))]
    expected.update_state(*there, sample_weight=of_cells[~MISSING])
    assert float(found.result()) == pytest.approx(float(expected.result()), rel=1e-5)  # float32


@pytest.mark.parametrize("how", ["uniform_average", "variance_weighted_average"])
def test_r2_is_over_the_rows_of_each_column_that_are_there(how):
    metric = metrics.R2Score(class_aggregation=how, dtype=WIDE)
    found = again(TargetUnits(metric, ([0.0] * 3, UNITS[1]), has_missing=True))
    for rows in np.split(np.arange(30), 3):
        found.update_state(SOME[rows], Z[rows])
    y, z = in_units(Y), in_units(Z)
    columns = [[each[~MISSING[:, j], j] for each in (y, z)] for j in range(3)]
    weight = None if how[0] == "u" else [np.sum((c[0] - c[0].mean()) ** 2) for c in columns]
    expected = np.average([r2_score(*column) for column in columns], weights=weight)
    assert float(found.result()) == pytest.approx(expected, rel=1e-4)  # float32 on JAX


@pytest.mark.parametrize("metric", [*MEANS, metrics.R2Score])
def test_complete_targets_keep_their_bits(metric):
    plain = metric()
    wide = [keras.ops.cast(each, WIDE) for each in (Y, Z)]
    plain.update_state(*wide, sample_weight=WEIGHT[:, 0])
    own = TargetUnits(metric(), (0.0, 1.0))
    own.update_state(Y, Z, sample_weight=WEIGHT[:, 0])
    assert numbers(own.result()).tobytes() == numbers(plain.result()).tobytes()
    filled = TargetUnits(metric(), (0.0, 1.0), has_missing=True)
    filled.update_state(Y, Z, sample_weight=WEIGHT[:, 0])
    assert float(filled.result()) == pytest.approx(float(plain.result()), rel=1e-5)


def test_nothing_there_is_no_nan():
    metric = TargetUnits(metrics.MeanAbsoluteError(), UNITS, has_missing=True)
    assert float(metric(SOME[:2] * np.nan, Z[:2])) == 0.0
    expected = np.abs(in_units(Y) - in_units(Z))[~MISSING].mean()
    assert float(metric(SOME, Z)) == pytest.approx(expected, rel=1e-5)


def test_a_location_leaves_missing_targets_out():
    outputs = np.stack([Z, Z], axis=-1)
    inner = TargetUnits(metrics.MeanAbsoluteError(), UNITS, has_missing=True)
    metric = again(OfLocation(inner, Normal()))
    expected = np.abs(in_units(Y) - in_units(Z))[~MISSING].mean()
    assert float(metric(SOME, outputs)) == pytest.approx(expected, rel=1e-5)


def test_behind_a_model_missing_targets_stay_missing():
    inputs = keras.Input((3,))
    inverse = keras.Model(inputs, keras.ops.exp(inputs))
    metric = TargetUnits(metrics.MeanAbsoluteError(), inverse, has_missing=True)
    expected = np.abs(np.exp(Y) - np.exp(Z))[~MISSING].mean()
    assert float(metric(SOME, Z)) == pytest.approx(expected, rel=1e-5)


class OwnMetric(metrics.Metric):
    """Keeps what it was given last."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.seen = keras.ops.mean(keras.ops.abs(y_true - y_pred))

    def result(self):
        return self.seen


@pytest.mark.parametrize(
    "metric",
    [
        *(metrics.CosineSimilarity(), metrics.KLDivergence(), metrics.PearsonCorrelation()),
        OwnMetric(name="own"),
    ],
    ids=lambda metric: metric.name,
)
def test_metrics_that_mix_cells_are_refused(metric):
    text = f"The metric '{metric.name}' cannot be computed where targets are missing: it is no mean"
    with pytest.raises(ValueError, match=text):
        TargetUnits(metric, UNITS, has_missing=True)
    TargetUnits(metric, UNITS)
    with pytest.raises(ValueError, match="'r2_score' adjusts R2 by the number of rows"):
        TargetUnits(metrics.R2Score(num_regressors=2), UNITS, has_missing=True)
