"""The regressor: targets scaled in, predictions scaled back."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from .._optional import is_stock
from .._structure import each, named, names, part, parts
from .._validation import check_targets, did_you_mean
from ..bridge import ScaledNetwork, register_network, widest_float
from ..checks import Subject
from ..maps import Chain, Inverse, Map, Squeeze, rows_beyond, rows_not_finite
from ..training import TargetUnits
from ._base import BaseScaledKeras
from ._compiling import loss_name, make_loss, make_metrics
from ._data import Rows, flat, numbers_of, split_columns
from ._in_network import series_of
from ._losses import TargetUnitsLoss, map_for, to_target_units, units_of
from ._networks import named_outputs, refuse_outputs
from ._scaling import as_map, learn, scale

# Losses of ratios or counts: scaled targets, which may be negative, mean nothing to them.
_NEEDS_RAW_TARGETS = {
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "poisson",
}

# Parts of the names of losses that compare probabilities or directions.
_NOT_FOR_NUMBERS = ("categorical", "hinge", "divergence", "cosine", "dice", "tversky", "circle")


class ScaledKerasRegressor(RegressorMixin, BaseScaledKeras):
    """A Keras network for regression, from raw inputs to raw targets.

    ``fit`` scales inputs and targets in float64, trains the network on the
    scaled numbers and keeps the fitted scalers; ``predict`` goes through all
    three::

        predict(X) = target_scaler_.inverse_transform(
            network_(input_scaler_.transform(X)))

    :func:`to_keras` returns the same as one Keras model.

    Parameters
    ----------
    model : None, callable or keras.Model, default=None
        None builds dense layers of ``hidden_layer_sizes``. A callable returns a
        network and may ask for ``input_shape``, ``output_shape``,
        ``output_activation``, ``hidden_layer_sizes`` or ``meta`` (a dict of all
        that is known) by naming them as parameters; of several inputs or outputs
        these are dicts. A ``keras.Model`` is copied and each fit starts from its
        weights. A network that comes compiled keeps its own loss where ``loss`` is
        None, and its own optimizer where ``optimizer`` is "adam"; metrics and the
        rest are this estimator's.
    input_scaler : str, transformer, list, dict or None, default="standard"
        Scales ``X``: "standard", "minmax", "maxabs" or "robust", or a transformer, which
        is cloned and may change the columns. A list has one for each column (None passes
        it unscaled), a dict one for each input. "batchnorm" lets a ``BatchNormalization`` in
        front of the network scale while it trains, and keeps its moving statistics;
        "instance" lets the network see each series less its own mean, over its own
        deviation. The target, of the same series, comes back to its level
        (``input_scaler__features`` says which of the features it is).
        Arrays of more than two axes are scaled along the last one, unless a scaler of
        this package has another ``axis`` (channel-first images: ``StandardScaler(axis=1)``).
    target_scaler : str, transformer, list, dict or None, default="standard"
        Scales ``y`` along its last axis, likewise; a transformer needs
        ``inverse_transform``. A list has one for each column, a dict one for each output.
        ``StandardScaler(axis=None)`` takes one mean for all steps of a sequence. Where its
        inverse has ends (``PowerTransformer``, logarithms), predictions beyond stay at them.
    input_columns : dict, default=None
        Makes several inputs of one table: names of the network's inputs, and the columns
        of each, by name or number or as a slice. So data frames go through pipelines and
        searches and come out as named inputs.
    target_columns : dict, default=None
        The same for named outputs; it must have every column of ``y`` once. ``predict``
        returns a table again.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of the default network's hidden layers; ``model__activation``
        (default "relu") is theirs too. Its output activation is the one that
        reaches the target scaler's range: sigmoid within [0, 1], tanh within
        [-1, 1], else linear.
    optimizer : str, dict, keras.optimizers.Optimizer or class, default="adam"
        Each fit makes its own from it.
    loss : str, keras.losses.Loss, callable or dict of them, default=None
        None is "mean_squared_error". A dict has one for each output.
    loss_units : {"scaled", "target"}, default="scaled"
        Whether the loss compares scaled numbers, or numbers in target units, scaled back
        inside the graph: for losses of ratios and counts ("poisson", for example).
    metrics : list, or dict of them, default=None
        Metrics in target units: names, functions, ``keras.metrics.Metric``. A dict has
        some for each output.
    epochs : int, default=100
        Passes over the training rows.
    batch_size : int, default=32
        Rows in a training step.
    validation_split : float or splitter, default=0.0
        Share of rows, drawn at random, that is held out before the scalers are
        fitted; gives the ``val_`` entries of ``history_``. Of a scikit-learn splitter
        (``GroupShuffleSplit``, ``TimeSeriesSplit``) the last split is taken.
    early_stopping : bool, default=False
        Stop when ``val_loss`` has not improved for 10 epochs, and restore the best weights.
        Where nothing gives validation rows, a tenth is held out.
    callbacks : list of keras.callbacks.Callback, default=None
        Deep-copied before each fit.
    engine : {"auto", "compiled", "keras"}, default="auto"
        What trains: loops compiled over whole epochs, or ``keras.Model.fit``. "auto" takes
        the first where it gives the same result.
    update_scalers : bool, default=False
        Whether the scalers go on learning in ``partial_fit``, or stay as its first call
        fitted them. If they move, the network meets other numbers than it was trained on.
    ignore_findings : tuple of str, default=()
        Codes of findings to be silent about, such as ``("SKS009",)``; see
        :func:`check_scaling`.
    random_state : int, RandomState or None, default=None
        Decides the split, the first weights, dropout and the order of rows.
    warm_start : bool, default=False
        Go on from the last fit: its scalers, weights and optimizer state.
    verbose : {0, 1, 2}, default=0
        As in ``keras.Model.fit``: silent, progress bar, a line per epoch.
    **routed
        ``model__*`` (keywords of the callable), ``optimizer__*``, ``loss__*``,
        ``input_scaler__*``, ``target_scaler__*``, ``compile__*`` and ``fit__*``
        (keywords of ``keras.Model.compile`` and ``fit``).

    Attributes
    ----------
    input_scaler_, target_scaler_ : object, list, dict or None
        The fitted scalers.
    network_ : keras.Model
        The trained network, scaled space on both sides.
    history_ : dict of list
        Per epoch: ``loss`` in scaled space and the metrics in target units.
    findings_ : list of Finding
        Where the network and its scaling do not fit, found when ``fit`` began.
    n_iter_ : int
        Epochs of the last fit.
    engine_ : {"compiled", "keras"}
        What trained.
    n_features_in_ : int
        Columns of ``X``, if it is one array.
    n_outputs_ : int
        Target numbers in a row.
    input_shape_ : tuple of int, or dict or list of them
        Shape of a sample of ``X``.
    feature_names_in_ : ndarray of str
        Columns of ``X``, where it had names.

    See Also
    --------
    ScaledKerasClassifier : For labels.
    to_keras : The fitted estimator as one Keras model.

    Notes
    -----
    Scaled numbers are float32 in the network. Weights and predictions are the
    same bits for the same ``random_state`` on the same machine.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import ScaledKerasRegressor
    >>> X = np.linspace(1000.0, 2000.0, 64).reshape(-1, 1)
    >>> y = 5e6 + 3e3 * X.ravel()
    >>> regressor = ScaledKerasRegressor(epochs=30, random_state=0).fit(X, y)
    >>> bool(regressor.score(X, y) > 0.98)
    True
    """

    _target_numbers: dict[str, list[int]] | None
    _routes = (
        *("model", "optimizer", "loss", "compile", "fit"),
        *("input_scaler", "target_scaler"),
    )

    def __init__(
        self,
        model: Any = None,
        *,
        input_scaler: Any = "standard",
        target_scaler: Any = "standard",
        input_columns: Any = None,
        target_columns: Any = None,
        hidden_layer_sizes: Any = (64, 64),
        optimizer: Any = "adam",
        loss: Any = None,
        loss_units: str = "scaled",
        metrics: Any = None,
        epochs: int = 100,
        batch_size: int = 32,
        validation_split: Any = 0.0,
        early_stopping: bool = False,
        callbacks: Any = None,
        engine: str = "auto",
        update_scalers: bool = False,
        ignore_findings: Any = (),
        random_state: Any = None,
        warm_start: bool = False,
        verbose: Any = 0,
        **routed: Any,
    ) -> None:
        self.model = model
        self.input_scaler = input_scaler
        self.target_scaler = target_scaler
        self.input_columns = input_columns
        self.target_columns = target_columns
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.loss = loss
        self.loss_units = loss_units
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.callbacks = callbacks
        self.engine = engine
        self.update_scalers = update_scalers
        self.ignore_findings = ignore_findings
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self._assign_routed(routed)

    def predict(self, X: Any) -> Any:
        """Return predictions in target units.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, ...), or dict of them, float64
            Like the ``y`` of ``fit``.

        Warns
        -----
        UserWarning
            If rows are predicted beyond the domain of the target scaler's inverse, whose end
            they get, as from :func:`to_keras`; or if they are not finite.
        """
        found = self._predict(X)
        return each(lambda _, array: array.astype(np.float64, copy=False), found)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch on more rows, going on from what was learnt before.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``. The first call fits the scalers; ``update_scalers`` says whether
            later ones let them learn.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As ``fit``.
        """
        return self._partial_fit(X, y, sample_weight, self._learn_y)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R², the mean over all target columns, of the predictions.

        Parameters
        ----------
        X, y
            Inputs and targets in raw units.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            At most 1.
        """
        predicted = self.predict(X)
        given = self._check_y(y, "y", reset=False)
        self._match_y(given, "y")
        if self._target_numbers is not None:
            predicted = split_columns(predicted, self._target_numbers)
        in_order = each(lambda name, _: part(predicted, name), given)
        return float(r2_score(flat(given), flat(in_order), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # Targets

    def _check_y(self, y: Any, name: str, reset: bool) -> Any:
        if reset:
            self._target_numbers = None
        if isinstance(y, Mapping):
            if self.target_columns is not None:
                raise ValueError(
                    f"target_columns says which columns of a table are which output, but {name} is "
                    "a dict already. Use target_columns=None."
                )
            return each(lambda key, one: check_targets(self, one, named(name, key)), dict(y))
        if reset and self.target_columns is not None:
            self._learn_columns(y)
        if self._target_numbers is None:
            return check_targets(self, y, name)
        table = check_targets(self, self._in_order(y, name), name)
        if table.ndim != 2 or table.shape[1] != len(self._column_order):
            raise ValueError(
                f"{name} has shape {table.shape}, but the y of fit had {len(self._column_order)} "
                "columns. Pass the same columns."
            )
        return split_columns(table, self._target_numbers)

    def _learn_columns(self, y: Any) -> None:
        """Set which columns of ``y`` are which output."""
        shape = np.shape(y)
        if len(shape) != 2:
            raise ValueError(f"target_columns needs a table, but y has shape {shape}.")
        known = getattr(y, "columns", None)
        self._target_names = None if known is None else list(known)
        numbers = numbers_of(self.target_columns, "target_columns", self._target_names, shape[1])
        order = [number for chosen in numbers.values() for number in chosen]
        if sorted(order) != list(range(shape[1])):
            raise ValueError(
                f"target_columns must have each of the {shape[1]} columns of y once, got {numbers}."
            )
        self._target_numbers = numbers
        self._column_order = tuple(np.argsort(order).tolist())

    def _in_order(self, y: Any, name: str) -> Any:
        """Return a data frame's columns in the order of the y of fit."""
        if self._target_names is None or not hasattr(y, "columns"):
            return y
        if set(y.columns) != set(self._target_names):
            raise ValueError(
                f"{name} has the columns {list(y.columns)}, but the y of fit had "
                f"{self._target_names}. Pass the same columns."
            )
        return y[self._target_names]

    def _learn_y(self, rows: Rows, more: bool = False) -> None:
        if more:
            self._match_y(rows.y, "y")
            return
        self._target_shapes = each(lambda _, y: y.shape[1:], rows.y)
        self.n_outputs_ = sum(math.prod(y.shape[1:]) for y in parts(rows.y))

    def _match_y(self, y: Any, name: str) -> None:
        shapes = each(lambda _, one: one.shape[1:], y)
        if shapes != self._target_shapes:
            raise ValueError(
                f"{name} has samples of shape {shapes}, but the y of fit had samples of shape "
                f"{self._target_shapes}. Pass targets of the same kind."
            )

    def _columns(self, y: Any) -> Any:
        """Return targets as scalers and networks take them: with one axis or more behind rows."""
        return each(lambda _, one: one.reshape(len(one), -1) if one.ndim == 1 else one, y)

    def _fit_target(self, rows: Rows, method: str, is_new: bool) -> None:
        series = series_of(self.input_scaler_)
        if series is not None:
            self._refuse_for_series()
            self.target_scaler_ = series.scaler_of(self._target_shapes)
            return
        columns = self._columns(rows.y)
        if is_new:
            routed = self._routed_to("target_scaler")
            self.target_scaler_ = self._make_scalers("target_scaler", routed, columns)

        def fit(name: Any, y: np.ndarray, scaler: Any) -> None:
            parameter = named("target_scaler", name)
            learn(parameter, scaler, y, None, rows.weight, method)
            scaled = np.shape(scale(parameter, scaler, y[:1]))
            if scaled != (1, *y.shape[1:]):
                raise ValueError(
                    f"{parameter}={scaler!r} turns {y.shape[-1]} columns of y into shape {scaled} "
                    "a row. Use a transformer that keeps the columns."
                )

        each(fit, columns, self.target_scaler_)

    def _refuse_for_series(self) -> None:
        if isinstance(self._target_shapes, dict) or len(self._target_shapes) > 2:
            raise ValueError(
                "input_scaler='instance' needs y of shape (n_samples,), (n_samples, n_steps) or "
                f"(n_samples, n_steps, n_features), got samples of shape {self._target_shapes}."
            )
        if self.target_scaler != "standard" or self._routed_to("target_scaler"):
            raise ValueError(
                "input_scaler='instance' scales the target with the statistics of its series, but "
                f"target_scaler={self.target_scaler!r} was given. Leave it at 'standard'."
            )

    def _forecast(self) -> tuple[int, list[int]] | None:
        series = series_of(self.input_scaler_)
        return None if series is None else series.forecast_of(self._target_shapes)

    def _network_targets(self, y: Any, loss: Any) -> Any:
        def encode(name: Any, one: np.ndarray, scaler: Any, has_axis: bool) -> np.ndarray:
            scaled: np.ndarray = scale(named("target_scaler", name), scaler, one)
            return scaled[..., None] if has_axis else scaled

        return each(encode, self._columns(y), self.target_scaler_, self._extra_axis)

    def _as_subject(self, network: Any, X: Any, y: Any, loss: Any) -> Subject:
        return Subject(
            *(network, self.input_scaler_, self.target_scaler_, X, y),
            loss="mean_squared_error" if loss is None else loss,
            has_loss_weights="loss_weights" in self._routed_to("compile"),
            in_target_units=self.loss_units == "target",
        )

    def _output_maps(self) -> tuple[Any, ...]:
        def of(_: Any, shape: tuple[int, ...], scaler: Any, has_axis: bool) -> Map:
            squeezed = (Squeeze(),) if has_axis else ()
            column = (Squeeze(),) if shape == () else ()
            # Bounded: beyond the ends of the inverse's domain a prediction stays at the end.
            return Chain((*squeezed, Inverse(as_map(scaler).bounded()), *column))

        maps = each(of, self._target_shapes, self.target_scaler_, self._extra_axis)
        return (maps,) if self._target_numbers is None else (maps, self._column_order)

    def _warn_of_predicted(self, outputs: Any, predicted: Any) -> None:
        if all(domain is None for domain in parts(self._domains)):
            return
        by_name = outputs
        if isinstance(self._target_shapes, dict) and not isinstance(outputs, dict):
            by_name = dict(zip(self.network_.output_names, outputs, strict=True))

        def told(name: Any, domain: Any, has_axis: bool, z: np.ndarray) -> str:
            n_rows = 0 if domain is None else rows_beyond(domain, z[..., 0] if has_axis else z)
            if not n_rows:
                return ""
            return (
                f"{named('target_scaler', name)}: {n_rows} of {len(z)} rows are predicted beyond "
                "the numbers that its inverse is defined for, and stay at the end of them. Are "
                "these rows like those of fit?"
            )

        texts = parts(each(told, self._domains, self._extra_axis, by_name))
        n_lost = sum(rows_not_finite(array) for array in parts(predicted))
        if n_lost and not any(rows_not_finite(z) for z in parts(by_name)):
            texts.append(
                f"target_scaler: the inverse turns {n_lost} rows of predictions into NaN or "
                "infinities. Use a scaler whose inverse is defined for all numbers."
            )
        for text in filter(None, texts):
            warnings.warn(text, stacklevel=4)

    # The network

    def _offers(self) -> dict[str, Any]:
        maps = each(lambda _, __, scaler: as_map(scaler), self._target_shapes, self.target_scaler_)
        return {
            "output_shape": each(lambda _, shape: shape or (1,), self._target_shapes),
            "output_activation": each(lambda _, map_: _activation(map_), maps),
            "target_scaler": self.target_scaler_,
        }

    def _check_outputs(self, network: Any, outputs: Any) -> None:
        wanted = each(lambda _, shape: shape or (1,), self._target_shapes)
        found = outputs
        if isinstance(wanted, dict):
            found = named_outputs(network, outputs, set(wanted))
            if found is None:
                refuse_outputs(
                    network,
                    outputs,
                    f"y has the outputs {sorted(wanted)}. Return a dict of outputs with these "
                    "keys, or name the output layers so",
                )
        elif not hasattr(outputs, "shape"):
            refuse_outputs(network, outputs, _expected(None, wanted))

        def has_axis(name: Any, shape: tuple[int, ...], output: np.ndarray) -> bool:
            got = tuple(output.shape[1:])
            if got not in (shape, (*shape, 1)):
                refuse_outputs(network, outputs, _expected(name, shape))
            return got != shape

        self._extra_axis = each(has_axis, wanted, found)
        self._domains = each(lambda _, *one: _domain(*one), wanted, self.target_scaler_)

    def _make_loss(self, own: Any, outputs: Any) -> Any:
        if self.loss_units not in ("scaled", "target"):
            raise ValueError(f'loss_units must be "scaled" or "target", got {self.loss_units!r}.')
        given = own if self.loss is None else self.loss
        routed = self._routed_to("loss")
        values = self._for_outputs("loss", given)

        def make(name: Any, shape: Any, scaler: Any, has_axis: bool) -> Any:
            value = values[name]
            loss = make_loss("mean_squared_error" if value is None else value, routed)
            self._check_loss_kind(loss, as_map(scaler))
            if self.loss_units == "scaled" or scaler is None:
                return loss
            return TargetUnitsLoss(loss, to_target_units(as_map(scaler), shape, has_axis))

        return each(make, self._target_shapes, self.target_scaler_, self._extra_axis)

    def _check_loss_kind(self, loss: Any, map_: Map) -> None:
        if not is_stock(loss):
            return
        name = loss_name(loss)
        low, high = map_.output_range
        probabilities = "crossentropy" in name and not (low >= 0 and high <= 1)
        if probabilities or any(part in name for part in _NOT_FOR_NUMBERS):
            raise ValueError(
                f"loss={name!r} compares class probabilities and cannot train a regressor. Use a "
                "regression loss, for example 'mean_squared_error', or ScaledKerasClassifier."
            )
        is_scaled = self.target_scaler is not None and self.loss_units == "scaled"
        if name in _NEEDS_RAW_TARGETS and is_scaled:
            raise ValueError(
                f"loss={name!r} means nothing for targets scaled by target_scaler="
                f"{self.target_scaler!r}, which may be negative. Use loss_units='target' to "
                "compute it in target units, or a loss of differences such as "
                "'mean_squared_error'."
            )

    def _make_metrics(self, metrics: Any) -> Any:
        values = self._for_outputs("metrics", metrics)

        def make(name: Any, shape: tuple[int, ...], scaler: Any, has_axis: bool) -> list[Any]:
            given = values[name]
            if name is not None and given is not None and not isinstance(given, list | tuple):
                given = [given]
            return [
                TargetUnits(metric, units_of(map_for(metric, as_map(scaler)), shape, has_axis))
                for metric in make_metrics(given, widest_float())
            ]

        return each(make, self._target_shapes, self.target_scaler_, self._extra_axis)

    def _loss_weights(self, weights: Any) -> Any:
        if not isinstance(weights, dict):
            return weights
        # By name: Keras takes the entries of a dict for outputs in a list in sorted order.
        values = self._for_outputs("compile__loss_weights", weights)
        return self._as_outputs({name: 1.0 if v is None else v for name, v in values.items()})

    def _for_outputs(self, parameter: str, value: Any) -> dict[Any, Any]:
        """Return what a parameter says of each output; a dict may leave out some."""
        every = names(self._target_shapes)
        if every == [None] or not isinstance(value, dict) or "class_name" in value:
            if not (isinstance(value, list) and parameter == "loss" and every != [None]):
                return dict.fromkeys(every, value)
            if not self._output_order:
                raise ValueError(
                    f"loss is a list, but the outputs have names. Give a dict of losses for "
                    f"{', '.join(map(repr, every))}."
                )
            return dict(zip(self._output_order, value, strict=True))
        unknown = [name for name in value if name not in every]
        if unknown:
            raise ValueError(
                f"{parameter} names the output {unknown[0]!r}, which y has not. "
                f"{did_you_mean(unknown[0], every)}"
            )
        return {name: value.get(name) for name in every}


def _domain(shape: tuple[int, ...], scaler: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return between which scaled numbers a scaler's inverse is defined; None if it is affine."""
    map_ = as_map(scaler)
    return None if map_.is_affine else map_.inverse_domain(shape[-1])


def _activation(map_: Map) -> str:
    low, high = map_.output_range
    within = "sigmoid" if low >= 0 and high <= 1 else "tanh"
    return within if low >= -1 and high <= 1 else "linear"


def _expected(name: Any, shape: tuple[int, ...]) -> str:
    if len(shape) > 1:
        return f"{named('y', name)} has samples of shape {shape}. End the network with that shape"
    count = shape[0]
    return (
        f"{named('y', name)} has {count} column{'s' if count > 1 else ''}. End the network with "
        f"Dense({count})"
    )


@register_network(ScaledKerasRegressor)
def _regressor_network(regressor: ScaledKerasRegressor) -> ScaledNetwork:
    return regressor._scaled_network()
