"""Scalers that work inside the network while it is trained."""

from __future__ import annotations

import copy
import math
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval

from .._blocks import BLOCK
from .._optional import is_stock, keras
from .._structure import each, named, parts
from ..layers import ReversibleInstanceNormalization
from ..scalers import StandardScaler
from ..scalers._base import is_negligible

#: Deviation, in usual ones, below which a series counts as flat: with its own scale, a forecast
#: could not leave its level by as much as others do.
_FLAT = 1e-2
#: Share of its own size that a training series moves by to be one of another size, not a flat one.
_OF_SIZE = 1e-3
#: Deviation, in usual ones, that float32 hides in numbers some times as large.
_LOST = 1e-6
#: Deviations of no more than so many roundings of the numbers themselves are none.
_ROUNDINGS = 16
#: Scaled numbers that may be off by so much at the end of training, before ``fit`` warns.
_LAG = 0.1


class BatchNormScaler(StandardScaler):
    """Scale by what a ``BatchNormalization`` in front of the network learns while it trains.

    The layer, with ``center=False, scale=False``, sees raw numbers and normalises each batch
    by its own mean and variance. Its moving statistics are left for prediction::

        z = (x - mean_) / scale_,   scale_ = sqrt(var_ + epsilon)

    Parameters
    ----------
    momentum : float, default=0.99
        Share of the moving statistics that a step keeps: after k steps, ``momentum**k`` of
        what they began with, mean 0 and variance 1, is left in them.
    epsilon : float, default=1e-3
        What the layer adds to variances, in squared raw units.

    Attributes
    ----------
    mean_, var_, scale_ : ndarray of shape (n_features,), float64
        Moving mean, moving variance and divisor, in raw units.
    statistics_ : Moments
        Of the rows that it was fitted on themselves, which constant columns keep.
    lag_ : ndarray of shape (n_features,), float64
        By how much at most a row within a standard deviation of the mean is scaled wrong,
        against these rows' own statistics; in scaled space.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import ScaledKerasRegressor
    >>> X = np.random.default_rng(0).normal(20.0, 5.0, size=(320, 1))
    >>> regressor = ScaledKerasRegressor(
    ...     input_scaler="batchnorm", input_scaler__momentum=0.9, epochs=20, random_state=0
    ... ).fit(X, X.ravel())
    >>> bool(regressor.input_scaler_.lag_.max() < 0.1)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    mean_: np.ndarray
    var_: np.ndarray
    scale_: np.ndarray

    def __init__(self, *, momentum: float = 0.99, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.momentum = momentum
        self.epsilon = epsilon

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn the statistics of the rows; without weights, which the layer has none of."""
        return super().fit(X)

    def partial_fit(self, X: Any, y: Any = None) -> Any:
        """Learn those of more rows."""
        return super().partial_fit(X)

    @property
    def lag_(self) -> np.ndarray:
        """By how much rows within a standard deviation of the mean are scaled wrong."""
        mean, scale = self._of_rows()
        return (np.abs(mean - self.mean_) + np.abs(scale - self.scale_)) / self.scale_

    def _of_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what moving statistics that do not lag come to."""
        scale = np.sqrt(self.statistics_.variance + self.epsilon)
        return self.statistics_.mean, np.where(self.constant_features_, 1.0, scale)

    def _set_attributes(self, statistics: Any, shape: tuple[int, ...]) -> None:
        known = ("mean_", "var_", "scale_")
        moving = {name: value for name, value in vars(self).items() if name in known}
        super()._set_attributes(statistics, shape)
        self.__dict__.update(moving or _untrained(shape))

    def layer(self) -> Any:
        """Return a layer that goes on from the moving statistics."""
        layer = keras.layers.BatchNormalization(
            center=False, scale=False, momentum=self.momentum, epsilon=self.epsilon
        )
        layer.build((None, *self.input_shape_))
        layer.moving_mean.assign(self.mean_)
        layer.moving_variance.assign(self.var_)
        return layer

    def in_training(self) -> Any:
        """Return a copy that scales about as the layer does in training."""
        mean, scale = self._of_rows()
        return self._with(mean_=mean, scale_=scale)

    def passing(self) -> Any:
        """Return a copy that passes raw numbers, for the layer to see."""
        return self._with(**_untrained(self.mean_.shape))

    def having_learnt(self, layer: Any) -> Any:
        """Return a copy with the layer's moving statistics."""
        mean, variance = (
            keras.ops.convert_to_numpy(v).astype(np.float64)
            for v in (layer.moving_mean, layer.moving_variance)
        )
        # Constant columns are 0 in every batch, and so they are afterwards.
        of_rows, constant = self._of_rows(), self.constant_features_
        return self._with(
            mean_=np.where(constant, of_rows[0], mean),
            var_=variance,
            scale_=np.where(constant, of_rows[1], np.sqrt(variance + self.epsilon)),
        )

    def _with(self, **attributes: np.ndarray) -> Any:
        other = copy.copy(self)
        other.__dict__.update(attributes)
        return other


