"""What NumPy and ``keras.ops`` do not do alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

#: Between these, log1p is a polynomial: sqrt(1/2) - 1 and sqrt(2) - 1, rounded inwards.
_NEAR = (-0.29, 0.41)
#: Of s**2, where log(1 + x) = 2 s + s**3 (...) and s = x / (2 + x): FreeBSD's, from e_log.c.
_LOG1P = (
    *(1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01),
    *(2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01),
    6.666666666666735130e-01,
)
#: Below this size, expm1 is a rational function: log(2) / 2, rounded inwards.
_HALF_LOG_2 = 0.34
#: Of x**2 / 2: FreeBSD's, from s_expm1.c.
_EXPM1 = (
    *(-2.01099218183624371326e-07, 4.00821782732936239552e-06, -7.93650757867487942473e-05),
    *(1.58730158725481460165e-03, -3.33333333333331316428e-02),
)
#: Between 0.075 and 0.925: of 0.425**2 - (p - 0.5)**2.
_NDTRI = (
    (
        *(2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4),
        *(4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3),
        *(1.3314166789178437745e2, 3.3871328727963666080),
    ),
    (
        *(5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4),
        *(2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2),
        *(4.2313330701600911252e1, 1.0),
    ),
)
#: Beyond: of sqrt(-log(p)) - 1.6.
_NDTRI_TAIL = (
    (
        *(7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1),
        *(1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550),
        *(4.63033784615654529590, 1.42343711074968357734),
    ),
    (
        *(1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2),
        *(1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940),
        *(2.05319162663775882187, 1.0),
    ),
)
#: Of the size of z: the tail over exp(-z**2 / 2).
_NDTR = (
    (
        *(3.52624965998911e-2, 7.00383064443688e-1, 6.37396220353165, 3.3912866078383e1),
        *(1.12079291497871e2, 2.21213596169931e2, 2.20206867912376e2),
    ),
    (
        *(8.83883476483184e-2, 1.75566716318264, 1.6064177579207e1, 8.67807322029461e1),
        *(2.96564248779674e2, 6.37333633378831e2, 7.93826512519948e2, 4.40413735824752e2),
    ),
)


def number(value: float) -> np.ndarray:
    """Return a constant of an operation, as an array of shape (1,).

    A Python or NumPy scalar is a float32 to Keras on PyTorch, and so is an array without
    axes once a model was saved and loaded.
    """
    return np.array([value], dtype=np.float64)


class InFloat32:
    """A namespace whose constants are float32: what enters in float32 is computed in it.

    Examples
    --------
    >>> xp = InFloat32(np)
    >>> print(xp.subtract(np.float32([1.0]), number(0.5)).dtype)
    float32
    """

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    def __getattr__(self, name: str) -> Any:
        """Return the function of that name, with float64 arrays rounded before."""
        function = getattr(self._xp, name)
        return lambda *args, **kwargs: function(*map(_in_float32, args), **kwargs)


def _in_float32(given: Any) -> Any:
    is_wide = isinstance(given, np.ndarray) and given.dtype == np.float64
    return given.astype(np.float32) if is_wide else given


def is_narrow(xp: Any) -> bool:
    """Return whether a graph computes in float32: on JAX without x64, and where it is asked for."""
    # Not by a tensor's dtype: on JAX, Keras says float32 of those that will be float64.
    return is_graph(xp) and "float32" in str(xp.convert_to_tensor(number(1.0)).dtype)


def is_graph(xp: Any) -> bool:
    """Return whether a namespace is that of graphs, and none of NumPy's that writes into arrays."""
    return hasattr(xp, "convert_to_tensor")


def tolerances(columns: Sequence[Any], xp: Any) -> list[np.ndarray]:
    """Return how far numbers that were computed may be from those of a table and still be them.

    A billionth of the range of a column's finite entries (in float32 a millionth), and some
    roundings of the largest; never more than an eighth of the way to the next entry, so that
    none becomes another.
    """
    share, eps = (1e-6, 2.0**-23) if is_narrow(xp) else (1e-9, 2.0**-52)
    found = []
    for column in columns:
        entries = np.asarray(column, dtype=np.float64)
        finite = entries[np.isfinite(entries)]
        distinct, place = np.unique(finite, return_inverse=True)
        gaps = np.concatenate([[np.inf], np.diff(distinct), [np.inf]])
        size = share * np.ptp(finite) + 32 * eps * np.abs(finite).max() if len(finite) else 0.0
        tolerance = np.zeros_like(entries)
        nearest = np.minimum(gaps[:-1], gaps[1:]) / 8
        tolerance[np.isfinite(entries)] = np.minimum(size, nearest)[place]
        found.append(tolerance)
    return found


