"""Maps that choose, join and mix columns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._base import UNKNOWN, Map, constants, draws_for
from ._namespaces import at_most, project


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
    is_exact = True

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the kept columns of ``x``."""
        return _take(x, self.columns, xp)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``z`` among columns of zeros."""
        sources = np.full(self.n_features, len(self.columns))  # one behind: the zeros
        sources[list(self.columns)] = np.arange(len(self.columns))
        zeros = xp.zeros_like(xp.sum(z, axis=-1, keepdims=True))  # of no column too
        padded = xp.concatenate([z, zeros], axis=-1)
        return xp.take(padded, sources, axis=-1)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return the outputs, among columns that nothing is known of."""
        rows = np.full_like(draws, UNKNOWN)
        rows[..., list(self.columns)] = outputs
        return rows

    def reads(self, n_features: int) -> set[int]:
        """Return the kept columns."""
        return set(self.columns)


class Squeeze(Map):
    """Drops the last axis of length 1: the column of a 1-D target, and back.

    Examples
    --------
    >>> import numpy as np
    >>> Squeeze().forward(np.zeros((3, 1)), np).shape
    (3,)
    """

    is_exact = True

    def direction(self, n_features: int) -> np.ndarray:
        """Return 1."""
        return np.ones(n_features)

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


class OrderedClasses(Map):
    """The probabilities to be above each class but the last as those of the classes.

    None of them is taken for larger than one before it.

    Examples
    --------
    >>> import numpy as np
    >>> OrderedClasses().forward(np.array([[0.75, 0.25], [0.5, 0.75]]), np)
    array([[0.25, 0.5 , 0.25],
           [0.5 , 0.  , 0.5 ]])
    """

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``x`` of shape (..., n - 1) as probabilities of shape (..., n)."""
        above = [x[..., :1]]
        for k in range(1, x.shape[-1]):
            above.append(at_most(x[..., k : k + 1], above[-1], xp))
        first = xp.subtract(1.0, above[0])
        between = [xp.subtract(*pair) for pair in itertools.pairwise(above)]
        return xp.concatenate([first, *between, above[-1]], axis=-1)


@dataclass(frozen=True, eq=False)
class Parallel(Map):
    """Maps beside each other, each of some columns; their outputs stand side by side.

    Parameters
    ----------
    branches : tuple of (sequence of int or None, Map)
        The columns that a map takes, or None for all.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling.maps import IDENTITY, Affine
    >>> both = Parallel((((1,), Affine(1.0, 2.0)), (None, IDENTITY)))
    >>> both.forward(np.array([[5.0, 3.0]]), np)
    array([[1., 5., 3.]])
    """

    branches: tuple[tuple[Sequence[int] | None, Map], ...]

    @property
    def is_exact(self) -> bool:  # type: ignore[override]  # read-only here
        """Whether all of them are."""
        return all(map_.is_exact for _, map_ in self.branches)

    def tolerant(self) -> Map:
        """Return the same of each map made tolerant."""
        branches = tuple((columns, map_.tolerant()) for columns, map_ in self.branches)
        return replace(self, branches=branches)

    def bounded(self) -> Map:
        """Return the same of each map bounded."""
        branches = tuple((columns, map_.bounded()) for columns, map_ in self.branches)
        return replace(self, branches=branches)

    def is_fragile(self, eps: float) -> bool:
        """Return whether one of them is."""
        return any(map_.is_fragile(eps) for _, map_ in self.branches)

    def forward(self, x: Any, xp: Any) -> Any:
        """Return what each map makes of its columns, side by side."""
        parts = [map_.forward(_take(x, columns, xp), xp) for columns, map_ in self.branches]
        return xp.concatenate(parts, axis=-1) if parts else _take(x, (), xp)

    def shift(self, offset: np.ndarray) -> Map:
        """Return the same with each branch shifted."""
        branches = [
            (columns, map_.shift(offset if columns is None else offset[list(columns)]))
            for columns, map_ in self.branches
        ]
        return replace(self, branches=tuple(branches))

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return for each column what the maps that take it know, of each a share of the rows."""
        found: dict[int, list[np.ndarray]] = {}
        start = 0
        for columns, map_ in self.branches:
            chosen = list(range(draws.shape[-1]) if columns is None else columns)
            own = draws[..., chosen]
            stop = start + draws_for(map_, own).shape[-1]
            rows = map_.typical(outputs[..., start:stop], own)
            start = stop
            for i, column in enumerate(chosen):
                found.setdefault(column, []).append(rows[..., i])
        rows = np.array(draws)
        for column, values in found.items():
            known = [each for each in values if not np.isinf(each).any()] or values
            # Shares, not turns: maps themselves try hard values in every second row.
            ends = np.linspace(0, len(rows), len(known) + 1).astype(int)
            for each, start, stop in zip(known, ends, ends[1:], strict=False):
                rows[start:stop, ..., column] = each[start:stop]
        return rows

    def reads(self, n_features: int) -> set[int]:
        """Return the columns that any of the maps takes."""
        every = range(n_features)
        return {i for columns, _ in self.branches for i in (every if columns is None else columns)}


