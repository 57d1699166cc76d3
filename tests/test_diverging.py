"""Training that diverges is told, and networks without numbers say so instead of answering."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import PowerTransformer

from sklearn_keras_scaling import (
    Labels,
    Numbers,
    ScaledKerasClassifier,
    ScaledKerasEstimator,
    ScaledKerasRegressor,
)
from sklearn_keras_scaling.estimators._divergence import Diverged, diverged, told_divergence
from sklearn_keras_scaling.training import Training

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X[:, 0] + RNG.normal(size=40)
LABELS = np.where(X[:, 0] > 0, "high", "low")
SMALL = {"hidden_layer_sizes": (4,), "batch_size": 10, "epochs": 3, "random_state": 0}
EAGER = {**SMALL, "compile__run_eagerly": True}
FAST = {"optimizer": "sgd", "optimizer__learning_rate": 1e6}


class SetKernel(keras.callbacks.Callback):
    """Sets the first weights at the end of an epoch, counted from 1."""

    def __init__(self, value, epoch):
        super().__init__()
        self.value, self.epoch = value, epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epoch:
            kernel = self.model.weights[0]
            kernel.assign(np.full(kernel.shape, self.value))


def told_by(fit):
    """Return the text of the one warning, which must name this file."""
    with pytest.warns(ConvergenceWarning) as caught:
        fit()
    (one,) = [w for w in caught if w.category is ConvergenceWarning]
    assert one.filename == __file__
    return str(one.message)


@pytest.mark.parametrize(("rate", "epoch"), [(1.0, 2), (1e6, 1)])
@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_a_warning_names_epoch_rate_and_largest_number(engine, rate, epoch):
    parameters = {**SMALL, "optimizer": "sgd", "optimizer__learning_rate": rate}
    regressor = ScaledKerasRegressor(**parameters, engine=engine)
    text = told_by(lambda: regressor.fit(X, Y))
    loss = regressor.history_["loss"][epoch - 1]
    assert text.startswith(f"Training diverged: its loss is {loss:g} in epoch {epoch}, at a learn")
    largest = max(
        np.abs(regressor.input_scaler_.transform(X)).max(), np.abs(Y - Y.mean()).max() / Y.std()
    )
    assert f"rate of {rate:.3g}. The largest scaled number is {largest:.3g}, in the " in text
    assert "Of its weights now, 4 of 4 variables are NaN or infinite, the first of them" in text
    assert text.endswith("limit gradients by optimizer__clipnorm=1.0, and scale what is large.")


CASES = {
    "unscaled targets": (
        {"optimizer": "sgd", "target_scaler": None},
        {"y": 1e12 * Y},
        rf"its loss is .* The largest scaled number is {np.abs(1e12 * Y).max():.3g}, in the targ"
        .replace("+", r"\+"),
    ),
    "unscaled inputs": (
        {"optimizer": "sgd", "input_scaler": None},
        {"X": 1e12 * X},
        rf"its loss is .* The largest scaled number is {np.abs(1e12 * X).max():.3g}, in the inpu"
        .replace("+", r"\+"),
    ),
    "sparse inputs": (
        {**FAST, "input_scaler": "maxabs"},
        {"X": sparse.csr_array(X)},
        r"The largest scaled number is .*, in the targets\.",
    ),
    "batchnorm": (
        {**FAST, "input_scaler": "batchnorm", "input_scaler__momentum": 0.1},
        {"X": 1e6 * X},
        r"The largest scaled number is [0-9]\.",
    ),
    "targets that are not known": (
        FAST,
        {"y": np.where(np.arange(40) % 3, Y, np.nan)},
        r"its loss is .*The largest scaled number is [0-9]\.",
    ),
    "named outputs": (FAST, {"y": {"a": Y, "b": Y}}, r"its loss is .* in the "),
    "terminated": (
        {**FAST, "callbacks": [keras.callbacks.TerminateOnNaN()]}, {}, r"its loss is (inf|nan) in"
    ),
    "a schedule": (
        {"optimizer": keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(1e7, 1, 1))},
        {},
        r"at a learning rate of 1e\+07",
    ),
    "validation rows": (
        {},
        {"X_val": 1e25 * X, "y_val": Y},
        r"its validation loss is inf in epoch 1, .* in the validation inputs\. Its weights now are "
        r"finite, and up to",
    ),
    "weights alone": (
        {"callbacks": [SetKernel(np.nan, 3)]}, {}, r"its weights are no numbers after epoch 3, at "
    ),
    "infinite weights": (
        {"callbacks": [SetKernel(np.inf, 3)]}, {}, r"1 of 4 variables are NaN or infinite"
    ),
    "epochs that others count": (
        {**FAST, "epochs": 8, "fit__initial_epoch": 4}, {}, r"in epoch 5, at"
    ),
    "the mean of a power": (
        {**FAST, "target_scaler": PowerTransformer(), "target_statistic": "mean"}, {}, r"its loss"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore::sklearn_keras_scaling.exceptions.ScalingWarning")
@pytest.mark.filterwarnings("ignore:input_scaler_. moving statistics lag")
def test_all_ways_to_diverge_are_told(case, capsys):
    parameters, data, message = CASES[case]
    regressor = ScaledKerasRegressor(**{**EAGER, **parameters})
    text = told_by(lambda: regressor.fit(**{"X": X, "y": Y, **data}))
    with pytest.warns(UserWarning, match=message):
        warnings.warn(text, stacklevel=1)
    capsys.readouterr()  # Keras's callback prints


def test_classifiers_and_several_kinds_are_told():
    text = told_by(lambda: ScaledKerasClassifier(**EAGER, **FAST).fit(X, LABELS))
    # Labels are no scaled numbers.
    assert f"is {np.abs((X - X.mean(0)) / X.std(0)).max():.3g}, in the inputs." in text
    both = ScaledKerasEstimator(targets={"a": Numbers(None), "b": Labels()}, **EAGER, **FAST)
    text = told_by(lambda: both.fit(X, {"a": 1e3 * Y, "b": LABELS}))
    assert f"is {np.abs(1e3 * Y).max():.3g}, in the targets." in text


def test_the_member_is_told():
    class OnlySecond(keras.callbacks.Callback):
        seen = 0

        def on_train_end(self, logs=None):
            OnlySecond.seen += 1
            if OnlySecond.seen == 2:
                kernel = self.model.weights[0]
                kernel.assign(np.full(kernel.shape, np.nan))

    ensemble = ScaledKerasRegressor(**EAGER, n_members=3, callbacks=[OnlySecond()])
    text = told_by(lambda: ensemble.fit(X, Y))
    assert text.startswith("Training of member 2 diverged: its weights are no numbers after epoch")
    text = told_by(lambda: ScaledKerasRegressor(**EAGER, **FAST, n_members=2).fit(X, Y))
    assert text.startswith("Training of member 1 diverged (of 2 of 2 members): its loss is")


def test_partial_fit_is_told():
    regressor = ScaledKerasRegressor(**EAGER)
    regressor.partial_fit(X, Y)
    regressor.set_params(optimizer="sgd", optimizer__learning_rate=1e12)
    text = told_by(lambda: regressor.partial_fit(X, Y))
    assert text.startswith("Training diverged: its loss is")
    assert "in epoch 1, at a learning rate of 1e+12." in text
    text = told_by(
        lambda: (
            ScaledKerasClassifier(**EAGER, **FAST)
            .set_params(optimizer__learning_rate=1e30, epochs=1)
            .partial_fit(X, LABELS)
        )
    )
    assert "in epoch 1, at a learning rate of 1e+30." in text


def test_a_stream_is_not_read_again():
    read = []

    def batches():
        read.append(0)
        for start in range(0, 40, 10):
            yield X[start : start + 10], Y[start : start + 10]

    spec = [tf.TensorSpec((None, 3), "float64"), tf.TensorSpec((None,), "float64")]
    dataset = tf.data.Dataset.from_generator(batches, output_signature=tuple(spec))
    quiet = ScaledKerasRegressor(**EAGER).fit(dataset)
    before = len(read)
    text = told_by(lambda: ScaledKerasRegressor(**EAGER, **FAST).fit(dataset))
    assert len(read) == 2 * before
    first = np.abs((X[:10] - X.mean(0)) / X.std(0)).max(), np.abs((Y[:10] - Y.mean()) / Y.std())
    largest = max(first[0], first[1].max())
    assert f"is {largest:.3g}, in the" in text
    assert "; of the stream only the first batch was looked at." in text
    assert np.isfinite(quiet.history_["loss"]).all()


def test_restored_weights_are_told_with_the_epoch():
    regressor = ScaledKerasRegressor(
        **{**EAGER, "epochs": 6}, early_stopping=True, callbacks=[SetKernel(1e30, 3)]
    )
    text = told_by(lambda: regressor.fit(X, Y))
    assert np.isfinite(regressor.history_["val_loss"][:2]).all()
    assert text.startswith("Training diverged: its validation loss is inf in epoch 4,") or (
        text.startswith("Training diverged: its loss is") and "in epoch 4," in text
    )
    largest = max(np.abs(w).max() for w in regressor.network_.get_weights())
    assert f"Its weights now are finite, and up to {largest:.3g} in size." in text
    assert np.isfinite(regressor.predict(X)).all()


def test_training_that_goes_well_is_silent():
    weights = ScaledKerasRegressor(**EAGER, validation_split=0.2).fit(X, Y).network_.get_weights()
    assert all(np.isfinite(one).all() for one in weights)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    ScaledKerasClassifier(**EAGER).fit(frame, LABELS)


@pytest.mark.parametrize(
    ("losses", "val_losses", "options", "epoch", "what"),
    [
        ([1.0, np.nan], [np.inf, np.nan], {}, 1, "its validation loss is inf"),
        ([1.0, -np.inf], [1.0, 2.0], {}, 2, "its loss is -inf"),
        ([np.nan], [np.nan], {}, 1, "its loss is nan"),
        ([1.0, 1.0], [], {}, None, ""),
        ([1.0] * 5, [1.0, np.nan], {"validation_freq": 2}, 4, "its validation loss is nan"),
        ([1.0] * 5, [1.0, np.nan], {"validation_freq": [2, 5]}, 5, "its validation loss is nan"),
        ([1.0] * 5, [np.nan], {"validation_freq": 4, "initial_epoch": 3}, 4, "its validation"),
        ([np.nan], [], {"initial_epoch": 3}, 4, "its loss is nan"),
    ],
)
def test_the_first_epoch(losses, val_losses, options, epoch, what):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile("sgd", "mse")
    histories = {"loss": losses, "val_loss": val_losses, "mae": [np.nan] * len(losses)}
    found = diverged(Training(histories, "keras", "", False), network, options)
    if epoch is None:
        assert found is None
        return
    assert found.epoch == epoch
    assert found.what.startswith(what)


def test_nothing_goes_on_from_weights_that_are_no_numbers():
    regressor = ScaledKerasRegressor(**EAGER, **FAST, warm_start=True)
    told_by(lambda: regressor.fit(X, Y))
    message = (
        r"has no numbers to train from: 4 of 4 variables are NaN or infinite, the first of them "
        r"'.*kernel'\. The last fit diverged: fit anew, with warm_start=False or by a clone"
    )
    for go_on in (regressor.fit, regressor.partial_fit):
        with pytest.raises(ValueError, match=message):
            go_on(X, Y)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.layers[0].bias.assign([np.nan])
    with pytest.raises(ValueError, match=r"numbers to train from: 1 of 2 .*bias'\. Pass a network"):
        ScaledKerasRegressor(model, **EAGER).fit(X, Y)


def test_one_text_for_all_members():
    one = Diverged(3, "its loss is nan", 0.01, "Weights")
    text = told_divergence([None, one, one], "Large.")
    assert text.startswith(
        "Training of member 2 diverged (of 2 of 3 members): its loss is nan in epoch 3, at a "
        "learning rate of 0.01. Large. Weights. Lower"
    )
    assert told_divergence([one], "Large.").startswith("Training diverged: its loss is nan in")
