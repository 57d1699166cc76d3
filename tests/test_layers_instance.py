"""ReversibleInstanceNormalization."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_keras_scaling import ReversibleInstanceNormalization

from .layers import EPS, WIDE, assert_gradient_is_right, gradient, numbers

RNG = np.random.default_rng(0)
X = (1e4 + 100 * RNG.normal(size=(6, 1, 3)) + RNG.normal(size=(6, 24, 3))).astype("float32")


def normalized(layer, x, **keywords):
    z, statistics = layer(x, **keywords)
    return numbers(z), [numbers(each) for each in statistics]


def forecaster(horizon=4, affine=True, length=24, **keywords):
    """A linear forecast of every feature, in raw units."""
    series = keras.Input((length, 3))
    layer = ReversibleInstanceNormalization(affine=affine, name="revin", **keywords)
    z, statistics = layer(series)
    along = keras.layers.Permute((2, 1))
    z = along(keras.layers.Dense(horizon, dtype=layer.dtype_policy)(along(z)))
    return keras.Model(series, layer(z, statistics=statistics))


def with_affine(layer, x):
    """Build it, and give it numbers that training could."""
    layer(x)
    layer.set_weights(list(np.array([[0.5, 2.0, -1.0], [1.0, 0.0, -3.0]])))
    return layer


def test_each_series_is_scaled_by_its_own_two_passes():
    z, (mean, std) = normalized(ReversibleInstanceNormalization(), X)
    wide = X.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(axis=1, keepdims=True), rtol=2e-7)
    np.testing.assert_allclose(std, wide.std(axis=1, keepdims=True), rtol=1e-6)
    expected = (wide - wide.mean(axis=1, keepdims=True)) / wide.std(axis=1, keepdims=True)
    # As of the local statistics, 1e-5 at an offset of 1e4 in float32; of size 1.
    np.testing.assert_allclose(z, expected, rtol=1e-5, atol=1e-6)


def test_gamma_and_beta_scale_what_is_normalised():
    plain, _ = normalized(ReversibleInstanceNormalization(dtype=WIDE), X)
    found, _ = normalized(
        with_affine(ReversibleInstanceNormalization(affine=True, dtype=WIDE), X), X
    )
    np.testing.assert_allclose(found, plain * [0.5, 2, -1] + [1, 0, -3], rtol=0, atol=20 * EPS)


@given(
    st.integers(0, 1000),
    st.sampled_from([1e-12, 1.0, 1e12]),
    st.sampled_from([0.0, 1.0, -1e4]),
    st.booleans(),
    st.booleans(),
)
def test_there_and_back_is_the_identity(seed, unit, offset, affine, constant):
    rng = np.random.default_rng(seed)
    x = (unit * (offset + rng.normal(size=(2, 8, 3)))).astype("float32")
    if constant:
        x[0] = x[0, :1]
    layer = ReversibleInstanceNormalization(affine=affine)
    if affine:
        with_affine(layer, x)
    z, statistics = layer(x)
    back = numbers(layer(z, statistics=statistics))
    # Roundings of beta (3) against gamma (0.5), and of the result.
    bound = np.finfo(np.float32).eps * (50 * x.std(axis=1, keepdims=True) + np.abs(x))
    assert (np.abs(back - x) <= bound).all()
    if constant:
        np.testing.assert_array_equal(back[0], x[0])


@pytest.mark.parametrize("shape", [(4, 4, 1), (1, 4, 1), (4, 1, 4), (4, 4, 4)], ids=str)
def test_series_as_many_as_steps_or_features_keep_their_own_means(shape):
    x = (RNG.normal(size=shape) + 10 * np.arange(shape[0])[:, None, None]).astype("float32")
    layer = ReversibleInstanceNormalization()
    z, statistics = layer(x)
    back = numbers(layer(z, statistics=statistics))
    np.testing.assert_allclose(back, x, rtol=1e-5, atol=1e-5)  # some roundings of 30


@pytest.mark.parametrize("value", [0.0, 0.1, -3e4, 123456.7, 1e-30, 1e30])
@pytest.mark.parametrize("n_steps", [1, 7, 1000])
def test_constant_series_become_zero_and_return_unchanged(value, n_steps):
    x = np.full((1, n_steps, 1), value, dtype="float32")
    layer = ReversibleInstanceNormalization()
    z, statistics = layer(x)
    np.testing.assert_array_equal(numbers(statistics[1]), 0.0)
    back = numbers(layer(z, statistics=statistics))
    np.testing.assert_array_equal(back, x)
    assert np.abs(numbers(z)).max() <= np.finfo(np.float32).eps * abs(value)


def test_flat_series_are_scaled_by_the_fallback():
    x = X.copy()
    x[:, :, 0] = 123456.7
    x[0, :, 1] = 5.0 + 1e-3 * RNG.normal(size=24)
    plain, (_, of_plain) = normalized(ReversibleInstanceNormalization(), x)
    layer = ReversibleInstanceNormalization(minimum_scale=0.01, fallback_scale=4.0)
    z, (mean, std) = normalized(layer, x)
    np.testing.assert_array_equal(std[:, :, 0], 4.0)
    assert std[0, 0, 1] == 4.0
    np.testing.assert_allclose(z[0, :, 1] * 4.0, x[0, :, 1] - mean[0, 0, 1], atol=1e-6)
    moving = (slice(1, None), slice(None), slice(1, None))
    np.testing.assert_array_equal(z[moving], plain[moving])
    np.testing.assert_array_equal(std[moving], of_plain[moving])
    np.testing.assert_array_equal(of_plain[:, :, 0], 0.0)
    forecast = numbers(layer(z + 1.0, statistics=[mean, std]))  # leaves its level
    np.testing.assert_allclose(forecast[..., 0], x[..., 0] + 4.0, rtol=1e-7)
    assert np.isfinite(gradient(lambda x: layer(x)[0] ** 2, x)).all()


@pytest.mark.parametrize("value", [0.0, 123456.7, 1e-30, 1e30])
@pytest.mark.parametrize("minimum", [1e-6, 1.0])
def test_flat_series_return_unchanged_with_a_fallback_too(value, minimum):
    x = np.full((1, 7, 1), value, dtype="float32")
    layer = ReversibleInstanceNormalization(minimum_scale=minimum)
    z, statistics = layer(x)
    np.testing.assert_array_equal(numbers(layer(z, statistics=statistics)), x)


def test_without_a_minimum_the_bits_are_those_of_before():
    x = np.concatenate([X, np.full((1, 24, 3), 7.0, dtype="float32")])
    layer = ReversibleInstanceNormalization(minimum_scale=0.0, fallback_scale=9.0)
    for found, expected in zip(layer(x)[1], ReversibleInstanceNormalization()(x)[1], strict=True):
        np.testing.assert_array_equal(numbers(found), numbers(expected))


def test_masked_steps_and_nan_are_left_out():
    x, mask = X.copy(), np.ones((6, 24), dtype=bool)
    mask[0, 10:] = mask[1, 3] = False
    mask[2] = False
    x[3, 5, 1] = np.nan
    x[~mask] = 1e30
    z, (mean, std) = normalized(ReversibleInstanceNormalization(dtype=WIDE), x, mask=mask)
    hidden = np.where(mask[..., None], X.astype(WIDE), np.nan)
    hidden[3, 5, 1] = np.nan
    for i in (0, 1, 3, 4, 5):
        np.testing.assert_allclose(mean[i, 0], np.nanmean(hidden[i], axis=0), rtol=10 * EPS)
        np.testing.assert_allclose(std[i, 0], np.nanstd(hidden[i], axis=0), rtol=1e5 * EPS)
    np.testing.assert_array_equal(z[~mask], 0.0)
    np.testing.assert_array_equal(mean[2], 0.0)
    np.testing.assert_array_equal(std[2], 0.0)
    assert np.argwhere(np.isnan(z)).tolist() == [[3, 5, 1]]


def test_the_mask_of_a_model_reaches_the_layer_and_goes_on():
    series = keras.Input((None, 1))
    layer = ReversibleInstanceNormalization()
    z, (mean, _) = layer(keras.layers.Masking(-1.0)(series))
    model = keras.Model(series, [keras.layers.GlobalAveragePooling1D()(z + 1.0), mean])
    x = np.array([[[2.0], [4.0], [-1.0], [-1.0]]], dtype="float32")
    pooled, mean = (numbers(each).ravel() for each in model(x))
    assert (pooled, mean) == (1.0, 3.0)  # over two steps; over four, pooled would be 0.5


def test_several_axes_of_steps_share_their_statistics():
    x = RNG.normal(size=(2, 4, 5, 3)).astype(WIDE)
    z, (mean, std) = normalized(ReversibleInstanceNormalization(dtype=WIDE), x)
    assert mean.shape == std.shape == (2, 1, 1, 3)
    np.testing.assert_allclose(z.mean(axis=(1, 2)), 0, atol=20 * EPS)
    np.testing.assert_allclose(z.std(axis=(1, 2)), 1, rtol=20 * EPS)


def test_a_forecast_of_some_features_takes_their_statistics():
    layer = ReversibleInstanceNormalization(dtype=WIDE)
    z, statistics = layer(X)
    some = [each[..., 1:2] for each in statistics]
    found = numbers(layer(z[..., 1:2], statistics=some))
    np.testing.assert_allclose(found, X[..., 1:2], rtol=10 * EPS)


@pytest.mark.parametrize("affine", [False, True])
def test_the_gradient_is_that_of_finite_differences(affine):
    x = RNG.normal(size=(1, 6, 3)).astype(WIDE)
    mask = np.arange(6)[None] != 4
    layer = ReversibleInstanceNormalization(affine=affine, dtype=WIDE)
    if affine:
        with_affine(layer, x)
    weights = RNG.normal(size=(1, 6, 3)).astype(WIDE)

    def there(x):
        z, _ = layer(x, mask=np.repeat(mask, len(x), axis=0))
        return keras.ops.multiply(z, weights)

    def there_and_back(x):
        z, statistics = layer(x)
        return layer(keras.ops.multiply(z, weights), statistics=statistics)

    for function in (there, there_and_back):
        assert_gradient_is_right(function, x)


def test_the_gradient_is_finite_for_constant_series_and_missing_values():
    x = np.full((2, 5, 3), 7.0, dtype="float32")
    x[1, 2:] = [1.0, 2.0, np.nan]
    layer = ReversibleInstanceNormalization()

    def function(x):
        z, _ = layer(x)
        return keras.ops.where(keras.ops.isnan(z), keras.ops.zeros_like(z), z) ** 2

    assert np.isfinite(gradient(function, x)).all()


# Inside Keras


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "float64"])
def test_raw_units_are_never_in_half_precision(dtype):
    if dtype == "float64" and WIDE == "float32":
        pytest.skip("JAX without x64 has no float64")
    x = 1e5 + 30 * X  # beyond what float16 holds
    layer = ReversibleInstanceNormalization(dtype=dtype)
    z, statistics = layer(x)
    wide = "float64" if dtype == "float64" else "float32"
    said, said_statistics = layer(keras.Input((24, 3)))
    for each, expected in [
        (z, keras.DTypePolicy(dtype).compute_dtype),
        (said, keras.DTypePolicy(dtype).compute_dtype),
        *[(each, wide) for each in (*statistics, *said_statistics)],
        (layer(z, statistics=statistics), wide),
        (layer(said, statistics=said_statistics), wide),
    ]:
        assert keras.backend.standardize_dtype(each.dtype) == expected
    back = numbers(layer(z, statistics=statistics))
    half = 2.0**-10 if dtype == "mixed_float16" else 1e-6  # of z, which is up to 4
    np.testing.assert_allclose(back, x, rtol=2e-7, atol=4 * half * x.std(axis=1).max())


@pytest.mark.parametrize("shape", [(None, 12, 3), (2, None, 3), (None, None, 5, 3)])
def test_the_output_shape_is_known_before(shape):
    layer = ReversibleInstanceNormalization(affine=True)
    said = layer.compute_output_shape(shape)
    z, statistics = layer(keras.Input(batch_shape=shape))
    assert (tuple(z.shape), tuple(tuple(each.shape) for each in statistics)) == said
    assert said[1][0] == (shape[0], *(1,) * (len(shape) - 2), 3)
    assert tuple(layer(z, statistics=statistics).shape) == shape
    assert layer.compute_output_shape(shape, said[1]) == shape


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_forecaster_learns_what_drifts(jit_compile):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch.compile needs a C++ compiler")
    keras.utils.set_random_seed(0)
    steps = np.arange(28) + RNG.uniform(0, 1000, size=(256, 1))
    series = (100 + 5 * steps[..., None] * [1.0, -1.0, 3.0]).astype(
        "float32"
    )  # far from each other
    model = forecaster()
    model.compile(keras.optimizers.Adam(0.02), "mae", jit_compile=jit_compile)
    before = model.evaluate(series[:, :24], series[:, 24:], verbose=0)
    history = model.fit(series[:, :24], series[:, 24:], epochs=8, verbose=0).history["loss"]
    assert history[-1] < before / 4  # it learns: a line goes on
    gamma = model.get_layer("revin").gamma
    assert np.abs(numbers(gamma.value) - 1).max() > 1e-4  # and so do gamma and beta
    far = model.predict(series[:8, :24] + 1e5, verbose=0)
    near = model.predict(series[:8, :24], verbose=0)
    np.testing.assert_allclose(far, near + 1e5, rtol=1e-6)  # a new level; float32 of 1e5


def test_copies_and_files_give_the_same_numbers(tmp_path):
    model = forecaster(minimum_scale=0.5, fallback_scale=3.0)
    with_affine(model.get_layer("revin"), X)
    expected = numbers(model(X))
    model.save(tmp_path / "model.keras")
    copies = [keras.models.clone_model(model), keras.Model.from_config(model.get_config())]
    for copied in copies:
        copied.set_weights(model.get_weights())
    for other in (*copies, keras.saving.load_model(tmp_path / "model.keras")):
        np.testing.assert_array_equal(numbers(other(X)), expected)
        assert sum(isinstance(each, ReversibleInstanceNormalization) for each in other.layers) == 1
        assert len(other.weights) == 4
        config = other.get_layer("revin").get_config()
        assert (config["minimum_scale"], config["fallback_scale"]) == (0.5, 3.0)


def test_a_file_loads_where_the_layers_alone_were_imported(tmp_path):
    forecaster().save(tmp_path / "model.keras")
    code = (
        "import keras\n"
        "import sklearn_keras_scaling.layers\n"
        f"model = keras.saving.load_model({str(tmp_path / 'model.keras')!r})\n"
        "print(model.output_shape)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.stdout.strip() == "(None, 4, 3)", found.stderr


def test_a_call_leaves_nothing_behind():
    layer = with_affine(ReversibleInstanceNormalization(affine=True), X)
    before = {name: id(value) for name, value in vars(layer).items() if name != "_called"}
    first, statistics = layer(X[:3])
    layer(X[3:] * 7)  # another series between there and back
    back = numbers(layer(first, statistics=statistics))
    np.testing.assert_allclose(back, X[:3], rtol=1e-6)
    assert {name: id(value) for name, value in vars(layer).items() if name != "_called"} == before


def test_threads_do_not_see_each_others_series():
    model = forecaster(affine=False)
    alone = [numbers(model(X[i : i + 1])) for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda i: numbers(model(X[i % 6 : i % 6 + 1])), range(60)))
    for i, each in enumerate(found):
        np.testing.assert_array_equal(each, alone[i % 6])


# Bad input


def test_another_rank_is_refused():
    with pytest.raises(ValueError, match=r"'revin' takes series of shape .* got shape \(2, 3\)"):
        ReversibleInstanceNormalization(name="revin")(np.ones((2, 3)))


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_scales_that_are_none_are_refused(value):
    with pytest.raises(ValueError, match=r"minimum_scale must be 0 or more, and finite, got"):
        ReversibleInstanceNormalization(minimum_scale=value)
    with pytest.raises(ValueError, match=r"fallback_scale must be above 0 and finite, got"):
        ReversibleInstanceNormalization(fallback_scale=value)


def test_affine_needs_the_number_of_features():
    with pytest.raises(ValueError, match=r"affine=True needs to know the number of features"):
        ReversibleInstanceNormalization(affine=True)(keras.Input((5, None)))


@pytest.mark.parametrize("affine", [False, True])
def test_a_forecast_of_other_features_is_refused(affine):
    layer = ReversibleInstanceNormalization(affine=affine, name="revin")
    z, statistics = layer(X)
    with pytest.raises(ValueError, match=r"forecast of shape \(6, 24, 2\) does not fit statis"):
        layer(z[..., :2], statistics=statistics)
    with pytest.raises(ValueError, match=r"forecast of shape \(6, 3\) does not fit"):
        layer(z[:, 0], statistics=statistics)
    if affine:
        with pytest.raises(ValueError, match=r"all of them with affine=True"):
            layer(z[..., :1], statistics=[each[..., :1] for each in statistics])
