"""Transformations written once, against an array namespace.

A map is a small immutable object with ``forward(x, xp)`` and ``inverse(z, xp)``.
The namespace ``xp`` is :mod:`numpy` on the host and :mod:`keras.ops` in a graph,
so that both sides evaluate the same formula. The constants are float64: NumPy
and Keras both promote a float32 ``x`` to float64 when they meet them (JAX
without x64 stays in float32).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

UNBOUNDED = (-np.inf, np.inf)


class Map(ABC):
    """An elementwise or per-column transformation that knows its inverse.

    Attributes
    ----------
    output_range : tuple of float
        Interval that ``forward`` takes the training data to.
    is_affine : bool
        Whether it is ``(x - loc) / scale`` of each column, with those of ``locate``.
    """

    output_range: tuple[float, float] = UNBOUNDED
    is_affine: bool = False

    @abstractmethod
    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x``, of shape (..., n_features), in scaled space."""

    @abstractmethod
    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z``, of shape (..., n_features), in raw units."""

    def locate(self, loc: Any, scale: Any) -> tuple[Any, Any]:
        """Return the raw number that becomes 0 and the raw distance that becomes 1.

        Parameters
        ----------
        loc, scale : ndarray of shape (n_features,) or float
            The same for the numbers that enter this map.
        """
        return loc, scale

    def tile(self, repeats: int) -> Map:
        """Return the map of rows that hold ``repeats`` rows of this one's, side by side."""
        raise NotImplementedError(f"{type(self).__name__} is not elementwise.")

    def float32_error(self) -> float:
        """Return what rounding raw numbers to float32 may cost in scaled space.

        Half a step of float32 at ``loc`` plus one scale, seen through the scale.
        """
        loc, scale = self.locate(0.0, 1.0)
        return float(np.max(2.0**-24 * (np.abs(np.divide(loc, scale)) + 1.0)))


@dataclass(frozen=True, eq=False)
class Affine(Map):
    """The map ``z = (x - loc) / scale``.

    It subtracts first: at a large ``loc / scale`` the form ``x * a + b`` loses
    the digits that the subtraction keeps.

    Parameters
    ----------
    loc, scale : array-like of shape (n_features,) or float
        As in ``scipy.stats``; ``scale`` divides.
    output_range : tuple of float
        Interval that the training data are taken to.

    Examples
    --------
    >>> import numpy as np
    >>> kelvin = Affine(loc=[273.15], scale=[1.0])
    >>> kelvin.forward(np.array([[300.15]]), np)
    array([[27.]])
    >>> kelvin.inverse(np.array([[27.0]]), np)
    array([[300.15]])
    """

    loc: Any = 0.0
    scale: Any = 1.0
    output_range: tuple[float, float] = UNBOUNDED
    is_affine = True

    def __post_init__(self) -> None:
        for name in ("loc", "scale"):
            value = np.array(getattr(self, name), dtype=np.float64)
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``(x - loc) / scale``."""
        return xp.divide(xp.subtract(x, self.loc), self.scale)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z * scale + loc``."""
        return xp.add(xp.multiply(z, self.scale), self.loc)

    def tile(self, repeats: int) -> Map:
        """Return the same with constants for ``repeats`` rows side by side."""
        constants = (self.loc, self.scale)
        loc, scale = (np.tile(each, repeats) if each.ndim else each for each in constants)
        return Affine(loc, scale, self.output_range)

    def locate(self, loc: Any, scale: Any) -> tuple[Any, Any]:
        """Return where 0 and 1 come from, given where the inputs do."""
        return loc + scale * self.loc, scale * self.scale


@dataclass(frozen=True, eq=False)
class Clip(Map):
    """Limits values to ``[low, high]``; as in scikit-learn, the inverse does not clip.

    Examples
    --------
    >>> import numpy as np
    >>> Clip(0.0, 1.0).forward(np.array([-1.0, 0.5, 2.0]), np)
    array([0. , 0.5, 1. ])
    """

    low: float
    high: float

    @property
    def output_range(self) -> tuple[float, float]:  # type: ignore[override]  # read-only here
        """The interval itself."""
        return (self.low, self.high)

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x`` limited to ``[low, high]``."""
        return xp.clip(x, self.low, self.high)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z`` unchanged."""
        return z

    def tile(self, repeats: int) -> Map:
        """Return the same: the limits are those of every column."""
        return self


