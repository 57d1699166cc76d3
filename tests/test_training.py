import gc
import pickle
import random
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from scipy import sparse

from sklearn_keras_scaling.maps import Affine
from sklearn_keras_scaling.training import (
    Batches,
    TargetUnits,
    predict_blocks,
    seeded,
    take_rows,
    train,
)

WIDEST = "float32" if keras.backend.backend() == "jax" else "float64"


def network():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 6, 7])
def test_every_epoch_has_every_row_once_in_an_order_of_its_own(rows):
    x = np.arange(float(rows))
    batches = Batches((x, 2 * x), batch_size=3, seed=0)
    orders = []
    for _ in range(3):
        epoch = [batches[i] for i in range(len(batches))]
        orders.append(np.concatenate([inputs for inputs, _ in epoch]).tolist())
        assert [len(inputs) for inputs, _ in epoch[:-1]] == [3] * (len(epoch) - 1)
        assert all((targets == 2 * inputs).all() for inputs, targets in epoch)
        batches.on_epoch_end()
    assert all(sorted(order) == x.tolist() for order in orders)
    assert rows < 4 or len(set(map(tuple, orders))) == 3
    again = Batches((x, 2 * x), batch_size=3, seed=0)
    assert np.concatenate([again[i][0] for i in range(len(again))]).tolist() == orders[0]


def test_keras_trains_on_every_row_once_an_epoch():
    x = np.arange(7.0, dtype="float32").reshape(-1, 1)
    y = x + np.sqrt(2.0 ** np.arange(7)).reshape(-1, 1)  # the network returns x
    batches = Batches((x, y), batch_size=3, seed=0)
    history = train(network(), batches, (x, y), epochs=3, engine="keras").history
    # Powers of two: any other choice of rows would have another mean square.
    assert history["loss"] == pytest.approx([127 / 7] * 3, rel=1e-6)
    assert history["val_loss"] == pytest.approx([127 / 7] * 3, rel=1e-6)


def mlp():
    layers = [keras.layers.Dense(33, activation="tanh"), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((5,)), *layers])


def convolution():
    layers = [keras.layers.Conv1D(7, 3, activation="relu"), keras.layers.Flatten()]
    return keras.Sequential([keras.Input((9, 5)), *layers, keras.layers.Dense(2)])


def lstm():
    return keras.Sequential([keras.Input((9, 5)), keras.layers.LSTM(7), keras.layers.Dense(1)])


def several():
    inputs = {name: keras.Input((5,), name=name) for name in "ab"}
    hidden = keras.layers.concatenate(list(inputs.values()))
    return keras.Model(inputs, {n: keras.layers.Dense(2, name=n)(hidden) for n in "cd"})


def example(model, rows):
    rng = np.random.default_rng(0)
    arrays = {
        tensor.name: rng.normal(size=(rows, *tensor.shape[1:])).astype("float32")
        for tensor in model.inputs
    }
    return arrays if len(arrays) > 1 else arrays.popitem()[1]


@pytest.mark.parametrize("build", [mlp, convolution, lstm, several])
def test_predictions_are_the_same_bits_for_any_number_and_order_of_rows(build):
    model = build()
    x = example(model, 1100)  # more than one call of the compiled function on JAX
    whole = predict_blocks(model, x)
    order = np.random.default_rng(1).permutation(1100)
    for rows in (*map(slice, (1, 63, 64, 65, 129)), slice(700, 701), order):
        found = predict_blocks(model, take_rows(x, rows))
        keras.tree.map_structure(np.testing.assert_array_equal, found, take_rows(whole, rows))
    expected = model.predict(x, verbose=0)
    keras.tree.map_structure(
        # float32 sums of 45 products of order 1, in another order
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        whole,
        expected,
    )


def test_predictions_follow_the_weights_and_take_sparse_rows():
    model = mlp()
    x = example(model, 70)
    before = predict_blocks(model, x)
    model.set_weights([2.0 * w for w in model.get_weights()])
    after = predict_blocks(model, x)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(predict_blocks(model, sparse.csr_array(x)), after)


class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2.0 * inputs


def own_layer():
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(3), Doubled()])


def test_networks_of_one_architecture_predict_with_their_own_weights():
    models = [mlp(), mlp(), own_layer(), own_layer()]
    x = example(models[0], 70)
    for model in models:
        # float32 sums of 33 products of order 1
        np.testing.assert_allclose(
            predict_blocks(model, x), model.predict(x, verbose=0), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("build", [mlp, own_layer])
def test_the_predicting_function_keeps_no_network_alive_and_is_in_no_pickle(build):
    model = build()
    size = len(pickle.dumps(model))
    predict_blocks(model, example(model, 3))
    assert len(pickle.dumps(model)) == pytest.approx(size, abs=100)  # a zip file's times
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_threads_predict_with_one_network():
    model = mlp()
    x = example(model, 200)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: predict_blocks(model, x), range(8)))
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_what_cannot_be_traced_predicts_block_by_block():
    model = mlp()
    model.compile(run_eagerly=True)
    x = example(model, 70)
    assert predict_blocks(model, x).shape == (70, 1)
    whole = predict_blocks(model, x)
    np.testing.assert_array_equal(predict_blocks(model, x[:1]), whole[:1])


def test_seeded_gives_every_thread_the_same_numbers_and_the_states_back():
    random.seed(1), np.random.seed(1)
    expected = random.random(), np.random.random()
    random.seed(1), np.random.seed(1)
    drawn = []

    def draw():
        with seeded(7):
            layer = keras.layers.Dense(3)
            layer.build((None, 2))
            generated = keras.random.normal((2,))
            drawn.append((random.random(), np.random.random(), np.asarray(layer.kernel).tolist()))
            drawn[-1] += (np.asarray(generated).tolist(),)

    threads = [threading.Thread(target=draw) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(numbers == drawn[0] for numbers in drawn)
    with pytest.raises(ZeroDivisionError), seeded(7):
        random.random() / 0
    assert (random.random(), np.random.random()) == expected


def inverse_model():
    inputs = keras.Input((1,))
    return keras.Model(inputs, Affine(100.0, 10.0).inverse(inputs, keras.ops))


@pytest.mark.parametrize("make", [inverse_model, lambda: ([100.0], [10.0])])
def test_target_units_computes_in_raw_units_and_can_be_restored(make):
    inverse = make()
    metric = TargetUnits(keras.metrics.MeanAbsoluteError(dtype=WIDEST), inverse, name="mae")
    metric.update_state(np.array([[0.0], [1.0]]), np.array([[0.5], [0.5]]))
    assert float(metric.result()) == 5.0
    metric.reset_state()
    metric.update_state(np.array([[0.0], [1.0]]), np.array([[0.0], [3.0]]), np.array([1.0, 3.0]))
    assert float(metric.result()) == 15.0
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    restored.update_state(np.array([[0.0]]), np.array([[2.0]]))
    assert (restored.name, float(restored.result())) == ("mae", 20.0)


@pytest.mark.skipif(WIDEST == "float32", reason="there is no float64")
def test_target_units_keeps_the_digits_of_large_targets():
    metric = TargetUnits(keras.metrics.MeanAbsoluteError(dtype="float64"), ([1e9], [1.0]))
    metric.update_state(np.array([[0.0]], "float32"), np.array([[0.25]], "float32"))
    assert float(metric.result()) == 0.25
    assert TargetUnits.from_config(metric.get_config()).get_config() == metric.get_config()
