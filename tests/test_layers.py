"""The layers of local statistics, as numbers; test_layers_keras.py has them in models."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_keras_scaling import LocalMean, LocalNormalization, LocalStandardDeviation

from .layers import (
    EPS,
    WIDE,
    assert_gradient_is_right,
    brute_force,
    gradient,
    numbers,
)

A = np.array([4, 8, 6, -1, -2, -3, -1, 3, 4, 5.0]).reshape(1, 10, 1)
RNG = np.random.default_rng(0)
LAYERS = [LocalMean, LocalStandardDeviation, LocalNormalization]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (3, [2.8284, 2, 4.7258, 4.3589, 1, 1, 3.0551, 2.6458, 1, 0.7071]),
        ([2, 0], [0, 2.8284, 2, 4.7258, 4.3589, 1, 1, 3.0551, 2.6458, 1]),
    ],
)
def test_the_examples_of_movstd_come_out_to_the_digit(window, expected):
    found = numbers(LocalStandardDeviation(window, ddof=1)(A))
    np.testing.assert_array_equal(found.ravel().round(4), np.float32(expected))


def test_the_example_of_movstd_that_is_normalised_by_n():
    found = numbers(LocalStandardDeviation(3)(A)).ravel().round(4)
    expected = [2, 1.633, 3.8586, 3.559, 0.8165, 0.8165, 2.4944, 2.1602, 0.8165, 0.5]
    np.testing.assert_array_equal(found, np.float32(expected))


def test_the_example_of_movstd_that_omits_nan():
    x = A.copy()
    x[0, [2, 6]] = np.nan
    found = numbers(LocalStandardDeviation(3, ddof=1)(x)).ravel().round(4)
    expected = [2.8284, 2.8284, 6.364, 0.7071, 1, 0.7071, 4.2426, 0.7071, 1, 0.7071]
    np.testing.assert_array_equal(found, np.float32(expected))


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (2, [4, 6, 7, 2.5, -1.5, -2.5, -2, 1, 3.5, 4.5]),
        (3, [6, 6, 4.3333, 1, -2, -2, -0.3333, 2, 4, 4.5]),
        (4, [6, 6, 4.25, 2.75, 0, -1.75, -0.75, 0.75, 2.75, 4]),
    ],
)
def test_the_examples_of_movmean_come_out_to_the_digit(window, expected):
    found = numbers(LocalMean(window)(A)).ravel().round(4)
    np.testing.assert_array_equal(found, np.float32(expected))


@st.composite
def cases(draw):
    """Data of 1 to 3 spatial axes, a window for each, ends and ddof."""
    n_axes = draw(st.integers(1, 3))
    longest = {1: 12, 2: 6, 3: 4}[n_axes]
    pairs = [draw(st.tuples(*[st.integers(0, 2)] * 2)) for _ in range(n_axes)]
    lengths = [draw(st.integers(sum(pair) + 1, max(sum(pair) + 1, longest))) for pair in pairs]
    size = np.prod([sum(pair) + 1 for pair in pairs])
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    offset = draw(st.sampled_from([0.0, 1e4]))
    x = (offset + rng.normal(size=(2, *lengths, 2))).astype(WIDE)
    if draw(st.booleans()):
        x[rng.random(x.shape) < 0.2] = np.nan
    padding = draw(st.sampled_from(["shrink", "valid", "same", "reflect"]))
    return x, pairs, padding, draw(st.integers(0, min(1, size - 1)))


@given(cases(), st.booleans())
def test_any_window_is_what_two_passes_over_it_give(case, is_last):
    x, pairs, padding, ddof = case
    mean, deviation = brute_force(x, pairs, padding, ddof)
    given_x = x if is_last else np.moveaxis(x, -1, 1)
    keywords = {
        "padding": padding,
        "dtype": WIDE,
        "data_format": "channels_last" if is_last else "channels_first",
    }
    found_mean = numbers(LocalMean(pairs, **keywords)(given_x))
    found = numbers(LocalStandardDeviation(pairs, ddof=ddof, **keywords)(given_x))
    if not is_last:
        found, found_mean = (np.moveaxis(each, 1, -1) for each in (found, found_mean))
    # Each of the up to 3 * 3 merges rounds some numbers of the window's size; zeros beyond the
    # ends ("same") are as far from the others as the offset.
    bound = 100 * EPS
    np.testing.assert_allclose(found_mean, mean, rtol=bound, atol=bound)
    np.testing.assert_allclose(found, deviation, rtol=bound, atol=bound)


DATA = {
    "offset": 1e4 + RNG.normal(size=(1, 700, 1)),
    "ramp": 1e4 + 100.0 * np.arange(700).reshape(1, 700, 1),
    "ramp with noise": 1e4 * np.arange(700).reshape(1, 700, 1) + RNG.normal(size=(1, 700, 1)),
    "step": np.where(np.arange(700) < 350, 0.0, 1e5).reshape(1, 700, 1)
    + RNG.normal(size=(1, 700, 1)),
}


@pytest.mark.parametrize("window", [2, 3, 31, 301])
@pytest.mark.parametrize("name", DATA)
def test_float32_keeps_five_digits_at_an_offset_and_on_a_ramp(name, window):
    x = DATA[name].astype(np.float32)
    pairs = [(window // 2, (window - 1) // 2)]
    mean, deviation = brute_force(x, pairs)
    found = numbers(LocalStandardDeviation(window)(x))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, deviation, rtol=1e-6)  # the issue asks for 1e-5
    roundings = 4 * np.finfo(np.float32).eps * np.abs(x).max()
    np.testing.assert_allclose(numbers(LocalMean(window)(x)), mean, rtol=0, atol=roundings)
    scale = np.where(deviation > np.finfo(np.float32).eps * np.abs(mean), deviation, 1.0)
    normal = numbers(LocalNormalization(window)(x))
    np.testing.assert_allclose(normal, (x - mean) / scale, rtol=1e-5, atol=1e-5)


def test_two_spatial_axes_keep_five_digits_too():
    ramp = 1e4 + 50.0 * np.add.outer(np.arange(40), 3 * np.arange(30))
    x = (ramp + RNG.normal(size=ramp.shape)).astype(np.float32)[None, :, :, None]
    _, deviation = brute_force(x, [(4, 4), (7, 6)])
    found = numbers(LocalStandardDeviation([[4, 4], [7, 6]])(x))
    np.testing.assert_allclose(found, deviation, rtol=1e-6)


def test_a_window_of_everything_is_the_standard_deviation():
    x = RNG.normal(size=(3, 20, 2))
    found = numbers(LocalStandardDeviation([19, 0], padding="valid", dtype=WIDE)(x))
    assert found.shape == (3, 1, 2)
    np.testing.assert_allclose(found[:, 0], x.std(axis=1), rtol=20 * EPS)


def test_masked_steps_are_left_out_and_come_out_as_zero():
    x = RNG.normal(size=(2, 9, 3))
    mask = np.ones((2, 9), dtype=bool)
    mask[0, 5:] = mask[1, 3] = False
    hidden = np.where(mask[..., None], x, np.nan)
    far = np.where(mask[..., None], x, 1e30)  # of which nothing may be seen
    mean, deviation = brute_force(hidden, [(1, 1)])
    for layer, expected in [
        (LocalMean(3, dtype=WIDE), mean),
        (LocalStandardDeviation(3, dtype=WIDE), deviation),
        (LocalNormalization(3, dtype=WIDE), (x - mean) / np.where(deviation > 0, deviation, 1)),
    ]:
        found = numbers(layer(far, mask=mask))
        expected = np.where(mask[..., None], expected, 0.0)
        np.testing.assert_allclose(found, expected, rtol=100 * EPS, atol=100 * EPS)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_mask_of_an_image_stands_for_its_channels(layer):
    x = RNG.normal(size=(2, 5, 6, 3))
    mask = RNG.random((2, 5, 6)) < 0.7
    last = numbers(layer(3, dtype=WIDE)(x, mask=mask))
    first = layer(3, dtype=WIDE, data_format="channels_first")(np.moveaxis(x, -1, 1), mask=mask)
    np.testing.assert_array_equal(np.moveaxis(numbers(first), 1, -1), last)
    assert (last[~mask] == 0).all()


def test_a_window_of_nan_alone_is_nan_and_its_neighbours_are_not():
    x = A.copy()
    x[0, 2:7] = np.nan
    for layer in (LocalMean(3), LocalStandardDeviation(3)):
        is_nan = np.isnan(numbers(layer(x)).ravel())
        assert np.flatnonzero(is_nan).tolist() == [3, 4, 5]
    is_nan = np.isnan(numbers(LocalNormalization(3)(x)).ravel())
    assert np.flatnonzero(is_nan).tolist() == [2, 3, 4, 5, 6]


def test_an_infinite_value_is_seen_by_its_neighbours_alone():
    x = A.copy()
    x[0, 9] = np.inf
    found = numbers(LocalStandardDeviation(3)(x)).ravel()
    assert np.isfinite(found).tolist() == [True] * 8 + [False] * 2


def test_constant_stretches_normalise_to_zero_in_every_unit():
    x = np.concatenate([np.full(5, 0.1), 1.0 + RNG.normal(size=5)])
    for unit in (1e-15, 1.0, 1e15):
        found = numbers(LocalNormalization([2, 0])((unit * x).reshape(1, 10, 1)))
        assert (found[0, :5] == 0).all()
        assert np.isfinite(found).all()
        assert np.abs(found[0, 6:]).max() > 0.5


# Gradients


@pytest.mark.parametrize("padding", ["shrink", "valid", "same", "reflect"])
@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradient_is_that_of_finite_differences(layer, padding):
    x = RNG.normal(size=(1, 7, 2)).astype(WIDE)
    weights = RNG.normal(size=(1, 7 if padding != "valid" else 4, 2)).astype(WIDE)
    layer = layer([2, 1], padding=padding, dtype=WIDE)
    assert_gradient_is_right(lambda x: keras.ops.multiply(layer(x), weights), x)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradient_over_two_axes_with_missing_values_is_right(layer):
    x = RNG.normal(size=(1, 4, 5, 1)).astype(WIDE)
    mask = np.ones((1, 4, 5), dtype=bool)
    mask[0, 1, 2] = False
    layer = layer(3, dtype=WIDE)
    assert_gradient_is_right(
        lambda x: keras.ops.square(layer(x, mask=np.repeat(mask, len(x), axis=0))), x
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_missing_values_leave_the_gradient_of_the_others_right(layer):
    x = RNG.normal(size=(1, 9, 1)).astype(WIDE)
    layer, hole = layer(3, dtype=WIDE), np.isin(np.arange(9), [3, 6, 7, 8]).reshape(1, 9, 1)

    def function(x):
        y = layer(keras.ops.where(hole, float("nan"), x))
        return keras.ops.square(keras.ops.where(keras.ops.isnan(y), keras.ops.zeros_like(y), y))

    assert_gradient_is_right(function, x)


@pytest.mark.parametrize("x", [np.full((1, 6, 1), 5.0), np.zeros((1, 6, 1)), A], ids=str)
@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradient_is_finite_where_nothing_varies(layer, x):
    x = x.astype("float32")
    x[:, :3] = x[:, :1]
    assert np.isfinite(gradient(layer(3), x)).all()
    x[:, 1] = np.nan
    layer = layer(3)
    found = gradient(lambda x: keras.ops.where(keras.ops.isnan(layer(x)), 0.0, layer(x)), x)
    assert np.isfinite(found).all()


def test_the_gradient_of_a_standard_deviation_of_zero_is_zero():
    x = np.full((1, 6, 1), 5.0, dtype="float32")
    np.testing.assert_array_equal(gradient(LocalStandardDeviation(3), x), 0.0)


# Bad input


@pytest.mark.parametrize(
    "window", [0, -3, 2.5, "3", None, True, [1, -1], [3, 5, 7], [], [[1, 1], 3]]
)
def test_a_window_that_is_none_is_refused(window):
    with pytest.raises(ValueError, match=r"window must be a length of at least 1, a pair .* got"):
        LocalMean(window)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("padding", ["shrink", "valid", "same", "reflect"])
def test_a_window_that_is_longer_than_the_axis_is_refused(layer, padding):
    expected = r"window holds 11 steps, but axis 1 of the data, of shape \(1, 10, 1\), has 10"
    with pytest.raises(ValueError, match=expected):
        layer(11, padding=padding)(A)
    with pytest.raises(ValueError, match=r"window holds 11 steps, but axis 2"):
        layer(11, data_format="channels_first")(keras.Input((1, 10)))


@pytest.mark.parametrize("layer", [LocalStandardDeviation, LocalNormalization])
def test_a_ddof_that_is_not_below_the_window_is_refused(layer):
    with pytest.raises(ValueError, match=r"ddof=1 and a window of 1\. Use a longer window"):
        layer(1, ddof=1)
    with pytest.raises(ValueError, match=r"ddof must be 0 .* got 2"):
        layer(3, ddof=2)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 3, 3, 3, 3)])
def test_another_rank_is_refused(shape):
    with pytest.raises(
        ValueError, match=r"'mean' takes a batch with 1 to 3 spatial axes .* x\[\.\.\., None\]"
    ):
        LocalMean(3, name="mean")(np.ones(shape))


def test_windows_for_another_number_of_axes_are_refused():
    with pytest.raises(ValueError, match=r"windows for 2 axes .* have 1 spatial axes"):
        LocalMean([[1, 1], [2, 0]])(A)


def test_other_parameters_are_refused():
    with pytest.raises(ValueError, match="padding must be one of shrink, valid, same, reflect"):
        LocalMean(3, padding="full")
    with pytest.raises(ValueError, match="data_format must be one of channels_last, channels_f"):
        LocalMean(3, data_format="last")
