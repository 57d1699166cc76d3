"""What the scalers by quantiles share: values or sketches of them, and quantiles of those."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from .._blocks import Layout
from ..statistics import Digests, Values
from ._base import AXIS, NO_WEIGHTS, BaseScaler

#: Bytes of values that an exact ``fit`` keeps, and puts into pickles, so that it can go on.
_MOST_KEPT = 1 << 20


class QuantileScaler(BaseScaler):
    """Fits exact quantiles, or those of a sketch that merges."""

    _own_constraints: ClassVar[dict[str, Any]] = {
        **AXIS,
        "sketch_size": [Interval(Integral, 2, None, closed="left"), None],
    }
    __metadata_request__fit = NO_WEIGHTS
    __metadata_request__partial_fit = NO_WEIGHTS

    def __getstate__(self) -> dict[str, Any]:
        # What fit keeps in passing are raw data, which nobody asked for to be written.
        state = super().__getstate__()
        return {**state, "statistics_": None} if getattr(self, "_in_passing", False) else state

    def _check_unchanged(self) -> None:
        super()._check_unchanged()
        if isinstance(self.statistics_, Digests) != (self.sketch_size is not None):
            raise ValueError(
                f"sketch_size is {self.sketch_size!r}, but this scaler was fitted with another. "
                "Call fit to start anew."
            )

    def _kept(self, statistics: Values | Digests) -> Values | Digests | None:
        if isinstance(statistics, Digests):
            return statistics
        self._in_passing = True
        return statistics.copy() if statistics.nbytes <= _MOST_KEPT else None

    def _check_parameters(self) -> None:
        low, high = self.quantile_range
        if not 0 <= low <= high <= 100:
            raise ValueError(f"Invalid quantile range: {self.quantile_range}")

    def _statistics(
        self, X: np.ndarray, layout: Layout, weight: np.ndarray | None, keep: bool
    ) -> Values | Digests:
        return self._of_values(Values.of(X, layout, weight), keep)

    def _of_values(self, values: Values, keep: bool) -> Values | Digests:
        if self.sketch_size is not None:
            return Digests.of_values(values, self.sketch_size)
        return values.copy() if keep else values

    def _quantiles(
        self, statistics: Values | Digests, asked: Sequence[float], shape: tuple[int, ...]
    ) -> list[np.ndarray]:
        """Return a statistic for each probability, and set how exact they are."""
        self.rank_error_ = statistics.rank_error(asked)
        self._in_passing = False
        return [each.reshape(shape) for each in statistics.quantiles(asked)]
