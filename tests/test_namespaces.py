"""What graphs compute by formulas of their own, against NumPy and SciPy."""

import keras
import numpy as np
import pytest
from scipy import special, stats

from sklearn_keras_scaling.bridge import widest_float
from sklearn_keras_scaling.maps import _namespaces

from .test_bridge_laws import gradient

WIDE = widest_float()
RNG = np.random.default_rng(0)
N = 20000  # always as many: JAX compiles for each shape
SIZES = np.geomspace(1e-300, 1e37, 20001)
NEAR = RNG.uniform(-0.9, 3.0, 20001)
TAILS = np.geomspace(2e-11, 0.5, 10001)

#: The function, where it is tried, its derivative, and how many roundings of its size (ndtr: of 1)
#: it may be off, and of 1 plus its size the derivative. Beside them what is measured, the largest
#: of float64, and of float32.
FUNCTIONS = {
    "log": (
        np.log,
        np.r_[SIZES, np.abs(NEAR), 1 + SIZES],
        np.reciprocal,
        (6, 3),  # 3.6 and 1.2; 1.5 and 1.2
    ),
    "log1p": (
        np.log1p,
        np.r_[SIZES, -SIZES[SIZES < 0.999], NEAR],
        lambda x: 1 / (1 + x),
        (6, 3),  # 4.4 and 2.2; 1.1 and 1.1
    ),
    "expm1": (
        np.expm1,
        np.r_[-SIZES, SIZES[SIZES < 80], -10 * NEAR, NEAR],
        np.exp,
        (6, 3),  # 2.5 and 2.5; 1.5 and 1.3
    ),
    "ndtri": (
        special.ndtri,
        np.r_[TAILS, 1 - TAILS, RNG.uniform(1e-6, 1 - 1e-6, 10001)],
        lambda p: 1 / stats.norm.pdf(special.ndtri(p)),
        (6, 400),  # 3.7 and 3.1; 233 and 19, since the last digit of p is far in the tail
    ),
    "ndtr": (
        special.ndtr,
        np.r_[RNG.uniform(-8, 8, 20001), -SIZES, SIZES],
        stats.norm.pdf,
        (2, 30),  # 1.0 and 0.9; 18 and 1.9
    ),
}


def points(name, dtype):
    """Return numbers of that precision that both can be asked for."""
    exact, x, _, _ = FUNCTIONS[name]
    x = np.where(np.abs(x) < 1e-37, 0.5, x) if dtype == "float32" else x
    x = x.astype(dtype).astype(np.float64)
    x = x[np.isfinite(exact(x)) & (np.abs(x) < 1e37)]
    return np.sort(RNG.choice(x, N))


each_precision = pytest.mark.parametrize("dtype", sorted({WIDE, "float32"}))


def namespace(dtype):
    return keras.ops if dtype == WIDE else _namespaces.InFloat32(keras.ops)


@each_precision
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")
def test_a_formula_has_the_digits_of_numpy_and_scipy(name, dtype):
    x, (exact, _, _, (steps, _)) = points(name, dtype), FUNCTIONS[name]
    function = getattr(_namespaces, name)
    np.testing.assert_array_equal(function(x, np), exact(x))
    found = function(keras.ops.convert_to_tensor(x, dtype), namespace(dtype))
    found = keras.ops.convert_to_numpy(found)
    assert found.dtype == dtype
    size = np.ones_like(x) if name == "ndtr" else np.abs(exact(x))
    error = np.abs(found - exact(x)) / np.fmax(size, np.finfo(dtype).tiny)
    assert error.max() < steps * np.finfo(dtype).eps


@each_precision
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value|overflow):RuntimeWarning")
def test_a_formula_has_the_slope_of_the_function(name, dtype):
    x, (_, _, derivative, (_, steps)) = points(name, dtype), FUNCTIONS[name]
    function, xp = getattr(_namespaces, name), namespace(dtype)
    # Nearer to 0 and 1, or further, some derivatives are no numbers in float32.
    low, high = {"log": (1e-6, 1e6), "ndtri": (1e-6, 1 - 1e-6)}.get(name, (-1e6, 1e6))
    x = np.clip(x, low, high).astype(dtype)
    found = gradient(lambda x, _: function(x, xp), x) - 1.0  # the sum of x itself
    expected = derivative(x.astype(np.float64))
    error = np.abs(found - expected) / (1.0 + np.abs(expected))
    assert error.max() < steps * np.finfo(dtype).eps


@pytest.mark.parametrize(
    ("name", "x"),
    [
        ("log", [0.0, -1.0, np.inf, np.nan, 1.0]),
        ("log1p", [-1.0, -2.0, np.inf, np.nan, 0.0]),
        ("expm1", [-np.inf, np.inf, np.nan, 0.0, 1e4]),
        ("ndtr", [-np.inf, np.inf, np.nan, 40.0, -40.0]),
        ("ndtri", [np.nan, 0.5]),
    ],
)
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value|overflow):RuntimeWarning")
def test_a_formula_ends_where_the_function_does(name, x):
    x = np.resize(x, N)
    found = getattr(_namespaces, name)(keras.ops.convert_to_tensor(x, WIDE), keras.ops)
    expected = FUNCTIONS[name][0](x)
    found = keras.ops.convert_to_numpy(found)
    np.testing.assert_allclose(found, expected, atol=np.finfo(WIDE).eps)
