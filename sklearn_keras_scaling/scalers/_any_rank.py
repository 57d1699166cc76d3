"""Transformers of tables, on arrays with any number of axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ._extremes import MaxAbsScaler, MinMaxScaler
from ._local import LocalStandardScaler
from ._robust import RobustScaler
from ._squashing import SquashingScaler
from ._standard import StandardScaler

#: Those that take arrays with any number of axes; scikit-learn's own take tables.
OF_ANY_RANK = (
    LocalStandardScaler,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    SquashingScaler,
    StandardScaler,
)


def transformed(transformer: Any, X: Any, method: str = "transform") -> Any:
    """Return what a method of a fitted transformer makes of data, whose features are last.

    Parameters
    ----------
    transformer : transformer
        Ours, or one that takes tables alone: it sees each step as a row.
    X : ndarray of shape (n_samples, ..., n_features), data frame or sparse matrix
        Copied first, for transformers with ``copy=False``.
    method : {"transform", "inverse_transform"}
        What to call.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import PowerTransformer
    >>> X = np.random.default_rng(0).normal(size=(5, 4, 3))
    >>> transformed(PowerTransformer().fit(X[0]), X).shape
    (5, 4, 3)
    """
    X = X.copy()
    apply = getattr(transformer, method)
    if np.ndim(X) < 3 or isinstance(transformer, OF_ANY_RANK):  # sparse ones have no ndim here
        return apply(X)
    found = apply(X.reshape(-1, X.shape[-1]))
    return found if sparse.issparse(found) else np.asarray(found).reshape(*X.shape[:-1], -1)
