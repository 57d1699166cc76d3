"""A table of targets whose columns are several outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data import numbers_of


class TargetColumns:
    """Which columns of a table ``y`` are which output.

    Parameters
    ----------
    columns : dict
        Names of outputs, and the columns of each: the parameter ``target_columns``.
    y : array-like of shape (n_samples, n_columns)
        The table.

    Attributes
    ----------
    numbers : dict of list of int
        Columns of each output.
    order : tuple of int
        Puts the outputs' columns, side by side, back into the table's order.

    Raises
    ------
    ValueError
        If ``y`` is no table, or a column is missing or there twice.

    Examples
    --------
    >>> import numpy as np
    >>> columns = TargetColumns({"a": [2], "b": [0, 1]}, np.arange(6).reshape(2, 3))
    >>> {name: part.tolist() for name, part in columns.split(np.array([[0, 1, 2]]), "y").items()}
    {'a': [[2]], 'b': [[0, 1]]}
    >>> columns.order
    (1, 2, 0)
    """

    def __init__(self, columns: Any, y: Any) -> None:
        shape = np.shape(y)
        if len(shape) != 2:
            raise ValueError(f"target_columns needs a table, but y has shape {shape}.")
        known = getattr(y, "columns", None)
        self.names = None if known is None else list(known)
        self.numbers = numbers_of(columns, "target_columns", self.names, shape[1])
        order = [number for chosen in self.numbers.values() for number in chosen]
        if sorted(order) != list(range(shape[1])):
            raise ValueError(
                f"target_columns must have each of the {shape[1]} columns of y once, got "
                f"{self.numbers}."
            )
        self.order = tuple(np.argsort(order).tolist())

    def split(self, y: Any, argument: str) -> dict[str, Any]:
        """Return the columns of each output of a table."""
        columns = getattr(y, "columns", None)
        if self.names is not None and columns is not None:
            if set(columns) != set(self.names):
                raise ValueError(
                    f"{argument} has the columns {list(columns)}, but the y of fit had "
                    f"{self.names}. Pass the same columns."
                )
            y = y[self.names]
        if np.ndim(y) != 2 or np.shape(y)[1] != len(self.order):
            raise ValueError(
                f"{argument} has shape {np.shape(y)}, but the y of fit had {len(self.order)} "
                "columns. Pass the same columns."
            )
        return {name: _taken(y, chosen) for name, chosen in self.numbers.items()}

    def join(self, outputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the outputs, in the order of the parameter, as a table in the order of fit."""
        return np.concatenate(list(outputs.values()), axis=1)[:, list(self.order)]


def _taken(table: Any, columns: list[int]) -> Any:
    """Return some columns, which keep their names."""
    if hasattr(table, "iloc"):
        return table.iloc[:, columns]
    return table[:, columns] if hasattr(table, "shape") else np.asarray(table)[:, columns]
