"""What is checked of any output of a network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._findings import Finding
from ._graph import FLAT, Activation, End
from ._kinds import TargetKind
from ._numbers import Columns, some
from ._running import Trial

#: In fewer rows, numbers that are all the same may be chance.
_FEW_ROWS = 20


class TargetSide:
    """An output: its target, what the network does last, and what it returns.

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
    kind : TargetKind
        Of the target.
    name : str, int or None
        Of the output.
    trial : Trial
        Has the network's outputs.
    """

    def __init__(
        self,
        data: Any,
        scaler: Any,
        end: End,
        loss: str | None,
        kind: TargetKind,
        name: Any,
        trial: Trial,
    ) -> None:
        self.data, self.scaler, self.end = data, scaler, end
        self.loss, self.kind = loss, kind
        self.name, self.trial = name, trial

    @property
    def given(self) -> Columns | None:
        """The columns of the scaled targets, if they are numbers."""
        return None

    @property
    def offset(self) -> float:
        """How many standard deviations the targets are from what zeros become, at most."""
        return 0.0

    @property
    def sizes(self) -> list[tuple[float, str]]:
        """The standard deviations of what a loss that grows with them compares, and of what."""
        return []

    def told_offset(self) -> str:
        """Return the evidence of an offset."""
        return f"scaled targets are {self.offset:.2g} standard deviations from what zeros become"

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong."""
        if self.end.softmax_width == 1:
            yield Finding("SKS017", self.end.layer, "a softmax of 1 number returns 1")
        yield from self._dead()

    def _dead(self) -> Iterator[Finding]:
        activation = self.end.activation
        if activation is None or activation.name not in FLAT:
            return
        outputs = self.trial.of(self.name)
        if outputs is None or len(outputs) < _FEW_ROWS:
            return
        columns = outputs.reshape(-1, outputs.shape[-1])
        at_ends = (columns <= activation.low) | (columns >= activation.high)
        numbers = np.flatnonzero(at_ends.all(axis=0))
        if self.given is not None and self.given.values.shape[1] == columns.shape[1]:
            numbers = np.intersect1d(numbers, self.given.numbers)  # others are constant anyway
        if len(numbers):
            yield Finding("SKS020", self.end.layer, _told_dead(activation, columns, numbers))


def _told_dead(activation: Activation, columns: np.ndarray, numbers: np.ndarray) -> str:
    values = " or ".join(f"{value:g}" for value in np.unique(columns[:, numbers]))
    return (
        f"{some(None, numbers)} of {columns.shape[1]}: {activation.name} is {values} for all "
        f"{len(columns):,} values looked at, where its slope is 0"
    )


def told_reach(activation: Activation) -> str:
    """Return which numbers an activation reaches."""
    low, high = activation.low, activation.high
    if math.isinf(low):
        reach = "all numbers" if math.isinf(high) else f"{high:g} and less"
    else:
        reach = f"{low:g} and more" if math.isinf(high) else f"{low:g} to {high:g}"
    return f"{activation.name} reaches {reach}"
