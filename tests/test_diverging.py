"""Training that diverges is told, and networks without numbers say so instead of answering."""

import copy
import pickle
import warnings

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from sklearn_keras_scaling import (
    Labels,
    Numbers,
    ScaledKerasClassifier,
    ScaledKerasEstimator,
    ScaledKerasRegressor,
    to_keras,
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


class SetWeight(keras.callbacks.Callback):
    """Sets some weights, by default the first, at the end of an epoch, counted from 1."""

    def __init__(self, value, epoch, number=0):
        super().__init__()
        self.value, self.epoch, self.number = value, epoch, number

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epoch:
            weight = self.model.weights[self.number]
            weight.assign(np.full(weight.shape, self.value))


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
        {"callbacks": [SetWeight(np.nan, 3)]}, {}, r"its weights are no numbers after epoch 3, at "
    ),
    "infinite weights": (
        {"callbacks": [SetWeight(np.inf, 3)]}, {}, r"1 of 4 variables are NaN or infinite"
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
    breaks = {**EAGER, "callbacks": [SetWeight(np.nan, 1, -1)]}
    text = told_by(lambda: ScaledKerasClassifier(**breaks).fit(X, LABELS))
    assert text.startswith(
        "Training diverged: its loss is nan in epoch 2, at a learning rate of 0.0"
    )
    # Labels are no scaled numbers.
    assert f"is {np.abs((X - X.mean(0)) / X.std(0)).max():.3g}, in the inputs." in text
    both = ScaledKerasEstimator(targets={"a": Numbers(None), "b": Labels()}, **breaks)
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
    regressor = ScaledKerasRegressor(**EAGER, optimizer__learning_rate=0.25)
    regressor.partial_fit(X, Y).partial_fit(X, Y)
    regressor.set_params(callbacks=[SetWeight(np.nan, 1)])
    text = told_by(lambda: regressor.partial_fit(2 * X, Y))
    assert text.startswith(
        "Training diverged: its weights are no numbers after epoch 1, at a learn"
    )
    largest = np.abs(regressor.input_scaler_.transform(2 * X)).max()
    assert f"of 0.25. The largest scaled number is {largest:.3g}, in the inputs." in text
    classifier = ScaledKerasClassifier(**EAGER, callbacks=[SetWeight(np.nan, 1)])
    text = told_by(lambda: classifier.partial_fit(X, LABELS))
    assert "after epoch 1, at a learning rate of 0.001." in text


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
        **{**EAGER, "epochs": 6}, early_stopping=True, callbacks=[SetWeight(1e30, 3)]
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


def diverge(estimator, y, X=X):
    told_by(lambda: estimator.fit(X, y))
    return estimator


NO_NUMBERS = (
    r"The network returns NaN for y{} in 40 of 40 rows, the first of them row 0: training "
    r"diverged, and \d of \d variables are NaN or infinite, the first of them '.*'\. Fit again\. "
    r"Lower"
)
TIMES = RNG.integers(3, size=(40, 4))
KINDS_OF_LABELS = {
    "two classes": (LABELS, {}),
    "three classes": (np.arange(40) % 3, {}),
    "several labels": (np.c_[X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0].astype(int), {}),
    "one-hot": (np.eye(3)[np.arange(40) % 3], {}),
    "ordinal": (np.arange(40) % 3, {"ordinal": True}),
    "steps": (TIMES, {"labels": "sequence"}),
    "labels that are not known": (np.where(np.arange(40) % 4, LABELS, None), {}),
    "members": (LABELS, {"n_members": 2}),
}


@pytest.mark.parametrize("kind", KINDS_OF_LABELS)
def test_no_label_is_answered_without_numbers(kind):
    y, parameters = KINDS_OF_LABELS[kind]
    bad = {"callbacks": [SetWeight(np.nan, 3, -1)]}
    classifier = diverge(ScaledKerasClassifier(**EAGER, **bad, **parameters), y)
    for ask in (classifier.predict, classifier.predict_proba):
        with pytest.raises(ValueError, match=NO_NUMBERS.format("")):
            ask(X)
    with pytest.raises(ValueError, match="in 1 of 1 rows, the first of them row 0: training div"):
        classifier.predict(X[:1])
    with pytest.raises(ValueError, match=NO_NUMBERS.format("")):
        classifier.score(X, y)


def test_columns_of_labels_are_told_by_name():
    y = pd.DataFrame({"a": LABELS, "b": TIMES[:, 0]})
    classifier = diverge(ScaledKerasClassifier(**EAGER, callbacks=[SetWeight(np.nan, 3, -2)]), y)
    with pytest.raises(ValueError, match=NO_NUMBERS.format(r"\['b'\]")):
        classifier.predict(X)
    both = ScaledKerasEstimator(targets={"n": "numbers", "l": "labels"}, **EAGER)
    diverge(both.set_params(callbacks=[SetWeight(np.nan, 3, 2)]), {"n": Y, "l": LABELS})
    for ask in (both.predict, both.predict_proba):
        with pytest.raises(ValueError, match=NO_NUMBERS.format(r"\['l'\]")):
            ask(X)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"n_members": 2},
        {"distribution": "normal"},
        {"target_scaler": "minmax"},
        {"target_scaler": PowerTransformer()},
        {"target_scaler": PowerTransformer(), "target_statistic": "mean"},
        {"input_scaler": "instance"},
        {"input_scaler": "batchnorm", "input_scaler__momentum": 0.1},
    ],
)
@pytest.mark.filterwarnings("ignore:input_scaler_. moving statistics lag")
def test_no_number_is_predicted_by_weights_that_are_none(parameters):
    is_series = parameters.get("input_scaler") == "instance"
    rows = X[:, :, None] if is_series else X
    bad = {"callbacks": [SetWeight(np.nan, 3, -1)]}
    regressor = diverge(ScaledKerasRegressor(**EAGER, **bad, **parameters), Y, rows)
    with pytest.raises(ValueError, match=NO_NUMBERS.format("")):
        regressor.predict(rows)
    if "distribution" in parameters:
        for ask in (regressor.predict_interval, regressor.sample):
            with pytest.raises(ValueError, match=NO_NUMBERS.format("")):
                ask(rows)
        with pytest.raises(ValueError, match=NO_NUMBERS.format("")):
            regressor.log_likelihood(rows, Y)


