"""Fits that differ in numbers alone share a compiled loop, others do not; what XLA compiles."""

import copy
import inspect
from dataclasses import dataclass

import keras
import numpy as np
import pytest

from sklearn_keras_scaling import ScaledKerasRegressor
from sklearn_keras_scaling.distributions import Normal, register_distribution
from sklearn_keras_scaling.targets._units import TargetUnitsLoss
from sklearn_keras_scaling.training import (
    Batches,
    DistributionLoss,
    MissingLoss,
    OfLocation,
    TargetUnits,
    clear_compiled,
    make_distribution_metric,
    read,
    train,
)
from sklearn_keras_scaling.training._keys import UniqueError, _key_of_part
from sklearn_keras_scaling.training._told import told

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch trains in Keras's loop"
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4)).astype("float32")
Y = np.where(RNG.random((70, 2)) < 0.2, np.nan, X[:, :2] + 0.3 * X[:, 2:]).astype("float32")
WEIGHT = np.isfinite(Y).astype("float32")
NAMES = ("crps", "coverage_0.5", "interval_width_0.5", "pinball_0.1")


def network(*shape):
    keras.utils.set_random_seed(1)
    size = int(np.prod(shape))
    hidden = [keras.layers.Dense(8, "relu"), keras.layers.Dense(size), keras.layers.Reshape(shape)]
    return keras.Sequential([keras.Input((4,)), *hidden])


def fitted(model):
    data = X, Y, WEIGHT
    return train(model, Batches(data, 16, 0), data, epochs=2, engine="compiled").history


def metrics_of(loc, scale):
    """Return metrics of a distribution of two columns in these units."""
    unit = [loc, 0.0], [scale, 1.0]
    mae = TargetUnits(keras.metrics.MeanAbsoluteError(name="mae"), unit, has_missing=True)
    own = [make_distribution_metric(name, Normal(), unit) for name in NAMES]
    return [*own, OfLocation(mae, Normal())]


def test_fits_of_a_distribution_share_a_loop_in_any_units(compilations):
    clear_compiled()
    histories = []
    for unit in [(0.0, 1.0), (5.0, 3.0), (-7.0, 0.5)]:
        model = network(2, 2)
        loss, metrics = MissingLoss(DistributionLoss(Normal())), metrics_of(*unit)
        model.compile("adam", loss, metrics=metrics)
        histories.append(fitted(model))
        outputs = model(X)
        for metric in metrics_of(*unit):
            found = histories[-1][f"val_{metric.name}"][-1]
            assert found == pytest.approx(float(metric(Y, outputs)), rel=1e-5)  # float32
    assert len(compilations) == 2  # of the steps of training and validation
    for name in ("loss", "coverage_0.5"):  # in any units
        assert histories[0][name] == histories[1][name]


def test_deltas_of_huber_tell_fits_apart(compilations):
    def history(delta):
        inputs = keras.Input((2,))
        inverse = keras.Model(inputs, keras.ops.exp(inputs))  # of another name each time
        model = network(2)
        model.compile("sgd", TargetUnitsLoss(MissingLoss(keras.losses.Huber(delta)), inverse))
        return fitted(model)["loss"]

    clear_compiled()
    found = [history(delta) for delta in (0.1, 10.0, 0.1)]
    assert found[0] == found[2] != found[1]
    assert len(compilations) == 4  # the third fit takes those of the first


def classes_of(module, base):
    needs = (inspect.Parameter.empty, inspect.Parameter.VAR_KEYWORD)
    for cls in vars(module).values():
        if inspect.isclass(cls) and issubclass(cls, base) and cls is not base:
            given = list(inspect.signature(cls).parameters.values())
            if all(p.default is not needs[0] or p.kind == needs[1] for p in given):
                yield cls


@pytest.mark.parametrize(
    "cls",
    [
        *classes_of(keras.losses, keras.losses.Loss),
        *classes_of(keras.metrics, keras.metrics.Metric),
    ],
    ids=lambda cls: f"{cls.__module__.split('.')[2]}-{cls.__name__}",
)
def test_all_that_a_class_of_keras_was_made_with_is_told(cls):
    part = cls(dtype="float64")
    node = told(part)
    assert getattr(part, "_fn_kwargs", {}).keys() | {"dtype"} <= node["config"].keys()
    assert told(read(copy.deepcopy(node))) == node
    assert read(node).dtype == "float64"


def test_a_loss_in_target_units_keeps_its_delta():
    inputs = keras.Input((1,))
    loss = TargetUnitsLoss(keras.losses.Huber(delta=5.0), keras.Model(inputs, inputs * 10.0))
    node = keras.saving.serialize_keras_object(loss)
    restored = keras.saving.deserialize_keras_object(node)
    for each in (loss, restored):
        assert float(each(np.zeros((1, 1)), np.full((1, 1), 2.0))) == 87.5


def huber(delta):
    return keras.losses.Huber(delta)


