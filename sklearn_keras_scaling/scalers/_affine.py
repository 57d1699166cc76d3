"""The four scalers: fitted by scikit-learn, applied through their maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import get_config, preprocessing
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ..maps import Map
from ._maps import max_abs_map, min_max_map, robust_map, standard_map

_FLOAT_DTYPES = (np.float64, np.float32, np.float16)


class _MapScaler(TransformerMixin, BaseEstimator):
    """``transform`` and ``inverse_transform`` that evaluate a map.

    Subclasses name their map in ``_map_of`` and come before scikit-learn's
    scaler in the bases, which keeps sparse matrices and array API inputs.
    """

    _map_of: Callable[[Any], Map]

    def transform(self, X: Any) -> Any:
        """Return ``X`` in scaled space.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data in raw units; NaN stay NaN.

        Returns
        -------
        X_tr : {ndarray, sparse matrix} of shape (n_samples, n_features)
            Float arrays keep their dtype; others become float64.
        """
        check_is_fitted(self)
        if _is_left_to_sklearn(X):
            return super().transform(X)
        return self._scale(X, self.copy)

    def inverse_transform(self, X: Any) -> Any:
        """Return ``X`` in raw units.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data in scaled space; NaN stay NaN.

        Returns
        -------
        X_original : {ndarray, sparse matrix} of shape (n_samples, n_features)
            Float arrays keep their dtype; others become float64. Raw values far from
            zero need float64: in float32, 1e8 and 1e8 + 1 are the same.
        """
        check_is_fitted(self)
        if _is_left_to_sklearn(X):
            return super().inverse_transform(X)
        return self._unscale(X, self.copy)

    def _scale(self, X: Any, copy: bool) -> np.ndarray:
        X = validate_data(self, X, reset=False, **_array_checks(copy))
        X[...] = type(self)._map_of(self).forward(X, np)
        return X

    def _unscale(self, X: Any, copy: bool) -> np.ndarray:
        X = check_array(X, **_array_checks(copy))
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        X[...] = type(self)._map_of(self).inverse(X, np)
        return X


def _array_checks(copy: bool) -> dict[str, Any]:
    return {
        "copy": copy,
        "dtype": _FLOAT_DTYPES,
        "force_writeable": True,
        "ensure_all_finite": "allow-nan",
    }


def _is_left_to_sklearn(X: Any) -> bool:
    return sparse.issparse(X) or get_config()["array_api_dispatch"]


class StandardScaler(_MapScaler, preprocessing.StandardScaler):
    """Scale each column to mean 0 and standard deviation 1.

    Drop-in for :class:`sklearn.preprocessing.StandardScaler`, with the same
    parameters and fitted attributes::

        z = (x - mean_) / scale_

    Dense arrays of any dtype are computed in float64; :func:`to_keras` puts the
    same formula into a Keras model.

    Parameters
    ----------
    copy : bool, default=True
        If False, scale float arrays in place where possible.
    with_mean : bool, default=True
        Subtract the mean.
    with_std : bool, default=True
        Divide by the standard deviation. Constant columns are divided by 1.

    Attributes
    ----------
    mean_, var_, scale_ : ndarray of shape (n_features,)
        Mean and variance in raw units, and the divisor; None where unused.
    n_samples_seen_ : int or ndarray of shape (n_features,)
        Rows (or their weights) that entered the statistics.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of columns, and their names where they had some.

    See Also
    --------
    RobustScaler : For data with outliers.
    MinMaxScaler : For a bounded range.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import StandardScaler
    >>> scaler = StandardScaler().fit([[1000.0], [1002.0]])
    >>> scaler.transform([[1001.0], [1003.0]])
    array([[0.],
           [2.]])
    """

    _map_of = staticmethod(standard_map)

    def transform(self, X: Any, copy: bool | None = None) -> Any:
        """Return ``X`` in scaled space; ``copy`` overrides the parameter.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data in raw units; NaN stay NaN.
        copy : bool, default=None
            If False, scale in place where possible.

        Returns
        -------
        X_tr : {ndarray, sparse matrix} of shape (n_samples, n_features)
            Float arrays keep their dtype; others become float64.
        """
        check_is_fitted(self)
        if _is_left_to_sklearn(X):
            return preprocessing.StandardScaler.transform(self, X, copy=copy)
        return self._scale(X, self.copy if copy is None else copy)

    def inverse_transform(self, X: Any, copy: bool | None = None) -> Any:
        """Return ``X`` in raw units; ``copy`` overrides the parameter.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data in scaled space; NaN stay NaN.
        copy : bool, default=None
            If False, work in place where possible.

        Returns
        -------
        X_original : {ndarray, sparse matrix} of shape (n_samples, n_features)
            Float arrays keep their dtype; others become float64. Raw values far from
            zero need float64: in float32, 1e8 and 1e8 + 1 are the same.
        """
        check_is_fitted(self)
        if _is_left_to_sklearn(X):
            return preprocessing.StandardScaler.inverse_transform(self, X, copy=copy)
        return self._unscale(X, self.copy if copy is None else copy)


class MinMaxScaler(_MapScaler, preprocessing.MinMaxScaler):
    """Scale each column to a range, by default [0, 1].

    Drop-in for :class:`sklearn.preprocessing.MinMaxScaler`, with the same
    parameters and fitted attributes::

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

    Attributes
    ----------
    data_min_, data_max_, data_range_ : ndarray of shape (n_features,)
        Extremes of the training data and their distance, in raw units.
    scale_ : ndarray of shape (n_features,)
        The factor ``(max - min) / data_range_``; it multiplies.
    min_ : ndarray of shape (n_features,)
        As in scikit-learn; not used here.
    n_samples_seen_ : int
        Rows that entered the statistics.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of columns, and their names where they had some.

    See Also
    --------
    MaxAbsScaler : Keeps zero where it is.

    Examples
    --------
    >>> from sklearn_keras_scaling import MinMaxScaler
    >>> scaler = MinMaxScaler(feature_range=(-1, 1)).fit([[0.0], [500.0]])
    >>> scaler.transform([[0.0], [375.0], [500.0]])
    array([[-1. ],
           [ 0.5],
           [ 1. ]])
    """

    _map_of = staticmethod(min_max_map)


class MaxAbsScaler(_MapScaler, preprocessing.MaxAbsScaler):
    """Scale each column by its largest absolute value, into [-1, 1].

    Drop-in for :class:`sklearn.preprocessing.MaxAbsScaler`, with the same
    parameters and fitted attributes::

        z = x / scale_

    Zero stays zero, so sparse matrices stay sparse.

    Parameters
    ----------
    copy : bool, default=True
        If False, scale float arrays in place where possible.
    clip : bool, default=False
        Limit transformed values to [-1, 1]; in scikit-learn releases that have it.

    Attributes
    ----------
    max_abs_, scale_ : ndarray of shape (n_features,)
        Largest absolute value in raw units, and the divisor (1 for a column of zeros).
    n_samples_seen_ : int
        Rows that entered the statistics.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of columns, and their names where they had some.

    See Also
    --------
    MinMaxScaler : Moves the minimum too.

    Examples
    --------
    >>> from sklearn_keras_scaling import MaxAbsScaler
    >>> MaxAbsScaler().fit_transform([[-200.0], [100.0]])
    array([[-1. ],
           [ 0.5]])
    """

    _map_of = staticmethod(max_abs_map)


class RobustScaler(_MapScaler, preprocessing.RobustScaler):
    """Scale each column by its median and a range between quantiles.

    Drop-in for :class:`sklearn.preprocessing.RobustScaler`, with the same
    parameters and fitted attributes::

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

    Attributes
    ----------
    center_, scale_ : ndarray of shape (n_features,)
        Median and divisor in raw units; None where unused.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of columns, and their names where they had some.

    See Also
    --------
    StandardScaler : Mean and standard deviation.

    Examples
    --------
    >>> from sklearn_keras_scaling import RobustScaler
    >>> scaler = RobustScaler().fit([[1.0], [2.0], [3.0], [4.0], [5000.0]])
    >>> scaler.transform([[3.0], [4.0]])
    array([[0. ],
           [0.5]])
    """

    _map_of = staticmethod(robust_map)
