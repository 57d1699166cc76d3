"""What NumPy and ``keras.ops`` do not do alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special


def number(value: float) -> np.ndarray:
    """Return a constant of an operation, as an array of shape (1,).

    A Python or NumPy scalar is a float32 to Keras on PyTorch, and so is an array without
    axes once a model was saved and loaded.
    """
    return np.array([value], dtype=np.float64)


def is_narrow(xp: Any) -> bool:
    """Return whether a graph computes in float32: on JAX without x64."""
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
    return x @ matrix.T if xp is np else xp.einsum("...f,kf->...k", x, matrix)


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


def ndtri(p: Any, xp: Any) -> Any:
    """Return the normal distribution's quantile function of ``p``."""
    if xp is np:
        return special.ndtri(p)
    centred = xp.subtract(xp.multiply(p, number(2.0)), number(1.0))
    return xp.multiply(xp.erfinv(centred), number(np.sqrt(2.0)))


def ndtr(z: Any, xp: Any) -> Any:
    """Return the normal distribution function of ``z``."""
    if xp is np:
        return special.ndtr(z)
    centred = xp.erf(xp.multiply(z, number(np.sqrt(0.5))))
    return xp.multiply(xp.add(centred, number(1.0)), number(0.5))
