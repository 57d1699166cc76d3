"""Moments of what a function makes of a distribution's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._base import Distribution
from ._functions import constant
from ._nodes import nodes

#: Half-widths in normal scores, and distances of nodes: each rule is compared with the next.
_RULES = ((8.2, 0.1), (12.3, 0.075), (18.5, 0.05), (27.0, 0.025), (37.0, 0.01))
#: Numbers that are evaluated at once on the host.
_BLOCK = 2**18
_TOLERANCE = 1e-3  # of the deviation, between a rule and the next


def moments(
    function: Callable[[Any], Any], distribution: Distribution, parameters: tuple[Any, ...], xp: Any
) -> tuple[Any, Any]:
    """Return the mean and the standard deviation of a function of a distribution's numbers.

    ``E g(Y)`` is the integral over the normal score ``t`` of ``g(Q(Phi(t))) phi(t)``, with the
    quantile function ``Q``: by the trapezoidal rule [1]_ on [-8.2, 8.2], and on the host by wider
    and finer ones until two agree.

    Parameters
    ----------
    function : callable
        From numbers of shape (n, ...) to numbers of the same shape, elementwise; a scaler's
        inverse.
    distribution : Distribution
        Of the numbers.
    parameters : tuple of arrays
        Its parameters, for numbers of shape (n, ...).
    xp : module
        Array namespace.

    Returns
    -------
    mean, std : arrays of shape (n, ...)
        NaN on the host where parameters are not finite.

    Raises
    ------
    ValueError
        On the host, where the moments do not exist, or no two rules agree to 1e-3 of the
        deviation. A graph has no check, but the second rule alone (the first in float32): for
        an exponential it is within 1e-3 up to a deviation of 4.5 (2.6). Ask the host before.

    References
    ----------
    .. [1] L. N. Trefethen and J. A. C. Weideman, "The exponentially convergent trapezoidal
       rule", SIAM Review 56 (2014).

    Examples
    --------
    >>> from sklearn_keras_scaling.distributions import Normal
    >>> parameters = (np.array([0.0]), np.array([1.0]))
    >>> mean, std = moments(np.exp, Normal(), parameters, np)
    >>> mean.round(6), std.round(6)
    (array([1.648721]), array([2.161197]))
    """
    if xp is not np:
        # What is squared far out in the tails is beyond float32.
        is_wide = "float64" in str(parameters[0].dtype)
        return _integrate(function, distribution, parameters, xp, _RULES[int(is_wide)])
    if not distribution.shape(parameters):
        mean, std = moments(function, distribution, tuple(p[None] for p in parameters), np)
        return mean[0], std[0]
    width = int(np.prod(distribution.shape(parameters)[1:]))
    n_rows = max(_BLOCK // (len(nodes(*_RULES[1])[0]) * max(width, 1)), 1)
    n = len(parameters[0])
    found = [
        _on_host(function, distribution, tuple(p[i : i + n_rows] for p in parameters), i)
        for i in range(0, max(n, 1), n_rows)
    ]
    return tuple(np.concatenate(each) for each in zip(*found, strict=True))  # type: ignore[return-value]  # two


def _on_host(
    function: Callable[[Any], Any],
    distribution: Distribution,
    parameters: tuple[np.ndarray, ...],
    first: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the moments by a rule that the one before it agrees with, each row by its own."""
    shape = distribution.shape(parameters)
    mean, std = np.full(shape, np.nan), np.full(shape, np.nan)
    is_known = [_in_all(np.isfinite(p)) for p in parameters]
    rows = np.flatnonzero(np.all(is_known, axis=0))
    before = None
    for rule in _RULES:
        if not len(rows):
            return mean, std
        with np.errstate(all="ignore"):  # what is not finite is told below
            own = tuple(p[rows] for p in parameters)
            found = _integrate(function, distribution, own, np, rule)
            mean[rows], std[rows] = found
            if before is not None:
                is_open = ~_in_all(_agree(before, found))
                found, rows = (found[0][is_open], found[1][is_open]), rows[is_open]
        before = found
    if len(rows):
        raise ValueError(_not_converged(distribution, first + rows[0]))
    return mean, std


def _in_all(is_so: np.ndarray) -> np.ndarray:
    """Return which rows are so in all their numbers."""
    return np.asarray(is_so.all(axis=tuple(range(1, is_so.ndim))))


def _agree(
    before: tuple[np.ndarray, np.ndarray], found: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return where two rules have the same moments."""
    bound = _TOLERANCE * found[1] + 1e-12 * np.abs(found[0])
    is_same = [np.abs(a - b) <= bound for a, b in zip(before, found, strict=True)]
    # A difference between infinities would be no difference.
    return is_same[0] & is_same[1] & np.isfinite(found[0]) & np.isfinite(found[1])


def _not_converged(distribution: Distribution, row: int) -> str:
    return (
        f"{distribution!r} has no mean and standard deviation in raw units, in row {row} for one: "
        "the integral over the scaler's inverse does not converge. Either the tails are too heavy "
        "for this scaler (those of Student's t behind an exponential), or its inverse is not "
        "defined there, or jumps. Ask for quantiles, such as the median, which exist; or choose a "
        "distribution with lighter tails, or an affine scaler."
    )


def _integrate(
    function: Callable[[Any], Any],
    distribution: Distribution,
    parameters: tuple[Any, ...],
    xp: Any,
    rule: tuple[float, float],
) -> tuple[Any, Any]:
    """Return the moments by one rule."""
    t, weight = nodes(*rule, distribution.knots)
    shape = (len(t), *(1,) * len(distribution.shape(parameters)))
    t, weight = t.reshape(shape), weight.reshape(shape)
    shares, values = [], []
    for share, at_scores in distribution.components(parameters, xp):
        shares.append(share)
        values.append(_apply(function, at_scores(t), xp))

    def expected(numbers: list[Any]) -> Any:
        total: Any = 0.0
        for share, each in zip(shares, numbers, strict=True):
            part = xp.sum(xp.multiply(each, constant(weight, each)), axis=0)
            total = total + (part if share is None else xp.multiply(share, part))
        return total

    mean = expected(values)
    return mean, xp.sqrt(expected([xp.square(xp.subtract(each, mean)) for each in values]))


def _apply(function: Callable[[Any], Any], values: Any, xp: Any) -> Any:
    """Return the function of values of shape (n_nodes, n, ...), given to it as rows."""
    n_nodes, _, *others = values.shape
    rows = xp.reshape(values, (-1, *others))
    return xp.reshape(function(rows), (n_nodes, -1, *others))
