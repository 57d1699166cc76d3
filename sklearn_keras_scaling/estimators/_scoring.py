"""Scores of predictions where some targets are not known."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import get_scorer

from ..targets import columns_of


def known_scorer(scoring: Any = "r2") -> KnownScorer:
    """Return a scorer that leaves out targets that are not known.

    scikit-learn's own refuse NaN in ``y``; searches and cross-validation take this one as
    ``scoring``.

    Parameters
    ----------
    scoring : str or callable, default="r2"
        A scikit-learn scorer of what ``predict`` returns, or its name.

    Returns
    -------
    scorer : callable
        With ``(estimator, X, y)``. Of several columns the mean of each one's score, over the
        rows that are known of it; a column with fewer than two is left out.

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
    return KnownScorer(get_scorer(scoring))


class KnownScorer:
    """A scorer over known targets, made by :func:`known_scorer`."""

    def __init__(self, scorer: Any) -> None:
        self.scorer = scorer

    def __repr__(self) -> str:
        return f"known_scorer({self.scorer!r})"

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score."""
        is_known = ~np.isnan(np.asarray(y, dtype=np.float64))
        weights = {} if sample_weight is None else {"sample_weight": np.asarray(sample_weight)}
        if is_known.all():
            return float(self.scorer(estimator, X, y, **weights))
        scores = [
            self.scorer(
                *(_Said(said[known]), said[known].reshape(-1, 1), one[known]),
                **{name: weight[known] for name, weight in weights.items()},
            )
            for one, said, known in columns_of(np.asarray(y), estimator.predict(X), is_known)
            if known.sum() > 1
        ]
        return float(np.mean(scores)) if scores else float("nan")


class _Said(RegressorMixin, BaseEstimator):
    """What was predicted, as an estimator that predicts it."""

    def __init__(self, predicted: np.ndarray) -> None:
        self.predicted = predicted

    def predict(self, X: Any) -> np.ndarray:
        return self.predicted

    def __sklearn_is_fitted__(self) -> bool:
        return True
