"""What an estimator asks of a target, whatever its kind."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from .._structure import named
from ..checks import TargetKind
from ..maps import IDENTITY, Map
from ._views import OverMembers


class NotSaidError(ValueError):
    """A network does not say what is asked for of a target."""


class Target(BaseEstimator, ABC):
    """One target: raw values on one side, an output of the network on the other.

    The constructor's parameters say of which kind; :meth:`bound` makes a new one for each fit,
    which learns in this order: :meth:`learn` and :meth:`count` (the kind of values, and what is
    there of them), :meth:`fit` (scalers), :meth:`fit_output` (the network's layout).

    Attributes
    ----------
    metrics : list or None
        Metrics, where the estimator has none of its own.
    weight : float
        Of the target's loss against those of others.
    name_ : str or None
        Of the output, where there are several.
    scaler_ : object or None
        Fitted, where something scales.
    n_members_ : int or None
        Networks whose outputs stand side by side on the axis behind the rows; None of one alone.
    """

    metrics: Any = None
    weight: float = 1.0

    name_: Any = None
    scaler_: Any = None
    n_members_: int | None = None
    #: Whether NaN is an answer: of a number it is, of labels it would be taken for one of them.
    may_be_nan = False
    #: Whether values are missing, or weigh otherwise than their rows.
    _by_cells = False
    _map: Map = IDENTITY

    def bound(self, name: Any = None) -> Any:
        """Return a new target of the same parameters, for an output of this name."""
        target = clone(self)
        target.name_ = name
        return target

    @property
    @abstractmethod
    def kind(self) -> TargetKind:
        """What the network says of it, for checks."""

    # Raw values

    @abstractmethod
    def check(self, estimator: Any, y: Any, argument: str) -> np.ndarray:
        """Return valid values, rows first.

        Parameters
        ----------
        estimator : object
            Named in errors.
        y : array-like
            Raw values.
        argument : str
            Of the estimator, for errors.
        """

    @abstractmethod
    def learn(self, y: np.ndarray, more: bool = False) -> None:
        """Learn the kind of valid values; from more rows, what they add."""

    @abstractmethod
    def match(self, y: np.ndarray, argument: str) -> None:
        """Raise ``ValueError`` unless valid values are of the kind that was learnt."""

    def known(self, y: np.ndarray) -> np.ndarray | None:
        """Return where there is a value, of the shape of ``y``; None if everywhere."""
        return None

    def counting(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return values, of which those of weight 0 are not known, where a value can say so."""
        return y

    def expect(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn from rows to come, and their weights, whether values count one by one."""
        is_by_cells = (weight is not None and weight.ndim > 1) or self.known(y) is not None
        self._by_cells = self._by_cells or is_by_cells

    def count(self, y: np.ndarray, weight: np.ndarray | None, more: bool) -> None:
        """Count what is there of values whose kind is known."""

    def strata(self, y: np.ndarray) -> np.ndarray | None:
        """Return what a validation split is stratified by."""
        return None

    def going_on(self) -> Any:
        """Return a copy that may go on learning."""
        other = copy.copy(self)
        other.scaler_ = copy.deepcopy(self.scaler_)
        return other

    def fit(
        self, y: np.ndarray, weight: np.ndarray | None, method: str, is_new: bool, series: Any
    ) -> None:
        """Fit what scales the values, or let it go on.

        Parameters
        ----------
        y : ndarray
            Valid values.
        weight : ndarray of shape (n_samples,) or of that of ``y``, or None
            Of the rows, or of the values.
        method : {"fit", "partial_fit"}
            Of the scaler.
        is_new : bool
            Whether a new one is to be made.
        series : InstanceScaler or None
            That of an input whose series the target continues.
        """

    def forecast(self, series: Any) -> tuple[int, list[int]] | None:
        """Return steps and features of a target on an input's series, None of another."""
        return None

    # The network

    @abstractmethod
    def offers(self) -> dict[str, Any]:
        """Return what a builder of networks may ask for: ``output_shape`` and more."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """What a network should return, and how to end it so, for errors."""

    @abstractmethod
    def fit_output(self, output: np.ndarray, network: str) -> bool:
        """Learn the layout of the network's output from a few rows, and set ``_map`` of it.

        Parameters
        ----------
        output : ndarray
            What the network returns for them.
        network : str
            Its name, for errors.

        Returns
        -------
        fits : bool
            Whether its shape is one of those that are expected.
        """

    @abstractmethod
    def make_loss(self, loss: Any, routed: dict[str, Any]) -> Any:
        """Return the loss to compile with; for None, that of the parameter or the default."""

    @abstractmethod
    def make_metrics(self, metrics: Any) -> list[Any]:
        """Return new metrics to compile with."""

    @abstractmethod
    def encode(self, y: np.ndarray, loss: Any) -> np.ndarray:
        """Return values as the network's loss takes them, with the axes of its output."""

    def cells(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        """Return the weights of values, given those of their rows or of them; None if all count.

        What is missing has none.
        """
        if not self._by_cells:
            return weight
        is_known = self.known(y)
        cells = np.ones(y.shape) if is_known is None else is_known.astype(np.float64)
        return cells if weight is None else cells * spread(weight, y)

    def weights(
        self, y: np.ndarray, weight: np.ndarray | None, mean: float | None, trains: bool
    ) -> np.ndarray | None:
        """Return the weights of values in the loss.

        Parameters
        ----------
        y : ndarray
            Valid values.
        weight : ndarray of shape (n_samples,) or of that of ``y``, or None
            Of the rows, or of the values.
        mean : float or None
            That of :meth:`cells` over all of the data; None if they have no weights.
        trains : bool
            Whether the values are trained on.
        """
        if mean is None:
            return None
        cells = self.cells(y, weight)
        return (np.ones(len(y)) if cells is None else cells) / mean

    # Predictions

    @property
    def needs_residuals(self) -> bool:
        """Whether predictions need to know how far training rows were missed."""
        return False

    def learn_residuals(self, encoded: np.ndarray, output: np.ndarray) -> None:
        """Learn that, of encoded training values and what the networks say of them."""

    @property
    def map_(self) -> Map:
        """The map from the network's output to what is predicted, in raw units."""
        return self._map if self.n_members_ is None else OverMembers(self._map, self.n_members_)

    def view(self, kind: str, q: float | None = None) -> Map:
        """Return the map from the network's output to something else that it says.

        Parameters
        ----------
        kind : {"mean", "std", "quantile"}
            What is asked for.
        q : float, default=None
            Probability of a quantile.

        Raises
        ------
        ValueError
            If the target has no such thing.
        """
        raise NotSaidError(self.no_distribution(kind))

    def no_distribution(self, kind: str) -> str:
        """Return why there is no such thing, for errors."""
        return f"{self._named('y')} has labels, and no {kind}. Ask for probabilities."

    def cut(self, output: np.ndarray, levels: Sequence[float]) -> list[str]:
        """Return what must be told of quantiles."""
        return []

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Return what is predicted, in raw units, given what the network returned."""
        map_ = self.map_
        return output if map_ is IDENTITY else map_.forward(output.astype(np.float64), np)

    def said(self, decoded: np.ndarray) -> np.ndarray:
        """Return what is predicted, given what was decoded: numbers, or labels."""
        return decoded

    @abstractmethod
    def score(self, y: np.ndarray, predicted: np.ndarray, weight: Any) -> float:
        """Return how good predictions are, at most 1; what is not known of ``y`` is left out."""

    def warnings(self, output: np.ndarray, predicted: np.ndarray) -> list[str]:
        """Return what must be told of predictions."""
        return []

    def _named(self, parameter: str) -> str:
        return named(parameter, self.name_)


def spread(weight: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return weights of rows, or of values, with the axes of ``y``."""
    return weight.reshape(*weight.shape, *(1,) * (y.ndim - weight.ndim))
