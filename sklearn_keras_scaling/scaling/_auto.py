"""The scaler that is called "auto": it leaves codes as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._optional import keras
from .._structure import each, names, parts
from ..checks import code_columns, hidden_code_layer
from ..scalers import StandardScaler


class AutoScaler(StandardScaler):
    """Standardize columns, all but those that the network looks up or cuts, which pass as they are.

    It is fitted before there is a network, and told then which columns are codes. The builder of
    the network, which may ask for it, meets it as a StandardScaler of all columns.

    Attributes
    ----------
    passed_ : ndarray of int
        The columns that pass; ``mean_`` is 0 there, ``scale_`` and ``var_`` are 1.
    """

    passed_: np.ndarray

    def leave(self, columns: Sequence[int]) -> None:
        """Let columns pass as they are, from now on.

        Raises
        ------
        ValueError
            If columns have no statistics of their own.
        """
        if len(columns) and self.axis not in (-1, (-1,)):
            raise ValueError(
                f"input_scaler='auto' leaves columns as they are, which takes statistics of each "
                f"column, but got input_scaler__axis={self.axis!r}. Use axis=-1, or give the codes "
                "an input of their own, with None in a dict of scalers."
            )
        self.passed_ = np.array(columns, dtype=np.int64)
        self._pass()

    def _set_attributes(self, statistics: Any, shape: tuple[int, ...]) -> None:
        super()._set_attributes(statistics, shape)
        self._pass()

    def _pass(self) -> None:
        passed = getattr(self, "passed_", ())
        for name, value in (("mean_", 0.0), ("scale_", 1.0), ("var_", 1.0)):
            known = getattr(self, name)
            if known is not None and len(passed):
                known = known.copy()  # it may be a view of the statistics
                known[passed] = value
                setattr(self, name, known)


def leave_codes(scalers: Any, network: Any, inputs: Any) -> bool:
    """Tell scalers by "auto" which columns are codes to the network; return whether any are.

    Parameters
    ----------
    scalers : scaler, or dict or list of them
        Fitted, of each input.
    network : keras.Model
        New.
    inputs : ndarray, or dict or list of ndarray
        A few rows.

    Raises
    ------
    ValueError
        If the network takes codes, but does not tell from where.
    """
    if not any(isinstance(scaler, AutoScaler) for scaler in parts(scalers)):
        return False
    if not _builds(network, inputs):
        return False  # where the network is run, the user is told
    _check_graph(network)
    shapes = {name: array.shape for name, array in zip(names(inputs), parts(inputs), strict=True)}
    columns = code_columns(network, shapes)

    def told(name: Any, scaler: Any) -> bool:
        if isinstance(scaler, AutoScaler):
            scaler.leave(columns[name])
            return bool(columns[name])
        return False

    return any(parts(each(told, scalers)))


def _builds(network: Any, inputs: Any) -> bool:
    """Let a Sequential without a graph make one, of rows that any layer has as codes: zeros."""
    if isinstance(network, keras.Sequential) and not network.built:
        try:
            network(each(lambda _, array: np.zeros_like(array), inputs), training=False)
        except Exception:
            return False
    return True


def _check_graph(network: Any) -> None:
    layer = hidden_code_layer(network)
    if layer is not None:
        raise ValueError(
            "input_scaler='auto' reads in the network's graph which columns are codes, but the "
            f"{type(layer).__name__} {layer.name!r} works in or behind a class or function of "
            "your own, which has none. Use keras.Model(inputs, outputs) and keras.ops; or give a "
            "list with a scaler for each column, None for codes; or 'standard', if none are."
        )
