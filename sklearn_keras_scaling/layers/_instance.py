"""Each sample scaled by its own statistics, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._optional import keras
from ..maps._local import is_more_than_rounding, root_of, scale_of
from ._base import StatisticsLayer, counting, ops, register


@register
class ReversibleInstanceNormalization(StatisticsLayer):
    """Each series less its own mean, over its own standard deviation; and forecasts back.

    For series whose level drifts: the network sees each one at mean 0 and standard deviation 1,
    and its forecast returns to that series' units. ``normalized, statistics = layer(series)``
    normalises; ``layer(forecast, statistics=statistics)`` denormalises. The statistics are
    tensors that the caller hands on: the layer keeps none of them.

    ``z = (x - mean) / std * gamma + beta`` and ``y = (z - beta) / gamma * std + mean``, for each
    sample and feature over its steps.

    Parameters
    ----------
    affine : bool, default=False
        Whether ``gamma`` and ``beta``, one for each feature, are there and learnt.
    minimum_scale : float, default=0.0
        Standard deviation, in the units of the inputs, below which a series counts as flat, and
        is scaled by ``fallback_scale`` instead. With 0 only what does not move is flat, and every
        forecast of it is its mean.
    fallback_scale : float, default=1.0
        What flat series are divided by and their forecasts multiplied with, if
        ``minimum_scale`` is not 0: the usual deviation of the training data.
    **kwargs
        ``name``, ``dtype`` and what else :class:`keras.Layer` takes.

    Raises
    ------
    ValueError
        If a scale is negative or not finite, the input has another number of axes, or a
        forecast other features than the statistics.

    See Also
    --------
    LocalNormalization : By a window around each step; it has no way back.

    Notes
    -----
    Inputs have shape (batch, steps, features), with one or more axes of steps. Of the results,
    ``normalized`` has the shape of the inputs and the layer's compute dtype; ``statistics`` is a
    pair of mean and standard deviation, of shape (batch, 1, features) with an axis for each
    one of steps. They and forecasts in raw units are float32 at least, under
    ``mixed_float16`` too. A forecast has any number of steps and the features of the series; of
    some of these, without ``affine``, pick the statistics:
    ``layer(forecast, statistics=[s[..., :1] for s in statistics])``.

    NaN and steps where the mask is False are left out; NaN stay NaN, and masked steps become 0.
    Where a standard deviation is no more than the rounding of the mean, series become 0 and every
    forecast their mean: constant series come back unchanged, and what follows cannot leave their
    level, whatever the other features say. With a ``minimum_scale`` they, and those that move less
    than that, still come back unchanged, but forecasts are in units of ``fallback_scale``. For
    inputs in standardised units, 0.01 and 1.0 are a start. A ``gamma`` of 0 divides as 1. Gradients
    flow through the statistics, where the authors' code stops them.

    References
    ----------
    Kim, Kim, Tae, Park, Choi, Choo, "Reversible instance normalization for accurate time-series
    forecasting against distribution shift", ICLR 2022.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from sklearn_keras_scaling import ReversibleInstanceNormalization
    >>> layer = ReversibleInstanceNormalization()
    >>> series = keras.Input((12, 2))
    >>> normalized, statistics = layer(series)
    >>> forecast = keras.layers.Dense(2, kernel_initializer="zeros")(normalized[:, -3:])
    >>> model = keras.Model(series, layer(forecast, statistics=statistics))
    >>> x = np.linspace(1e3, 1e3 + 11, 12).reshape(1, 12, 1) + [[[0.0, 5.0]]]
    >>> print(model.predict(x, verbose=0)[0])  # 0 is the mean of each series
    [[1005.5 1010.5]
     [1005.5 1010.5]
     [1005.5 1010.5]]

    A series that does not move, with the usual deviation for its own:

    >>> layer = ReversibleInstanceNormalization(minimum_scale=0.01, fallback_scale=5.0)
    >>> flat, statistics = layer(np.full((1, 12, 1), 7.0))
    >>> print(np.asarray(layer(flat[:, -1:] + 1.0, statistics=statistics)).ravel())
    [12.]
    """

    def __init__(
        self,
        *,
        affine: bool = False,
        minimum_scale: float = 0.0,
        fallback_scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.affine = affine
        if not 0 <= minimum_scale < np.inf:
            raise ValueError(f"minimum_scale must be 0 or more, and finite, got {minimum_scale!r}.")
        if not 0 < fallback_scale < np.inf:
            raise ValueError(f"fallback_scale must be above 0 and finite, got {fallback_scale!r}.")
        self.minimum_scale = minimum_scale
        self.fallback_scale = fallback_scale

    def build(self, inputs_shape: Any, statistics_shape: Any = None) -> None:
        """Create ``gamma`` and ``beta``."""
        self._check_rank(inputs_shape)
        if self.affine:
            if inputs_shape[-1] is None:
                raise ValueError(
                    f"{self.name!r} with affine=True needs to know the number of features, got "
                    f"shape {tuple(inputs_shape)}."
                )
            shape = (inputs_shape[-1],)
            self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")

    def call(self, inputs: Any, statistics: Any = None, mask: Any = None) -> Any:
        """Return normalised series and statistics; given these, a forecast in raw units."""
        x = ops.cast(inputs, self.statistics_dtype)
        if statistics is None:
            return self._normalize(x, mask)
        return self._denormalize(x, *statistics)

    def _normalize(self, x: Any, mask: Any) -> tuple[Any, tuple[Any, Any]]:
        self._check_rank(x.shape)
        is_nan = ops.isnan(x)
        # Taken out and put back: their gradient would be NaN for all of the series.
        x = ops.where(is_nan, ops.zeros_like(x), x)
        counts = ops.logical_not(is_nan)
        if mask is not None:
            mask = counting(mask, len(x.shape), 1)
            counts = ops.logical_and(counts, mask)
        deviation, mean, std = _two_passes(x, counts)
        divisor, std = self._scales(std, mean)
        z = ops.divide(deviation, divisor)
        if self.affine:
            z = ops.add(ops.multiply(z, self._weight(self.gamma)), self._weight(self.beta))
        z = ops.where(is_nan, ops.full_like(z, float("nan")), z)
        if mask is not None:
            z = ops.where(mask, z, ops.zeros_like(z))
        return ops.cast(z, self.compute_dtype), (mean, std)

    def _scales(self, std: Any, mean: Any) -> tuple[Any, Any]:
        """Return what series are divided by, and what forecasts are multiplied with."""
        if (flat := self._flat(mean)) is not None:
            least, divisor, scale = flat
            moves = ops.greater_equal(std, least)
            moves = ops.logical_and(moves, is_more_than_rounding(std, mean, self.eps, ops))
            return ops.where(moves, std, divisor), ops.where(moves, std, scale)
        divisor = scale_of(std, mean, self.eps, ops)
        # 0 where it is no more than rounding: a forecast of what did not move is its level.
        return divisor, ops.where(ops.equal(divisor, std), std, ops.zeros_like(std))

    def _flat(self, mean: Any) -> tuple[Any, Any, Any] | None:
        """Return below which deviation series are flat, their divisor, and that of forecasts."""
        if not self.minimum_scale:
            return None
        fallback = ops.full_like(mean, self.fallback_scale)
        return ops.full_like(mean, self.minimum_scale), fallback, fallback

    def _denormalize(self, z: Any, mean: Any, std: Any) -> Any:
        n_features = {mean.shape[-1], *(self.gamma.shape if self.affine else ())}
        if len(z.shape) != len(mean.shape) or {z.shape[-1]} != n_features:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: a forecast of shape {tuple(z.shape)} does "
                f"not fit statistics of shape {tuple(mean.shape)}. It needs as many axes, and the "
                "same features, all of them with affine=True. Else pick the statistics of some: "
                "[s[..., :1] for s in statistics]."
            )
        if self.affine:
            gamma = self._weight(self.gamma)
            gamma = ops.where(ops.equal(gamma, 0), ops.ones_like(gamma), gamma)
            z = ops.divide(ops.subtract(z, self._weight(self.beta)), gamma)
        mean, std = (ops.cast(each, self.statistics_dtype) for each in (mean, std))
        # The mean first: Keras on TensorFlow takes (n, 1, 1) behind n steps for a bias of theirs.
        return ops.add(mean, ops.multiply(z, std))

    def _weight(self, weight: Any) -> Any:
        return ops.cast(weight, self.statistics_dtype)

    def _check_rank(self, shape: Sequence[int | None]) -> None:
        if len(shape) < 3:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} takes series of shape (batch, steps, "
                f"features), got shape {tuple(shape)}. Give a single feature an axis of its own: "
                "x[..., None]."
            )

    def compute_output_shape(self, inputs_shape: Any, statistics_shape: Any = None) -> Any:
        """Return the shapes of normalised series and statistics, or that of a forecast."""
        self._check_rank(inputs_shape)
        if statistics_shape is not None:
            return tuple(inputs_shape)
        n_steps = len(inputs_shape) - 2
        shape = (inputs_shape[0], *(1,) * n_steps, inputs_shape[-1])
        return tuple(inputs_shape), (shape, shape)

    def compute_output_spec(self, inputs: Any, statistics: Any = None, mask: Any = None) -> Any:
        """Return the same with dtypes, which differ."""
        # Not by compute_output_shape, as a keras.Layer does: to it all have the compute dtype.
        return keras.Operation.compute_output_spec(self, inputs, statistics=statistics, mask=mask)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask of the first output, which is that of the input."""
        return previous_mask

    def get_config(self) -> dict[str, Any]:
        """Return the parameters."""
        return {
            **super().get_config(),
            "affine": self.affine,
            "minimum_scale": self.minimum_scale,
            "fallback_scale": self.fallback_scale,
        }


def _two_passes(x: Any, counts: Any) -> tuple[Any, Any, Any]:
    """Return deviations, mean and standard deviation over the steps, of what counts."""
    steps = tuple(range(1, len(x.shape) - 1))
    zero = ops.zeros_like(x)
    count = ops.sum(ops.where(counts, ops.ones_like(x), zero), axis=steps, keepdims=True)
    count = ops.where(ops.equal(count, 0), ops.ones_like(count), count)

    def mean_of(values: Any) -> Any:
        total = ops.sum(ops.where(counts, values, zero), axis=steps, keepdims=True)
        return ops.divide(total, count)

    rough = mean_of(x)
    rest = mean_of(ops.subtract(x, rough))  # what the first mean lost by rounding
    deviation = ops.subtract(ops.subtract(x, rough), rest)
    return deviation, ops.add(rough, rest), root_of(mean_of(ops.square(deviation)), ops)
