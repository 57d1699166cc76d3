"""Equally weighted mixtures of what an ensemble's members say, on the host; and samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._base import Distribution

_PRECISION = 1e-10


def mixture_moments(mean: Any, std: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of a mixture, of those of its members.

    The variance is the mean of the members' variances and the variance of their means. It
    holds in scaled space and in raw units.

    Parameters
    ----------
    mean, std : array-like of shape (n_members, ...)
        Of each member.

    Returns
    -------
    mean, std : ndarray of shape (...)
        Of the mixture.

    Examples
    --------
    >>> mean, std = mixture_moments([[1.0], [3.0]], [[0.0], [0.0]])
    >>> mean, std
    (array([2.]), array([1.]))
    """
    mean, std = np.asarray(mean, dtype=np.float64), np.asarray(std, dtype=np.float64)
    variance = np.mean(np.square(std), axis=0) + np.var(mean, axis=0)
    return mean.mean(axis=0), np.sqrt(variance)


def mixture_cdf(distribution: Distribution, y: Any, parameters: tuple[Any, ...]) -> np.ndarray:
    """Return the probability that a mixture's number is up to ``y``.

    Parameters
    ----------
    distribution : Distribution
        Of each member.
    y : array-like that broadcasts against shape (...)
        In scaled space.
    parameters : tuple of ndarray of shape (n_members, ...)
        The members' parameters, one behind the other.

    Returns
    -------
    probability : ndarray of shape (...)
    """
    y = np.asarray(y, dtype=np.float64)
    each = [distribution.cdf(y, own) for own in _members(parameters)]
    return np.asarray(sum(each) / len(each))


def mixture_quantile(distribution: Distribution, q: Any, parameters: tuple[Any, ...]) -> np.ndarray:
    """Return the number that a mixture does not exceed with probability ``q``.

    By bisection between the least and the largest of the members' quantiles, to 1e-10 in
    scaled space, or of larger numbers relatively.

    Parameters
    ----------
    distribution : Distribution
        Of each member.
    q : float or array-like that broadcasts against shape (...)
        Between 0 and 1.
    parameters : tuple of ndarray of shape (n_members, ...)
        The members' parameters, one behind the other.

    Returns
    -------
    quantile : ndarray of shape (...)

    Raises
    ------
    ValueError
        If ``q`` is not between 0 and 1.

    Examples
    --------
    >>> from sklearn_keras_scaling.distributions import Normal
    >>> parameters = (np.array([[-1.0], [1.0]]), np.array([[1.0], [1.0]]))
    >>> mixture_quantile(Normal(), 0.9, parameters).round(3)
    array([1.849])
    """
    each = [distribution.quantile(q, own, np) for own in _members(parameters)]
    low, high = np.min(each, axis=0), np.max(each, axis=0)
    with np.errstate(invalid="ignore"):  # quantiles may be infinite
        # Members may jump: then the least number that has the probability is meant.
        high = np.where(mixture_cdf(distribution, low, parameters) >= q, low, high)
        while np.any(high - low > _PRECISION * np.maximum(np.abs(high), 1.0)):
            middle = low + (high - low) / 2.0
            if np.all((middle == low) | (middle == high)):
                break
            is_reached = mixture_cdf(distribution, middle, parameters) >= q
            low, high = np.where(is_reached, low, middle), np.where(is_reached, middle, high)
    return np.asarray(high)


def sample(
    distribution: Distribution, parameters: tuple[Any, ...], n_samples: int, rng: Any
) -> np.ndarray:
    """Return numbers drawn from distributions, on the host.

    Parameters
    ----------
    distribution : Distribution
        Of the numbers.
    parameters : tuple of arrays
        Its parameters, for numbers of shape (...).
    n_samples : int
        How many to draw of each.
    rng : numpy.random.Generator or numpy.random.RandomState
        Where chance comes from.

    Returns
    -------
    numbers : ndarray of shape (n_samples, ...)
        In scaled space.

    Examples
    --------
    >>> from sklearn_keras_scaling.distributions import Laplace
    >>> parameters = (np.zeros(2), np.ones(2))
    >>> sample(Laplace(), parameters, 3, np.random.default_rng(0)).shape
    (3, 2)
    """
    uniform = rng.random((n_samples, *distribution.shape(parameters)))
    # Generators return multiples of 2**-53, zero among them.
    return np.asarray(distribution.quantile(np.maximum(uniform, 2.0**-54), parameters, np))


def _members(parameters: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    return zip(*parameters, strict=True)
