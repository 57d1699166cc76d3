"""Losses and metrics of networks that return the parameters of a distribution."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, ClassVar

import numpy as np

from .._optional import keras, widest_float
from .._validation import did_you_mean
from ..distributions import Distribution, Quantiles
from ..distributions._base import scores
from ._cells import CellLoss, outputs_of, spread
from ._told import read
from ._units import Unscaling
from ._wrapping import WrappedMetric

ops = keras.ops

_SCORES = ("likelihood", "crps")
#: Nodes of the integral over all quantiles, where a score has no closed form.
_NODES = 32


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class DistributionLoss(CellLoss):
    """What training makes small where a network returns the parameters of a distribution.

    Parameters
    ----------
    distribution : Distribution
        Of each target number, in scaled space.
    score : {"likelihood", "crps"}, default="likelihood"
        The distribution's own loss, minus the log-likelihood unless it says otherwise; or its
        continuous ranked probability score.

    Raises
    ------
    ValueError
        If the score is unknown, or the distribution has none in a graph.

    Notes
    -----
    Targets have shape (n, ..., k), outputs (n, ..., k, n_outputs); those of a single column may
    be without k. The loss has the targets' shape.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling.distributions import Laplace
    >>> loss = DistributionLoss(Laplace(), "crps")
    >>> round(float(loss(np.array([[2.0]]), np.array([[2.0, 0.0]]))), 3)
    0.25
    """

    def __init__(
        self,
        distribution: Distribution,
        score: str = "likelihood",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if score not in _SCORES:
            raise ValueError(
                f"score must be one of {', '.join(map(repr, _SCORES))}, got {score!r}."
            )
        if score == "crps":
            try:
                _try_crps(distribution)
            except NotImplementedError as error:
                raise ValueError(f"score='crps': {error} Or choose score='likelihood'.") from error
        super().__init__(name=name or score, **kwargs)
        self.distribution = distribution
        self.score = score

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each cell, of the targets' shape."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        outputs = outputs_of(y_true, y_pred, self.distribution.n_outputs)
        function = self.distribution.crps if self.score == "crps" else self.distribution.loss
        return function(y_true, self.distribution.parameters(outputs, ops), ops)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        return {
            **super().get_config(),
            "dtype": self.dtype,
            "distribution": self.distribution.get_config(),
            "score": self.score,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DistributionLoss:
        """Restore it from a checkpoint's configuration."""
        return cls(**_with_distribution(config))


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class OfLocation(WrappedMetric):
    """A metric of the location of a distribution, as the prediction of one number.

    Parameters
    ----------
    metric : keras.metrics.Metric
        It is given targets and locations of their shape: both in scaled space, so that it can
        be a :class:`TargetUnits`.
    distribution : Distribution
        Its parameters are what the network returns.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling.distributions import Normal
    >>> metric = OfLocation(keras.metrics.MeanAbsoluteError(), Normal())
    >>> float(metric(np.array([[2.0]]), np.array([[2.5, 7.0]])))
    0.5
    """

    def __init__(self, metric: Any, distribution: Distribution, name: str | None = None) -> None:
        super().__init__(metric, name)
        self.distribution = distribution

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, given in scaled space."""
        y_true, parameters = _read_batch(self.distribution, y_true, y_pred)
        location = self.distribution.location(parameters, ops)
        self.metric.update_state(y_true, location, sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        return {**super().get_config(), "distribution": self.distribution.get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OfLocation:
        """Restore it from a checkpoint's configuration."""
        found: OfLocation = super().from_config(_with_distribution(config))
        return found


