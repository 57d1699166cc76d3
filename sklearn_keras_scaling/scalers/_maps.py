"""The map of each fitted scaler, ours and scikit-learn's own: they share their attributes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..maps import Affine, Chain, Clip, Map


def standard_map(scaler: Any) -> Map:
    """Return the map of a fitted ``StandardScaler``."""
    return Affine(
        loc=_spread(scaler, scaler.mean_) if scaler.with_mean else 0.0,
        scale=_spread(scaler, scaler.scale_) if scaler.with_std else 1.0,
        center=None if scaler.mean_ is None else _spread(scaler, scaler.mean_),
    )


def robust_map(scaler: Any) -> Map:
    """Return the map of a fitted ``RobustScaler``."""
    return Affine(
        loc=_spread(scaler, scaler.center_) if scaler.with_centering else 0.0,
        scale=_spread(scaler, scaler.scale_) if scaler.with_scaling else 1.0,
    )


def max_abs_map(scaler: Any) -> Map:
    """Return the map of a fitted ``MaxAbsScaler``."""
    affine = Affine(0.0, _spread(scaler, scaler.scale_), output_range=(-1.0, 1.0))
    return Chain((affine, Clip(-1.0, 1.0))) if getattr(scaler, "clip", False) else affine


def min_max_map(scaler: Any) -> Map:
    """Return the map of a fitted ``MinMaxScaler``.

    It subtracts the minimum first, where scikit-learn multiplies and then adds:
    at a large offset that costs scikit-learn ``eps * |min_|``.
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
    if scaler.clip:
        maps.append(Clip(low, high))
    return Chain(tuple(maps))


def _spread(scaler: Any, statistic: Any) -> np.ndarray:
    """Return a statistic so that it broadcasts against a sample of what was fitted."""
    statistic = np.asarray(statistic, dtype=np.float64)
    layout = getattr(scaler, "_layout", None)  # scikit-learn's own scalers keep the columns
    return statistic if layout is None else layout.spread(statistic)
