"""Giving back the memory of what was compiled."""

from __future__ import annotations

from ._prediction import clear_predictors
from ._sharing import clear_loops


def clear_compiled() -> None:
    """Forget the loops and functions that were compiled for earlier fits and predictions.

    Fits and predictions reuse what an earlier one of the same architecture, loss, kind of
    optimizer, dtypes and batch size has compiled: up to 32 of each are kept, the oldest ones
    go first. Nothing else depends on them: they hold no state of a fit, and what is missing is
    compiled anew.

    Examples
    --------
    >>> from sklearn_keras_scaling import clear_compiled
    >>> clear_compiled()
    """
    clear_loops()
    clear_predictors()
