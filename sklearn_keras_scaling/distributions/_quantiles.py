"""A distribution told by some of its quantiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from scipy import special

from ._base import Distribution, register_distribution, scores
from ._functions import (
    FLOOR,
    LOG_ROOT_TWO_PI,
    as_outputs,
    at_least,
    at_most,
    constant,
    density,
    ndtr,
    plus,
    times,
)
from ._pieces import Pieces, pieces

#: A share of a piece without width, on either side: far enough for the normal density to be 0.
_FAR = 1e6
_TINY = 1e-30


@register_distribution("quantiles")
@dataclass(frozen=True)
class Quantiles(Distribution):
    """Quantiles that the network returns themselves, without a shape of the distribution.

    The only parameter is one array of shape (..., n_levels), in the order of the levels and as
    the network returned them; all but the loss take them sorted [1]_, so that they never cross.
    The loss is the mean over the levels ``q`` of ``max(q e, (q - 1) e)`` with ``e = y - output``
    [2]_, and sees them unsorted: each output learns its own level.

    Between the quantiles the quantile function is linear in the normal score
    ``t = Phi^-1(q)``, and beyond them it goes on with the outermost slopes: tails are normal.
    All else follows from this. A mean is linear in the quantiles, a variance quadratic, with
    constant weights.

    Parameters
    ----------
    quantiles : tuple of float, default=(0.05, 0.5, 0.95)
        Levels between 0 and 1, ascending. With a single one, only that quantile can be had.

    Raises
    ------
    TypeError
        If the levels are not numbers.
    ValueError
        If there is none, or if they are outside of (0, 1), repeated or not ascending.

    Notes
    -----
    Quantiles that coincide are a jump of the distribution function. The log-likelihood alone
    takes them apart, to a slope of 0.001, which is the least scale of the other distributions,
    so that it stays finite.

    ``location`` is the median, interpolated if 0.5 is not among the levels, or the only quantile.

    References
    ----------
    .. [1] V. Chernozhukov, I. Fernandez-Val and A. Galichon, "Quantile and probability curves
       without crossing", Econometrica 78 (2010).
    .. [2] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46 (1978).

    Examples
    --------
    >>> import numpy as np
    >>> thirds = Quantiles(quantiles=(0.1, 0.5, 0.9))
    >>> parameters = thirds.parameters(np.array([[-1.0, 0.0, 3.0]]), np)
    >>> thirds.quantile(0.9, parameters, np), thirds.location(parameters, np)
    (array([3.]), array([0.]))
    >>> thirds.mean(parameters, np).round(3)
    array([0.623])
    """

    quantiles: tuple[float, ...] = (0.05, 0.5, 0.95)

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantiles", _checked(self.quantiles))

    @property
    def n_outputs(self) -> int:
        """One for each level."""
        return len(self.quantiles)

    @property
    def knots(self) -> tuple[float, ...]:
        """Normal scores of the inner levels."""
        return tuple(scores(self.quantiles[1:-1]).tolist())

    def parameters(self, outputs: Any, xp: Any) -> tuple[Any, ...]:
        """Return the outputs themselves, of shape (..., n_levels), unsorted."""
        return (as_outputs(outputs, xp),)

    def shape(self, parameters: tuple[Any, ...]) -> tuple[int, ...]:
        """Return the shape without the axis of the levels."""
        return tuple(parameters[0].shape)[:-1]

    def loss(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the mean pinball loss over the levels, of shape (...), in units of ``y``."""
        error = xp.subtract(xp.expand_dims(y, -1), parameters[0])
        levels = np.array(self.quantiles)
        above, below = constant(levels, error), constant(levels - 1.0, error)
        slope = xp.where(xp.less(error, constant(0.0, error)), below, above)
        # Not `mean`, which Keras on JAX computes in float32 whatever it is given.
        return _dot(xp.multiply(slope, error), np.full(len(levels), 1.0 / len(levels)), xp)

    def quantile(self, q: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the number that is not exceeded with probability ``q``."""
        return self.at_scores(scores(q), parameters, xp)

    def at_scores(self, t: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the numbers for normal scores ``t``."""
        (outputs,) = parameters
        t = np.asarray(t, dtype=np.float64)
        if len(self.quantiles) == 1:
            if np.any(t != scores(self.quantiles)):
                raise self._too_few("other quantiles")
            return xp.add(outputs[..., 0], constant(np.zeros(t.shape), outputs))
        weights = constant(self._pieces.weights(t), outputs)
        return xp.sum(xp.multiply(xp.sort(outputs, axis=-1), weights), axis=-1)

    def location(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the median, or the only quantile."""
        if len(self.quantiles) == 1:
            return parameters[0][..., 0]
        return self.at_scores(0.0, parameters, xp)

    def mean(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the mean, of shape (...)."""
        first, widths = self._sorted(parameters, xp, "mean")
        mean, _, _ = self._pieces.moments
        return xp.add(first, _dot(widths, mean, xp))

    def std(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the standard deviation, of shape (...)."""
        _, widths = self._sorted(parameters, xp, "standard deviation")
        _, covariance, _ = self._pieces.moments
        covariance = constant(covariance, widths)
        # Neither matmul, which is float32 on PyTorch, nor a root of 0, which has no slope.
        axes = "abcde"[: len(widths.shape) - 1]  # no ellipsis: TensorFlow 2.19 is wrong with one
        spread = (
            widths @ covariance
            if xp is np
            else xp.einsum(f"{axes}i,ij->{axes}j", widths, covariance)
        )
        variance = xp.sum(xp.multiply(spread, widths), axis=-1)
        is_spread = xp.greater(variance, constant(0.0, variance))
        root = xp.sqrt(xp.where(is_spread, variance, constant(1.0, variance)))
        return xp.where(is_spread, root, constant(0.0, variance))

    def cdf(self, y: Any, parameters: tuple[Any, ...]) -> np.ndarray:
        """Return the probability of a number up to ``y``, of shape (...), on the host."""
        first, widths = self._sorted(parameters, np, "distribution function")
        return np.asarray(special.ndtr(self._score(y, first, widths, np)))

    def log_likelihood(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the logarithm of the density at ``y``, of shape (...)."""
        first, widths = self._sorted(parameters, xp, "density")
        parts = self._pieces
        apart = at_least(widths, FLOOR * parts.widths, xp)
        # The quantiles' mean stays where it was.
        counts = np.arange(len(self.quantiles) - 1, 0, -1.0) / len(self.quantiles)
        first = xp.add(first, _dot(xp.subtract(widths, apart), counts, xp))
        t = self._score(y, first, apart, xp)
        half_square = times(xp.square(t), 0.5, xp)
        slope = self._log_slope(y, first, apart, xp)
        return xp.negative(plus(xp.add(half_square, slope), LOG_ROOT_TWO_PI, xp))

    def crps(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the continuous ranked probability score, of shape (...), in units of ``y``."""
        first, widths = self._sorted(parameters, xp, "score")
        mean, _, gini = self._pieces.moments
        t = self._score(y, first, widths, xp)
        y = xp.subtract(y, first)
        # E|Y - y|, with the part of the mean that lies below y.
        below = xp.sum(xp.multiply(widths, self._shares_below(t, xp)), axis=-1)
        signed = xp.multiply(y, plus(times(ndtr(t, xp), 2.0, xp), -1.0, xp))
        return xp.add(xp.subtract(signed, times(below, 2.0, xp)), _dot(widths, mean - gini, xp))

    @property
    def _pieces(self) -> Pieces:
        return pieces(self.quantiles)

    def _sorted(self, parameters: tuple[Any, ...], xp: Any, what: str) -> tuple[Any, Any]:
        """Return the least quantile, of shape (...), and the differences, of shape (..., k - 1)."""
        if len(self.quantiles) == 1:
            raise self._too_few(f"a {what}")
        outputs = xp.sort(parameters[0], axis=-1)
        return outputs[..., 0], xp.subtract(outputs[..., 1:], outputs[..., :-1])

    def _too_few(self, what: str) -> ValueError:
        return ValueError(
            f"{self!r} has a single level, which says nothing about {what}. Give two or more, for "
            "example quantiles=(0.05, 0.5, 0.95)."
        )

    def _score(self, y: Any, first: Any, widths: Any, xp: Any) -> Any:
        """Return the normal score of ``y``; at a jump the uppermost one."""
        shares = _shares(y, first, widths, xp)
        low, high = self._pieces.limits
        shares = at_most(at_least(shares, low, xp), high, xp)
        return plus(_dot(shares, self._pieces.widths, xp), self._pieces.scores[0], xp)

    def _log_slope(self, y: Any, first: Any, widths: Any, xp: Any) -> Any:
        """Return the logarithm of the quantile function's slope where it is ``y``."""
        log = xp.log(xp.divide(widths, constant(self._pieces.widths, widths)))
        if len(self.quantiles) == 2:
            return log[..., 0]
        # What changes at the inner quantiles, of those up to y.
        change = xp.subtract(log[..., 1:], log[..., :-1])
        inner = xp.add(xp.expand_dims(first, -1), xp.cumsum(widths, axis=-1)[..., :-1])
        is_above = xp.greater_equal(xp.expand_dims(y, -1), inner)
        changes = xp.where(is_above, change, constant(0.0, change))
        return xp.add(log[..., 0], xp.sum(changes, axis=-1))

    def _shares_below(self, t: Any, xp: Any) -> Any:
        """Return the integrals of the shares up to a score, of shape (..., k - 1)."""
        low, high = self._pieces.ends
        t = xp.expand_dims(t, -1)
        inside = at_most(at_least(t, low, xp), high, xp)
        probability = plus(ndtr(inside, xp), -special.ndtr(low), xp)
        bend = plus(density(inside, xp), -np.exp(-(low**2) / 2.0) / np.sqrt(2.0 * np.pi), xp)
        rising = xp.negative(xp.add(bend, times(probability, self._pieces.scores[:-1], xp)))
        past = at_least(plus(ndtr(t, xp), -special.ndtr(high), xp), 0.0, xp)
        return xp.add(xp.divide(rising, constant(self._pieces.widths, rising)), past)


def _shares(y: Any, first: Any, widths: Any, xp: Any) -> Any:
    """Return how far ``y`` is into each piece, not limited; far where one has no width."""
    starts = xp.add(xp.expand_dims(first, -1), xp.subtract(xp.cumsum(widths, axis=-1), widths))
    distance = xp.subtract(xp.expand_dims(y, -1), starts)
    is_wide = xp.greater(widths, constant(_TINY, widths))
    share = xp.divide(distance, xp.where(is_wide, widths, constant(1.0, widths)))
    is_below = xp.less(distance, constant(0.0, distance))
    far = xp.where(is_below, constant(-_FAR, share), constant(_FAR, share))
    return xp.where(is_wide, share, far)


def _dot(x: Any, weights: np.ndarray, xp: Any) -> Any:
    """Return the sum over the last axis with constant weights."""
    return xp.sum(times(x, weights, xp), axis=-1)


def _checked(levels: Any) -> tuple[float, ...]:
    """Return levels as a tuple of ascending floats between 0 and 1."""
    example = "Write, for example, quantiles=(0.05, 0.5, 0.95)."
    if isinstance(levels, str) or not isinstance(levels, Iterable):
        raise TypeError(f"quantiles must be a sequence of levels, got {levels!r}. {example}")
    levels = tuple(levels)
    for level in levels:
        if not isinstance(level, Real) or isinstance(level, bool):
            raise TypeError(f"quantiles must be numbers between 0 and 1, got {level!r}. {example}")
    found = tuple(map(float, levels))
    if not found:
        raise ValueError(f"quantiles is empty, but needs one level at least. {example}")
    wrong = [level for level in found if not 0.0 < level < 1.0]
    if wrong:
        raise ValueError(
            f"quantiles must lie between 0 and 1, both excluded, got {wrong[0]:g}. {example}"
        )
    if any(a >= b for a, b in pairwise(found)):
        what = "repeated" if len(set(found)) < len(found) else "not ascending"
        raise ValueError(
            f"quantiles are {what}: got {found}. Write {tuple(sorted(set(found)))}: outputs and "
            "columns stand in this order."
        )
    return found
