"""Losses in target units, while the network trains in scaled space."""

from __future__ import annotations

from typing import Any

from .._optional import keras


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class TargetUnitsLoss(keras.losses.Loss):
    """A loss of scaled targets and predictions, computed after scaling both back.

    Parameters
    ----------
    loss : keras.losses.Loss or callable
        The loss to compute in target units.
    inverse : keras.Model
        From scaled space to target units.
    """

    def __init__(self, loss: Any, inverse: Any, name: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("reduction", getattr(loss, "reduction", "sum_over_batch_size"))
        super().__init__(name=name or getattr(loss, "name", None) or loss.__name__, **kwargs)
        self.loss = loss
        self.inverse = inverse

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each row, in target units."""
        function = self.loss.call if isinstance(self.loss, keras.losses.Loss) else self.loss
        return function(self.inverse(y_true), self.inverse(y_pred))

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        return {
            **super().get_config(),
            "loss": keras.saving.serialize_keras_object(self.loss),
            "inverse": keras.saving.serialize_keras_object(self.inverse),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TargetUnitsLoss:
        """Restore it from a checkpoint's configuration."""
        parts = {
            part: keras.saving.deserialize_keras_object(config.pop(part))
            for part in ("loss", "inverse")
        }
        return cls(**parts, **config)
