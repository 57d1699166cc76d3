"""What is checked of an output whose target is numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from sklearn import preprocessing

from ._findings import Finding
from ._graph import SATURATING
from ._inputs import CENTRED, scaler_name, squeezed, too_narrow
from ._kinds import OF_PROBABILITIES, OF_SIGNS, is_any
from ._numbers import (
    Columns,
    dense,
    scaled,
    scaled_where_known,
    some,
    table,
    taken,
    unscaled,
)
from ._targets import TargetSide, told_reach

#: Ratio of standard deviations that one loss adds up: of squares, about a thousand.
_SIZES = 30.0
#: Share of an interval that counts as its edge.
_EDGE = 0.01

#: What an output may always be off by, and the standard deviations that it may be off by then.
_OFF, _LOST = 1e-3, 0.1

#: Losses that only ratios between numbers matter to, but zero must be zero.
_OF_RATIOS = ("mean_absolute_percentage_error", "poisson")
#: Losses that want numbers in the units of counts.
_OF_LOGARITHMS = ("mean_squared_logarithmic_error",)
#: Losses whose value grows with the targets.
_OF_SIZES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")


class NumberSide(TargetSide):
    """An output that says numbers: a few rows of them, raw and scaled."""

    @cached_property
    def as_given(self) -> Any:
        """A few raw rows."""
        return None if self.data is None else taken(self.data)

    @cached_property
    def rows(self) -> np.ndarray | None:
        """The same as an array, NaN where there is no number."""
        return None if self.data is None else dense(self.as_given)

    @cached_property
    def scaled(self) -> np.ndarray | None:
        """What the network learns."""
        return None if self.rows is None else scaled_where_known(self.scaler, self.rows)

    @cached_property
    def given(self) -> Columns | None:
        """The columns of it."""
        return None if self.scaled is None else Columns(self.scaled)

    @cached_property
    def compared(self) -> Columns | None:
        """The columns that the loss compares."""
        if self.rows is None or not self.kind.in_target_units:
            return self.given
        return Columns(self.rows)

    @cached_property
    def interval(self) -> tuple[float, float, str] | None:
        """The least and largest scaled target, and how they are known."""
        scaler = self.scaler
        if isinstance(scaler, preprocessing.MinMaxScaler):
            low, high = scaler.feature_range
            return low, high, f"{type(scaler).__name__} takes them to [{low:g}, {high:g}]"
        if self.given is not None:
            values = self.given.values
            low, high = (float(f.reduce(values, axis=None)) for f in (np.fmin, np.fmax))
            return low, high, f"they go from {low:.3g} to {high:.3g}"
        if isinstance(scaler, preprocessing.StandardScaler) and scaler.with_mean:
            return -2.0, 2.0, "StandardScaler gives them mean 0 and standard deviation 1"
        return None

    @property
    def at_zero(self) -> float:
        """What the output is where the last layer returns zeros."""
        return math.nan if self.end.activation is None else self.end.activation.at_zero

    @property
    def offset(self) -> float:
        """How many standard deviations the targets are from what zeros become, at most."""
        if self.given is None or not len(self.given):
            return 0.0
        away = np.abs(self.given.mean - self.at_zero) / self.given.sd
        return float(np.nan_to_num(away).max())

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong."""
        yield from super().findings()
        yield from self._out_of_reach()
        yield from self._adds_up()
        yield from self._meaningless_loss()
        if self.given is None:
            return
        if not self.end.has_bias and self.offset > CENTRED:
            yield Finding("SKS003", self.end.layer, self.told_offset())
        yield from self._does_not_come_back()
        yield from squeezed(self.end.layer, self.scaler, self.given)
        yield from too_narrow(self.end.layer, self.as_given, self.given, None)

    def _out_of_reach(self) -> Iterator[Finding]:
        activation = self.end.activation
        if activation is None or self.interval is None:
            return
        low, high, known = self.interval
        margin = _EDGE * (high - low)
        if low < activation.low - margin or high > activation.high + margin:
            share = self._share_outside(activation.low, activation.high)
            told = f"{told_reach(activation)}; of the scaled targets, {known}{share}"
            yield Finding("SKS001", self.end.layer, told)
        elif activation.name in SATURATING:
            margin = _EDGE * (activation.high - activation.low)
            if low < activation.low + margin or high > activation.high - margin:
                reach = f"{activation.name} comes near {activation.low:g} and {activation.high:g}"
                yield Finding(
                    "SKS002",
                    self.end.layer,
                    f"{reach} for infinite inputs alone; of the scaled targets, {known}",
                )

    def _share_outside(self, low: float, high: float) -> str:
        if self.given is None:
            return ""
        values = self.given.values[~np.isnan(self.given.values)]
        return f", and {((values < low) | (values > high)).mean():.0%} lie outside"

    def _adds_up(self) -> Iterator[Finding]:
        width = self.end.softmax_width or 1
        if width == 1 or (self.scaled is None and self.scaler is None):
            return
        told = f"a softmax brings {width} numbers to a sum of 1"
        if self.scaled is not None and self.scaled[0].size % width == 0:
            sums = self.scaled.reshape(-1, width).sum(axis=1)
            sums = sums[~np.isnan(sums)]
            if (np.abs(sums - 1.0) < _EDGE).all():
                return  # they are shares
            told += f"; those of the scaled targets go from {sums.min():.3g} to {sums.max():.3g}"
        yield Finding("SKS018", self.end.layer, told)

    def _does_not_come_back(self) -> Iterator[Finding]:
        raw, z, learnt = self.rows, self.scaled, self.given
        if self.scaler is None or raw is None or z is None or learnt is None:
            return
        step = np.zeros(z.shape[-1])
        step[learnt.numbers] = _OFF * learnt.sd
        with np.errstate(all="ignore"):
            back = unscaled(self.scaler, np.where(np.isnan(z), np.nanmedian(z), z) + step)
        known = Columns(raw)
        off = np.abs(table(back) - known.values)[:, known.numbers]
        off[~np.isfinite(off) & ~np.isnan(known.varying)] = np.inf
        # The median: what is beyond the ends of an inverse is told when it is predicted.
        off = np.nanmedian(off, axis=0) / known.sd
        lost = np.flatnonzero(off > _LOST)
        if len(lost):
            yield Finding(
                "SKS023",
                self.end.layer,
                f"outputs that are {_OFF:g} standard deviations off come back "
                f"{off[lost].max():.2g} off in the median, by {scaler_name(self.scaler)} of "
                f"{some(None, known.numbers[lost])}",
            )

    def _meaningless_loss(self) -> Iterator[Finding]:
        if self.loss is None or self.scaler is None or self.kind.in_target_units:
            return
        problem = None
        if self.loss in _OF_RATIOS and _shifts(self.scaler):
            problem = f"it compares ratios, and {scaler_name(self.scaler)} moves zero"
        elif self.loss in _OF_LOGARITHMS:
            problem = "it compares logarithms of 1 + y, which scaling changes"
        elif is_any(self.loss, OF_SIGNS):
            problem = "it wants targets of -1 and 1"
        elif is_any(self.loss, OF_PROBABILITIES) and self.interval is not None:
            low, high, known = self.interval
            if low < 0 or high > 1:
                problem = f"it wants probabilities; of the scaled targets, {known}"
        if problem is not None:
            yield Finding("SKS007", self.end.layer, f"loss {self.loss!r}: {problem}")

    @property
    def sizes(self) -> list[tuple[float, str]]:
        """The standard deviations of what a loss that grows with them compares, and of what."""
        return self.standard_deviations if self.loss in (None, *_OF_SIZES) else []

    @property
    def standard_deviations(self) -> list[tuple[float, str]]:
        """Those of what the loss compares, and of what."""
        if self.compared is None:
            return []
        where = self.end.layer or "output"
        return [
            (float(sd), f"{where}, column {j}")
            for sd, j in zip(self.compared.sd, self.compared.numbers, strict=True)
        ]


def sizes(sides: list[TargetSide], are_weighted: bool) -> Iterator[Finding]:
    """Yield a finding where one loss adds up columns or outputs of different sizes."""
    sides = [side for side in sides if side.sizes]
    together = not are_weighted and len({side.loss for side in sides}) == 1
    for group in [sides] if together else [[side] for side in sides]:
        found = sorted(one for side in group for one in side.sizes)
        if found and found[-1][0] > _SIZES * found[0][0]:
            (small, where), (large, elsewhere) = found[0], found[-1]
            layer = group[0].end.layer if len(group) == 1 else None
            told = f"{small:.3g} ({where}) to {large:.3g} ({elsewhere})"
            yield Finding("SKS008", layer, f"standard deviations go from {told}")


def _shifts(scaler: Any) -> bool:
    """Whether a scaler makes something else of zero."""
    n = len(scaler) if isinstance(scaler, list) else int(getattr(scaler, "n_features_in_", 1))
    try:
        return bool(np.abs(scaled(scaler, np.zeros((1, n)))).max() > 0)
    except ValueError:  # of arrays of another rank
        return True
