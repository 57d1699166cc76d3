"""Keras's whole surface: what compile and fit take, callbacks, own models, datasets, errors.

Forms of optimizers, losses and metrics that routed parameters reach: tests/test_routing.py.
"""

import csv

import keras
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import FunctionTransformer

from sklearn_keras_scaling import (
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    StandardScaler,
    to_keras,
)

from . import QUICK

RNG = np.random.default_rng(0)
N, BATCH = 90, 40  # batches of 40, 40 and 10 rows
X = RNG.normal(size=(N, 4)) * [1, 10, 100, 0.1] + [0, 5, 1000, 3]
Y = 1e4 + 300 * X[:, 0] - 2 * X[:, 2] + RNG.normal(size=N)
LABELS = np.where(np.median(Y) < Y, "high", "low")
WEIGHT = RNG.uniform(0.5, 3.0, N)

PARAMETERS = {**QUICK, "batch_size": BATCH, "epochs": 3}


def regressor(**parameters):
    return ScaledKerasRegressor(**{**PARAMETERS, **parameters})


def classifier(**parameters):
    return ScaledKerasClassifier(**{**PARAMETERS, **parameters})


def history(**parameters):
    return regressor(**parameters).fit(X, Y).history_


# Optimizers, losses and metrics of every form


HUBER = {"class_name": "Huber", "config": {"delta": 0.1}}


@pytest.mark.parametrize(
    "loss",
    [
        HUBER,
        keras.losses.Huber(delta=0.1),
        lambda y, p: keras.losses.huber(y, p, delta=0.1),
    ],
    ids=["config", "instance", "function"],
)
def test_a_loss_of_any_form_is_the_same_loss(loss):
    named = history(loss="huber", loss__delta=0.1)
    # The same operations in another order; each step rounds to float32.
    assert history(loss=loss)["loss"] == pytest.approx(named["loss"], rel=1e-5)


def test_a_loss_that_keras_has_serialized_is_the_same_loss():
    loss = keras.losses.MeanAbsoluteError(reduction="sum")
    serialized = keras.saving.serialize_keras_object(loss)
    assert history(loss=serialized) == history(loss=loss)


@pytest.mark.parametrize(
    "metric",
    [
        pytest.param("mae", id="short"),
        pytest.param("MeanAbsoluteError", id="class name"),
        pytest.param("mean_absolute_error", id="name"),
        pytest.param(keras.metrics.MeanAbsoluteError, id="class"),
        pytest.param(keras.metrics.MeanAbsoluteError(name="mine"), id="instance"),
        pytest.param(keras.metrics.mean_absolute_error, id="function"),
        pytest.param(
            {"class_name": "MeanAbsoluteError", "config": {"name": "mine"}},
            id="config",
        ),
        pytest.param(
            keras.saving.serialize_keras_object(keras.metrics.MeanAbsoluteError(name="mine")),
            id="serialized",
        ),
    ],
)
def test_a_metric_of_any_form_is_in_target_units(metric):
    still = regressor(optimizer__learning_rate=0.0, metrics=[metric]).fit(X, Y)
    (values,) = (values for name, values in still.history_.items() if name != "loss")
    error = np.abs(still.predict(X) - Y).mean()
    assert values == pytest.approx([error] * 3, rel=1e-5)  # sums of float32 errors


