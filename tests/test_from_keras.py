import pickle

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import from_keras, to_keras
from sklearn_keras_scaling.bridge._reading import affine_of_layer, chain_of, map_of_operation
from sklearn_keras_scaling.maps import IDENTITY, Affine, Clip

#: Rounding to float32, relative to the number; below the least normal number, absolute.
U32, TINY32 = 2.0**-24, 2.0**-126
TABLE, IMAGES = (7, 3), (2, 4, 5, 3)
AXES = [(TABLE, -1), (TABLE, None), (IMAGES, -1), (IMAGES, 1), (IMAGES, (1, 3)), (IMAGES, None)]
SCALERS = [
    sks.StandardScaler(),
    sks.StandardScaler(with_mean=False),
    sks.StandardScaler(with_std=False),
    sks.StandardScaler(with_mean=False, with_std=False),
    sks.RobustScaler(),
    sks.RobustScaler(with_scaling=False, with_centering=False),
    sks.MaxAbsScaler(),
    sks.MaxAbsScaler(clip=True),
    *(
        sks.MinMaxScaler(limits, clip=clip)
        for limits in [(0, 1), (0, 5), (-1, 1), (0.1, 0.9)]
        for clip in (False, True)
    ),
]
# The graphs hold float64 constants, whatever their inputs are; JAX has no float64 ones.
ignore_cost = pytest.mark.filterwarnings("ignore:Inputs rounded to float32 cost")

seeds = st.integers(0, 2**32 - 1)
means = st.floats(-1e6, 1e6, width=32)
variances = st.floats(0, 2.0**40, width=32, allow_subnormal=False)
offsets = st.floats(-1e9, 1e9).map(lambda offset: round(offset, 6))
factors = st.floats(-1e3, 1e3, width=32).filter(lambda factor: abs(factor) > 1e-3)


def call(model, x):
    return keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(x)))


