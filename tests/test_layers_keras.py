"""The layers inside Keras: dtypes, shapes, compilation, copies, files and masks."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from sklearn_keras_scaling import LocalMean, LocalNormalization, LocalStandardDeviation

from .layers import WIDE, numbers

X = 1e4 + np.random.default_rng(0).normal(size=(4, 20, 3)).astype("float32")
LAYERS = [
    LocalMean(5),
    LocalStandardDeviation([3, 0], ddof=1, padding="valid"),
    LocalNormalization([[2, 3]], padding="reflect"),
]


def ids(layer):
    return type(layer).__name__


each_layer = pytest.mark.parametrize("layer", LAYERS, ids=ids)


def again(layer, **changed):
    return type(layer).from_config({**layer.get_config(), **changed})


@each_layer
def test_the_config_is_all_there_is(layer):
    np.testing.assert_array_equal(numbers(again(layer)(X)), numbers(layer(X)))
    assert layer.weights == []


@each_layer
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16", "float64"])
def test_outputs_have_the_dtype_of_the_policy_and_its_digits(layer, dtype):
    if dtype == "float64" and WIDE == "float32":
        pytest.skip("JAX without x64 has no float64")
    found = again(layer, dtype=dtype)(X)
    reference = numbers(again(layer, dtype=WIDE)(X)).astype(np.float64)
    expected = keras.DTypePolicy(dtype).compute_dtype
    assert keras.backend.standardize_dtype(found.dtype) == expected
    # float16 has 11 bits and bfloat16 8; inputs keep theirs.
    bound = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 1e-6, "float64": 1e-12}[expected]
    found = numbers(keras.ops.cast(found, WIDE))
    np.testing.assert_allclose(found, reference, rtol=bound, atol=5 * bound)


@each_layer
def test_integers_and_float64_arrays_are_taken(layer):
    whole = np.round(X).astype("int32")
    np.testing.assert_array_equal(numbers(layer(whole)), numbers(layer(whole.astype("float32"))))
    assert keras.backend.standardize_dtype(layer(X.astype("float64")).dtype) == "float32"


@each_layer
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("shape", [(None, 12, 3), (2, None, 8, 12), (3, None, None, None, 12)])
def test_the_output_shape_is_known_before(layer, data_format, shape):
    if len(shape) > 3:
        layer = again(layer, window=[2, 3])
    layer = again(layer, data_format=data_format)
    if data_format == "channels_first":
        shape = (shape[0], shape[-1], *shape[1:-1])
    given = np.ones([n or 12 for n in shape], dtype="float32")
    said = layer.compute_output_shape(shape)
    assert tuple(layer(keras.Input(batch_shape=shape)).shape) == said
    found = again(layer)(given).shape
    assert all(n in (None, m) for n, m in zip(said, found, strict=True))
    assert [n is None for n in said] == [n is None for n in shape]


def model_of(layer, shape=(None, 3)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, again(layer)(inputs))


@each_layer
def test_a_model_takes_series_of_any_length(layer):
    model = model_of(layer)
    for length in (20, 7, 13):
        expected = numbers(again(layer)(X[:, :length]))
        # XLA may join a product and a sum into one rounding.
        np.testing.assert_allclose(
            model.predict(X[:, :length], verbose=0), expected, rtol=1e-5, atol=1e-5
        )


@each_layer
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_compiled_model_trains_through_the_layer(layer, jit_compile):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch.compile needs a C++ compiler")
    inputs = keras.Input((20, 3))
    outputs = keras.layers.GlobalMaxPooling1D()(
        again(layer)(keras.layers.Conv1D(2, 3)(keras.layers.Rescaling(1e-4)(inputs)))
    )
    model = keras.Model(inputs, keras.layers.Dense(1)(outputs))
    model.compile("adam", "mse", jit_compile=jit_compile)
    history = model.fit(X, np.ones((4, 1)), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    expected = numbers(model(X))
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-4, atol=1e-4)


@each_layer
def test_copies_and_files_give_the_same_numbers(layer, tmp_path):
    model = model_of(layer)
    expected = numbers(model(X))
    model.save(tmp_path / "model.keras")
    for other in (
        keras.models.clone_model(model),
        keras.Model.from_config(model.get_config()),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        np.testing.assert_array_equal(numbers(other(X)), expected)
        assert other.layers[-1].get_config() == model.layers[-1].get_config()


def test_a_file_loads_where_the_layers_alone_were_imported(tmp_path):
    model_of(LAYERS[1]).save(tmp_path / "model.keras")
    code = (
        "import sys, keras\n"
        "import sklearn_keras_scaling.layers\n"
        f"model = keras.saving.load_model({str(tmp_path / 'model.keras')!r})\n"
        "assert model.layers[-1].ddof == 1\n"
        "others = {'bridge', 'estimators', 'scalers', 'training'}\n"
        "print([o for o in others if f'sklearn_keras_scaling.{o}' in sys.modules])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.stdout.strip() == "[]", found.stderr


@pytest.mark.parametrize("padding", ["shrink", "valid"])
def test_masks_go_through_the_layer(padding):
    inputs = keras.Input((None, 1))
    masked = keras.layers.Masking(-1.0)(inputs)
    outputs = LocalMean([1, 0], padding=padding)(masked)
    x = np.array([[[2.0], [4.0], [-1.0], [-1.0]], [[1.0], [2.0], [3.0], [5.0]]], dtype="float32")
    expected = np.array([[2, 3, 0, 0], [1, 1.5, 2.5, 4]])[..., None]
    mask = np.array([[True, True, False, False], [True] * 4])
    if padding == "valid":
        expected, mask = expected[:, 1:], mask[:, 1:]
    model = keras.Model(inputs, outputs)
    np.testing.assert_allclose(numbers(model(x)), expected, rtol=1e-6)  # some roundings
    layer = model.layers[-1]
    found = layer.compute_mask(keras.ops.convert_to_tensor(x), keras.ops.not_equal(x[..., 0], -1))
    np.testing.assert_array_equal(numbers(found), mask)
    pooled = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(outputs))
    means = [expected[i][mask[i]].mean() for i in range(2)]
    np.testing.assert_allclose(numbers(pooled(x)).ravel(), means, rtol=1e-6)
