import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers, ops
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
)

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import fold, to_keras
from sklearn_keras_scaling.bridge import widest_float

from .test_bridge import LOAD_WITH_KERAS_ALONE, call
from .test_fold import WIDEST, filled, kinds, scaling_in

# Models of to_keras


def test_a_regressor_folds_into_stock_layers(regressor, diabetes, tmp_path):
    X, y = diabetes
    model = to_keras(regressor)
    folded, report = fold(model)
    assert not report.kept
    assert not scaling_in(folded)
    assert folded.input.dtype == "float32"
    assert folded.output_shape == (None,)
    # Here to 1e-6 or 1e-5, the largest mean being 6 standard deviations.
    assert np.abs(folded.predict(X, verbose=0) - regressor.predict(X)).max() / y.std() < 1e-5
    path = tmp_path / "folded.keras"
    folded.save(path)
    np.save(f"{path}.x.npy", X)
    command = [sys.executable, "-c", LOAD_WITH_KERAS_ALONE, path]
    subprocess.run(command, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(f"{path}.npy"), call(folded, X), rtol=1e-6)


def test_a_classifier_folds(classifier, wine):
    folded, report = fold(to_keras(classifier))
    assert not scaling_in(folded)
    assert not report.kept
    found = folded.predict(wine[0], verbose=0)
    np.testing.assert_allclose(found, classifier.predict_proba(wine[0]), atol=1e-5)


def test_what_cannot_fold_is_kept_and_what_can_is_folded(diabetes):
    X, y = diabetes
    small = {"hidden_layer_sizes": (4,), "epochs": 1}
    clipped = sks.ScaledKerasRegressor(input_scaler=sks.MinMaxScaler(clip=True), **small)
    _, report = fold(to_keras(clipped.fit(X, y)))
    assert "is no layer that scaling moves into" in report.kept[0].note
    assert len(report.folded) == 1
    sigmoid = sks.ScaledKerasRegressor(target_scaler="minmax", **small)
    _, report = fold(to_keras(sigmoid.fit(X, y)))
    assert "its activation 'sigmoid' is not linear" in report.kept[0].note
    assert len(report.folded) == 1
    far = sks.ScaledKerasRegressor(**small).fit(X, y + 1e6)
    model = to_keras(far)
    folded, report = fold(model)
    assert "rounding raw numbers would cost 2e-03 of their spread" in report.kept[0].note
    found, expected = call(folded, X), call(model, X)
    assert np.abs(found - expected).max() / np.std(y) < 1e-5


def test_columns_named_apart_become_one_matrix_product(diabetes):
    frame = pd.DataFrame(diabetes[0], columns=[f"c{i}" for i in range(10)])
    network = sks.ScaledKerasRegressor(hidden_layer_sizes=(4,), epochs=1).fit(frame, diabetes[1])
    folded, report = fold(to_keras(network, inputs="columns"))
    assert not scaling_in(folded)
    assert not report.kept
    found = folded({name: frame[[name]].to_numpy() for name in frame})
    error = np.abs(ops.convert_to_numpy(found) - network.predict(frame)).max()
    assert error / np.std(diabetes[1]) < 1e-5


def test_after_a_nonlinear_map_the_scaling_folds(diabetes):
    X, y = diabetes
    network = sks.ScaledKerasRegressor(
        input_scaler=PowerTransformer(), hidden_layer_sizes=(4,), epochs=1, random_state=0
    )
    model = to_keras(network.fit(X, y))
    folded, report = fold(model)
    assert len(report.folded) == 2
    assert len(folded.operations) < len(model.operations)
    # Other rows than were measured, some further out.
    assert np.abs(call(folded, X) - call(model, X)).max() / np.std(y) < 3e-5


def test_a_pipeline_with_a_column_transformer_folds(diabetes):
    X, y = diabetes
    columns = make_column_transformer(
        (sks.StandardScaler(), [0, 2, 3]), (sks.MinMaxScaler(), [4]), remainder="passthrough"
    )
    network = sks.ScaledKerasRegressor(hidden_layer_sizes=(4,), epochs=1)
    pipeline = make_pipeline(columns, network).fit(X, y)
    folded, report = fold(to_keras(pipeline))
    assert not scaling_in(folded)
    assert not report.kept
    assert np.abs(folded.predict(X, verbose=0) - pipeline.predict(X)).max() / np.std(y) < 1e-5


