"""What is checked of one input of a network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from sklearn import preprocessing

from .._optional import keras
from ._findings import Finding
from ._graph import Start, has_trained_statistics, is_unadapted
from ._numbers import Columns, column_name, dense, middle_90, sampled, scaled, some, table

#: Ratio of typical sizes, and typical size, from which inputs count as unscaled.
_MAGNITUDES = 1e3
#: Mean over standard deviation at which float32 rounds to 0.6 % of a standard deviation.
_FLOAT32 = 1e5
#: Share of a scaler's range in which the middle 90 % of the values are squeezed.
_SQUEEZED = 0.05
#: Least standard deviation of columns that are well scaled, and largest mean.
_SMALL, _FAR = 0.05, 3.0
#: Fewer values have no middle.
_FEW = 20
#: Values of a column, of more, that tell whether it is constant.
_FOR_CONSTANT = 500
#: Means of so many standard deviations are not centred.
CENTRED = 0.5


class InputSide:
    """An input: a few rows, raw and scaled, and what the network does first with it.

    Parameters
    ----------
    data : array-like or None
        Raw rows.
    scaler : transformer, list or None
        Fitted.
    start : Start
        Of the network.
    name : object
        The input's name, None of one alone.
    """

    def __init__(self, data: Any, scaler: Any, start: Start, name: Any = None) -> None:
        self.scaler, self.start, self.name = scaler, start, name
        self.rows: Any = None if data is None else sampled(data)
        self.are_all = self.rows is data
        self.names = getattr(data, "columns", None)

    @cached_property
    def scaled(self) -> np.ndarray:
        """What the network is given."""
        return scaled(self.scaler, self.rows)

    @cached_property
    def given(self) -> Columns:
        """The columns of it."""
        return Columns(self.scaled)

    @cached_property
    def entering(self) -> np.ndarray:
        """What its first layers make of it that scale."""
        x: Any = self.scaled.astype(keras.config.floatx())
        for layer in self.start.scaling:
            x = layer(x)
        return np.asarray(keras.ops.convert_to_numpy(x), dtype=np.float64)

    @cached_property
    def first(self) -> Columns:
        """The columns that meet the first weights."""
        return Columns(self.entering) if self.start.scaling else self.given

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what the network is given, rows first."""
        shape = np.shape(self.rows) if self.scaler is None else self.scaled.shape
        return shape if len(shape) > 1 else (*shape, 1)

    @property
    def offset(self) -> float:
        """How many standard deviations the middle column's mean is from zero."""
        return float(np.median(np.abs(self.first.mean) / self.first.sd)) if len(self.first) else 0.0

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong."""
        if self.start.takes_codes:
            return
        yield from self._twice()
        if self.rows is None:
            return
        yield from self._constant()
        yield from squeezed(self.start.layer, self.scaler, self.given)
        yield from too_narrow(self.start.layer, self.rows, self.given, self.names)
        yield from self._undone()
        yield from self._sizes()
        yield from self._other_range()

    def _is_misfit(self) -> bool:
        """Whether the first layers take well scaled columns out of range."""
        given, first = self.given, self.first
        if not (self.start.scaling and len(given) and len(first)):
            return False
        shrinks = np.median(given.sd) >= _SMALL > np.median(first.sd)
        leaves = np.median(np.abs(given.mean)) <= _FAR < np.median(np.abs(first.mean))
        return bool(shrinks or leaves)

    def _undone(self) -> Iterator[Finding]:
        if self._is_misfit():
            layer = self.start.scaling[-1]
            yield Finding(
                "SKS006",
                layer.name,
                f"this {type(layer).__name__} takes numbers of {_spread(self.given)} to numbers of "
                f"{_spread(self.first)} (medians over the columns)",
            )

    def _twice(self) -> Iterator[Finding]:
        layers = [*self.start.scaling, *self.start.following[:1]]
        kinds = (keras.layers.Normalization, keras.layers.BatchNormalization)
        layer = next((each for each in layers if type(each) in kinds), None)
        if layer is None or self.scaler is None:
            return
        if type(layer) is keras.layers.Normalization and is_unadapted(layer):
            return
        if self.rows is None or not self._is_misfit():
            about = "" if self.rows is None else f", which has {_spread(self.given)} already"
            yield Finding(
                "SKS005",
                layer.name,
                f"a {type(layer).__name__} is given what {scaler_name(self.scaler)} returns{about}",
            )

    def _constant(self) -> Iterator[Finding]:
        try:
            rows = table(dense(self.rows))
        except (TypeError, ValueError):
            return  # text, which the scaler encodes
        n = len(rows)
        if n < _FOR_CONSTANT and not self.are_all:
            return  # rare values may be in others
        n_other = (rows != np.median(rows, axis=0)).sum(axis=0)
        found = np.flatnonzero(n_other * 500 < n)
        if n > 1 and len(found):
            j = found[0]
            yield Finding(
                "SKS012",
                self.start.layer,
                f"{some(self.names, found)}: of {n:,} values looked at, {n - n_other[j]:,} of the "
                f"first one are {np.median(rows[:, j]):.6g}",
            )

    def _sizes(self) -> Iterator[Finding]:
        if not self.start.following or self.start.normalizes or not len(self.first):
            return
        x = self.entering if self.start.scaling else self.scaled
        if _is_image_like(x, getattr(self.rows, "dtype", None)):
            yield Finding(
                "SKS010",
                self.start.layer,
                f"integers from {x.min():.0f} to {x.max():.0f} meet its weights",
            )
        elif x.ndim <= 3:
            yield from self._magnitudes()

    def _magnitudes(self) -> Iterator[Finding]:
        size = np.abs(self.first.varying)
        count = np.maximum((size > 0).sum(axis=0), 1)
        typical = size.sum(axis=0) / count  # of what is not 0: rare codes are no small numbers
        i, j = typical.argmin(), typical.argmax()
        if typical[j] > _MAGNITUDES * min(1.0, typical[i]):
            small, large = (
                f"{typical[k]:.3g} ({column_name(self._entering_names, self.first.numbers[k])})"
                for k in (i, j)
            )
            yield Finding(
                "SKS009",
                self.start.layer,
                f"typical absolute values of its inputs go from {small} to {large}",
            )

    @property
    def _entering_names(self) -> Any:
        is_same = self.names is not None and len(self.names) == self.first.values.shape[1]
        return self.names if is_same else None

    def _other_range(self) -> Iterator[Finding]:
        """Find a first layer whose BatchNormalization has seen another range than [0, 1].

        Its moving statistics are compared with those of what the layer makes of the inputs,
        as they are and brought to other ranges.
        """
        layers = self.start.following
        batch_norm = keras.layers.BatchNormalization
        is_known = len(layers) == 2 and type(layers[1]) is batch_norm and self.start.normalizes
        if not is_known or type(layers[0]) is batch_norm or not has_trained_statistics(layers[1]):
            return
        x = (self.entering if self.start.scaling else self.scaled)[:64].astype("float32")
        if x.min() < 0 or x.max() > 1 + 1e-6 or x.max() < 0.5:
            return
        own = _distance(layers, x)
        for name, other in (("[-1, 1]", 2 * x - 1), ("0 to 255", 255 * x)):
            distance = _distance(layers, other)
            if distance < 0.35 and own > 3 * distance:
                yield Finding(
                    "SKS011",
                    layers[0].name,
                    f"what it makes of these inputs is {own:.2f} from the moving statistics of "
                    f"{layers[1].name!r}, and {distance:.2f} if they are brought to {name} "
                    "(standard deviations, and logarithms of their ratio)",
                )


def squeezed(layer: str | None, scaler: Any, given: Columns) -> Iterator[Finding]:
    """Yield a finding where outliers leave a min-max scaler's range nearly empty."""
    n = given.values.shape[1]
    by_column = scaler if isinstance(scaler, list) and len(scaler) == n else [scaler] * n
    width = np.array([_range_of(by_column[j]) for j in given.numbers])
    known = np.flatnonzero(width > 0)
    if not len(known):
        return
    low, high = middle_90(given.varying[:, known])
    suspects = known[high - low < _SQUEEZED * width[known]]
    middle = {int(i): _middle(given.varying[:, i]) for i in suspects}
    found = [i for i, (low, high) in middle.items() if 0 < high - low < _SQUEEZED * width[i]]
    if found:
        low, high = middle[found[0]]
        told = some(None, given.numbers[found])
        yield Finding(
            "SKS013",
            layer,
            f"{told}: the middle 90 % of the first one lie between {low:.3g} and {high:.3g} in "
            f"scaled space, {(high - low) / width[found[0]]:.1%} of the range of "
            f"{scaler_name(scaler)}",
        )