class InstanceScaler(StandardScaler):
    """Standardize series, and let the network see each of them less its own mean and deviation.

    On the host, the mean of all series and the usual deviation within one; inside the network,
    each series and feature is normalised over its own steps, and the forecast is brought back to
    the level of its series, as :class:`ReversibleInstanceNormalization` does. The target, which
    must be of the same series, is scaled with its statistics.

    Series that are flat, or nearly so, have the usual deviation for theirs, so that by other
    features forecasts of them can leave their level. Nearly flat are those that move by less than
    a hundredth of the usual deviation; where series of the training data that move by a thousandth
    of their own size are smaller, those that move less than any of these. If some are so small that
    float32 takes them for flat, the forecast of what is flat is its level.

    Parameters
    ----------
    features : int or list of int, default=None
        Which of the input's features the target is: a number for one, at one or more steps; a
        list for one of each column of ``y``. None: the only feature, or, of targets of shape
        (n_samples, n_steps, n_features), all of them in order.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_features,), float64
        Mean of all series, and the usual deviation within one; where no series moves by more than
        rounding, that of all numbers.
    least_ : ndarray of shape (n_features,), float64
        Smallest deviation of a series that moves by a thousandth of its size; infinite where
        none does.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "features": [Integral, list, tuple, np.ndarray, None]
    }

    mean_: np.ndarray
    scale_: np.ndarray

    def __init__(self, *, features: Any = None) -> None:
        super().__init__()
        self.features = features

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Learn the mean of all series and the usual deviation within one."""
        super().fit(X, sample_weight=sample_weight)
        self.deviations_, self.least_ = _learn_deviations(StandardScaler(), X, sample_weight)
        return self._scale_as_within()

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Learn those of more series."""
        known: Any = copy.deepcopy(getattr(self, "deviations_", StandardScaler()))
        least = getattr(self, "least_", np.inf)
        super().partial_fit(X, sample_weight=sample_weight)
        self.deviations_, found = _learn_deviations(known, X, sample_weight)
        self.least_ = np.minimum(least, found)
        return self._scale_as_within()

    def _scale_as_within(self) -> Any:
        # By all levels, targets that move little around theirs would be too small to learn.
        within, all_ = np.sqrt(self.deviations_.var_), self.statistics_
        size = np.hypot(all_.mean, np.sqrt(all_.variance))
        # By the numbers' own size: by their mean, which is 0, deviations that are rounding count.
        is_constant = is_negligible(within, size, _ROUNDINGS)
        self.scale_ = np.where(is_constant, self.scale_, within)
        self.var_ = self.scale_**2  # by which exports tell how many digits are needed
        return self

    def _set_attributes(self, statistics: Any, shape: tuple[int, ...]) -> None:
        if len(self.input_shape_) != 2:
            raise ValueError(
                "input_scaler='instance' takes series of shape (n_samples, n_steps, n_features), "
                f"got samples of shape {self.input_shape_}. Make windows of them: make_windows."
            )
        super()._set_attributes(statistics, shape)

    def forecast_of(self, target_shape: tuple[int, ...]) -> tuple[int, list[int]]:
        """Return how many steps a target of this shape has, and which features it is.

        Raises
        ------
        ValueError
            If that is not told, or there are no such features.
        """
        n, features = len(self.mean_), self.features
        if features is None and (n == 1 or len(target_shape) == 2):
            features = 0 if n == 1 else range(n)
        named = [features] if np.ndim(features) == 0 else list(features)
        if isinstance(features, Integral) and len(target_shape) < 2:
            steps = math.prod(target_shape)
        else:
            steps = target_shape[0] if len(target_shape) == 2 else 1
        are_numbers = all(isinstance(f, Integral) and not isinstance(f, bool) for f in named)
        fits = are_numbers and all(-n <= f < n for f in named)
        if not fits or steps * len(named) != math.prod(target_shape):
            raise ValueError(
                f"input_scaler='instance' brings a target back to the level of its series, but a "
                f"row of y has shape {target_shape}, and the series has {n} features, of which "
                f"input_scaler__features={self.features!r} names the target's. Name the feature "
                "that y is by its number, or one for each column of y in a list."
            )
        return int(steps), [int(feature) % n for feature in named]

    def scaler_of(self, target_shape: tuple[int, ...]) -> StandardScaler:
        """Return the scaler of a target of this shape: with the statistics of its features."""
        _, features = self.forecast_of(target_shape)
        loc, scale = self.mean_[features], self.scale_[features]
        shape = (2, *(target_shape or (1,)))
        two = np.stack([loc - scale, loc + scale]).reshape(2, *(1,) * (len(shape) - 2), -1)
        scaler = StandardScaler().fit(np.broadcast_to(two, shape))
        # Not judged again: what is constant is decided once, of the series.
        scaler.mean_, scaler.scale_ = (np.resize(each_one, shape[-1]) for each_one in (loc, scale))
        scaler.var_ = scaler.scale_**2
        return scaler

    def flat_below(self) -> np.ndarray:
        """Return below which deviation, in scaled space, a series counts as flat.

        Powers of ten, so that fits to folds of the same data have one architecture; 0 where
        small series cannot be told from flat ones.
        """
        with np.errstate(divide="ignore"):
            power = np.floor(np.log10(self.least_ / self.scale_ / 2))
        return np.where(10.0**power < _LOST, 0.0, np.minimum(10.0**power, _FLAT))


def _learn_deviations(scaler: Any, X: Any, weight: Any) -> tuple[Any, np.ndarray]:
    """Let a scaler learn series less their own means; return it and the least that one moves.

    In parts, since windows share memory.
    """
    X = np.asarray(X)
    least = np.full(X.shape[-1], np.inf)
    for rows in gen_batches(len(X), max(1, BLOCK // max(1, math.prod(X.shape[1:])))):
        part = X[rows].astype(np.float64)
        size = np.abs(part).max(axis=1)
        part -= part[:, :1]  # what does not move is 0, not the rounding of its mean
        part -= part.mean(axis=1, keepdims=True)
        deviation = np.sqrt(np.mean(np.square(part), axis=1))
        moves = deviation > _OF_SIZE * size
        least = np.minimum(least, np.where(moves, deviation, np.inf).min(axis=0))
        scaler.partial_fit(part, sample_weight=None if weight is None else weight[rows])
    return scaler, least


class _SeriesNormalization(ReversibleInstanceNormalization):
    """The same for scaled series, with a smallest deviation of each feature's own."""

    def __init__(self, flat_below: np.ndarray) -> None:
        super().__init__()
        self._flat_below = flat_below

    def _flat(self, mean: Any) -> tuple[Any, Any, Any]:
        one, below = keras.ops.ones_like(mean), self._flat_below
        least, scale = (
            keras.ops.multiply(one, each_one.astype(self.statistics_dtype))
            for each_one in (below, below > 0)
        )
        return least, one, scale


