"""What a distribution computes in either namespace, in the dtype of its numbers.

A loss computes in float32 on the device that trains, ``predict`` in float64 on the host.
Constants therefore take the dtype of what they meet, unlike those of maps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

#: The least scale that a network can say, in units of the target's deviation.
FLOOR = 1e-3
#: What softplus is moved by, so that an output of 0 becomes a scale of 1.
_SHIFT = math.log(math.expm1(1.0 - FLOOR))
LOG_ROOT_TWO_PI = 0.5 * math.log(2.0 * math.pi)


def constant(value: Any, like: Any) -> np.ndarray:
    """Return numbers in the precision of ``like``, with an axis where that is a tensor."""
    is_wide = isinstance(like, float) or "64" in str(like.dtype)
    array = np.asarray(value, dtype=np.float64 if is_wide else np.float32)
    return array if isinstance(like, (np.ndarray, np.generic)) else np.atleast_1d(array)


def as_outputs(outputs: Any, xp: Any) -> Any:
    """Return a network's outputs, on the host as float64."""
    return np.asarray(outputs, dtype=np.float64) if xp is np else outputs


def times(x: Any, factor: Any, xp: Any) -> Any:
    """Return ``x`` times a constant."""
    return xp.multiply(x, constant(factor, x))


def plus(x: Any, term: Any, xp: Any) -> Any:
    """Return ``x`` plus a constant."""
    # The constant first: behind (n, k, 1), Keras on TensorFlow takes (k,) for a bias of axis 1.
    return xp.add(constant(term, x), x)


def positive(x: Any, xp: Any) -> Any:
    """Return a scale of a network's output: 1 for 0, never below :data:`FLOOR`.

    Notes
    -----
    ``softplus(x + shift) + floor``. A network that explains all but a millionth of the
    target's variance has a scale at the floor. Lower ones say nothing that float32 can
    learn: residuals of 1e4 would have squares of 1e14 and more in the likelihood.

    Examples
    --------
    >>> float(positive(np.array(0.0), np))
    1.0
    """
    return plus(softplus(plus(x, _SHIFT, xp), xp), FLOOR, xp)


def softplus(x: Any, xp: Any) -> Any:
    """Return ``log(1 + exp(x))``."""
    return np.logaddexp(x, 0.0) if xp is np else xp.softplus(x)


def sigmoid(x: Any, xp: Any) -> Any:
    """Return ``1 / (1 + exp(-x))``."""
    return special.expit(x) if xp is np else xp.sigmoid(x)


def erf(x: Any, xp: Any) -> Any:
    """Return the error function."""
    return special.erf(x) if xp is np else xp.erf(x)


def density(z: Any, xp: Any) -> Any:
    """Return the density of the standard normal distribution."""
    return times(xp.exp(times(xp.square(z), -0.5, xp)), 1.0 / math.sqrt(2.0 * math.pi), xp)


def ndtr(z: Any, xp: Any) -> Any:
    """Return the distribution function of the standard normal distribution."""
    if xp is np:
        return special.ndtr(z)
    return times(plus(xp.erf(times(z, math.sqrt(0.5), xp)), 1.0, xp), 0.5, xp)


def ndtri(p: Any, xp: Any) -> Any:
    """Return the quantile function of the standard normal distribution."""
    if xp is np:
        return special.ndtri(p)
    return times(xp.erfinv(plus(times(p, 2.0, xp), -1.0, xp)), math.sqrt(2.0), xp)


def at_least(x: Any, limit: Any, xp: Any) -> Any:
    """Return the larger one of ``x`` and a constant; ``maximum`` is float32 on PyTorch."""
    limit = constant(limit, x)
    return xp.where(xp.less(x, limit), limit, x)


def at_most(x: Any, limit: Any, xp: Any) -> Any:
    """Return the smaller one of ``x`` and a constant."""
    limit = constant(limit, x)
    return xp.where(xp.greater(x, limit), limit, x)
