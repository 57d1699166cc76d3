"""What NumPy and ``keras.ops`` do not do alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special


def number(value: float) -> np.ndarray:
    """Return a constant of an operation, as an array of shape (1,).

    A Python or NumPy scalar is a float32 to Keras on PyTorch, and so is an array without
    axes once a model was saved and loaded.
    """
    return np.array([value], dtype=np.float64)


def at_most(x: Any, limit: Any, xp: Any) -> Any:
    """Return the smaller one; ``keras.ops.minimum`` makes float32 of all on PyTorch."""
    return xp.where(xp.greater(x, limit), limit, x)


def at_least(x: Any, limit: Any, xp: Any) -> Any:
    """Return the larger one; NaN stays NaN."""
    return xp.where(xp.less(x, limit), limit, x)


def project(x: Any, matrix: np.ndarray, xp: Any) -> Any:
    """Return ``x @ matrix.T``; ``keras.ops.matmul`` makes float32 of float64 on PyTorch."""
    return x @ matrix.T if xp is np else xp.einsum("...f,kf->...k", x, matrix)


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
