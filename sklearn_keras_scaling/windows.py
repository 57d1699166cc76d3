"""Windows of a series, and what comes after each."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from ._validation import column_number


def make_windows(
    series: Any, length: int, *, horizon: int = 1, target: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return every window of a series and the steps that come right after it.

    ``X[i] = series[i : i + length]``, ``y[i] = series[i + length : i + length + horizon, target]``.

    Parameters
    ----------
    series : array-like of shape (n_steps,) or (n_steps, n_features), or data frame
        In the order of time.
    length : int
        Steps in a window.
    horizon : int, default=1
        Steps to forecast.
    target : int, str, or list of them, default=None
        Columns to forecast, by number, or by name in a data frame; None: all.

    Returns
    -------
    X : ndarray of shape (n_windows, length, n_features)
        A read-only view of the series, without a copy; ``n_windows`` is
        ``n_steps - length - horizon + 1``.
    y : ndarray of shape (n_windows, horizon, n_targets)
        Likewise. Without the axis of a horizon of 1, and without that of a single target.

    Raises
    ------
    ValueError
        If the series is too short, has no such column or another number of axes.
    TypeError
        If ``length`` or ``horizon`` is no whole number.

    Notes
    -----
    Neighbouring windows share all their steps but one. Rows that are drawn at random to
    validate on have been seen in training: **split the series first**, and make windows of each
    part. In a search, ``TimeSeriesSplit(gap=length + horizon - 1)`` keeps the folds apart. The
    estimators fit their scalers on training windows alone.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import make_windows
    >>> series = np.arange(20.0).reshape(10, 2)  # 10 steps of 2 features
    >>> train, test = series[:7], series[7:]
    >>> X, y = make_windows(train, 3, target=1)
    >>> X.shape, y.shape
    ((4, 3, 2), (4,))
    >>> X[0], y[0]
    (array([[0., 1.],
           [2., 3.],
           [4., 5.]]), np.float64(7.0))
    """
    for name, value in (("length", length), ("horizon", horizon)):
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(f"{name} must be a whole number, got {value!r}.")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
    steps = np.asarray(series)
    if steps.ndim not in (1, 2):
        raise ValueError(
            f"series must have shape (n_steps,) or (n_steps, n_features), got {steps.shape}. Make "
            "windows of one series at a time, and concatenate them."
        )
    if steps.dtype.kind not in "biuf":
        raise ValueError(f"series must hold numbers, got dtype {steps.dtype}. Leave out text.")
    steps = steps.reshape(len(steps), -1)
    if len(steps) < length + horizon:
        raise ValueError(
            f"series has {len(steps)} steps, fewer than length + horizon = {length + horizon}. "
            "Use a longer one, or shorter windows."
        )
    names, width = list(getattr(series, "columns", [])), steps.shape[1]
    named = range(width) if target is None else np.atleast_1d(target).tolist()
    columns = [column_number(one, "target", names, width) for one in named]
    if not columns:
        raise ValueError("target names no column. Pass one, or None for all.")
    windows = np.lib.stride_tricks.sliding_window_view(steps, length, axis=0)
    following = np.lib.stride_tricks.sliding_window_view(steps[length:, columns], horizon, axis=0)
    y = following.swapaxes(1, 2)
    y = y[:, 0] if horizon == 1 else y
    is_single = len(columns) == 1 and np.ndim(target) == 0
    return windows[:-horizon].swapaxes(1, 2), y[..., 0] if is_single else y