def mae(**kwargs):
    return TargetUnits(keras.metrics.MeanAbsoluteError(), ([0.0], [1.0]), **kwargs)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (huber(1.0), huber(2.0)),
        (MissingLoss(huber(1.0)), MissingLoss(huber(2.0))),
        (MissingLoss(huber(1.0)), huber(1.0)),
        (huber(1.0), keras.losses.Huber(dtype="float64")),
        (mae(), mae(has_missing=True)),
        (DistributionLoss(Normal()), DistributionLoss(Normal(), "crps")),
        (OfLocation(mae(), Normal()), OfLocation(mae(has_missing=True), Normal())),
        *[
            tuple(make_distribution_metric(name, Normal(), (0.0, scale)) for scale in (1.0, -1.0))
            for name in ("crps", "pinball_0.1")
        ],
    ],
    ids=range(9),
)
def test_what_computes_something_else_has_another_key(one, other):
    assert _key_of_part(one) != _key_of_part(other)
    assert _key_of_part(one) == _key_of_part(read(told(one)))


def test_numbers_that_are_weights_are_in_no_key():
    for make in (
        lambda unit: TargetUnits(keras.metrics.MeanSquaredError(), unit),
        lambda unit: OfLocation(TargetUnits(keras.metrics.R2Score(), unit), Normal()),
        *(lambda unit, n=n: make_distribution_metric(n, Normal(), unit) for n in NAMES),
    ):
        one, other, wider = (make(u) for u in ((0.0, 1.0), (5.0, 2.0), ([5.0] * 2, [2.0] * 2)))
        assert _key_of_part(one) == _key_of_part(other)
        if "coverage" not in one.name:
            assert _key_of_part(one) != _key_of_part(wider)


def test_a_class_that_is_written_anew_has_another_key():
    def loss(factor):
        @register_distribution("test_anew")
        @dataclass(frozen=True)
        class Anew(Normal):
            def loss(self, y, parameters, xp):
                return super().loss(y, parameters, xp) * factor

        return MissingLoss(DistributionLoss(Anew()))

    assert _key_of_part(loss(1.0)) != _key_of_part(loss(2.0))


def test_fits_of_missing_targets_share_a_loop(compilations):
    regressor = ScaledKerasRegressor(epochs=1, hidden_layer_sizes=(8,))
    clear_compiled()
    for n in (70, 66):  # the rows of a fit differ in a search
        regressor.fit(X[:n], Y[:n])
    assert len(compilations) == 1


def test_a_function_within_others_is_told_by_name():
    one, other = keras.losses.mean_squared_error, keras.losses.mean_absolute_error
    assert _key_of_part(MissingLoss(one)) == _key_of_part(MissingLoss(one))
    assert _key_of_part(MissingLoss(one)) != _key_of_part(MissingLoss(other))


def test_functions_of_the_users_are_in_no_key():
    for loss in (MissingLoss(lambda y, z: keras.ops.abs(y - z)), MissingLoss(own_loss)):
        with pytest.raises(UniqueError, match="is a function of the user's own"):
            _key_of_part(loss)


def own_loss(y, z):
    return keras.ops.abs(y - z)


SERIES = RNG.normal(size=(70, 5, 3)).astype("float32")


def grouped_attention():
    inputs = keras.Input((5, 3))
    attended = keras.layers.GroupQueryAttention(2, 2, 1)(inputs, inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(attended)))


def nested():
    inputs, branches = keras.Input((5, 3)), keras.Input((3,))
    both = keras.layers.Dense(3)(branches), keras.layers.Dense(3)(branches)
    inner = keras.Model(branches, keras.layers.Add()(both))
    last = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)])
    return keras.Model(inputs, last(inner(inputs[:, 0])))


NETWORKS = {
    "bidirectional": lambda: layered(keras.layers.Bidirectional(keras.layers.GRU(2))),
    "convolved steps": lambda: layered(
        keras.layers.Reshape((5, 3, 1, 1)), keras.layers.ConvLSTM2D(1, 1), keras.layers.Flatten()
    ),
    "grouped attention": grouped_attention,
    "nested": nested,
}


def layered(*hidden):
    return keras.Sequential([keras.Input((5, 3)), *hidden, keras.layers.Dense(1)])


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_with_names_that_keras_counts_up_share_a_loop(compilations, name):
    clear_compiled()
    for _ in range(2):
        trained(NETWORKS[name]())
    assert len(compilations) == 1


def trained(model, **asked):
    model.compile("adam", "mse")
    batches = Batches((SERIES, SERIES[:, 0, :1]), 32, 0)
    train(model, batches, None, epochs=1, engine="compiled", **asked)


def convolved(filters):
    hidden = [keras.layers.Conv1D(filters, 2) for _ in range(2)]
    return layered(*hidden, keras.layers.Flatten())


def with_dropout():
    return layered(keras.layers.Flatten(), keras.layers.Dropout(0.5))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX compiles all by XLA")
@pytest.mark.parametrize(
    ("model", "asked", "used"),
    [
        (lambda: layered(keras.layers.Flatten()), None, True),
        (lambda: layered(keras.layers.Flatten()), "auto", True),
        (lambda: layered(keras.layers.Flatten()), False, False),
        (with_dropout, None, False),
        (with_dropout, True, True),
        (lambda: convolved(8), None, True),
        (lambda: convolved(128), None, False),
        (lambda: convolved(128), True, True),
        (NETWORKS["convolved steps"], None, False),
    ],
)
def test_xla_compiles_what_it_makes_faster_and_what_is_asked_for(compilations, model, asked, used):
    clear_compiled()
    trained(model(), jit_compile=asked)
    assert [each.uses_xla for each in compilations] == [used]
