"""Losses and metrics in target units, while the network trains in scaled space."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import keras
from ..bridge import inverse_model
from ..maps import Affine, Chain, Inverse, Map, Squeeze
from ..training import WrappedLoss, read

# Metrics that adding a constant to a column of targets and predictions does not change.
_OF_DIFFERENCES = (
    keras.metrics.MeanAbsoluteError,
    keras.metrics.MeanSquaredError,
    keras.metrics.RootMeanSquaredError,
    keras.metrics.LogCoshError,
    keras.metrics.R2Score,
)


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class TargetUnitsLoss(WrappedLoss):
    """A loss of scaled targets and predictions, computed after scaling both back.

    Parameters
    ----------
    loss : keras.losses.Loss or callable
        The loss to compute in target units.
    inverse : keras.Model
        From scaled space to target units.
    """

    def __init__(self, loss: Any, inverse: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(loss, name, **kwargs)
        self.inverse = inverse

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each row, in target units."""
        return self.function(self.inverse(y_true), self.inverse(y_pred))

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        inverse = keras.saving.serialize_keras_object(self.inverse)
        return {**super().get_config(), "inverse": inverse}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TargetUnitsLoss:
        """Restore it from a checkpoint's configuration."""
        return super().from_config({**config, "inverse": read(config["inverse"])})


def units_of(map_: Map, shape: tuple[int, ...], has_axis: bool) -> Any:
    """Return the same as numbers, which a compiled loop can exchange, where that is possible."""
    if not map_.is_affine:
        return to_target_units(map_, shape, has_axis)
    numbers = map_.locate(0.0, 1.0)
    return tuple(np.asarray(each_one)[..., None] if has_axis else each_one for each_one in numbers)


def to_target_units(map_: Map, shape: tuple[int, ...], has_axis: bool) -> Any:
    """Return a Keras model from what the network returns to target units."""
    shape, map_ = shape or (1,), map_.bounded()
    if not has_axis:
        return inverse_model(map_, shape)
    return inverse_model(Chain((map_, Inverse(Squeeze()))), (*shape, 1))


def map_for(metric: Any, map_: Map) -> Map:
    """Return the map to compute a metric behind: without the offset where it cancels.

    Far from zero, squares and float32 (JAX) lose the differences that are asked for.
    """
    if map_.is_affine and type(metric) in _OF_DIFFERENCES:
        return Affine(0.0, map_.locate(0.0, 1.0)[1])
    return map_
