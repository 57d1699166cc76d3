"""The map of each fitted scaler, ours and scikit-learn's own: they share their attributes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..maps import Affine, Chain, Clip, Map, MultiplyAdd, Squash

#: Standard deviation of a uniform distribution on an interval of length 1.
_OF_UNIFORM = 12.0**-0.5


def standard_map(scaler: Any) -> Map:
    """Return the map of a fitted ``StandardScaler``."""
    return Affine(
        loc=_spread(scaler, scaler.mean_) if scaler.with_mean else 0.0,
        scale=_spread(scaler, scaler.scale_) if scaler.with_std else 1.0,
        center=None if scaler.mean_ is None else _spread(scaler, scaler.mean_),
        spread=None if scaler.var_ is None else _spread(scaler, np.sqrt(scaler.var_)),
    )


def robust_map(scaler: Any) -> Map:
    """Return the map of a fitted ``RobustScaler``."""
    return Affine(
        loc=_spread(scaler, scaler.center_) if scaler.with_centering else 0.0,
        scale=_spread(scaler, scaler.scale_) if scaler.with_scaling else 1.0,
    )


def squashing_map(scaler: Any) -> Map:
    """Return the map of a fitted ``SquashingScaler``."""
    affine = Affine(_spread(scaler, scaler.center_), _spread(scaler, scaler.scale_))
    return Chain((affine, Squash(scaler.max_absolute_value)))


def max_abs_map(scaler: Any) -> Map:
    """Return the map of a fitted ``MaxAbsScaler``."""
    extremes = getattr(scaler, "statistics_", None)  # ours keep them
    known = {}
    if extremes is not None:
        shape = np.shape(scaler.scale_)
        low, high = (each.reshape(shape) for each in (extremes.low, extremes.high))
        known["center"] = _spread(scaler, 0.5 * low + 0.5 * high)
        known["spread"] = _spread(scaler, _OF_UNIFORM * extremes.range.reshape(shape))
    affine = Affine(0.0, _spread(scaler, scaler.scale_), output_range=(-1.0, 1.0), **known)
    return Chain((affine, Clip(-1.0, 1.0))) if getattr(scaler, "clip", False) else affine


def min_max_map(scaler: Any) -> Map:
    """Return the map of a fitted ``MinMaxScaler``.

    Ours subtracts the minimum first. scikit-learn's multiplies and then adds, which at a
    large offset costs it ``eps * |min_|``; its map does as it does.
    """
    low, high = scaler.feature_range
    scale = 1.0 / _spread(scaler, scaler.scale_)
    data_min = getattr(scaler, "data_min_", np.nan)
    min_ = low - data_min * scaler.scale_  # as it was computed, in the dtype that it has
    is_as_fitted = (min_ == scaler.min_) | (scaler.min_ != scaler.min_)  # NaN: no values
    if not np.all(is_as_fitted):
        # Set by hand, or feature_range was changed after fit: min_ and scale_ say it all.
        maps: list[Map] = [Affine(-_spread(scaler, scaler.min_) * scale, scale)]
    else:
        maps = [Affine(_spread(scaler, data_min), scale, output_range=(0.0, high - low))]
        if low != 0:
            maps.append(Affine(-low, 1.0, output_range=(low, high)))
    if not hasattr(scaler, "_layout"):
        maps = [_as_scikit_learn(Chain(tuple(maps)), scaler)]
    if scaler.clip:
        maps.append(Clip(low, high))
    return Chain(tuple(maps))


def _as_scikit_learn(map_: Map, scaler: Any) -> Map:
    """Return the affine map of scikit-learn's ``MinMaxScaler`` by the numbers that it rounds to."""
    loc, scale = map_.locate(0.0, 1.0)
    return MultiplyAdd(loc, scale, map_.output_range, factor=scaler.scale_, offset=scaler.min_)


def _spread(scaler: Any, statistic: Any) -> np.ndarray:
    """Return a statistic so that it broadcasts against a sample of what was fitted."""
    statistic = np.asarray(statistic, dtype=np.float64)
    layout = getattr(scaler, "_layout", None)  # scikit-learn's own scalers keep the columns
    return statistic if layout is None else layout.spread(statistic)