def saved_and_loaded(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras", safe_mode=True)


def drawn(seed, shape, offset=0.0, spread=1.0):
    X = offset + spread * np.random.default_rng(seed).normal(size=shape)
    X[..., 1] = offset  # constant
    return X


def built(layer, shape=TABLE):
    layer.build((None, *shape[1:]))
    return layer


def normalization(shape, axis, seed, **parameters):
    """A Normalization with a statistic of all kinds: one of them of variance 0."""
    layer = built(keras.layers.Normalization(axis=axis, **parameters), shape)
    rng = np.random.default_rng(seed)
    mean, variance, *_ = layer.variables
    mean.assign(rng.normal(size=mean.shape) * 1e3)
    variance.assign(rng.choice([0.0, 1e-20, 0.1, 3.0, 1e7], size=variance.shape))
    layer.finalize_state()
    return layer


def bits(tensor):
    return keras.ops.convert_to_numpy(tensor).astype("float32").ravel().tobytes()


# Layers


@pytest.mark.parametrize(("shape", "axis"), AXES)
@given(seed=seeds)
def test_a_normalization_keeps_its_float32_statistics_to_the_bit(shape, axis, seed):
    layer = normalization(shape, axis, seed)
    scaler = from_keras(layer)
    given = {"mean": scaler.mean_, "variance": scaler.var_}
    if keras.__version__ < "3.12" and axis in (1, (1, 3)):  # it broadcasts them itself, and fails
        given = {name: each.reshape(layer.mean.shape) for name, each in given.items()}
    again = built(keras.layers.Normalization(axis=axis, **given), shape)
    assert bits(again.mean) == bits(layer.mean)
    assert bits(again.variance) == bits(layer.variance)
    assert bits(from_keras(again).scale_) == bits(scaler.scale_)


@ignore_cost
@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_a_normalization_there_and_back_gives_its_outputs(shape, axis):
    layer = normalization(shape, axis, seed=0)
    scaler = from_keras(layer)
    x = drawn(0, shape, 3.0).astype("float32")
    # Rounded: the square root, the difference, and the quotient.
    np.testing.assert_allclose(scaler.transform(x.astype(float)), call(layer, x), rtol=4 * U32)
    exported = call(to_keras(scaler, dtype="float32"), x)
    np.testing.assert_allclose(exported, call(layer, x), rtol=5 * U32)


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_an_inverted_normalization_is_a_transform_or_an_inverse_transform(shape, axis):
    layer = normalization(shape, axis, seed=0, invert=True)
    z = drawn(0, shape).astype("float32")
    expected = call(layer, z)
    mean, scale = (keras.ops.convert_to_numpy(each) for each in (layer.mean, layer.variance))
    # Rounded: the square root, the product and the sum.
    bound = 3 * U32 * (np.abs(z) * np.maximum(np.sqrt(scale), 1e-7) + np.abs(expected)) + 1e-30
    found = from_keras(layer).transform(z.astype(float))
    assert (np.abs(found - expected) <= bound + 1e-12 * np.abs(mean)).all()
    scaler = from_keras(layer, inverse=True)
    assert (np.abs(scaler.inverse_transform(z.astype(float)) - expected) <= bound).all()
    assert bits(scaler.mean_) == bits(layer.mean)
    assert bits(scaler.var_) == bits(layer.variance)


def test_a_normalization_of_scalars_and_one_over_all_values():
    layer = built(keras.layers.Normalization(mean=3.0, variance=4.0))
    scaler = from_keras(layer)
    np.testing.assert_array_equal(scaler.mean_, [3.0, 3.0, 3.0])
    np.testing.assert_array_equal(scaler.transform([[3.0, 5.0, 1.0]]), [[0.0, 1.0, -1.0]])
    flat = keras.layers.Normalization(axis=None)
    flat.adapt(np.array([1.0, 2.0, 3.0, 6.0]))
    scaler = from_keras(flat)
    assert (scaler.axis, float(scaler.mean_)) == (None, 3.0)
    np.testing.assert_array_equal(scaler.transform(np.array([3.0])), [0.0])


def test_a_floor_under_the_scale_becomes_the_scale():
    layer = keras.layers.Normalization()
    layer.adapt(np.array([[3.0], [3.0]]))
    scaler = from_keras(layer)
    np.testing.assert_array_equal(scaler.var_, [0.0])
    np.testing.assert_array_equal(scaler.scale_, [keras.config.epsilon()])
    x = np.array([[3.001]], dtype="float32")
    np.testing.assert_allclose(scaler.transform(x), call(layer, x), rtol=4 * U32)


@given(factors, means, arrays(np.float32, (5, 3), elements=st.floats(-1e6, 1e6, width=32)))
def test_a_rescaling(scale, offset, x):
    layer = keras.layers.Rescaling(scale, offset)
    expected = call(layer, x)
    scaler = from_keras(layer)
    # Rounded: the constants, the product and the sum.
    bound = 4 * U32 * (np.abs(scale * x) + abs(offset)) + TINY32 * (1 + abs(scale))
    assert (np.abs(scaler.transform(x.astype(float)) - expected) <= bound).all()
    assert np.float32(1 / scaler.scale_.item()) == np.float32(scale)
    other = from_keras(layer, inverse=True)
    assert (np.abs(other.inverse_transform(x.astype(float)) - expected) <= bound).all()
    assert (other.mean_.item(), other.scale_.item()) == (offset, scale)


def test_a_rescaling_of_columns_and_of_images():
    table = from_keras(keras.layers.Rescaling([0.5, 2.0], offset=[0.0, 1.0]))
    np.testing.assert_array_equal(table.transform([[4.0, 3.0]]), [[2.0, 7.0]])
    x = np.full((1, 28, 28, 1), 255.0)
    images = from_keras(built(keras.layers.Rescaling(1 / 127.5, offset=-1), x.shape))
    np.testing.assert_array_equal(images.transform(x), np.ones_like(x))
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        layer = keras.layers.Rescaling([1.0, 2.0, 4.0])
        x = np.ones((2, 3, 4, 5), dtype="float32")
        np.testing.assert_array_equal(
            from_keras(built(layer, x.shape)).transform(x), call(layer, x)
        )
        with pytest.raises(ValueError, match=r"shape \(3, 1, 1\) give samples of shape \(3,\) ano"):
            from_keras(keras.layers.Rescaling([1.0, 2.0, 4.0]))
    finally:
        keras.config.set_image_data_format(before)


@pytest.mark.parametrize(("shape", "axis"), [(TABLE, -1), (IMAGES, -1), (IMAGES, 1), (IMAGES, 2)])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("scale", [True, False])
def test_a_batch_normalization_folds_scale_and_offset_in(shape, axis, center, scale):
    layer = keras.layers.BatchNormalization(axis=axis, center=center, scale=scale)
    built(layer, shape)
    rng = np.random.default_rng(0)
    for variable in layer.variables:
        variable.assign(rng.uniform(0.5, 3, size=variable.shape))
    if scale:
        layer.gamma.assign(-layer.gamma)
    x = drawn(0, shape, 2.0).astype("float32")
    expected = call(layer, x)
    # Backends write it as a product and a sum of numbers up to 6 / 0.5 ** 0.5 * 3, or with
    # the difference first; each rounds less than eight times.
    bound = 8 * U32 * (3 * (np.abs(x) + 3) / 0.5**0.5 + 3)
    scaler = from_keras(layer)
    assert (np.abs(scaler.transform(x.astype(float)) - expected) <= bound).all()
    assert (np.abs(call(to_keras(scaler), x) - expected) <= bound).all()
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(x)), x, rtol=1e-5)