@pytest.mark.parametrize(
    "metric",
    [
        pytest.param("accuracy", id="name"),
        pytest.param("BinaryAccuracy", id="class name"),
        pytest.param(keras.metrics.BinaryAccuracy, id="class"),
        pytest.param(keras.metrics.BinaryAccuracy(name="mine"), id="instance"),
        pytest.param(keras.metrics.binary_accuracy, id="function"),
        pytest.param(
            {"class_name": "BinaryAccuracy", "config": {"name": "mine"}},
            id="config",
        ),
    ],
)
@pytest.mark.parametrize("keyword", ["metrics", "compile__weighted_metrics"])
def test_a_classifiers_metric_of_any_form(metric, keyword):
    # Each form is compiled once; with weights the same form is only computed.
    weight = None if keyword == "metrics" else WEIGHT
    eagerly = weight is not None
    still = classifier(
        epochs=1, optimizer__learning_rate=0.0, compile__run_eagerly=eagerly, **{keyword: [metric]}
    )
    found = still.fit(X, LABELS, sample_weight=weight).history_
    (value,) = (values[0] for name, values in found.items() if name != "loss")
    assert value == pytest.approx(still.score(X, LABELS, weight), rel=1e-6)


def test_metrics_and_losses_of_the_user_serve_several_fits():
    own = {"loss": keras.losses.Huber(), "metrics": [keras.metrics.MeanAbsoluteError(name="m")]}
    first = history(**own)
    assert history(**own) == first


# Learning-rate schedules


SCHEDULE = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=3, decay_rate=0.5)


@pytest.mark.parametrize(
    "given",
    [
        {"optimizer__learning_rate": SCHEDULE},
        {"optimizer": keras.optimizers.SGD(SCHEDULE)},
        {"optimizer": keras.optimizers.serialize(keras.optimizers.SGD(SCHEDULE))},
    ],
    ids=["routed", "instance", "config"],
)
@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_a_schedule_lowers_the_learning_rate_step_by_step(given, engine):
    parameters = {key: PARAMETERS[key] for key in ("hidden_layer_sizes", "random_state")}
    fitted = ScaledKerasRegressor(
        **parameters, **given, engine=engine, epochs=3, batch_size=BATCH, warm_start=True
    ).fit(X, Y)
    optimizer = fitted.network_.optimizer
    assert int(optimizer.iterations) == 9
    assert float(optimizer.learning_rate) == pytest.approx(0.1 * 0.5**3, rel=1e-5)
    fitted.fit(X, Y)  # goes on from there
    assert float(fitted.network_.optimizer.learning_rate) == pytest.approx(0.1 * 0.5**6, rel=1e-5)


def test_a_schedule_trains_as_the_rates_that_it_gives():
    rates = [0.1, 0.01, 0.001]
    # Three steps an epoch, counted from 0; the bounds belong to the earlier rate.
    steps = keras.optimizers.schedules.PiecewiseConstantDecay([2, 5], rates)
    by_epoch = keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch])
    scheduled = history(optimizer="sgd", optimizer__learning_rate=steps)
    called = history(optimizer="sgd", callbacks=[by_epoch])
    assert scheduled["loss"] == pytest.approx(called["loss"], rel=1e-6)
    assert called["learning_rate"] == pytest.approx(rates)


# Callbacks


def callbacks_of(folder):
    kinds = keras.callbacks
    return {
        "stop": kinds.EarlyStopping("val_mae", patience=1, min_delta=1e9),
        "reduce": kinds.ReduceLROnPlateau("val_mae", factor=0.1, patience=1, min_delta=1e9),
        "log": kinds.CSVLogger(folder / "log.csv"),
        "save": kinds.ModelCheckpoint(folder / "last.keras"),
        "nan": kinds.TerminateOnNaN(),
        "board": kinds.TensorBoard(folder / "board"),
        "lambda": kinds.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
        "backup": kinds.BackupAndRestore(folder / "backup.weights.h5"),
    }


def state(callback):
    return {name: repr(value) for name, value in vars(callback).items()}


@pytest.mark.parametrize(
    "name", ["stop", "reduce", "log", "save", "nan", "board", "lambda", "backup"]
)
def test_a_callback_is_copied_and_serves_several_fits(name, tmp_path):
    if name == "board":
        pytest.importorskip("tensorboard", reason="Keras's callback needs it")
    callback = callbacks_of(tmp_path)[name]
    before = state(callback)
    estimator = regressor(
        callbacks=[callback], metrics=["mae"], validation_split=0.2, epochs=4
    ).fit(X, Y)
    first = estimator.history_
    assert state(callback) == before
    assert callback.model is None
    assert estimator.fit(X, Y).history_ == first
    assert len(first["loss"]) == (2 if name == "stop" else 4)


