"""Statistics of the values around each place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from .._optional import keras
from ..maps._local import (
    LocalMoments,
    Windows,
    check_ddof,
    check_padding,
    cut,
    read_window,
)
from ._base import StatisticsLayer, counting, ops, register

_DATA_FORMATS = ("channels_last", "channels_first")


class LocalLayer(StatisticsLayer):
    """Slides a window over the spatial axes and returns something of what is in it."""

    def __init__(
        self,
        window: Any,
        *,
        padding: str = "shrink",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._pairs = read_window(window)
        check_padding(padding)
        self.window = int(window) if isinstance(window, Integral) else window
        self.padding = padding
        self.data_format = data_format or keras.config.image_data_format()
        if self.data_format not in _DATA_FORMATS:
            raise ValueError(
                f"data_format must be one of {', '.join(_DATA_FORMATS)}, got {data_format!r}."
            )

    @abstractmethod
    def reduce(self, moments: LocalMoments, centres: Any) -> Any:
        """Return the output, given the moments of each window and the values in its centre."""

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Check the shape; there are no weights."""
        self.compute_output_shape(input_shape)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of the output: the input's, but shorter with padding "valid"."""
        return self._windows(input_shape).output_shape(input_shape)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask of the places that the windows are around."""
        if previous_mask is None or self.padding != "valid":
            return previous_mask
        windows = self._windows(inputs.shape)
        pairs = list(windows.pairs.values())[: len(previous_mask.shape) - 1]
        for axis, (before, after) in enumerate(pairs, 1):
            previous_mask = cut(previous_mask, axis, before, after)
        return previous_mask

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return the statistic of the window around each place; 0 where the mask is False."""
        windows = self._windows(inputs.shape)
        windows.output_shape(inputs.shape)  # raises where the window is too long
        x = ops.cast(inputs, self.statistics_dtype)
        if mask is not None:
            mask = counting(mask, len(inputs.shape), self._first_axis)
        outputs = self.reduce(windows.moments(x, mask, ops), windows.centres(x))
        if mask is not None:
            is_real = ops.broadcast_to(mask, ops.shape(x))
            outputs = ops.where(windows.centres(is_real), outputs, ops.zeros_like(outputs))
        return ops.cast(outputs, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the parameters."""
        own = {
            "window": self.window,
            "padding": self.padding,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **own}

    @property
    def _first_axis(self) -> int:
        return 1 if self.data_format == "channels_last" else 2

    def _windows(self, shape: Sequence[int | None]) -> Windows:
        n_axes = len(shape) - 2
        if n_axes not in (1, 2, 3):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} takes a batch with 1 to 3 spatial axes and "
                f"one of channels, 3 to 5 axes in all, got shape {tuple(shape)}. Give a single "
                "channel an axis of its own: x[..., None]."
            )
        if len(self._pairs) not in (1, n_axes):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has windows for {len(self._pairs)} axes "
                f"(window={self.window!r}), but data of shape {tuple(shape)} have {n_axes} spatial "
                "axes. Give one window for all, or a pair [before, after] for each."
            )
        pairs = self._pairs if len(self._pairs) == n_axes else self._pairs * n_axes
        first = self._first_axis
        return Windows(dict(zip(range(first, first + n_axes), pairs, strict=True)), self.padding)


@register
class LocalMean(LocalLayer):
    """Mean of the values in a window around each place, for each channel.

    Parameters
    ----------
    window : int, pair of int, or sequence of pairs
        Length of the window along each spatial axis: odd ones are centred, even ones around
        the current and the previous step, as in MATLAB. Or ``[before, after]``, the steps
        beside the current one; or such a pair for each spatial axis.
    padding : {"shrink", "valid", "same", "reflect"}, default="shrink"
        The ends: windows are cut off where the data end; or only whole windows count, and the
        output is shorter; or zeros are beyond the ends, as for a convolution; or the data
        mirrored, without the last value twice.
    data_format : {"channels_last", "channels_first"}, default=None
        None is ``keras.config.image_data_format()``.
    **kwargs
        ``name``, ``dtype`` and what else :class:`keras.Layer` takes.

    Raises
    ------
    ValueError
        If a parameter is out of range; if the input has another number of axes, or an axis of
        known length that is shorter than the window.

    See Also
    --------
    LocalStandardDeviation : Their spread, accurate at any mean.

    Notes
    -----
    Inputs have shape (batch, steps, channels), with 1, 2 or 3 axes of steps, or (batch,
    channels, steps); outputs the same, in the layer's compute dtype. NaN and steps where the
    mask is False are left out; a window of NaN alone gives NaN, a masked step 0.
    Squares of deviations must fit the dtype: in float32, deviations from 1e-18 to 1e18.

    References
    ----------
    MATLAB's `movmean <https://www.mathworks.com/help/matlab/ref/movmean.html>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import LocalMean
    >>> x = np.array([4.0, 8, 6, -1, -2, -3, -1, 3, 4, 5]).reshape(1, 10, 1)
    >>> print(np.asarray(LocalMean(3)(x))[0, :5, 0].round(4))
    [ 6.      6.      4.3333  1.     -2.    ]
    """

    def reduce(self, moments: LocalMoments, centres: Any) -> Any:
        """Return the mean of each window."""
        return moments.mean(ops)


class SpreadLayer(LocalLayer):
    """A layer with ``ddof``."""

    def __init__(
        self,
        window: Any,
        *,
        ddof: int = 0,
        padding: str = "shrink",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(window, padding=padding, data_format=data_format, **kwargs)
        check_ddof(ddof, self._pairs)
        self.ddof = ddof

    def get_config(self) -> dict[str, Any]:
        """Return the parameters."""
        return {**super().get_config(), "ddof": self.ddof}


@register
class LocalStandardDeviation(SpreadLayer):
    """Standard deviation of the values in a window around each place, for each channel.

    It is made of the moments of shorter windows, merged exactly, so that it is accurate to
    some roundings where the mean is large and on steep ramps, and its cost grows with the
    logarithm of the window's length.

    Parameters
    ----------
    window : int, pair of int, or sequence of pairs
        Length of the window along each spatial axis: odd ones are centred, even ones around
        the current and the previous step, as in MATLAB. Or ``[before, after]``, the steps
        beside the current one; or such a pair for each spatial axis.
    ddof : {0, 1}, default=0
        The sum of squares is divided by ``n - ddof``, n being the values in the window. MATLAB's
        ``movstd`` divides by n - 1.
    padding : {"shrink", "valid", "same", "reflect"}, default="shrink"
        The ends: windows are cut off where the data end; or only whole windows count, and the
        output is shorter; or zeros are beyond the ends, as for a convolution; or the data
        mirrored, without the last value twice.
    data_format : {"channels_last", "channels_first"}, default=None
        None is ``keras.config.image_data_format()``.
    **kwargs
        ``name``, ``dtype`` and what else :class:`keras.Layer` takes.

    Raises
    ------
    ValueError
        If a parameter is out of range, or ``ddof`` not below the window's size; if the input has
        another number of axes, or an axis of known length that is shorter than the window.

    Notes
    -----
    Inputs have shape (batch, steps, channels), with 1, 2 or 3 axes of steps, or (batch,
    channels, steps); outputs the same, in the layer's compute dtype. NaN and steps where the
    mask is False are left out; a window of NaN alone gives NaN, a masked step 0.
    Squares of deviations must fit the dtype: in float32, deviations from 1e-18 to 1e18.

    Up to ``ddof`` values have the standard deviation 0. Where it is 0, so is its gradient.

    References
    ----------
    MATLAB's `movstd <https://www.mathworks.com/help/matlab/ref/movstd.html>`_. Chan, Golub,
    LeVeque, "Algorithms for computing the sample variance: analysis and recommendations", The
    American Statistician 37.3 (1983), 242-247.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import LocalStandardDeviation
    >>> x = np.array([4.0, 8, 6, -1, -2, -3, -1, 3, 4, 5]).reshape(1, 10, 1)
    >>> print(np.asarray(LocalStandardDeviation(3, ddof=1)(x))[0, :5, 0].round(4))
    [2.8284 2.     4.7258 4.3589 1.    ]
    """

    def reduce(self, moments: LocalMoments, centres: Any) -> Any:
        """Return the standard deviation of each window."""
        return moments.standard_deviation(self.ddof, ops)


@register
class LocalNormalization(SpreadLayer):
    """Values less the mean of the window around them, over its standard deviation.

    A standard deviation that is no more than the rounding of the mean divides as 1: constant
    stretches become 0.

    Parameters
    ----------
    window : int, pair of int, or sequence of pairs
        Length of the window along each spatial axis: odd ones are centred, even ones around
        the current and the previous step, as in MATLAB. Or ``[before, after]``, the steps
        beside the current one; or such a pair for each spatial axis.
    ddof : {0, 1}, default=0
        The sum of squares is divided by ``n - ddof``, n being the values in the window.
    padding : {"shrink", "valid", "same", "reflect"}, default="shrink"
        The ends: windows are cut off where the data end; or only whole windows count, and the
        output is shorter; or zeros are beyond the ends, as for a convolution; or the data
        mirrored, without the last value twice.
    data_format : {"channels_last", "channels_first"}, default=None
        None is ``keras.config.image_data_format()``.
    **kwargs
        ``name``, ``dtype`` and what else :class:`keras.Layer` takes.

    Raises
    ------
    ValueError
        As :class:`LocalStandardDeviation`.

    See Also
    --------
    LocalStandardDeviation : What it divides by.

    Notes
    -----
    Inputs have shape (batch, steps, channels), with 1, 2 or 3 axes of steps, or (batch,
    channels, steps); outputs the same, in the layer's compute dtype. NaN and steps where the
    mask is False are left out; a window of NaN alone gives NaN, a masked step 0.
    Squares of deviations must fit the dtype: in float32, deviations from 1e-18 to 1e18.

    A value that is NaN stays NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import LocalNormalization
    >>> x = np.array([1e4, 1e4 + 2, 1e4, 7.0, 7.0, 7.0]).reshape(1, 6, 1)
    >>> print(np.asarray(LocalNormalization([2, 0])(x))[0, :, 0].round(4))
    [ 0.      1.     -0.7071 -1.4142 -0.7071  0.    ]
    """

    def reduce(self, moments: LocalMoments, centres: Any) -> Any:
        """Return the normalised centre of each window."""
        return moments.normalized(centres, self.ddof, self.eps, ops)