def _untrained(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {"mean_": np.zeros(shape), "var_": np.ones(shape), "scale_": np.ones(shape)}


def front_layers(scalers: Any) -> Any:
    """Return the layer of each scaler that works inside the network, None of the others."""
    return each(lambda _, s: s.layer() if isinstance(s, BatchNormScaler) else None, scalers)


def passing(scalers: Any) -> Any:
    """Return the scalers for the time of training: those whose layer works pass raw numbers."""
    return each(lambda _, s: s.passing() if isinstance(s, BatchNormScaler) else s, scalers)


def in_training(scalers: Any) -> Any:
    """Return the scalers as the network meets them in training, those in front of it too."""
    return each(lambda _, s: s.in_training() if isinstance(s, BatchNormScaler) else s, scalers)


def having_learnt(scalers: Any, layers: Any) -> Any:
    """Return the scalers with what their layers have learnt, and warn of those that lag."""

    def learnt(name: Any, scaler: Any, layer: Any) -> Any:
        if layer is None:
            return scaler
        found = scaler.having_learnt(layer)
        _warn_of_lag(named("input_scaler_", name), found)
        return found

    return each(learnt, scalers, layers)


def with_layers_in_front(layers: Any, network: Any, inputs: Any) -> Any:
    """Return a model of layers, where there are any, and the network behind them.

    Parameters
    ----------
    layers : keras.Layer or None, or dict or list of them
        Of each input.
    network : keras.Model
        Built.
    inputs : ndarray, or dict or list of ndarray
        A few rows.

    Raises
    ------
    TypeError
        If there are layers, but the network's class may train otherwise than Keras's own do.
    """
    if all(layer is None for layer in parts(layers)):
        return network
    _check_stock(network, "batchnorm", "BatchNormalization")
    tensors = _input_tensors(inputs)
    outputs = network(each(lambda _, x, layer: x if layer is None else layer(x), tensors, layers))
    return _model(tensors, outputs, network)


def series_of(scalers: Any) -> Any:
    """Return the scaler of the series that a target belongs to, None where there is none.

    Raises
    ------
    ValueError
        If there are several.
    """
    found = [scaler for scaler in parts(scalers) if isinstance(scaler, InstanceScaler)]
    if len(found) > 1:
        raise ValueError(
            "input_scaler is 'instance' for several inputs, but the target can be brought back to "
            "the level of one series only. Use it for that one."
        )
    return found[0] if found else None


def normalizing_instances(
    scalers: Any, network: Any, inputs: Any, forecast: tuple[Any, ...] | None
) -> Any:
    """Return the network, where a scaler asks for it with each series scaled by itself inside.

    Parameters
    ----------
    scalers : scaler, or dict or list of them
        Fitted, of each input.
    network : keras.Model
        Made for the normalised series.
    inputs : ndarray, or dict or list of ndarray
        A few rows in scaled space.
    forecast : tuple or None
        Steps of the target and, as a list, the features that it belongs to: the outputs come
        back to the level of the series. None leaves them.

    Returns
    -------
    network : keras.Model
        Of Keras's own operations, if the network is.
    """
    if not any(isinstance(scaler, InstanceScaler) for scaler in parts(scalers)):
        return network
    _check_stock(network, "instance", "ReversibleInstanceNormalization")
    tensors, found = _input_tensors(inputs), []

    def normalized(_: Any, x: Any, scaler: Any) -> Any:
        if not isinstance(scaler, InstanceScaler):
            return x
        # call, and not the layer: the operations stand in the graph, whose file needs no package.
        layer = _SeriesNormalization(scaler.flat_below())
        z, statistics = layer.call(x)
        found.append((layer, statistics))
        return z

    outputs = network(each(normalized, tensors, scalers))
    # Outputs of another size are refused where all are.
    if forecast is not None and math.prod(outputs.shape[1:]) == forecast[0] * len(forecast[1]):
        outputs = _denormalized(*found[0], outputs, *forecast)
    return _model(tensors, outputs, network)


def _denormalized(layer: Any, statistics: Any, outputs: Any, steps: int, features: Any) -> Any:
    of_target = [keras.ops.take(one, np.array(features), axis=-1) for one in statistics]
    forecast = keras.ops.reshape(outputs, (-1, steps, len(features)))
    return keras.ops.reshape(layer.call(forecast, statistics=of_target), (-1, *outputs.shape[1:]))


def _check_stock(network: Any, name: str, layer: str) -> None:
    if not is_stock(network):
        raise TypeError(
            f"input_scaler={name!r} puts a layer in front of the network, which must be a "
            f"keras.Sequential or keras.Model of layers for that, got {type(network).__name__}. "
            f"Put a {layer} into it, and use another input_scaler."
        )


def _input_tensors(inputs: Any) -> Any:
    def tensor(name: Any, array: np.ndarray) -> Any:
        return keras.Input(array.shape[1:], name=name if isinstance(name, str) else None)

    return each(tensor, inputs)


def _model(tensors: Any, outputs: Any, network: Any) -> Any:
    model = keras.Model(tensors, outputs)
    if len(model.outputs) > 1:  # else all have the name of the network
        model.output_names = network.output_names
    return model


def _warn_of_lag(parameter: str, scaler: BatchNormScaler) -> None:
    if (scaler.lag_ > _LAG).any():
        # Without numbers, so that Python shows it once in a search.
        warnings.warn(
            f"{parameter}: moving statistics lag behind those of the rows that the scaler was "
            f"fitted on, so that predictions scale by more than {_LAG} standard deviations wrong; "
            f"{parameter}.lag_ has each column's. Train for more steps, or lower "
            "input_scaler__momentum.",
            UserWarning,
            stacklevel=5,
        )