def test_numbers_that_relu_makes_of_nan_mean_nothing():
    bad = {**EAGER, "callbacks": [SetWeight(np.nan, 3, 0)]}
    message = "network returns means nothing: training diverged, and 1 of 4 var.*kernel'. Fit again"
    classifier = diverge(ScaledKerasClassifier(**bad), LABELS)
    regressor = diverge(ScaledKerasRegressor(**bad, warm_start=True), Y)
    for ask in (classifier.predict, classifier.predict_proba, regressor.predict):
        with pytest.raises(ValueError, match=message):
            ask(X)
    with pytest.raises(ValueError, match="has no numbers to train from: 1 of 4 variables"):
        regressor.fit(X, Y)
    kernel = regressor.network_.weights[0]
    kernel.assign(np.zeros(kernel.shape))  # by hand
    assert len(set(regressor.predict(X))) == 1


def far(row):
    changed = X.copy()
    changed[row] = 1e37
    return changed


FAR = (
    r"The network returns {} for y in 2 of 40 rows, the first of them row 5, whose largest scaled "
    r"input is 1e\+37 in size\. Its weights are finite, and up to \d.* in size: numbers on the way "
    r"are too large for float32\. Pass rows like those of fit\. If these are such, training div"
)


def wide(input_shape, output_shape, output_activation):
    """Return a network of which rows of 1e37 are beyond float32, with opposite signs."""
    hidden = keras.layers.Dense(2, kernel_initializer=[[90.0, -90.0]] * 3)
    out = keras.layers.Dense(output_shape[0], activation=output_activation)
    return keras.Sequential([keras.Input(input_shape), hidden, out])


def set_weights(network, *kernels):
    dense = [layer for layer in network.layers if layer.weights]
    for layer, kernel in zip(dense, kernels, strict=True):
        layer.kernel.assign(kernel)


