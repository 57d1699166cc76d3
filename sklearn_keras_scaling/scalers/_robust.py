"""Median and a range between quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtri
from sklearn import preprocessing

from ..statistics import Digests, Values
from ._base import N_ROUNDINGS, is_negligible
from ._maps import robust_map
from ._quantiles import QuantileScaler


class RobustScaler(QuantileScaler, preprocessing.RobustScaler):
    """Scale by the median and a range between quantiles, along the axes that keep their own.

    Drop-in for :class:`sklearn.preprocessing.RobustScaler`, with the same parameters and
    fitted attributes, for arrays of any rank, streams, weights, masks and Dask::

        z = (x - center_) / scale_

    Parameters
    ----------
    with_centering : bool, default=True
        Subtract the median.
    with_scaling : bool, default=True
        Divide by the range between the quantiles.
    quantile_range : tuple (low, high), default=(25.0, 75.0)
        The two quantiles, in percent.
    copy : bool, default=True
        If False, scale float arrays in place where possible.
    unit_variance : bool, default=False
        Divide so that a normal variable comes out with variance 1.
    axis : int, tuple of int or None, default=-1
        The axes that keep their own statistics, as in ``keras.layers.Normalization``: by
        default the last, the features. 1 for channel-first images, (1, 2) for one statistic
        per step and feature, None for one over all values. Never 0, the samples.
    sketch_size : int or None, default=None
        None computes exact quantiles. To go on from and to merge, ``partial_fit`` and
        ``fit_batches`` then keep a copy of all values, in memory and in pickles; ``fit``
        keeps up to 1 MB of them, and never in pickles or copies. A number, say 1000, keeps
        a t-digest of so many centroids for each column instead: bounded memory, mergeable
        whatever the number of values; ``rank_error_`` says how exact. It needs ``pip
        install 'sklearn_keras_scaling[sketch]'``.

    Attributes
    ----------
    center_, scale_ : ndarray of the lengths of ``axis``, float64
        Median and divisor in raw units; None where unused.
    rank_error_ : float
        How far off the rank of a quantile may be, as a share of the values; 0 if exact.
    constant_features_ : ndarray of bool of the lengths of ``axis``
        Where the range between the quantiles is no more than rounding: at most ``10 * eps``
        of the larger one. It counts as 1, forward and backward.
    statistics_ : Values, Digests or None
        What ``partial_fit`` goes on from and ``merge`` merges; None after an exact ``fit`` of
        more than 1 MB, and in its pickles.
    input_shape_ : tuple of int or None
        Shape without the samples; None where lengths may vary.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of features, and their names where they had some.

    See Also
    --------
    StandardScaler : Mean and standard deviation.
    SquashingScaler : The same, and outliers within bounds.

    Notes
    -----
    Where scikit-learn takes any range under ``10 * eps`` for constant, 2e-15 or in float32
    1e-6, this rule is relative: data in another unit scale to the same numbers.
    Statistics are float64; scikit-learn rounds them to the dtype of the data.

    Of weights that are no whole numbers only the proportions count; a sketch takes whole
    ones alone.

    Examples
    --------
    >>> from sklearn_keras_scaling import RobustScaler
    >>> scaler = RobustScaler().fit([[1.0], [2.0], [3.0], [4.0], [5000.0]])
    >>> scaler.transform([[3.0], [4.0]])
    array([[0. ],
           [0.5]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **preprocessing.RobustScaler._parameter_constraints,
        **QuantileScaler._own_constraints,
    }
    _map_of = staticmethod(robust_map)

    def __init__(
        self,
        *,
        with_centering: bool = True,
        with_scaling: bool = True,
        quantile_range: tuple[float, float] = (25.0, 75.0),
        copy: bool = True,
        unit_variance: bool = False,
        axis: int | Sequence[int] | None = -1,
        sketch_size: int | None = None,
    ) -> None:
        super().__init__(
            with_centering=with_centering,
            with_scaling=with_scaling,
            quantile_range=quantile_range,
            copy=copy,
            unit_variance=unit_variance,
        )
        self.axis = axis
        self.sketch_size = sketch_size

    def _sparse_statistics(self, X: Any, weight: np.ndarray | None, keep: bool) -> Values | Digests:
        if self.with_centering:
            raise ValueError(
                "Cannot center sparse matrices: use `with_centering=False` instead. See docstring "
                "for motivation and alternatives."
            )
        weights = None if weight is None else np.broadcast_to(weight[:, None], X.shape)
        return self._of_values(Values(((X.tocsc(), weights),)), keep)

    def _set_attributes(self, statistics: Values | Digests, shape: tuple[int, ...]) -> None:
        low_percent, high_percent = self.quantile_range
        asked = [low_percent / 100.0, 0.5, high_percent / 100.0]
        low, center, high = self._quantiles(statistics, asked, shape)
        scale = high - low
        self.constant_features_ = is_negligible(
            scale, np.maximum(np.abs(low), np.abs(high)), N_ROUNDINGS
        )
        scale = np.where(self.constant_features_, 1.0, scale)
        if self.unit_variance:
            scale = scale / (ndtri(asked[2]) - ndtri(asked[0]))
        self.center_ = center if self.with_centering else None
        self.scale_ = scale if self.with_scaling else None