@given(
    arrays(np.float32, 3, elements=means),
    arrays(np.float32, 3, elements=variances),
    arrays(np.float32, 3, elements=factors),
    arrays(np.float32, 3, elements=means),
)
def test_a_scaler_of_a_batch_normalization_equals_its_formula(mean, variance, gamma, beta):
    layer = built(keras.layers.BatchNormalization())
    for name, value in {
        "moving_mean": mean,
        "moving_variance": variance,
        "gamma": gamma,
        "beta": beta,
    }.items():
        getattr(layer, name).assign(value)
    mean, variance, gamma, beta = (each.astype(float) for each in (mean, variance, gamma, beta))
    x = drawn(0, TABLE, 1.0, 1e3)
    factor = gamma / np.sqrt(variance + layer.epsilon)
    bound = 8 * 2.0**-53 * (np.abs(factor) * (np.abs(x) + np.abs(mean)) + 2 * np.abs(beta))
    assert (np.abs(from_keras(layer).transform(x) - ((x - mean) * factor + beta)) <= bound).all()


def test_a_discretization_is_an_ordinal_kbins_discretizer():
    layer = keras.layers.Discretization(bin_boundaries=[0.1, 1.0, 2.5])
    x = np.array([[-9.0, 0.1], [1.0, 0.99], [2.5, 99.0]], dtype="float32")
    expected = call(layer, x)
    scaler = from_keras(built(layer, x.shape))
    np.testing.assert_array_equal(scaler.transform(x), expected)
    np.testing.assert_array_equal(
        scaler.inverse_transform([[1, 2], [0, 3]]), [[0.55, 1.75], [-np.inf, np.inf]]
    )
    assert list(pickle.loads(pickle.dumps(scaler)).get_feature_names_out()) == ["x0", "x1"]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(0.5), layer])
    np.testing.assert_array_equal(from_keras(model).transform(x), call(model, x))


# Our own graphs


def ways(model, folder):
    return {
        "itself": model,
        "file": saved_and_loaded(model, folder),
        "clone_model": keras.models.clone_model(model),
        "nested": keras.Sequential([keras.Input(model.input_shape[1:]), model]),
    }


