"""Metrics in target units, while the network trains in scaled space."""

from __future__ import annotations

from typing import Any

from .._optional import keras


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class TargetUnits(keras.metrics.Metric):
    """A metric of scaled targets and predictions, computed after scaling both back.

    Parameters
    ----------
    metric : keras.metrics.Metric
        The metric to compute in target units.
    inverse : keras.Model
        From scaled space to target units.
    """

    def __init__(self, metric: Any, inverse: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name or metric.name, **kwargs)
        self.metric = metric
        self.inverse = inverse
        if hasattr(metric, "_direction"):  # tells callbacks whether less is better
            self._direction = metric._direction

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, given in scaled space."""
        self.metric.update_state(
            self.inverse(y_true), self.inverse(y_pred), sample_weight=sample_weight
        )

    def result(self) -> Any:
        """Return the metric in target units."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Forget all batches."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        return {
            "name": self.name,
            "metric": keras.saving.serialize_keras_object(self.metric),
            "inverse": keras.saving.serialize_keras_object(self.inverse),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TargetUnits:
        """Restore it from a checkpoint's configuration."""
        parts = {
            part: keras.saving.deserialize_keras_object(config.pop(part))
            for part in ("metric", "inverse")
        }
        return cls(**parts, **config)
