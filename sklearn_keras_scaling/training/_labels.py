"""Losses and metrics of labels: where some are not known, and of what decides several classes."""

from __future__ import annotations

from typing import Any

from .._optional import keras
from ..maps import OrderedClasses
from ._cells import spread
from ._wrapping import WrappedLoss, WrappedMetric

ops = keras.ops

#: What "accuracy" and "crossentropy" are, by how labels are encoded.
_BY_ENCODING = {
    "binary": (keras.metrics.BinaryAccuracy, keras.metrics.BinaryCrossentropy),
    "sparse": (
        keras.metrics.SparseCategoricalAccuracy,
        keras.metrics.SparseCategoricalCrossentropy,
    ),
    "one_hot": (keras.metrics.CategoricalAccuracy, keras.metrics.CategoricalCrossentropy),
}
_NAMES = {"accuracy": 0, "acc": 0, "crossentropy": 1, "ce": 1}


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class LabelsLoss(WrappedLoss):
    """A loss of labels of which some are not known: NaN on the last axis.

    They have a loss and a gradient of 0; what the others weigh is said by sample weights.

    Parameters
    ----------
    loss : keras.losses.Loss or callable
        One number for each label.

    Examples
    --------
    >>> import numpy as np
    >>> loss = LabelsLoss(keras.losses.SparseCategoricalCrossentropy())
    >>> y, p = np.array([[[1.0], [np.nan]]]), np.array([[[0.5, 0.5], [0.5, 0.5]]])
    >>> keras.ops.convert_to_numpy(loss.call(y, p)).round(2).tolist()
    [[0.69, 0.0]]
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each label, 0 where it is not known."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        is_missing = ops.isnan(y_true[..., 0])
        y_true = ops.where(ops.isnan(y_true), ops.zeros_like(y_true), y_true)
        # Whatever the loss makes of it, its slope is finite.
        some = ops.full_like(y_pred, 0.5)
        y_pred = ops.where(ops.expand_dims(is_missing, -1), some, y_pred)
        values = ops.convert_to_tensor(self.function(y_true, y_pred))
        if len(values.shape) != len(is_missing.shape):
            raise ValueError(
                f"loss={self.name!r} has no number for each label, but some labels are not known. "
                "Choose one that has, such as 'sparse_categorical_crossentropy'."
            )
        return ops.where(is_missing, ops.zeros_like(values), values)


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class LabelsMetric(WrappedMetric):
    """A metric of labels, each as a row; those that are not known (NaN) are left out.

    Parameters
    ----------
    metric : keras.metrics.Metric
        It is given labels of shape (n, k), and probabilities.
    layout : {"classes", "column", "cells", "cumulative"}
        Of the outputs. "cells": a probability for each label without an axis of its own.
        "cumulative": the probabilities to be above each class but the last; the metric is given
        numbers of classes, and the probabilities of the classes.

    Examples
    --------
    >>> import numpy as np
    >>> metric = LabelsMetric(keras.metrics.BinaryAccuracy(), "cells")
    >>> float(metric(np.array([[1.0, np.nan, 0.0]]), np.array([[0.75, 0.5, 0.75]])))
    0.5
    """

    def __init__(self, metric: Any, layout: str, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(metric, name, **kwargs)
        self.layout = layout

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        if self.layout == "cells":
            y_true, y_pred = ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1)
        is_known = ops.logical_not(ops.isnan(y_true[..., 0]))
        weight = ops.cast(is_known, self.dtype)
        if sample_weight is not None:
            weight = weight * ops.cast(spread(sample_weight, y_true[..., 0]), self.dtype)
        y_true = ops.where(ops.isnan(y_true), ops.zeros_like(y_true), y_true)
        if self.layout == "cumulative":
            y_true = ops.sum(y_true, axis=-1, keepdims=True)
            y_pred = OrderedClasses().forward(y_pred, ops)
        y_true, y_pred = (ops.reshape(y, (-1, y.shape[-1])) for y in (y_true, y_pred))
        self.metric.update_state(y_true, y_pred, sample_weight=ops.reshape(weight, (-1,)))

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        return {**super().get_config(), "layout": self.layout}


def chosen_metric(metric: Any, encoding: str) -> Any:
    """Return a metric; for "accuracy" and "crossentropy" that of how labels are encoded.

    Keras would choose by shapes, which do not show it here.

    Parameters
    ----------
    metric : keras.metrics.Metric or str
        As :func:`make_metrics` returns it.
    encoding : {"binary", "sparse", "one_hot"}
        Of the labels that the metric is given.

    Examples
    --------
    >>> chosen_metric("accuracy", "binary").__class__.__name__
    'BinaryAccuracy'
    """
    if not isinstance(metric, str):
        return metric
    return _BY_ENCODING[encoding][_NAMES[metric]](name=metric)
