"""Merging of fitted scalers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..statistics import merge_all


def merge(scalers: Sequence[Any]) -> Any:
    """Return one scaler that has learnt what all of the fitted ones have.

    The result is that of one fit on all the data: exactly for extremes, within 1e-12
    relative for mean and variance, and within ``rank_error_`` for quantiles. It depends on
    the order of ``scalers``, in the last bit, and on nothing else: neighbours are merged in
    a balanced tree.

    Parameters
    ----------
    scalers : sequence of scalers
        Fitted, of one class, with equal parameters (but ``copy``), axes and features.
        They stay as they are.

    Returns
    -------
    merged : scaler
        A new one.

    Raises
    ------
    TypeError
        If something is no scaler of this package, or the classes differ.
    ValueError
        If parameters, axes or features differ, or a scaler keeps nothing to merge.
    sklearn.exceptions.NotFittedError
        If one is not fitted.

    Examples
    --------
    >>> from sklearn_keras_scaling import StandardScaler, merge
    >>> parts = [StandardScaler().fit([[0.0], [2.0]]), StandardScaler().fit([[7.0]])]
    >>> merge(parts).mean_
    array([3.])
    """
    if hasattr(scalers, "fit"):
        raise TypeError(f"merge takes a list of scalers, got one {type(scalers).__name__}.")
    scalers = list(scalers)
    if not scalers:
        raise ValueError("merge needs at least one fitted scaler, got none.")
    first = scalers[0]
    for i, scaler in enumerate(scalers):
        _check_like(first, scaler, i)
    merged = clone(first)
    for name in ("_layout", "input_shape_", "n_features_in_", "feature_names_in_"):
        if hasattr(first, name):
            setattr(merged, name, getattr(first, name))
    merged._finish(merge_all([mergeable(scaler) for scaler in scalers]))
    return merged


def mergeable(scaler: Any) -> Any:
    """Return the statistics of a fitted scaler.

    Raises
    ------
    ValueError
        If it keeps none.
    """
    if getattr(scaler, "statistics_", None) is None:
        raise ValueError(
            f"This {type(scaler).__name__} keeps nothing to go on from or to merge. After fit, an "
            "exact RobustScaler or SquashingScaler keeps its values up to 1 MB, and none in "
            "pickles; fit it with sketch_size=1000, which keeps a sketch of any number of them, or "
            "by partial_fit or fit_batches, which keep all. A scaler set by hand or fitted under "
            "array API dispatch keeps nothing."
        )
    return scaler.statistics_


def _check_like(first: Any, other: Any, i: int) -> None:
    if not hasattr(other, "_set_attributes"):
        raise TypeError(f"merge takes scalers of this package, got a {type(other).__name__}.")
    if type(other) is not type(first):
        raise TypeError(
            f"merge takes scalers of one class, got {type(first).__name__} and, at place {i}, "
            f"{type(other).__name__}."
        )
    check_is_fitted(other)
    mergeable(other)
    theirs = other.get_params()
    for name, value in first.get_params().items():
        if name not in ("copy", "axis") and theirs[name] != value:  # axes are compared below
            raise ValueError(
                f"Scalers to merge must have equal parameters, but {name} is {value!r} of the "
                f"first and {theirs[name]!r} at place {i}."
            )
    mine, their = _features(first), _features(other)
    if mine != their:
        raise ValueError(
            f"Scalers to merge must have learnt the same features, but the first has {mine} and "
            f"the one at place {i} {their}."
        )


def _features(scaler: Any) -> str:
    names = getattr(scaler, "feature_names_in_", None)
    named = "no names" if names is None else f"the names {list(names)}"
    return f"{scaler._layout}, axes {scaler._layout.kept} kept, and {named}"
