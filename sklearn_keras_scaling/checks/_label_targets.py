"""What is checked of an output whose target is labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ._findings import Finding
from ._numbers import dense, taken
from ._targets import TargetSide, told_reach


class LabelSide(TargetSide):
    """An output that says how probable labels are."""

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong."""
        yield from super().findings()
        activation = self.end.activation
        if activation is None:
            return
        has_other = activation.low < 0 or activation.high > 1
        if self.kind.needs_probabilities and has_other and not activation.is_none:
            told = f"{told_reach(activation)}; probabilities go from 0 to 1"
            yield Finding("SKS021", self.end.layer, told)
        if self.kind.name == "labels":
            yield from self._add_up()

    def _add_up(self) -> Iterator[Finding]:
        width = self.end.softmax_width or 1
        if width == 1 or self.data is None:
            return
        rows = dense(taken(self.data))
        count = rows[np.isin(rows, (0, 1)).all(axis=-1)].sum(axis=-1)
        share = (count != 1).mean() if count.size else 0.0
        if share:
            yield Finding(
                "SKS019",
                self.end.layer,
                f"a softmax brings {width} probabilities to a sum of 1; {share:.0%} of the rows "
                f"have another number of labels, from {count.min():.0f} to {count.max():.0f}",
            )
