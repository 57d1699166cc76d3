"""Scores over what is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import r2_score


def share_of_right(pairs: list[tuple[np.ndarray, np.ndarray]], weight: np.ndarray | None) -> float:
    """Return the share of labels that are predicted as they are.

    Parameters
    ----------
    pairs : list of (right, known)
        Where labels are right, and where they are known, of each target. Of several, a row counts
        as right in which all known ones are.
    weight : ndarray of shape (n_samples,) or None
        Of the rows.

    Raises
    ------
    ValueError
        If nothing is known.
    """
    is_right, is_known = pairs[0]
    if len(pairs) > 1:
        is_right = np.all([right | ~known for right, known in pairs], axis=0)
        is_known = np.any([known for _, known in pairs], axis=0)
    of_rows = np.ones(len(is_right)) if weight is None else np.asarray(weight)
    weights = is_known * of_rows.reshape(-1, *(1,) * (is_right.ndim - 1))
    if not weights.any():
        raise ValueError(
            "score needs known labels, but all of y are missing, or of weight 0. Was the wrong "
            "column chosen?"
        )
    return float(np.average(is_right, weights=weights))


def r2_of_known(y: np.ndarray, predicted: np.ndarray, weight: Any = None) -> float:
    """Return R², the mean over the columns, of the numbers that are not NaN.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_samples,) or (n_samples, n_columns)
        A column with fewer than two known numbers is left out.
    weight : array-like of shape (n_samples,), default=None
        Of the rows.
    """
    is_known = ~np.isnan(y)
    if is_known.all():
        return float(r2_score(y, predicted, sample_weight=weight))
    scores = [
        r2_score(
            *(one[known], said[known]),
            sample_weight=None if weight is None else np.asarray(weight)[known],
        )
        for one, said, known in columns_of(y, predicted, is_known)
        if known.sum() > 1
    ]
    return float(np.mean(scores)) if scores else float("nan")


def columns_of(*tables: np.ndarray) -> Any:
    """Return the columns of tables, side by side."""
    flat = (np.reshape(table, (len(table), -1)).T for table in tables)
    return zip(*flat, strict=True)
