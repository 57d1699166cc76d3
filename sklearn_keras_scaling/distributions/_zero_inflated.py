"""Zeros, and a log-normal distribution above."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from ._base import Distribution, register_distribution, scores
from ._functions import (
    LOG_ROOT_TWO_PI,
    as_outputs,
    constant,
    ndtr,
    ndtri,
    plus,
    positive,
    sigmoid,
    softplus,
    times,
)


@register_distribution("zero_inflated_lognormal")
@dataclass(frozen=True)
class ZeroInflatedLogNormal(Distribution):
    """Zero with some probability, else log-normal: rain, sales, claims.

    The parameters are ``logit``, ``mu`` and ``sigma``. The probability of being above zero is
    ``p = 1 / (1 + exp(-logit))`` (kept as a logit, since ``1 - p`` of a sure network is 0 in
    float32); ``mu`` and ``sigma`` are the mean and the standard deviation of the logarithm.

    The log-likelihood is ``log(1 - p)`` at zero, else
    ``log(p) - z**2 / 2 - log(y sigma) - log(2 pi) / 2`` with ``z = (log(y) - mu) / sigma`` [1]_.
    With ``m = exp(mu + sigma**2 / 2)`` the mean is ``p m`` and the variance
    ``p m**2 (exp(sigma**2) - p)``.

    Notes
    -----
    Numbers below zero count as zero: targets that have them need another distribution. A mean
    beyond the numbers that a float holds is infinite.

    The score is ``E|Y - y| - E|Y - Y'| / 2``, each the sum over zero and above; for the
    log-normal part see [2]_. In a graph of float32 it has three digits where ``sigma`` is above
    3, since both are small differences of a large mean.

    References
    ----------
    .. [1] X. Wang, T. Liu and J. Miao, "A deep probabilistic model for customer lifetime value
       prediction", arXiv:1912.07753 (2019).
    .. [2] S. Baran and S. Lerch, "Log-normal distribution based EMOS models for probabilistic
       wind-speed forecasting", Q. J. R. Meteorol. Soc. 141 (2015).

    Examples
    --------
    >>> import numpy as np
    >>> rain = ZeroInflatedLogNormal()
    >>> parameters = rain.parameters(np.array([[0.0, 1.0, 0.0]]), np)
    >>> rain.quantile(0.4, parameters, np), rain.quantile(0.75, parameters, np).round(3)
    (array([0.]), array([2.718]))
    """

    keeps_zero = True

    @property
    def n_outputs(self) -> int:
        """Three: logit, location and scale of the logarithm."""
        return 3

    def parameters(self, outputs: Any, xp: Any) -> tuple[Any, ...]:
        """Return ``logit``, ``mu`` and ``sigma``, each of shape (...)."""
        outputs = as_outputs(outputs, xp)
        return outputs[..., 0], outputs[..., 1], positive(outputs[..., 2], xp)

    def probability(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the probability of a number above zero, of shape (...)."""
        return sigmoid(parameters[0], xp)

    def log_likelihood(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the logarithm of the probability of 0, or of the density above, at ``y``."""
        logit, _, sigma = parameters
        is_above, log, z = self._standardised(y, parameters, xp)
        shape = times(xp.square(z), -0.5, xp)
        norm = plus(xp.add(log, xp.log(sigma)), LOG_ROOT_TWO_PI, xp)
        above = xp.subtract(xp.subtract(shape, norm), softplus(xp.negative(logit), xp))
        return xp.where(is_above, above, xp.negative(softplus(logit, xp)))

    def _standardised(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> tuple[Any, Any, Any]:
        """Return what is above zero, its logarithm and that in standard units; of 1 elsewhere."""
        _, mu, sigma = parameters
        is_above = xp.greater(y, constant(0.0, mu))
        log = xp.log(xp.where(is_above, y, constant(1.0, mu)))
        return is_above, log, xp.divide(xp.subtract(log, mu), sigma)

    def crps(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the continuous ranked probability score, of shape (...), in units of ``y``."""
        _, _, sigma = parameters
        p, rest = self.probability(parameters, xp), sigmoid(xp.negative(parameters[0]), xp)
        is_above, _, z = self._standardised(y, parameters, xp)
        nothing = constant(0.0, z)  # below 0
        below = xp.where(is_above, ndtr(z, xp), nothing)
        shifted = xp.where(is_above, ndtr(xp.subtract(z, sigma), xp), nothing)
        spread = xp.multiply(p, ndtr(times(sigma, -math.sqrt(0.5), xp), xp))
        signed = xp.multiply(p, plus(times(below, 2.0, xp), -1.0, xp))
        with np.errstate(over="ignore", invalid="ignore"):
            of_mean = xp.multiply(self.mean(parameters, xp), xp.subtract(spread, shifted))
            return xp.add(xp.multiply(y, xp.add(rest, signed)), times(of_mean, 2.0, xp))

    def cdf(self, y: Any, parameters: tuple[Any, ...]) -> np.ndarray:
        """Return the probability of a number up to ``y``, of shape (...), on the host."""
        y = np.asarray(y, dtype=np.float64)
        p, rest = self.probability(parameters, np), special.expit(-parameters[0])
        is_above, _, z = self._standardised(y, parameters, np)
        above = np.where(is_above, p * special.ndtr(z), 0.0)
        return np.where(y < 0.0, 0.0, rest + above)

    def quantile(self, q: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the number that is not exceeded with probability ``q``; 0 up to that of zeros."""
        return self.at_scores(scores(q), parameters, xp)

    def at_scores(self, t: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the numbers for normal scores ``t``."""
        _, mu, sigma = parameters
        p = self.probability(parameters, xp)
        # Of the tail above, which has all its digits, as a share of what is above zero.
        tail = constant(special.ndtr(-np.asarray(t, dtype=np.float64)), mu)
        is_above = xp.less(tail, p)
        half = constant(0.5, p)
        share = xp.divide(xp.where(is_above, tail, half), xp.where(is_above, p, constant(1.0, p)))
        log = xp.subtract(mu, xp.multiply(sigma, ndtri(share, xp)))
        with np.errstate(over="ignore"):
            return xp.where(is_above, xp.exp(log), constant(0.0, mu))

    def components(self, parameters: tuple[Any, ...], xp: Any) -> list[tuple[Any, Any]]:
        """Return zero, and the log-normal distribution above it."""
        logit, mu, sigma = parameters

        def above(t: Any) -> Any:
            return xp.exp(xp.add(mu, xp.multiply(sigma, constant(t, mu))))

        def zero(t: Any) -> Any:
            return xp.add(xp.zeros_like(mu), constant(np.zeros(np.shape(t)), mu))

        return [(sigmoid(xp.negative(logit), xp), zero), (sigmoid(logit, xp), above)]

    def mean(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the mean, of shape (...)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return xp.multiply(self.probability(parameters, xp), self._above(parameters, xp))

    def std(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the standard deviation, of shape (...)."""
        logit, _, sigma = parameters
        rest = sigmoid(xp.negative(logit), xp)
        with np.errstate(over="ignore", invalid="ignore"):
            spread = xp.add(xp.expm1(xp.square(sigma)), rest)
            root = xp.sqrt(xp.multiply(self.probability(parameters, xp), spread))
            return xp.multiply(self._above(parameters, xp), root)

    def _above(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the mean of what is above zero."""
        _, mu, sigma = parameters
        return xp.exp(xp.add(mu, times(xp.square(sigma), 0.5, xp)))
