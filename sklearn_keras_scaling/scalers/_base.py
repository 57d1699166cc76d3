"""What the scalers share: from data of any kind to statistics, and through a map."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import check_array
from sklearn.utils._array_api import get_namespace
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import distributed
from .._blocks import Check, Layout, evaluate, refuse_infinite
from .._validation import check_value_weights, explained, unchanged_on_error
from ..maps import Map
from ._batches import in_batch, read_batches, split_batch
from ._merge import merge, mergeable

AXIS = {"axis": [Integral, tuple, list, None]}
#: Weights are not routed to scalers that have none in scikit-learn, unless asked for.
NO_WEIGHTS = {"sample_weight": False}
#: Of extremes and quantiles, which round once: scikit-learn's 10 eps, made relative.
N_ROUNDINGS = 10
_FLOATS = (np.float64, np.float32, np.float16)
_EPS = float(np.finfo(np.float64).eps)
#: The least scale: of anything less, the reciprocal overflows.
TINY = float(np.finfo(np.float64).tiny)


class BaseScaler(TransformerMixin, BaseEstimator):
    """Fits mergeable statistics and evaluates a map.

    Subclasses stand before scikit-learn's scaler in the bases, which brings the tags and the
    parameters' constraints, transforms sparse matrices and takes array API inputs.
    """

    _map_of: Callable[[Any], Map]
    #: Whether raw data may be infinite.
    _takes_infinite = False

    # What they differ in

    @abstractmethod
    def _statistics(
        self, X: np.ndarray, layout: Layout, weight: np.ndarray | None, keep: bool
    ) -> Any:
        """Return the statistics of an array; with ``keep``, without sharing its memory."""

    @abstractmethod
    def _sparse_statistics(self, X: Any, weight: np.ndarray | None, keep: bool) -> Any:
        """Return the statistics of a sparse matrix of shape (n_samples, n_features)."""

    @abstractmethod
    def _set_attributes(self, statistics: Any, shape: tuple[int, ...]) -> None:
        """Set the fitted attributes, of the given shape, from statistics."""

    def _check_parameters(self) -> None:
        """Raise ``ValueError`` for parameters that scikit-learn's constraints let pass."""

    def _check_unchanged(self) -> None:
        """Raise ``ValueError`` if parameters that the statistics depend on were changed."""
        if Layout.of((1,) * self._layout.ndim, self.axis).kept != self._layout.kept:
            raise ValueError(
                f"axis is {self.axis!r}, but was {self._layout.kept} when this scaler was fitted. "
                "Call fit to start anew."
            )

    def _kept(self, statistics: Any) -> Any:
        """Return what of the statistics of ``fit`` is kept to go on from and to merge."""
        return statistics

    # Fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, mask: Any = None) -> Any:
        """Learn the statistics of ``X``; what was learnt before is forgotten.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask collection} of shape (n_samples, n_features) or \
(n_samples, ...)
            Data in raw units. NaN count as absent.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a whole number counts as so many repetitions.
        mask : array-like of bool, default=None
            With the first axes of ``X``, for example of shape (n_samples, n_steps): True
            where values count, False where a time step is padding.

        Returns
        -------
        self : object
            The fitted scaler.

        Raises
        ------
        ValueError, TypeError
            If the data have infinities, text or no rows, or if weights, mask or a parameter
            do not fit. The scaler is then as before.
        """
        if _is_left_to_sklearn(X):
            return super().fit(X, y, **_given(sample_weight=sample_weight, mask=mask))
        with self._fit_task(X, y, sample_weight), unchanged_on_error(self):
            statistics = self._learn(X, sample_weight, mask, first=True, keep=False)
            if statistics is None:
                raise ValueError(_nothing(X, type(self).__name__))
            self._finish(statistics)
            self.statistics_ = self._kept(statistics)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, mask: Any = None
    ) -> Any:
        """Learn the statistics of ``X`` in addition to what was learnt before.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask collection} of shape (n_samples, n_features) or \
(n_samples, ...)
            More data in raw units; without rows, or of weight 0, they change nothing.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            As in ``fit``.
        mask : array-like of bool, default=None
            As in ``fit``.

        Returns
        -------
        self : object
            The fitted scaler.

        Raises
        ------
        ValueError, TypeError
            As ``fit``, and if features, axes or names are others than before. The scaler is
            then as before.
        """
        if _is_left_to_sklearn(X):
            return super().partial_fit(X, y, **_given(sample_weight=sample_weight, mask=mask))
        with self._fit_task(X, y, sample_weight), unchanged_on_error(self):
            before = mergeable(self) if hasattr(self, "n_features_in_") else None
            if before is not None:
                self._check_unchanged()
            new = self._learn(X, sample_weight, mask, first=before is None)
            if new is not None:
                self._finish(new if before is None else before.merge(new))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_batches(self, batches: Iterable[Any], *, verbose: bool | int = False) -> Any:
        """Learn the statistics of a stream in one pass; what was learnt before is forgotten.

        Parameters
        ----------
        batches : iterable
            Of arrays, or of tuples ``(X,)``, ``(X, y)`` or ``(X, y, sample_weight)`` as Keras
            takes them: a generator, ``tf.data.Dataset``, ``keras.utils.PyDataset``, PyTorch
            ``DataLoader``. One array, memory-mapped maybe, is read in chunks.
        verbose : bool or int, default=False
            Whether to show a progress bar.

        Returns
        -------
        self : object
            The fitted scaler.

        Raises
        ------
        ValueError, TypeError
            If there is no row in the stream; the scaler is then as before. If a batch is bad,
            the scaler has learnt the batches before it.
        """
        statistics, before = None, dict(vars(self))
        try:
            for i, batch in enumerate(read_batches(batches, type(self).__name__, verbose)):
                with in_batch(i), unchanged_on_error(self):
                    X, sample_weight = split_batch(batch)
                    new = self._learn(X, sample_weight, None, first=statistics is None)
                if new is not None:
                    statistics = new if statistics is None else statistics.merge(new)
        finally:  # also after a bad batch, or Ctrl-C
            if statistics is not None:
                try:
                    self._finish(statistics)
                except ValueError:
                    self.__dict__ = before
                    raise
        if statistics is None:
            raise ValueError(
                f"{type(self).__name__}.fit_batches got no rows: the batches yielded nothing that "
                "counts. Was a generator used up before?"
            )
        return self

    def merge(self, *others: Any) -> Any:
        """Return a new scaler that has learnt what this one and the others have.

        Parameters
        ----------
        *others : scaler
            Fitted, of the same class, parameters and features.

        Returns
        -------
        merged : scaler
            As :func:`sklearn_keras_scaling.merge` returns it.
        """
        return merge([self, *others])

    # Transforming

    def transform(self, X: Any, copy: bool | None = None) -> Any:
        """Return ``X`` in scaled space.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask collection} of shape (n_samples, n_features) or \
(n_samples, ...)
            Data in raw units; NaN stay NaN.
        copy : bool, default=None
            If False, scale in place where possible; None takes the parameter ``copy``.

        Returns
        -------
        X_tr : {ndarray, sparse matrix, Dask collection} of the shape of ``X``
            Float arrays keep their dtype; others become float64.
        """
        return self._apply("transform", X, copy)

    def inverse_transform(self, X: Any, copy: bool | None = None) -> Any:
        """Return ``X`` in raw units.

        Parameters
        ----------
        X : {array-like, sparse matrix, Dask collection} of shape (n_samples, n_features) or \
(n_samples, ...)
            Data in scaled space; NaN stay NaN.
        copy : bool, default=None
            If False, work in place where possible; None takes the parameter ``copy``.

        Returns
        -------
        X_original : {ndarray, sparse matrix, Dask collection} of the shape of ``X``
            Float arrays keep their dtype; others become float64. Raw values far from zero
            need float64: in float32, 1e8 and 1e8 + 1 are the same.
        """
        return self._apply("inverse_transform", X, copy)

    def _apply(self, method: str, X: Any, copy: bool | None) -> Any:
        check_is_fitted(self)
        if sparse.issparse(X) or _is_left_to_sklearn(X):
            if sparse.issparse(X) and getattr(self, "_layout", None) is not None:
                self._check_columns()
            Xt = getattr(super(), method)(X)
            if method == "transform" and getattr(self, "clip", False) and sparse.issparse(Xt):
                np.clip(Xt.data, -1.0, 1.0, out=Xt.data)  # older ones have no clip
            return Xt
        if distributed.is_dask(X):
            self._check(distributed.prototype(X), first=False)
            if _get_output_config("transform", self)["dense"] != "default":
                raise ValueError(
                    "set_output does not apply to Dask collections, which it would compute. A Dask "
                    "data frame stays one without it: call set_output(transform='default')."
                )
            return distributed.map_chunks(_apply_to_chunk, X, scaler=self, method=method)
        is_raw = method == "transform"
        in_place = not (self.copy if copy is None else copy)
        refuse = None if is_raw and self._takes_infinite else refuse_infinite
        values = self._check_floats(X, is_raw=is_raw, in_place=in_place, refuse=refuse)
        is_ours = isinstance(X, np.ndarray) and X.dtype != values.dtype  # converted
        out = values if in_place or is_ours else np.empty_like(values, subok=False)
        # Where only the last axis counts, all others are rows; long ones are quicker.
        pair = [values, out]
        if values.ndim > 2 and self._layout.is_last and all(a.flags.c_contiguous for a in pair):
            pair = [each.reshape(-1, self._layout.size) for each in pair]
        with explained(X, "X"):
            map_, direction = type(self)._map_of(self), "forward" if is_raw else "inverse"
            evaluate(map_, direction, *pair, before=refuse)
        return out

    # Checking

    def _learn(
        self, X: Any, sample_weight: Any, mask: Any, *, first: bool, keep: bool = True
    ) -> Any:
        """Return the statistics of ``X``, or None where nothing counts.

        The first time, it sets what later data must agree with.
        """
        self._check_parameters()
        before = dict(vars(self))
        found = None
        if distributed.is_dask(X):
            self._check(distributed.prototype(X), first=first)
            learner = copy.copy(self)
            learner.statistics_ = None  # which no worker needs
            found = distributed.merge_chunks(_learn_chunk, X, sample_weight, mask, scaler=learner)
        else:
            values = self._check(X, first=first)
            weight = check_value_weights(values, sample_weight, mask)
            if values.shape[0] and (weight is None or weight.any()):
                with explained(X, "X"):
                    found = self._statistics_of(values, weight, keep)
        if found is None:
            self.__dict__ = before
        return found

    def _statistics_of(self, X: Any, weight: np.ndarray | None, keep: bool) -> Any:
        if sparse.issparse(X):
            return self._sparse_statistics(X, weight, keep)
        return self._statistics(X, self._layout, weight, keep)

    def _check(self, X: Any, *, first: bool) -> Any:
        """Return valid numbers to learn from, and set or check their shape and names."""
        is_exact = isinstance(X, np.ndarray) and X.dtype.kind in "biu"
        with explained(X, "X"):
            values = validate_data(
                self,
                X,
                reset=first,
                accept_sparse=("csr", "csc"),
                dtype=None if is_exact else _FLOATS,
                ensure_2d=False,
                allow_nd=True,
                ensure_min_samples=0,
                # Infinities in arrays are found on the way, in the one pass over the data.
                ensure_all_finite="allow-nan" if sparse.issparse(X) else False,
            )
        if first:
            check_dimensions(values, self.axis)
            self._layout = Layout.of(values.shape, self.axis)
            self.input_shape_ = self._layout.shape
            self.n_features_in_ = self._layout.n_features
        if sparse.issparse(values):
            self._check_columns()
        self._check_shape(values)
        return values

    def _check_columns(self) -> None:
        if not (self._layout.is_last and self._layout.ndim == 2):
            raise ValueError(
                "A sparse matrix has one statistic per column, but this scaler keeps axes "
                f"{self._layout.kept} of samples of shape {self._layout} (axis={self.axis!r}). Use "
                "axis=-1, or X.toarray()."
            )

    def _check_floats(
        self, X: Any, *, is_raw: bool, in_place: bool, refuse: Check | None
    ) -> np.ndarray:
        """Return valid floats to transform; ``refuse`` looks for infinities later."""
        checks = {
            "dtype": _FLOATS,
            "ensure_2d": False,
            "allow_nd": True,
            "force_writeable": in_place,
            # In place nothing may be overwritten before all is known to be finite.
            "ensure_all_finite": "allow-nan" if in_place and refuse is not None else False,
        }
        with explained(X, "X"):
            if is_raw:
                values = validate_data(self, X, reset=False, **checks)
            else:
                values = check_array(X, estimator=self, input_name="X", **checks)
        self._check_shape(values)
        return values

    def _check_shape(self, X: Any) -> None:
        layout = getattr(self, "_layout", None)
        if layout is None:  # fitted by scikit-learn's own code, or by hand
            layout = Layout((1,), (getattr(self, "n_features_in_", None),))
        check_shape(X, layout, type(self).__name__)

    # Telling

    def _finish(self, statistics: Any) -> None:
        self._set_attributes(statistics, self._layout.statistics_shape)
        self.statistics_ = statistics

    @contextmanager
    def _fit_task(self, X: Any, y: Any, sample_weight: Any) -> Iterator[None]:
        """Tell the callbacks of scikit-learn 1.9 of a fit, where its scaler has them."""
        if not hasattr(self, "_init_callback_context"):
            yield
            return
        task = {"estimator": self, "X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        context = self._init_callback_context()
        context.call_on_fit_task_begin(**task)
        yield
        context.call_on_fit_task_end(**task, reconstruction_attributes={})


def check_shape(X: Any, layout: Layout, name: str) -> None:
    """Raise ``ValueError`` unless ``X`` has the shape that an estimator was fitted on."""
    if layout.accepts(X.shape):
        return
    check_dimensions(X, -1)
    if X.ndim == layout.ndim == 2:
        raise ValueError(
            f"X has {X.shape[1]} features, but {name} is expecting {layout.shape[0]} features "
            "as input. Pass the columns that fit was given, in the same order."
        )
    raise ValueError(
        f"X has samples of shape {X.shape[1:]}, but {name} was fitted on samples of shape "
        f"{layout}. Pass data with as many axes, and with these lengths."
    )


def is_negligible(spread: np.ndarray, location: np.ndarray, n_roundings: Any) -> np.ndarray:
    """Return where a spread is no more than the rounding of numbers at its location.

    The one rule for constant columns: ``spread <= n_roundings * eps * abs(location)``.
    Both sides are in raw units, so that the unit does not matter; what has no reciprocal
    in float64 counts as 0.
    """
    return spread <= np.maximum(n_roundings * _EPS * np.abs(location), TINY)


def _is_left_to_sklearn(X: Any) -> bool:
    """Return whether ``X`` is another library's array that scikit-learn is to dispatch on."""
    if isinstance(X, np.ndarray) or not get_config()["array_api_dispatch"]:
        return False
    return bool(get_namespace(X)[1])


def check_dimensions(X: Any, axis: Any) -> None:
    """Raise ``ValueError`` for data without features, or without an axis for samples."""
    if 0 in X.shape[1:]:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is required."
        )
    if X.ndim < 2 and not (X.ndim == 1 and axis is None):
        kind = "scalar" if X.ndim == 0 else "1D"
        raise ValueError(
            f"Expected 2D array, got {kind} array instead:\narray={X}.\n"
            "Reshape your data either using array.reshape(-1, 1) if your data has a single "
            "feature or array.reshape(1, -1) if it contains a single sample. axis=None takes one "
            "statistic over all values, of arrays with one axis too."
        )


def _nothing(X: Any, name: str) -> str:
    shape = np.shape(distributed.prototype(X) if distributed.is_dask(X) else X)
    if shape[0]:
        return (
            f"sample_weight and mask leave nothing of X for {name} to learn from: Sample weights "
            "must contain at least one non-zero number, and a mask is True where values count."
        )
    return (
        f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by "
        f"{name}. Pass at least one row; was everything filtered out?"
    )


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _learn_chunk(X: Any, sample_weight: Any, mask: Any, scaler: BaseScaler) -> Any:
    try:
        return scaler._learn(X, sample_weight, mask, first=False)
    except Exception as error:
        error.add_note("Raised for one chunk of a Dask collection; rows are counted within it.")
        raise


def _apply_to_chunk(X: Any, scaler: BaseScaler, method: str) -> Any:
    if not len(X):
        return np.asarray(X, dtype=np.float64)
    return getattr(scaler, method)(X, copy=True)  # a chunk is Dask's, which computes it again
