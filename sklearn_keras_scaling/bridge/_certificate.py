"""How far a Keras model is from the scikit-learn object that it stands for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._optional import keras
from ..maps import Map
from ._graph import input_shape
from ._measuring import largest_difference, standard_unit, typical_rows
from ._registry import is_network, map_of, network_of

#: How far beyond the training data's range numbers are tried, as a multiple of it.
_BEYOND = 3.0


@dataclass(frozen=True)
class Certificate:
    """The largest differences of a Keras model from its scikit-learn original.

    In standardised units: each output's difference divided by the standard deviation
    that this output has over the training range.

    Attributes
    ----------
    within : float
        Over the training range, with the values that are hard (edges of bins, quantiles,
        categories, missing values).
    beyond : float
        Up to three times as far out; NaN where scikit-learn refuses such values.
    given : float or None
        On the rows that were given.
    through_predict : float
        Over the training range through ``model.predict``, which rounds every input to
        float32, whatever the model's input is.
    """

    within: float
    beyond: float
    given: float | None
    through_predict: float

    @property
    def error(self) -> float:
        """The largest difference of a call within the training range or on the given rows."""
        return max(self.within, self.given or 0.0)

    def __str__(self) -> str:
        rows = {
            "within the training range": self.within,
            f"up to {_BEYOND:.0f} times as far": self.beyond,
            "on the given rows": self.given,
            "through model.predict": self.through_predict,
        }
        lines = [f"  {what:26} {error:.1e}" for what, error in rows.items() if error is not None]
        return "\n".join(["Largest difference in standardised units", *lines])


def certify(fitted: Any, model: Any, X: Any = None, *, inverse: bool = False) -> Certificate:
    """Measure how far a Keras model is from the fitted object that it stands for.

    Parameters
    ----------
    fitted : object
        What was given to :func:`to_keras`.
    model : keras.Model
        What it returned, or what came of it: a file loaded again, a folded model, the
        same under another backend.
    X : array-like, default=None
        Rows to try as well, as ``model`` takes them; in raw units, or in scaled space for
        an inverse.
    inverse : bool, default=False
        Whether the model is the inverse.

    Returns
    -------
    certificate : Certificate
        The largest differences; it prints as a table.

    Raises
    ------
    ValueError
        If ``model`` returns another shape than ``fitted``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import StandardScaler, certify, to_keras
    >>> scaler = StandardScaler().fit([[10.0, 1e6], [30.0, 1e6 + 2]])
    >>> certificate = certify(scaler, to_keras(scaler))
    >>> bool(certificate.within < 1e-6), bool(certificate.through_predict > 1e-3)
    (True, True)
    """
    map_ = network_of(fitted).inputs if is_network(fitted) else map_of(fitted)
    shape = input_shape(fitted)
    near, far = (_rows(fitted, map_, shape, spread, inverse) for spread in (1.0, _BEYOND))
    expected = _original(fitted, near, inverse)
    unit = standard_unit(expected, shape)

    def difference(rows: np.ndarray, call: Any) -> float:
        try:
            wanted = _original(fitted, rows, inverse)
        except ValueError:  # scikit-learn refuses values outside of its domain
            return float("nan")
        found = _called(model, rows, call)
        if found.shape != wanted.shape:
            raise ValueError(
                f"model returns shape {found.shape} where {type(fitted).__name__} returns "
                f"{wanted.shape}. Give the model that to_keras made of it."
            )
        return largest_difference(found, wanted, unit)

    return Certificate(
        within=difference(near, model),
        beyond=difference(far, model),
        given=None if X is None else difference(np.asarray(X), model),
        through_predict=difference(near, lambda x: model.predict(x, verbose=0)),
    )


def _rows(
    fitted: Any, map_: Map, shape: tuple[int | None, ...], spread: float, inverse: bool
) -> np.ndarray:
    rows = typical_rows(map_, shape, spread)
    if inverse:
        with np.errstate(all="ignore"):
            rows = np.asarray(map_.forward(rows, np))
    return rows[np.isfinite(rows).reshape(len(rows), -1).all(axis=1)] if inverse else rows


def _original(fitted: Any, rows: np.ndarray, inverse: bool) -> np.ndarray:
    """Return what scikit-learn makes of the rows."""
    methods = ("predict_proba", "predict", "transform")
    method = (
        "inverse_transform" if inverse else next(name for name in methods if hasattr(fitted, name))
    )
    names = getattr(fitted, "feature_names_in_", None)
    X: Any = np.array(rows)
    if names is not None and not inverse:
        import pandas as pd

        X = pd.DataFrame(X, columns=names)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = getattr(fitted, method)(X)
    return np.asarray(result.todense() if hasattr(result, "todense") else result, np.float64)


def _called(model: Any, rows: np.ndarray, call: Any) -> np.ndarray:
    x: Any = rows
    if isinstance(model.input, dict):
        x = _split(rows) if set(model.input) == {"high", "low"} else _by_name(model, rows)
    return np.asarray(keras.ops.convert_to_numpy(call(x)), np.float64)


def _by_name(model: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: rows[:, [column]] for column, name in enumerate(model.input)}


def _split(rows: np.ndarray) -> dict[str, np.ndarray]:
    high = rows.astype(np.float32)
    return {"high": high, "low": (rows - high).astype(np.float32)}
