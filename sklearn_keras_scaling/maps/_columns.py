"""Maps that choose, join and mix columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._base import IDENTITY, Map, constants
from ._namespaces import project


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

    def typical(self, z: np.ndarray, rest: Map) -> np.ndarray:
        """Return what the rest was fitted on, and draws in the other columns."""
        rows = np.array(z)
        columns = list(self.columns)
        rows[..., columns] = rest.typical(z[..., columns], IDENTITY)
        return rows


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
    >>> from sklearn_keras_scaling.maps import Affine
    >>> both = Parallel((((1,), Affine(1.0, 2.0)), (None, IDENTITY)))
    >>> both.forward(np.array([[5.0, 3.0]]), np)
    array([[1., 5., 3.]])
    """

    branches: tuple[tuple[Sequence[int] | None, Map], ...]

    def forward(self, x: Any, xp: Any) -> Any:
        """Return what each map makes of its columns, side by side."""
        parts = [map_.forward(_take(x, columns, xp), xp) for columns, map_ in self.branches]
        return xp.concatenate(parts, axis=-1)

    def shift(self, offset: np.ndarray) -> Map:
        """Return the same with each branch shifted."""
        branches = [
            (columns, map_.shift(offset if columns is None else offset[list(columns)]))
            for columns, map_ in self.branches
        ]
        return Parallel(tuple(branches))

    def typical(self, z: np.ndarray, rest: Map) -> np.ndarray:
        """Return for each column what the first map that takes it was fitted on."""
        rows = np.array(z)
        for columns, map_ in reversed(self.branches):
            chosen = slice(None) if columns is None else list(columns)
            rows[..., chosen] = map_.typical(z[..., chosen], IDENTITY)
        return rows


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
    deviations : array-like of shape (n_components,)
        Standard deviations of the training data along the components.

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
    deviations: Any

    def __post_init__(self) -> None:
        constants(self, "components", "mean", "deviations")

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the coordinates of ``x``."""
        return project(xp.subtract(x, self.mean), self.components, xp)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return the point with coordinates ``z``."""
        return xp.add(project(z, self.components.T, xp), self.mean)

    def typical(self, z: np.ndarray, rest: Map) -> np.ndarray:
        """Return rows that spread along the components as the training data."""
        return self.inverse(z[..., : len(self.components)] * self.deviations, np)


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

    def forward(self, x: Any, xp: Any) -> Any:
        """Return the products."""
        padded = xp.concatenate([x, xp.ones_like(x[..., :1])], axis=-1)
        first, *others = (_take(padded, column, xp) for column in self.factors.T)
        for other in others:
            first = xp.multiply(first, other)
        return first
