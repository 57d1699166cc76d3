"""Targets cell by cell: what a network says of each, and what each weighs."""

from __future__ import annotations

from typing import Any

from .._optional import keras


class CellLoss(keras.losses.Loss):
    """A loss with a value for each cell of the targets.

    Keras spreads a weight for each row over no second axis of such values.
    """

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss; weights have the shape of the targets, or fewer axes."""
        if sample_weight is not None:
            sample_weight = spread(sample_weight, keras.ops.convert_to_tensor(y_true))
        return super().__call__(y_true, y_pred, sample_weight)


def spread(weight: Any, cells: Any) -> Any:
    """Return sample weights as one for each cell.

    Examples
    --------
    >>> weight = spread([1.0, 2.0], keras.ops.zeros((2, 3)))
    >>> keras.ops.convert_to_numpy(weight).tolist()
    [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    """
    weight, ndim = keras.ops.convert_to_tensor(weight), len(cells.shape)
    if len(weight.shape) == ndim + 1 and weight.shape[-1] == 1:
        weight = keras.ops.squeeze(weight, -1)
    while len(weight.shape) < ndim:
        weight = keras.ops.expand_dims(weight, -1)
    return keras.ops.broadcast_to(weight, keras.ops.shape(cells))


def outputs_of(y_true: Any, y_pred: Any, n_outputs: int) -> Any:
    """Return a network's outputs with those of one cell on the last axis.

    Parameters
    ----------
    y_true : tensor of shape (n, ..., k)
        Targets.
    y_pred : tensor of shape (n, ..., k, n_outputs), or without k if that is 1
        What the network returns.
    n_outputs : int
        Numbers for a cell.

    Returns
    -------
    outputs : tensor of shape (n, ..., k, n_outputs)

    Raises
    ------
    ValueError
        If they have another shape.
    """
    cells, outputs = tuple(y_true.shape), tuple(y_pred.shape)
    is_one = len(outputs) == len(cells) and cells[-1] == 1
    if not (is_one or len(outputs) == len(cells) + 1) or outputs[-1] != n_outputs:
        raise ValueError(
            f"Targets of shape {cells} need outputs of shape {(*cells, n_outputs)}, the parameters "
            f"of a distribution on the last axis, got {outputs}. End the network so, for example "
            "with Dense and Reshape."
        )
    return keras.ops.expand_dims(y_pred, -2) if is_one else y_pred


def predictions_of(y_true: Any, y_pred: Any) -> Any:
    """Return predictions in the shape of the targets, if they differ by a last axis of 1."""
    ndim = len(y_true.shape)
    if len(y_pred.shape) == ndim + 1 and y_pred.shape[-1] == 1:
        return keras.ops.squeeze(y_pred, -1)
    if len(y_pred.shape) == ndim - 1 and y_true.shape[-1] == 1:
        return keras.ops.expand_dims(y_pred, -1)
    return y_pred