@pytest.mark.skipif(
    widest_float() == "float32", reason="float64 inputs need a backend that has them"
)
def test_inputs_in_float64_become_float32_where_all_is_folded(diabetes):
    X, y = diabetes
    network = sks.ScaledKerasRegressor(hidden_layer_sizes=(4,), epochs=1).fit(X, y)
    model = to_keras(network, dtype="float64")
    assert fold(model)[0].input.dtype == "float32"
    assert fold(model, tolerance=1e-9)[0].input.dtype == "float64"


# Anybody's models


def batch_normalized():
    inputs = keras.Input((3,))
    x = layers.BatchNormalization()(inputs)
    x = layers.Dense(4, use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    return filled(keras.Model(inputs, layers.BatchNormalization()(layers.Dense(2)(x))))


def test_batch_normalization_first_between_and_last():
    folded, report = fold(batch_normalized())
    assert kinds(folded) == ["Dense", "Activation", "Dense"]
    assert len(report.folded) == 3
    assert report.measured_error < 1e-5


def test_inputs_and_outputs_of_many_names():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    scaled = [
        layers.Normalization(mean=[1.0, -20.0, 3.0], variance=[1.0, 4.0, 9.0])(a),
        layers.Rescaling(0.1, 3.0)(b),
    ]
    x = layers.Dense(8, "relu")(layers.Concatenate()(scaled))
    outputs = {
        "price": layers.Rescaling(5.0, 2.0)(layers.Dense(1)(x)),
        "share": layers.Dense(2, "softmax")(x),
    }
    model = filled(keras.Model({"a": a, "b": b}, outputs))
    folded, report = fold(model)
    assert not scaling_in(folded)
    assert len(report.folded) == 2
    rows = {"a": np.ones((4, 3)), "b": np.ones((4, 2))}
    found, expected = folded(rows), model(rows)
    assert set(found) == {"price", "share"}
    for name, each in expected.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(found[name]), ops.convert_to_numpy(each), rtol=1e-5, atol=1e-6
        )


def test_models_within_models_are_resolved_and_names_stay_unique():
    def network(n):
        return keras.Sequential(
            [keras.Input((n,)), layers.Dense(3, "relu", name="a"), layers.Dense(2, name="b")]
        )

    inputs = keras.Input((3,))
    inner = keras.Input((3,))
    normalized = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 1.0, 4.0])(inner)
    first = keras.Model(inner, network(3)(normalized))
    model = keras.Model(inputs, layers.Rescaling(3.0, 1.0)(network(2)(first(inputs))))
    folded, report = fold(filled(model))
    assert kinds(folded) == ["Dense", "Dense", "Dense", "Dense"]
    assert len({layer.name for layer in folded.layers}) == 5
    assert report.measured_error < 1e-5


def test_the_model_is_left_as_it_is():
    model = batch_normalized()
    weights, config = model.get_weights(), model.get_config()
    fold(model)
    assert model.get_config() == config
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert all(layer.output is not None for layer in model.layers)  # still called once


def simple(*after, shape=(3,), scaling=None):
    scaling = scaling or layers.Rescaling(2.0, 1.0, name="scaling")
    return keras.Sequential([keras.Input(shape), scaling, *after])


def shared():
    inputs = keras.Input((3,))
    z, dense = layers.Rescaling(2.0, 1.0, name="scaling")(inputs), layers.Dense(3, name="twice")
    return keras.Model(inputs, dense(dense(z)))


def read_unscaled():
    inputs = keras.Input((3,))
    z = layers.Dense(2, name="dense")(inputs)
    return keras.Model(inputs, [z, layers.Rescaling(2.0, 1.0, name="scaling")(z)])


def scaled_apart():
    inputs = keras.Input((3,))
    z = layers.Rescaling(2.0, 1.0, name="scaling")(layers.Dense(2, name="dense")(inputs))
    return keras.Model(inputs, [z, layers.Rescaling(3.0)(z)])


def state():
    inputs = keras.Input((5, 3))
    z = layers.Rescaling(2.0, 1.0, name="scaling")(keras.Input((4,), name="initial"))
    initial = z._keras_history.operation._inbound_nodes[0].input_tensors[0]
    return keras.Model([inputs, initial], layers.GRU(4, name="gru")(inputs, initial_state=z))