def has_twins(entries: np.ndarray, eps: float) -> bool:
    """Return whether a sorted table has different entries that are some roundings apart."""
    finite = entries[np.isfinite(entries)]
    gaps = np.diff(finite)
    return bool(np.any((gaps > 0) & (gaps < 32 * eps * np.abs(finite).max(initial=0.0))))


def at_most(x: Any, limit: Any, xp: Any) -> Any:
    """Return the smaller one; ``keras.ops.minimum`` makes float32 of all on PyTorch."""
    return xp.where(xp.greater(x, limit), limit, x)


def at_least(x: Any, limit: Any, xp: Any) -> Any:
    """Return the larger one; NaN stays NaN."""
    return xp.where(xp.less(x, limit), limit, x)


def project(x: Any, matrix: np.ndarray, xp: Any) -> Any:
    """Return ``x @ matrix.T``; ``keras.ops.matmul`` makes float32 of float64 on PyTorch."""
    if xp is np:
        return x @ matrix.T
    # No ellipsis: with one, TensorFlow 2.19 makes wrong numbers of float32.
    axes = "abcde"[: len(x.shape) - 1]
    return xp.einsum(f"{axes}f,kf->{axes}k", x, matrix)


def squashed(x: Any, xp: Any) -> Any:
    """Return ``x / sqrt(1 + x**2)``, also where the square would overflow.

    NumPy has it as ``tanh(arcsinh(x))``, which may write over ``x``; on JAX, ``keras.ops`` makes
    float32 of hyperbolic functions.
    """
    if not is_graph(xp):
        return xp.tanh(xp.arcsinh(x))
    one = number(1.0)
    is_near = xp.less(xp.abs(x), one)
    near = xp.where(is_near, x, number(0.0))
    share = xp.divide(near, xp.sqrt(xp.add(xp.square(near), one)))
    rest = xp.divide(one, xp.where(is_near, one, x))
    sign = xp.where(xp.less(x, 0.0), number(-1.0), one)
    return xp.where(is_near, share, xp.divide(sign, xp.sqrt(xp.add(xp.square(rest), one))))


def unsquashed(z: Any, xp: Any) -> Any:
    """Return ``z / sqrt(1 - z**2)``: infinities at -1 and 1, NaN beyond."""
    if not is_graph(xp):
        return xp.sinh(xp.arctanh(z))
    one = number(1.0)  # its distance from z is exact, that of the square is not
    return xp.divide(z, xp.sqrt(xp.multiply(xp.subtract(one, z), xp.add(z, one))))


def log(x: Any, xp: Any) -> Any:
    """Return the natural logarithm; in a graph within 7e-16 of its size."""
    return np.log(x) if xp is np else _log(xp.subtract(x, number(1.0)), x, xp)


def log1p(x: Any, xp: Any) -> Any:
    """Return ``log(1 + x)``, in a graph within 8e-16 of its size, near zero too.

    By a polynomial there: ONNX and LiteRT have no such operation.
    """
    return np.log1p(x) if xp is np else _log(x, xp.add(x, number(1.0)), xp)


def _log(beyond: Any, x: Any, xp: Any) -> Any:
    """Return the logarithm of ``x``, given with its digits by how far it is beyond 1."""
    low, high = _NEAR
    is_near = xp.logical_and(xp.greater(beyond, number(low)), xp.less(beyond, number(high)))
    near = xp.clip(beyond, low, high)  # what is far stays finite in the branch that is not taken
    share = xp.divide(near, xp.add(near, number(2.0)))
    square = xp.square(share)
    rest = xp.subtract(near, xp.multiply(square, _polynomial(_LOG1P, square, xp)))
    return xp.where(is_near, xp.subtract(near, xp.multiply(share, rest)), _far_log(x, xp))


