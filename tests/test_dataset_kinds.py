"""Datasets of every library that Keras takes: TensorFlow's, Keras's own and PyTorch's."""

import keras
import numpy as np
import pytest
from sklearn.preprocessing import PowerTransformer

from .test_keras_surface import (
    BATCH,
    LABELS,
    WEIGHT,
    N,
    X,
    Y,
    classifier,
    regressor,
)


class Batches(keras.utils.PyDataset):
    """Batches of rows in their order."""

    def __init__(self, *arrays, size=BATCH):
        super().__init__()
        self.arrays, self.size = arrays, size

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, index):
        rows = slice(self.size * index, self.size * (index + 1))
        return tuple(array[rows] for array in self.arrays)


def tf_data(*arrays, size=BATCH):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def torch_loader(*arrays, size=BATCH):
    torch = pytest.importorskip("torch", reason="an extra, which CI does not install")
    data = torch.utils.data.TensorDataset(*map(torch.from_numpy, arrays))
    return torch.utils.data.DataLoader(data, batch_size=size)


KINDS = [tf_data, Batches, torch_loader]


@pytest.mark.parametrize("kind", KINDS)
def test_a_dataset_in_raw_units_is_scaled_and_trained_on_as_its_arrays(kind):
    of_arrays = regressor(batch_size=N, metrics=["mae"]).fit(X, Y)
    fitted = regressor(metrics=["mae"]).fit(kind(X, Y, size=N))
    for name in ("input_scaler_", "target_scaler_"):
        for attribute in ("mean_", "scale_"):
            found, expected = (
                getattr(getattr(one, name), attribute) for one in (fitted, of_arrays)
            )
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    # One batch an epoch: the same sums of float32, in another order of rows.
    np.testing.assert_allclose(fitted.predict(X), of_arrays.predict(X), atol=1e-4 * Y.std())
    assert fitted.history_["mae"] == pytest.approx(of_arrays.history_["mae"], rel=1e-4)
    assert (fitted.n_features_in_, fitted.n_outputs_, fitted.n_iter_) == (4, 1, 3)
    assert fitted.predict(X).shape == (N,)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_have_the_statistics_of_the_whole(kind):
    of_arrays = regressor(epochs=12).fit(X, Y)
    fitted = regressor(epochs=12).fit(kind(X, Y))
    for name in ("input_scaler_", "target_scaler_"):
        found, expected = (getattr(one, name) for one in (fitted, of_arrays))
        np.testing.assert_allclose(found.mean_, expected.mean_, rtol=1e-12)
        np.testing.assert_allclose(found.var_, expected.var_, rtol=1e-12)
        assert found.n_samples_seen_ == N
    assert int(fitted.network_.optimizer.iterations) == 3 * 12
    assert np.isfinite(fitted.history_["loss"]).all()
    assert min(one.score(X, Y) for one in (fitted, of_arrays)) > 0.9
    again = regressor(epochs=12).fit(kind(X, Y))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_a_dataset_count(kind):
    fitted = regressor().fit(kind(X, Y, WEIGHT, size=N))
    of_arrays = regressor(batch_size=N).fit(X, Y, sample_weight=WEIGHT)
    np.testing.assert_allclose(fitted.input_scaler_.mean_, np.average(X, axis=0, weights=WEIGHT))
    np.testing.assert_allclose(fitted.predict(X), of_arrays.predict(X), atol=1e-4 * Y.std())
    assert fitted.history_["loss"] == pytest.approx(of_arrays.history_["loss"], rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dataset_of_labels(kind):
    numbers = (LABELS == "low").astype("int64")
    fitted = classifier(epochs=12, class_weight="balanced", metrics=["accuracy"])
    fitted.fit(kind(X, numbers), validation_data=kind(X, numbers))
    assert fitted.classes_.tolist() == [0, 1]
    assert fitted.score(X, numbers) > 0.9
    assert fitted.history_["val_accuracy"][-1] == pytest.approx(fitted.score(X, numbers), abs=1e-6)
    if kind is not torch_loader:  # whose tensors hold no text
        assert classifier(epochs=12).fit(kind(X, LABELS)).score(X, LABELS) > 0.9


def test_datasets_of_named_inputs_and_outputs():
    inputs = {"a": X[:, :1], "b": X[:, 1:]}
    targets = {"price": Y, "demand": np.c_[Y, -Y]}
    scalers = {"input_scaler": {"a": "minmax", "b": "standard"}}
    of_arrays = regressor(batch_size=N, **scalers).fit(inputs, targets)

    class Named(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return inputs, targets

    for dataset in (Named(), tf_data(inputs, targets, size=N)):
        fitted = regressor(**scalers).fit(dataset)
        for name, found in fitted.predict(inputs).items():
            expected = of_arrays.predict(inputs)[name]
            np.testing.assert_allclose(found, expected, atol=1e-4 * Y.std())


@pytest.mark.parametrize("kind", KINDS)
def test_validation_data_of_any_kind_is_in_raw_units(kind):
    rows, held_out = slice(0, 60), slice(60, N)
    arrays = (X[held_out], Y[held_out], WEIGHT[held_out])
    still = regressor(optimizer__learning_rate=0.0, metrics=["mae"])
    expected = still.fit(X[rows], Y[rows], validation_data=arrays).history_
    for train in ((X[rows], Y[rows]), (kind(X[rows], Y[rows], size=20),)):
        found = still.fit(*train, validation_data=kind(*arrays, size=7)).history_
        assert found["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-5)
        assert found["val_mae"] == pytest.approx(expected["val_mae"], rel=1e-5)
    # On identical data, without learning, training and validation agree.
    same = still.fit(kind(X, Y), validation_data=kind(X, Y)).history_
    assert same["val_loss"] == pytest.approx(same["loss"], rel=1e-6)


def test_validation_rows_may_have_weights_in_the_second_of_two_fits():
    estimator = regressor()
    rows, held_out = slice(0, 60), slice(60, N)
    plain = estimator.fit(X[rows], Y[rows], X_val=X[held_out], y_val=Y[held_out]).history_
    weighted = estimator.fit(
        X[rows],
        Y[rows],
        X_val=X[held_out],
        y_val=Y[held_out],
        sample_weight_val=WEIGHT[held_out],
    ).history_
    assert weighted["loss"] == pytest.approx(plain["loss"], rel=1e-6)
    assert weighted["val_loss"] != pytest.approx(plain["val_loss"], rel=1e-3)


def test_a_dataset_stops_early_and_goes_on_warm():
    dataset = Batches(X, Y)
    fitted = regressor(
        early_stopping=True, epochs=50, optimizer__learning_rate=0.0, warm_start=True
    )
    fitted.fit(dataset, validation_data=Batches(X[:30], Y[:30]))
    assert fitted.n_iter_ == 11  # ten without an improvement
    steps, scaler = int(fitted.network_.optimizer.iterations), fitted.input_scaler_
    fitted.set_params(early_stopping=False, epochs=2).fit(dataset)
    assert int(fitted.network_.optimizer.iterations) == steps + 6
    assert fitted.input_scaler_ is scaler


def pairs():
    yield X, Y


BAD_STREAMS = {
    "a generator": (pairs, {}, TypeError, r"X is an iterator, .*read once only.*tf\.data\.Dataset"),
    "an iterator": (lambda: iter([(X, Y)]), {}, TypeError, "X is an iterator"),
    "inputs alone": (lambda: tf_data(X), {}, ValueError, r"Batch 0 of X must be \(inputs, targets"),
    "nothing": (lambda: Batches(X[:0], Y[:0]), {}, ValueError, "X yields no batches"),
    "weights beside it": (
        lambda: Batches(X, Y),
        {"sample_weight": WEIGHT},
        ValueError,
        r"sample_weight is for arrays, but X is a dataset. Let it yield \(X, y, sample_weight\)",
    ),
    "a scaler that cannot": (
        lambda: Batches(X, Y),
        {"input_scaler": PowerTransformer()},
        TypeError,
        "input_scaler: PowerTransformer has no partial_fit, and so cannot learn batch by batch",
    ),
    "validation_split": (
        lambda: Batches(X, Y),
        {"validation_split": 0.2},
        ValueError,
        "validation_split is for arrays, but X is a dataset",
    ),
    "early stopping": (
        lambda: Batches(X, Y),
        {"early_stopping": True},
        ValueError,
        "early_stopping=True needs rows to validate on.*validation_data",
    ),
}


@pytest.mark.parametrize("case", BAD_STREAMS)
def test_datasets_that_cannot_be_trained_on_are_refused(case):
    make, options, kind, message = BAD_STREAMS[case]
    weight = options.pop("sample_weight", None)
    estimator = regressor(**options)
    before = dict(vars(estimator))
    with pytest.raises(kind, match=message):
        estimator.fit(make(), sample_weight=weight)
    assert vars(estimator) == before


def test_a_generator_as_validation_data_is_refused():
    with pytest.raises(TypeError, match="validation_data is an iterator, which can be read once"):
        regressor().fit(X, Y, validation_data=pairs())


def test_a_bad_batch_is_named():
    bad = X.copy()
    bad[50, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN") as caught:
        regressor().fit(Batches(bad, Y))
    assert "Raised for batch 1 of X, counted from 0." in caught.value.__notes__
