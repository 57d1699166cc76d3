"""Numbers that are linear in the normal score between quantiles: constants of their integrals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import special

from ._nodes import nodes


@dataclass(frozen=True, eq=False)
class Pieces:
    """A quantile function ``v[0] + sum(d * shares(t))`` of the normal score ``t``.

    ``v`` are the quantiles, sorted, and ``d`` their differences. The share of a piece is 0 at
    its lower quantile and 1 at its upper one; it stays there outside, but the first piece goes
    on below, and the last one above. All shares grow with ``t``.

    Attributes
    ----------
    scores : ndarray of shape (k,)
        Normal scores of the levels.
    """

    scores: np.ndarray

    @cached_property
    def widths(self) -> np.ndarray:
        """Differences of the scores, of shape (k - 1,)."""
        return np.diff(self.scores)

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The scores between which each piece's share grows, each of shape (k - 1,)."""
        low, high = self.scores[:-1].copy(), self.scores[1:].copy()
        low[0], high[-1] = -np.inf, np.inf
        return low, high

    @cached_property
    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest share of each piece."""
        low, high = np.zeros(len(self.widths)), np.ones(len(self.widths))
        low[0], high[-1] = -np.inf, np.inf
        return low, high

    def shares(self, t: np.ndarray) -> np.ndarray:
        """Return the shares at scores of shape (...), of shape (..., k - 1)."""
        return np.clip((t[..., None] - self.scores[:-1]) / self.widths, *self.limits)

    def weights(self, t: np.ndarray) -> np.ndarray:
        """Return by how much each quantile counts at scores, of shape (..., k)."""
        shares = self.shares(t)
        one = np.ones((*t.shape, 1))
        # Differences of neighbouring shares: 1 and zeros, to the bit, at the levels.
        return np.concatenate([one, shares], axis=-1) - np.concatenate([shares, 0 * one], axis=-1)

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means and covariances of the shares of a normal score, and their covariances with Phi.

        Shares that grow together have no negative covariance: sums over them cancel nothing.
        The last one, of shape (k - 1,), is Gini's mean difference by half.
        """
        t, weight = nodes(12.0, 0.05, tuple(self.scores.tolist()))
        shares = self.shares(t)
        mean = weight @ shares
        centred = shares - mean
        covariance = (centred * weight[:, None]).T @ centred
        return mean, covariance, (weight * (2.0 * special.ndtr(t) - 1.0)) @ shares


@lru_cache(maxsize=64)
def pieces(levels: tuple[float, ...]) -> Pieces:
    """Return the pieces between these levels."""
    return Pieces(special.ndtri(np.array(levels)))