REFUSED = {
    "shared": (shared, "Dense 'twice' is shared: it is called 2 times"),
    "constraint": (
        lambda: simple(layers.Dense(2, name="d", kernel_constraint="non_neg")),
        "Dense 'd': it has a kernel_constraint, which folded weights would break",
    ),
    "nonlinear layer": (
        lambda: simple(layers.UnitNormalization(name="u"), layers.Dense(2)),
        "UnitNormalization 'u' is no layer that scaling moves into",
    ),
    "own subclass": (
        lambda: simple(Own(2, name="own")),
        "Own 'own' is no layer that scaling moves into",
    ),
    "activation": (
        lambda: keras.Sequential(
            [
                keras.Input((3,)),
                layers.Dense(1, "sigmoid", name="d"),
                layers.Rescaling(9.0, name="scaling"),
            ]
        ),
        "Dense 'd': its activation 'sigmoid' is not linear; it makes an output of the model",
    ),
    "recurrent output": (
        lambda: keras.Sequential(
            [
                keras.Input((5, 3)),
                layers.LSTM(2, name="lstm"),
                layers.Rescaling(9.0, name="scaling"),
            ]
        ),
        "LSTM 'lstm': a recurrent layer is not linear",
    ),
    "mask of scaled numbers": (
        lambda: simple(layers.Masking(name="masking"), layers.LSTM(2), shape=(5, 3)),
        "Masking 'masking' is no layer that scaling moves into",
    ),
    "read unscaled": (read_unscaled, "not all that reads Dense 'dense' reads all of it scaled"),
    "scaled apart": (scaled_apart, "what reads Dense 'dense' scales it differently"),
    "state": (state, "GRU 'gru' reads it as something else than its input"),
    "sum": (
        lambda: simple(layers.EinsumDense("abc,cd->ad", 2, name="sum"), shape=(5, 3)),
        "EinsumDense 'sum': its equation 'abc,cd->ad' sums over an axis without weights",
    ),
    "no bias axis": (
        lambda: simple(layers.EinsumDense("ab,b->a", (), name="dot")),
        "EinsumDense 'dot': its equation 'ab,b->a' leaves no axis for a bias",
    ),
    "rounding": (
        lambda: simple(
            layers.Dense(2, name="d"), scaling=layers.Rescaling(1.0, 1e6, name="scaling")
        ),
        "Dense 'd': rounding raw numbers would cost",
    ),
    "no layer": (simple, "it makes an output of the model"),
}


@keras.saving.register_keras_serializable("test_fold")
class Own(layers.Dense):
    def call(self, inputs, training=None):
        return ops.square(super().call(inputs))


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_layer_and_changes_nothing(name):
    make, reason = REFUSED[name]
    model = make()
    folded, report = fold(model)
    assert not report.folded
    assert "scaling" in report.kept[0].scaling
    assert reason in report.kept[0].note
    assert report.measured_error == 0
    assert sorted(map(type, folded.layers[-len(model.layers) :]), key=str) == sorted(
        map(type, model.layers), key=str
    )


def test_regularizers_are_noted():
    _, report = fold(simple(layers.Dense(2, name="d", kernel_regularizer="l2")))
    assert (
        report.folded[0].note
        == "kernel_regularizer of Dense 'd' would see other weights in training"
    )
    assert str(report.folded[0]).startswith("scaling -> d: kernel_regularizer")


# The error


@pytest.mark.parametrize(("ratio", "largest"), [(10, 1e-5), (1e3, 2e-3), (1e5, 0.2)])
def test_the_error_at_a_ratio_of_mean_to_spread_is_the_predicted_one(ratio, largest):
    rng = np.random.default_rng(0)
    loc = ratio * rng.uniform(0.5, 1, size=30)
    normalization = layers.Normalization(mean=loc, variance=np.ones(30))
    model = simple(layers.Dense(16, "relu"), layers.Dense(4), shape=(30,), scaling=normalization)
    folded, report = fold(model, tolerance=1.0)
    X = (loc.astype("float32") + rng.normal(size=(300, 30))).astype("float32").astype("float64")
    first, last = model.layers[1], model.layers[2]
    W, V = (ops.convert_to_numpy(each.kernel).astype("float64") for each in (first, last))
    expected = np.maximum((X - loc.astype("float32")) @ W, 0) @ V
    error = np.abs(call(folded, X) - expected).max()
    # The numbers of the design, three times as large since they were seen, not bounded.
    assert error < largest
    assert report.predicted_error / 8 < error < 8 * report.predicted_error
    assert report.measured_error < 8 * report.predicted_error
    _, report = fold(model)
    assert bool(report.folded) == (ratio == 10)