@dataclass(frozen=True, eq=False)
class Chain(Map):
    """Maps one after another; without any, the identity.

    Examples
    --------
    >>> import numpy as np
    >>> percent = Chain((Affine(0.0, 0.01), Clip(0.0, 100.0)))
    >>> percent.forward(np.array([0.25, 1.5]), np)
    array([ 25., 100.])
    """

    maps: tuple[Map, ...] = ()

    @property
    def output_range(self) -> tuple[float, float]:  # type: ignore[override]  # read-only here
        """That of the last map."""
        return self.maps[-1].output_range if self.maps else UNBOUNDED

    @property
    def is_affine(self) -> bool:  # type: ignore[override]  # read-only here
        """Whether all of them are."""
        return all(map_.is_affine for map_ in self.maps)

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x`` through every map, first to last."""
        for map_ in self.maps:
            x = map_.forward(x, xp)
        return x

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z`` back through every map, last to first."""
        for map_ in reversed(self.maps):
            z = map_.inverse(z, xp)
        return z

    def tile(self, repeats: int) -> Map:
        """Return the same of each map tiled."""
        return Chain(tuple(map_.tile(repeats) for map_ in self.maps))

    def locate(self, loc: Any, scale: Any) -> tuple[Any, Any]:
        """Return where 0 and 1 come from, through every map."""
        for map_ in self.maps:
            loc, scale = map_.locate(loc, scale)
        return loc, scale


IDENTITY = Chain()


@dataclass(frozen=True, eq=False)
class Inverse(Map):
    """Another map the other way round.

    Examples
    --------
    >>> import numpy as np
    >>> Inverse(Affine(10.0, 2.0)).forward(np.array([1.0]), np)
    array([12.])
    """

    map: Map

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the other map's inverse of ``x``."""
        return self.map.inverse(x, xp)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the other map's forward of ``z``."""
        return self.map.forward(z, xp)


@dataclass(frozen=True, eq=False)
class Take(Map):
    """Keeps some columns; the inverse puts zeros where the others were.

    Examples
    --------
    >>> import numpy as np
    >>> last_two = Take((1, 2), n_features=3)
    >>> last_two.forward(np.array([[7.0, 8.0, 9.0]]), np)
    array([[8., 9.]])
    >>> last_two.inverse(np.array([[8.0, 9.0]]), np)
    array([[0., 8., 9.]])
    """

    columns: tuple[int, ...]
    n_features: int

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the kept columns of ``x``."""
        return xp.take(x, np.array(self.columns), axis=-1)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z`` among columns of zeros."""
        sources = np.full(self.n_features, len(self.columns))  # one behind: the zeros
        sources[list(self.columns)] = np.arange(len(self.columns))
        padded = xp.concatenate([z, xp.zeros_like(z[..., :1])], axis=-1)
        return xp.take(padded, sources, axis=-1)

    def locate(self, loc: Any, scale: Any) -> tuple[Any, Any]:
        """Return those of the kept columns."""
        full = np.broadcast_to(loc, self.n_features), np.broadcast_to(scale, self.n_features)
        return full[0][list(self.columns)], full[1][list(self.columns)]


class Squeeze(Map):
    """Drops the last axis of length 1: the column of a 1-D target, and back.

    Examples
    --------
    >>> import numpy as np
    >>> Squeeze().forward(np.zeros((3, 1)), np).shape
    (3,)
    """

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x`` of shape (n, 1) as shape (n,)."""
        return xp.squeeze(x, axis=-1)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z`` of shape (n,) as shape (n, 1)."""
        return xp.expand_dims(z, axis=-1)


class BothClasses(Map):
    """The probability of the second of two classes as the probabilities of both.

    Examples
    --------
    >>> import numpy as np
    >>> BothClasses().forward(np.array([[0.25]]), np)
    array([[0.75, 0.25]])
    """

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x`` of shape (n, 1) as ``[1 - x, x]`` of shape (n, 2)."""
        return xp.concatenate([xp.subtract(1.0, x), x], axis=-1)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the second column of ``z``, of shape (n, 1)."""
        return z[..., 1:]
