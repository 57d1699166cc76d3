"""How far a Keras model is from the scikit-learn object that it stands for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._optional import keras
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
        categories, missing values). Where the fitted parameters say nothing of a column's
        range, standard normal numbers are tried.
    beyond : float
        Up to three times as far out; NaN where scikit-learn refuses all such values.
    given : float or None
        On the rows that were given, in the standard deviations of the outputs there.
    through_predict : float
        Over the training range through ``model.predict``, which rounds every input to
        float32, whatever the model's input is.
    n_refused : int
        Given rows that scikit-learn refuses; they are left out.
    """

    within: float
    beyond: float
    given: float | None
    through_predict: float
    n_refused: int = 0

    @property
    def error(self) -> float:
        """The largest difference of a call within the training range or on the given rows."""
        return float(np.max([self.within, 0.0 if self.given is None else self.given]))

    def __str__(self) -> str:
        rows = {
            "within the training range": self.within,
            f"up to {_BEYOND:.0f} times as far": self.beyond,
            "on the given rows": self.given,
            "through model.predict": self.through_predict,
        }
        lines = [f"  {what:26} {error:.1e}" for what, error in rows.items() if error is not None]
        if self.n_refused:
            lines.append(f"  {'refused by scikit-learn':26} {self.n_refused} given rows")
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
    X : array-like or data frame, default=None
        Rows to try as well, as ``fitted`` takes them; in raw units, or in scaled space for
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
        If ``model`` returns another shape than ``fitted``, or if ``fitted`` refuses ``X``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import StandardScaler, certify, to_keras
    >>> scaler = StandardScaler().fit([[10.0, 1e6], [30.0, 1e6 + 2]])
    >>> certificate = certify(scaler, to_keras(scaler))
    >>> bool(certificate.within < 1e-6), bool(certificate.through_predict > 1e-3)
    (True, True)
    """
    pair = _Pair(fitted, model, inverse)
    near, far = pair.rows(1.0), pair.rows(_BEYOND)
    expected, kept = pair.original(near)
    unit = pair.unit(expected)
    given, n_refused = None, 0
    if X is not None:
        wanted, taken = pair.original(X)
        given = pair.difference(X, wanted, taken, pair.unit(wanted))
        n_refused = len(taken) - int(taken.sum())
    return Certificate(
        within=pair.difference(near, expected, kept, unit),
        beyond=pair.difference(far, *pair.original(far), unit),
        given=given,
        through_predict=pair.difference(
            near, expected, kept, unit, lambda x: model.predict(x, verbose=0)
        ),
        n_refused=n_refused,
    )


class _Pair:
    """A fitted object and the model that stands for it."""

    def __init__(self, fitted: Any, model: Any, inverse: bool) -> None:
        self.fitted, self.model = fitted, model
        self.inverse = inverse
        self.map = network_of(fitted).inputs if is_network(fitted) else map_of(fitted)
        self.shape = input_shape(fitted)
        self.names = None if inverse else getattr(fitted, "feature_names_in_", None)

    def unit(self, expected: np.ndarray) -> np.ndarray:
        """Return the standard deviation of each output."""
        return standard_unit(expected, self.shape) if len(expected) else np.ones(1)

    def rows(self, spread: float) -> np.ndarray:
        """Return rows like those of the training data."""
        rows = typical_rows(self.map, self.shape, spread=spread)
        if self.inverse:
            with np.errstate(all="ignore"):
                rows = np.asarray(self.map.forward(rows, np))
            rows = rows[np.isfinite(rows).reshape(len(rows), -1).all(axis=1)]
        dtype = np.dtype(keras.tree.flatten(self.model.input)[0].dtype)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            rows = np.clip(np.rint(np.nan_to_num(rows)), limits.min, limits.max)
        return rows

    def original(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return what scikit-learn makes of the rows that it takes, and which they are."""
        every = np.ones(len(X), dtype=bool)
        try:
            return self._original(X), every
        except ValueError:
            kept = self._accepted(X)
            if kept is None or kept.all():
                raise
        if not kept.any():
            return np.empty((0, 1)), kept
        return self._original(X.iloc[kept] if hasattr(X, "iloc") else np.asarray(X)[kept]), kept

    def _accepted(self, X: Any) -> np.ndarray | None:
        """Return the rows without a value that scikit-learn refuses: there the map has NaN."""
        if self.inverse:
            return None
        try:
            with np.errstate(all="ignore"):
                scaled = np.asarray(self.map.forward(self._matrix(X), np))
        except ValueError:  # of another shape, or of text
            return None
        return ~np.isnan(scaled).reshape(len(scaled), -1).any(axis=1)

    def _original(self, X: Any) -> np.ndarray:
        methods = ("predict_proba", "predict") if is_network(self.fitted) else ("transform",)
        methods = ("inverse_transform",) if self.inverse else methods
        method = next(name for name in methods if hasattr(self.fitted, name))
        if self.names is not None and isinstance(X, np.ndarray):
            import pandas as pd

            X = pd.DataFrame(X, columns=self.names)
        X = X.copy() if hasattr(X, "copy") else X  # of transformers with copy=False
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = getattr(self.fitted, method)(X)
        return np.asarray(result.todense() if hasattr(result, "todense") else result, np.float64)

    def difference(
        self,
        X: Any,
        wanted: np.ndarray,
        kept: np.ndarray,
        unit: np.ndarray,
        call: Any = None,
    ) -> float:
        """Return the largest difference of the model on the rows that scikit-learn takes."""
        if not kept.any():
            return float("nan")
        found = (call or self.model)(self._model_input(self._matrix(X)[kept]))
        found = np.asarray(keras.ops.convert_to_numpy(found), np.float64)
        if found.shape != wanted.shape:
            raise ValueError(
                f"model returns shape {found.shape} where {type(self.fitted).__name__} returns "
                f"{wanted.shape}. Give the model that to_keras made of it."
            )
        return largest_difference(found, wanted, unit)

    def _matrix(self, X: Any) -> np.ndarray:
        """Return rows as numbers, with zeros in columns that nothing reads: they may be text."""
        if not hasattr(X, "columns") or self.inverse:
            return np.asarray(X, dtype=np.float64)
        read = self.map.reads(len(X.columns))
        columns = [
            np.asarray(X[name], dtype=np.float64) if i in read else np.zeros(len(X))
            for i, name in enumerate(X.columns)
        ]
        return np.stack(columns, axis=-1)

    def _model_input(self, rows: np.ndarray) -> Any:
        tensors = self.model.input
        if not isinstance(tensors, dict):
            return rows
        if set(tensors) == {"high", "low"} and tensors["high"].shape[1:] == rows.shape[1:]:
            high = rows.astype(np.float32)
            return {"high": high, "low": (rows - high).astype(np.float32)}
        names = [] if self.names is None else self.names.tolist()
        return {name: rows[:, [names.index(name)]] for name in tensors}
