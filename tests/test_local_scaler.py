"""LocalStandardScaler on the host and as a graph; its formula is tested in test_layers.py."""

import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_keras_scaling import (
    LocalNormalization,
    LocalStandardScaler,
    ScaledKerasRegressor,
    StandardScaler,
    certify,
    to_keras,
)

from . import ONE_EPOCH
from .layers import WIDE, brute_force, numbers

RNG = np.random.default_rng(0)
X = np.cumsum(RNG.normal(size=(30, 40, 3)), axis=1)
EPS = np.finfo(np.float64).eps

#: A table is one series a row with axis=None alone, and scikit-learn's have two columns or more,
#: but for this one.
TOO_SHORT = {
    "check_fit2d_1feature": "a series of one step is shorter than the window, as the error says"
}


@parametrize_with_checks(
    [LocalStandardScaler(1, axis=None), LocalStandardScaler(2, axis=None)],
    expected_failed_checks=lambda estimator: TOO_SHORT if estimator.window == 2 else {},
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@st.composite
def cases(draw):
    n_axes = draw(st.integers(1, 3))
    pairs = [draw(st.tuples(*[st.integers(0, 3)] * 2)) for _ in range(n_axes)]
    lengths = [sum(pair) + draw(st.integers(1, 4)) for pair in pairs]
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    X = draw(st.sampled_from([0.0, 1e9])) + rng.normal(size=(2, *lengths, 2))
    if draw(st.booleans()):
        X[rng.random(X.shape) < 0.2] = np.nan
    padding = draw(st.sampled_from(["shrink", "same", "reflect"]))
    return X, pairs, padding, int(draw(st.booleans()) and np.prod(np.add(pairs, 1)) > 1)


@given(cases(), st.booleans())
def test_any_window_is_what_two_passes_over_it_give(case, is_last):
    X, pairs, padding, ddof = case
    mean, deviation = brute_force(X, pairs, padding, ddof)
    scale = np.where(deviation > EPS * np.abs(mean), deviation, 1.0)
    # The two passes of the test round their mean: that is their own error, and not ours.
    bound = 10 * EPS * np.abs(np.nan_to_num(mean)) / np.nan_to_num(scale, nan=1.0)
    scaler = LocalStandardScaler(pairs, ddof=ddof, padding=padding, axis=-1 if is_last else 1)
    given_X = X if is_last else np.moveaxis(X, -1, 1)
    found = scaler.fit_transform(given_X)
    found = found if is_last else np.moveaxis(found, 1, -1)
    expected = (X - mean) / scale
    np.testing.assert_array_equal(np.isnan(found), np.isnan(X))
    assert (np.abs(np.nan_to_num(found - expected)) <= bound + 1000 * EPS).all()


def test_float32_is_computed_in_float64_and_rounded_once():
    narrow = (1e4 + X).astype(np.float32)
    found = LocalStandardScaler(5).fit_transform(narrow)
    assert found.dtype == np.float32
    wide = LocalStandardScaler(5).fit_transform(narrow.astype(np.float64))
    np.testing.assert_array_equal(found, wide.astype(np.float32))
    whole = np.round(X).astype(np.int16)
    np.testing.assert_array_equal(
        LocalStandardScaler(5).fit_transform(whole),
        LocalStandardScaler(5).fit_transform(whole.astype(np.float64)),
    )


def test_samples_are_independent_and_steps_may_vary():
    scaler = LocalStandardScaler([3, 1]).fit(X)
    together = scaler.transform(X)
    np.testing.assert_array_equal(scaler.transform(X[7:9]), together[7:9])
    np.testing.assert_array_equal(scaler.transform(X[:, :20])[:, :18], together[:, :18])


def test_a_window_of_the_past_sees_no_future():
    changed = X.copy()
    changed[:, 20:] += 100
    scaler = LocalStandardScaler([4, 0]).fit(X)
    np.testing.assert_array_equal(scaler.transform(changed)[:, :20], scaler.transform(X)[:, :20])


def test_a_table_has_a_series_in_each_row_where_asked():
    frame = pd.DataFrame(X[:, :5, 0], columns=list("abcde"))
    scaler = LocalStandardScaler(3, axis=None).set_output(transform="pandas").fit(frame)
    found = scaler.transform(frame)
    assert found.columns.tolist() == list("abcde")
    expected = LocalStandardScaler(3).fit_transform(X[:, :5, :1])[..., 0]
    np.testing.assert_array_equal(found.to_numpy(), expected)


def test_what_fit_learns_is_the_typical_spread_and_the_largest_magnitude():
    scaler = LocalStandardScaler(3).fit(X)
    _, deviation = brute_force(X, [(1, 1)])
    np.testing.assert_allclose(scaler.scale_, np.median(deviation, axis=(0, 1)), rtol=10 * EPS)
    np.testing.assert_array_equal(scaler.max_abs_, np.abs(X).max(axis=(0, 1)))
    assert scaler.input_shape_ == (None, 3)
    assert scaler.n_features_in_ == 3


# As a graph


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("padding", ["shrink", "same", "reflect"])
def test_the_model_is_what_the_scaler_computes(padding, axis):
    near = RNG.normal(size=(30, 40, 3))
    scaler = LocalStandardScaler(5, padding=padding, axis=axis)
    scaler.fit(near if axis == -1 else np.moveaxis(near, -1, 1))
    model = to_keras(scaler, dtype=None if WIDE == "float64" else "float32")
    certificate = certify(scaler, model)
    # What to_keras promises of a float32 input, of which the level within windows is known.
    assert certificate.within < (1e-4 if WIDE == "float64" else 1e-3)
    assert all(type(each).__module__.startswith("keras.") for each in model.operations)


@pytest.mark.skipif(WIDE == "float32", reason="JAX without x64 has no float64")
def test_the_inputs_dtype_depends_on_the_level_within_windows():
    assert (
        to_keras(LocalStandardScaler(5).fit(RNG.normal(size=(20, 30, 2)))).input.dtype == "float32"
    )
    far = LocalStandardScaler(5).fit(1e4 + RNG.normal(size=(20, 30, 2)))
    assert to_keras(far).input.dtype == "float64"
    assert certify(far, to_keras(far, dtype="float64")).within < 1e-11


def test_the_model_is_what_the_layer_computes():
    scaler = LocalStandardScaler(5, ddof=1).fit(X)
    model = to_keras(scaler, dtype=WIDE)
    layer = LocalNormalization(5, ddof=1, dtype=WIDE, data_format="channels_last")
    given_X = X.astype(WIDE)
    np.testing.assert_array_equal(numbers(model(given_X)), numbers(layer(given_X)))


def test_a_file_loads_without_this_package(tmp_path):
    scaler = LocalStandardScaler([4, 0]).fit(X)
    to_keras(scaler, dtype="float32").save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X.astype("float32"))
    code = (
        "import sys, keras, numpy as np\n"
        f"x = np.load({str(tmp_path / 'x.npy')!r})\n"
        f"model = keras.saving.load_model({str(tmp_path / 'model.keras')!r})\n"
        f"np.save({str(tmp_path / 'z.npy')!r}, model.predict(x[:, :9], verbose=0))\n"
        "assert 'sklearn_keras_scaling' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, expected = np.load(tmp_path / "z.npy"), scaler.transform(X[:, :9])
    # Where the numbers within a window are near each other, rounding to float32 shows.
    assert np.quantile(np.abs(found - expected), 0.99) < 1e-5


def test_a_pipeline_with_another_scaler_is_exported():
    steps = make_pipeline(LocalStandardScaler(5), StandardScaler()).fit(X)
    model = to_keras(steps, dtype=WIDE)
    assert certify(steps, model).within < (1e-11 if WIDE == "float64" else 1e-3)


@pytest.mark.skipif(WIDE == "float32", reason="JAX without x64 has no float64")
def test_an_estimator_takes_it_as_its_input_scaler():
    def build(input_shape):
        return keras.Sequential(
            [keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(1)]
        )

    y = X[:, -1, 0] - X[:, -3:, 0].mean(axis=1)
    regressor = ScaledKerasRegressor(build, input_scaler=LocalStandardScaler([2, 0]), **ONE_EPOCH)
    regressor.fit(X, y)
    model = to_keras(regressor)
    found = numbers(model(X)).ravel()
    np.testing.assert_allclose(found, regressor.predict(X), rtol=1e-5, atol=1e-6)  # float32 network


# Bad input


def test_a_table_without_an_axis_to_slide_over_is_refused():
    with pytest.raises(ValueError, match=r"no axis to slide over .* one sample, X\[None\]; where"):
        LocalStandardScaler().fit(X[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"window": 0}, r"window must be a length of at least 1"),
        ({"window": [-1, 0]}, r"window must be a length of at least 1"),
        ({"window": 41}, r"window holds 41 steps, but axis 1 .*, of shape \(30, 40, 3\), has 40"),
        ({"window": [[1, 1], [1, 1]]}, r"pairs for 2 axes, but X of shape \(30, 40, 3\) has 1"),
        ({"window": 1, "ddof": 1}, r"ddof=1 and a window of 1"),
        ({"ddof": 2}, r"ddof must be 0 .* or 1"),
        ({"padding": "valid"}, r"'padding' parameter of LocalStandardScaler must be a str among"),
        ({"axis": 0}, r"axis 0 holds the samples"),
        ({"axis": 5}, r"from 1 to 2 here"),
    ],
)
def test_bad_parameters_are_refused_and_leave_the_scaler_as_it_was(parameters, message):
    scaler = LocalStandardScaler(**parameters)
    with pytest.raises(ValueError, match=message):
        scaler.fit(X)
    with pytest.raises(NotFittedError):
        scaler.transform(X)


def test_bad_data_are_refused():
    scaler = LocalStandardScaler().fit(X)
    with pytest.raises(
        ValueError, match=r"samples of shape \(40, 2\), but LocalStandardScaler was"
    ):
        scaler.transform(X[..., :2])
    with pytest.raises(ValueError, match=r"window holds 3 steps, but axis 1 .* has 2"):
        scaler.transform(X[:, :2])
    bad = X.copy()
    bad[1, 2, 0] = np.inf
    with pytest.raises(ValueError, match=r"infinity.*\n.*at index \(1, 2, 0\)"):
        scaler.transform(bad)
    with pytest.raises(ValueError, match="inverse=True needs an inverse_transform"):
        to_keras(scaler, inverse=True)


def test_clones_start_unfitted():
    with pytest.raises(NotFittedError):
        clone(LocalStandardScaler([2, 0]).fit(X)).transform(X)
