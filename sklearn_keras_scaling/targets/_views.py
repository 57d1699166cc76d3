"""What a network says of numbers, in raw units: means, deviations, quantiles, of members too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special
from sklearn.utils import gen_batches

from ..distributions import Distribution, mixture_quantile, moments
from ..exceptions import UnsupportedTransformerError
from ..maps import Map
from ..maps._namespaces import at_least, at_most, number

#: Numbers that the host evaluates at a time.
_NUMBERS = 2**20


@dataclass(frozen=True, eq=False)
class OverMembers(Map):
    """The mean of what a map makes of each member's output.

    Attributes
    ----------
    map_ : Map
        Of one member.
    n_members : int
        Length of the axis behind the rows, of the members.

    Examples
    --------
    >>> from sklearn_keras_scaling.maps import Affine
    >>> OverMembers(Affine(1.0), 2).forward(np.array([[[2.0], [4.0]]]), np)
    array([[2.]])
    """

    map_: Map
    n_members: int

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the mean, of ``x`` of shape (n, n_members, ...)."""
        return _mean([self.map_.forward(x[:, i], xp) for i in range(self.n_members)], xp)


@dataclass(frozen=True, eq=False)
class SpreadOfMembers(OverMembers):
    """The standard deviation of what a map makes of each member's output."""

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the deviation, of ``x`` of shape (n, n_members, ...)."""
        every = [self.map_.forward(x[:, i], xp) for i in range(self.n_members)]
        mean = _mean(every, xp)
        return _root_mean_square([xp.subtract(each, mean) for each in every], xp)


@dataclass(frozen=True, eq=False)
class Smeared(Map):
    """The mean of raw numbers, by Duan's smearing: over the residuals of the training rows.

    ``mean_j inverse(z + r_j)`` [1]_. Sums are cut to the range of the training numbers, or of
    ``z``: an inverse may grow without bound beyond.

    Attributes
    ----------
    inverse_of : Map
        Of the numbers, with an inverse that stays within its domain.
    residuals : ndarray of shape (n, n_columns)
        Of the scaled numbers.
    low, high : ndarray of shape (n_columns,)
        Least and largest scaled number.

    References
    ----------
    .. [1] N. Duan, "Smearing estimate: a nonparametric retransformation method", JASA 78 (1983).
    """

    inverse_of: Map
    residuals: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the mean, of scaled numbers of shape (n, ..., n_columns)."""
        if xp is not np:
            return self._mean_of(x, xp)
        width = int(np.prod(x.shape[1:])) * len(self.residuals)
        blocks = gen_batches(len(x), max(1, _NUMBERS // width))
        found = [self._mean_of(x[rows], np) for rows in blocks]
        return np.concatenate(found) if found else x

    def _mean_of(self, x: Any, xp: Any) -> Any:
        residuals = self.residuals.reshape(-1, *(1,) * (len(x.shape) - 1), self.residuals.shape[1])
        low, high = at_most(x, self.low, xp), at_least(x, self.high, xp)
        moved = xp.add(residuals, xp.expand_dims(x, 0))
        moved = at_most(at_least(moved, low, xp), high, xp)
        rows = xp.reshape(moved, (-1, *x.shape[1:]))
        raw = xp.reshape(self.inverse_of.inverse(rows, xp), (len(residuals), -1, *x.shape[1:]))
        return xp.multiply(xp.sum(raw, axis=0), number(1.0 / len(residuals)))


@dataclass(frozen=True, eq=False)
class Seen:
    """How a distribution's numbers are seen in raw units.

    Attributes
    ----------
    distribution : Distribution
        Of each number, in scaled space.
    scaling : Map
        Of the numbers, with an inverse that stays within its domain.
    shape : tuple of int
        Of a row in scaled space.
    is_column : bool
        Whether a row is one number without an axis.
    n_members : int or None
        Networks, on the axis behind the rows of their outputs; None of one alone.
    parameter : str
        Of the scaler, for errors.
    """

    distribution: Distribution
    scaling: Map
    shape: tuple[int, ...]
    is_column: bool
    n_members: int | None
    parameter: str

    def parameters(self, output: Any, xp: Any) -> list[tuple[Any, ...]]:
        """Return the distribution's parameters, of each member."""
        shape = (-1, *self.shape, self.distribution.n_outputs)
        members = range(self.n_members or 1)
        every = [output] if self.n_members is None else [output[:, i] for i in members]
        return [self.distribution.parameters(xp.reshape(one, shape), xp) for one in every]

    def raw(self, z: Any, xp: Any) -> Any:
        """Return scaled numbers in raw units."""
        return self.squeezed(self.scaling.inverse(z, xp), xp)

    def squeezed(self, y: Any, xp: Any) -> Any:
        """Return raw numbers, of shape (n, ..., k), with the axes of the targets."""
        return xp.squeeze(y, axis=-1) if self.is_column else y

    def direction(self) -> np.ndarray:
        """Return 1 or -1 for each column.

        Raises
        ------
        ValueError
            If quantiles have no counterpart in raw units.
        """
        direction = np.asarray(self.scaling.direction(self.shape[-1]))
        if not direction.all():
            raise ValueError(
                f"{self.parameter}: quantiles pass only through a scaler of which each column "
                "rises or falls with one column of numbers, and this one does not, or it is not "
                "known. Use one that does, such as 'standard'."
            )
        return direction

    def moments(self, parameters: tuple[Any, ...], xp: Any) -> tuple[Any, Any]:
        """Return mean and standard deviation of raw numbers, of shape (n, ..., k)."""
        if not self.scaling.is_affine:
            return self._integrated(parameters, xp)
        scale = np.abs(self.scaling.locate(0.0, 1.0)[1]) * np.ones(self.shape[-1])
        mean, std = (f(parameters, xp) for f in (self.distribution.mean, self.distribution.std))
        return self.scaling.inverse(mean, xp), xp.multiply(std, scale)

    def has_moments(self) -> bool:
        """Return whether means and deviations exist in raw units, for what networks may return.

        They do not where an inverse goes to infinity at an end that the distribution reaches, or
        its tails are too heavy for it.
        """
        if self.scaling.is_affine:
            return True
        outputs = np.random.RandomState(0).uniform(-3.0, 3.0, (64, self.distribution.n_outputs))
        rows = np.repeat(outputs[:, None], self.shape[-1], axis=1)
        try:
            moments(
                self._inverse(np), self.distribution, self.distribution.parameters(rows, np), np
            )
        except ValueError:
            return False
        return True

    def _inverse(self, xp: Any) -> Callable[[Any], Any]:
        return lambda z: self.scaling.inverse(z, xp)

    def _integrated(self, parameters: tuple[Any, ...], xp: Any) -> tuple[Any, Any]:
        """Return moments behind a scaler that is not affine; of rows that have none, NaN."""
        inverse = self._inverse(xp)
        try:
            return moments(inverse, self.distribution, parameters, xp)
        except ValueError:
            n_rows = len(parameters[0])
            if n_rows == 1:
                nothing = np.full(self.distribution.shape(parameters), np.nan)
                return nothing, nothing
        halves = [slice(None, n_rows // 2), slice(n_rows // 2, None)]
        found = [self._integrated(tuple(p[half] for p in parameters), xp) for half in halves]
        mean, std = (np.concatenate(one) for one in zip(*found, strict=True))
        return mean, std


@dataclass(frozen=True, eq=False)
class View(Map):
    """One thing that is asked of a distribution.

    Attributes
    ----------
    seen : Seen
        The distribution in raw units.
    """

    seen: Seen


class Mean(View):
    """The mean, of members of all."""

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the mean, given the network's output."""
        every = [self.seen.moments(p, xp)[0] for p in self.seen.parameters(x, xp)]
        return self.seen.squeezed(_mean(every, xp), xp)


class Std(View):
    """The standard deviation; of members within and between them."""

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the deviation, given the network's output."""
        every = [self.seen.moments(p, xp) for p in self.seen.parameters(x, xp)]
        if len(every) == 1:
            return self.seen.squeezed(every[0][1], xp)
        mean = _mean([one for one, _ in every], xp)
        within = [std for _, std in every]
        between = [xp.subtract(one, mean) for one, _ in every]
        # Of half as many squares as there are parts.
        total = xp.multiply(_root_mean_square([*within, *between], xp), number(np.sqrt(2.0)))
        return self.seen.squeezed(total, xp)


@dataclass(frozen=True, eq=False)
class Quantile(View):
    """A quantile: through a scaler that falls, that of ``1 - q``.

    Attributes
    ----------
    q : float
        Between 0 and 1.
    signs : ndarray
        1 or -1, of each column: whether the scaler rises.
    """

    q: float
    signs: np.ndarray

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the quantile, given the network's output."""
        return self.seen.raw(self.scaled(x, xp), xp)

    def scaled(self, x: Any, xp: Any) -> Any:
        """Return it in scaled space."""
        seen, signs = self.seen, self.signs
        every = seen.parameters(x, xp)
        if len(every) == 1:
            return seen.distribution.at_scores(signs * special.ndtri(self.q), every[0], xp)
        if xp is not np:
            raise UnsupportedTransformerError(
                "Quantiles of several members are found by a search, which has no form as Keras "
                "operations. Export 'mean' and 'std', or members_ one by one."
            )
        q = np.where(signs > 0, self.q, 1.0 - self.q)
        together = tuple(np.stack(one) for one in zip(*every, strict=True))
        return mixture_quantile(seen.distribution, q, together)


def _mean(every: list[Any], xp: Any) -> Any:
    total = every[0]
    for one in every[1:]:
        total = xp.add(total, one)
    return total if len(every) == 1 else xp.multiply(total, number(1.0 / len(every)))


def _root_mean_square(every: list[Any], xp: Any) -> Any:
    """Return the root of the mean square, of numbers of any size: no square overflows."""
    largest = xp.abs(every[0])
    for one in every[1:]:
        largest = at_least(largest, xp.abs(one), xp)
    unit = xp.where(xp.greater(largest, number(0.0)), largest, number(1.0))
    return xp.multiply(unit, xp.sqrt(_mean([xp.square(xp.divide(x, unit)) for x in every], xp)))
