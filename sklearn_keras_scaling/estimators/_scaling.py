"""Getting fitted scalers and their maps from ``input_scaler`` and ``target_scaler``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from .._optional import keras
from .._validation import did_you_mean
from ..bridge import map_of
from ..exceptions import UnsupportedTransformerError
from ..maps import Map
from ..scalers import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

NAMES = {
    "standard": StandardScaler,
    "minmax": MinMaxScaler,
    "maxabs": MaxAbsScaler,
    "robust": RobustScaler,
}


@dataclass(frozen=True, eq=False)
class HostMap(Map):
    """A fitted transformer that has no form in a graph, used as a map on the host."""

    transformer: Any

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``transform(x)``."""
        self._refuse_graph(xp)
        return self.transformer.transform(np.array(x))  # a copy, for transformers with copy=False

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``inverse_transform(z)``."""
        self._refuse_graph(xp)
        return np.asarray(self.transformer.inverse_transform(np.array(z)))

    def _refuse_graph(self, xp: Any) -> None:
        if xp is not np:
            map_of(self.transformer)  # raises, naming the class


def fit_scaler(
    parameter: str,
    value: Any,
    routed: dict[str, Any],
    data: np.ndarray,
    y: Any = None,
    weight: Any = None,
) -> Any:
    """Return a new scaler fitted on the training rows, or None.

    Parameters
    ----------
    parameter : {"input_scaler", "target_scaler"}
        Named in errors.
    value : None, str or transformer
        The parameter's value.
    routed : dict
        Parameters of the scaler, given as ``input_scaler__*`` or ``target_scaler__*``.
    data : ndarray of shape (n_samples, n_columns)
        Training rows in raw units.
    y : ndarray, default=None
        Targets, for transformers that look at them.
    weight : ndarray of shape (n_samples,), default=None
        Weights of the rows, for scalers that take them.

    Raises
    ------
    ValueError
        If the name or a parameter is unknown.
    TypeError
        If it is no transformer, or a target scaler cannot invert.
    """
    scaler = _new_scaler(parameter, value, routed)
    if scaler is None:
        return None
    weighted = weight is not None and has_fit_parameter(scaler, "sample_weight")
    if getattr(scaler, "copy", True) is False:
        data = data.copy()
    try:
        return scaler.fit(data, y, **({"sample_weight": weight} if weighted else {}))
    except Exception as error:
        error.add_note(f"Raised while fitting {parameter}={value!r}.")
        raise


def as_map(scaler: Any) -> Map:
    """Return the map of a fitted scaler; one without a graph form works on the host."""
    try:
        return map_of(scaler)
    except UnsupportedTransformerError:
        return HostMap(scaler)


def scale(parameter: str, map_: Map, data: np.ndarray) -> np.ndarray:
    """Return ``data`` in scaled space in the dtype that Keras feeds networks with.

    Raises
    ------
    ValueError
        If the result is not finite.
    TypeError
        If it is sparse.
    """
    dtype = keras.config.floatx()
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        scaled = map_.forward(data.astype(np.float64, copy=False), np)
        if sparse.issparse(scaled):
            raise TypeError(f"{parameter} returns a sparse matrix. Set its sparse_output=False.")
        scaled = np.asarray(scaled).astype(dtype, copy=False)
    if not np.isfinite(scaled).all():
        column = int(np.argwhere(~np.isfinite(scaled))[0, 1])
        raise ValueError(
            f"{parameter} turns values of column {column} into NaN or infinities as {dtype}. Use a "
            "scaler that is defined for all values, and that brings them near 1."
        )
    return scaled


def _new_scaler(parameter: str, value: Any, routed: dict[str, Any]) -> Any:
    if isinstance(value, str):
        if value not in NAMES:
            raise ValueError(
                f"{parameter}={value!r} is no known scaler. {did_you_mean(value, NAMES)} Or pass "
                "a scikit-learn transformer, or None."
            )
        scaler = NAMES[value]()
    elif value is None:
        scaler = None
    elif isinstance(value, type) or not (hasattr(value, "fit") and hasattr(value, "transform")):
        raise TypeError(
            f"{parameter} must be one of {', '.join(map(repr, NAMES))}, None, or a scikit-learn "
            f"transformer, got {value!r}."
        )
    else:
        scaler = clone(value)
    if (
        parameter == "target_scaler"
        and scaler is not None
        and not hasattr(scaler, "inverse_transform")
    ):
        raise TypeError(
            f"target_scaler must have inverse_transform, but {type(scaler).__name__} has none."
        )
    _set_parameters(parameter, scaler, routed)
    return scaler


def _set_parameters(parameter: str, scaler: Any, routed: dict[str, Any]) -> None:
    known = {} if scaler is None else scaler.get_params()
    for name in routed:
        if name not in known:
            raise ValueError(
                f"{parameter}__{name}: {type(scaler).__name__} has no parameter {name!r}. "
                f"{did_you_mean(name, known)}"
            )
    if scaler is not None:
        scaler.set_params(**routed)
