"""Checks of parameters and data that scikit-learn's own leave without a name or an advice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite, check_array, check_consistent_length
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

_INPUTS: dict[str, Any] = {
    "dtype": [np.float64, np.float32],
    "accept_sparse": "csr",
    "allow_nd": True,
}


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return a sentence with the closest option, or else with all of them.

    Examples
    --------
    >>> did_you_mean("unit", ["units", "depth"])
    "Did you mean 'units'?"
    >>> did_you_mean("xyz", ["units", "depth"])
    "Choose from: 'depth', 'units'."
    """
    options = sorted(set(options) - {name})
    close = get_close_matches(name, options, n=1) or [o for o in options if o.startswith(name)]
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Choose from: {', '.join(map(repr, options))}." if options else "There are none."


def column_number(column: Any, where: str, names: list[Any], width: int) -> int:
    """Return the number of a column that is told by its name, or by its number from either end.

    Raises
    ------
    ValueError
        If there is no such column, or several of the name.

    Examples
    --------
    >>> column_number("b", "target", ["a", "b"], 2), column_number(-1, "target", [], 3)
    (1, 2)
    """
    if isinstance(column, str):
        if names.count(column) > 1:
            raise ValueError(f"{where}: there are several columns {column!r}. Give its number.")
        if column not in names:
            advice = (
                did_you_mean(column, map(str, names))
                if names
                else "Names need a data frame: pass one."
            )
            raise ValueError(f"{where}: there is no column {column!r}. {advice}")
        return names.index(column)
    is_number = isinstance(column, Integral) and not isinstance(column, bool)
    if not is_number or not -width <= column < width:
        raise ValueError(f"{where}: there is no column {column!r}; there are {width}.")
    return int(column) % width


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


def check_inputs(estimator: Any, X: Any, *, reset: bool, name: str = "X") -> Any:
    """Return ``X`` as finite float64 or float32: an array of two or more axes, or a CSR matrix.

    Other dtypes become float64. Sets or checks ``n_features_in_`` and
    ``feature_names_in_`` as scikit-learn does. ``name`` is that of the argument.

    Raises
    ------
    ValueError
        If ``X`` has text, NaN, infinities, no rows or the wrong columns.
    """
    with explained(X, name):
        return validate_data(estimator, X, reset=reset, **_INPUTS)


def check_part(estimator: Any, X: Any, name: str) -> Any:
    """Return one of several inputs as :func:`check_inputs` does."""
    with explained(X, name):
        return check_array(X, estimator=estimator, input_name="X", **_INPUTS)


def check_targets(estimator: Any, y: Any, name: str = "y") -> np.ndarray:
    """Return ``y`` as a float64 array with one or more axes, rows first; NaN is not known.

    Raises
    ------
    ValueError
        If ``y`` is missing, has text or infinities.
    """
    check_given(estimator, y)
    with explained(y, name):
        return check_array(
            y,
            dtype=np.float64,
            ensure_2d=False,
            ensure_all_finite="allow-nan",
            allow_nd=True,
            input_name="y",
            estimator=estimator,
        )


def read_labels(y: Any, name: str) -> np.ndarray:
    """Return labels as an array of any shape and dtype.

    Raises
    ------
    ValueError
        If they are none, such as lists of different lengths.
    """
    with explained(y, name):
        return np.asarray(y.toarray() if sparse.issparse(y) else y)


def check_column(y: Any, name: str, warn: bool) -> np.ndarray:
    """Return ``y`` of shape (n_samples,) or (n_samples, 1) as shape (n_samples,)."""
    with explained(y, name):
        column: np.ndarray = column_or_1d(y.toarray() if sparse.issparse(y) else y, warn=warn)
    return column


def check_classes(estimator: Any, values: np.ndarray, y: Any, name: str) -> None:
    """Raise ``ValueError`` unless values of ``y`` are finite, and labels."""
    with explained(y, name):
        if values.size:
            assert_all_finite(values, input_name="y", estimator_name=type(estimator).__name__)
            check_classification_targets(values)


def check_given(estimator: Any, y: Any) -> None:
    """Raise ``ValueError`` if there is no ``y``."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )


def check_same_length(**named: Any) -> None:
    """Raise ``ValueError`` unless the given arrays have as many rows each."""
    try:
        check_consistent_length(*named.values())
    except ValueError as error:
        names = " and ".join(named)
        raise ValueError(f"{names} must have as many rows each. {error}") from error


def check_weights(
    sample_weight: Any, n_samples: int, name: str, may_be_zero: bool = False
) -> np.ndarray | None:
    """Return ``sample_weight`` as non-negative float64 of shape (n_samples,), or None.

    Raises
    ------
    ValueError
        If a weight is negative, NaN or infinite, if the shape is wrong, or all are zero and
        may not be.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Mapping):
        raise TypeError(
            f"{name} is a dict, but y is one target without a name. Pass one array: a weight a "
            "row, or a weight a cell of y."
        )
    weight = read_weights(sample_weight, name)
    if weight.shape != (n_samples,):
        raise ValueError(f"{name} must have shape ({n_samples},), one a row, got {weight.shape}.")
    if not (may_be_zero or weight.any()):
        raise ValueError(
            f"{name}: Sample weights must contain at least one non-zero number, got "
            f"{n_samples} zeros."
        )
    return weight


