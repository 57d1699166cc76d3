"""Transformations written once, against an array namespace.

A map is a small immutable object with ``forward(x, xp)`` and ``inverse(z, xp)``.
The namespace ``xp`` is :mod:`numpy` on the host and :mod:`keras.ops` in a graph,
so that both sides evaluate the same formula. The constants are float64: NumPy
and Keras both promote a float32 ``x`` to float64 when they meet them (JAX
without x64 stays in float32).
"""

from ._base import (
    IDENTITY,
    UNBOUNDED,
    UNKNOWN,
    Affine,
    Chain,
    Clip,
    Inverse,
    Map,
    MultiplyAdd,
    WithinDomain,
    draws_for,
)
from ._columns import (
    BothClasses,
    Monomials,
    OrderedClasses,
    Parallel,
    PerColumn,
    Project,
    Squeeze,
    Take,
)
from ._domains import rows_beyond, rows_not_finite
from ._functions import Function, Impute, Normalize, Power, Squash, Threshold
from ._local import LocalNormalize
from ._tables import Bins, Codes, OneHot, Piecewise, Quantiles

__all__ = [
    "IDENTITY",
    "UNBOUNDED",
    "UNKNOWN",
    "Affine",
    "Bins",
    "BothClasses",
    "Chain",
    "Clip",
    "Codes",
    "Function",
    "Impute",
    "Inverse",
    "LocalNormalize",
    "Map",
    "Monomials",
    "MultiplyAdd",
    "Normalize",
    "OneHot",
    "OrderedClasses",
    "Parallel",
    "PerColumn",
    "Piecewise",
    "Power",
    "Project",
    "Quantiles",
    "Squash",
    "Squeeze",
    "Take",
    "Threshold",
    "WithinDomain",
    "draws_for",
    "rows_beyond",
    "rows_not_finite",
]
