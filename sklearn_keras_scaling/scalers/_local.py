"""Mean and standard deviation of what is near."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from .._blocks import BLOCK, Layout
from .._validation import explained, unchanged_on_error
from ..maps import LocalNormalize
from ..maps._local import Windows, check_ddof, read_window
from ._base import check_dimensions, check_shape

#: Samples that ``fit`` looks at: what it learns, only ``to_keras`` asks for.
_LOOKED_AT = 1000


class LocalStandardScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale by the mean and standard deviation of a window, but for the axis that keeps its own.

    The window slides over the steps of each sample::

        z[t] = (x[t] - mean(x[t - before : t + after + 1])) / std(x[t - before : t + after + 1])

    It is for series and images whose level drifts, and computes in float64 what
    :class:`LocalNormalization` does as a layer. :func:`to_keras` makes stock operations of it.

    Parameters
    ----------
    window : int, pair of int, or sequence of pairs, default=3
        Length of the window along each axis that it slides over: odd ones are centred, even
        ones around the current and the previous step. Or ``[before, after]``, the steps beside
        the current one (``[k, 0]`` sees no future); or such a pair for each axis.
    ddof : {0, 1}, default=0
        The sum of squares is divided by ``n - ddof``, n being the values in the window.
    padding : {"shrink", "same", "reflect"}, default="shrink"
        The ends: windows are cut off where the data end, or zeros are beyond, or the data
        mirrored, without the last value twice.
    axis : int or None, default=-1
        The axis that keeps its own statistics, as in the other scalers: by default the last,
        the features, so that windows slide over all axes between samples and features. 1 for
        channel-first images. None slides over all axes but the samples: in a table, each row
        is then a series.

    Attributes
    ----------
    scale_ : ndarray of the length of ``axis``, float64
        Median of the windows' standard deviations, of up to 1,000 samples, in raw units.
    max_abs_ : ndarray of the length of ``axis``, float64
        Largest magnitude there. By both, :func:`to_keras` decides on the input's dtype; they do
        not scale anything.
    input_shape_ : tuple of int or None
        Shape without the samples; None where lengths may vary.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of features, and their names where they had some.

    See Also
    --------
    LocalNormalization : The same as a Keras layer, with masks.
    StandardScaler : By statistics of all samples, with an inverse.

    Notes
    -----
    Samples are independent, as everywhere in scikit-learn: rows of a table in the order of time
    are one sample with an axis of its own, ``X[None]``. NaN count as absent and stay NaN.
    A standard deviation that is no more than the rounding of the mean divides as 1. There is no
    inverse: the windows' statistics are not kept.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import LocalStandardScaler
    >>> level = np.array([0.0, 0, 0, 1e6, 1e6, 1e6]).reshape(1, 6, 1)
    >>> X = level + np.array([1.0, 2, 1, 2, 1, 2]).reshape(1, 6, 1)
    >>> LocalStandardScaler(window=[1, 0]).fit_transform(X)[0, :, 0]
    array([ 0.,  1., -1.,  1., -1.,  1.])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "window": [Integral, list, tuple],
        "ddof": [Integral],
        "padding": [StrOptions({"shrink", "same", "reflect"})],
        "axis": [Integral, None],
    }

    def __init__(
        self,
        window: Any = 3,
        *,
        ddof: int = 0,
        padding: str = "shrink",
        axis: int | None = -1,
    ) -> None:
        self.window = window
        self.ddof = ddof
        self.padding = padding
        self.axis = axis

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Any:
        """Check the parameters against ``X``, and learn how it varies within windows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ..., n_features)
            Data in raw units; NaN count as absent.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted scaler.

        Raises
        ------
        ValueError
            If a parameter is out of range, ``ddof`` not below the window's size, an axis
            shorter than the window; if ``X`` has infinities, text, no rows, or no axis to slide
            over.
        """
        with unchanged_on_error(self):
            values = self._check(X, first=True)
            some = values[:: -(-len(values) // _LOOKED_AT)].astype(np.float64)
            deviation = self._windows(values.shape).moments(some, None, np)
            scale = deviation.standard_deviation(self.ddof, np)
            varying = tuple(i for i in range(values.ndim) if i not in self._layout.kept)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # features without a value
                self.scale_ = np.nan_to_num(np.nanmedian(scale, axis=varying))
                self.max_abs_ = np.nan_to_num(np.nanmax(np.abs(some), axis=varying))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return each value less its window's mean, over its window's standard deviation.

        Parameters
        ----------
        X : array-like of shape (n_samples, ..., n_features)
            Data in raw units, with as many axes as in ``fit``; NaN stay NaN. Steps may be more
            or fewer than there.

        Returns
        -------
        X_tr : ndarray of the shape of ``X``
            Float arrays keep their dtype; others become float64.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            As ``fit``, and if features or axes are others than there.
        """
        check_is_fitted(self)
        values = self._check(X, first=False)
        map_ = self._map()
        out = np.empty_like(values, subok=False)
        for rows in gen_batches(len(values), max(1, BLOCK // values[0].size)):
            out[rows] = map_.forward(values[rows].astype(np.float64), np)
        return out

    def _map(self) -> LocalNormalize:
        layout = self._layout
        return LocalNormalize(
            self._windows((1, *layout.shape)),
            self.ddof,
            level=layout.spread(self.max_abs_),
            spread=layout.spread(self.scale_),
        )

    def _windows(self, shape: tuple[int | None, ...]) -> Windows:
        """Return the windows over data of this shape, which they must fit."""
        axes = [axis for axis in range(1, len(shape)) if axis not in self._layout.kept]
        pairs = read_window(self.window)
        check_ddof(self.ddof, pairs)
        if not axes:
            raise ValueError(
                f"LocalStandardScaler with axis={self.axis!r} has no axis to slide over in X of "
                f"shape {shape}: samples come first, and features keep their own statistics. "
                "Rows in the order of time are one sample, X[None]; where each row is a series, "
                "pass axis=None."
            )
        if len(pairs) not in (1, len(axes)):
            raise ValueError(
                f"window={self.window!r} has pairs for {len(pairs)} axes, but X of shape {shape} "
                f"has {len(axes)} to slide over. Give one window for all, or a pair for each."
            )
        windows = Windows(
            dict(zip(axes, pairs * len(axes) if len(pairs) == 1 else pairs, strict=True)),
            self.padding,
        )
        windows.output_shape(shape)
        return windows

    def _check(self, X: Any, *, first: bool) -> np.ndarray:
        """Return valid floats, and set or check their shape and names."""
        with explained(X, "X"):
            values = validate_data(
                self,
                X,
                reset=first,
                dtype=(np.float64, np.float32, np.float16),
                ensure_2d=False,
                allow_nd=True,
                ensure_all_finite="allow-nan",
            )
        if first:
            check_dimensions(values, self.axis)
            self._layout = Layout.of(values.shape, self.axis)
            self.input_shape_ = self._layout.shape
            self.n_features_in_ = self._layout.n_features
        check_shape(values, self._layout, type(self).__name__)
        self._windows(values.shape)
        return values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def local_map(scaler: LocalStandardScaler) -> LocalNormalize:
    """Return the map of a fitted ``LocalStandardScaler``."""
    return scaler._map()
