"""What all targets that are labels ask of a network: probabilities."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from .._optional import keras
from ..training import MissingLoss, loss_name
from ._scores import share_of_right
from ._target import Target


class LabelTarget(Target):
    """A target that is labels, of which the network returns probabilities.

    Parameters
    ----------
    class_weight, missing_label, loss, metrics, weight
        As those of :class:`Labels`.
    """

    def __init__(
        self,
        class_weight: Any = None,
        *,
        missing_label: Any = None,
        loss: Any = None,
        metrics: Any = None,
        weight: float = 1.0,
    ) -> None:
        self.class_weight = class_weight
        self.missing_label = missing_label
        self.loss = loss
        self.metrics = metrics
        self.weight = weight

    @abstractmethod
    def most_probable(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the labels that are predicted."""

    @abstractmethod
    def right(self, y: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where what is known is predicted as it is, and where anything is known."""

    def said(self, decoded: np.ndarray) -> np.ndarray:
        """Return the labels that are most probable."""
        return self.most_probable(decoded.astype(np.float32, copy=False))

    def score(self, y: np.ndarray, predicted: np.ndarray, weight: Any) -> float:
        """Return the accuracy."""
        return share_of_right([self.right(y, predicted)], weight)


def check_probabilities(output: np.ndarray, network: str, advice: str, add_up: bool) -> None:
    """Raise ``ValueError`` unless a few rows of an output are probabilities.

    Parameters
    ----------
    output : ndarray of shape (n, ..., n_columns)
        What the network returns.
    network : str
        Its name.
    advice : str
        What to do.
    add_up : bool
        Whether each row must sum to 1.
    """
    sums = output.sum(axis=-1) if add_up else 1.0
    if output.min() < 0 or output.max() > 1 or np.abs(sums - 1).max() > 0.01:
        raise ValueError(
            f"The network {network!r} returns {output[0].tolist()} for the first row, which are "
            f"no probabilities. {advice}."
        )


def refuse_logits(loss: Any) -> None:
    """Raise ``ValueError`` if a loss takes logits."""
    if isinstance(loss, keras.losses.Loss) and loss.get_config().get("from_logits"):
        raise ValueError(
            f"loss={loss_name(loss)!r} has from_logits=True, but the network must return "
            "probabilities for predict_proba. End it with a sigmoid or softmax and use "
            "from_logits=False."
        )


def loss_of_cells(loss: Any, reason: str) -> Any:
    """Return a loss with a number for each cell, of targets that are 0 or 1, or not known.

    Raises
    ------
    ValueError
        If the loss of a cell depends on others.
    """
    try:
        return MissingLoss(loss)
    except ValueError as error:
        raise ValueError(
            f"loss={loss_name(loss)!r} is no mean over the probabilities of a row, but {reason}. "
            "Use 'binary_crossentropy'."
        ) from error