@ignore_cost
@pytest.mark.parametrize("scaler", SCALERS, ids=repr)
@pytest.mark.parametrize(("shape", "axis"), [*AXES, ((7, 1), -1)])
def test_a_scaler_comes_back_to_the_bit(scaler, shape, axis, tmp_path):
    X = drawn(0, (*shape[:-1], 3), 1e3)[..., : shape[-1]]
    scaler = clone(scaler).set_params(axis=axis).fit(X)
    beyond = np.concatenate([X, 3 * X - 1.0, X.astype("float32")])
    for way, model in ways(to_keras(scaler, dtype="float32"), tmp_path).items():
        assert_same(from_keras(model), scaler, beyond, way)
    for way, model in ways(to_keras(scaler, inverse=True), tmp_path).items():
        found = from_keras(model, inverse=True)
        assert_same(found, clone_unclipped(scaler), beyond, way)


def clone_unclipped(scaler):
    """The same scaler without its clip, which an inverse graph does not have."""
    unclipped = pickle.loads(pickle.dumps(scaler))
    return unclipped.set_params(clip=False) if hasattr(scaler, "clip") else unclipped


def assert_same(found, expected, X, way=""):
    for method in ("transform", "inverse_transform"):
        for x in (X, X.astype("float32")):
            np.testing.assert_array_equal(
                getattr(found, method)(x), getattr(expected, method)(x), err_msg=f"{way} {method}"
            )


@ignore_cost
@given(st.sampled_from(SCALERS), seeds, offsets, st.floats(1e-9, 1e9))
def test_any_data_come_back_to_the_bit(scaler, seed, offset, spread):
    X = drawn(seed, (9, 3), offset, spread)
    scaler = clone(scaler).fit(X)
    beyond = np.concatenate([X, 3 * X - spread])
    assert_same(from_keras(to_keras(scaler, dtype="float32")), scaler, beyond)
    model = to_keras(scaler, inverse=True)
    assert_same(from_keras(model, inverse=True), clone_unclipped(scaler), beyond)


def test_what_comes_back_is_the_simplest_scaler_that_does():
    X = drawn(0, TABLE)

    def back(scaler):
        return repr(from_keras(to_keras(scaler.fit(X))))

    assert back(sks.StandardScaler()) == back(sks.RobustScaler()) == "StandardScaler()"
    assert back(sks.MaxAbsScaler()) == "StandardScaler(with_mean=False)"
    assert back(sks.MaxAbsScaler(clip=True)) == "MaxAbsScaler(clip=True)"
    assert back(sks.MinMaxScaler()) == "StandardScaler()"
    clipping = sks.MinMaxScaler((-1.0, 1.0), clip=True)
    assert back(clipping) == repr(clipping)
    found = from_keras(to_keras(clipping))
    for name in ("data_min_", "min_", "scale_"):
        np.testing.assert_allclose(getattr(found, name), getattr(clipping, name), rtol=1e-15)
    np.testing.assert_allclose(found.data_max_[[0, 2]], clipping.data_max_[[0, 2]], rtol=1e-14)


def test_a_scaler_set_by_hand_and_pipelines_come_back_to_the_bit():
    X = drawn(0, TABLE, 5.0)
    changed = sks.MinMaxScaler((0.1, 0.9), clip=True).fit(X).set_params(feature_range=(0.2, 0.3))
    beyond = np.concatenate([X, 3 * X])
    found = from_keras(to_keras(changed))
    assert [type(step).__name__ for _, step in found.steps] == ["StandardScaler", "MinMaxScaler"]
    np.testing.assert_array_equal(found.transform(beyond), changed.transform(beyond))
    pipeline = make_pipeline(
        sks.RobustScaler(),
        sks.MinMaxScaler((-1, 2), clip=True),
        sks.StandardScaler(),
        sks.MaxAbsScaler(clip=True),
    ).fit(X)
    found = from_keras(to_keras(pipeline))
    assert isinstance(found, Pipeline)
    np.testing.assert_array_equal(found.transform(beyond), pipeline.transform(beyond))
    np.testing.assert_array_equal(
        found.inverse_transform(beyond), pipeline.inverse_transform(beyond)
    )


