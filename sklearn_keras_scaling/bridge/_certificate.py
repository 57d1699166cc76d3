"""How far a Keras model is from the scikit-learn object that it stands for."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._optional import keras
from .._structure import each, part, parts
from ._asked import asked_for, at_end
from ._graph import input_shape
from ._measuring import BEYOND, largest_difference, standard_unit, typical_rows, without_ends
from ._registry import ScaledNetwork, is_network, map_of, network_of

#: Below this, in standardised units, two numbers differ by rounding and by no jump.
_AGREES = 1e-6
#: Roundings beside a number next to a jump that are tried.
_STEPS = (1, -1, 2, -2, 3, -3, 4, -4, 8, -8, 16, -16)


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
        Over the training range through ``model.predict``, which rounds floats to float32,
        whatever the model's input is; a model of integers is given integers.
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
            f"up to {BEYOND:.0f} times as far": self.beyond,
            "on the given rows": self.given,
            "through model.predict": self.through_predict,
        }
        lines = [f"  {what:26} {error:.1e}" for what, error in rows.items() if error is not None]
        if self.n_refused:
            lines.append(f"  {'refused by scikit-learn':26} {self.n_refused} given rows")
        return "\n".join(["Largest difference in standardised units", *lines])


def certify(
    fitted: Any, model: Any, X: Any = None, *, inverse: bool = False, outputs: Any = None
) -> Certificate:
    """Measure how far a Keras model is from the fitted object that it stands for.

    Parameters
    ----------
    fitted : object
        What was given to :func:`to_keras`.
    model : keras.Model
        What it returned, or what came of it: a file loaded again, a folded model, the
        same under another backend.
    X : array-like, data frame, or dict or list of arrays, default=None
        Rows to try as well, as ``fitted`` takes them; in raw units, or in scaled space for
        an inverse. Columns of a data frame are taken by their names.
    inverse : bool, default=False
        Whether the model is the inverse.
    outputs : sequence of str, default=None
        What was asked for, if :func:`to_keras` was given it.

    Returns
    -------
    certificate : Certificate
        The largest differences; it prints as a table.

    Raises
    ------
    TypeError
        If ``fitted`` or ``model`` is something else.
    sklearn.exceptions.NotFittedError
        If ``fitted`` is not fitted.
    ValueError
        If ``model`` returns another shape than ``fitted``, if ``fitted`` refuses ``X``, or if
        ``X`` has no rows.

    Notes
    -----
    Of the values next to a jump those are tried that lie on it, as training values do: whose
    images behind other steps are the edge, category or repeated quantile itself. There the
    model is right if it does what ``fitted`` does. Next to it, within a billionth of the
    range, it may take the other side (see :func:`to_keras`); on rows that are given, that
    counts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import StandardScaler, certify, to_keras
    >>> scaler = StandardScaler().fit([[10.0, 1e6], [30.0, 1e6 + 2]])
    >>> certificate = certify(scaler, to_keras(scaler))
    >>> bool(certificate.within < 1e-6), bool(certificate.through_predict > 1e-3)
    (True, True)
    """
    _check(fitted, model)
    if outputs is not None:
        fitted = asked_for(fitted, outputs)
    pair = _Pair(fitted, model, inverse)
    near = pair.rows(1.0)
    expected, kept = pair.original(near)
    unit = pair.unit(expected)
    near, far = (pair.on_edges(rows, unit) for rows in (near, pair.rows(BEYOND)))
    expected, kept = pair.original(near)
    given, n_refused = None, 0
    if X is not None:
        X = pair.read(X)
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


def _check(fitted: Any, model: Any) -> None:
    if not isinstance(fitted, BaseEstimator):
        raise TypeError(
            "certify takes the fitted object that was given to to_keras, got a "
            f"{type(fitted).__name__}."
        )
    check_is_fitted(fitted)
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"certify compares with the keras.Model that to_keras returned, got a "
            f"{type(model).__name__}."
        )


class _Pair:
    """A fitted object and the model that stands for it.

    Rows are an array, a data frame, or a dict or list of arrays; outputs are a list of arrays.
    """

    def __init__(self, fitted: Any, model: Any, inverse: bool) -> None:
        self.fitted, self.model = fitted, model
        self.inverse = inverse
        self.names_out: list[str] | None = None
        self.parts = (
            network_of(fitted) if is_network(fitted) else ScaledNetwork(map_of(fitted), None)
        )
        self.shape = input_shape(fitted)
        self.is_several = isinstance(self.shape, dict | list)
        self.names = None if inverse else getattr(fitted, "feature_names_in_", None)

    def unit(self, expected: list[np.ndarray]) -> list[np.ndarray]:
        """Return the standard deviation of each output."""
        shape = () if self.is_several else self.shape
        if self.parts.network is not None:
            expected = [without_ends(one) for one in expected]
        return [standard_unit(one, shape) if len(one) else np.ones(1) for one in expected]

    def rows(self, spread: float) -> Any:
        """Return rows like those of the training data."""
        if self.is_several:
            found = each(
                lambda _, map_, shape: typical_rows(map_, shape, spread=spread),
                self.parts.inputs,
                self.shape,
            )
            n = min(map(len, parts(found)))
            tensors = self.model.input
            return each(lambda name, one: _integers(one[:n], part(tensors, name)), found)
        rows = typical_rows(self.parts.table_map, self.shape, spread=spread)
        if self.inverse:
            with np.errstate(all="ignore"):
                rows = np.asarray(self.parts.inputs.forward(rows, np))
            rows = rows[np.isfinite(rows).reshape(len(rows), -1).all(axis=1)]
        return _integers(rows, keras.tree.flatten(self.model.input)[0])

    def read(self, X: Any) -> Any:
        """Return given rows in a form that can be sliced."""
        if self.is_several:
            X = each(lambda _, one: np.asarray(one), dict(X) if isinstance(X, dict) else list(X))
        elif not hasattr(X, "columns"):
            X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
        if not _length(X):
            raise ValueError("X has no rows to compare on. Pass some, or leave it out.")
        return X

    def original(self, X: Any) -> tuple[list[np.ndarray], np.ndarray]:
        """Return what scikit-learn makes of the rows that it takes, and which they are."""
        kept = np.ones(_length(X), dtype=bool)
        try:
            return self._original(X), kept
        except ValueError:
            accepted = self._accepted(X)
            if accepted is None or accepted.all():
                raise
        if not accepted.any():
            return [np.empty((0, 1))], accepted
        return self._original(_chosen(X, accepted)), accepted

    def _accepted(self, X: Any) -> np.ndarray | None:
        """Return the rows that scikit-learn takes; None if that is no matter of single rows."""
        if self.inverse:
            return None
        try:
            with np.errstate(all="ignore"):
                scaled = parts(self.parts.scale(self._matrix(X), np))
        except ValueError:  # of another shape, or of text
            return None
        accepted = np.ones(_length(X), dtype=bool)
        for one in scaled:  # where it raises, the map has NaN
            accepted &= ~np.isnan(np.asarray(one)).reshape(len(one), -1).any(axis=1)
        refused = self._refused(X, np.flatnonzero(accepted))
        if refused and len(refused) == accepted.sum():
            return None
        accepted[refused] = False
        return accepted

    def _refused(self, X: Any, rows: np.ndarray) -> list[int]:
        """Return which of these rows scikit-learn refuses, by halves."""
        try:
            if len(rows):
                self._original(_chosen(X, rows))
            return []
        except ValueError:
            if len(rows) == 1:
                return [int(rows[0])]
        middle = len(rows) // 2
        return self._refused(X, rows[:middle]) + self._refused(X, rows[middle:])

    def _original(self, X: Any) -> list[np.ndarray]:
        method = self._method()
        if self.names is not None and isinstance(X, np.ndarray):
            import pandas as pd

            X = pd.DataFrame(X, columns=self.names)
        X = X.copy() if hasattr(X, "copy") else X  # of transformers with copy=False
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                result = method(X)
            except TypeError:  # encoders of numbers as objects want objects
                if not hasattr(X, "astype"):
                    raise
                result = method(X.astype(object))
        self.names_out = list(result) if isinstance(result, dict) else None
        return [
            np.asarray(one.todense() if hasattr(one, "todense") else one, np.float64)
            for one in parts(result)
        ]

    def _method(self) -> Callable[[Any], Any]:
        """Return what the model stands for, on the host."""
        if hasattr(at_end(self.fitted)[0], "_decoded"):  # of some outputs labels, of others not
            return self._decoded
        methods = ("predict_proba", "predict") if self.parts.network is not None else ("transform",)
        methods = ("inverse_transform",) if self.inverse else methods
        method: Callable[[Any], Any] = getattr(
            self.fitted, next(name for name in methods if hasattr(self.fitted, name))
        )
        return method

    def _decoded(self, X: Any) -> Any:
        last, given = at_end(self.fitted, X)
        return last._decoded(given)

    def on_edges(self, rows: Any, unit: list[np.ndarray]) -> Any:
        """Return the rows, those next to a jump moved onto it.

        There the map agrees with scikit-learn, one rounding beside it need not; where no
        such number is near, the row is moved away from the jump.
        """
        if self.inverse or self.is_several or rows.ndim != 2:
            return rows
        apart = self._disagreement(rows, unit)
        hard = np.flatnonzero(apart > _AGREES)
        found, apart = rows[hard], apart[hard]
        with np.errstate(all="ignore"):
            small = 1e-6 * standard_unit(rows, self.shape)
        # A network mixes the columns: which one it was does not show.
        columns = self.parts.table_map.reads(rows.shape[1]) if self.parts.network is None else ()
        for column in columns:
            if not (apart > _AGREES).any():
                break
            tried = np.stack([found, *_beside(found, column, small[column])])
            each_one = self._disagreement(tried.reshape(-1, rows.shape[1]), unit)
            apart_then = each_one.reshape(len(tried), -1)
            best, every = apart_then.argmin(axis=0), np.arange(len(hard))  # the first of equals
            found, apart = tried[best, every], apart_then[best, every]
        rows = rows.copy()
        rows[hard] = np.where((apart > _AGREES)[:, None], found + 3 * small, found)
        return rows

    def _disagreement(self, rows: np.ndarray, unit: list[np.ndarray]) -> np.ndarray:
        """Return for each row how far the map is from scikit-learn; infinity where that refuses."""
        apart = np.full(len(rows), np.inf)
        try:
            wanted, kept = self.original(rows)
        except ValueError:  # none of them is taken
            return apart
        if not kept.any():
            return apart
        with np.errstate(all="ignore"):
            found = self._host(rows[kept])
            apart[kept] = 0.0
            for one, other, scale in zip(found, wanted, unit, strict=True):
                same = (one == other) | (np.isnan(one) & np.isnan(other))
                each_one = np.where(same, 0.0, np.fmin(np.abs(one - other) / scale, 1.0))
                apart[kept] += each_one.reshape(len(one), -1).sum(axis=1)
        return apart

    def _host(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return what the maps make of rows, with the network between them."""
        found = self.parts.scale(rows, np)
        if self.parts.network is not None:
            scaled = each(lambda _, one: np.asarray(one).astype(keras.config.floatx()), found)
            outputs = self.parts.network(scaled, training=False)
            outputs = keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)
            found = self.parts.unscale(
                keras.tree.map_structure(lambda one: one.astype(np.float64), outputs), np
            )
        return [np.asarray(one, np.float64) for one in parts(found)]

    def difference(
        self,
        X: Any,
        wanted: list[np.ndarray],
        kept: np.ndarray,
        unit: list[np.ndarray],
        call: Any = None,
    ) -> float:
        """Return the largest difference of the model on the rows that scikit-learn takes."""
        if not kept.any():
            return float("nan")
        outputs = (call or self.model)(self._model_input(_chosen(self._matrix(X), kept)))
        found = [
            np.asarray(keras.ops.convert_to_numpy(one), np.float64)
            for one in parts(self._in_order(outputs))
        ]
        shapes = [[one.shape for one in arrays] for arrays in (found, wanted)]
        if shapes[0] != shapes[1]:
            got, expected = (one[0] if len(one) == 1 else one for one in shapes)
            raise ValueError(
                f"model returns shape {got} where {type(self.fitted).__name__} returns "
                f"{expected}. Give the model that to_keras made of it."
            )
        return max(map(largest_difference, found, wanted, unit))

    def _in_order(self, outputs: Any) -> Any:
        """Return the outputs in the order of the fitted object's."""
        wanted = self.names_out or self.parts.outputs
        if not (isinstance(outputs, dict) and isinstance(wanted, dict | list)):
            return outputs
        return {name: outputs[name] for name in wanted if name in outputs}

    def _matrix(self, X: Any) -> Any:
        """Return rows as numbers, with zeros in columns that nothing reads: they may be text."""
        if self.is_several:
            return each(lambda _, one: np.asarray(one, dtype=np.float64), X)
        if not hasattr(X, "columns") or self.inverse:
            return np.asarray(X, dtype=np.float64)
        names = list(X.columns) if self.names is None else self.names.tolist()
        read = self.parts.table_map.reads(len(names))
        columns = [
            np.asarray(X[name], dtype=np.float64) if i in read else np.zeros(len(X))
            for i, name in enumerate(names)
        ]
        return np.stack(columns, axis=-1)

    def _model_input(self, rows: Any) -> Any:
        tensors = self.model.input
        if self.is_several:
            return each(lambda name, one: _as_input(one, part(tensors, name)), rows)
        if not isinstance(tensors, dict):
            return _as_input(rows, tensors)
        if set(tensors) == {"high", "low"} and tensors["high"].shape[1:] == rows.shape[1:]:
            high = rows.astype(np.float32)
            return {"high": high, "low": (rows - high).astype(np.float32)}
        names = [] if self.names is None else self.names.tolist()
        return {
            name: _as_input(rows[:, [names.index(name)]], tensor)
            for name, tensor in tensors.items()
        }