class DistributionMetric(keras.metrics.Mean):
    """The mean of a number for each cell, over the targets that are not NaN.

    Without any it is 0, as Keras's own means are.
    """

    #: Parameters beside the distribution, as a configuration can hold them.
    _own: ClassVar[tuple[str, ...]] = ()

    def __init__(self, distribution: Distribution, name: str) -> None:
        super().__init__(name=name, dtype=widest_float())
        self.distribution = distribution

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, given in scaled space."""
        y_true, parameters = _read_batch(self.distribution, y_true, y_pred)
        is_missing, nothing = ops.isnan(y_true), ops.zeros_like(y_true)
        weight = ops.where(is_missing, nothing, ops.ones_like(y_true))
        if sample_weight is not None:
            weight = weight * ops.cast(spread(sample_weight, y_true), weight.dtype)
        values = self._values(ops.where(is_missing, nothing, y_true), parameters)
        super().update_state(ops.where(is_missing, nothing, values), sample_weight=weight)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        own = {name: getattr(self, name) for name in self._own}
        return {"name": self.name, "distribution": self.distribution.get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DistributionMetric:
        """Restore it from a checkpoint's configuration."""
        return cls(**_with_distribution(config))

    def _values(self, y: Any, parameters: tuple[Any, ...]) -> Any:
        """Return the number of each cell."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class Coverage(DistributionMetric):
    """The share of targets within the central interval.

    It is counted in scaled space, and the same in target units: a monotone map takes quantiles
    to quantiles.

    Parameters
    ----------
    distribution : Distribution
        Its parameters are what the network returns.
    level : float, default=0.9
        What the share should be.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling.distributions import Normal
    >>> coverage = Coverage(Normal(), level=0.9)
    >>> outputs = np.zeros((3, 2))  # the interval is -1.64 to 1.64
    >>> round(float(coverage(np.array([[0.0], [1.6], [1.7]]), outputs)), 3)
    0.667
    """

    _own = ("level",)

    def __init__(
        self, distribution: Distribution, level: float = 0.9, name: str | None = None
    ) -> None:
        super().__init__(distribution, name or f"coverage_{level:g}")
        self.level = level
        self._half_width = _half_width(distribution, level)

    def _values(self, y: Any, parameters: tuple[Any, ...]) -> Any:
        low, high = _interval(self.distribution, self._half_width, parameters)
        is_within = ops.logical_and(ops.less_equal(low, y), ops.less_equal(y, high))
        return ops.cast(is_within, y.dtype)


class _InTargetUnits(Unscaling, DistributionMetric):
    """A number of each cell in target units.

    The offset of an affine map goes out, and with it digits that it would cost.
    """

    def __init__(self, distribution: Distribution, inverse: Any, name: str) -> None:
        super().__init__(distribution, name)
        self._direction = "down"
        self._set_inverse(inverse)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        return {**super().get_config(), "inverse": self._inverse_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DistributionMetric:
        """Restore it from a checkpoint's configuration."""
        return cls(**{**_with_distribution(config), "inverse": read(config["inverse"])})

    def _difference(self, a: Any, b: Any) -> Any:
        """Return how far two arrays are apart in target units."""
        if self.inverse is None:
            return (a - b) * self.scale
        return self._unscale_all(a) - self._unscale_all(b)

    def _unscale_all(self, x: Any) -> Any:
        """Return numbers of shape (n, ..., k), or many times as many rows in front of them."""
        shape, n_axes = ops.shape(x), len(self.inverse.input_shape) - 1
        rows = ops.reshape(x, (-1, *shape[-n_axes:]))
        return ops.cast(ops.reshape(self.inverse(rows), shape), x.dtype)


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class IntervalWidth(_InTargetUnits):
    """The mean width of the central interval, in target units.

    Parameters
    ----------
    distribution : Distribution
        Its parameters are what the network returns.
    inverse : tuple of array-like or keras.Model
        From scaled space to target units, as for :class:`TargetUnits`.
    level : float, default=0.9
        The probability of the interval.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling.distributions import Normal
    >>> width = IntervalWidth(Normal(), (50.0, 10.0), level=0.9)
    >>> round(float(width(np.array([[0.0]]), np.zeros((1, 2)))), 2)
    32.9
    """

    _own = ("level",)

    def __init__(
        self,
        distribution: Distribution,
        inverse: Any,
        level: float = 0.9,
        name: str | None = None,
    ) -> None:
        super().__init__(distribution, inverse, name or f"interval_width_{level:g}")
        self.level = level
        self._half_width = _half_width(distribution, level)

    def _values(self, y: Any, parameters: tuple[Any, ...]) -> Any:
        low, high = _interval(self.distribution, self._half_width, parameters)
        return ops.abs(self._difference(high, low))