@given(
    ratio=st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3),
    unit=st.lists(st.floats(-12, 12), min_size=3, max_size=3),
    tolerance=st.sampled_from([1e-6, 1e-5, 1e-4]),
)
def test_no_fold_costs_more_than_the_tolerance(ratio, unit, tolerance):
    scale = 10.0 ** np.array(unit)
    loc = scale * np.array(ratio)
    inputs = keras.Input((3,), dtype=WIDEST)
    z = ops.cast(ops.divide(ops.subtract(inputs, loc), scale), "float32")
    model = keras.Model(inputs, layers.Dense(2)(z))
    folded, report = fold(model, tolerance=tolerance)
    assert report.measured_error <= tolerance or not report.folded
    assert report.predicted_error <= tolerance
    X = loc + scale * np.random.default_rng(0).normal(size=(64, 3))
    # Other rows than were measured, of the same distribution.
    assert np.abs(call(folded, X) - call(model, X)).max() <= 3 * tolerance
    assert np.isfinite(call(folded, X)).all()


def test_a_steep_network_is_gated_by_what_is_measured():
    model = simple(
        layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(seed=0), name="d"),
        layers.Rescaling(3e3),
        layers.Activation("tanh"),
        scaling=layers.Rescaling(0.3, -3.0, name="scaling"),
    )
    _, report = fold(model)
    assert "the measured error was" in report.kept[0].note
    assert "above the tolerance of 1e-05" in report.kept[0].note
    assert report.measured_error <= 1e-5
    _, report = fold(model, X=np.full((4, 3), 1e4))  # where it is flat
    assert not report.kept
    assert report.measured_error == 0


def test_the_report_prints():
    model = simple(
        layers.Dense(2, name="d"), layers.Activation("tanh"), layers.Rescaling(3.0, name="r")
    )
    _, report = fold(model)
    first, second, last = str(report).splitlines()
    assert first == "folded  scaling -> d"
    assert second.startswith("kept    r: Activation 'activation")
    assert last.endswith("measured, standardised units")
    _, report = fold(keras.Sequential([keras.Input((3,)), layers.Dense(2)]))
    assert str(report).startswith("no scaling\n")


def test_arguments_that_make_no_sense():
    class Subclassed(keras.Model):
        pass

    for thing in (None, Subclassed(), keras.Sequential([layers.Dense(2)])):
        with pytest.raises(TypeError, match=f"fold takes .* got a {type(thing).__name__}, which"):
            fold(thing)
    model = simple(layers.Dense(2))
    with pytest.raises(ValueError, match='padding must be "refuse" or "mean", got \'same\''):
        fold(model, padding="same")
    with pytest.raises(ValueError, match="tolerance must be a number above 0, got 0"):
        fold(model, tolerance=0)


@pytest.mark.parametrize(
    "looked_up",
    [OneHotEncoder(), OrdinalEncoder(), KBinsDiscretizer(3, strategy="uniform")],
    ids=lambda transformer: type(transformer).__name__,
)
@pytest.mark.filterwarnings("ignore:Inputs rounded to float32 cost")  # on JAX, of edges
def test_beside_look_ups_the_rest_folds(looked_up, diabetes):
    X, y = diabetes
    table = make_column_transformer((sks.StandardScaler(), [0, 2]), (looked_up, [1]))
    pipeline = make_pipeline(table, sks.ScaledKerasRegressor(epochs=1, random_state=0)).fit(X, y)
    model = to_keras(pipeline, dtype=widest_float())
    folded, report = fold(model, X=X)
    assert any("dense" in name for place in report.folded for name in place.layers)
    np.testing.assert_allclose(call(folded, X), call(model, X), atol=1e-4 * y.std())


def test_a_binary_classifier_folds(wine):
    X, labels = wine
    some = labels != "barbera"
    classifier = sks.ScaledKerasClassifier(epochs=2, random_state=0).fit(X[some], labels[some])
    model = to_keras(classifier)
    folded, report = fold(model, X=X)
    assert len(report.folded) == 1  # the inputs' scaling; that of [1 - p, p] stays
    assert report.folded[0].layers
    assert report.measured_error < 1e-5
    np.testing.assert_allclose(call(folded, X), call(model, X), atol=1e-5)
