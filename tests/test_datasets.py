"""Datasets that exceed memory: read once for the scalers, again in each epoch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sklearn_keras_scaling import ScaledKerasClassifier, ScaledKerasRegressor, to_keras

from . import ONE_EPOCH, QUICK

RNG = np.random.default_rng(0)
X = RNG.normal(1000.0, 50.0, size=(100, 3))
Y = X[:, 0] - 2 * X[:, 1]
WEIGHT = RNG.integers(0, 3, size=100).astype(float)


class Blocks(keras.utils.PyDataset):
    def __init__(self, *arrays, size=32):
        super().__init__()
        self.arrays, self.size = arrays, size

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, index):
        return tuple(a[index * self.size : (index + 1) * self.size] for a in self.arrays)


def tensorflow(*arrays, size=32):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


@pytest.mark.parametrize("make", [tensorflow, Blocks])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_dataset_trains_as_its_arrays_in_their_order(make, weighted):
    arrays = (X, Y, WEIGHT) if weighted else (X, Y)
    regressor = ScaledKerasRegressor(**ONE_EPOCH, metrics=["mae"])
    regressor.fit(make(*arrays), validation_data=make(*arrays))
    weight = WEIGHT if weighted else None
    means = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(regressor.input_scaler_.mean_, means, rtol=1e-12)
    whole = ScaledKerasRegressor(**ONE_EPOCH).fit(X, Y, weight)
    np.testing.assert_allclose(regressor.target_scaler_.var_, whole.target_scaler_.var_)
    assert set(regressor.history_) == {"loss", "mae", "val_loss", "val_mae"}
    assert int(regressor.network_.optimizer.iterations) == 4
    assert np.abs(np.asarray(to_keras(regressor)(X)) - regressor.predict(X)).max() < 1e-3
    # On identical data, without learning, training and validation agree.
    still = regressor.set_params(optimizer__learning_rate=0.0)
    history = still.fit(make(*arrays), validation_data=make(*arrays)).history_
    assert history["val_loss"][0] == pytest.approx(history["loss"][0], rel=1e-5)


def test_a_batch_of_weight_zero_is_absent():
    weight = np.where(np.arange(100) // 32 == 1, 0.0, 1.0)
    kept = weight > 0
    with_it = ScaledKerasRegressor(**ONE_EPOCH).fit(Blocks(X, Y, weight))
    without = ScaledKerasRegressor(**ONE_EPOCH).fit(Blocks(X[kept], Y[kept], weight[kept]))
    np.testing.assert_array_equal(with_it.predict(X), without.predict(X))


class Some(Blocks):
    """Weights in the first batch alone."""

    def __getitem__(self, index):
        return super().__getitem__(index)[: 3 if index == 0 else 2]


def test_batches_without_weights_count_once():
    weight = np.where(np.arange(100) < 32, 2.0, 1.0)
    some = ScaledKerasRegressor(**ONE_EPOCH).fit(Some(X, Y, weight))
    every = ScaledKerasRegressor(**ONE_EPOCH).fit(Blocks(X, Y, weight))
    np.testing.assert_array_equal(some.predict(X), every.predict(X))


def test_arrays_validate_a_dataset_and_the_other_way_round():
    regressor = ScaledKerasRegressor(**ONE_EPOCH)
    of_arrays = regressor.fit(Blocks(X, Y), validation_data=(X, Y)).history_["val_loss"]
    of_blocks = regressor.fit(Blocks(X, Y), validation_data=Blocks(X, Y)).history_["val_loss"]
    assert of_arrays == pytest.approx(of_blocks, rel=1e-5)
    assert "val_loss" in regressor.fit(X, Y, validation_data=Blocks(X, Y)).history_


def test_labels_of_all_batches_are_known():
    labels = np.where(np.arange(100) < 50, "low", np.where(np.arange(100) < 90, "mid", "high"))
    order = np.argsort(labels)  # the first batches have one label only
    for make in (tensorflow, Blocks):
        classifier = ScaledKerasClassifier(**ONE_EPOCH, class_weight="balanced")
        classifier.fit(make(X[order], labels[order]))
        assert classifier.classes_.tolist() == ["high", "low", "mid"]
        # "balanced": as many rows in all as there are, and as many of each class.
        target = classifier.targets_.by_output
        weights = target.weights(target.classes_, None, None, trains=True)
        np.testing.assert_allclose(weights, 100 / (3 * np.array([10, 50, 40])))


def test_named_inputs_and_outputs_come_in_batches():
    data = {"a": X[:, :1], "b": X[:, 1:]}
    targets = {"sum": Y, "rest": X[:, 2]}
    dataset = tf.data.Dataset.from_tensor_slices((data, targets)).batch(40)
    regressor = ScaledKerasRegressor(**QUICK).fit(dataset)
    assert {name: p.shape for name, p in regressor.predict(data).items()} == {
        "sum": (100,),
        "rest": (100,),
    }


def test_only_fit_takes_datasets():
    regressor = ScaledKerasRegressor(**ONE_EPOCH).fit(X, Y)
    for call in (
        lambda: regressor.predict(Blocks(X)),
        lambda: regressor.fit(tensorflow(X, Y), Y),
        lambda: regressor.partial_fit(Blocks(X, Y), Y),
    ):
        with pytest.raises(TypeError, match=r"Datasets are for fit, without y; here, pass arrays"):
            call()


def test_a_dataset_goes_on_where_a_fit_ended():
    regressor = ScaledKerasRegressor(**ONE_EPOCH, warm_start=True).fit(Blocks(X, Y))
    scaler = regressor.input_scaler_
    regressor.fit(Blocks(X + 1, Y))
    assert regressor.input_scaler_ is scaler
    assert int(regressor.network_.optimizer.iterations) == 8


BAD = {
    "iterator": ((b for b in [(X, Y)]), {}, {}, TypeError, r"X is an iterator, which can be read"),
    "endless": (
        tensorflow(X, Y).repeat(),
        {},
        {},
        ValueError,
        r"X repeats without end, but its batches are counted\. Leave out repeat",
    ),
    "empty": (Blocks(X[:0], Y[:0]), {}, {}, ValueError, r"X yields no batches"),
    "no targets": (Blocks(X), {}, {}, ValueError, r"Batch 0 of X must be \(inputs, targets\)"),
    "nan": (
        Blocks(np.where(np.arange(100)[:, None] == 70, np.nan, X), Y),
        {},
        {},
        ValueError,
        r"Input X contains NaN[\s\S]*in row 6, column 0",
    ),
    "split": (
        Blocks(X, Y),
        {"validation_split": 0.2},
        {},
        ValueError,
        r"validation_split is for arrays, but X is a dataset",
    ),
    "weights": (
        Blocks(X, Y),
        {},
        {"sample_weight": WEIGHT},
        ValueError,
        r"sample_weight is for arrays, but X is a dataset\. Let it yield",
    ),
    "no rows to stop by": (
        Blocks(X, Y),
        {"early_stopping": True},
        {},
        ValueError,
        r"early_stopping=True needs rows to validate on",
    ),
    "scaler": (
        Blocks(X, Y),
        {"input_scaler": "robust", "input_scaler__quantile_range": (1, 99)},
        {},
        None,
        "",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_datasets(case):
    dataset, parameters, arguments, error, message = BAD[case]
    regressor = ScaledKerasRegressor(**ONE_EPOCH, **parameters)
    before = dict(vars(regressor))
    if error is None:
        assert regressor.fit(dataset).score(X, Y) < 1
        return
    with pytest.raises(error, match=message) as caught:
        regressor.fit(dataset, **arguments)
    assert vars(regressor) == before
    if case == "nan":
        assert caught.value.__notes__ == ["Raised for batch 2 of X, counted from 0."]
