"""Checks of parameters and data that scikit-learn's own leave without a name or an advice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import (
    _check_sample_weight,
    _get_feature_names,
    _num_samples,
    validate_data,
)


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return a sentence with the closest option, or else with all of them.

    Examples
    --------
    >>> did_you_mean("unit", ["units", "depth"])
    "Did you mean 'units'?"
    >>> did_you_mean("xyz", ["units", "depth"])
    "Choose from: 'depth', 'units'."
    """
    options = sorted(options)
    close = get_close_matches(name, options, n=1) or [o for o in options if o.startswith(name)]
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Choose from: {', '.join(map(repr, options))}." if options else "There are none."


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """Give ``estimator`` back the attributes it had when the block raises."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def check_inputs(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    """Return ``X`` as a finite float64 or float32 array of shape (n_samples, n_features).

    Other dtypes become float64. Sets or checks ``n_features_in_`` and
    ``feature_names_in_`` as scikit-learn does.

    Raises
    ------
    ValueError
        If ``X`` has text, NaN, infinities, no rows or the wrong columns.
    """
    with _columns_named(X, "X"):
        return validate_data(estimator, X, reset=reset, dtype=[np.float64, np.float32])


def check_targets(estimator: Any, y: Any) -> np.ndarray:
    """Return ``y`` as a finite float64 array of shape (n_samples,) or (n_samples, n_outputs).

    Raises
    ------
    ValueError
        If ``y`` is missing, has text, NaN, infinities or more than two axes.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    with _columns_named(y, "y"):
        return check_array(
            y, dtype=np.float64, ensure_2d=False, input_name="y", estimator=estimator
        )


def check_same_length(**named: Any) -> None:
    """Raise ``ValueError`` unless all given arrays have as many rows as the first."""
    lengths = {name: _num_samples(value) for name, value in named.items() if value is not None}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length} rows" for name, length in lengths.items())
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {found}. "
            "Pass as many rows in each."
        )


def check_weights(sample_weight: Any, X: np.ndarray, name: str) -> np.ndarray | None:
    """Return ``sample_weight`` as non-negative float64 of shape (n_samples,), or None.

    Raises
    ------
    ValueError
        If a weight is negative, NaN or infinite, if the shape is wrong or all are zero.
    """
    if sample_weight is None:
        return None
    try:
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not weight.any():
        raise ValueError(
            f"{name}: Sample weights must contain at least one non-zero number, got "
            f"{len(weight)} zeros."
        )
    return weight


@contextmanager
def _columns_named(data: Any, name: str) -> Iterator[None]:
    """Add to scikit-learn's error which column it is about and what to do."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        if "could not convert string" in message or "dtype='numeric'" in message:
            raise ValueError(
                f"{name} has text{_where(data, _is_text)}, but numbers were expected "
                f"({error}). Encode it first, for example with OneHotEncoder or "
                "OrdinalEncoder in a ColumnTransformer."
            ) from error
        if "NaN" in message or "infinity" in message:
            raise ValueError(
                f"{error}\nThe first such value is{_where(data, _is_not_finite)}. Impute it, "
                "for example with SimpleImputer, or drop its rows."
            ) from error
        raise


def _is_text(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return True
    return False


def _is_not_finite(value: Any) -> bool:
    try:
        return not np.isfinite(float(value))
    except (TypeError, ValueError):
        return value is not None  # pandas.NA refuses float()


def _where(data: Any, is_bad: Any) -> str:
    """Return ' in row r, column c' of the first bad cell, by name where columns have names."""
    array = np.asarray(data, dtype=object)
    table = array.reshape(len(array), -1)
    names = _get_feature_names(data) if array.ndim == 2 else None
    for column in range(table.shape[1]):
        for row in range(len(table)):
            if is_bad(table[row, column]):
                label = repr(names[column]) if names is not None else column
                where = f", column {label}" if array.ndim == 2 else ""
                return f" in row {row}{where}"
    return ""
