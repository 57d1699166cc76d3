"""Targets that are labels: several a row, each there or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._validation import check_labels
from ..checks import TargetKind
from ..training import loss_name, make_loss, make_metrics
from ._probabilities import check_probabilities, refuse_logits
from ._target import Target


class ManyLabels(Target):
    """Several labels a row: a column of 0 and 1 for each.

    The network returns the probability of each label.

    Parameters
    ----------
    class_weight : None
        Weights are for one label a row.
    loss : object, default=None
        Loss; None is "binary_crossentropy".

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        The numbers of the columns.
    """

    classes_: np.ndarray

    def __init__(self, class_weight: Any = None, *, loss: Any = None) -> None:
        self.class_weight = class_weight
        self.loss = loss

    @property
    def kind(self) -> TargetKind:
        """Several labels."""
        return TargetKind("labels")

    # Raw values

    def check(self, estimator: Any, y: Any, argument: str) -> np.ndarray:
        """Return 0 and 1 of shape (n_samples, n_labels)."""
        return check_labels(estimator, y, argument)

    def learn(self, y: np.ndarray, more: bool = False) -> None:
        """Learn the number of labels."""
        if more:
            self.match(y, "y")
        self.classes_ = np.arange(y.shape[1])

    def match(self, y: np.ndarray, argument: str) -> None:
        """Raise ``ValueError`` unless there are as many labels as in ``fit``."""
        if y.shape[1:] != self.classes_.shape:
            raise ValueError(
                f"{argument} has shape {y.shape}, but the y of fit had {len(self.classes_)} "
                "labels. Pass labels of the same kind."
            )

    def weights(
        self, y: np.ndarray, weight: np.ndarray | None, mean: float | None, trains: bool
    ) -> np.ndarray | None:
        """Return the weights of the rows."""
        if self.class_weight is not None and trains:
            raise ValueError("class_weight is for one label a row, but y has several columns.")
        return super().weights(y, weight, mean, trains)

    # The network

    def offers(self) -> dict[str, Any]:
        """Return a column for each label."""
        count = len(self.classes_)
        return {
            "output_shape": (count,),
            "output_activation": "sigmoid",
            "n_classes": count,
            "classes": self.classes_,
        }

    @property
    def expected(self) -> str:
        """What a network should return."""
        return f"{self._named('y')} has {len(self.classes_)} labels. {self._advice}"

    @property
    def _advice(self) -> str:
        return f"End the network with Dense({len(self.classes_)}, 'sigmoid')"

    def fit_output(self, output: np.ndarray, network: str) -> bool:
        """Check that there is a probability for each label."""
        if output.shape[1:] != self.classes_.shape:
            return False
        check_probabilities(output, network, self._advice, add_up=False)
        return True

    def make_loss(self, loss: Any, routed: dict[str, Any]) -> Any:
        """Return the loss; by default "binary_crossentropy"."""
        given = self.loss if loss is None else loss
        made = make_loss("binary_crossentropy" if given is None else given, routed)
        refuse_logits(made)
        if "categorical" in loss_name(made):
            raise ValueError(
                f"loss={loss_name(made)!r} is for one class a row, but y has several labels a row. "
                "Use 'binary_crossentropy'."
            )
        return made

    def make_metrics(self, metrics: Any) -> list[Any]:
        """Return metrics of labels and their probabilities."""
        return make_metrics(metrics)

    def encode(self, y: np.ndarray, loss: Any) -> np.ndarray:
        """Return the labels as float32."""
        return y.astype("float32")

    # Predictions

    def most_probable(self, probabilities: np.ndarray) -> np.ndarray:
        """Return 1 for each label that is more probable than not."""
        return (probabilities > 0.5).astype(np.int64)
