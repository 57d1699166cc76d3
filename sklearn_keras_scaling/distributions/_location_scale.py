"""Distributions that are one standard distribution, moved and stretched."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from ._base import Distribution, scores
from ._functions import as_outputs, constant, positive, times


class LocationScale(Distribution):
    """The distribution of ``loc + scale * Z``, where that of Z is fixed.

    The network returns ``loc`` and what becomes ``scale`` by
    :func:`~sklearn_keras_scaling.distributions._functions.positive`: 1 where it returns 0,
    never below a thousandth of the target's deviation. Subclasses know Z.
    """

    @property
    def n_outputs(self) -> int:
        """Two: location and scale."""
        return 2

    @abstractmethod
    def _log_density(self, z: Any, xp: Any) -> Any:
        """Return the logarithm of the density of Z."""

    @abstractmethod
    def _standard_cdf(self, z: np.ndarray) -> np.ndarray:
        """Return the distribution function of Z."""

    @abstractmethod
    def _standard_at(self, t: np.ndarray) -> np.ndarray:
        """Return the quantiles of Z for normal scores."""

    @abstractmethod
    def _standard_crps(self, z: Any, xp: Any) -> Any:
        """Return the score of Z at ``z``."""

    @property
    @abstractmethod
    def _standard_std(self) -> float:
        """Standard deviation of Z."""

    def parameters(self, outputs: Any, xp: Any) -> tuple[Any, ...]:
        """Return ``loc`` and ``scale``, each of shape (...), of outputs of shape (..., 2)."""
        outputs = as_outputs(outputs, xp)
        return outputs[..., 0], positive(outputs[..., 1], xp)

    def log_likelihood(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the logarithm of the density at ``y``, of shape (...)."""
        loc, scale = parameters
        z = xp.divide(xp.subtract(y, loc), scale)
        return xp.subtract(self._log_density(z, xp), xp.log(scale))

    def crps(self, y: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the continuous ranked probability score, of shape (...), in units of ``y``."""
        loc, scale = parameters
        z = xp.divide(xp.subtract(y, loc), scale)
        return xp.multiply(scale, self._standard_crps(z, xp))

    def cdf(self, y: Any, parameters: tuple[Any, ...]) -> np.ndarray:
        """Return the probability of a number up to ``y``, of shape (...), on the host."""
        loc, scale = parameters
        return self._standard_cdf((y - loc) / scale)

    def quantile(self, q: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the number that is not exceeded with probability ``q``."""
        return self.at_scores(scores(q), parameters, xp)

    def at_scores(self, t: Any, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the numbers for normal scores ``t``."""
        loc, scale = parameters
        standard = self._standard_at(np.asarray(t, dtype=np.float64))
        return xp.add(loc, xp.multiply(scale, constant(standard, scale)))

    def mean(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return ``loc``."""
        return parameters[0]

    def std(self, parameters: tuple[Any, ...], xp: Any) -> Any:
        """Return the standard deviation, a multiple of ``scale``."""
        return times(parameters[1], self._standard_std, xp)
