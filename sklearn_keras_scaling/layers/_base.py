"""What the layers share."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import keras, widest_float

ops = keras.ops
register = keras.saving.register_keras_serializable(package="sklearn_keras_scaling")


class StatisticsLayer(keras.Layer):
    """Computes statistics of its input in float32, or in float64 where the dtype says so.

    Inputs keep their digits until the statistics are taken: under ``mixed_float16`` too.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True

    @property
    def statistics_dtype(self) -> str:
        """The dtype that statistics are computed in."""
        return widest_float() if self.compute_dtype == "float64" else "float32"

    @property
    def eps(self) -> float:
        """Distance of 1 from the next number of that dtype."""
        return float(np.finfo(self.statistics_dtype).eps)


def counting(mask: Any, ndim: int, first: int) -> Any:
    """Return a mask of the first axes so that it broadcasts against data of ``ndim`` axes.

    Parameters
    ----------
    mask : tensor of bool of shape (batch, ...)
        With an axis for some or all axes of the data from ``first`` on.
    ndim : int
        Of the data.
    first : int
        The first axis of the data after the batch that the mask has.
    """
    mask = ops.cast(mask, "bool")
    axes = [*range(1, first), *range(first + len(mask.shape) - 1, ndim)]
    return ops.expand_dims(mask, axes) if axes else mask