def test_early_stopping_restores_the_best_weights():
    stop = keras.callbacks.EarlyStopping("val_mae", patience=2, restore_best_weights=True)
    fitted = regressor(
        callbacks=[stop], metrics=["mae"], epochs=50, optimizer__learning_rate=0.5
    ).fit(X[:60], Y[:60], X_val=X[60:], y_val=Y[60:])
    assert fitted.n_iter_ < 50
    best = min(fitted.history_["val_mae"])
    assert best < fitted.history_["val_mae"][-1]
    error = np.abs(fitted.predict(X[60:]) - Y[60:]).mean()
    assert error == pytest.approx(best, rel=1e-5)


def test_reduce_on_plateau_lowers_this_fits_rate_alone():
    reduce = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=1e9)
    optimizer = keras.optimizers.Adam(0.05)
    estimator = ScaledKerasRegressor(
        optimizer=optimizer, callbacks=[reduce], epochs=3, random_state=0
    )
    for _ in range(2):
        rate = float(estimator.fit(X, Y).network_.optimizer.learning_rate)
        assert rate == pytest.approx(0.05 * 0.1**2)
        assert estimator.history_["learning_rate"] == pytest.approx([0.05, 0.05, 0.005])
    assert float(optimizer.learning_rate) == pytest.approx(0.05)


def test_a_csv_logger_writes_metrics_in_target_units(tmp_path):
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    fitted = regressor(callbacks=[logger], metrics=["mae"], validation_split=0.2).fit(X, Y)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    for name in ("loss", "mae", "val_loss", "val_mae"):
        written = [float(row[name]) for row in rows]
        assert written == pytest.approx(fitted.history_[name], rel=1e-6)
    assert float(rows[-1]["mae"]) > 10  # in target units


def test_a_lambda_callback_sees_every_epoch_and_batch():
    epochs, batches = [], []
    kinds = keras.callbacks.LambdaCallback
    by_epoch = kinds(on_epoch_end=lambda epoch, logs: epochs.append((epoch, float(logs["mae"]))))
    fitted = regressor(callbacks=[by_epoch], metrics=["mae"]).fit(X, Y)
    assert epochs == [(i, pytest.approx(mae)) for i, mae in enumerate(fitted.history_["mae"])]
    by_batch = kinds(on_train_batch_end=lambda batch, logs: batches.append(batch))
    regressor(callbacks=[by_batch]).fit(X, Y)
    assert batches == [0, 1, 2] * 3


