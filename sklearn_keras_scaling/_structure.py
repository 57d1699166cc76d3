"""One thing, or several by name or position: what inputs, targets and their scalers may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def each(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Return a structure like ``first`` of what a function makes of each part.

    Parameters
    ----------
    function : callable
        Takes the name (the key of a dict, the index in a list, None of one thing alone)
        and the parts of that name.
    first, *others : dict, list or anything else
        The structures; ``first`` decides whether there are several parts.

    Examples
    --------
    >>> each(lambda name, a, b: a + b, {"x": 1, "y": 2}, {"y": 20, "x": 10})
    {'x': 11, 'y': 22}
    >>> each(lambda name, a: -a, 1)
    -1
    """
    if isinstance(first, dict):
        return {k: function(k, v, *(other[k] for other in others)) for k, v in first.items()}
    if isinstance(first, list):
        return [function(i, v, *(other[i] for other in others)) for i, v in enumerate(first)]
    return function(None, first, *others)


def parts(structure: Any) -> list[Any]:
    """Return the parts of a structure, in its order.

    Examples
    --------
    >>> parts({"x": 1, "y": 2}), parts(3)
    ([1, 2], [3])
    """
    if isinstance(structure, dict):
        return list(structure.values())
    return structure if isinstance(structure, list) else [structure]


def part(structure: Any, name: Any) -> Any:
    """Return the part of a name; of one thing alone, the thing."""
    return structure if name is None else structure[name]


def named(parameter: str, name: Any) -> str:
    """Return how a part is written in Python.

    Examples
    --------
    >>> named("X", "site"), named("X", None)
    ("X['site']", 'X')
    """
    return parameter if name is None else f"{parameter}[{name!r}]"


def names(structure: Any) -> list[Any]:
    """Return the names of the parts, as :func:`each` gives them.

    Examples
    --------
    >>> names({"x": 1, "y": 2}), names([5, 6]), names(5)
    (['x', 'y'], [0, 1], [None])
    """
    if isinstance(structure, dict):
        return list(structure)
    return list(range(len(structure))) if isinstance(structure, list) else [None]
