"""Scores of predictions where some targets are not known."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import get_scorer
from sklearn.utils import _safe_indexing

from .._structure import each
from ..targets import columns_of, known, known_values


def known_scorer(scoring: Any = "r2", missing_label: Any = None) -> KnownScorer:
    """Return a scorer that leaves out targets that are not known.

    scikit-learn's own refuse NaN in ``y``; searches and cross-validation take this one as
    ``scoring``.

    Parameters
    ----------
    scoring : str or callable, default="r2"
        A scikit-learn scorer, or its name; for several columns, one of what ``predict`` returns.
    missing_label : object, default=None
        What is not known, besides None and NaN.

    Returns
    -------
    scorer : callable
        With ``(estimator, X, y)``. Of one column, over the rows that are known; of several, the
        mean of each one's score over the rows that are known of it. A column with fewer than two
        is left out.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_keras_scaling import known_scorer
    >>> X, y = np.arange(4.0).reshape(-1, 1), np.array([0.0, 2.0, 5.0, np.nan])
    >>> fitted = LinearRegression().fit(X[:3], y[:3])
    >>> round(known_scorer("neg_mean_absolute_error")(fitted, X, y), 3)
    -0.222
    """
    return KnownScorer(get_scorer(scoring), missing_label)


class KnownScorer:
    """A scorer over known targets, made by :func:`known_scorer`."""

    def __init__(self, scorer: Any, missing_label: Any) -> None:
        self.scorer = scorer
        self.missing_label = missing_label

    def __repr__(self) -> str:
        return f"known_scorer({self.scorer!r})"

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score."""
        y = np.asarray(y)
        is_known = known(y, self.missing_label)
        weights = {} if sample_weight is None else {"sample_weight": np.asarray(sample_weight)}
        if is_known is None:
            return float(self.scorer(estimator, X, y, **weights))
        if y.ndim == 1:
            rows = np.flatnonzero(is_known)
            X = each(lambda _, one: _safe_indexing(one, rows), X)
            return self._score(estimator, X, y, is_known, weights)
        scores = [
            self._score(_Said(said[rows]), said[rows].reshape(-1, 1), one, rows, weights)
            for one, said, rows in columns_of(y, estimator.predict(X), is_known)
            if rows.sum() > 1
        ]
        return float(np.mean(scores)) if scores else float("nan")

    def _score(self, estimator: Any, X: Any, y: Any, rows: Any, weights: dict[str, Any]) -> float:
        own = {name: weight[rows] for name, weight in weights.items()}
        values = known_values(y, self.missing_label)
        return float(self.scorer(estimator, X, values, **own))


class _Said(RegressorMixin, BaseEstimator):
    """What was predicted, as an estimator that predicts it."""

    def __init__(self, predicted: np.ndarray) -> None:
        self.predicted = predicted

    def predict(self, X: Any) -> np.ndarray:
        return self.predicted

    def __sklearn_is_fitted__(self) -> bool:
        return True
