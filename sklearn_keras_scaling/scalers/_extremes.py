"""Minimum and maximum, and the largest absolute value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn import preprocessing
from sklearn.utils.sparsefuncs import min_max_axis

from .._blocks import Layout
from ..statistics import Extremes
from ._base import AXIS, N_ROUNDINGS, NO_WEIGHTS, TINY, BaseScaler, is_negligible
from ._maps import max_abs_map, min_max_map


class _ExtremesScaler(BaseScaler):
    __metadata_request__fit = NO_WEIGHTS
    __metadata_request__partial_fit = NO_WEIGHTS

    @property
    def constant_features_(self) -> np.ndarray:
        """Where the range is no more than rounding."""
        return _is_constant(self.statistics_).reshape(self._layout.statistics_shape)

    def _statistics(
        self, X: np.ndarray, layout: Layout, weight: np.ndarray | None, keep: bool
    ) -> Extremes:
        return Extremes.of(X, layout, weight)


class MinMaxScaler(_ExtremesScaler, preprocessing.MinMaxScaler):
    """Scale to a range, by default [0, 1], along the axes that keep their own statistics.

    Drop-in for :class:`sklearn.preprocessing.MinMaxScaler`, with the same parameters and
    fitted attributes, for arrays of any rank, streams, weights, masks and Dask::

        z = (x - data_min_) * scale_ + feature_range[0]

    It subtracts first; scikit-learn computes ``x * scale_ + min_``, which loses
    ``eps * |min_|`` to rounding at large offsets.

    Parameters
    ----------
    feature_range : tuple (min, max), default=(0, 1)
        Range of the training data in scaled space.
    copy : bool, default=True
        If False, scale float arrays in place where possible.
    clip : bool, default=False
        Limit transformed values to ``feature_range``.
    axis : int, tuple of int or None, default=-1
        The axes that keep their own statistics, as in ``keras.layers.Normalization``: by
        default the last, the features. 1 for channel-first images, (1, 2) for one statistic
        per step and feature, None for one over all values. Never 0, the samples.

    Attributes
    ----------
    data_min_, data_max_, data_range_ : ndarray of the lengths of ``axis``, float64
        Extremes of the training data and their distance, in raw units.
    scale_ : ndarray of the lengths of ``axis``, float64
        The factor ``(max - min) / data_range_``; it multiplies.
    min_ : ndarray of the lengths of ``axis``, float64
        As in scikit-learn; not used here.
    n_samples_seen_ : int
        Rows of values that entered the statistics; of weighted ones, those above 0.
    constant_features_ : ndarray of bool of the lengths of ``axis``
        Where the range is no more than rounding: at most ``10 * eps`` of the largest
        absolute value. It counts as 1, forward and backward.
    statistics_ : Extremes
        What ``partial_fit`` goes on from and ``merge`` merges.
    input_shape_ : tuple of int or None
        Shape without the samples; None where lengths may vary.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of features, and their names where they had some.

    See Also
    --------
    MaxAbsScaler : Keeps zero where it is.

    Notes
    -----
    Where scikit-learn takes any range under ``10 * eps`` for constant, 2e-15 or in float32
    1e-6, this rule is relative: data in another unit scale to the same numbers.
    Statistics are float64; scikit-learn rounds them to the dtype of the data.

    Examples
    --------
    >>> from sklearn_keras_scaling import MinMaxScaler
    >>> scaler = MinMaxScaler(feature_range=(-1, 1)).fit([[0.0], [500.0]])
    >>> scaler.transform([[0.0], [375.0], [500.0]])
    array([[-1. ],
           [ 0.5],
           [ 1. ]])

    One range for each channel of channel-first images:

    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, size=(8, 3, 16, 16), dtype=np.uint8)
    >>> MinMaxScaler(axis=1).fit(images).data_max_.shape
    (3,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **preprocessing.MinMaxScaler._parameter_constraints,
        **AXIS,
    }
    _map_of = staticmethod(min_max_map)

    def __init__(
        self,
        feature_range: tuple[float, float] = (0, 1),
        *,
        copy: bool = True,
        clip: bool = False,
        axis: int | Sequence[int] | None = -1,
    ) -> None:
        super().__init__(feature_range=feature_range, copy=copy, clip=clip)
        self.axis = axis

    def _check_parameters(self) -> None:
        if self.feature_range[0] >= self.feature_range[1]:
            raise ValueError(
                "Minimum of desired feature range must be smaller than maximum. Got "
                f"{self.feature_range}."
            )

    def _sparse_statistics(self, X: Any, weight: np.ndarray | None, keep: bool) -> Extremes:
        raise TypeError(
            "MinMaxScaler does not support sparse input. Consider using MaxAbsScaler instead."
        )

    def _set_attributes(self, statistics: Extremes, shape: tuple[int, ...]) -> None:
        start, end = self.feature_range
        constant = _is_constant(statistics).reshape(shape)
        self.data_min_, self.data_max_ = (
            statistics.low.reshape(shape),
            statistics.high.reshape(shape),
        )
        self.data_range_ = statistics.range.reshape(shape)
        if np.isinf(self.data_range_).any():
            raise ValueError("The range of X overflows float64: scale it by a power of ten first.")
        self.scale_ = (end - start) / np.where(constant, 1.0, self.data_range_)
        self.min_ = start - self.data_min_ * self.scale_
        self.n_samples_seen_ = statistics.count


