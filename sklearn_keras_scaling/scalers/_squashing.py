"""Median and quartiles, and a function that keeps outliers within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import Interval

from .._blocks import Layout
from ..statistics import Digests, Values
from ._base import N_ROUNDINGS, is_negligible
from ._maps import squashing_map
from ._quantiles import QuantileScaler


class _WithoutCounterpart(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Stands where other scalers have scikit-learn's, which take what ours leave to them."""

    def _refuse(self, X: Any, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"{type(self).__name__} takes NumPy arrays, data frames and Dask collections, got a "
            f"{type(X).__name__}. It centres, so that no sparse matrix stays sparse: pass "
            "X.toarray(). Arrays of another library under array API dispatch: pass np.asarray(X)."
        )

    fit = partial_fit = transform = inverse_transform = _refuse


class SquashingScaler(QuantileScaler, _WithoutCounterpart):
    """Scale by median and quartiles, then squash what is far off into an interval.

    Most values are scaled as by :class:`RobustScaler`; outliers keep their order and stay
    within ``max_absolute_value`` [1]_. With ``B`` for that, along the axes that keep their own
    statistics::

        u = (x - center_) / scale_
        z = u / sqrt(1 + (u / B)**2)

    It computes what :class:`skrub.SquashingScaler` does, with an inverse, for arrays of any
    rank, streams, weights, masks and Dask.

    Parameters
    ----------
    max_absolute_value : float, default=3.0
        Bound of the absolute values in scaled space.
    quantile_range : tuple (low, high), default=(25.0, 75.0)
        The two quantiles, in percent, whose distance is the scale.
    copy : bool, default=True
        If False, scale float arrays in place where possible.
    axis : int, tuple of int or None, default=-1
        The axes that keep their own statistics, as in ``keras.layers.Normalization``: by
        default the last, the features. 1 for channel-first images, (1, 2) for one statistic
        per step and feature, None for one over all values. Never 0, the samples.
    sketch_size : int or None, default=None
        As in :class:`RobustScaler`: None computes exact quantiles, a number keeps a t-digest
        of so many centroids for each column.

    Attributes
    ----------
    center_, scale_ : ndarray of the lengths of ``axis``, float64
        Median and divisor in raw units. Where the range between the quantiles is no more
        than rounding, at most ``10 * eps`` of the larger one, the divisor is half the range
        of all finite values.
    constant_features_ : ndarray of bool of the lengths of ``axis``
        Where that is no more than rounding, too. It counts as 1, forward and backward.
    rank_error_ : float
        How far off the rank of a quantile may be, as a share of the values; 0 if exact.
    statistics_ : Values, Digests or None
        What ``partial_fit`` goes on from and ``merge`` merges, as in :class:`RobustScaler`.
    input_shape_ : tuple of int or None
        Shape without the samples; None where lengths may vary.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of features, and their names where they had some.

    See Also
    --------
    RobustScaler : Without bounds.

    Notes
    -----
    Infinities become the bounds; statistics are those of the finite values. NaN count as
    absent and stay NaN; a column without a finite value has no statistics, and becomes NaN.
    ``inverse_transform`` makes infinities of the bounds, and NaN of what is beyond; predictions
    behind a target scaler stay next to the bounds instead.

    From skrub 0.11 it differs in four points. A column that was constant in ``fit`` becomes 0,
    but other values that it takes later do not: they would be lost to the inverse. What is
    constant does not depend on the unit; skrub takes any quartiles that differ by less than
    ``10 * eps`` for 1 apart. No square overflows; skrub makes 0 of what is 1e154 scales away,
    in float32 1e19. And everything is computed in float64.

    References
    ----------
    .. [1] D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: strong pre-tuned
       MLPs and boosted trees on tabular data", NeurIPS 2024, arXiv:2407.04491.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import SquashingScaler
    >>> scaler = SquashingScaler().fit([[1.0], [2.0], [3.0], [4.0], [5000.0]])
    >>> scaler.transform([[3.0], [11.0], [np.inf]])
    array([[0. ],
           [2.4],
           [3. ]])
    >>> scaler.inverse_transform([[2.4]])
    array([[11.]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "max_absolute_value": [Interval(Real, 0, None, closed="neither")],
        "quantile_range": [tuple],
        "copy": ["boolean"],
        **QuantileScaler._own_constraints,
    }
    _map_of = staticmethod(squashing_map)
    _takes_infinite = True

    def __init__(
        self,
        max_absolute_value: float = 3.0,
        quantile_range: tuple[float, float] = (25.0, 75.0),
        *,
        copy: bool = True,
        axis: int | Sequence[int] | None = -1,
        sketch_size: int | None = None,
    ) -> None:
        self.max_absolute_value = max_absolute_value
        self.quantile_range = quantile_range
        self.copy = copy
        self.axis = axis
        self.sketch_size = sketch_size

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _statistics(
        self, X: np.ndarray, layout: Layout, weight: np.ndarray | None, keep: bool
    ) -> Values | Digests:
        if X.dtype.kind == "f" and (infinite := np.isinf(X)).any():
            X = np.where(infinite, np.array(np.nan, X.dtype), X)
        return super()._statistics(X, layout, weight, keep)

    def _sparse_statistics(self, X: Any, weight: np.ndarray | None, keep: bool) -> Any:
        self._refuse(X)

    def _set_attributes(self, statistics: Values | Digests, shape: tuple[int, ...]) -> None:
        low_percent, high_percent = self.quantile_range
        asked = [0.0, low_percent / 100.0, 0.5, high_percent / 100.0, 1.0]
        least, low, self.center_, high, most = self._quantiles(statistics, asked, shape)
        is_narrow = _are_same(low, high)
        self.constant_features_ = is_narrow & _are_same(least, most)
        scale = np.where(is_narrow, 0.5 * most - 0.5 * least, high - low)
        self.scale_ = np.where(self.constant_features_, 1.0, scale)

    def _apply(self, method: str, X: Any, copy: bool | None) -> Any:
        with np.errstate(all="ignore"):  # bounds and infinities become each other
            return super()._apply(method, X, copy)


def _are_same(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return is_negligible(high - low, np.maximum(np.abs(low), np.abs(high)), N_ROUNDINGS)
