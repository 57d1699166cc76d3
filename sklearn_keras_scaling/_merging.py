"""Chan's formula, in any array namespace."""

from __future__ import annotations

from typing import Any

Parts = tuple[Any, Any, Any, Any]


def merge_moments(first: Parts, second: Parts, xp: Any) -> Parts:
    """Return the moments of both parts together: count, shift, residual and M2.

    The mean is kept as ``shift + residual``: rounded to one number, large means would cancel to
    nothing of a small standard deviation. ``M2`` sums squared deviations from it::

        delta = mean2 - mean1
        mean = mean1 + delta * n2 / n
        M2 = M2_1 + M2_2 + delta**2 * n1 * n2 / n

    Parameters
    ----------
    first, second : tuple of array
        Count, shift, residual and M2 of each part. Of no numbers, all but the count mean nothing.
    xp : namespace
        NumPy, or ``keras.ops``.

    References
    ----------
    Chan, Golub, LeVeque, "Algorithms for computing the sample variance: analysis and
    recommendations", The American Statistician 37.3 (1983), 242-247.

    Examples
    --------
    >>> import numpy as np
    >>> one, two = ((np.array([1.0]), np.array([x]), np.zeros(1), np.zeros(1)) for x in (2.0, 4.0))
    >>> count, shift, residual, m2 = merge_moments(one, two, np)
    >>> print(count, shift + residual, m2)
    [2.] [3.] [2.]
    """
    n1, shift1, residual1, squares1 = first
    n2, shift2, residual2, squares2 = second
    count = xp.add(n1, n2)
    share = xp.divide(n2, xp.where(xp.greater(count, 0), count, xp.ones_like(count)))
    delta = xp.add(xp.subtract(shift2, shift1), xp.subtract(residual2, residual1))
    is_first = xp.equal(n1, 0)
    between = xp.multiply(delta, xp.multiply(delta, xp.multiply(share, n1)))
    return (
        count,
        xp.where(is_first, shift2, shift1),
        xp.where(is_first, residual2, xp.add(residual1, xp.multiply(delta, share))),
        xp.add(xp.add(squares1, squares2), between),
    )
