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
    may_leave_out : bool, default=False
        Whether columns may be in no output, and a column that is told without a list is of shape
        (n_samples,).

    Attributes
    ----------
    numbers : dict of list of int
        Columns of each output.
    order : tuple of int or None
        Puts the outputs' columns, side by side, back into the table's order; None if they need
        not be all of it.

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

    def __init__(self, columns: Any, y: Any, may_leave_out: bool = False) -> None:
        shape = np.shape(y)
        if len(shape) != 2:
            raise ValueError(f"target_columns needs a table, but y has shape {shape}.")
        known = getattr(y, "columns", None)
        self.names = None if known is None else list(known)
        self.numbers = numbers_of(columns, "target_columns", self.names, shape[1])
        order = [number for chosen in self.numbers.values() for number in chosen]
        every = list(range(shape[1]))
        if sorted(order) != every and not (may_leave_out and len(set(order)) == len(order)):
            raise ValueError(
                f"target_columns must have each of the {shape[1]} columns of y once, got "
                f"{self.numbers}."
            )
        self.order = None if may_leave_out else tuple(np.argsort(order).tolist())
        self._width, self._is_frame = shape[1], hasattr(y, "iloc")
        self._alone = {
            name for name, chosen in columns.items() if may_leave_out and np.ndim(chosen) == 0
        } - {name for name, chosen in columns.items() if isinstance(chosen, slice)}

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
        if np.ndim(y) != 2 or np.shape(y)[1] != self._width:
            raise ValueError(
                f"{argument} has shape {np.shape(y)}, but the y of fit had {self._width} columns. "
                "Pass the same columns."
            )
        return {
            name: _taken(y, chosen[0] if name in self._alone else chosen)
            for name, chosen in self.numbers.items()
        }

    def has_all(self, outputs: dict[str, np.ndarray]) -> bool:
        """Return whether these are all outputs: some may not say what is asked for."""
        return set(outputs) == set(self.numbers)

    def join(self, outputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the outputs, in the order of the parameter, as a table in the order of fit."""
        assert self.order is not None  # else there is no such table
        return np.concatenate(list(outputs.values()), axis=1)[:, list(self.order)]

    def as_frame(self, outputs: dict[str, np.ndarray]) -> Any:
        """Return the outputs as a data frame with the columns of that of fit; else as they are."""
        if not self._is_frame or self.names is None:
            return outputs
        import pandas as pd

        found: dict[int, np.ndarray] = {}
        for name, numbers in self.numbers.items():
            table = outputs[name].reshape(len(outputs[name]), -1)
            found |= dict(zip(numbers, table.T, strict=True))
        return pd.DataFrame({self.names[number]: found[number] for number in sorted(found)})


def _taken(table: Any, columns: Any) -> Any:
    """Return some columns, which keep their names."""
    if hasattr(table, "iloc"):
        return table.iloc[:, columns]
    return table[:, columns] if hasattr(table, "shape") else np.asarray(table)[:, columns]
