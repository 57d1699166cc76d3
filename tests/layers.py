"""What the tests of layers share: windows by brute force, gradients of every backend."""

import keras
import numpy as np

from sklearn_keras_scaling._optional import widest_float

WIDE = widest_float()
EPS = float(np.finfo(WIDE).eps)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def brute_force(x, pairs, padding="shrink", ddof=0):
    """Return mean and standard deviation by two passes in float64; NaN are left out."""
    windows = _windows(np.asarray(x, np.float64), pairs, padding)  # one window in the last axis
    counts = ~np.isnan(windows)
    count = counts.sum(axis=-1)
    with np.errstate(invalid="ignore"):  # of nothing the mean is NaN
        mean = np.where(counts, windows, 0.0).sum(axis=-1) / count
        squares = np.where(counts, windows - mean[..., None], 0.0) ** 2
        deviation = np.sqrt(squares.sum(axis=-1) / np.maximum(count - ddof, 1))
    return mean, np.where(count > 0, deviation, np.nan)


def _windows(x, pairs, padding):
    if padding != "valid":
        mode = "reflect" if padding == "reflect" else "constant"
        fill = {"shrink": {"constant_values": np.nan}, "same": {"constant_values": 0.0}}
        x = np.pad(x, [(0, 0), *pairs, (0, 0)], mode=mode, **fill.get(padding, {}))
    sizes = tuple(before + after + 1 for before, after in pairs)
    axes = tuple(range(1, x.ndim - 1))
    views = np.lib.stride_tricks.sliding_window_view(x, sizes, axis=axes)
    return views.reshape(*views.shape[: x.ndim], -1)


def gradient(function, x):
    """Return the gradient of the sum of ``function(x)``, by the backend that there is."""
    backend = keras.backend.backend()
    total = lambda x: keras.ops.sum(function(x))  # noqa: E731  # a name for a formula
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = total(x)
        return numbers(tape.gradient(y, x))
    if backend == "jax":
        import jax

        # In one piece: each operation would be compiled on its own, and for each shape.
        return numbers(jax.jit(jax.grad(total))(keras.ops.convert_to_tensor(x)))
    x = keras.ops.convert_to_tensor(x).requires_grad_()
    total(x).backward()
    return numbers(x.grad)


def assert_gradient_is_right(function, x):
    """Compare with central differences, of one sample; their error is h**2 and rounding / h."""
    step = EPS ** (1 / 3)
    moves = (step * np.eye(x.size)).reshape(x.size, *x.shape[1:]).astype(x.dtype)
    above, below = (
        numbers(function(x + moves * sign)).astype(np.float64).reshape(x.size, -1).sum(axis=1)
        for sign in np.array([1, -1], dtype=x.dtype)
    )
    expected = ((above - below) / (2 * step)).reshape(x.shape)
    bound = 300 * EPS ** (2 / 3)
    np.testing.assert_allclose(gradient(function, x), expected, rtol=bound, atol=bound)
