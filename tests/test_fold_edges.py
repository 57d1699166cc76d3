"""Models that fold once folded wrongly, or not at all."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.datasets import load_diabetes

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import ScaledKerasRegressor, fold, to_keras

from .test_bridge import call
from .test_fold import check_errors, kinds, scaling_in

MEAN, VARIANCE = [3.0, 50.0, -2.0], [4.0, 9.0, 0.25]
X = np.random.default_rng(0).normal(MEAN, np.sqrt(VARIANCE), size=(64, 3))
needs_strings = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tensors of strings are TensorFlow's"
)


@pytest.fixture(autouse=True)
def same_weights():
    keras.utils.set_random_seed(0)


def normalization():
    return layers.Normalization(mean=MEAN, variance=VARIANCE)


def kept_note(model, **parameters):
    """The reason why the only scaling of a model is kept."""
    _, report = fold(model, **parameters)
    assert not report.folded
    assert "no scaling" not in str(report)
    return report.kept[0].note


# Masks


def masked(*after):
    return keras.Sequential([keras.Input((6, 3)), layers.Masking(), *after])


STEPS = np.random.default_rng(0).normal(size=(8, 6, 3)).astype("float32")
STEPS[:, 3:] = 0.0


@pytest.mark.parametrize("reader", [layers.LSTM, layers.GlobalAveragePooling1D])
@pytest.mark.parametrize("source", ["masking", "embedding"])
def test_an_operation_that_ends_a_mask_stays(reader, source):
    if source == "masking":
        inputs, x = keras.Input((6, 3)), STEPS
        h = layers.Masking()(inputs)
    else:
        inputs, x = keras.Input((6,), dtype="int32"), (STEPS[..., 0] != 0).astype("int32")
        h = layers.Embedding(10, 3, mask_zero=True)(inputs)
    h = (layers.Dense(4)(h) - 1.0) / 2.0
    model = keras.Model(inputs, reader(*([2] if reader is layers.LSTM else []))(h))
    folded, report = fold(model)
    assert "a mask ends at Subtract" in report.kept[0].note
    np.testing.assert_array_equal(call(folded, x), call(model, x))


def test_a_cast_that_ends_a_mask_stays():
    inputs = keras.Input((6, 3), dtype="float16")
    h = ops.cast(layers.Masking(dtype="float16")(inputs), "float32")
    model = keras.Model(inputs, layers.LSTM(2)(normalization()(h)))
    assert "a mask ends at Cast" in kept_note(model)


def test_layers_that_pass_masks_on_are_folded():
    for scaling in (layers.Rescaling(0.5, 1.0), layers.BatchNormalization(), normalization()):
        model = masked(scaling, layers.LSTM(2))
        folded, report = fold(model, tolerance=1e-4)
        assert not report.kept
        check_errors(report)
        # The tolerance, of outputs below 1.
        np.testing.assert_allclose(call(folded, STEPS), call(model, STEPS), atol=1e-4)
    folded, report = fold(masked(layers.BatchNormalization(), layers.Dense(2)))
    assert kinds(folded) == ["Masking", "Dense"]


def test_what_is_measured_has_masked_steps(monkeypatch):
    from sklearn_keras_scaling.bridge import _fold_graph

    monkeypatch.setattr(_fold_graph, "_broken_mask", lambda place: "")
    inputs = keras.Input((6, 3))
    h = (layers.Dense(4)(layers.Masking()(inputs)) - 1.0) / 2.0
    assert "the measured error was" in kept_note(keras.Model(inputs, layers.LSTM(2)(h)))


# Units of the outputs


@pytest.mark.parametrize("last", [(), (layers.Rescaling(1.0),)], ids=["network", "rescaled by 1"])
@pytest.mark.parametrize("size", [1.0, 2.0**-30, 2.0**30])
def test_the_gate_does_not_depend_on_the_size_of_outputs(size, last):
    steep = [layers.Dense(64, "tanh") for _ in range(2)]
    output = layers.Dense(1)
    scaling = layers.Normalization(mean=[60.0] * 3, variance=[1.0] * 3, name="scaling")
    model = keras.Sequential([keras.Input((3,)), scaling, *steep, output, *last])
    for layer, factor in zip([*steep, output], (5.0, 20.0, size), strict=True):
        layer.kernel.assign(layer.kernel * factor)
    _, report = fold(model, tolerance=2e-5)
    assert "the measured error was" in report.kept[0].note


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_saturated_outputs_are_not_measured_by_their_tiny_spread(activation):
    output = layers.Dense(2, activation)
    model = keras.Sequential([keras.Input((3,)), normalization(), output])
    output.bias.assign([14.0, 0.0])  # probabilities from 1 - 1e-6
    _, report = fold(model, tolerance=1e-4)
    assert not report.kept


# What is given to measure on, and what is drawn


def test_inputs_to_measure_on_that_do_not_fit():
    model = keras.Sequential([keras.Input((3,), name="x"), normalization(), layers.Dense(1)])
    with pytest.raises(ValueError, match=r"no rows for the input 'x'\. Pass a few hundred"):
        fold(model, X=np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"X has shape \(5, 4\) for the input 'x' of shape \(None"):
        fold(model, X=np.zeros((5, 4)))


def test_structures_of_inputs_to_measure_on():
    inputs = {name: keras.Input((3,), name=name) for name in "ab"}
    h = layers.Concatenate()([normalization()(each) for each in inputs.values()])
    listed = keras.Model(list(inputs.values()), layers.Dense(1)(h))
    for given in ([X, X], (X, X), [X.tolist(), X.tolist()]):
        assert not fold(listed, X=given)[1].kept
    for given, found in ((X, "ndarray of 64"), ((X,), "list of 1"), ({"a": X}, r"dict of \['a'\]")):
        with pytest.raises(ValueError, match=rf"pass arrays as \['a', 'b'\], got {found}"):
            fold(listed, X=given)
    named = keras.Model(inputs, layers.Dense(1)(h))
    assert not fold(named, X={"b": X, "a": X})[1].kept
    with pytest.raises(ValueError, match=r"got dict of \['a', 'c'\]"):
        fold(named, X={"a": X, "c": X})
    single = keras.Model([inputs["a"]], layers.Dense(1)(normalization()(inputs["a"])))
    assert not fold(single, X=X)[1].kept


def test_axes_of_unknown_length_are_drawn_as_long_as_the_model_needs():
    inputs = keras.Input((None, 1))
    scaled = layers.Rescaling(1 / 255)(inputs)
    assert not fold(keras.Model(inputs, layers.Conv1D(2, 64)(scaled)))[1].kept
    with pytest.raises(ValueError, match=r"of lengths 32 to 512: .* Pass some raw inputs as X"):
        fold(keras.Model(inputs, layers.Conv1D(2, 1000)(scaled)))
    images = keras.Input((None, None, 3))
    h = layers.Rescaling(1 / 255)(images)
    for _ in range(6):
        h = layers.MaxPooling2D()(layers.Conv2D(2, 3, activation="relu")(h))
    _, report = fold(keras.Model(images, layers.GlobalAveragePooling2D()(h)), tolerance=1e-3)
    assert not report.kept


def test_outputs_that_say_nothing_ask_for_inputs():
    inputs = keras.Input((3,))
    nowhere = ops.log(-1.0 - ops.square(layers.Dense(1)(normalization()(inputs))))
    with pytest.raises(
        ValueError, match=r"an output has no finite number\. Pass some raw inputs as"
    ):
        fold(keras.Model(inputs, nowhere))


@needs_strings
def test_strings_are_measured_on_what_is_given():
    words, numbers = keras.Input((1,), dtype="string", name="words"), keras.Input((3,))
    looked_up = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(words)
    h = layers.Concatenate()([layers.Flatten()(looked_up), normalization()(numbers)])
    model = keras.Model([words, numbers], layers.Dense(1)(h))
    with pytest.raises(ValueError, match=r"the input 'words' is of strings\. Pass some raw"):
        fold(model)
    _, report = fold(model, X=[np.array([["a"], ["b"]] * 32), X])
    assert not report.kept


def test_a_reshape_of_the_batch_is_no_move():
    inputs = keras.Input(batch_shape=(4, 2, 3))
    model = keras.Model(inputs, layers.Dense(1)(ops.reshape(normalization()(inputs), (4, 6))))
    assert "Reshape" in kept_note(model)


# Scaling that stays


@keras.saving.register_keras_serializable("test_fold_edges")
class OwnNormalization(layers.Normalization):
    pass


def in_training():
    inputs = keras.Input((3,))
    return keras.Model(
        inputs, layers.Dense(1)(layers.BatchNormalization(name="bn")(inputs, training=True))
    )


UNREAD = {
    "training": (in_training, "BatchNormalization 'bn' is called with training=True"),
    "time distributed": (
        lambda: keras.Sequential(
            [
                keras.Input((5, 3)),
                layers.TimeDistributed(layers.BatchNormalization(name="bn"), name="td"),
                layers.Dense(1),
            ]
        ),
        "TimeDistributed 'td' calls BatchNormalization 'bn' in its own way",
    ),
    "own class": (
        lambda: keras.Sequential(
            [
                keras.Input((3,)),
                OwnNormalization(mean=MEAN, variance=VARIANCE, name="own"),
                layers.Dense(1),
            ]
        ),
        "OwnNormalization 'own' is of a class of its own",
    ),
    "integers": (
        lambda: keras.Model(i := keras.Input((3,), dtype="uint8"), ops.subtract(i, 128)),
        "computes in uint8, where numbers wrap around",
    ),
    "samples apart": (
        lambda: keras.Model(i := keras.Input(batch_shape=(2, 3)), i * np.array([[1.0], [2.0]])),
        "scales samples apart",
    ),
    "spread": (
        lambda: keras.Model(i := keras.Input((1,)), i * np.array([1.0, 2.0])),
        "changes the shape of what it scales",
    ),
}


@pytest.mark.parametrize("name", UNREAD)
def test_scaling_that_is_not_read_is_reported(name):
    make, reason = UNREAD[name]
    assert reason in kept_note(make())


def gamma_with_a_zero(model, layer):
    layer.gamma.assign([1.0, 0.0, 2.0])
    layer.beta.assign([1.0, 2.0, 3.0])
    layer.moving_mean.assign([1.0, 2.0, 3.0])
    return model


def test_a_gamma_of_zero_folds_backward():
    bn = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), bn, layers.Dense(1, "tanh")])
    folded, report = fold(gamma_with_a_zero(model, bn))
    assert not scaling_in(folded)
    check_errors(report)
    kernel, bias = folded.layers[1].get_weights()
    np.testing.assert_array_equal(kernel[:, 1], 0.0)
    assert bias[1] == 2.0


def test_a_gamma_of_zero_of_inputs_is_a_weight_of_zero():
    bn = layers.BatchNormalization()
    model = gamma_with_a_zero(keras.Sequential([keras.Input((3,)), bn, layers.Dense(2)]), bn)
    folded, report = fold(model)
    assert kinds(folded) == ["Dense"]
    check_errors(report)
    np.testing.assert_array_equal(folded.layers[1].get_weights()[0][1], 0.0)
    bn = layers.BatchNormalization()
    padded = layers.Conv1D(2, 3, padding="same")
    model = gamma_with_a_zero(keras.Sequential([keras.Input((5, 3)), bn, padded]), bn)
    assert "it pads what is multiplied by 0" in kept_note(model, padding="mean")


# Calls


def test_layers_called_by_keyword():
    inputs = keras.Input((5, 3))
    h = layers.LSTM(4)(sequences=normalization()(inputs=inputs))
    h = layers.BatchNormalization()(inputs=layers.Dense(4)(inputs=h))
    inner = keras.Sequential([keras.Input((4,)), layers.Rescaling(2.0, 1.0), layers.Dense(1)])
    folded, report = fold(keras.Model(inputs, inner(inputs=h)))
    assert kinds(folded) == ["LSTM", "Dense", "Dense"]
    check_errors(report)


def backward_in_float16():
    orthogonal_in_jax_has_no_float16 = {"recurrent_initializer": "glorot_uniform"}
    return layers.SimpleRNN(
        4, go_backwards=True, dtype="float16", **orthogonal_in_jax_has_no_float16
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.TimeDistributed(layers.Dense(4, dtype="float16")),
        lambda: layers.Bidirectional(layers.SimpleRNN(4), backward_layer=backward_in_float16()),
    ],
    ids=["TimeDistributed", "Bidirectional"],
)
def test_the_predicted_error_is_that_of_the_layers_within(make):
    inputs = keras.Input((5, 3))
    note = kept_note(keras.Model(inputs, make()(normalization()(inputs))), tolerance=1e-4)
    assert "rounding raw numbers would cost" in note


@pytest.mark.parametrize("wrapper", [lambda layer: layer, layers.Bidirectional])
def test_recurrent_states_are_left_alone(wrapper):
    inputs = keras.Input(batch_shape=(4, 5, 3))
    recurrent = wrapper(layers.LSTM(2, stateful=True))
    model = keras.Model(inputs, recurrent(normalization()(inputs)))
    x = np.resize(X, (4, 5, 3))
    model(x)
    states = [
        state for layer in model._flatten_layers() for state in getattr(layer, "states", None) or []
    ]
    before = [ops.convert_to_numpy(state).copy() for state in states]
    folded, report = fold(model)
    assert not report.kept
    check_errors(report)
    assert before[0].any()
    for state, values in zip(states, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(state), values)
    for state in states:
        state.assign(ops.zeros(state.shape))
    # Of a float32 network with outputs below 1, at a mean of 17 standard deviations.
    np.testing.assert_allclose(call(folded, x), call(model, x), atol=2e-5)


def test_random_numbers_are_left_alone():
    inputs, dropout = keras.Input((3,)), layers.Dropout(0.5)
    model = keras.Model(inputs, layers.Dense(1)(dropout(normalization()(inputs), training=True)))
    before = ops.convert_to_numpy(dropout.seed_generator.state).copy()
    fold(model)
    np.testing.assert_array_equal(ops.convert_to_numpy(dropout.seed_generator.state), before)


# Inputs and outputs


@keras.saving.register_keras_serializable("test_fold_edges")
class AddIfGiven(layers.Layer):
    def call(self, a, b=None):
        return a if b is None else a + b

    def compute_output_spec(self, a, b=None):
        return keras.KerasTensor(a.shape, a.dtype)


@pytest.mark.skipif(
    "optional" not in layers.InputLayer((1,)).get_config(), reason="Keras itself forgets it"
)
def test_optional_inputs_stay_optional():
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((3,), name="b", optional=True)}
    h = layers.Dense(3)(normalization()(inputs["a"]))
    folded, report = fold(keras.Model(inputs, AddIfGiven()(h, inputs["b"])))
    assert not report.kept
    assert folded({"a": X, "b": None}).shape == X.shape


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch's has no sparse inputs")
def test_sparse_inputs_stay_sparse():
    from scipy.sparse import csr_matrix

    inputs = keras.Input((3,), sparse=True)
    model = keras.Model(inputs, layers.BatchNormalization()(layers.Dense(2)(inputs)))
    folded, _ = fold(model)
    assert kinds(folded) == ["Dense"]
    assert folded.input.sparse
    assert not fold(model, X=csr_matrix(np.eye(3)))[1].kept


def test_outputs_keep_their_names():
    inputs = keras.Input((3,))
    h = layers.Dense(4)(inputs)
    temperature = layers.BatchNormalization(name="temp")(layers.Dense(1, name="before")(h))
    model = keras.Model(inputs, [temperature, layers.Dense(1, name="flow")(h)])
    folded, report = fold(model)
    assert folded.output_names == model.output_names == ["temp", "flow"]
    assert report.folded[0].layers == ("before",)
    folded.compile("sgd", {"temp": "mse", "flow": "mse"})
    assert len(folded.evaluate(X, {"temp": X[:, :1], "flow": X[:, :1]}, verbose=0)) == 3


# Messages


def test_what_to_give_instead():
    for thing, message in (
        (sks.ScaledKerasRegressor(), r"got a ScaledKerasRegressor, .* pass to_keras\(estimator\)"),
        (layers.Dense(2), r"got a Dense, .* Pass keras.Sequential\(\[keras.Input\(shape\), layer"),
        ("model.keras", r"got a str, .* pass keras.saving.load_model\(path\)"),
    ):
        with pytest.raises(TypeError, match=message):
            fold(thing)


def test_a_class_that_keras_does_not_know_is_named():
    class Unknown(layers.Layer):
        def call(self, x):
            return 2 * x

    model = keras.Sequential([keras.Input((3,)), Unknown(name="mine"), layers.Dense(1)])
    with pytest.raises(
        TypeError, match=r"Could not locate class 'Unknown'.* \(here: Unknown 'mine'"
    ):
        fold(model)


def test_all_regularizers_that_see_other_numbers_are_noted():
    dense = layers.Dense(3, name="d", bias_regularizer="l2", activity_regularizer="l2")
    inputs = keras.Input((3,))
    _, report = fold(keras.Model(inputs, layers.ReLU()(dense(normalization()(inputs)))))
    weights = "bias_regularizer of Dense 'd' would see other weights in training"
    assert report.folded[0].note == weights
    _, report = fold(keras.Model(inputs, layers.ReLU()(normalization()(dense(inputs)))))
    outputs = "activity_regularizer of Dense 'd' would see other outputs in training"
    assert report.folded[0].note == f"{outputs}; {weights}"
    separable = layers.SeparableConv1D(2, 1, name="s", pointwise_regularizer="l2")
    steps = keras.Input((4, 3))
    _, report = fold(keras.Model(steps, separable(normalization()(steps))))
    assert "pointwise_regularizer of SeparableConv1D 's'" in report.folded[0].note


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_channels_first(padding):
    first, last = (layers.BatchNormalization(axis=1) for _ in range(2))
    conv = layers.Conv2D(4, 3, padding=padding, data_format="channels_first")
    model = keras.Sequential([keras.Input((3, 6, 7)), first, conv, last])
    rng = np.random.default_rng(0)
    for weight in (*first.weights, *last.weights):
        weight.assign(rng.uniform(0.5, 2, size=weight.shape))
    folded, report = fold(model, padding="mean")
    assert not scaling_in(folded)
    check_errors(report)


@pytest.mark.parametrize("kind", ["columns", "dict", "list"])
def test_estimators_of_several_inputs_and_outputs(kind):
    raw, y = load_diabetes(return_X_y=True, scaled=False)
    regressor = ScaledKerasRegressor(epochs=1, hidden_layer_sizes=(8,), random_state=0)
    inputs, targets = {"a": raw[:, :3], "b": raw[:, 3:]}, {"p": y, "q": 1e3 * y}
    if kind == "columns":
        regressor.set_params(input_columns={"a": [2, 0, 1], "b": slice(3, 10)})
        inputs, targets = raw, y
    elif kind == "list":
        inputs, targets = list(inputs.values()), y
    model = to_keras(regressor.fit(inputs, targets))
    rows = keras.tree.map_structure(lambda array: array[:50].astype("float32"), inputs)
    folded, report = fold(model, X=rows)
    assert not report.kept
    names = {type(operation).__name__ for operation in folded.operations}
    assert names <= {"InputLayer", "Take", "Concatenate", "Dense", "Squeeze", "GetItem"}
    assert report.measured_error < 1e-5
    expected = regressor.predict(keras.tree.map_structure(lambda array: array[:50], inputs))
    found = keras.tree.map_structure(keras.ops.convert_to_numpy, folded(rows))
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        assert np.abs(one - other).max() < 1e-5 * other.std()