def _middle(values: np.ndarray) -> tuple[float, float]:
    """Return where the middle 90 % are, but for a value that repeats, such as the 0 of sparse."""
    values = values[~np.isnan(values)]
    others = values[values != np.median(values)]
    if len(others) < _FEW:
        return 0.0, 0.0
    low, high = middle_90(others)
    return float(low), float(high)


def too_narrow(layer: str | None, rows: Any, given: Columns, names: Any) -> Iterator[Finding]:
    """Yield a finding where float32 rounds differences within a column away."""
    columns, where = given, "in scaled space"
    if getattr(rows, "dtype", None) == np.float32:  # rounded before it was scaled
        columns, where = Columns(dense(rows)), "and come as float32"
    ratio = np.abs(columns.mean) / columns.sd
    found = np.flatnonzero(ratio > _FLOAT32)
    if len(found):
        i = found[0]
        names = names if names is not None and len(names) == columns.values.shape[1] else None
        yield Finding(
            "SKS014",
            layer,
            f"{some(names, columns.numbers[found])}: values of mean {columns.mean[i]:.6g} and "
            f"standard deviation {columns.sd[i]:.3g} {where}; float32 rounds them to "
            f"{ratio[i] * 2.0**-24:.1%} of it",
        )


def _range_of(scaler: Any) -> float:
    if isinstance(scaler, preprocessing.MinMaxScaler):
        return float(scaler.feature_range[1] - scaler.feature_range[0])
    return 1.0 if isinstance(scaler, preprocessing.MaxAbsScaler) else 0.0


