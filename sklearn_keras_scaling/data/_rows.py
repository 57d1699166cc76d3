"""From what users pass to validated rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from .._optional import keras
from .._structure import each, named, parts
from .._validation import check_inputs, check_part, column_number


@dataclass(frozen=True)
class Rows:
    """Validated rows in raw units.

    Attributes
    ----------
    X, y : array, or dict or list of arrays
        Inputs and targets, rows first.
    weight : ndarray of shape (n_samples,) or None
        Sample weights.
    by_target : array, dict of arrays, or None
        Those of single outputs, or of single cells of targets, where they differ.
    """

    X: Any
    y: Any
    weight: np.ndarray | None
    by_target: Any = None

    @property
    def target_weight(self) -> Any:
        """Weights as targets take them: of all alike, or of each."""
        return self.weight if self.by_target is None else self.by_target

    def __len__(self) -> int:
        return int(parts(self.X)[0].shape[0])

    def __getitem__(self, index: Any) -> Rows:
        def taken(data: Any) -> Any:
            return each(lambda _, array: None if array is None else array[index], data)

        return Rows(*map(taken, (self.X, self.y, self.weight, self.by_target)))


def is_several(data: Any) -> bool:
    """Return whether the data are a dict or, as for Keras, a list or tuple of arrays.

    Samples in a list are no arrays with two axes, or must be stacked first.
    """
    if isinstance(data, Mapping):
        return not sparse.issparse(data)  # of which some are mappings, of cells
    is_list = isinstance(data, list | tuple) and len(data) > 0
    return is_list and all(getattr(array, "ndim", 0) > 1 for array in data)


def is_stream(X: Any, y: Any) -> bool:
    """Return whether ``X`` yields batches of inputs and targets: a dataset, and no array."""
    is_array = hasattr(X, "shape") or hasattr(X, "__array__") or hasattr(X, "__dataframe__")
    if y is not None or is_array or isinstance(X, list | tuple | dict | str):
        return False
    return hasattr(X, "__iter__") or isinstance(X, keras.utils.PyDataset)


def read_inputs(estimator: Any, X: Any, *, reset: bool, name: str = "X") -> Any:
    """Return ``X`` as validated arrays, one for each input of the network.

    Sets or checks ``input_shape_``, and of a table ``n_features_in_`` and
    ``feature_names_in_``.

    Raises
    ------
    ValueError, TypeError
        If the data do not fit the estimator, or are none.
    """
    if is_stream(X, None):
        raise TypeError(
            f"{name} is a {type(X).__name__}. Datasets are for fit, without y; here, pass arrays."
        )
    if is_several(X):
        checked = _read_several(estimator, X, reset, name)
    else:
        checked = check_inputs(estimator, X, reset=reset, name=name)
    shape = each(lambda _, array: tuple(array.shape[1:]), checked)
    if reset:
        estimator.input_shape_ = shape
    elif shape != estimator.input_shape_:
        raise ValueError(
            f"{name} has samples of shape {shape}, but {type(estimator).__name__} was fitted on "
            f"samples of shape {estimator.input_shape_}. Pass the same inputs as to fit."
        )
    if reset:
        uses_columns = estimator.input_columns is not None
        estimator._input_numbers = column_numbers(estimator, name) if uses_columns else None
    if estimator._input_numbers is None:
        return checked
    return split_columns(checked, estimator._input_numbers)


def _read_several(estimator: Any, X: Any, reset: bool, name: str) -> Any:
    if estimator.input_columns is not None:
        raise ValueError(
            f"input_columns says which columns of a table are which input, but {name} is "
            "several arrays already. Use input_columns=None."
        )
    if reset:
        for attribute in ("n_features_in_", "feature_names_in_"):
            vars(estimator).pop(attribute, None)
    given = dict(X) if isinstance(X, Mapping) else list(X)
    return each(lambda key, part: check_part(estimator, part, named(name, key)), given)


def column_numbers(estimator: Any, name: str) -> dict[str, list[int]]:
    """Return the columns of each input that ``input_columns`` names."""
    names = getattr(estimator, "feature_names_in_", None)
    shape = estimator.input_shape_
    if len(shape) != 1:
        raise ValueError(
            f"input_columns needs a table, but {name} has samples of shape {shape}. Pass a dict "
            "of arrays instead."
        )
    return numbers_of(estimator.input_columns, "input_columns", names, shape[0])


def split_columns(table: Any, numbers: dict[str, list[int]]) -> dict[str, Any]:
    """Return some columns of a table for each name."""
    return {key: table[:, chosen] for key, chosen in numbers.items()}


def numbers_of(columns: Any, parameter: str, names: Any, width: int) -> dict[str, list[int]]:
    """Return column numbers for each name of ``input_columns`` or ``target_columns``.

    Raises
    ------
    TypeError
        If it is no dict with names as keys.
    ValueError
        If a column is not there, or none is chosen.
    """
    if not (isinstance(columns, Mapping) and all(isinstance(key, str) for key in columns)):
        raise TypeError(
            f"{parameter} must be a dict from names to lists of columns, got {columns!r}."
        )
    known = [] if names is None else list(names)
    found = {}
    for key, chosen in columns.items():
        listed = range(width)[chosen] if isinstance(chosen, slice) else chosen
        each_one = [listed] if isinstance(listed, str | int) else list(listed)
        where = named(parameter, key)
        found[key] = [column_number(column, where, known, width) for column in each_one]
        if not found[key]:
            raise ValueError(f"{where} has no column. Name at least one, or leave it out.")
    return found


def flat(y: Any) -> np.ndarray:
    """Return all targets side by side, of shape (n_samples,) or (n_samples, n_numbers)."""
    columns = np.concatenate([part.reshape(len(part), -1) for part in parts(y)], axis=1)
    return columns.ravel() if columns.shape[1] == 1 else columns