def read_weights(sample_weight: Any, name: str) -> np.ndarray:
    """Return weights of any shape as non-negative float64.

    Raises
    ------
    ValueError
        If a weight is negative, NaN or infinite.
    """
    with explained(sample_weight, name):
        weight: np.ndarray = check_array(
            sample_weight,
            dtype=np.float64,
            ensure_2d=False,
            allow_nd=True,
            ensure_min_samples=0,
            input_name="sample_weight",
        )
    if (weight < 0).any():
        raise ValueError(f"{name} has negative values, the least {weight.min()}; weights are >= 0.")
    return weight


def check_value_weights(X: Any, sample_weight: Any, mask: Any) -> np.ndarray | None:
    """Return weights with the first axes of ``X``, or None: the sample's where the mask is True.

    Raises
    ------
    ValueError
        If a weight is negative, NaN or infinite, if a shape is wrong, or the mask not boolean.
    """
    if isinstance(sample_weight, Real):
        sample_weight = np.full(X.shape[0], sample_weight)
    weight = check_weights(sample_weight, X.shape[0], "sample_weight", may_be_zero=True)
    if mask is None:
        return weight
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise ValueError(
            f"mask must be boolean, True where values count, got dtype {mask.dtype}. Write "
            "mask.astype(bool) if it holds 0 and 1."
        )
    if sparse.issparse(X) and mask.ndim > 1:
        raise ValueError(
            f"A sparse matrix takes a mask of its rows alone, of shape ({X.shape[0]},), got "
            f"{mask.shape}. Mark missing values with NaN."
        )
    if mask.ndim == 0 or mask.shape != X.shape[: mask.ndim]:
        raise ValueError(
            f"mask must have the first axes of X, which has shape {X.shape}, got {mask.shape}. A "
            "mask of time steps has shape (n_samples, n_steps)."
        )
    if weight is None:
        return mask.astype(np.float64)
    return weight.reshape(-1, *(1,) * (mask.ndim - 1)) * mask


@contextmanager
def explained(data: Any, name: str) -> Iterator[None]:
    """Add to scikit-learn's error which argument and cell it is about and what to do."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        if "could not convert string" in message or "dtype='numeric'" in message:
            message = (
                f"{name} has text{_where(data, _is_text)}, but numbers were expected ({message}). "
                "Encode it first, for example with OneHotEncoder or OrdinalEncoder in a "
                "ColumnTransformer."
            )
        elif found := re.match(r"Input (\w+ )?contains (NaN|infinity)", message):
            is_infinite = found[2] == "infinity"
            place = _where(data, _is_infinite if is_infinite else _is_not_finite)
            advice = "Impute it, for example with SimpleImputer"
            if is_infinite:
                advice = "Put a number there, or NaN to impute (SimpleImputer takes no infinity)"
            message = (
                f"{message}\nThe first such value of {name} is{place or ' a missing one'}. "
                f"{advice}, or drop its rows."
            )
        else:
            message = f"{name}: {message}{_advice(message)}"
        raise ValueError(message) from error


def _advice(message: str) -> str:
    if "0 sample(s)" in message:
        return " Pass at least one row; was everything filtered out?"
    if "features as input" in message or "feature names should match" in message:
        return " Pass the columns that fit was given, in the same order."
    return ""


def _is_text(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return True
    return False


def _is_not_finite(value: Any) -> bool:
    try:
        return not np.isfinite(float(value))
    except TypeError:
        return True  # None and pandas.NA are missing values, and no numbers
    except ValueError:
        return False


def _is_infinite(value: Any) -> bool:
    try:
        return bool(np.isinf(float(value)))
    except (TypeError, ValueError):
        return False


def _where(data: Any, is_bad: Callable[[Any], bool]) -> str:
    """Return ' in row r, column c' of the first bad cell, by name where columns have names."""
    named = hasattr(data, "columns")
    if sparse.issparse(data):
        return ""
    if np.ndim(data) > 2:
        return _where_in_samples(np.asarray(data), is_bad)
    for label, column in _labelled(data) if named else enumerate(np.atleast_2d(np.asarray(data).T)):
        values = np.asarray(column)
        bad = np.flatnonzero(_are_bad(values, is_bad))[:1].tolist()
        if bad:
            where = f", column {label!r}" if named or np.ndim(data) == 2 else ""
            return f" in row {bad[0]}{where}"
    return ""


def _labelled(frame: Any) -> Iterable[tuple[Any, Any]]:
    if hasattr(frame, "items"):
        columns: Iterable[tuple[Any, Any]] = frame.items()  # of pandas
        return columns
    names = getattr(frame, "column_names", frame.columns)  # of pyarrow, of polars
    return ((name, frame[name]) for name in names)


def _where_in_samples(data: np.ndarray, is_bad: Callable[[Any], bool]) -> str:
    for i, sample in enumerate(data):
        bad = np.argwhere(_are_bad(sample, is_bad))
        if len(bad):
            return f" at index {(i, *bad[0].tolist())}"
    return ""


def _are_bad(values: np.ndarray, is_bad: Callable[[Any], bool]) -> np.ndarray:
    if values.dtype.kind in "fc":
        return np.isinf(values) if is_bad is _is_infinite else ~np.isfinite(values)
    return np.array([is_bad(value) for value in values.ravel().tolist()]).reshape(values.shape)
