"""Labels that are not known."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np


def check_missing_label(missing_label: Any) -> None:
    """Raise ``ValueError`` unless it is one label, or None."""
    if missing_label is not None and not isinstance(missing_label, str | Number | np.generic):
        raise ValueError(
            f"missing_label must be one value, such as -1 or '?', got {missing_label!r}. "
            "None and NaN are always taken for missing."
        )


def known(labels: np.ndarray, missing_label: Any) -> np.ndarray | None:
    """Return which labels are neither None, NaN nor ``missing_label``; None if all are known.

    Examples
    --------
    >>> known(np.array([3, -1]), -1), known(np.array([3, -1]), None)
    (array([ True, False]), None)
    """
    if labels.dtype == object:
        is_missing = np.array([_is_gap(label) for label in labels.ravel()], dtype=bool)
        is_missing = is_missing.reshape(labels.shape)
    else:
        is_missing = np.isnan(labels) if labels.dtype.kind == "f" else np.zeros(labels.shape, bool)
    if missing_label is not None:
        others = labels[~is_missing]
        is_missing[~is_missing] = np.asarray(others == missing_label, dtype=bool)
    return ~is_missing if is_missing.any() else None


def _is_gap(label: Any) -> bool:
    if label is None:
        return True
    try:
        return bool(label != label)
    except TypeError:  # pandas.NA, which compares to nothing
        return True


def known_values(labels: np.ndarray, missing_label: Any) -> np.ndarray:
    """Return the labels that are known, flat, in the dtype of what is there.

    Examples
    --------
    >>> known_values(np.array([[True, None]], dtype=object), None)
    array([ True])
    """
    is_known = known(labels, missing_label)
    values = labels.ravel() if is_known is None else labels[is_known]
    if values.dtype != object or not values.size or isinstance(values[0], str):
        return values
    narrow = np.array(values.tolist())
    return narrow if narrow.dtype.kind in "biuf" and narrow.ndim == 1 else values