def test_rows_beyond_float32_are_told_apart():
    X_far = far(5)
    X_far[7] = -X_far[5]
    classifier = ScaledKerasClassifier(**EAGER, input_scaler=None).fit(X, np.arange(40) % 3)
    signs = np.array([[1.0, -1.0, 1.0, -1.0]])
    set_weights(classifier.network_, 90.0 * signs.repeat(3, 0), np.ones((4, 3)))
    with pytest.raises(ValueError, match=FAR.format("NaN")):
        classifier.predict(X_far)
    with pytest.raises(ValueError, match=FAR.format("NaN")):
        classifier.predict_proba(X_far)
    assert classifier.predict(X).shape == (40,)

    regressor = ScaledKerasRegressor(**EAGER, input_scaler=None).fit(X, Y)
    expected = regressor.predict(X)
    assert np.isfinite(expected).all()
    set_weights(
        regressor.network_, 90.0 * signs.repeat(3, 0), np.array([[1.0], [1.0], [-1.0], [0]])
    )
    expected = regressor.predict(X)
    with pytest.warns(UserWarning, match=FAR.format("NaN")) as caught:
        predicted = regressor.predict(X_far)
    assert [w.filename for w in caught] == [__file__]
    near = np.setdiff1d(np.arange(40), [5, 7])
    assert np.isnan(predicted[[5, 7]]).all()
    np.testing.assert_array_equal(predicted[near], expected[near])
    set_weights(regressor.network_, 90.0 * np.ones((3, 4)), np.ones((4, 1)))
    with pytest.warns(UserWarning, match="The network returns infinity for y in 1 of 40 rows, the"):
        assert np.isinf(regressor.predict(X_far)).sum() == 1


def test_a_search_goes_on_without_what_diverged():
    search = GridSearchCV(
        ScaledKerasRegressor(**EAGER, optimizer="sgd"),
        {"optimizer__learning_rate": [0.01, 1e8]},
        cv=2,
    )
    with (
        pytest.warns(ConvergenceWarning, match="Training diverged: its loss is"),
        pytest.warns(UserWarning, match=r"Scoring failed[\s\S]*The network returns NaN"),
        pytest.warns(UserWarning, match="One or more of the test scores are non-finite"),
    ):
        search.fit(X, Y)
    assert search.best_params_ == {"optimizer__learning_rate": 0.01}


EXPORTS = {
    "regressor": lambda bad: ScaledKerasRegressor(**bad).fit(X, Y),
    "classifier": lambda bad: ScaledKerasClassifier(**bad).fit(X, LABELS),
    "members": lambda bad: ScaledKerasRegressor(**bad, n_members=2).fit(X, Y),
    "a pipeline": lambda bad: make_pipeline(
        StandardScaler(), ScaledKerasRegressor(**bad, input_scaler=None)
    ).fit(X, Y),
    "kinds": lambda bad: ScaledKerasEstimator(
        targets={"n": "numbers", "l": "labels"}, **bad
    ).fit(X, {"n": Y, "l": LABELS}),
}  # fmt: skip


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", EXPORTS)
def test_what_diverged_is_not_exported(kind, value):
    with pytest.warns(ConvergenceWarning):
        fitted = EXPORTS[kind]({**EAGER, "callbacks": [SetWeight(value, 3)]})
    message = (
        r"The network '.*' cannot be exported: \d of \d variables are NaN or infinite, the first "
        r"of them '.*dense.*/kernel'\. Training diverged: fit again"
    )
    for asked in ({}, {"dtype": "float64"}, {"inputs": "pair"}):
        with pytest.raises(ValueError, match=message):
            to_keras(fitted, **asked)


def test_quantiles_of_what_diverged_are_not_exported():
    bad = {**EAGER, "callbacks": [SetWeight(np.nan, 3)], "distribution": "normal"}
    regressor = diverge(ScaledKerasRegressor(**bad), Y)
    message = "cannot be exported: 1 of 4 variables are NaN or infinite"
    with pytest.raises(ValueError, match=message):
        to_keras(regressor, outputs=("mean", "std"))
    with pytest.raises(ValueError, match=message):
        to_keras(regressor.at_quantile(0.9))


def test_what_diverged_is_pickled_and_copied():
    regressor = diverge(ScaledKerasRegressor(**EAGER, callbacks=[SetWeight(np.nan, 3)]), Y)
    ensemble = ScaledKerasRegressor(**EAGER, n_members=2, callbacks=[SetWeight(np.nan, 3, -1)])
    for fitted in (regressor, diverge(ensemble, Y)):
        for again in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
            with pytest.raises(ValueError, match=r"training diverged, and \d of \d variables are"):
                again.predict(X)
            for a, b in zip(again.members_, fitted.members_, strict=True):
                for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
                    np.testing.assert_array_equal(one, other)
