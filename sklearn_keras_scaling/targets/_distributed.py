"""Targets that are numbers, of each of which the network says a distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..bridge import widest_float
from ..checks import TargetKind
from ..distributions import Distribution, make_distribution, sample
from ..maps import Map, rows_beyond, rows_not_finite
from ..scalers import StandardScaler
from ..scaling import as_map
from ..training import (
    DistributionLoss,
    MissingLoss,
    OfLocation,
    make_distribution_metric,
    make_metrics,
)
from ._numbers import Numbers
from ._units import units_of
from ._views import Mean, Quantile, Seen, Std

#: What ``loss`` may be, and the score that training makes small.
_SCORES = {None: "likelihood", "likelihood": "likelihood", "crps": "crps"}
#: Step in scaled space over which a scaler's slope is measured.
_STEP = np.finfo(np.float64).eps ** (1 / 3)


class DistributedNumbers(Numbers):
    """Numbers, of each of which the network returns the parameters of a distribution.

    Made by :class:`Numbers` where ``distribution`` is given.

    Attributes
    ----------
    distribution_ : Distribution
        Of each number, in scaled space.
    """

    distribution_: Distribution

    def _make_distribution(self, routed: Any) -> None:
        parameter = self._named("distribution")
        made = make_distribution(self.distribution, routed, parameter)
        assert made is not None  # None is plain, or was refused for its parameters
        self.distribution_ = made

    @property
    def kind(self) -> TargetKind:
        """A distribution of each number."""
        return TargetKind("distribution", self.distribution_)

    # Raw values

    def fit(
        self, y: np.ndarray, weight: np.ndarray | None, method: str, is_new: bool, series: Any
    ) -> None:
        """Fit the scaler, one that keeps zero where the distribution asks for it."""
        if self.distribution_.keeps_zero:
            self._check_not_negative(y)
        super().fit(y, weight, method, is_new, series)
        if self.distribution_.keeps_zero:
            self._check_keeps_zero()

    def _scaler_to_make(self) -> Any:
        is_default = isinstance(self.scaler, str) and self.scaler == "standard"
        if self.distribution_.keeps_zero and is_default:
            return StandardScaler(with_mean=False)
        return self.scaler

    def _check_not_negative(self, y: np.ndarray) -> None:
        if (y < 0).any():
            raise ValueError(
                f"distribution={self.distribution!r} is of numbers from zero on, but "
                f"{self._named('y')} has {np.nanmin(y):g} among others. Choose another "
                "distribution, such as 'normal'."
            )

    def _check_keeps_zero(self) -> None:
        at_zero = as_map(self.scaler_).forward(np.zeros((1, *(self.shape_ or (1,)))), np)
        if np.any(at_zero != 0):
            raise ValueError(
                f"distribution={self.distribution!r} gives zero a probability of its own, but "
                f"{self._named('target_scaler')}={self.scaler!r} moves zero. Use 'maxabs', None, "
                "or leave it at 'standard', which then leaves out the mean."
            )

    def _refuse_for_series(self) -> None:
        raise ValueError(
            "input_scaler='instance' brings numbers back to the level of their series, not the "
            f"parameters of {self._named('distribution')}={self.distribution!r}. Use another "
            "input_scaler, or distribution=None with n_members=5 for deviations."
        )

    # The network

    def offers(self) -> dict[str, Any]:
        """Return the shape of a row with the distribution's parameters on the last axis."""
        return {
            **super().offers(),
            "output_shape": self._output_shape,
            "output_activation": "linear",
            "distribution": self.distribution_,
        }

    @property
    def _output_shape(self) -> tuple[int, ...]:
        shape = () if self.n_numbers == 1 else self.shape_
        return (*shape, self.distribution_.n_outputs)

    @property
    def expected(self) -> str:
        """What a network should return."""
        shape, count = self._output_shape, self.distribution_.n_outputs
        end = f"Dense({count})"
        if len(shape) > 1:
            end = f"Dense({int(np.prod(shape))}) and Reshape({shape})"
        return (
            f"{self._named('distribution')}={self.distribution_!r} needs {count} numbers for each "
            f"number of {self._named('y')}, outputs of shape {('batch', *shape)}. End the network "
            f"with {end}, without an activation"
        )

    def fit_output(self, output: np.ndarray, network: str) -> bool:
        """Learn the layout of the output."""
        full = (*(self.shape_ or (1,)), self.distribution_.n_outputs)
        if tuple(output.shape[1:]) not in (full, self._output_shape):
            return False
        self._has_axis = False
        seen = self._seen()
        self._has_moments = seen.has_moments()
        if self.statistic == "mean":
            self.view("mean")  # which may not exist: better told before training
        is_affine = seen.scaling.is_affine
        self._domain = None if is_affine else seen.scaling.inverse_domain(seen.shape[-1])
        return True

    @property
    def needs_residuals(self) -> bool:
        """False: the distribution tells its mean."""
        return False

    def make_loss(self, loss: Any, routed: dict[str, Any]) -> Any:
        """Return the distribution's own loss, or its CRPS."""
        given = self.loss if loss is None else loss
        if self.loss_units != "scaled":
            raise ValueError(
                f"loss_units={self.loss_units!r} is for losses of numbers; that of a distribution "
                "is the same in all units. Use 'scaled'."
            )
        if given is not None and not (isinstance(given, str) and given in _SCORES):
            raise ValueError(
                f"loss={given!r} compares numbers, but with distribution={self.distribution!r} the "
                "network returns parameters. Use None for the likelihood, or 'crps'."
            )
        if routed:
            raise ValueError(
                f"loss__{next(iter(routed))}: the loss of a distribution has no parameters. Give "
                "them to the distribution, as distribution__*."
            )
        made = DistributionLoss(self.distribution_, _SCORES[given])
        return MissingLoss(made) if self._by_cells else made

    def make_metrics(self, metrics: Any) -> list[Any]:
        """Return metrics in target units, of distributions or of what is predicted."""
        map_ = as_map(self.scaler_)
        if self.name_ is not None and metrics is not None and not isinstance(metrics, list | tuple):
            metrics = [metrics]
        if not isinstance(metrics, list | tuple):
            return make_metrics(metrics)
        units = units_of(map_, self.shape_, False)
        direction = None if map_.is_affine else map_.direction((self.shape_ or (1,))[-1])

        def made(metric: Any) -> Any:
            of_distribution = make_distribution_metric(metric, self.distribution_, units, direction)
            if of_distribution is not None:
                return of_distribution
            (of_number,) = make_metrics([metric], widest_float())
            return OfLocation(self._in_units(of_number, map_), self.distribution_)

        return [made(metric) for metric in metrics]

    # Predictions

    @property
    def map_(self) -> Map:
        """The map to the mean; to the median where it is the location, or there is no mean."""
        is_mean = self.statistic == "mean"
        if self.statistic is None:
            is_location = type(self.distribution_).location is Distribution.location
            is_mean = is_location and self._has_moments
        return self.view("mean") if is_mean else self.view("quantile", 0.5)

    def view(self, kind: str, q: float | None = None) -> Map:
        """Return the map from the network's output to mean, deviation or quantile."""
        seen = self._seen()
        if q is not None:
            return Quantile(seen, q, seen.direction())
        if not self._has_moments:
            raise ValueError(
                f"{kind} of {self._named('y')} does not exist for all that the network may say: "
                f"{self._named('target_scaler')}={self.scaler!r} has an inverse that goes to "
                f"infinity within reach of distribution={self.distribution!r}. Ask for quantiles, "
                "or use an affine scaler, such as 'standard'."
            )
        return Mean(seen) if kind == "mean" else Std(seen)

    def _seen(self) -> Seen:
        return Seen(
            self.distribution_,
            as_map(self.scaler_).bounded(),
            self.shape_ or (1,),
            self.shape_ == (),
            self.n_members_,
            self._named("target_scaler"),
        )

    def sample(self, output: np.ndarray, n_samples: int, rng: Any) -> np.ndarray:
        """Return numbers drawn of each, in raw units, one behind the other on a last axis."""
        seen = self._seen()
        every = seen.parameters(output, np)
        drawn = np.stack([sample(self.distribution_, p, n_samples, rng) for p in every])
        member = rng.integers(len(every), size=drawn.shape[1:3])  # of all numbers of a row
        draws, rows = np.indices(member.shape)
        chosen = drawn[member, draws, rows].reshape(-1, *drawn.shape[3:])
        raw = seen.raw(chosen, np)
        return np.moveaxis(raw.reshape(n_samples, len(output), *raw.shape[1:]), 0, -1)

    def log_likelihood(self, output: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density of each row in raw units, NaN left out.

        Numbers that the scaler has none for, such as 0 under a logarithm, have no density.
        """
        seen, y = self._seen(), self._columns(y)
        filled = self._filled(y)
        with np.errstate(all="ignore"):  # what is not finite is told below
            z = seen.scaling.forward(filled, np)
            is_possible = np.isfinite(z)
            z = np.where(is_possible, z, 0.0)
            every = [
                self.distribution_.log_likelihood(z, p, np) for p in seen.parameters(output, np)
            ]
            density = np.logaddexp.reduce(every, axis=0) - np.log(len(every))
            density = density + self._log_slope(seen.scaling, filled, z)
        found = np.where(np.isnan(y), 0.0, np.where(is_possible, density, -np.inf))
        return np.asarray(found.reshape(len(y), -1).sum(axis=1))

    def _log_slope(self, scaling: Map, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return by how much a density is higher in raw units than in scaled ones."""
        if scaling.is_affine:
            slope = 1.0 / np.abs(scaling.locate(0.0, 1.0)[1]) * np.ones_like(y)
        else:
            ends = scaling.inverse_domain(z.shape[-1])
            near = [np.clip(z + step, *ends) for step in (-_STEP, _STEP)]
            low, high = (scaling.inverse(one, np) for one in near)
            slope = (near[1] - near[0]) / np.abs(high - low)
        # A probability of zero itself is none of a density; below counts as zero.
        return np.where((y <= 0) & self.distribution_.keeps_zero, 0.0, np.log(slope))

    def warnings(self, output: np.ndarray, predicted: np.ndarray) -> list[str]:
        """Tell of rows that are cut to the domain of the scaler's inverse, or have no mean."""
        map_ = self.map_
        if isinstance(map_, Quantile):
            return self.cut(output, [map_.q])
        n_rows = rows_not_finite(predicted)
        if not n_rows or rows_not_finite(output):
            return []
        return [
            f"{self._named('target_scaler')}: {n_rows} of {len(output)} rows have no mean that can "
            "be told. Ask for quantiles, such as the median."
        ]

    def cut(self, output: np.ndarray, levels: Sequence[float]) -> list[str]:
        """Tell of rows whose quantiles are cut to the domain of the scaler's inverse."""
        if self._domain is None:
            return []
        seen = self._seen()
        views = [Quantile(seen, level, seen.direction()) for level in levels]
        n_rows = max(
            rows_beyond(self._domain, view.scaled(output.astype(np.float64), np)) for view in views
        )
        if not n_rows:
            return []
        return [
            f"{self._named('target_scaler')}: quantiles of {n_rows} of {len(output)} rows lie "
            "beyond the numbers that its inverse is defined for, and are cut to the end of them. "
            "Are these rows like those of fit?"
        ]
