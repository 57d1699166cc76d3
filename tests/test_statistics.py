"""Statistics against exact arithmetic, and what cuts arrays into blocks."""

import time
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest

from sklearn_keras_scaling import _blocks
from sklearn_keras_scaling._blocks import Layout
from sklearn_keras_scaling.statistics import Extremes, Moments, Values, merge_all

EPS = np.finfo(float).eps
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=1000)
HARD = {
    "well-behaved": 5 + 2 * NORMAL,
    "offset 1e9, deviation 1e-3": 1e9 + 1e-3 * NORMAL,
    "offset 1e6 in float32": (1e6 + NORMAL).astype(np.float32),
    "small unit": 1e-20 * (3 + NORMAL),
    "large unit in float32": (1e20 * (3 + NORMAL)).astype(np.float32),
    "float16": (100 + NORMAL).astype(np.float16),
    "drift": np.linspace(0, 1e9, 1000),
    "heavy tails": RNG.standard_cauchy(1000),
    "one outlier, first": np.r_[1e12, 1e9 + NORMAL],
    "integers beyond int8": np.tile(np.array([127, -128, 127], dtype=np.int8), 300),
    "two rows": np.array([1e9, 1e9 + 1e-6]),
}


def exact(x):
    values = [Fraction(float(v)) for v in x]
    mean = sum(values) / len(values)
    return mean, sum((v - mean) ** 2 for v in values) / len(values)


def moments(x):
    X = x.reshape(-1, 1)
    return Moments.of(X, Layout.of(X.shape, -1))


def errors(found, x):
    """Errors of the mean, kept in two parts, in deviations, and of the variance, relative."""
    mean, variance = exact(x)
    in_two_parts = Fraction(float(found.shift[0])) + Fraction(float(found.residual[0]))
    deviation = sqrt(variance)
    return (
        float(abs(in_two_parts - mean)) / deviation,
        float(abs(Fraction(float(found.variance[0])) - variance) / variance),
    )


@pytest.mark.parametrize("case", HARD)
def test_moments_are_those_of_exact_arithmetic(case):
    in_mean, in_variance = errors(moments(HARD[case]), HARD[case])
    assert in_mean <= 4 * EPS
    assert in_variance <= 8 * EPS


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("cuts", [(1,), (1, 2, 3), (500,), (0, 7, 999)])
def test_merged_moments_are_those_of_exact_arithmetic(case, cuts):
    x = HARD[case]
    parts = [moments(part) for part in np.split(x, [cut for cut in cuts if cut < len(x)])]
    in_mean, in_variance = errors(merge_all(parts), x)
    assert in_mean <= 1e-12
    assert in_variance <= 1e-12


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3e-20, 1e9 + 1e-3, 7e30])
@pytest.mark.parametrize("n", [1, 2, 10, 100_000])
def test_a_constant_column_has_variance_0_exactly(value, n):
    found = moments(np.full(n, value))
    assert found.mean == value
    assert found.variance == 0


@pytest.mark.parametrize("misleading", [0.0, np.nan])
def test_a_first_guess_that_is_far_off_is_mended(misleading):
    x = 1e9 + 1e-3 * RNG.normal(size=33 * 1000)
    x[::1000] = misleading  # the values that the guess is made from
    present = x[~np.isnan(x)]
    in_mean, in_variance = errors(moments(x), present)
    assert in_mean <= 4 * EPS
    assert in_variance <= 8 * EPS


