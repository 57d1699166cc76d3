import random
import threading

import keras
import numpy as np
import pytest

from sklearn_keras_scaling.maps import Affine
from sklearn_keras_scaling.training import Batches, TargetUnits, predict_blocks, seeded, train


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


def test_predictions_are_the_same_bits_for_any_number_of_rows():
    layers = [keras.layers.Dense(33, activation="tanh"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    x = np.random.default_rng(0).normal(size=(200, 5)).astype("float32")
    whole = predict_blocks(model, x)
    for rows in (1, 63, 64, 65, 129):
        np.testing.assert_array_equal(predict_blocks(model, x[:rows]), whole[:rows])


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


def test_target_units_computes_in_raw_units_and_can_be_restored():
    inputs = keras.Input((1,))
    inverse = keras.Model(inputs, Affine(100.0, 10.0).inverse(inputs, keras.ops))
    metric = TargetUnits(keras.metrics.MeanAbsoluteError(dtype="float64"), inverse, name="mae")
    metric.update_state(np.array([[0.0], [1.0]]), np.array([[0.5], [0.5]]))
    assert float(metric.result()) == 5.0
    metric.reset_state()
    metric.update_state(np.array([[0.0], [1.0]]), np.array([[0.0], [3.0]]), np.array([1.0, 3.0]))
    assert float(metric.result()) == 15.0
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    restored.update_state(np.array([[0.0]]), np.array([[2.0]]))
    assert (restored.name, float(restored.result())) == ("mae", 20.0)