def _far_log(x: Any, xp: Any) -> Any:
    """Return the logarithm of what is not next to 1.

    Whatever it is computed in, the exponential function tells what it is off: tf2onnx writes the
    logarithm of a float64 in float32.
    """
    found = xp.log(x)
    if is_narrow(xp):
        return found
    low, high = 1e-37, 1e37  # float32 has no more
    is_usual = xp.logical_and(xp.greater(x, number(low)), xp.less(x, number(high)))
    again = xp.exp(xp.negative(xp.clip(found, -86.0, 86.0)))
    off = xp.subtract(xp.multiply(xp.clip(x, low, high), again), number(1.0))
    off = xp.where(is_usual, off, number(0.0))
    off = xp.subtract(off, xp.multiply(xp.square(off), number(0.5)))
    return xp.add(found, off)


def expm1(x: Any, xp: Any) -> Any:
    """Return ``exp(x) - 1``, in a graph within 5.7e-16 of its size, near zero too.

    By a rational function there: ONNX and LiteRT have no such operation. Not by ``tanh``, which
    Keras computes in float32 on JAX.
    """
    if xp is np:
        return np.expm1(x)
    is_near = xp.logical_and(xp.greater(x, number(-_HALF_LOG_2)), xp.less(x, number(_HALF_LOG_2)))
    near = xp.clip(x, -_HALF_LOG_2, _HALF_LOG_2)
    half = xp.multiply(near, number(0.5))
    square = xp.multiply(near, half)
    series = xp.add(xp.multiply(square, _polynomial(_EXPM1, square, xp)), number(1.0))
    rest = xp.subtract(number(3.0), xp.multiply(series, half))
    share = xp.divide(xp.subtract(series, rest), xp.subtract(number(6.0), xp.multiply(near, rest)))
    small = xp.multiply(xp.subtract(xp.multiply(near, share), number(1.0)), square)
    return xp.where(is_near, xp.subtract(near, small), xp.add(xp.exp(x), number(-1.0)))


def ndtri(p: Any, xp: Any) -> Any:
    """Return the normal distribution's quantile function of ``p``, from 2e-11 to 1 - 2e-11.

    In a graph by Wichura's rational functions (AS 241), within 6.1e-16 of its size: no runtime
    has the inverse error function.
    """
    if xp is np:
        return special.ndtri(p)
    centred = xp.subtract(p, number(0.5))
    share = xp.subtract(number(0.425**2), xp.square(centred))
    central = xp.multiply(centred, _rational(_NDTRI, share, xp))
    # Not by abs, of which 0.5 has no slope; nor from what is centred, which has lost digits.
    is_low = xp.less(p, number(0.5))
    tail = xp.where(is_low, p, xp.subtract(number(1.0), p))
    depth = xp.subtract(xp.sqrt(xp.negative(_far_log(tail, xp))), number(1.6))
    sign = xp.where(is_low, number(-1.0), number(1.0))
    outer = xp.multiply(sign, _rational(_NDTRI_TAIL, depth, xp))
    return xp.where(xp.greater_equal(share, number(0.0)), central, outer)


def ndtr(z: Any, xp: Any) -> Any:
    """Return the normal distribution function of ``z``.

    In a graph by Hart's rational function (5666), 1.9e-16 off: ONNX Runtime has the error function
    for float32 alone.
    """
    if xp is np:
        return special.ndtr(z)
    near = xp.clip(z, -37.0, 37.0)  # beyond, the exponential is 0 and its factor no number
    is_low = xp.less(near, number(0.0))
    size = xp.where(is_low, xp.negative(near), near)
    density = xp.exp(xp.multiply(xp.square(near), number(-0.5)))
    tail = xp.multiply(density, _rational(_NDTR, size, xp))
    return xp.where(is_low, tail, xp.subtract(number(1.0), tail))


def _polynomial(coefficients: Sequence[float], x: Any, xp: Any) -> Any:
    """Return the polynomial at ``x``; the coefficient of the highest power comes first."""
    first, second, *others = map(number, coefficients)
    value = xp.add(xp.multiply(x, first), second)
    for other in others:
        value = xp.add(xp.multiply(value, x), other)
    return value


def _rational(coefficients: tuple[Sequence[float], Sequence[float]], x: Any, xp: Any) -> Any:
    above, below = (_polynomial(each, x, xp) for each in coefficients)
    return xp.divide(above, below)
