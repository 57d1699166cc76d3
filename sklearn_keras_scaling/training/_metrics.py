"""Metrics in target units, while the network trains in scaled space."""

from __future__ import annotations

from typing import Any

from .._optional import keras
from ._missing import check_metric, update_present
from ._told import read
from ._units import Unscaling
from ._wrapping import WrappedMetric


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class TargetUnits(Unscaling, WrappedMetric):
    """A metric of scaled targets and predictions, computed after scaling both back.

    Parameters
    ----------
    metric : keras.metrics.Metric
        The metric to compute in target units.
    inverse : tuple of array-like or keras.Model
        From scaled space z to target units: ``(loc, scale)`` for z * scale + loc, or a model.
        The numbers are weights of the metric, so that a compiled loop serves all of them; those
        of a model are constants of the loop.
    has_missing : bool, default=False
        Whether targets may be NaN, and are left out then.

    Raises
    ------
    ValueError
        If the metric cannot leave out missing targets, but has to.

    Notes
    -----
    Without missing targets all is computed as Keras does. With them, a mean is over the cells
    that are there, and R2 over those of each column; a column without any has none.

    Examples
    --------
    >>> import numpy as np
    >>> metric = TargetUnits(keras.metrics.MeanAbsoluteError(), (0.0, 10.0), has_missing=True)
    >>> float(metric(np.array([[1.0, np.nan]]), np.array([[1.5, 4.0]])))
    5.0
    """

    def __init__(
        self,
        metric: Any,
        inverse: Any,
        name: str | None = None,
        has_missing: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(metric, name, **kwargs)
        self.has_missing = has_missing
        self._set_inverse(inverse)
        if has_missing:
            check_metric(metric)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, given in scaled space."""
        y_true, y_pred = self._unscale(y_true), self._unscale(y_pred)
        if self.has_missing:
            update_present(self.metric, y_true, y_pred, sample_weight)
        else:
            self.metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        own = {"inverse": self._inverse_config(), "has_missing": self.has_missing}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TargetUnits:
        """Restore it from a checkpoint's configuration."""
        found: TargetUnits = super().from_config({**config, "inverse": read(config["inverse"])})
        return found
