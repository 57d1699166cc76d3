"""What a map is, and the affine ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from operator import is_
from typing import Any

import numpy as np

from ._domains import moved, tried_direction
from ._namespaces import at_least, at_most, is_narrow

UNBOUNDED = (-np.inf, np.inf)
#: In rows that :meth:`Map.typical` returns.
UNKNOWN = np.inf


class Map(ABC):
    """A transformation of the last axis, and its inverse where it has one.

    Attributes
    ----------
    output_range : tuple of float
        Interval that ``forward`` takes the training data to.
    is_affine : bool
        Whether it is ``(x - loc) / scale`` of each column, with those of ``locate``.
    is_exact : bool
        Whether it computes nothing: numbers leave with the bits that they came with, or
        come from tables.
    typical_length : int
        Of axes whose length may vary, in rows like those that it was fitted on.
    """

    output_range: tuple[float, float] = UNBOUNDED
    is_affine: bool = False
    is_exact: bool = False
    typical_length: int = 2

    @abstractmethod
    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x``, of shape (..., n_features), in scaled space."""

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z``, of shape (..., n_features), in raw units.

        Raises
        ------
        NotImplementedError
            If the map has no inverse.
        """
        raise NotImplementedError(f"{type(self).__name__} has no inverse.")

    def limits(self, xp: Any) -> tuple[Any, Any]:
        """Return between which scaled numbers the inverse is defined, finite and monotone.

        Infinite where it is everywhere, or nothing is known. An open end is left out by some
        roundings, so that the inverse and its slope are finite at what is returned.
        """
        return UNBOUNDED

    def domain_behind(self, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
        """Return which scaled numbers the inverse takes to between ``low`` and ``high``."""
        return np.array([-np.inf]), np.array([np.inf])

    def inverse_domain(self, n_features: int, xp: Any = np) -> tuple[np.ndarray, np.ndarray]:
        """Return the interval of scaled numbers that the inverse is defined for.

        Parameters
        ----------
        n_features : int
            Columns of the scaled numbers.
        xp : module, default=numpy
            Array namespace: on JAX without x64, ends are those of float32.

        Returns
        -------
        low, high : ndarray that broadcasts against a row
            Of each column, infinite where there is no end, or none that is known.
        """
        every = np.full(n_features, np.inf)
        low, high = (np.asarray(end) for end in self.domain_behind(-every, every, xp))
        shape = np.broadcast_shapes(low.shape, high.shape, (n_features,))
        return np.broadcast_to(low, shape), np.broadcast_to(high, shape)

    def bounded(self) -> Map:
        """Return the same with an inverse that stays at the ends of its domain beyond them.

        For predictions, which may be anything; a transformer's own inverse is left as it is.
        """
        ends = self.limits(np)
        # At each prediction: most maps have no ends, and say so with this constant.
        return self if ends is UNBOUNDED or np.isinf(ends).all() else WithinDomain(self)

    def direction(self, n_features: int) -> np.ndarray:
        """Return whether the inverse rises (1) or falls (-1) with each column, 0 if neither.

        Parameters
        ----------
        n_features : int
            Columns of the scaled numbers.

        Returns
        -------
        direction : ndarray that broadcasts against a row
            0 also where a column of the result depends on several.
        """
        return tried_direction(self, n_features)

    def locate(self, loc: Any, scale: Any) -> tuple[Any, Any]:
        """Return, of an affine map, the raw number that becomes 0 and the distance that becomes 1.

        Parameters
        ----------
        loc, scale : ndarray of shape (n_features,) or float
            The same for the numbers that enter this map.
        """
        raise NotImplementedError(f"{type(self).__name__} is not affine.")

    def shift(self, offset: np.ndarray) -> Map:
        """Return the map of numbers that an offset of shape (n_features,) was taken from."""
        raise NotImplementedError(f"{type(self).__name__} does not begin with affine scaling.")

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return rows like those that the map was fitted on; infinite where it cannot tell.

        Parameters
        ----------
        outputs : ndarray of shape (n, ..., n_outputs)
            What is known of the rows behind the map, infinite where that is nothing.
        draws : ndarray of shape (n, ..., n_features)
            From a standard normal distribution.

        Returns
        -------
        inputs : ndarray of the shape of ``draws``
            In the units that enter the map.
        """
        return np.full_like(draws, UNKNOWN)

    def tolerant(self) -> Map:
        """Return the same for numbers that were computed, and are some roundings off.

        Where a map jumps at what were training values (edges by quantiles, categories,
        repeated quantiles), those next to the jump are taken to be on it: NumPy,
        scikit-learn and each backend round them otherwise.
        """
        return self

    def is_fragile(self, eps: float) -> bool:
        """Return whether numbers that differ by rounding alone lie on different sides of a jump.

        Parameters
        ----------
        eps : float
            Distance of 1 from the next number of the precision that is computed in.
        """
        return False

    def reads(self, n_features: int) -> set[int]:
        """Return the columns that the result depends on."""
        return set(range(n_features))

    def rounds_once(self, dtype: np.dtype[Any]) -> bool:
        """Return whether computing in this dtype has the bits of float64, rounded at the end."""
        return False

    def tile(self, repeats: int) -> Map:
        """Return the map of rows that hold ``repeats`` rows of this one's, side by side."""
        raise NotImplementedError(f"{type(self).__name__} is not elementwise.")


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
    center, spread : array-like of shape (n_features,) or float, default=None
        Mean and standard deviation of the training data, as far as they are known and not
        ``loc`` and ``scale``.

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
    center: Any = None
    spread: Any = None
    is_affine = True

    def __post_init__(self) -> None:
        constants(self, "loc", "scale")

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``(x - loc) / scale``."""
        return xp.divide(xp.subtract(x, self.loc), self.scale)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z * scale + loc``."""
        # The constant first: as the second one, TensorFlow's add takes it for a bias.
        return xp.add(self.loc, xp.multiply(z, self.scale))

    def domain_behind(self, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
        """Return what the ends become."""
        return moved(self, low, high, xp)

    def direction(self, n_features: int) -> np.ndarray:
        """Return the sign of the scale."""
        sign = np.sign(self.scale)
        return np.broadcast_to(sign, np.broadcast_shapes(sign.shape, (n_features,)))

    def rounds_once(self, dtype: np.dtype[Any]) -> bool:
        """Return whether it is one multiplication or division by a number of this dtype.

        Float64 has more than twice the digits of float32, so that a product or quotient of two
        float32 numbers, rounded to float64 and then to float32, is the one rounded to float32.
        """
        with np.errstate(all="ignore"):
            return not self.loc.any() and bool(np.all(self.scale == self.scale.astype(dtype)))

    def tile(self, repeats: int) -> Map:
        """Return the same with constants for ``repeats`` rows side by side."""
        constants = (self.loc, self.scale)
        loc, scale = (each if each.size == 1 else np.tile(each, repeats) for each in constants)
        return Affine(loc, scale, self.output_range)

    def locate(self, loc: Any, scale: Any) -> tuple[Any, Any]:
        """Return where 0 and 1 come from, given where the inputs do."""
        return loc + scale * self.loc, scale * self.scale

    def shift(self, offset: np.ndarray) -> Map:
        """Return the same with another ``loc``."""
        return Affine(self.loc - offset, self.scale, self.output_range)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return what becomes the outputs; else what is around ``center`` or fills the range."""
        low, high = self.output_range
        if self.center is None and np.isfinite(high - low):
            own = self.inverse(low + (high - low) / (1.0 + np.exp(-1.7 * draws)), np)  # uniform
        else:
            own = draws * (self.scale if self.spread is None else self.spread)
            own = own + (self.loc if self.center is None else self.center)
        return np.where(np.isinf(outputs), own, self.inverse(outputs, np))


@dataclass(frozen=True, eq=False)
class MultiplyAdd(Affine):
    """The same map as ``x * factor + offset``, which rounds as scikit-learn's MinMaxScaler does.

    In float32 it subtracts first all the same: there, this form loses more than it agrees.

    Parameters
    ----------
    factor, offset : array-like of shape (n_features,) or float
        ``1 / scale`` and ``-loc / scale``, as scikit-learn rounded them.

    Examples
    --------
    >>> import numpy as np
    >>> percent = MultiplyAdd(loc=50.0, scale=50.0, factor=0.02, offset=-1.0)
    >>> percent.forward(np.array([100.0]), np)
    array([1.])
    """

    factor: Any = 1.0
    offset: Any = 0.0

    def __post_init__(self) -> None:
        constants(self, "loc", "scale", "factor", "offset")

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x * factor + offset``."""
        if is_narrow(xp):
            return super().forward(x, xp)
        return xp.add(self.offset, xp.multiply(x, self.factor))

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``(z - offset) / factor``."""
        if is_narrow(xp):
            return super().inverse(z, xp)
        return xp.divide(xp.subtract(z, self.offset), self.factor)

    def rounds_once(self, dtype: np.dtype[Any]) -> bool:
        """Return False: it multiplies and adds."""
        return False


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
    is_exact = True

    @property
    def output_range(self) -> tuple[float, float]:  # type: ignore[override]  # read-only here
        """The interval itself."""
        return (self.low, self.high)

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x`` limited to ``[low, high]``."""
        # Scalars: Keras keeps them in this operation's config, which takes no arrays.
        return xp.clip(x, self.low, self.high)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z`` unchanged."""
        return z

    def domain_behind(self, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
        """Return the same ends: the inverse does not clip."""
        return low, high

    def direction(self, n_features: int) -> np.ndarray:
        """Return 1."""
        return np.ones(n_features)

    def rounds_once(self, dtype: np.dtype[Any]) -> bool:
        """Return True: limits are rounded as what is limited is."""
        return True

    def tile(self, repeats: int) -> Map:
        """Return the same: the limits are those of every column."""
        return self

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return the outputs."""
        return outputs


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

    def __post_init__(self) -> None:
        maps: list[Map] = []
        for map_ in self.maps:
            maps.append(map_ if all(before.is_exact for before in maps) else map_.tolerant())
        object.__setattr__(self, "maps", tuple(maps))

    @property
    def output_range(self) -> tuple[float, float]:  # type: ignore[override]  # read-only here
        """That of the last map."""
        return self.maps[-1].output_range if self.maps else UNBOUNDED

    @property
    def is_affine(self) -> bool:  # type: ignore[override]  # read-only here
        """Whether all of them are."""
        return all(map_.is_affine for map_ in self.maps)

    @property
    def is_exact(self) -> bool:  # type: ignore[override]  # read-only here
        """Whether all of them are."""
        return all(map_.is_exact for map_ in self.maps)

    @property
    def typical_length(self) -> int:  # type: ignore[override]  # read-only here
        """The longest of all."""
        return max((map_.typical_length for map_ in self.maps), default=Map.typical_length)

    def tolerant(self) -> Map:
        """Return the same of each map made tolerant."""
        return Chain(tuple(map_.tolerant() for map_ in self.maps)) if self.maps else self

    def is_fragile(self, eps: float) -> bool:
        """Return whether one of them is."""
        return any(map_.is_fragile(eps) for map_ in self.maps)

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

    def domain_behind(self, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
        """Return the ends through every map, first to last."""
        for map_ in self.maps:
            low, high = map_.domain_behind(low, high, xp)
        return low, high

    def bounded(self) -> Map:
        """Return the same of each map bounded: where its own domain ends."""
        maps = tuple(map_.bounded() for map_ in self.maps)
        return self if all(map(is_, maps, self.maps)) else Chain(maps)

    def direction(self, n_features: int) -> np.ndarray:
        """Return the product of all of theirs."""
        found = np.ones(n_features)
        for map_ in self.maps:
            found = found * map_.direction(n_features)
        return found

    def rounds_once(self, dtype: np.dtype[Any]) -> bool:
        """Return whether each map does, and no more than one of them computes."""
        n_computing = sum(not map_.is_exact for map_ in self.maps)
        return n_computing <= 1 and all(map_.rounds_once(dtype) for map_ in self.maps)

    def tile(self, repeats: int) -> Map:
        """Return the same of each map tiled."""
        return Chain(tuple(map_.tile(repeats) for map_ in self.maps))

    def locate(self, loc: Any, scale: Any) -> tuple[Any, Any]:
        """Return where 0 and 1 come from, through every map."""
        for map_ in self.maps:
            loc, scale = map_.locate(loc, scale)
        return loc, scale

    def shift(self, offset: np.ndarray) -> Map:
        """Return the same with the first map shifted."""
        first, *others = self.maps or (Affine(),)
        return Chain((first.shift(offset), *others))

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return what the maps know, asked from the last to the first."""
        stages = [draws]
        for map_ in self.maps:
            stages.append(draws_for(map_, stages[-1]))
        for map_, before in zip(reversed(self.maps), reversed(stages[:-1]), strict=True):
            inputs = map_.typical(outputs, before)
            outputs = _settled(map_, inputs, outputs)
        return outputs

    def reads(self, n_features: int) -> set[int]:
        """Return what the first map reads."""
        first = next((map_ for map_ in self.maps if map_ is not IDENTITY), None)
        return super().reads(n_features) if first is None else first.reads(n_features)


IDENTITY = Chain()


def _settled(map_: Map, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return the inputs, a rounding or two beside where that alone becomes the outputs."""
    if map_.is_exact or inputs.shape != outputs.shape or np.isinf(outputs).all():
        return inputs
    with np.errstate(all="ignore"):
        for away in (-np.inf, np.inf):
            beside = inputs
            for _ in range(2):
                beside = np.nextafter(beside, away)
                found, better = (np.asarray(map_.forward(x, np)) for x in (inputs, beside))
                if found.shape != outputs.shape:
                    return inputs
                is_better = (better == outputs) & (found != outputs) & np.isfinite(inputs)
                inputs = np.where(is_better, beside, inputs)
    return inputs


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

    @property
    def is_exact(self) -> bool:  # type: ignore[override]  # read-only here
        """Whether the other map is."""
        return self.map.is_exact

    def tolerant(self) -> Map:
        """Return the inverse of the same made tolerant."""
        return Inverse(self.map.tolerant())

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the other map's inverse of ``x``."""
        return self.map.inverse(x, xp)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the other map's forward of ``z``."""
        return self.map.forward(z, xp)

    def direction(self, n_features: int) -> np.ndarray:
        """Return that of the other map: both rise, or both fall."""
        return self.map.direction(n_features)


@dataclass(frozen=True, eq=False)
class WithinDomain(Map):
    """A map whose inverse, beyond its domain, stays at what it is at the end of it.

    Parameters
    ----------
    map : Map
        One that has limits; :meth:`Map.bounded` wraps those of a composed one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling.maps import Function
    >>> root = WithinDomain(Function((np.sqrt, None), (np.square, None)))
    >>> root.inverse(np.array([[-3.0], [2.0]]), np)
    array([[0.],
           [4.]])
    """

    map: Map

    @property
    def output_range(self) -> tuple[float, float]:  # type: ignore[override]  # read-only here
        """That of the map."""
        return self.map.output_range

    @property
    def is_exact(self) -> bool:  # type: ignore[override]  # read-only here
        """Whether the map is."""
        return self.map.is_exact

    def tolerant(self) -> Map:
        """Return the same of the map made tolerant."""
        return WithinDomain(self.map.tolerant())

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the map's forward of ``x``."""
        return self.map.forward(x, xp)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the map's inverse of ``z``, or of the end that it is beyond."""
        # Before, not after: beyond, the inverse has no number and no slope.
        low, high = (np.array(end, dtype=np.float64, ndmin=1) for end in self.map.limits(xp))
        if not np.isinf(low).all():
            z = at_least(z, low, xp)
        if not np.isinf(high).all():
            z = at_most(z, high, xp)
        return self.map.inverse(z, xp)

    def domain_behind(self, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
        """Return that of the map."""
        return self.map.domain_behind(low, high, xp)

    def direction(self, n_features: int) -> np.ndarray:
        """Return that of the map."""
        return self.map.direction(n_features)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return what the map does."""
        return self.map.typical(outputs, draws)


def draws_for(map_: Map, draws: np.ndarray) -> np.ndarray:
    """Return draws for the outputs of a map whose inputs these are for."""
    with np.errstate(all="ignore"):
        width = np.shape(map_.forward(np.ones_like(draws[:1]), np))[-1]
    return draws[..., np.arange(width) % draws.shape[-1]]


def constants(map_: Any, *names: str) -> None:
    """Make the named fields of a new map read-only float64 arrays."""
    for name in names:
        value = np.array(getattr(map_, name), dtype=np.float64, ndmin=1)
        value.flags.writeable = False
        object.__setattr__(map_, name, value)
