"""What is checked of one output of a network, and of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from sklearn import preprocessing

from .._optional import keras
from ._findings import Finding
from ._graph import SATURATING, End
from ._inputs import CENTRED, scaler_name, squeezed, too_narrow
from ._numbers import Columns, dense, sampled, scaled

#: Ratio of standard deviations that one loss adds up: of squares, about a thousand.
_SIZES = 30.0
#: Share of an interval that counts as its edge.
_EDGE = 0.01

#: Losses that only ratios between numbers matter to, but zero must be zero.
_OF_RATIOS = ("mean_absolute_percentage_error", "poisson")
#: Losses that want numbers in the units of counts.
_OF_LOGARITHMS = ("mean_squared_logarithmic_error",)
#: Losses of probabilities, or of signs.
_OF_PROBABILITIES = ("crossentropy", "divergence", "dice", "tversky")
_OF_SIGNS = ("hinge",)
#: Losses whose value grows with the targets.
_OF_SIZES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")


class TargetSide:
    """An output: a few target rows, raw and scaled, and what the network does last.

    Parameters
    ----------
    data : array-like or None
        Raw targets.
    scaler : transformer, list or None
        Fitted.
    end : End
        Of the network.
    loss : str or None
        Name of the loss, if it is known.
    in_target_units : bool
        Whether the loss compares raw targets.
    """

    def __init__(
        self, data: Any, scaler: Any, end: End, loss: str | None, in_target_units: bool
    ) -> None:
        self.as_given = None if data is None else sampled(data)
        self.rows = None if data is None else dense(self.as_given)
        self.scaler, self.end = scaler, end
        self.loss, self.in_target_units = loss, in_target_units

    @cached_property
    def given(self) -> Columns | None:
        """The columns of the scaled targets."""
        return None if self.rows is None else Columns(scaled(self.scaler, self.rows))

    @cached_property
    def compared(self) -> Columns | None:
        """The columns that the loss compares."""
        return Columns(self.rows) if self.rows is not None and self.in_target_units else self.given

    @property
    def are_labels(self) -> bool:
        """Whether the targets are classes, which are not scaled."""
        if self.scaler is not None:
            return False
        if self.loss is not None and _is_any(self.loss, (*_OF_PROBABILITIES, *_OF_SIGNS)):
            return True
        name = self.end.activation.name if self.end.activation else ""
        if self.rows is None:
            return name in ("sigmoid", "softmax")
        are_integers = bool((self.rows == np.round(self.rows)).all())
        return are_integers and (name == "softmax" or set(np.unique(self.rows)) <= {0.0, 1.0})

    @cached_property
    def interval(self) -> tuple[float, float, str] | None:
        """The least and largest scaled target, and how they are known."""
        scaler = self.scaler
        if isinstance(scaler, preprocessing.MinMaxScaler):
            low, high = scaler.feature_range
            return low, high, f"{type(scaler).__name__} takes them to [{low:g}, {high:g}]"
        if self.given is not None:
            low, high = float(self.given.values.min()), float(self.given.values.max())
            return low, high, f"they go from {low:.3g} to {high:.3g}"
        if isinstance(scaler, preprocessing.StandardScaler) and scaler.with_mean:
            return -2.0, 2.0, "StandardScaler gives them mean 0 and standard deviation 1"
        return None

    @property
    def offset(self) -> float:
        """How many standard deviations the targets are from what zeros become, at most."""
        if self.given is None or not len(self.given) or self.end.activation is None:
            return 0.0
        away = np.abs(self.given.mean - self.end.activation.at_zero) / self.given.sd
        return float(np.nan_to_num(away).max())

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong."""
        if self.are_labels:
            return
        yield from self._out_of_reach()
        yield from self._meaningless_loss()
        if self.given is None:
            return
        if not self.end.has_bias and self.offset > CENTRED:
            yield Finding("SKS003", self.end.layer, self.told_offset())
        yield from squeezed(self.end.layer, self.scaler, self.given)
        yield from too_narrow(self.end.layer, self.as_given, self.given, None)

    def told_offset(self) -> str:
        """Return the evidence of an offset."""
        return f"scaled targets are {self.offset:.2g} standard deviations from what zeros become"

    def _out_of_reach(self) -> Iterator[Finding]:
        activation = self.end.activation
        if activation is None or self.interval is None:
            return
        low, high, known = self.interval
        margin = _EDGE * (high - low)
        if low < activation.low - margin or high > activation.high + margin:
            share = self._share_outside(activation.low, activation.high)
            reach = f"{activation.name} reaches {_told(activation.low, activation.high)}"
            yield Finding(
                "SKS001", self.end.layer, f"{reach}; of the scaled targets, {known}{share}"
            )
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
        values = self.given.values
        return f", and {((values < low) | (values > high)).mean():.0%} lie outside"

    def _meaningless_loss(self) -> Iterator[Finding]:
        if self.loss is None or self.scaler is None or self.in_target_units:
            return
        problem = None
        if self.loss in _OF_RATIOS and _shifts(self.scaler):
            problem = f"it compares ratios, and {scaler_name(self.scaler)} moves zero"
        elif self.loss in _OF_LOGARITHMS:
            problem = "it compares logarithms of 1 + y, which scaling changes"
        elif _is_any(self.loss, _OF_SIGNS):
            problem = "it wants targets of -1 and 1"
        elif _is_any(self.loss, _OF_PROBABILITIES) and self.interval is not None:
            low, high, known = self.interval
            if low < 0 or high > 1:
                problem = f"it wants probabilities; of the scaled targets, {known}"
        if problem is not None:
            yield Finding("SKS007", self.end.layer, f"loss {self.loss!r}: {problem}")

    @property
    def sizes(self) -> list[tuple[float, str]]:
        """The standard deviations of what a loss that grows with them compares, and of what."""
        if self.compared is None or self.are_labels or self.loss not in (None, *_OF_SIZES):
            return []
        where = self.end.layer or "output"
        return [
            (float(sd), f"{where}, column {j}")
            for sd, j in zip(self.compared.sd, self.compared.numbers, strict=True)
        ]


