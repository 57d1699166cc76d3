"""Mean and standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn import preprocessing
from sklearn.utils.sparsefuncs import mean_variance_axis

from .._blocks import Layout
from ..statistics import Moments
from ._base import AXIS, BaseScaler, is_negligible
from ._maps import standard_map

#: scikit-learn counts a rounding for each row. Ours do not grow with the rows, and beyond
#: this number the rule would take columns for constant that are none.
_MAX_ROUNDINGS = 10_000


class StandardScaler(BaseScaler, preprocessing.StandardScaler):
    """Scale to mean 0 and standard deviation 1, along the axes that keep their own statistics.

    Drop-in for :class:`sklearn.preprocessing.StandardScaler`, with the same parameters and
    fitted attributes, for arrays of any rank, streams, weights, masks and Dask::

        z = (x - mean_) / scale_

    Parameters
    ----------
    copy : bool, default=True
        If False, scale float arrays in place where possible.
    with_mean : bool, default=True
        Subtract the mean.
    with_std : bool, default=True
        Divide by the standard deviation. Constant columns are divided by 1.
    axis : int, tuple of int or None, default=-1
        The axes that keep their own statistics, as in ``keras.layers.Normalization``: by
        default the last, the features. 1 for channel-first images, (1, 2) for one statistic
        per step and feature, None for one over all values. Never 0, the samples.

    Attributes
    ----------
    mean_, var_, scale_ : ndarray of the lengths of ``axis``, float64
        Mean, variance (biased, ``ddof=0``) and divisor, in raw units; None where unused.
    n_samples_seen_ : int or ndarray of the lengths of ``axis``
        Values (or their weights) that entered each statistic: of a table, its rows.
    constant_features_ : ndarray of bool of the lengths of ``axis``
        Where the standard deviation is no more than rounding: at most ``n * eps * |mean_|``,
        n being the rows, at most 10,000. Its divisor is 1, forward and backward.
    statistics_ : Moments
        What ``partial_fit`` goes on from and ``merge`` merges.
    input_shape_ : tuple of int or None
        Shape without the samples; None where lengths may vary.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of features, and their names where they had some.

    See Also
    --------
    RobustScaler : For data with outliers.
    MinMaxScaler : For a bounded range.

    Notes
    -----
    Everything is computed in float64, block by block and on all cores, with the same bits
    on any number of them. Means are kept with more digits than a float64 holds, so that
    merging is right at a mean of 1e9 and a standard deviation of 1e-3. Squares of more than
    1e150 units, or of less than 1e-150, leave float64.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import StandardScaler
    >>> scaler = StandardScaler().fit([[1000.0], [1002.0]])
    >>> scaler.transform([[1001.0], [1003.0]])
    array([[0.],
           [2.]])

    Windows of 12 steps and 3 features, the last 4 steps of one padded:

    >>> windows = np.random.default_rng(0).normal(100, 5, size=(20, 12, 3))
    >>> mask = np.ones((20, 12), dtype=bool)
    >>> mask[0, 8:] = False
    >>> scaler.fit(windows, mask=mask).mean_.shape
    (3,)
    >>> int(scaler.n_samples_seen_)
    236
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **preprocessing.StandardScaler._parameter_constraints,
        **AXIS,
    }
    _map_of = staticmethod(standard_map)

    def __init__(
        self,
        *,
        copy: bool = True,
        with_mean: bool = True,
        with_std: bool = True,
        axis: int | Sequence[int] | None = -1,
    ) -> None:
        super().__init__(copy=copy, with_mean=with_mean, with_std=with_std)
        self.axis = axis

    @property
    def constant_features_(self) -> np.ndarray:
        """Where the standard deviation is no more than rounding."""
        moments, shape = self.statistics_, self._layout.statistics_shape
        return _is_constant(moments.variance, moments.mean, moments.count).reshape(shape)

    def _statistics(
        self, X: np.ndarray, layout: Layout, weight: np.ndarray | None, keep: bool
    ) -> Moments:
        return Moments.of(X, layout, weight)

    def _sparse_statistics(self, X: Any, weight: np.ndarray | None, keep: bool) -> Moments:
        if self.with_mean:
            raise ValueError(
                "Cannot center sparse matrices: pass `with_mean=False` instead. See docstring for "
                "motivation and alternatives."
            )
        X = X.astype(np.float64, copy=False)
        mean, variance, count = mean_variance_axis(
            X, axis=0, weights=weight, return_sum_weights=True
        )
        count = count.astype(np.float64)
        empty = count == 0
        mean, variance = np.where(empty, 0.0, mean), np.where(empty, 0.0, variance)
        return Moments(count, mean, np.zeros_like(mean), variance * count, weight is not None)

    def _set_attributes(self, statistics: Moments, shape: tuple[int, ...]) -> None:
        mean, variance = statistics.mean.reshape(shape), statistics.variance.reshape(shape)
        count = statistics.count.reshape(shape)
        too_large = ~np.isfinite(mean) | (self.with_std & ~np.isfinite(variance))
        if (too_large & (count > 0)).any():
            raise ValueError(
                "The squares of X overflow float64, or even its sums: scale it by a power of ten "
                "first, or pass with_std=False."
            )
        constant = _is_constant(variance, mean, count)
        self.mean_ = mean if self.with_mean or self.with_std else None
        self.var_ = variance if self.with_std else None
        self.scale_ = np.where(constant, 1.0, np.sqrt(variance)) if self.with_std else None
        if not statistics.is_weighted:
            count = count.astype(np.int64)
        is_same = (count == count.ravel()[:1]).all()
        self.n_samples_seen_ = count.ravel()[0] if is_same else count


def _is_constant(variance: np.ndarray, mean: np.ndarray, count: np.ndarray) -> np.ndarray:
    return is_negligible(np.sqrt(variance), mean, np.minimum(count, _MAX_ROUNDINGS))
