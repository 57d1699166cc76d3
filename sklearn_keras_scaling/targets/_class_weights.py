"""Weights of classes in the loss: the parameter ``class_weight``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._validation import column_number


def weights_of_classes(
    class_weight: Any, classes: list[Any], totals: Mapping[Any, float], parameter: str
) -> np.ndarray:
    """Return the weight of each class.

    Parameters
    ----------
    class_weight : dict or "balanced"
        Those of some classes, by label; or equal totals for all.
    classes : list
        Labels.
    totals : dict
        How many there are of each label, by weight.
    parameter : str
        For errors.

    Raises
    ------
    ValueError
        If it is something else, or a label or weight cannot be.

    Examples
    --------
    >>> weights_of_classes("balanced", ["a", "b"], {"a": 3, "b": 1}, "class_weight").tolist()
    [0.6666666666666666, 2.0]
    """
    if isinstance(class_weight, str) and class_weight == "balanced":
        found = np.array([totals.get(label, 0.0) for label in classes])
        share = np.where(found > 0, found, np.inf)
        return found.sum() / ((found > 0).sum() * share)
    if not isinstance(class_weight, dict):
        raise ValueError(f'{parameter} must be a dict, "balanced" or None, got {class_weight!r}.')
    unknown = [label for label in class_weight if label not in classes]
    if unknown:
        raise ValueError(f"{parameter} names the label {unknown[0]!r}, but y has {classes}.")
    weights = np.array([class_weight.get(label, 1.0) for label in classes])
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(
            f"{parameter} must have finite weights >= 0, one of them above 0, got {class_weight!r}."
        )
    return weights


def of_each_column(class_weight: Any, names: list[Any] | None, width: int) -> list[Any]:
    """Return what ``class_weight`` says of each column.

    Parameters
    ----------
    class_weight : dict, list, "balanced" or None
        A dict has the weights of some columns, by name or number; a list those of all.
    names : list or None
        Of the columns, where they have some.
    width : int
        How many there are.

    Raises
    ------
    ValueError
        If it is something else, or there is no such column.

    Examples
    --------
    >>> of_each_column({"b": "balanced"}, ["a", "b"], 2)
    [None, 'balanced']
    """
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return [class_weight] * width
    if isinstance(class_weight, list | tuple):
        if len(class_weight) != width:
            raise ValueError(
                f"class_weight has {len(class_weight)} entries, but y has {width} columns. Give "
                "one for each column."
            )
        return list(class_weight)
    if not isinstance(class_weight, dict):
        raise ValueError(
            'class_weight must be a dict by column, a list of one for each column, "balanced" or '
            f"None, got {class_weight!r}."
        )
    found: list[Any] = [None] * width
    for column, entry in class_weight.items():
        found[column_number(column, "class_weight", names or [], width)] = entry
    return found
