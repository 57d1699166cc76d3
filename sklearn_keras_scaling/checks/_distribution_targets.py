"""What is checked of an output that says the parameters of a distribution."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..distributions import Distribution, Quantiles
from ._findings import Finding
from ._number_targets import NumberSide
from ._targets import told_reach


class DistributionSide(NumberSide):
    """An output whose last axis has the parameters of a distribution of each number."""

    @property
    def distribution(self) -> Distribution:
        """That of each number, in scaled space."""
        assert self.kind.distribution is not None
        return self.kind.distribution

    @property
    def are_numbers(self) -> bool:
        """Whether the parameters are themselves numbers like the scaled targets."""
        return isinstance(self.distribution, Quantiles)

    @property
    def at_zero(self) -> float:
        """The location where the last layer returns zeros."""
        at_zero = super().at_zero
        if np.isnan(at_zero):
            return at_zero
        outputs = np.full((1, self.distribution.n_outputs), at_zero)
        parameters = self.distribution.parameters(outputs, np)
        return float(self.distribution.location(parameters, np)[0])

    @property
    def sizes(self) -> list[tuple[float, str]]:
        """Those of the targets, where the loss grows with them; the likelihood does not."""
        return self.standard_deviations if self.are_numbers or self.loss == "crps" else []

    def _out_of_reach(self) -> Iterator[Finding]:
        if self.are_numbers:
            yield from super()._out_of_reach()
            return
        activation = self.end.activation
        if activation is not None and not activation.reaches_all:
            yield Finding("SKS022", self.end.layer, told_reach(activation))

    def _adds_up(self) -> Iterator[Finding]:
        width = self.end.softmax_width or 1
        if self.are_numbers and width > 1:
            yield Finding(
                "SKS018", self.end.layer, f"a softmax brings {width} quantiles to a sum of 1"
            )
