"""What a network says of a target: told by an estimator, or guessed of a bare network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._optional import keras
from ..distributions import Distribution
from ._graph import End
from ._numbers import dense, taken

#: Losses of probabilities, or of signs.
OF_PROBABILITIES = ("crossentropy", "divergence", "dice", "tversky")
OF_SIGNS = ("hinge",)


@dataclass(frozen=True)
class TargetKind:
    """What a network says of a target.

    Attributes
    ----------
    name : {"numbers", "distribution", "label", "labels"}
        Numbers, a distribution of each number, one label (a row, a step, a pixel), or several.
    distribution : Distribution or None
        Whose parameters the network returns.
    in_target_units : bool
        Whether the loss compares raw numbers.
    needs_probabilities : bool
        Whether what the network returns of labels are probabilities, not logits or signs.
    """

    name: str = "numbers"
    distribution: Distribution | None = None
    in_target_units: bool = False
    needs_probabilities: bool = True

    @property
    def are_labels(self) -> bool:
        """Whether the target is labels."""
        return self.name in ("label", "labels")


def guessed(data: Any, scaler: Any, loss: Any, end: End) -> TargetKind:
    """Return what a network without an estimator says of a target.

    Parameters
    ----------
    data : array-like or None
        Raw targets.
    scaler : transformer, list or None
        Fitted.
    loss : object
        As it was compiled with, or None.
    end : End
        Of the network.
    """
    distribution = getattr(getattr(loss, "loss", loss), "distribution", None)
    if isinstance(distribution, Distribution):
        return TargetKind("distribution", distribution)
    if scaler is not None:
        return TargetKind()
    name, rows = loss_name(loss), None if data is None else dense(taken(data))
    is_column = rows is not None and end.has_layout_of(rows)
    if not _are_labels(rows, is_column, name, end):
        return TargetKind()
    by_loss = name is not None and is_any(name, OF_PROBABILITIES)
    return TargetKind(
        "labels" if is_column and _are_binary(rows) else "label",
        needs_probabilities=by_loss and not getattr(loss, "from_logits", False),
    )


def _are_labels(rows: np.ndarray | None, is_column: bool, loss: str | None, end: End) -> bool:
    if loss is not None and is_any(loss, (*OF_PROBABILITIES, *OF_SIGNS)):
        return True
    activation = end.activation.name if end.activation else ""
    if rows is None:
        return activation in ("sigmoid", "softmax")
    if _are_binary(rows):
        return True
    known = rows[~np.isnan(rows)]
    # Numbers of classes have no column for each of them.
    return activation == "softmax" and not is_column and bool((known == np.round(known)).all())


def _are_binary(rows: Any) -> bool:
    return set(np.unique(rows[~np.isnan(rows)])) <= {0.0, 1.0}


def loss_name(loss: Any) -> str | None:
    """Return the name that Keras gives its losses, "" for those of others, None for none."""
    if loss is None:
        return None
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    loss = loss() if isinstance(loss, type) else loss
    is_known = str(loss.__module__).startswith(("keras.", "sklearn_keras_scaling."))
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None)
    return str(name) if is_known and name else ""


def is_any(name: str, parts: tuple[str, ...]) -> bool:
    """Return whether a name has any of the parts."""
    return any(part in name for part in parts)
