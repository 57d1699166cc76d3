"""A few rows of large data, scaled, as tables of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..scalers import transformed

#: Rows that are looked at, and values: more tell no more, and cost time in each fit.
_ROWS = 1000
_VALUES = 200_000
_FEW_ROWS = 16


def spacing(data: Any) -> int:
    """Return the distance of the rows that are looked at, of an array, sparse matrix or frame."""
    width = int(np.prod(np.shape(data)[1:]))
    rows = max(_FEW_ROWS, min(_ROWS, _VALUES // max(width, 1)))
    return max(1, -(-_num_samples(data) // rows))


def taken(data: Any, step: int | None = None) -> Any:
    """Return some rows, at a fixed distance; the data themselves if those are all."""
    step = spacing(data) if step is None else step
    if step == 1:
        return data
    chosen = slice(0, None, step)
    return data[chosen] if isinstance(data, np.ndarray) else _safe_indexing(data, chosen)


def sampled(data: Any) -> Any:
    """Return some rows without missing values."""
    return complete(taken(data))


def complete(rows: Any) -> Any:
    """Return the rows without missing values, if there are any; networks get no others."""
    if sparse.issparse(rows):
        return rows
    missing = np.asarray(rows.isna() if hasattr(rows, "isna") else _is_nan(rows))
    kept = np.flatnonzero(~missing.any(axis=tuple(range(1, missing.ndim))))
    return rows if len(kept) in (0, len(missing)) else _safe_indexing(rows, kept)


def _is_nan(rows: Any) -> Any:
    array = np.asarray(rows)
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), dtype=bool)


def scaled(scaler: Any, rows: Any) -> np.ndarray:
    """Return rows as the network is given them: scaled, dense, float64."""
    if scaler is None:
        return dense(rows)
    rows = np.asarray(rows) if isinstance(rows, list) else rows
    if isinstance(scaler, list):
        rows = np.asarray(rows)
        columns = [scaled(one, rows[..., [i]]) for i, one in enumerate(scaler)]
        return np.concatenate(columns, axis=-1)
    check_is_fitted(scaler)
    return dense(transformed(scaler, rows))


def unscaled(scaler: Any, scaled_rows: np.ndarray) -> np.ndarray:
    """Return scaled target rows in raw units."""
    if scaler is None:
        return scaled_rows
    if isinstance(scaler, list):
        columns = [unscaled(one, scaled_rows[..., [i]]) for i, one in enumerate(scaler)]
        return np.concatenate(columns, axis=-1)
    return dense(transformed(scaler, scaled_rows, "inverse_transform"))


def scaled_where_known(scaler: Any, rows: np.ndarray) -> np.ndarray:
    """Return target rows as the network learns them, NaN where they are not known."""
    is_missing = np.isnan(rows)
    if not is_missing.any():
        return scaled(scaler, rows)
    # In place of what is missing, scalers take a number that is known.
    flat = rows.reshape(-1, rows.shape[-1])
    known = flat[(~np.isnan(flat)).argmax(axis=0), np.arange(flat.shape[1])]
    filled = np.where(is_missing, np.where(np.isnan(known), 0.0, known), rows)
    return np.where(is_missing, np.nan, scaled(scaler, filled))


def dense(rows: Any) -> np.ndarray:
    """Return rows as a dense array of float64, with columns."""
    array = np.asarray(rows.toarray() if sparse.issparse(rows) else rows, dtype=np.float64)
    return array.reshape(len(array), -1) if array.ndim < 2 else array


def table(rows: np.ndarray) -> np.ndarray:
    """Return rows as a table with the columns that the last axis has."""
    flat = rows.reshape(-1, rows.shape[-1])
    return flat[:: max(1, flat.size // _VALUES)]


class Columns:
    """Statistics of the columns of rows, the constant ones left out, and NaN wherever it is.

    Parameters
    ----------
    rows : ndarray of shape (n, ..., n_columns)
        Scaled or not.

    Attributes
    ----------
    values : ndarray of shape (n, n_columns)
        As a table.
    numbers : ndarray of int
        Those of the columns that vary.
    mean, sd, low, high : ndarray
        Of the columns that vary.
    """

    def __init__(self, rows: np.ndarray) -> None:
        every = table(rows)
        low, high = np.fmin.reduce(every), np.fmax.reduce(every)
        self.values = every
        self.numbers = np.flatnonzero(high > low)
        varying = every if len(self.numbers) == every.shape[1] else every[:, self.numbers]
        self.low, self.high = low[self.numbers], high[self.numbers]
        self.mean = np.nanmean(varying, axis=0)
        tiny = np.finfo(np.float64).tiny  # the squares of 1e-200 are 0
        self.sd = np.maximum(np.nanstd(varying, axis=0), tiny)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def varying(self) -> np.ndarray:
        """The values of the columns that vary."""
        return self.values[:, self.numbers]


def middle_90(values: np.ndarray) -> Any:
    """Return between which numbers the middle 90 % of each column lie, NaN left out."""
    function = np.nanpercentile if np.isnan(values).any() else np.percentile
    return function(values, [5, 95], axis=0)


def column_name(columns: Any, number: int) -> str:
    """Return how a column is told to the user."""
    return f"column {number}" if columns is None else f"column {columns[number]!r}"


def some(columns: Any, numbers: Any) -> str:
    """Return the names of some columns, the first of them where they are many."""
    told = ", ".join(column_name(columns, number) for number in numbers[:3])
    return told if len(numbers) <= 3 else f"{told} and {len(numbers) - 3} more"
