"""Distributions of what users write."""

from __future__ import annotations

import inspect
from typing import Any

from .._validation import did_you_mean
from ._base import REGISTERED, Distribution, constructed, find


def make_distribution(
    value: Any, routed: dict[str, Any] | None = None, parameter: str = "distribution"
) -> Distribution | None:
    """Return the distribution that an estimator's parameter stands for.

    Parameters
    ----------
    value : None, str, class or instance of Distribution
        The parameter's value; None stands for none.
    routed : dict, default=None
        Parameters of the distribution, given as ``distribution__*``, without this prefix.
    parameter : str, default="distribution"
        Its name, for errors.

    Returns
    -------
    distribution : Distribution or None
        An instance is never changed: parameters make a new one.

    Raises
    ------
    ValueError
        If the name or a routed parameter is unknown, or a parameter is wrong.
    TypeError
        If it is no distribution.

    Examples
    --------
    >>> make_distribution("student_t", {"df": 5})
    StudentT(df=5.0)
    """
    routed = routed or {}
    if value is None:
        if routed:
            raise ValueError(
                f"{parameter}__{min(routed)} was given, but {parameter} is None. Name one: "
                f"{', '.join(map(repr, sorted(REGISTERED)))}."
            )
        return None
    cls, given = _class_and_parameters(value, parameter)
    known = list(inspect.signature(cls).parameters)
    for name in routed:
        if name not in known:
            options = [f"{parameter}__{each}" for each in known]
            advice = did_you_mean(f"{parameter}__{name}", options) if known else "It has none."
            raise ValueError(f"{cls.__name__} has no parameter {name!r}. {advice}")
    return cls(**{**given, **routed}) if routed or isinstance(value, (str, type)) else value


def _class_and_parameters(value: Any, parameter: str) -> tuple[type[Distribution], dict[str, Any]]:
    if isinstance(value, str):
        return find(value), {}
    if isinstance(value, type) and issubclass(value, Distribution):
        return value, {}
    if isinstance(value, Distribution):
        return type(value), constructed(value)
    raise TypeError(
        f"{parameter} must be a name ({', '.join(map(repr, sorted(REGISTERED)))}), a class derived "
        f"from Distribution or an instance of one, got {value!r}."
    )