def _is_image_like(x: np.ndarray, dtype: Any) -> bool:
    """Whether integers as cameras and counters give them, up to 8 or 16 bits."""
    if not (x.ndim > 2 or dtype == np.uint8) or x.min() < 0 or not 20 < x.max() < 1 << 16:
        return False
    return bool((x == np.round(x)).all())


def _distance(layers: list[Any], x: np.ndarray) -> float:
    """Return how far what a layer makes of x is from what its BatchNormalization has seen."""
    product, norm = layers
    z = np.asarray(keras.ops.convert_to_numpy(product(x)), dtype=np.float64)
    z = np.moveaxis(z, norm.axis, -1).reshape(-1, z.shape[norm.axis])
    mean, variance = (
        np.asarray(keras.ops.convert_to_numpy(each), dtype=np.float64)
        for each in (norm.moving_mean, norm.moving_variance)
    )
    sd = np.sqrt(variance + norm.epsilon)
    ratio = np.abs(np.log(np.sqrt(z.var(axis=0) + norm.epsilon) / sd))
    return float(np.median(np.abs(z.mean(axis=0) - mean) / sd + ratio))


def _spread(columns: Columns) -> str:
    if not len(columns):
        return "no spread"
    return f"mean {np.median(columns.mean):.3g} and standard deviation {np.median(columns.sd):.3g}"


def scaler_name(scaler: Any) -> str:
    """Return how a scaler is told to the user."""
    return "a list of scalers" if isinstance(scaler, list) else type(scaler).__name__