def sizes(sides: list[TargetSide], are_weighted: bool) -> Iterator[Finding]:
    """Yield a finding where one loss adds up columns or outputs of different sizes."""
    together = not are_weighted and len({side.loss for side in sides}) == 1
    for group in [sides] if together else [[side] for side in sides]:
        found = sorted(one for side in group for one in side.sizes)
        if found and found[-1][0] > _SIZES * found[0][0]:
            (small, where), (large, elsewhere) = found[0], found[-1]
            layer = group[0].end.layer if len(group) == 1 else None
            told = f"{small:.3g} ({where}) to {large:.3g} ({elsewhere})"
            yield Finding("SKS008", layer, f"standard deviations go from {told}")


def loss_name(loss: Any) -> str | None:
    """Return the name that Keras gives its losses, "" for those of others, None for none."""
    if loss is None:
        return None
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    loss = loss() if isinstance(loss, type) else loss
    is_known = str(loss.__module__).startswith(("keras.", "sklearn_keras_scaling."))
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None)
    return str(name) if is_known and name else ""


def _shifts(scaler: Any) -> bool:
    """Whether a scaler makes something else of zero."""
    n = len(scaler) if isinstance(scaler, list) else int(getattr(scaler, "n_features_in_", 1))
    try:
        return bool(np.abs(scaled(scaler, np.zeros((1, n)))).max() > 0)
    except ValueError:  # of arrays of another rank
        return True


def _is_any(name: str, parts: tuple[str, ...]) -> bool:
    return any(part in name for part in parts)


def _told(low: float, high: float) -> str:
    if math.isinf(high):
        return f"{low:g} and more"
    return f"{high:g} and less" if math.isinf(low) else f"{low:g} to {high:g}"
