"""Losses and metrics where some targets are missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import keras
from ._cells import CellLoss, outputs_of, predictions_of, spread
from ._distributions import DistributionLoss
from ._told import copied
from ._wrapping import WrappedLoss, function_of

ops = keras.ops

# Numbers by which a loss or metric is tried: within (0, 1), where all are defined.
_TRUE = np.array([[0.25, 0.625], [0.5, 0.75], [0.3125, 0.875]], np.float32)
_PREDICTED = np.array([[0.5, 0.6875], [0.375, 0.25], [0.75, 0.8125]], np.float32)
_PRESENT = np.array([[True, True], [False, True], [True, False]])


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class MissingLoss(WrappedLoss, CellLoss):
    """A loss of targets of which some are missing: it has a value for each cell.

    Missing cells are NaN in the targets. They have a loss and a gradient of 0; what the others
    weigh is said by sample weights of the targets' shape. With all cells there it is the loss
    that it is made of.

    Parameters
    ----------
    loss : keras.losses.Loss or callable
        A mean over the last axis, or a :class:`DistributionLoss`.

    Raises
    ------
    ValueError
        If the loss of a cell depends on others.

    Examples
    --------
    >>> import numpy as np
    >>> loss = MissingLoss(keras.losses.MeanSquaredError())
    >>> y = np.array([[1.0, np.nan]])
    >>> keras.ops.convert_to_numpy(loss.call(y, np.array([[3.0, 5.0]]))).tolist()
    [[4.0, 0.0]]
    """

    def __init__(self, loss: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(loss, name, **kwargs)
        if not isinstance(loss, DistributionLoss):
            _check_loss(loss)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each cell, 0 where it is missing; of the targets' shape."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        is_missing = ops.isnan(y_true)
        if isinstance(self.loss, DistributionLoss):
            y_pred = outputs_of(y_true, y_pred, self.loss.distribution.n_outputs)
            y_true = _zero_where(is_missing, y_true)
            y_pred = _zero_where(ops.expand_dims(is_missing, -1), y_pred)
            return _zero_where(is_missing, self.loss.call(y_true, y_pred))
        y_pred = _zero_where(is_missing, predictions_of(y_true, y_pred))
        values = _by_cells(self.loss, _zero_where(is_missing, y_true), y_pred)
        if self.reduction == "sum":  # of the rows, each a mean
            values = values / values.shape[-1]
        # What is not finite has a gradient of NaN, which the choice before takes away.
        return _zero_where(is_missing, values)


def update_present(metric: Any, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
    """Add the cells that are not NaN in the targets to a metric."""
    is_missing = ops.isnan(y_true)
    weight = ops.cast(ops.logical_not(is_missing), y_true.dtype)
    if sample_weight is not None:
        weight = weight * ops.cast(spread(sample_weight, y_true), weight.dtype)
    y_pred = _zero_where(is_missing, predictions_of(y_true, y_pred))
    y_true = _zero_where(is_missing, y_true)
    if not isinstance(metric, keras.metrics.R2Score):  # which takes a weight for each cell
        y_true, y_pred = ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1)
    metric.update_state(y_true, y_pred, sample_weight=weight)


def check_metric(metric: Any) -> None:
    """Raise ``ValueError`` unless a metric can leave out missing cells."""
    if type(metric) is keras.metrics.R2Score:
        if metric.num_regressors:
            raise ValueError(
                f"The metric {metric.name!r} adjusts R2 by the number of rows, which is not one "
                "number where targets are missing. Leave out num_regressors."
            )
        return
    try:
        takes_cells = _takes_cells(metric)
    except Exception as error:
        raise ValueError(_refused_metric(metric)) from error
    if not takes_cells:
        raise ValueError(_refused_metric(metric))


def _takes_cells(metric: Any) -> bool:
    def result(y_true: Any, y_pred: Any, in_cells: bool) -> np.ndarray:
        tried = copied(metric)
        y_true, y_pred = map(ops.convert_to_tensor, (y_true, y_pred))
        if in_cells:
            update_present(tried, y_true, y_pred, None)
        else:
            tried.update_state(y_true, y_pred)
        return np.asarray(ops.convert_to_numpy(tried.result()))

    some = np.where(_PRESENT, _TRUE, np.nan).astype(np.float32)
    present = _TRUE[_PRESENT][:, None], _PREDICTED[_PRESENT][:, None]
    found = result(_TRUE, _PREDICTED, True), result(some, _PREDICTED, True)
    expected = result(_TRUE, _PREDICTED, False), result(*present, False)
    # Some metrics round to float16, and none that mixes cells comes so near.
    return all(np.allclose(a, b, rtol=1e-3) for a, b in zip(found, expected, strict=True))


def _refused_metric(metric: Any) -> str:
    return (
        f"The metric {metric.name!r} cannot be computed where targets are missing: it is "
        "no mean over cells. Choose one that is, such as 'mae', 'mse', or "
        "'root_mean_squared_error', or 'r2_score'."
    )


def _check_loss(loss: Any) -> None:
    y_true, y_pred = map(ops.convert_to_tensor, (_TRUE, _PREDICTED))
    try:
        cells = np.asarray(ops.convert_to_numpy(_by_cells(loss, y_true, y_pred)))
        rows = np.asarray(ops.convert_to_numpy(function_of(loss)(y_true, y_pred)))
    except Exception as error:
        raise ValueError(_refused_loss(loss)) from error
    expected = cells if rows.shape == cells.shape else cells.mean(axis=-1)
    # Float16 has three digits.
    if rows.shape != expected.shape or not np.allclose(rows, expected, rtol=1e-3):
        raise ValueError(_refused_loss(loss))


def _refused_loss(loss: Any) -> str:
    name = getattr(loss, "name", None) or loss.__name__
    return (
        f"loss={name!r} cannot be computed where targets are missing: it is no mean over the "
        f"cells of a row. Choose one that is, such as 'mean_squared_error', "
        "'mean_absolute_error' or 'huber', or leave out the rows with missing targets."
    )


def _by_cells(loss: Any, y_true: Any, y_pred: Any) -> Any:
    """Return the loss of each cell, as a row of its own."""
    values = function_of(loss)(ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1))
    return ops.reshape(values, ops.shape(y_true))


def _zero_where(is_missing: Any, x: Any) -> Any:
    return ops.where(is_missing, ops.zeros_like(x), x)