class _OfQuantiles(_InTargetUnits):
    """A weighted sum of pinball losses.

    A decreasing map takes the quantile of ``1 - q`` to that of ``q``.
    """

    def __init__(self, distribution: Distribution, inverse: Any, direction: Any, name: str) -> None:
        super().__init__(distribution, inverse, name)
        if direction is None:
            scale = inverse[1] if self.inverse is None else 1.0
            direction = np.where(np.asarray(scale, np.float64) < 0.0, -1.0, 1.0)
        self.direction = np.asarray(direction, np.float64)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras needs to restore it in a checkpoint."""
        return {**super().get_config(), "direction": self.direction.tolist()}

    def _pinball(self, y: Any, parameters: tuple[Any, ...], levels: Any, weights: Any) -> Any:
        """Return the weighted sum over levels, of the shape of ``y``."""
        shape = (-1, *(1,) * len(y.shape))
        levels, weights = (np.reshape(each, shape) for each in (levels, weights))
        quantiles = self.distribution.at_scores(scores(levels) * self.direction, parameters, ops)
        error = self._difference(ops.expand_dims(y, 0), quantiles)
        above, below, weights = (
            ops.convert_to_tensor(each, error.dtype) for each in (levels, levels - 1.0, weights)
        )
        losses = ops.where(ops.less(error, ops.zeros_like(error)), below * error, above * error)
        return ops.sum(losses * weights, axis=0)


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class Pinball(_OfQuantiles):
    """The pinball loss of quantiles, in target units; of several, the mean.

    Parameters
    ----------
    distribution : Distribution
        Its parameters are what the network returns.
    inverse : tuple of array-like or keras.Model
        From scaled space to target units, as for :class:`TargetUnits`.
    levels : tuple of float, default=(0.5,)
        Probabilities of the quantiles.
    direction : array-like, default=None
        1 or -1, for each column or for all: whether the inverse rises, as
        ``Map.direction`` says. By default the sign of the scale; 1 for a model.

    Raises
    ------
    ValueError
        If a level is not between 0 and 1, or cannot be had of the distribution.

    Notes
    -----
    The quantiles of ``Quantiles`` are sorted, as those that are predicted; its loss sees them as
    the network returns them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling.distributions import Normal
    >>> pinball = Pinball(Normal(), (50.0, 10.0), levels=(0.5,))
    >>> float(pinball(np.array([[1.0]]), np.zeros((1, 2))))
    5.0
    """

    _own = ("levels",)

    def __init__(
        self,
        distribution: Distribution,
        inverse: Any,
        levels: Any = (0.5,),
        direction: Any = None,
        name: str | None = None,
    ) -> None:
        levels = tuple(levels)
        default = f"pinball_{levels[0]:g}" if len(levels) == 1 else "pinball"
        super().__init__(distribution, inverse, direction, name or default)
        self.levels = levels
        for level in levels:
            _try_scores(distribution, scores(level))

    def _values(self, y: Any, parameters: tuple[Any, ...]) -> Any:
        count = len(self.levels)
        return self._pinball(y, parameters, self.levels, np.full(count, 1.0 / count))


@keras.saving.register_keras_serializable(package="sklearn_keras_scaling")
class ContinuousRankedProbabilityScore(_OfQuantiles):
    """The continuous ranked probability score, in target units.

    Parameters
    ----------
    distribution : Distribution
        Its parameters are what the network returns.
    inverse : tuple of array-like or keras.Model
        From scaled space to target units, as for :class:`TargetUnits`.
    direction : array-like, default=None
        1 or -1, for each column or for all: whether the inverse rises, as
        ``Map.direction`` says. By default the sign of the scale; 1 for a model.

    Raises
    ------
    ValueError
        If the distribution says nothing about other quantiles than one.

    Notes
    -----
    Behind an affine map it is the distribution's own, times the scale. Behind others, and of
    distributions without a closed form, it is twice the integral of the pinball loss over all
    levels, by the Gauss-Legendre rule of 32 nodes: within 1e-3 of the score in a mean over
    rows, and of a single row within 2e-2 of the mean.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling.distributions import Normal
    >>> crps = ContinuousRankedProbabilityScore(Normal(), (50.0, 10.0))
    >>> round(float(crps(np.array([[0.0]]), np.zeros((1, 2)))), 3)
    2.337
    """

    def __init__(
        self,
        distribution: Distribution,
        inverse: Any,
        direction: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(distribution, inverse, direction, name or "crps")
        self._is_closed = self.inverse is None
        try:
            _try_crps(distribution)
        except NotImplementedError:
            self._is_closed = False

    def _values(self, y: Any, parameters: tuple[Any, ...]) -> Any:
        if self._is_closed:
            return ops.abs(self.scale) * self.distribution.crps(y, parameters, ops)
        x, weights = np.polynomial.legendre.leggauss(_NODES)
        # Those of (-1, 1) sum to 2, as twice the integral over (0, 1) does.
        return self._pinball(y, parameters, (x + 1.0) / 2.0, weights)


_KINDS: dict[str, Any] = {
    "crps": ContinuousRankedProbabilityScore,
    "coverage": Coverage,
    "interval_width": IntervalWidth,
    "pinball": Pinball,
}
_EXAMPLES = "'crps', 'coverage_0.9', 'interval_width_0.9', 'pinball_0.05'"


def make_distribution_metric(
    metric: Any, distribution: Distribution, inverse: Any, direction: Any = None
) -> Any:
    """Return the metric of distributions that a name stands for.

    Parameters
    ----------
    metric : object
        "crps", "coverage_0.9", "interval_width_0.9" or "pinball_0.05", with any levels;
        "pinball" for the mean over all levels of ``Quantiles``.
    distribution : Distribution
        Its parameters are what the network returns.
    inverse : tuple of array-like or keras.Model
        From scaled space to target units, as for :class:`TargetUnits`.
    direction : array-like, default=None
        1 or -1: whether a model of the inverse rises, as ``Map.direction`` says.

    Returns
    -------
    metric : keras.metrics.Metric or None
        None for what is no name of these: a metric of one number, for :class:`OfLocation`.

    Raises
    ------
    ValueError
        If a level is missing or wrong, or the name is nearly one of these.

    Examples
    --------
    >>> from sklearn_keras_scaling.distributions import Normal
    >>> make_distribution_metric("coverage_0.9", Normal(), (0.0, 1.0))
    <Coverage name=coverage_0.9>
    """
    if not isinstance(metric, str):
        return None
    kind = next((kind for kind in _KINDS if metric == kind or metric.startswith(f"{kind}_")), None)
    if kind is None:
        _refuse_typing_error(metric)
        return None
    if kind == "crps":
        if metric != kind:
            raise ValueError(f"metrics={metric!r}: the score has no level. Write 'crps'.")
        return ContinuousRankedProbabilityScore(distribution, inverse, direction)
    if metric == "pinball" and isinstance(distribution, Quantiles):
        return Pinball(distribution, inverse, distribution.quantiles, direction, metric)
    level = _level(metric, kind)
    if kind == "coverage":
        return Coverage(distribution, level, name=metric)
    if kind == "interval_width":
        return IntervalWidth(distribution, inverse, level, name=metric)
    return Pinball(distribution, inverse, (level,), direction, name=metric)


def _level(metric: str, kind: str) -> float:
    """Return the level that a name ends with."""
    written = metric[len(kind) + 1 :]
    try:
        level = float(written)
    except ValueError:
        level = float("nan")
    if not 0.0 < level < 1.0:
        what = "needs a level" if not written else f"has the level {written!r}, which is not"
        raise ValueError(
            f"metrics={metric!r} {what} between 0 and 1, both excluded. Write {_EXAMPLES}; "
            "0.9 stands for 90 %."
        )
    return level


def _refuse_typing_error(metric: str) -> None:
    """Raise ``ValueError`` for a name that is nearly one of a metric of distributions."""
    stem = metric.rstrip("0123456789.").rstrip("_")
    if get_close_matches(stem, _KINDS, n=1, cutoff=0.75):
        raise ValueError(
            f"metrics={metric!r} is no metric of a distribution. {did_you_mean(stem, _KINDS)} "
            f"Write, for example, {_EXAMPLES}."
        )


def _with_distribution(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "distribution": Distribution.from_config(config["distribution"])}


def _read_batch(distribution: Distribution, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return targets of shape (n, ..., k) and parameters of theirs, in the widest float."""
    y_true, y_pred = (ops.cast(each, widest_float()) for each in (y_true, y_pred))
    if len(y_true.shape) == 1:
        y_true = ops.expand_dims(y_true, -1)
    outputs = outputs_of(y_true, y_pred, distribution.n_outputs)
    return y_true, distribution.parameters(outputs, ops)


def _half_width(distribution: Distribution, level: float) -> float:
    """Return the normal score of the central interval's upper end."""
    if not 0.0 < level < 1.0:
        raise ValueError(
            f"An interval's level lies between 0 and 1, both excluded, got {level:g}. Write 0.9 "
            "for 90 %."
        )
    score = float(scores((1.0 + level) / 2.0))
    _try_scores(distribution, score)
    return score


def _interval(distribution: Distribution, half_width: float, parameters: Any) -> tuple[Any, Any]:
    low, high = (distribution.at_scores(t, parameters, ops) for t in (-half_width, half_width))
    return low, high


def _try_scores(distribution: Distribution, t: Any) -> None:
    """Let a distribution raise for a quantile that it has not."""
    outputs = np.zeros((1, distribution.n_outputs))
    distribution.at_scores(t, distribution.parameters(outputs, np), np)


def _try_crps(distribution: Distribution) -> None:
    """Let a distribution raise if it has no score in a graph."""
    outputs = ops.zeros((1, distribution.n_outputs))
    distribution.crps(ops.zeros(1), distribution.parameters(outputs, ops), ops)
