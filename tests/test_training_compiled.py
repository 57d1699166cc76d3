"""The compiled loop gives what ``keras.Model.fit`` gives."""

import itertools
import random
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import sparse

from sklearn_keras_scaling.training import (
    Batches,
    TargetUnits,
    _compiled,
    clear_compiled,
    train,
)

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch trains in Keras's loop"
)

RNG = np.random.default_rng(0)
ROWS, BATCH = 70, 16  # the last batch has 6 rows
X = RNG.normal(size=(ROWS, 6)).astype("float32")
Y = (X @ RNG.normal(size=(6, 1)) + 0.1 * RNG.normal(size=(ROWS, 1))).astype("float32")
WEIGHT = RNG.uniform(0.5, 2.0, ROWS).astype("float32")
LABELS = (Y > 0).astype("int64")
SEQUENCES = RNG.normal(size=(ROWS, 5, 3)).astype("float32")

layers, optimizers = keras.layers, keras.optimizers


class OwnStep(keras.Model):
    """Trains on noisy inputs and logs the norm of the outputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.head = layers.Dense(8, "tanh"), layers.Dense(1)

    def call(self, inputs):
        return self.head(self.dense(inputs))

    def train_step(self, *arguments):
        *state, (x, y) = arguments
        result = super().train_step(*state, (x * 1.5, y))
        if not state:
            return {**result, "twice": 2.0 * result["loss"]}
        logs, new_state = result
        return {**logs, "twice": 2.0 * logs["loss"]}, new_state


def sequential(*hidden, shape=(6,), units=1, activation=None):
    return keras.Sequential([keras.Input(shape), *hidden, layers.Dense(units, activation)])


def dense(units=16, **kwargs):
    return layers.Dense(units, "relu", **kwargs)


def mlp(optimizer="adam", **kwargs):
    network = sequential(dense())
    network.compile(optimizer, "mse", **kwargs)
    return network, (X, Y)


def weighted():
    network, data = mlp(metrics=["mae"], weighted_metrics=["mae", keras.metrics.R2Score()])
    return network, (*data, WEIGHT)


def dropout():
    network = sequential(dense(), layers.Dropout(0.3), layers.GaussianNoise(0.1))
    network.compile("adam", "mse")
    return network, (X, Y)


def batch_norm():
    network = sequential(dense(), layers.BatchNormalization(), dense())
    network.compile("adam", "mse")
    return network, (X, Y)


def convolution():
    hidden = layers.Conv1D(4, 3, activation="relu"), layers.Flatten()
    network = sequential(*hidden, shape=(5, 3))
    network.compile("adam", "mse")
    return network, (SEQUENCES, Y)


def lstm():
    network = sequential(layers.LSTM(8, dropout=0.2), shape=(5, 3))
    network.compile("adam", "mse")
    return network, (SEQUENCES, Y)


def gru():
    network = sequential(layers.GRU(8), shape=(5, 3))
    network.compile("adam", "mse")
    return network, (SEQUENCES, Y)


def several_inputs():
    a, b = keras.Input((6,), name="a"), keras.Input((5, 3), name="b")
    joined = layers.concatenate([dense()(a), layers.Flatten()(b)])
    network = keras.Model({"a": a, "b": b}, layers.Dense(1)(joined))
    network.compile("adam", "mse")
    return network, ({"a": X, "b": SEQUENCES}, Y)


def several_outputs():
    inputs = keras.Input((6,))
    hidden = dense()(inputs)
    heads = [
        layers.Dense(1, name="number")(hidden),
        layers.Dense(1, "sigmoid", name="kind")(hidden),
    ]
    network = keras.Model(inputs, heads)
    network.compile(
        "adam",
        ["mse", "binary_crossentropy"],
        loss_weights=[1.0, 0.3],
        metrics=[["mae"], ["accuracy"]],
    )
    return network, (X, [Y, LABELS.astype("float32")])


def regularised():
    penalty = keras.regularizers.L1L2(1e-3, 1e-2)
    network = sequential(
        dense(kernel_regularizer=penalty, kernel_constraint=keras.constraints.MaxNorm(1.0)),
        dense(activity_regularizer=penalty),
    )
    network.compile("adam", "mse")
    return network, (X, Y)


def labels():
    network = sequential(dense(), units=2, activation="softmax")
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network, (X, LABELS)


def mixed_precision():
    network = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(16, "relu", dtype="mixed_float16"),
            layers.Dense(1, dtype="float32"),
        ]
    )
    network.compile(optimizers.LossScaleOptimizer(optimizers.SGD(0.01)), "mse")
    return network, (X, Y)


def own_step():
    network = OwnStep()
    network.compile("adam", "mse")
    return network, (X, Y)


def schedule():
    return mlp(optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 3, 0.9)))


def clipping():
    return mlp(optimizers.AdamW(0.01, global_clipnorm=0.1, weight_decay=0.01))


def accumulation():
    return mlp(optimizers.Adam(0.01, gradient_accumulation_steps=2))


def averaging():
    return mlp(optimizers.SGD(0.01, momentum=0.9, use_ema=True, ema_overwrite_frequency=5))


def own_loss():
    network, data = mlp()
    network.compile("adam", lambda y, z: keras.ops.mean(keras.ops.abs(y - z) ** 1.5, axis=-1))
    return network, data


def float64_targets():
    network, (x, y) = mlp()
    return network, (x.astype("float64"), y.astype("float64"))


CASES = [
    *(mlp, weighted, dropout, batch_norm, convolution, lstm, gru, several_inputs, several_outputs),
    *(regularised, labels, mixed_precision, own_step, schedule, clipping, accumulation),
    *(averaging, own_loss, float64_targets),
]


def made(case):
    keras.utils.set_random_seed(1)
    return case()


def fitted(case, engine, seed=3, epochs=5, **kwargs):
    network, data = made(case)
    training = train(
        network, Batches(data, BATCH, seed), data, epochs=epochs, engine=engine, **kwargs
    )
    return network, training


def values(network):
    return [
        keras.ops.convert_to_numpy(v) for v in [*network.variables, *network.optimizer.variables]
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_weights_and_history_are_those_of_keras(case):
    clear_compiled()
    expected, theirs = fitted(case, "keras")
    # Weights, optimizers' moments and gradients are of order 1; the bar is 1e-6. In float16, which
    # processors round in their own ways, 25 steps of 0.01 follow gradients rounded by 2**-11.
    bound = 25 * 0.01 * 2.0**-11 if case is mixed_precision else 1e-6
    for _ in range(2):  # compiled anew, and reused where that is possible
        found, ours = fitted(case, "compiled")
        assert (ours.engine, ours.reason, ours.interrupted) == ("compiled", "", False)
        for one, other in zip(values(expected), values(found), strict=True):
            np.testing.assert_allclose(other, one, rtol=bound, atol=bound)
        assert ours.history.keys() == theirs.history.keys()
        for name, column in theirs.history.items():
            np.testing.assert_allclose(ours.history[name], column, rtol=10 * bound, atol=bound)


@pytest.mark.parametrize("rows", range(1, 2 * 4 + 2))
def test_any_number_of_rows_is_trained_as_keras_does(rows):
    def case():
        network, (x, y) = mlp()
        return network, (x[:rows], y[:rows])

    keras.utils.set_random_seed(1)
    results = []
    for engine in ("keras", "compiled"):
        network, data = made(case)
        batches = Batches(data, 4, 0)
        training = train(network, batches, None, epochs=2, engine=engine)
        results.append((values(network), training.history["loss"]))
    for one, other in zip(*(weights for weights, _ in results), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6)  # the bar
    assert results[1][1] == pytest.approx(results[0][1], rel=1e-5)


# How many rows there are matters to the loop alone: with XLA, with shapes fixed for it, or without.
@pytest.mark.parametrize(
    ("case", "rows"),
    [
        *itertools.product([weighted, dropout, gru], [5, 32]),
        *((case, ROWS) for case in (weighted, dropout, gru, own_step, several_outputs)),
    ],
)
def test_epochs_that_nobody_looks_at_give_the_same_bits(monkeypatch, case, rows):
    monkeypatch.setattr(_compiled, "_UNSEEN_EPOCHS", 0)
    results = []
    for callbacks in ([], [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: None)]):
        network, data = made(case)
        data = keras.tree.map_structure(lambda array: array[:rows], data)
        batches = Batches(data, BATCH, 3)
        arguments = {"epochs": 3, "callbacks": callbacks, "engine": "compiled"}
        history = train(network, batches, None, **arguments).history
        results.append((history, [array.tobytes() for array in values(network)]))
    assert results[0] == results[1]


def other_mlp():
    network = sequential(dense(), dense(8))
    network.compile("adam", "mse")
    return network, (X, Y)


def slow_mlp():
    return mlp(optimizers.Adam(1e-4), metrics=["mae"])


def test_loops_leak_nothing_from_fit_to_fit():
    def weights(case):
        return [array.tobytes() for array in values(fitted(case, "compiled")[0])]

    clear_compiled()
    cases = mlp, slow_mlp, dropout, other_mlp
    first = {}
    for case in cases:
        first[case] = weights(case)
    # Each three of them in each order, one behind the other.
    order = [int(digit) for digit in "01321302312301203102103201"]
    threes = set(zip(order, order[1:], order[2:], strict=False))
    assert threes >= set(itertools.permutations(range(len(cases)), 3))
    for case in (cases[i] for i in order):
        assert weights(case) == first[case]
    clear_compiled()
    assert weights(mlp) == first[mlp]


def test_a_loop_serves_every_number_of_rows_learning_rate_and_constant(compilations):
    def case(rows, rate, loc):
        metric = TargetUnits(keras.metrics.MeanAbsoluteError(name="mae"), ([loc], [2.0]))
        network = sequential(dense())
        network.compile(optimizers.Adam(rate), "mse", metrics=[metric])
        return network, (X[:rows], Y[:rows])

    clear_compiled()
    for rows, rate, loc in [(70, 1e-3, 0.0), (33, 1e-2, 5.0), (50, 1e-1, -7.0)]:
        network, data = case(rows, rate, loc)
        training = train(network, Batches(data, BATCH, 0), data, epochs=2, engine="compiled")
        outputs = keras.ops.convert_to_numpy(network(data[0]))
        # Units of 2: the offset goes out.
        expected = 2.0 * np.abs(outputs - data[1]).mean()
        assert training.history["val_mae"][-1] == pytest.approx(expected, rel=1e-5)
        assert float(network.optimizer.learning_rate) == pytest.approx(rate)
    assert len(compilations) == 2  # of the steps of training and validation


def test_training_goes_on_where_it_stopped():
    network, _ = fitted(mlp, "compiled", epochs=2)
    reference, _ = fitted(mlp, "keras", epochs=2)
    for model, engine in ((network, "compiled"), (reference, "keras")):
        train(model, Batches((X, Y), BATCH, 9), None, epochs=4, initial_epoch=2, engine=engine)
        assert int(model.optimizer.iterations) == 4 * 5
    for one, other in zip(values(reference), values(network), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6)  # the bar


def test_the_global_generators_are_left_alone():
    clear_compiled()
    network, data = made(dropout)
    random.seed(5)
    state = random.getstate(), np.random.get_state()[1].tolist()
    train(network, Batches(data, BATCH, 0), data, epochs=1, engine="compiled")
    assert (random.getstate(), np.random.get_state()[1].tolist()) == state


class Recorder(keras.callbacks.Callback):
    """Keeps what it sees at every hook but those of batches."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def note(self, hook, logs=None):
        weights = [keras.ops.convert_to_numpy(v).copy() for v in self.model.weights]
        self.seen.append((hook, dict(logs or {}), weights))

    def on_train_begin(self, logs=None):
        self.note("train begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.01 / (epoch + 1)
        self.note(f"begin {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.note(f"end {epoch}", logs)

    def on_test_begin(self, logs=None):
        self.note("test begin")

    def on_test_end(self, logs=None):
        self.note("test end", logs)

    def on_train_end(self, logs=None):
        self.note("train end", logs)


def test_callbacks_see_what_they_see_in_keras_and_act_on_the_network():
    recorders = Recorder(), Recorder()
    for engine, recorder in zip(("keras", "compiled"), recorders, strict=True):
        network, _ = fitted(weighted, engine, epochs=3, callbacks=[recorder], validation_freq=2)
        assert float(network.optimizer.learning_rate) == pytest.approx(0.01 / 3)
    assert [hook for hook, *_ in recorders[0].seen] == [hook for hook, *_ in recorders[1].seen]
    for (_, logs, weights), (_, expected, others) in zip(
        recorders[1].seen, recorders[0].seen, strict=True
    ):
        assert logs == pytest.approx(expected, rel=1e-5)
        for one, other in zip(weights, others, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)  # the bar


def stock_callbacks(folder):
    callbacks = keras.callbacks
    return {
        "stop": callbacks.EarlyStopping("val_mae", patience=2, restore_best_weights=True),
        "reduce": callbacks.ReduceLROnPlateau("val_mae", patience=1, factor=0.5),
        "schedule": callbacks.LearningRateScheduler(lambda epoch, rate: 0.9 * rate),
        "save": callbacks.ModelCheckpoint(folder / "best.keras", "val_mae", save_best_only=True),
        "log": callbacks.CSVLogger(folder / "log.csv"),
        "lambda": callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
        "average": callbacks.SwapEMAWeights(),
    }


@pytest.mark.parametrize("name", stock_callbacks(Path()))
def test_keras_callbacks_do_what_they_do_in_keras(name, tmp_path):
    def case():
        optimizer = optimizers.Adam(0.3, use_ema=True)  # so high that it gets worse at times
        return mlp(optimizer, metrics=["mae"])

    results = []
    for engine in ("keras", "compiled"):
        folder = tmp_path / engine
        folder.mkdir()
        callback = stock_callbacks(folder)[name]
        _, training = fitted(case, engine, epochs=8, callbacks=[callback])
        results.append((training.history, sorted(p.name for p in folder.iterdir())))
        if name == "save":
            keras.models.load_model(folder / "best.keras")
    (expected, files), (found, found_files) = results
    assert found_files == files
    assert found.keys() == expected.keys()
    for column, values_ in expected.items():
        np.testing.assert_allclose(found[column], values_, rtol=1e-3)  # such steps magnify


@pytest.mark.parametrize("at", [5, 40, 68])
def test_terminate_on_nan_stops_at_the_step(at, capsys):
    def case():
        network, (x, y) = mlp()
        y = y.copy()
        y[at] = np.nan
        return network, (x, y)

    histories, said = [], []
    for engine in ("keras", "compiled"):
        callback = keras.callbacks.TerminateOnNaN()
        network, training = fitted(case, engine, epochs=3, callbacks=[callback])
        histories.append(len(training.history["loss"]))
        said.append(capsys.readouterr().out)
        steps = int(network.optimizer.iterations)
        assert f"Batch {steps - 1}: Invalid loss" in said[-1]
    assert histories == [1, 1]
    assert said[0] == said[1]


def test_ctrl_c_leaves_what_was_reached():
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    reference, _ = fitted(mlp, "compiled", epochs=2)
    for engine in ("compiled", "keras"):
        network, training = fitted(mlp, engine, epochs=9, callbacks=[Interrupt()])
        assert training.interrupted
        assert training.engine == engine
        assert len(training.history["loss"]) == 2
        for one, other in zip(values(reference), values(network), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6)  # the bar


def test_the_progress_bar_is_that_of_keras(capsys):
    lines = []
    for engine in ("keras", "compiled"):
        fitted(mlp, engine, epochs=2, verbose=2)
        out = re.sub(r"- \d+s - [^-]*?/step", "", capsys.readouterr().out)
        lines.append([line for line in out.splitlines() if not line.startswith("Training in")])
    assert lines[0] == lines[1]
    fitted(mlp, "compiled", epochs=1, verbose=1)
    assert "5/5" in capsys.readouterr().out


class BatchCallback(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


class OwnFit(keras.Sequential):
    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)


def own_fit():
    network = OwnFit([keras.Input((6,)), layers.Dense(1)])
    network.compile("adam", "mse")
    return network, (X, Y)


def untraceable():
    class Untraceable(OwnStep):
        def train_step(self, *arguments):
            float(keras.ops.sum(arguments[-1][0]))
            return super().train_step(*arguments)

    network = Untraceable()
    network.compile("adam", "mse", run_eagerly=False)
    return network, (X, Y)


@pytest.mark.parametrize(
    ("case", "options", "reason"),
    [
        (
            mlp,
            {"callbacks": [BatchCallback()]},
            "the callback BatchCallback has on_train_batch_end",
        ),
        (
            mlp,
            {"callbacks": [keras.callbacks.LambdaCallback(on_train_batch_begin=print)]},
            "the callback LambdaCallback has on_train_batch_begin",
        ),
        (lambda: mlp(run_eagerly=True), {}, r"runs eagerly \(run_eagerly=True\)"),
        (lambda: mlp(steps_per_execution=2), {}, "steps_per_execution is 2"),
        (mlp, {"class_weight": {0: 1.0}}, "has no class_weight"),
        (mlp, {"steps_per_epoch": 2}, "has no steps_per_epoch"),
        (own_fit, {}, "OwnFit overrides fit"),
    ],
    ids=range(7),
)
def test_what_cannot_be_compiled_is_trained_by_keras_or_refused(case, options, reason):
    with pytest.raises(ValueError, match=f"engine='compiled' cannot train .*{reason}"):
        fitted(case, "compiled", epochs=1, **options)
    if "callbacks" not in options or isinstance(options["callbacks"][0], BatchCallback):
        _, training = fitted(case, "auto", epochs=1, **options)
        assert training.engine == "keras"
        assert re.search(reason, training.reason)
        assert len(training.history["loss"]) == 1


def test_a_step_that_cannot_be_traced_is_refused_with_its_error():
    with pytest.raises(ValueError, match="train_step cannot be traced"):
        fitted(untraceable, "compiled", epochs=1)


def test_keras_says_why_it_trains_where_it_is_asked_to_talk(capsys):
    fitted(lambda: mlp(steps_per_execution=2), "auto", epochs=1, verbose=2)
    assert "Training in keras.Model.fit: steps_per_execution is 2." in capsys.readouterr().out
    with pytest.raises(ValueError, match="engine must be one of auto, compiled, keras, got 'fast'"):
        fitted(mlp, "fast")


def test_a_stream_is_trained_by_keras():
    class Stream(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[:4], Y[:4]

    network, _ = made(mlp)
    training = train(network, Stream(), None, epochs=1)
    assert (training.engine, len(training.history["loss"])) == ("keras", 1)
    assert "stream" in training.reason


def test_sparse_rows_are_made_dense_on_the_way():
    found, _ = fitted(lambda: (mlp()[0], (sparse.csr_array(X), Y)), "compiled")
    expected, _ = fitted(mlp, "compiled")
    for one, other in zip(values(expected), values(found), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("delta", [0.1, 10.0])
def test_what_a_configuration_leaves_out_tells_two_fits_apart(delta):
    # Keras's Huber does not write its delta.
    def huber():
        network, data = mlp()
        network.compile("sgd", keras.losses.Huber(delta=delta))
        return network, data

    losses = [fitted(huber, engine)[1].history["loss"] for engine in ("compiled", "keras")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_validation_rows_may_have_weights_or_none():
    for weight in ((), (np.ones(len(X), "float32"),), ()):
        network, data = mlp()
        training = train(
            network, Batches(data, 8, 0), (*data[:2], *weight), epochs=1, engine="compiled"
        )
        assert np.isfinite(training.history["val_loss"]).all()