@pytest.mark.parametrize("shape", [(1000, 7), (70, 12, 9), (40, 3, 8, 8), (5, 4, 3, 2, 2)])
@pytest.mark.parametrize("axis", [-1, 1, None, (1, 2), (1, -1)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("block", [50, 160_000])
def test_any_layout_is_that_of_rows(shape, axis, order, block, monkeypatch):
    if len(shape) == 2 and isinstance(axis, tuple):
        axis = axis[0]
    if len(shape) == 3 and axis == (1, -1):
        axis = (2, 1)
    monkeypatch.setattr(_blocks, "BLOCK", block)  # small blocks: all ways of cutting
    X = np.asarray(RNG.normal(3, 2, size=shape), order=order)
    layout = Layout.of(shape, axis)
    rows = layout.rows(X)
    found = Moments.of(X, layout)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.variance, rows.var(axis=0), rtol=1e-12)
    extremes = Extremes.of(X, layout)
    np.testing.assert_array_equal(extremes.low, rows.min(axis=0))
    np.testing.assert_array_equal(extremes.high, rows.max(axis=0))
    quantiles = Values.of(X, layout).quantiles([0.1, 0.5, 0.75])
    np.testing.assert_allclose(quantiles, np.quantile(rows, [0.1, 0.5, 0.75], axis=0), rtol=1e-14)


@pytest.mark.parametrize("n_threads", [2, 3, 5])
@pytest.mark.parametrize("shape", [(90_000, 5), (100_003, 3), (2, 3, 90_000)])
def test_the_number_of_threads_changes_no_bit(shape, n_threads, monkeypatch):
    X = RNG.normal(size=shape).astype(np.float32)
    X.ravel()[::1001] = np.nan
    layout = Layout.of(shape, 1)
    monkeypatch.setattr(_blocks, "_THREADED", 0)
    found = []
    for number in (1, n_threads):
        monkeypatch.setattr(_blocks, "cpu_count", lambda number=number: number)
        monkeypatch.setenv("OMP_NUM_THREADS", "99")
        found.append(Moments.of(X, layout))
    for name in ("count", "shift", "residual", "m2"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


def test_an_error_on_one_core_stops_all(monkeypatch):
    monkeypatch.setattr(_blocks, "cpu_count", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    X = np.broadcast_to(0.0, (2 * _blocks._THREADED,))
    places, done = range(1600), []

    def work(own):
        for place in own:
            if place == 0:
                raise ValueError("at the first place")
            time.sleep(1e-3)  # as reading does, it lets the other thread run
            done.append(place)
            yield 0

    with pytest.raises(ValueError, match="at the first place"):
        _blocks.run(work, places, X)
    assert len(done) < len(places) / 2  # a sixteenth, that was begun, and what a busy machine adds


def test_wide_arrays_need_no_more_memory_for_their_block_statistics():
    X = np.ones((3, 5000), dtype=np.float32)
    calls = []

    def kernel(block, columns, scratch):
        calls.append(block.shape)
        return (block.sum(axis=(0, 2)),)

    wide = np.broadcast_to(X[:, :, None], (3, 5000, 1))
    whole = np.repeat(wide, 40, axis=0)
    found = _blocks.reduce_blocks(whole, kernel, np.zeros(5000), 1)
    assert max(np.prod(shape) for shape in calls) <= _blocks.BLOCK
    assert found.nbytes < whole.nbytes / 10
    np.testing.assert_array_equal(found.sum(axis=1), np.full((1, 5000), 120.0))


@pytest.mark.parametrize("n", [1, 2, 5, 100])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, bool])
def test_quantiles_are_numpys(n, dtype):
    X = (RNG.normal(size=(n, 3)) * 20).astype(dtype)
    asked = [0.0, 0.25, 0.5, 0.9, 1.0]
    found = Values.of(X, Layout.of(X.shape, -1)).quantiles(asked)
    expected = np.quantile(X.astype(float), asked, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_fractional_weights_count_by_their_proportions():
    X = RNG.normal(size=(200, 2))
    weight = RNG.uniform(0.1, 1, size=200)
    layout = Layout.of(X.shape, -1)
    asked = [0.25, 0.5, 0.75]
    found = Values.of(X, layout, weight / weight.sum()).quantiles(asked)
    np.testing.assert_allclose(
        found, Values.of(X, layout, weight * 100).quantiles(asked), rtol=1e-9
    )
    equal = Values.of(X, layout, np.full(200, 0.3)).quantiles(asked)
    np.testing.assert_allclose(equal, np.quantile(X, asked, axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    ("shape", "axis", "message"),
    [
        ((5, 3), 2, r"axis=2 and X of shape \(5, 3\): axis names the axes.*from 1 to 1 here"),
        ((5, 3), -3, r"axis=-3 .* from 1 to 1 here"),
        ((5, 3, 2), 0, r"axis 0 holds the samples. Leave it out; axis=None takes one"),
        ((5, 3, 2), (1, -3), r"axis 0 holds the samples"),
        ((5, 3, 2), (1, -2), r"axis=\(1, -2\) .* each once"),
    ],
)
def test_an_axis_that_cannot_be_kept_is_explained(shape, axis, message):
    with pytest.raises(ValueError, match=message):
        Layout.of(shape, axis)


def test_a_layout_reads_well():
    assert str(Layout.of((5, 12, 9), -1)) == "(any, 9)"
    assert str(Layout.of((5, 9), -1)) == "(9,)"
