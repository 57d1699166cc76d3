"""Codes that are scaled before a layer looks them up, numbers before they are cut, and padding."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._optional import keras
from ._findings import Finding
from ._inputs import InputSide, scaler_name
from ._numbers import dense, scaled, some, table
from ._readers import columns_read, readers

_LAYERS = keras.layers


def misread(network: Any, sides: list[InputSide]) -> Iterator[Finding]:
    """Yield layers that are given scaled what they must have as it was.

    Parameters
    ----------
    network : keras.Model
        In scaled space.
    sides : list of InputSide
        Of all of its inputs, with rows; without, nothing is found.
    """
    by_name = {side.name: side for side in sides if side.rows is not None}
    read = columns_read(network, {name: side.shape for name, side in by_name.items()})
    given = _Given(network, by_name)
    for i, (layer, columns) in enumerate(read):
        moved = {name: _moved(layer, by_name[name], each) for name, each in columns.items()}
        name, numbers = next((item for item in moved.items() if item[1]), (None, []))
        if numbers:
            yield from _judged(layer, by_name[name], numbers, *given.of(i))


class _Given:
    """What layers are given, by scaled rows and, where that is known, by raw ones."""

    def __init__(self, network: Any, sides: dict[Any, InputSide]) -> None:
        self._network, self._sides = network, sides

    def of(self, i: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the arrays of a layer, as far as they are known."""
        return self._scaled[i], self._raw[i]

    @cached_property
    def _scaled(self) -> list[list[np.ndarray]]:
        return self._by({name: side.scaled for name, side in self._sides.items()})

    @cached_property
    def _raw(self) -> list[list[np.ndarray]]:
        raw: dict[Any, Any] = {name: _raw(side) for name, side in self._sides.items()}
        is_same = {name: np.shape(raw[name]) == side.shape for name, side in self._sides.items()}
        return self._by({name: rows for name, rows in raw.items() if is_same[name]})

    def _by(self, rows: dict[Any, np.ndarray]) -> list[list[np.ndarray]]:
        n = min(side.shape[0] for side in self._sides.values())  # NaN have left some out
        found = readers(self._network, {name: array[:n] for name, array in rows.items()})
        return [
            [np.asarray(keras.ops.convert_to_numpy(one)) for one in arrays if one is not None]
            for _, arrays in found
        ]


def _raw(side: InputSide) -> Any:
    try:
        return dense(side.rows)
    except (TypeError, ValueError):
        return None  # text, which the scaler encodes


def _moved(layer: Any, side: InputSide, numbers: list[int]) -> list[int]:
    """Return those columns that are no longer as they were, wherever they stood, or padding is."""
    if side.scaler is None:
        return []
    if isinstance(layer, _LAYERS.Masking):
        padding = _scaled_padding(side, layer.mask_value)
        is_there = np.shape(padding)[1:] == side.shape[1:]
        return [j for j in numbers if not is_there or (padding[..., j] != layer.mask_value).any()]
    raw, dtype = _raw(side), keras.config.floatx()
    known = set() if raw is None else {_bytes(column, dtype) for column in table(raw).T}
    now = table(side.scaled).T
    return [j for j in numbers if _bytes(now[j], dtype) not in known]


def _scaled_padding(side: InputSide, value: float) -> Any:
    padding = np.full((1, *np.shape(side.rows)[1:]), float(value))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has no names of columns
            return scaled(side.scaler, padding)
    except (TypeError, ValueError):
        return None  # an encoder, to which it is unknown


def _bytes(column: np.ndarray, dtype: str) -> bytes:
    return (column.astype(dtype) + 0.0).tobytes()  # one zero, not two


@dataclass(frozen=True)
class _Rule:
    """How a layer's rows are judged: ``share`` of them means something to it, as ``told`` says."""

    code: str
    share: Callable[[Any, np.ndarray], float]
    told: str

    def is_misread(self, after: float, before: float | None) -> bool:
        """Return whether scaled rows mean less than they did, or no more than raw ones."""
        if self is _LOOKUP and (after == 1.0 or before is None):
            return after < 1.0  # an encoder makes codes
        return before is not None and after <= before  # else made for scaled numbers


def _judged(
    layer: Any, side: InputSide, moved: list[int], scaled: Any, raw: Any
) -> Iterator[Finding]:
    rule = next((rule for kind, rule in _RULES.items() if isinstance(layer, kind)), _LOOKUP)
    after, before = (
        min((rule.share(layer, one) for one in arrays), default=None) for arrays in (scaled, raw)
    )
    if after is not None and rule.is_misread(after, before):
        of_raw = "" if before is None else f", and {before:.0%} of raw ones"
        told = f"{type(layer).__name__} {rule.told.format(after)}{of_raw}"
        yield Finding(rule.code, layer.name, f"{_told(side, moved)}; the {told}")


def _told(side: InputSide, moved: list[int]) -> str:
    scaled, raw = side.scaled[..., moved], _raw(side)
    has_names = side.names is not None and len(side.names) == side.shape[-1]
    where = "X" if side.name is None else f"input {side.name!r}"
    came = ""
    if raw is not None and raw.shape == side.shape:
        came = f"{raw[..., moved].min():.4g} to {raw[..., moved].max():.4g} are "
    return (
        f"{some(side.names if has_names else None, moved)} of {where}: {came}{scaled.min():.3g} to "
        f"{scaled.max():.3g} behind {scaler_name(side.scaler)}"
    )


def _share_masked(layer: Any, values: np.ndarray) -> float:
    return float((values == layer.mask_value).all(axis=-1).mean())


def _share_of_bins(layer: Any, values: np.ndarray) -> float:
    boundaries = [] if layer.bin_boundaries is None else list(layer.bin_boundaries)
    return len(np.unique(np.digitize(values, boundaries))) / (len(boundaries) + 1)


def _share_known(layer: Any, values: np.ndarray) -> float:
    """Return how many of the values are codes that a layer has, or whole numbers at least."""
    is_known = values == np.round(values)
    counts = (getattr(layer, name, None) for name in ("input_dim", "num_tokens", "num_classes"))
    n = next((count for count in counts if count is not None), None)
    if n is not None:
        is_known &= (values >= 0) & (values < n)
    elif isinstance(layer, _LAYERS.IntegerLookup) and layer.vocabulary_size() > 1:
        is_known &= np.isin(values, layer.get_vocabulary(include_special_tokens=False))
    return float(is_known.mean())


_LOOKUP = _Rule("SKS024", _share_known, "has {:.0%} of them as codes")
_RULES = {
    _LAYERS.Masking: _Rule("SKS025", _share_masked, "leaves out {:.0%} of the steps"),
    _LAYERS.Discretization: _Rule("SKS024", _share_of_bins, "puts them into {:.0%} of its bins"),
}