class PerColumn(Parallel):
    """A map for each column, in their order: each takes one and returns one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling.maps import IDENTITY, Affine
    >>> PerColumn.of([Affine(1.0, 2.0), IDENTITY]).inverse(np.array([[2.0, 3.0]]), np)
    array([[5., 3.]])
    """

    @classmethod
    def of(cls, maps: Sequence[Map]) -> PerColumn:
        """Return the maps beside each other."""
        return cls(tuple(((i,), map_) for i, map_ in enumerate(maps)))

    @property
    def output_range(self) -> tuple[float, float]:  # type: ignore[override]  # read-only here
        """The interval around all of theirs."""
        lows, highs = zip(*(map_.output_range for _, map_ in self.branches), strict=True)
        return (min(lows), max(highs))

    @property
    def is_affine(self) -> bool:  # type: ignore[override]  # read-only here
        """Whether all of them are."""
        return all(map_.is_affine for _, map_ in self.branches)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return each column back through its map."""
        columns = [map_.inverse(_take(z, column, xp), xp) for column, map_ in self.branches]
        return xp.concatenate(columns, axis=-1)

    def domain_behind(self, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
        """Return the ends of each column through its map."""
        width = len(self.branches)
        low, high = (np.broadcast_to(e, (*np.shape(e)[:-1], width)) for e in (low, high))
        columns = [
            np.broadcast_arrays(
                *map_.domain_behind(_take(low, column, np), _take(high, column, np), xp),
                np.empty(1),
            )[:2]
            for column, map_ in self.branches
        ]
        low, high = (np.concatenate(parts, axis=-1) for parts in zip(*columns, strict=True))
        return low, high

    def direction(self, n_features: int) -> np.ndarray:
        """Return that of each column's map."""
        return np.concatenate([map_.direction(1) for _, map_ in self.branches], axis=-1)

    def locate(self, loc: Any, scale: Any) -> tuple[Any, Any]:
        """Return where 0 and 1 come from, column by column."""
        width = len(self.branches)
        pairs = zip(*(np.broadcast_to(each, width) for each in (loc, scale)), strict=True)
        found = [map_.locate(*pair) for (_, map_), pair in zip(self.branches, pairs, strict=True)]
        locs, scales = (np.array([np.ravel(pair[k])[0] for pair in found]) for k in (0, 1))
        return locs, scales


def _take(x: Any, columns: Sequence[int] | None, xp: Any) -> Any:
    return x if columns is None else xp.take(x, np.array(columns, dtype=np.int32), axis=-1)


@dataclass(frozen=True, eq=False)
class Project(Map):
    """The map ``z = (x - mean) @ components.T``.

    It subtracts first, where scikit-learn subtracts the projected mean: far from zero
    that costs scikit-learn digits.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
        Orthogonal rows of length 1.
    mean : array-like of shape (n_features,) or float
        Of the training data.
    deviations : array-like of shape (n_components,), default=None
        Standard deviations of the training data along the components, around ``mean``.

    Examples
    --------
    >>> import numpy as np
    >>> turn = Project([[0.0, 1.0]], mean=[5.0, 6.0], deviations=[1.0])
    >>> turn.forward(np.array([[5.0, 8.0]]), np)
    array([[2.]])
    >>> turn.inverse(np.array([[2.0]]), np)
    array([[5., 8.]])
    """

    components: Any
    mean: Any
    deviations: Any = None

    def __post_init__(self) -> None:
        constants(self, "components", "mean")

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the coordinates of ``x``."""
        return project(xp.subtract(x, self.mean), self.components, xp)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the point with coordinates ``z``."""
        return xp.add(project(z, self.components.T, xp), self.mean)

    def shift(self, offset: np.ndarray) -> Map:
        """Return the same around another mean."""
        return replace(self, mean=self.mean - offset)

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return rows that spread along the components as the training data."""
        if self.deviations is not None:
            return self.inverse(draws_for(self, draws) * self.deviations, np)
        # Without a mean, only what follows can tell where the data are.
        is_known = not np.isinf(outputs).any()
        return self.inverse(outputs, np) if is_known else np.full_like(draws, UNKNOWN)


@dataclass(frozen=True, eq=False)
class Monomials(Map):
    """Products of columns.

    Parameters
    ----------
    factors : ndarray of int of shape (n_outputs, degree)
        The columns to multiply; ``n_features`` stands for 1.

    Examples
    --------
    >>> import numpy as np
    >>> Monomials(np.array([[0, 1], [1, 1], [0, 2]])).forward(np.array([[3.0, 5.0]]), np)
    array([[15., 25.,  3.]])
    """

    factors: np.ndarray
    # Multiplied in scikit-learn's order, products have its bits, whatever computes them: equal
    # ones of other factors, a rounding apart, are then on the sides of a jump that it says.
    is_exact = True

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the products."""
        padded = xp.concatenate([x, xp.ones_like(x[..., :1])], axis=-1)
        first, *others = (_take(padded, column, xp) for column in self.factors.T)
        for other in others:
            first = xp.multiply(first, other)
        return first

    def typical(self, outputs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Return the outputs that are columns themselves."""
        rows = np.full_like(draws, UNKNOWN)
        n_features = draws.shape[-1]
        for i, factors in enumerate(self.factors):
            columns = factors[factors < n_features]
            if len(columns) == 1:
                rows[..., columns[0]] = outputs[..., i]
        return rows