def _beside(rows: np.ndarray, column: int, small: float) -> list[np.ndarray]:
    """Return the rows with one column some roundings, or a small distance, up or down."""
    own = rows[:, column]
    with np.errstate(all="ignore"):
        values = [own + step * np.spacing(own) for step in _STEPS] + [own - small, own + small]
    found = []
    for value in values:
        moved = rows.copy()
        moved[:, column] = value
        found.append(moved)
    return found


def _length(X: Any) -> int:
    return len(parts(X)[0])


def _chosen(X: Any, rows: np.ndarray) -> Any:
    return each(lambda _, one: one.iloc[rows] if hasattr(one, "iloc") else one[rows], X)


def _integers(rows: np.ndarray, tensor: Any) -> np.ndarray:
    """Return rows that an input takes: of integers, whole numbers that it holds."""
    dtype = np.dtype(tensor.dtype)
    if dtype.kind not in "iu":
        return rows
    limits = np.iinfo(dtype)
    return np.clip(np.rint(np.nan_to_num(rows)), limits.min, limits.max)


def _as_input(rows: np.ndarray, tensor: Any) -> np.ndarray:
    """Return rows in an input's dtype, if that is of integers: predict rounds floats."""
    dtype = np.dtype(tensor.dtype)
    return rows.astype(dtype) if dtype.kind in "iu" else rows
