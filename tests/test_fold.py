import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers, ops

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import fold, to_keras
from sklearn_keras_scaling.bridge import widest_float
from sklearn_keras_scaling.bridge._folding import FoldedLayer

# JAX without x64 has no float64, and Keras's matmul on PyTorch returns float32 for it.
WIDEST = "float64" if keras.backend.backend() == "tensorflow" else "float32"
ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24}[WIDEST]
SCALING = {
    *("Normalization", "Rescaling", "BatchNormalization"),
    *("Subtract", "Divide", "TrueDivide", "Multiply", "Add", "Cast"),
}

# Each reads scaled inputs of a shape, or makes outputs that are scaled back.
INPUT_LAYERS = {
    "dense": ((3,), lambda: layers.Dense(4, "relu")),
    "dense without bias": ((3,), lambda: layers.Dense(4, "relu", use_bias=False)),
    "dense of steps": ((None, 3), lambda: layers.Dense(4)),
    "conv1d": ((9, 3), lambda: layers.Conv1D(4, 3, dilation_rate=2, activation="relu")),
    "conv2d": ((None, 9, 4), lambda: layers.Conv2D(6, 3, strides=2, groups=2)),
    "conv3d": ((4, 5, 6, 2), lambda: layers.Conv3D(3, 2, use_bias=False)),
    "depthwise1d": ((8, 3), lambda: layers.DepthwiseConv1D(3, depth_multiplier=2)),
    "depthwise2d": ((8, 8, 3), lambda: layers.DepthwiseConv2D(2, depth_multiplier=2)),
    "separable1d": ((8, 3), lambda: layers.SeparableConv1D(4, 3, depth_multiplier=2)),
    "separable2d": ((8, 8, 3), lambda: layers.SeparableConv2D(4, 3, use_bias=False)),
    "einsum": ((5, 3), lambda: layers.EinsumDense("...b,bc->...c", 4, bias_axes="c")),
    "einsum of steps": ((5, 3), lambda: layers.EinsumDense("abc,bcd->abd", (5, 4))),
    "einsum in heads": ((5, 3), lambda: layers.EinsumDense("abc,dce->adbe", (2, 5, 4))),
    "lstm": ((5, 3), lambda: layers.LSTM(4)),
    "lstm without bias": ((5, 3), lambda: layers.LSTM(4, use_bias=False)),
    "gru": ((5, 3), lambda: layers.GRU(4)),
    "gru without bias": ((5, 3), lambda: layers.GRU(4, use_bias=False, return_sequences=True)),
    "gru reset before": ((5, 3), lambda: layers.GRU(4, reset_after=False)),
    "simple rnn": ((5, 3), lambda: layers.SimpleRNN(4)),
    "bidirectional": ((5, 3), lambda: layers.Bidirectional(layers.GRU(4))),
    "time distributed": ((5, 6, 3), lambda: layers.TimeDistributed(layers.Conv1D(4, 3))),
}
if keras.backend.backend() == "jax" and widest_float() == "float64":
    del INPUT_LAYERS["gru without bias"]  # Keras's own changes the dtype of its state there
OUTPUT_LAYERS = {
    **{name: INPUT_LAYERS[name] for name in ("dense of steps", "conv2d", "conv3d", "depthwise1d")},
    **{name: INPUT_LAYERS[name] for name in ("depthwise2d", "separable1d", "separable2d")},
    **{name: INPUT_LAYERS[name] for name in ("einsum", "einsum in heads", "time distributed")},
    "dense without bias": ((3,), lambda: layers.Dense(2, use_bias=False)),
}


def statistics(n, seed):
    """Means of up to 20 standard deviations, in units between 1e-6 and 1e6."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-6, 6, size=n)
    return scale * rng.uniform(-20, 20, size=n), scale


def filled(model, seed=0):
    """Give biases, which start at 0, and moving statistics some values."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(rng.normal(size=weight.shape))
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 2, size=weight.shape))
    return model


