"""Getting fitted scalers and their maps from ``input_scaler`` and ``target_scaler``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from .._blocks import evaluate
from .._optional import keras
from .._validation import did_you_mean
from ..bridge import map_of
from ..exceptions import UnsupportedTransformerError
from ..maps import Map, PerColumn
from ..scalers import (
    OF_ANY_RANK,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    SquashingScaler,
    StandardScaler,
    transformed,
)
from ._auto import AutoScaler
from ._in_network import BatchNormScaler, InstanceScaler

NAMES = {
    "standard": StandardScaler,
    "minmax": MinMaxScaler,
    "maxabs": MaxAbsScaler,
    "robust": RobustScaler,
    "squash": SquashingScaler,
}
#: Those that look at the network, or work inside it in training, scale inputs alone, and whole.
OF_NETWORK = (AutoScaler, BatchNormScaler, InstanceScaler)
INPUT_NAMES = {
    **NAMES,
    "auto": AutoScaler,
    "batchnorm": BatchNormScaler,
    "instance": InstanceScaler,
}
#: Values that are scaled at a time: what lies between raw rows and scaled ones stays small.
_VALUES = 1 << 20


@dataclass(frozen=True, eq=False)
class HostMap(Map):
    """A fitted transformer that has no form in a graph, used as a map on the host."""

    transformer: Any

    def forward(self, x: Any, xp: Any) -> Any:
        """Return ``transform(x)``."""
        return self._call("transform", x, xp)

    def inverse(self, z: Any, xp: Any) -> Any:
        """Return ``inverse_transform(z)``."""
        return self._call("inverse_transform", z, xp)

    def _call(self, method: str, x: Any, xp: Any) -> Any:
        if xp is not np:
            map_of(self.transformer)  # raises, naming the class
        found = transformed(self.transformer, x, method)
        return found if sparse.issparse(found) else np.asarray(found)


def chosen(parameter: str, value: Any, names: list[Any]) -> dict[Any, Any]:
    """Return the value of ``input_scaler`` and the like for each input or output.

    Raises
    ------
    ValueError
        If a dict names other parts than there are, or a list has another length.
    """
    if names == [None] or not isinstance(value, dict | list):
        return dict.fromkeys(names, value)
    if isinstance(value, list):
        value = dict(enumerate(value))
    unknown = [key for key in value if key not in names]
    missing = [name for name in names if name not in value]
    if unknown or missing:
        told = f"names {unknown[0]!r}, which is not there" if unknown else f"lacks {missing[0]!r}"
        raise ValueError(
            f"{parameter} {told}. It must have one entry for each of: "
            f"{', '.join(map(repr, names))}."
        )
    return dict(value)


def make_scaler(parameter: str, value: Any, routed: dict[str, Any], data: Any) -> Any:
    """Return a new, unfitted scaler with its routed parameters, None, or a list of one a column.

    Parameters
    ----------
    parameter : str
        ``input_scaler`` or ``target_scaler``, with the name of the part, for errors.
    value : None, str, transformer or list of them
        The parameter's value.
    routed : dict
        Parameters of the scaler, given as ``input_scaler__*`` or ``target_scaler__*``.
    data : ndarray of shape (n_samples, ..., n_columns) or CSR matrix
        What it is to scale.

    Raises
    ------
    ValueError
        If the name or a parameter is unknown.
    TypeError
        If it is no transformer, or a target scaler cannot invert.
    """
    if not isinstance(value, list):
        return new_scaler(parameter, value, routed)
    _check_per_column(parameter, value, data)
    return [new_scaler(f"{parameter}[{i}]", one, routed) for i, one in enumerate(value)]


def learn(
    parameter: str,
    scaler: Any,
    data: Any,
    y: Any = None,
    weight: Any = None,
    method: str = "fit",
) -> None:
    """Fit a scaler on training rows, or let it go on with them.

    Parameters
    ----------
    parameter : str
        For errors.
    scaler : transformer, None or list
        What :func:`make_scaler` returned.
    data : ndarray of shape (n_samples, ..., n_columns) or CSR matrix
        Training rows in raw units.
    y : ndarray, default=None
        Targets, for transformers that look at them.
    weight : ndarray of shape (n_samples,), default=None
        Weights of the rows, for scalers that take them.
    method : {"fit", "partial_fit"}, default="fit"
        What to call.
    """
    if isinstance(scaler, list):
        for i, one in enumerate(scaler):
            learn(f"{parameter}[{i}]", one, data[..., [i]], y, weight, method)
        return
    if scaler is None:
        return
    if not hasattr(scaler, method):
        raise TypeError(
            f"{parameter}: {type(scaler).__name__} has no {method}, and so cannot learn batch by "
            "batch. Use 'standard', 'minmax', 'maxabs', or a transformer that can."
        )
    if data.ndim > 2 and not isinstance(scaler, OF_ANY_RANK):  # scikit-learn's see tables alone
        times = int(np.prod(data.shape[1:-1]))
        data = data.reshape(-1, data.shape[-1])
        y, weight = (one if one is None else np.repeat(one, times, axis=0) for one in (y, weight))
    weighted = weight is not None and has_fit_parameter(scaler, "sample_weight")
    if getattr(scaler, "copy", True) is False:
        data = data.copy()
    try:
        getattr(scaler, method)(data, y, **({"sample_weight": weight} if weighted else {}))
    except Exception as error:
        error.add_note(f"Raised while fitting {parameter}={scaler!r}.")
        raise


def supports_sparse(value: Any) -> bool:
    """Return whether ``input_scaler`` takes sparse matrices."""
    if isinstance(value, str):
        value = INPUT_NAMES.get(value, type(None))()
    if value is None:
        return True
    is_one = not isinstance(value, dict | list | type) and hasattr(value, "transform")
    return is_one and bool(get_tags(value).input_tags.sparse)


def as_map(scaler: Any) -> Map:
    """Return the map of a fitted scaler; one without a graph form works on the host."""
    if isinstance(scaler, list):
        return PerColumn.of([as_map(one) for one in scaler])
    try:
        return map_of(scaler)
    except UnsupportedTransformerError:
        return HostMap(scaler)


def scale(parameter: str, scaler: Any, data: Any) -> Any:
    """Return ``data`` in scaled space in the dtype that Keras feeds networks with.

    Raises
    ------
    ValueError
        If the result is not finite.
    TypeError
        If it is sparse where ``data`` are not.
    """
    try:
        return _scaled(parameter, scaler, data, keras.config.floatx())
    except Exception as error:
        error.add_note(f"Raised while scaling by {parameter}={scaler!r}.")
        raise


def _scaled(parameter: str, scaler: Any, data: Any, dtype: str) -> Any:
    if sparse.issparse(data):
        return _scale_sparse(parameter, scaler, data, dtype)
    map_ = as_map(scaler)
    is_elementwise = scaler is None or isinstance(scaler, tuple(NAMES.values()))
    if not is_elementwise or isinstance(map_, HostMap):  # a subclass may do anything
        return _scale_blocks(parameter, map_, data, dtype)
    with np.errstate(all="ignore"):
        scaled = np.empty(data.shape, dtype)
        refuse = partial(_refuse_infinite, parameter, width=data.shape[-1])
        evaluate(map_, "forward", data, scaled, behind=refuse)
    return scaled


def _scale_blocks(parameter: str, map_: Map, data: np.ndarray, dtype: str) -> np.ndarray:
    """Return the same for a map that may change the columns, or mix steps."""
    step = max(1, _VALUES // max(1, int(np.prod(data.shape[1:]))))
    first = _scale_block(parameter, map_, data[:step], dtype)
    scaled = np.empty((len(data), *first.shape[1:]), dtype)
    scaled[:step] = first
    for start in range(step, len(data), step):
        block = data[start : start + step]
        scaled[start : start + step] = _scale_block(parameter, map_, block, dtype)
    return scaled


def _scale_block(parameter: str, map_: Map, block: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        scaled = map_.forward(block.astype(np.float64, copy=False), np)
        if sparse.issparse(scaled):
            raise TypeError(f"{parameter} returns a sparse matrix. Set its sparse_output=False.")
        scaled = np.asarray(scaled).astype(dtype, copy=False)
    _refuse_infinite(parameter, scaled, scaled.shape[-1])
    return scaled


def _scale_sparse(parameter: str, scaler: Any, data: Any, dtype: str) -> Any:
    if isinstance(scaler, list):
        raise TypeError(f"{parameter}: scalers for single columns need dense data: X.toarray().")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        scaled = (data if scaler is None else scaler.transform(data)).astype(dtype)
    if sparse.issparse(scaled):
        scaled = sparse.csr_array(scaled)
        if np.isfinite(scaled.data).all():
            return scaled
    dense = scaled.toarray() if sparse.issparse(scaled) else scaled
    _refuse_infinite(parameter, dense, dense.shape[-1])
    return scaled


def _refuse_infinite(parameter: str, scaled: np.ndarray, width: int) -> None:
    """Raise ``ValueError`` if a block of rows, several side by side maybe, is not finite."""
    # Of minimum and maximum, which NaN reach: no array of flags.
    if scaled.size and not np.isfinite([scaled.min(), scaled.max()]).all():
        column = int(np.argwhere(~np.isfinite(scaled))[0, -1]) % width
        raise ValueError(
            f"{parameter} turns values of column {column} into NaN or infinities as "
            f"{scaled.dtype}. Use a scaler that is defined for all values, and that brings them "
            "near 1."
        )


def _check_per_column(parameter: str, value: list[Any], data: Any) -> None:
    if sparse.issparse(data):
        raise TypeError(f"{parameter}: scalers for single columns need dense data: X.toarray().")
    for one in value:
        name = one if isinstance(one, str) else None
        if INPUT_NAMES.get(name or "") in OF_NETWORK or isinstance(one, OF_NETWORK):
            raise ValueError(
                f"{parameter}: {one!r} scales a whole input inside the network, or by what that "
                "reads, and cannot be one of a list. Use it for the input, or give its columns an "
                "input of their own."
            )
    if len(value) != data.shape[-1]:
        raise ValueError(
            f"{parameter} is a list of {len(value)} scalers, but the data have {data.shape[-1]} "
            "columns. Give one a column, None for those that pass unscaled."
        )


def new_scaler(parameter: str, value: Any, routed: dict[str, Any]) -> Any:
    """Return a new, unfitted scaler, or None, with its routed parameters."""
    known = INPUT_NAMES if parameter.startswith("input_scaler") else NAMES
    if isinstance(value, str):
        if value not in known:
            raise ValueError(
                f"{parameter}={value!r} is no known scaler. {did_you_mean(value, known)} Or pass "
                "a scikit-learn transformer, or None."
            )
        scaler = known[value]()
    elif value is None:
        scaler = None
    elif isinstance(value, type) or not (hasattr(value, "fit") and hasattr(value, "transform")):
        raise TypeError(
            f"{parameter} must be one of {', '.join(map(repr, known))}, None, or a scikit-learn "
            f"transformer, got {value!r}."
        )
    else:
        scaler = clone(value)
    if (
        parameter.startswith("target_scaler")
        and scaler is not None
        and not hasattr(scaler, "inverse_transform")
    ):
        raise TypeError(
            f"{parameter} must have inverse_transform, but {type(scaler).__name__} has none."
        )
    _set_parameters(parameter, scaler, routed)
    return scaler


def routed_of(routed: dict[str, Any], name: Any, names: list[Any]) -> dict[str, Any]:
    """Return the routed parameters of one part: those for all, and ``name__*``."""
    found = {}
    for key, value in routed.items():
        part, separator, rest = key.partition("__")
        if separator and part in map(str, names):
            if part == str(name):
                found[rest] = value
        else:
            found.setdefault(key, value)
    return found


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
