"""The compiled loop gives what ``keras.Model.fit`` gives."""

import keras
import numpy as np
import pytest

from sklearn_keras_scaling.training import Batches, clear_compiled, train

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
    network = sequential(dense(), dense())
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
    *(mlp, weighted, dropout, batch_norm, convolution, lstm, several_inputs, several_outputs),
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
    for _ in range(2):  # compiled anew, and reused where that is possible
        found, ours = fitted(case, "compiled")
        assert (ours.engine, ours.reason, ours.interrupted) == ("compiled", "", False)
        for one, other in zip(values(expected), values(found), strict=True):
            # The bar is 1e-6; optimizers' moments and weights are of order 1.
            np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6)
        assert ours.history.keys() == theirs.history.keys()
        for name, column in theirs.history.items():
            np.testing.assert_allclose(ours.history[name], column, rtol=1e-5, atol=1e-6)