@pytest.fixture
def widest():
    """Layers that compute in the widest float there is, so that formulas show and not rounding."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(WIDEST)
    yield WIDEST
    keras.config.set_dtype_policy(before)


def kinds(model):
    called = model.layers if isinstance(model, keras.Sequential) else model.operations
    return [type(each).__name__ for each in called if not isinstance(each, layers.InputLayer)]


def scaling_in(model):
    return SCALING & set(kinds(model))


def check_errors(report):
    # Predicted is a typical size; the largest of thousands lies four of them out, on both sides.
    # Whatever the scaling, sums of tens of numbers cost some roundings.
    assert report.measured_error <= 8 * (report.predicted_error + 16 * ROUNDOFF)


def scaled_input(shape, dtype, seed=0):
    inputs = keras.Input(shape, dtype=dtype)
    loc, scale = statistics(shape[-1], seed)
    return inputs, ops.divide(ops.subtract(inputs, loc), scale)


@pytest.mark.parametrize("name", INPUT_LAYERS)
def test_scaling_of_inputs_moves_into_the_layer_that_reads_them(name, widest):
    shape, make = INPUT_LAYERS[name]
    inputs, z = scaled_input(shape, widest)
    outputs = layers.Dense(2)(layers.Activation("tanh")(make()(z)))
    model = filled(keras.Model(inputs, outputs))
    folded, report = fold(model, tolerance=1e-3)
    assert len(report.folded) == 1
    assert not report.kept
    assert not scaling_in(folded)
    check_errors(report)


@given(seed=st.integers(0, 2**32 - 1), log_ratio=st.floats(-3, 3), log_unit=st.floats(-12, 12))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("name", INPUT_LAYERS)
def test_each_layer_gives_the_same_from_raw_numbers(name, widest, seed, log_ratio, log_unit):
    shape, make = INPUT_LAYERS[name]
    shape = tuple(length or 7 for length in shape)
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.1, 1, size=shape[-1]) * 10.0**log_unit
    loc = scale * rng.normal(size=shape[-1]) * 10.0**log_ratio
    z = rng.normal(size=(4, *shape)).astype(widest)
    layer = make()
    expected = ops.convert_to_numpy(layer(z))
    folded = FoldedLayer(layer)
    n_roundoffs = folded.take_input(loc, scale, shape, "refuse")
    found = ops.convert_to_numpy(folded(ops.convert_to_tensor((z * scale + loc).astype(widest))))
    unit = max(1.0, expected.std())
    # As in check_errors; the raw numbers themselves are rounded here.
    assert np.abs(found - expected).max() / unit <= 8 * (n_roundoffs + 16) * ROUNDOFF


@pytest.mark.parametrize("name", OUTPUT_LAYERS)
def test_scaling_of_outputs_moves_into_the_layer_that_makes_them(name, widest):
    shape, make = OUTPUT_LAYERS[name]
    inputs = keras.Input(shape, dtype=widest)
    z = make()(inputs)
    loc, scale = statistics(z.shape[-1], 1)
    outputs = ops.add(ops.multiply(z, scale), loc)
    folded, report = fold(filled(keras.Model(inputs, outputs)), tolerance=1e-3)
    assert len(report.folded) == 1
    assert not scaling_in(folded)
    check_errors(report)


PADDED_LAYERS = {
    "conv1d": ((9, 3), lambda **k: layers.Conv1D(4, 3, **k)),
    "conv1d strided": ((9, 3), lambda **k: layers.Conv1D(4, 4, strides=3, **k)),
    "conv2d": ((None, None, 3), lambda **k: layers.Conv2D(4, (3, 4), dilation_rate=2, **k)),
    "depthwise2d": ((8, 8, 3), lambda **k: layers.DepthwiseConv2D(3, strides=2, **k)),
    "separable2d": ((8, 8, 3), lambda **k: layers.SeparableConv2D(4, 3, **k)),
    "time distributed": (
        (5, 8, 8, 3),
        lambda **k: layers.TimeDistributed(layers.Conv2D(4, 3, **k)),
    ),
}


@pytest.mark.parametrize("name", PADDED_LAYERS)
def test_same_padding_is_refused_or_exact(name, widest):
    shape, make = PADDED_LAYERS[name]
    inputs, z = scaled_input(shape, widest)
    model = filled(keras.Model(inputs, make(padding="same")(z)))
    _, report = fold(model)
    assert "padding='same' adds zeros" in report.kept[0].note
    assert 'pass padding="mean"' in report.kept[0].note
    folded, report = fold(model, padding="mean", tolerance=1e-3)
    assert len(report.folded) == 1
    assert not scaling_in(folded)
    check_errors(report)


def test_causal_padding_and_one_mean_of_all_channels(widest):
    inputs = keras.Input((None, 3), dtype=widest)
    z = ops.divide(ops.subtract(inputs, 5.0), 2.0)
    outputs = layers.Conv1D(4, 3, dilation_rate=2, padding="causal")(z)
    folded, report = fold(filled(keras.Model(inputs, outputs)), padding="mean")
    assert kinds(folded) == ["Pad", "Conv1D"]
    check_errors(report)


def test_zeros_that_stay_zeros_need_no_padding():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, padding="same"),
        ]
    )
    folded, report = fold(model)
    assert kinds(folded) == ["Cast", "Conv2D"]  # of what are no floats
    assert folded.input.dtype == "uint8"
    check_errors(report)


def test_strided_padding_of_unknown_length_is_refused():
    inputs, z = scaled_input((None, 3), "float32")
    model = keras.Model(inputs, layers.Conv1D(4, 3, strides=2, padding="same")(z))
    _, report = fold(model, padding="mean", tolerance=1e-3)
    assert "give the Input a fixed one" in report.kept[0].note


# What carries scaling along


@pytest.mark.parametrize(
    "carry",
    [
        lambda z: layers.Identity()(layers.Dropout(0.5)(z)),
        lambda z: layers.Flatten()(z),
        lambda z: layers.Reshape((-1,))(layers.Permute((2, 1))(z)),
    ],
    ids=["identity", "flatten", "permute"],
)
def test_layers_that_only_move_numbers_carry_scaling(carry, widest):
    inputs, z = scaled_input((4, 3), widest)
    model = filled(keras.Model(inputs, layers.Dense(2)(carry(z))))
    folded, report = fold(model, tolerance=1e-3)
    assert len(report.folded) == 1
    assert not scaling_in(folded)
    check_errors(report)


def test_scaling_of_each_pixel_moves_into_dense_and_not_into_convolutions(widest):
    inputs = keras.Input((4, 3), dtype=widest)
    loc, scale = (each.reshape(4, 3) for each in statistics(12, 0))
    z = ops.divide(ops.subtract(inputs, loc), scale)
    folded, report = fold(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(z))), tolerance=1e-3)
    assert not scaling_in(folded)
    check_errors(report)
    _, report = fold(keras.Model(inputs, layers.Conv1D(2, 3)(z)), tolerance=1e-3)
    assert "are the same along axis 1, and the scaling differs there" in report.kept[0].note


def test_an_einsum_over_steps(widest):
    inputs = keras.Input((3, 5), dtype=widest)
    loc, scale = (each.reshape(3, 1) for each in statistics(3, 0))
    z = ops.divide(ops.subtract(inputs, loc), scale)
    model = keras.Model(inputs, layers.EinsumDense("ab...,bc->ac...", 4)(z))
    folded, report = fold(model, tolerance=1e-3)
    assert kinds(folded) == ["EinsumDense"]
    check_errors(report)


def test_outputs_rearranged_before_they_are_scaled_back(widest):
    inputs = keras.Input((3, 4), dtype=widest)
    z = layers.Permute((2, 1))(layers.Dense(2)(inputs))
    loc, scale = (each.reshape(2, 1) for each in statistics(2, 0))
    folded, report = fold(filled(keras.Model(inputs, ops.add(ops.multiply(z, scale), loc))))
    assert kinds(folded) == ["Dense", "Permute"]
    check_errors(report)


def test_columns_scaled_apart_and_joined(widest):
    inputs = keras.Input((5,), dtype=widest)
    loc, scale = statistics(3, 0)
    some = ops.divide(ops.subtract(ops.take(inputs, np.array([4, 0, 2]), axis=-1), loc), scale)
    others = ops.take(inputs, np.array([1, 3]), axis=-1)
    joined = layers.Concatenate()([some, others])
    model = filled(keras.Model(inputs, layers.Dense(2)(joined)))
    folded, report = fold(model, tolerance=1e-3)
    assert not scaling_in(folded)
    check_errors(report)


def test_outputs_scaled_apart_and_joined(widest):
    inputs = keras.Input((3,), dtype=widest)
    heads = [layers.Dense(n)(inputs) for n in (2, 1, 1)]
    scales = [statistics(n, n) for n in (2, 1)]
    scaled = [
        ops.add(ops.multiply(head, scale), loc)
        for head, (loc, scale) in zip(heads[:2], scales, strict=True)
    ]
    outputs = layers.Concatenate()([*scaled, heads[2]])
    folded, report = fold(filled(keras.Model(inputs, outputs)))
    assert not scaling_in(folded)
    assert report.folded[0].layers == tuple(
        head._keras_history.operation.name for head in heads[:2]
    )
    check_errors(report)


def test_scaling_that_does_nothing_goes_without_a_layer():
    model = to_keras(sks.StandardScaler(with_mean=False, with_std=False).fit(np.eye(3)))
    folded, report = fold(model)
    assert kinds(folded) == ["Identity"]
    assert len(report.folded) == 1