class MaxAbsScaler(_ExtremesScaler, preprocessing.MaxAbsScaler):
    """Scale by the largest absolute value, along the axes that keep their own statistics.

    Drop-in for :class:`sklearn.preprocessing.MaxAbsScaler`, with the same parameters and
    fitted attributes, for arrays of any rank, streams, weights, masks and Dask::

        z = x / scale_

    Zero stays zero, so sparse matrices stay sparse.

    Parameters
    ----------
    copy : bool, default=True
        If False, scale float arrays in place where possible.
    clip : bool, default=False
        Limit transformed values to [-1, 1].
    axis : int, tuple of int or None, default=-1
        The axes that keep their own statistics, as in ``keras.layers.Normalization``: by
        default the last, the features. 1 for channel-first images, (1, 2) for one statistic
        per step and feature, None for one over all values. Never 0, the samples.

    Attributes
    ----------
    max_abs_, scale_ : ndarray of the lengths of ``axis``, float64
        Largest absolute value in raw units, and the divisor (1 for a column of zeros).
    n_samples_seen_ : int
        Rows of values that entered the statistics; of weighted ones, those above 0.
    constant_features_ : ndarray of bool of the lengths of ``axis``
        Where all values are equal, to within ``10 * eps`` of the largest absolute value;
        they are scaled like the others.
    statistics_ : Extremes
        What ``partial_fit`` goes on from and ``merge`` merges.
    input_shape_ : tuple of int or None
        Shape without the samples; None where lengths may vary.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of features, and their names where they had some.

    See Also
    --------
    MinMaxScaler : Moves the minimum too.

    Notes
    -----
    Only a column of zeros has no scale. scikit-learn leaves any column below ``10 * eps``
    as it is, 2e-15 or in float32 1e-6. Statistics are float64; scikit-learn rounds them to
    the dtype of the data.

    Examples
    --------
    >>> from sklearn_keras_scaling import MaxAbsScaler
    >>> MaxAbsScaler().fit_transform([[-200.0], [100.0]])
    array([[-1. ],
           [ 0.5]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "copy": ["boolean"],
        "clip": ["boolean"],
        **AXIS,
    }
    _map_of = staticmethod(max_abs_map)

    def __init__(
        self,
        *,
        copy: bool = True,
        clip: bool = False,
        axis: int | Sequence[int] | None = -1,
    ) -> None:
        super().__init__(copy=copy)  # clip is newer than our lower bound
        self.clip = clip
        self.axis = axis

    def _sparse_statistics(self, X: Any, weight: np.ndarray | None, keep: bool) -> Extremes:
        if weight is not None:
            X = X[weight > 0]
        low, high = min_max_axis(X, axis=0, ignore_nan=True)
        return Extremes(X.shape[0], low.astype(np.float64), high.astype(np.float64))

    def _set_attributes(self, statistics: Extremes, shape: tuple[int, ...]) -> None:
        self.max_abs_ = statistics.largest.reshape(shape)
        self.scale_ = np.where(self.max_abs_ <= TINY, 1.0, self.max_abs_)
        self.n_samples_seen_ = statistics.count


def _is_constant(extremes: Extremes) -> np.ndarray:
    return is_negligible(extremes.range, extremes.largest, N_ROUNDINGS)
