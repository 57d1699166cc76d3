"""Targets that are numbers, scaled for the network and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._optional import is_stock
from .._validation import check_targets
from ..bridge import widest_float
from ..checks import TargetKind
from ..maps import Chain, Inverse, Map, Squeeze, rows_beyond, rows_not_finite
from ..scaling import as_map, learn, make_scaler, scale
from ..training import MissingLoss, TargetUnits, loss_name, make_loss, make_metrics
from ._scores import r2_of_known
from ._target import Target, spread
from ._units import TargetUnitsLoss, map_for, to_target_units, units_of
from ._views import Smeared, SpreadOfMembers
from ._weights import of_rows

# Losses of ratios or counts: scaled targets, which may be negative, mean nothing to them.
_NEEDS_RAW_TARGETS = {
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "poisson",
}

# Parts of the names of losses that compare probabilities or directions.
_NOT_FOR_NUMBERS = ("categorical", "hinge", "divergence", "cosine", "dice", "tversky", "circle")

#: Quantiles that stand for the residuals of the training rows.
_N_RESIDUALS = 101


class Numbers(Target):
    """Numbers of any rank, scaled along their last axis.

    ``z = scaler.transform(y)`` is what the network learns; ``scaler.inverse_transform`` of what
    it returns is predicted. NaN is not known: it counts nowhere, and is predicted.

    Parameters
    ----------
    scaler : str, transformer, list or None, default="standard"
        As ``target_scaler`` of :class:`ScaledKerasRegressor`.
    distribution : str, Distribution or None, default=None
        What the network says of each number, as ``distribution`` of
        :class:`ScaledKerasRegressor`; None for the number alone.
    statistic : {"mean", "median"} or None, default=None
        What is predicted, as ``target_statistic`` of :class:`ScaledKerasRegressor`.
    loss : object, default=None
        Loss; None is "mean_squared_error", or the distribution's own.
    loss_units : {"scaled", "target"}, default="scaled"
        Whether the loss compares scaled numbers, or numbers in target units.
    metrics : list, default=None
        Metrics in target units.
    weight : float, default=1.0
        Of the loss against those of other targets.

    Attributes
    ----------
    scaler_ : transformer, list or None
        Fitted on the numbers that are known.
    shape_ : tuple of int
        Of the numbers of a row; empty for one number.
    """

    may_be_nan = True

    scaler_: Any
    shape_: tuple[int, ...]
    _known: np.ndarray
    _names: list[Any] | None = None

    def __init__(
        self,
        scaler: Any = "standard",
        *,
        distribution: Any = None,
        statistic: str | None = None,
        loss: Any = None,
        loss_units: str = "scaled",
        metrics: Any = None,
        weight: float = 1.0,
    ) -> None:
        self.scaler = scaler
        self.distribution = distribution
        self.statistic = statistic
        self.loss = loss
        self.loss_units = loss_units
        self.metrics = metrics
        self.weight = weight

    def bound(self, name: Any = None, scaler: Any = None, distribution: Any = None) -> Any:
        """Return a new target, with routed parameters for its scaler and its distribution."""
        from ._distributed import DistributedNumbers  # which derives from this class

        is_plain = self.distribution is None and not distribution
        kind: type[Numbers] = Numbers if is_plain else DistributedNumbers
        target = kind(**self.get_params(deep=False))
        target.name_ = name
        target._routed_to_scaler = scaler or {}
        target._make_distribution(distribution)
        return target

    def _make_distribution(self, routed: Any) -> None:
        """Make what the network says of each number, where that is more than the number."""

    @property
    def kind(self) -> TargetKind:
        """Numbers."""
        return TargetKind(in_target_units=self.loss_units == "target")

    # Raw values

    def check(self, estimator: Any, y: Any, argument: str) -> np.ndarray:
        """Return numbers as float64, NaN where they are not known."""
        if self._names is None:
            self._names = list(getattr(y, "columns", ())) or None
        try:
            return check_targets(estimator, y, argument)
        except ValueError as error:
            if "has text" in str(error):
                message = f"{error} Labels are for ScaledKerasClassifier, or for targets "
                raise ValueError(f"{message}'labels' of ScaledKerasEstimator.") from error
            raise

    def learn(self, y: np.ndarray, more: bool = False) -> None:
        """Learn the shape of a row."""
        self._check_statistic()
        if more:
            self.match(y, "y")
        self.shape_ = y.shape[1:]

    def _check_statistic(self) -> None:
        known = (None, "mean", "median")
        if self.statistic not in known:
            raise ValueError(
                f"target_statistic must be one of {', '.join(map(repr, known))}, got "
                f"{self.statistic!r}."
            )
        if self.statistic == "median" and self.distribution is None:
            raise ValueError(
                "target_statistic='median' needs a distribution, whose median it is. Fit with "
                "distribution='normal' or another one."
            )

    def match(self, y: np.ndarray, argument: str) -> None:
        """Raise ``ValueError`` unless rows have the shape of those of ``fit``."""
        if y.shape[1:] != self.shape_:
            raise ValueError(
                f"{argument} has samples of shape {y.shape[1:]}, but the y of fit had samples of "
                f"shape {self.shape_}. Pass targets of the same kind."
            )

    def known(self, y: np.ndarray) -> np.ndarray | None:
        """Return where there is a number."""
        is_missing = np.isnan(y)
        return ~is_missing if is_missing.any() else None

    def counting(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Return numbers, NaN where the weight is 0."""
        return y if weight.all() else np.where(spread(weight, y) > 0, y, np.nan)

    @property
    def n_numbers(self) -> int:
        """How many numbers a row has."""
        return math.prod(self.shape_)

    def fit(
        self, y: np.ndarray, weight: np.ndarray | None, method: str, is_new: bool, series: Any
    ) -> None:
        """Fit the scaler; of a target on an input's series, take its statistics."""
        parameter = self._named("target_scaler")
        columns, weight = self._columns(y), of_rows(weight)
        self._learn_known(columns, is_new)
        if method == "fit":
            self._check_known()
        if series is not None:
            self._refuse_for_series()
            self.scaler_ = series.scaler_of(self.shape_)
            return
        if is_new:
            self.scaler_ = make_scaler(
                parameter, self._scaler_to_make(), self._routed_to_scaler, columns
            )
        learn(parameter, self.scaler_, columns, None, weight, method)
        first = self._filled(columns[:1])
        if np.isnan(first).any():  # of a stream whose later batches may know
            return
        scaled = np.shape(scale(parameter, self.scaler_, first))
        if scaled != (1, *columns.shape[1:]):
            raise ValueError(
                f"{parameter}={self.scaler_!r} turns {columns.shape[-1]} columns of y into shape "
                f"{scaled} a row. Use a transformer that keeps the columns."
            )

    def _scaler_to_make(self) -> Any:
        return self.scaler

    def _learn_known(self, columns: np.ndarray, is_new: bool) -> None:
        """Keep a known number of each column: in place of missing ones, scalers take it."""
        table = columns.reshape(-1, columns.shape[-1])
        known = table[0]
        if np.isnan(known).any():
            known = table[(~np.isnan(table)).argmax(axis=0), np.arange(table.shape[1])]
        self._known = known if is_new else np.where(np.isnan(self._known), known, self._known)

    def _check_known(self) -> None:
        unknown = np.flatnonzero(np.isnan(self._known)).tolist()
        if unknown:
            name = self._names[unknown[0]] if self._names else unknown[0]
            raise ValueError(
                f"{self._named('y')} has no known number in column {name!r}: all are NaN, or of "
                "weight 0. Leave the column out."
            )

    def _filled(self, columns: np.ndarray) -> np.ndarray:
        is_missing = np.isnan(columns)
        return np.where(is_missing, self._known, columns) if is_missing.any() else columns

    def _refuse_for_series(self) -> None:
        if self.name_ is not None or len(self.shape_) > 2:
            given = "" if self.name_ is None else f" of an output with a name, {self.name_!r}"
            raise ValueError(
                "input_scaler='instance' needs y of shape (n_samples,), (n_samples, n_steps) or "
                f"(n_samples, n_steps, n_features), got samples of shape {self.shape_}{given}."
            )
        if self.scaler != "standard" or self._routed_to_scaler:
            raise ValueError(
                "input_scaler='instance' scales the target with the statistics of its series, but "
                f"target_scaler={self.scaler!r} was given. Leave it at 'standard'."
            )

    def forecast(self, series: Any) -> tuple[int, list[int]] | None:
        """Return steps and features on an input's series."""
        found: tuple[int, list[int]] = series.forecast_of(self.shape_)
        return found

    # The network

    def offers(self) -> dict[str, Any]:
        """Return the shape of a row, and the activation that reaches the scaled numbers."""
        self._check_known()
        return {
            "output_shape": self.shape_ or (1,),
            "output_activation": _activation(as_map(self.scaler_)),
            "target_scaler": self.scaler_,
        }

    @property
    def expected(self) -> str:
        """What a network should return."""
        y, shape = self._named("y"), self.shape_ or (1,)
        if len(shape) > 1:
            return f"{y} has samples of shape {shape}. End the network with that shape"
        columns = f"{shape[0]} column{'s' if shape[0] > 1 else ''}"
        return f"{y} has {columns}. End the network with Dense({shape[0]})"

    def fit_output(self, output: np.ndarray, network: str) -> bool:
        """Learn whether the output has an axis of length 1 behind the others."""
        shape, found = self.shape_ or (1,), tuple(output.shape[1:])
        if found not in (shape, (*shape, 1)):
            return False
        self._has_axis = found != shape
        map_ = as_map(self.scaler_)
        self._domain = None if map_.is_affine else map_.inverse_domain(shape[-1])
        # Bounded: beyond the ends of the inverse's domain a prediction stays at the end.
        self._set_map(Inverse(map_.bounded()))
        return True

    def _set_map(self, map_: Map) -> None:
        first = (Squeeze(),) if self._has_axis else ()
        last = (Squeeze(),) if self.shape_ == () else ()
        self._map = Chain((*first, map_, *last))

    @property
    def needs_residuals(self) -> bool:
        """Whether predictions are means of raw numbers, which residuals tell."""
        return self.statistic == "mean" and not as_map(self.scaler_).is_affine

    def learn_residuals(self, encoded: np.ndarray, output: np.ndarray) -> None:
        """Let predictions be means, given scaled numbers and what the networks say of them."""
        shape = self.shape_ or (1,)
        n_members = self.n_members_ or 1
        z = encoded.reshape(-1, shape[-1]).astype(np.float64)
        said = output.astype(np.float64).reshape(len(encoded), n_members, -1, shape[-1])
        apart = encoded.reshape(len(encoded), 1, -1, shape[-1]) - said
        levels = (np.arange(_N_RESIDUALS) + 0.5) / _N_RESIDUALS
        self._set_map(
            Smeared(
                as_map(self.scaler_).bounded(),
                np.nanquantile(apart.reshape(-1, shape[-1]), levels, axis=0),
                np.nanmin(z, axis=0),
                np.nanmax(z, axis=0),
            )
        )

    def make_loss(self, loss: Any, routed: dict[str, Any]) -> Any:
        """Return the loss; by default "mean_squared_error"."""
        if self.loss_units not in ("scaled", "target"):
            raise ValueError(f'loss_units must be "scaled" or "target", got {self.loss_units!r}.')
        given = self.loss if loss is None else loss
        made = make_loss("mean_squared_error" if given is None else given, routed)
        map_ = as_map(self.scaler_)
        self._check_loss_kind(made, map_)
        if self._by_cells:
            made = MissingLoss(made)
        if self.loss_units == "scaled" or self.scaler_ is None:
            return made
        return TargetUnitsLoss(made, to_target_units(map_, self.shape_, self._has_axis))

    def _check_loss_kind(self, loss: Any, map_: Map) -> None:
        if not is_stock(loss):
            return
        name = loss_name(loss)
        low, high = map_.output_range
        probabilities = "crossentropy" in name and not (low >= 0 and high <= 1)
        if probabilities or any(part in name for part in _NOT_FOR_NUMBERS):
            raise ValueError(
                f"loss={name!r} compares class probabilities and cannot train a regressor. Use a "
                "regression loss, for example 'mean_squared_error', or ScaledKerasClassifier."
            )
        is_scaled = self.scaler is not None and self.loss_units == "scaled"
        if name in _NEEDS_RAW_TARGETS and is_scaled:
            raise ValueError(
                f"loss={name!r} means nothing for targets scaled by target_scaler="
                f"{self.scaler!r}, which may be negative. Use loss_units='target' to "
                "compute it in target units, or a loss of differences such as "
                "'mean_squared_error'."
            )

    def make_metrics(self, metrics: Any) -> list[Any]:
        """Return metrics in target units."""
        map_ = as_map(self.scaler_)
        if self.name_ is not None and metrics is not None and not isinstance(metrics, list | tuple):
            metrics = [metrics]
        return [self._in_units(metric, map_) for metric in make_metrics(metrics, widest_float())]

    def _in_units(self, metric: Any, map_: Map) -> Any:
        units = units_of(map_for(metric, map_), self.shape_, self._has_axis)
        return TargetUnits(metric, units, has_missing=self._by_cells)

    def encode(self, y: np.ndarray, loss: Any) -> np.ndarray:
        """Return scaled numbers."""
        columns, is_missing = self._columns(y), None
        if self._by_cells:
            is_missing = np.isnan(columns)
            columns = np.where(is_missing, self._known, columns)
        scaled: np.ndarray = scale(self._named("target_scaler"), self.scaler_, columns)
        if is_missing is not None:
            scaled[is_missing] = np.nan
        return scaled[..., None] if self._has_axis else scaled

    # Predictions

    def said(self, decoded: np.ndarray) -> np.ndarray:
        """Return the numbers as float64."""
        return decoded.astype(np.float64, copy=False)

    def score(self, y: np.ndarray, predicted: np.ndarray, weight: Any) -> float:
        """Return R², the mean over the numbers of a row."""
        return r2_of_known(y.reshape(len(y), -1), predicted.reshape(len(y), -1), weight)

    def view(self, kind: str, q: float | None = None) -> Map:
        """Return what is predicted for the mean, and of several members how far they differ."""
        if kind == "mean":
            return self.map_
        if kind == "std" and self.n_members_ is not None:
            return SpreadOfMembers(self._map, self.n_members_)
        return super().view(kind, q)

    def no_distribution(self, kind: str) -> str:
        """Return why there is no deviation, quantile or the like."""
        return (
            f"{kind} of {self._named('y')} is not known: the network says a number alone. Fit with "
            "distribution='normal' or another one"
            + (", or with n_members=5." if kind == "std" else ".")
        )

    def warnings(self, output: np.ndarray, predicted: np.ndarray) -> list[str]:
        """Tell of rows beyond the domain of the scaler's inverse, or without a number."""
        if self._domain is None:
            return []
        found, parameter = [], self._named("target_scaler")
        n_rows = rows_beyond(self._domain, output[..., 0] if self._has_axis else output)
        if n_rows:
            found.append(
                f"{parameter}: {n_rows} of {len(output)} rows are predicted beyond the numbers "
                "that its inverse is defined for, and stay at the end of them. Are these rows "
                "like those of fit?"
            )
        n_rows = rows_not_finite(predicted)
        if n_rows and not rows_not_finite(output):
            found.append(
                f"{parameter}: the inverse turns {n_rows} rows of predictions into NaN or "
                "infinities. Use a scaler whose inverse is defined for all numbers."
            )
        return found

    def _columns(self, y: np.ndarray) -> np.ndarray:
        """Return numbers as scalers and networks take them: with one axis or more behind rows."""
        return y.reshape(len(y), -1) if y.ndim == 1 else y


def _activation(map_: Map) -> str:
    low, high = map_.output_range
    within = "sigmoid" if low >= 0 and high <= 1 else "tanh"
    return within if low >= -1 and high <= 1 else "linear"