@ignore_cost
def test_a_column_without_values_comes_back():
    X = drawn(0, TABLE)
    X[:, 2] = np.nan
    for scaler in (sks.StandardScaler(), sks.MinMaxScaler((-1, 1), clip=True)):
        found = from_keras(to_keras(scaler.fit(X), dtype="float32"))
        np.testing.assert_array_equal(found.transform(X), scaler.transform(X))


# Models of layers


def test_layers_in_a_chain_are_steps_of_a_pipeline():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Rescaling(2.0, offset=1.0),
            keras.layers.Dropout(0.5),
            keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Identity()]),
            keras.layers.Activation("linear"),
        ]
    )
    scaler = from_keras(model)
    x = drawn(0, TABLE).astype("float32")
    assert len(scaler) == 2
    # Each layer rounds twice or thrice, numbers of up to 2 * |x| + 1.
    bound = 8 * U32 * (2 * np.abs(x) + 1)
    assert (np.abs(scaler.transform(x.astype(float)) - call(model, x)) <= bound).all()
    only_dropout = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5)])
    np.testing.assert_array_equal(from_keras(only_dropout).transform(x), x)


def test_operations_that_somebody_wrote():
    x = keras.Input((3,))
    divisors = keras.ops.convert_to_tensor([1.0, 2.0, 4.0])
    y = 3.0 - (x - np.array([[1.0, 2.0, 3.0]])) * 2.0 / divisors
    model = keras.Model(x, keras.ops.clip(keras.ops.add(x1=1.0, x2=y), -4.0, 5.0))
    data = drawn(0, (9, 3), 0.0, 5.0).astype("float32")
    expected = call(model, data)
    # Six roundings of numbers up to 2 * (|x| + 3) + 4.
    bound = 8 * U32 * (2 * np.abs(data) + 10)
    assert (np.abs(from_keras(model).transform(data.astype(float)) - expected) <= bound).all()


# The scaler


@pytest.mark.parametrize(
    "layer",
    [
        lambda: built(keras.layers.Normalization(mean=3.0, variance=2.0)),
        lambda: keras.layers.Rescaling(0.5),
        lambda: to_keras(sks.MinMaxScaler((-1, 1), clip=True).fit(drawn(0, TABLE))),
        lambda: to_keras(sks.MaxAbsScaler(clip=True).fit(drawn(0, TABLE))),
    ],
    ids=["Normalization", "Rescaling", "MinMaxScaler", "MaxAbsScaler"],
)
def test_it_is_a_fitted_scaler_in_all_that_scikit_learn_asks(layer):
    scaler = from_keras(layer())
    X = drawn(0, TABLE)
    check_is_fitted(scaler)
    copy = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(copy.transform(X), scaler.transform(X))
    # 4 roundings of float64, seen in raw units.
    back = scaler.inverse_transform(scaler.transform(X))
    if not getattr(scaler, "clip", False):
        np.testing.assert_allclose(back, X, rtol=1e-12, atol=1e-12)
    assert scaler.get_params() == clone(scaler).get_params()
    with pytest.raises(NotFittedError):
        clone(scaler).transform(X)
    assert scaler._repr_html_()
    np.testing.assert_array_equal(clone(scaler).fit(X).transform(X).shape, X.shape)
    with pytest.raises(ValueError, match="keeps nothing to go on from"):
        scaler.partial_fit(X)
    exported = call(to_keras(scaler), X.astype("float32"))
    np.testing.assert_allclose(exported, scaler.transform(X), rtol=1e-4, atol=1e-4)
    assert scaler.n_samples_seen_ == 0


def test_names_and_frames():
    scaler = from_keras(built(keras.layers.BatchNormalization(), TABLE))
    assert list(scaler.get_feature_names_out()) == ["x0", "x1", "x2"]
    frame = scaler.set_output(transform="pandas").transform(drawn(0, TABLE))
    assert list(frame.columns) == ["x0", "x1", "x2"]
    with pytest.raises(ValueError, match="X has 2 features, but StandardScaler is expecting 3"):
        scaler.transform([[1.0, 2.0]])


