"""The score of a classifier, over what is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._structure import each, parts
from ._targets import Targets


def accuracy(targets: Targets, y: Any, predicted: Any, weight: np.ndarray | None) -> float:
    """Return the share of labels that are predicted as they are.

    Of several labels a row, or several columns of classes, the share of rows in which all that
    are known are right, as in scikit-learn.

    Parameters
    ----------
    targets : Targets
        Fitted.
    y, predicted : ndarray or dict of ndarray
        As :meth:`Targets.check` returns them.
    weight : ndarray of shape (n_samples,) or None
        Of the rows.

    Raises
    ------
    ValueError
        If nothing is known.
    """
    pairs = parts(each(lambda _, t, *both: t.right(*both), targets.by_output, y, predicted))
    is_right, is_known = pairs[0]
    if targets.are_several:
        is_right = np.all([right | ~known for right, known in pairs], axis=0)
        is_known = np.any([known for _, known in pairs], axis=0)
    of_rows = np.ones(len(is_right)) if weight is None else weight
    weights = is_known * of_rows.reshape(-1, *(1,) * (is_right.ndim - 1))
    if not weights.any():
        raise ValueError(
            "score needs known labels, but all of y are missing, or of weight 0. Was the wrong "
            "column chosen?"
        )
    return float(np.average(is_right, weights=weights))
