"""Metrics in target units, while the network trains in scaled space."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import keras, widest_float


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class TargetUnits(keras.metrics.Metric):
    """A metric of scaled targets and predictions, computed after scaling both back.

    Parameters
    ----------
    metric : keras.metrics.Metric
        The metric to compute in target units.
    inverse : tuple of array-like or keras.Model
        From scaled space z to target units: ``(loc, scale)`` for z * scale + loc, or a model.
        The numbers are weights of the metric, so that a compiled loop serves all of them; those
        of a model are constants of the loop.
    """

    def __init__(self, metric: Any, inverse: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name or metric.name, **kwargs)
        self.metric = metric
        if isinstance(inverse, (tuple, list)):
            self.loc, self.scale = (
                self._add_constant(name, value)
                for name, value in zip(("loc", "scale"), inverse, strict=True)
            )
            self.inverse = None
        else:
            self.inverse = inverse
        if hasattr(metric, "_direction"):  # tells callbacks whether less is better
            self._direction = metric._direction

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, given in scaled space."""
        self.metric.update_state(
            self._unscale(y_true), self._unscale(y_pred), sample_weight=sample_weight
        )

    def result(self) -> Any:
        """Return the metric in target units."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Forget all batches."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        if self.inverse is None:
            numbers = (keras.ops.convert_to_numpy(v).tolist() for v in (self.loc, self.scale))
            inverse: Any = list(numbers)
        else:
            inverse = keras.saving.serialize_keras_object(self.inverse)
        return {
            "name": self.name,
            "metric": keras.saving.serialize_keras_object(self.metric),
            "inverse": inverse,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TargetUnits:
        """Restore it from a checkpoint's configuration."""
        parts = {
            part: keras.saving.deserialize_keras_object(config.pop(part))
            for part in ("metric", "inverse")
        }
        return cls(**parts, **config)

    def _add_constant(self, name: str, value: Any) -> Any:
        array = np.asarray(value, np.float64)
        constant = self.add_variable(array.shape, "zeros", dtype=widest_float(), name=name)
        constant.assign(array)
        return constant

    def _unscale(self, scaled: Any) -> Any:
        if self.inverse is not None:
            return self.inverse(scaled)
        return keras.ops.cast(scaled, self.loc.dtype) * self.scale + self.loc