# Refusals


class Twice(keras.Model):
    def call(self, inputs):
        return 2 * super().call(inputs)


def test_what_is_no_layer_is_refused():
    with pytest.raises(
        TypeError, match=r"takes a Keras layer or model, got a StandardScaler\. Sup"
    ):
        from_keras(sks.StandardScaler())


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Normalization(name="stage"),
        keras.layers.Normalization(name="stage", mean=1.0, variance=2.0),
        keras.layers.BatchNormalization(name="stage"),
        keras.layers.Dropout(0.5, name="stage"),
        keras.layers.Discretization([1.0], name="stage"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_without_a_shape_is_refused(layer):
    with pytest.raises(ValueError, match=rf"{type(layer).__name__} 'stage' is not built.* Call it"):
        from_keras(layer)


def test_a_normalization_that_has_learnt_nothing_is_refused():
    layer = keras.layers.Normalization(name="stage")
    layer.adapt(drawn(0, TABLE, 5.0))
    model = keras.Sequential([keras.Input((3,)), layer])
    from_keras(model)
    reset = keras.models.clone_model(model)
    for each in (built(keras.layers.Normalization(name="stage")), reset):
        with pytest.raises(
            ValueError, match=r"'stage' is not adapted.* clone_model and from_config"
        ):
            from_keras(each)
    given_so = built(keras.layers.Normalization(mean=0.0, variance=1.0))
    np.testing.assert_array_equal(from_keras(given_so).transform([[1.0, 2.0, 3.0]]), [[1, 2, 3]])
    with pytest.raises(ValueError, match="'bins' has no bins yet: adapt it"):
        from_keras(built(keras.layers.Discretization(num_bins=3, name="bins")))


class Doubled(keras.layers.Rescaling):
    def call(self, inputs):
        return 2 * super().call(inputs)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dense(3, name="stage"),
        keras.layers.Activation("relu", name="stage"),
        keras.layers.Discretization([1.0], output_mode="one_hot", name="stage"),
        Doubled(2.0, name="stage"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_other_layers_are_refused_by_name(layer):
    message = rf"{type(layer).__name__} 'stage' computes nothing that a scaler does.*Normalization"
    with pytest.raises(ValueError, match=message):
        from_keras(built(layer))
    with pytest.raises(ValueError, match=message):
        from_keras(keras.Sequential([keras.Input((3,)), layer]))


def test_operations_that_scale_nothing_are_refused_by_name():
    x = keras.Input((3,))
    training = keras.layers.BatchNormalization()(x, training=True)
    dropping = keras.Sequential([keras.layers.Dropout(0.5)])(x, training=True)
    nothing = [x * 0.0, 1.0 / x, keras.ops.cast(x, "int32"), keras.ops.square(x)]
    for y in [*nothing, training, dropping]:
        with pytest.raises(ValueError, match=y._keras_history.operation.name):
            from_keras(keras.Model(x, y))
    one = keras.Input((1,))
    with pytest.raises(ValueError, match=r"shape \(3,\) give samples of shape \(1,\) another"):
        from_keras(keras.Model(one, one * np.array([1.0, 2.0, 3.0])))


def test_arithmetic_of_integers_is_refused():
    pixels = keras.Input((3,), dtype="uint8")
    wrapping = keras.Model(pixels, keras.ops.subtract(pixels, 128))
    with pytest.raises(ValueError, match=r"The Subtract .* computes in uint8, where .* Cast to"):
        from_keras(wrapping)
    widened = keras.Model(pixels, keras.ops.subtract(keras.ops.cast(pixels, "float32"), 128))
    x = np.array([[100, 200, 5]], "uint8")
    np.testing.assert_array_equal(from_keras(widened).transform(x), call(widened, x))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int64"])
def test_a_cast_that_loses_digits_is_refused(dtype):
    x = keras.Input((3,))
    narrowed = keras.ops.cast(keras.ops.cast(x, dtype), "float32")
    with pytest.raises(ValueError, match=r"The Cast .* Supported: .* casts to float32 or float64"):
        from_keras(keras.Model(x, (narrowed - 1000.0) / 2.0))


def test_a_clip_of_negative_multiples_is_no_maxabs_scaler():
    x = keras.Input((3,))
    model = keras.Model(x, keras.ops.clip(x * -2.0, -1.0, 1.0))
    scaler = from_keras(model)
    assert [type(step).__name__ for _, step in scaler.steps] == ["StandardScaler", "MinMaxScaler"]
    data = np.array([[0.125, -3.0, 3.0]])
    np.testing.assert_array_equal(scaler.transform(data), call(model, data))


def test_a_factor_of_zero_is_refused():
    layer = built(keras.layers.BatchNormalization(name="stage"))
    layer.gamma.assign([1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="BatchNormalization 'stage' multiplies by 0"):
        from_keras(layer)
    x = keras.Input((3,))
    with pytest.raises(ValueError, match=r"Multiply .* multiplies by 0"):
        from_keras(keras.Model(x, x * np.array([1.0, 0.0, 1.0])))
    with pytest.raises(ValueError, match="Rescaling 'stage' multiplies by 0"):
        from_keras(keras.layers.Rescaling(0.0, name="stage"))


def test_statistics_of_single_samples_are_refused():
    layer = keras.layers.Normalization(name="stage")
    layer.adapt(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="'stage' keeps statistics of axis 0, the samples"):
        from_keras(layer)


def test_graphs_that_are_no_chain_are_refused():
    x = keras.Input((3,))
    for outputs, message in [
        (x * x, "'bad' branches at .* 2 input tensors"),
        ([x + 1.0, x * 2.0], "'bad' has 2 outputs, and one is expected"),
    ]:
        with pytest.raises(ValueError, match=message):
            from_keras(keras.Model(x, outputs, name="bad"))
    with pytest.raises(ValueError, match=r"Sequential 'bad' has no graph to read.*not built"):
        from_keras(keras.Sequential([keras.layers.Rescaling(2.0)], name="bad"))
    with pytest.raises(ValueError, match=r"Twice 'bad' has no graph .* or of a subclass"):
        from_keras(Twice(x, x + 1.0, name="bad"))


def test_what_has_no_inverse_is_refused():
    model = to_keras(sks.MinMaxScaler(clip=True).fit(drawn(0, TABLE)))
    with pytest.raises(ValueError, match="inverse=True needs what has an inverse, and a clip has"):
        from_keras(model, inverse=True)
    images = built(keras.layers.Discretization([1.0], name="bins"), IMAGES)
    with pytest.raises(ValueError, match="and a Discretization 'bins' has none"):
        from_keras(images, inverse=True)
    with pytest.raises(ValueError, match=r"'bins' has samples of shape \(4, 5, 3\), but a KBins"):
        from_keras(images)


# What fold reads


def test_maps_of_layers_and_operations_are_affine_for_folding():
    inverted = normalization(TABLE, -1, 0, invert=True)
    affine = affine_of_layer(inverted)
    assert isinstance(affine, Affine)
    z = drawn(0, TABLE)
    np.testing.assert_allclose(
        affine.forward(z, np), from_keras(inverted, inverse=True).inverse_transform(z), rtol=1e-12
    )
    assert affine_of_layer(keras.layers.Activation("linear")) is IDENTITY
    assert affine_of_layer(keras.layers.Dense(2)) is None
    scaler = sks.MinMaxScaler(clip=True).fit(drawn(0, TABLE))
    maps = [map_of_operation(node) for node in chain_of(to_keras(scaler))]
    kinds = [type(each) for each in maps if each is not IDENTITY]  # without casts
    assert kinds == [Affine, Affine, Clip]
    assert all(
        map_of_operation(node).is_affine for node in chain_of(to_keras(scaler, inverse=True))
    )
