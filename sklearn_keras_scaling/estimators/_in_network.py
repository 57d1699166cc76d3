"""Scalers that work inside the network while it is trained."""

from __future__ import annotations

import copy
import warnings
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from .._optional import keras
from .._structure import each, named, parts
from ..scalers import StandardScaler

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
        Of the rows that it was fitted on themselves.
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

    @property
    def lag_(self) -> np.ndarray:
        """By how much rows within a standard deviation of the mean are scaled wrong."""
        mean, deviation = self.statistics_.mean, np.sqrt(self.statistics_.variance)
        return (np.abs(mean - self.mean_) + np.abs(deviation - self.scale_)) / self.scale_

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

    def passing(self) -> Any:
        """Return a copy that passes raw numbers, for the layer to see."""
        return self._with(**_untrained(self.mean_.shape))

    def having_learnt(self, layer: Any) -> Any:
        """Return a copy with the layer's moving statistics."""
        mean, variance = (
            keras.ops.convert_to_numpy(v).astype(np.float64)
            for v in (layer.moving_mean, layer.moving_variance)
        )
        return self._with(mean_=mean, var_=variance, scale_=np.sqrt(variance + self.epsilon))

    def _with(self, **attributes: np.ndarray) -> Any:
        other = copy.copy(self)
        other.__dict__.update(attributes)
        return other


def _untrained(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {"mean_": np.zeros(shape), "var_": np.ones(shape), "scale_": np.ones(shape)}


def front_layers(scalers: Any) -> Any:
    """Return the layer of each scaler that works inside the network, None of the others."""
    return each(lambda _, s: s.layer() if isinstance(s, BatchNormScaler) else None, scalers)


def passing(scalers: Any) -> Any:
    """Return the scalers for the time of training: those whose layer works pass raw numbers."""
    return each(lambda _, s: s.passing() if isinstance(s, BatchNormScaler) else s, scalers)


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
    if type(network).__module__.split(".")[0] != "keras":
        raise TypeError(
            f"input_scaler='batchnorm' puts a layer in front of the network, which must be a "
            f"keras.Sequential or keras.Model of layers for that, got {type(network).__name__}. "
            "Put a BatchNormalization into it, and use input_scaler=None."
        )
    tensors = each(
        lambda name, array: keras.Input(
            array.shape[1:], name=name if isinstance(name, str) else None
        ),
        inputs,
    )
    scaled = each(lambda _, x, layer: x if layer is None else layer(x), tensors, layers)
    outputs = network(scaled)
    model = keras.Model(tensors, outputs)
    if len(model.outputs) > 1:  # else all have the name of the network
        model.output_names = network.output_names
    return model


def _warn_of_lag(parameter: str, scaler: BatchNormScaler) -> None:
    lag = scaler.lag_
    if (lag > _LAG).any():
        column = int(np.argmax(lag))
        warnings.warn(
            f"{parameter}: the moving statistics of column {column} lag behind those of the "
            "rows that it was fitted on: scaled numbers are off by up to "
            f"{lag[column]:.2g} standard deviations in prediction. Train for more steps, or lower "
            "input_scaler__momentum (0.99 unless told).",
            UserWarning,
            stacklevel=5,
        )