def test_a_checkpoint_has_the_weights_of_scaled_space(tmp_path):
    path = tmp_path / "last.keras"
    fitted = regressor(callbacks=[keras.callbacks.ModelCheckpoint(path)]).fit(X, Y)
    saved = keras.saving.load_model(path, compile=False)
    for one, other in zip(saved.get_weights(), fitted.network_.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_terminate_on_nan_stops(capsys):
    fitted = regressor(
        callbacks=[keras.callbacks.TerminateOnNaN()],
        optimizer="sgd",
        optimizer__learning_rate=1e20,
        epochs=50,
    )
    with pytest.warns(ConvergenceWarning, match=r"in epoch \d, at a learning rate of 1e\+20\."):
        fitted.fit(X, Y)
    assert fitted.n_iter_ < 50
    assert "Invalid loss" in capsys.readouterr().out


def test_tensorboard_writes_its_events(tmp_path):
    pytest.importorskip("tensorboard", reason="Keras's callback needs it")
    board = keras.callbacks.TensorBoard(tmp_path)
    regressor(callbacks=[board], validation_split=0.2).fit(X, Y)
    assert {p.name for p in tmp_path.iterdir()} == {"train", "validation"}
    assert all(list(folder.glob("events.*")) for folder in tmp_path.iterdir())


def test_a_failing_callback_leaves_the_estimator_as_it_was():
    class Failing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise RuntimeError("the callback's own error")

    estimator = regressor().fit(X, Y)
    expected = estimator.predict(X)
    estimator.set_params(callbacks=[Failing()])
    before = dict(vars(estimator))
    for fit in (estimator.fit, estimator.set_params(warm_start=True).fit):
        before["warm_start"] = estimator.warm_start
        with pytest.raises(RuntimeError, match="the callback's own error"):
            fit(X, Y)
        assert vars(estimator) == before
        np.testing.assert_array_equal(estimator.predict(X), expected)


# Keywords of compile and fit


def test_compiling_with_xla_changes_rounding_alone():
    plain = history(compile__jit_compile=False)
    assert history(compile__jit_compile=True)["loss"] == pytest.approx(plain["loss"], rel=1e-4)


@pytest.mark.parametrize("options", [{"steps_per_execution": 2}, {"run_eagerly": True}], ids=str)
def test_other_ways_to_execute_train_the_same(options):
    fitted = regressor(**{f"compile__{name}": value for name, value in options.items()})
    if "run_eagerly" in options and keras.backend.backend() == "jax":
        pytest.skip("Keras on JAX trains otherwise when it runs eagerly")
    plain = regressor().fit(X, Y)
    fitted.fit(X, Y)
    assert fitted.history_["loss"] == pytest.approx(plain.history_["loss"], rel=1e-4)
    assert int(fitted.network_.optimizer.iterations) == 9


def heads_in_a_list(input_shape, output_shape):
    inputs = keras.Input(input_shape)
    heads = [keras.layers.Dense(*shape, name=name) for name, shape in output_shape.items()]
    return keras.Model(inputs, [head(inputs) for head in heads])


@pytest.mark.parametrize("builder", [None, heads_in_a_list])
@pytest.mark.parametrize("metrics", ["metrics", "compile__weighted_metrics"])
def test_losses_weights_and_metrics_of_named_outputs(builder, metrics):
    targets = {"price": Y, "demand": Y[::-1] / 1e6}
    # In one batch: Keras averages the losses of outputs over batches, whatever their sizes.
    fitted = regressor(
        model=builder,
        batch_size=N,
        optimizer__learning_rate=0.0,
        compile__loss_weights={"price": 3.0, "demand": 0.5},
        **{metrics: {"price": ["mae"]}},
    ).fit(X, targets)
    found = {name: values[-1] for name, values in fitted.history_.items()}
    total = 3 * found["price_loss"] + 0.5 * found["demand_loss"]
    assert found["loss"] == pytest.approx(total, rel=1e-5)
    error = np.abs(fitted.predict(X)["price"] - Y).mean()
    assert found["price_mae"] == pytest.approx(error, rel=1e-5)
    assert "demand_mae" not in found


def test_keywords_of_fit_reach_keras():
    assert len(history(fit__initial_epoch=1)["loss"]) == 2
    short = regressor(fit__steps_per_epoch=1).fit(X, Y)
    assert int(short.network_.optimizer.iterations) == 3
    whole = history(validation_split=0.5)
    for size in (7, 1000):
        by_size = history(validation_split=0.5, fit__validation_batch_size=size)
        assert by_size["val_loss"] == pytest.approx(whole["val_loss"], rel=1e-5)
    part = history(validation_split=0.5, fit__validation_steps=1, fit__validation_batch_size=5)
    assert part["loss"] == pytest.approx(whole["loss"], rel=1e-4)
    assert part["val_loss"] != pytest.approx(whole["val_loss"], rel=1e-4)
    later = history(validation_split=0.5, fit__validation_freq=[1, 3])
    assert later["val_loss"] == pytest.approx([whole["val_loss"][i] for i in (0, 2)], rel=1e-5)


# Networks of the user's own kind


class NoisyStep(keras.Model):
    """Trains on inputs that it stretches, and logs that it did."""

    def __init__(self, stretch=1.0):
        super().__init__()
        self.stretch = stretch
        self.dense, self.head = keras.layers.Dense(8, "relu"), keras.layers.Dense(1)

    def call(self, inputs):
        return self.head(self.dense(inputs))

    def train_step(self, *arguments):
        *earlier, data = arguments  # JAX hands over its state first
        x, y, *weight = data
        found = super().train_step(*earlier, (x * self.stretch, y, *weight))
        logs = found[0] if earlier else found
        logs = {**logs, "stretch": keras.ops.convert_to_tensor(self.stretch)}
        return (logs, *found[1:]) if earlier else logs


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_a_train_step_of_ones_own_is_the_one_that_trains(engine):
    found = history(model=NoisyStep, model__stretch=3.0, engine=engine)
    assert found["stretch"] == pytest.approx([3.0] * 3)
    plain = history(model=NoisyStep, engine=engine)
    assert found["loss"][0] > 1.5 * plain["loss"][0]
    good = regressor(model=NoisyStep, epochs=60, engine=engine).fit(X, Y)
    assert good.score(X, Y) > 0.9


def small(input_shape, output_shape, output_activation):
    hidden = keras.layers.Dense(8, activation="relu")
    head = keras.layers.Dense(output_shape[0], activation=output_activation, dtype="float32")
    return keras.Sequential([keras.Input(input_shape), hidden, head])


@pytest.fixture
def mixed_float16():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.usefixtures("mixed_float16")
@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_mixed_float16_of_a_given_network_and_in_the_history(engine):
    fitted = regressor(
        model=small, epochs=30, metrics=["mae"], validation_split=0.2, engine=engine
    ).fit(X, Y)
    assert fitted.network_.layers[0].compute_dtype == "float16"
    assert fitted.network_.layers[0].kernel.dtype == "float32"
    assert fitted.score(X, Y) > 0.9
    assert fitted.predict(X).dtype == np.float64
    assert np.isfinite(fitted.history_["val_mae"]).all()
    callbacks = [keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9)]
    assert regressor(model=small, callbacks=callbacks, engine=engine).fit(X, Y).n_iter_ == 3


