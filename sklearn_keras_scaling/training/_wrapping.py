"""Losses and metrics that are made of another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._optional import keras
from ._compiling import loss_name
from ._told import read, told


class WrappedLoss(keras.losses.Loss):
    """A loss made of another one, whose name, reduction and dtype it has.

    Parameters
    ----------
    loss : keras.losses.Loss or callable
        The other one.
    """

    def __init__(self, loss: Any, name: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("reduction", getattr(loss, "reduction", "sum_over_batch_size"))
        kwargs.setdefault("dtype", getattr(loss, "dtype", None))
        super().__init__(name=name or loss_name(loss), **kwargs)
        self.loss = loss

    @property
    def function(self) -> Callable[[Any, Any], Any]:
        """The other one, not yet reduced."""
        return function_of(self.loss)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        return {**super().get_config(), "dtype": self.dtype, "loss": told(self.loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Restore it from a checkpoint's configuration."""
        return cls(**{**config, "loss": read(config["loss"])})


class WrappedMetric(keras.metrics.Metric):
    """A metric that hands another one what it makes of each batch.

    Parameters
    ----------
    metric : keras.metrics.Metric
        The other one.
    """

    def __init__(self, metric: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name or metric.name, **kwargs)
        self.metric = metric
        if hasattr(metric, "_direction"):  # tells callbacks whether less is better
            self._direction = metric._direction

    def result(self) -> Any:
        """Return the metric."""
        return self.metric.result()

    def reset_state(self) -> None:
        """Forget all batches."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        return {"name": self.name, "metric": told(self.metric)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Restore it from a checkpoint's configuration."""
        return cls(**{**config, "metric": read(config["metric"])})


def function_of(loss: Any) -> Callable[[Any, Any], Any]:
    """Return a loss as a function of targets and predictions, not yet reduced."""
    found: Callable[[Any, Any], Any] = loss.call if isinstance(loss, keras.losses.Loss) else loss
    return found