@pytest.fixture(scope="module")
def pretrained():
    """A body with batch normalisation, trained on something else, and frozen; and a new head."""
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, activation="relu")(inputs)
    body = keras.Model(inputs, keras.layers.BatchNormalization()(hidden), name="body")
    earlier = keras.Sequential([body, keras.layers.Dense(1)])
    earlier.compile("adam", "mse")
    earlier.fit(RNG.normal(size=(64, 4)), RNG.normal(size=64), epochs=2, verbose=0)
    body.trainable = False
    return keras.Sequential([keras.Input((4,)), body, keras.layers.Dense(1, name="head")])


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_frozen_layers_of_a_pretrained_network_stay_to_the_bit(pretrained, engine):
    before = {layer.name: layer.get_weights() for layer in pretrained.layers}
    fitted = regressor(model=pretrained, engine=engine).fit(X, Y)
    for _ in ("fit", "warm start", "partial_fit"):
        body, head = fitted.network_.layers
        assert not body.trainable
        assert len(before["body"]) == 6  # the moving statistics too
        for found, expected in zip(body.get_weights(), before["body"], strict=True):
            np.testing.assert_array_equal(found, expected)
        for found, expected in zip(head.get_weights(), before["head"], strict=True):
            assert (found != expected).all()
        last = head.get_weights()
        fitted.set_params(warm_start=True).fit(X, Y)
        assert (fitted.network_.layers[1].get_weights()[0] != last[0]).any()
        fitted.partial_fit(X, Y)
    for layer in pretrained.layers:
        for found, expected in zip(layer.get_weights(), before[layer.name], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_layers_that_a_builder_freezes_stay_as_they_were_made():
    kept = RNG.normal(size=(4, 8)).astype("float32")

    def build(input_shape):
        frozen = keras.layers.Dense(8, activation="relu", use_bias=False, trainable=False)
        network = keras.Sequential([keras.Input(input_shape), frozen, keras.layers.Dense(1)])
        frozen.set_weights([kept])
        return network

    fitted = regressor(model=build).fit(X, Y)
    np.testing.assert_array_equal(fitted.network_.layers[0].get_weights()[0], kept)
    found = np.asarray(to_keras(fitted)(X))
    assert np.abs(found - fitted.predict(X)).max() < 1e-5 * Y.std()


# Errors keep their cause, and say what they are about


def fails(*_):
    raise RuntimeError("its own error")


def expects_seven(input_shape):
    return keras.Sequential([keras.Input((7,)), keras.layers.Dense(1)])


def test_a_network_for_other_inputs_says_their_shape_and_keeps_keras_error():
    message = r"does not take inputs of shape \('batch', 4\), the shape of the scaled X"
    with pytest.raises(ValueError, match=message) as caught:
        regressor(model=expects_seven).fit(X, Y)
    assert isinstance(caught.value.__cause__, ValueError)
    assert "expected axis -1" in str(caught.value.__cause__)


def test_a_failing_loss_is_named_and_keeps_its_cause():
    with pytest.raises(ValueError, match=r"loss='fails' cannot be computed from") as caught:
        regressor(loss=fails).fit(X, Y)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert str(caught.value.__cause__) == "its own error"


def test_an_unknown_name_keeps_keras_error():
    for parameter in ("optimizer", "loss"):
        message = f"{parameter}='nonsense' is unknown to Keras"
        with pytest.raises(ValueError, match=message) as caught:
            ScaledKerasRegressor(**{parameter: "nonsense"}).fit(X, Y)
        assert caught.value.__cause__ is not None


def noted(caught):
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize("where", ["input_scaler", "target_scaler"])
def test_a_failing_scaler_is_named(method, where):
    class Failing(StandardScaler):
        pass

    setattr(Failing, method, fails)
    several = {"a": None, "b": Failing()}
    inputs = {"a": X[:, :1], "b": X[:, 1:]} if where == "input_scaler" else X
    targets = {"a": Y, "b": -Y} if where == "target_scaler" else Y
    with pytest.raises(RuntimeError, match="its own error") as caught:
        regressor(**{where: several}).fit(inputs, targets)
    assert f"{where}['b']" in noted(caught)


def positive(values):
    if (np.asarray(values) < 0).any():
        raise ValueError("its own error")
    return values


def test_a_scaler_that_fails_while_predicting_is_named():
    scaler = FunctionTransformer(positive)  # which scales nothing
    fitted = regressor(input_scaler=scaler, ignore_findings=("SKS009",)).fit(np.abs(X), Y)
    with pytest.raises(ValueError, match="its own error") as caught:
        fitted.predict(-np.abs(X))
    assert "input_scaler" in noted(caught)


def test_a_failing_metric_is_named_and_its_output():
    with pytest.raises((RuntimeError, ValueError), match="its own error") as caught:
        regressor(metrics={"b": [fails]}).fit(X, {"a": Y, "b": Y})
    assert "metrics" in noted(caught)
    assert "'b'" in noted(caught)


def test_an_error_while_training_keeps_its_kind_and_text():
    class Failing(keras.layers.Layer):
        def call(self, inputs, training=False):
            return fails() if training else inputs

    def build(input_shape):
        return keras.Sequential([keras.Input(input_shape), Failing(), keras.layers.Dense(1)])

    for engine in ("auto", "keras"):
        with pytest.raises(RuntimeError, match="its own error"):
            regressor(model=build, engine=engine).fit(X, Y)
