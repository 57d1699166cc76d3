"""The regressor: targets scaled in, predictions scaled back."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from .._validation import check_targets
from ..bridge import ScaledNetwork, inverse_model, register_network, widest_float
from ..maps import Affine, Chain, Inverse, Map, Squeeze
from ..training import TargetUnits
from ._base import BaseScaledKeras, Rows
from ._compiling import is_stock, loss_name, make_metrics
from ._networks import check_network_output
from ._scaling import as_map, fit_scaler, scale

_NEEDS_RAW_TARGETS = {
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "poisson",
}

# Parts of the names of losses that compare probabilities or directions.
_NOT_FOR_NUMBERS = ("categorical", "hinge", "divergence", "cosine", "dice", "tversky", "circle")

# Metrics that adding a constant to targets and predictions does not change.
_OF_DIFFERENCES = {
    *("MeanAbsoluteError", "MeanSquaredError", "RootMeanSquaredError", "LogCoshError"),
    *("R2Score", "PearsonCorrelation", "ConcordanceCorrelation"),
}


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
        that is known) by naming them as parameters. A ``keras.Model`` is copied
        and each fit starts from its weights. A network that comes compiled
        keeps its own loss where ``loss`` is None, and its own optimizer where
        ``optimizer`` is "adam"; metrics and the rest are this estimator's.
    input_scaler : {"standard", "minmax", "maxabs", "robust"}, transformer or None, \
default="standard"
        Scales ``X``. A transformer is cloned; it may change the columns.
    target_scaler : {"standard", "minmax", "maxabs", "robust"}, transformer or None, \
default="standard"
        Scales ``y``, column by column; needs ``inverse_transform``.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of the default network's hidden layers; ``model__activation``
        (default "relu") is theirs too. Its output activation is the one that
        reaches the target scaler's range: sigmoid within [0, 1], tanh within
        [-1, 1], else linear.
    optimizer : str, dict, keras.optimizers.Optimizer or class, default="adam"
        Each fit makes its own from it.
    loss : str, keras.losses.Loss or callable, default=None
        Loss in scaled space; None is "mean_squared_error".
    metrics : list, default=None
        Metrics in target units: names, functions, ``keras.metrics.Metric``.
    epochs : int, default=100
        Passes over the training rows.
    batch_size : int, default=32
        Rows in a training step.
    validation_split : float, default=0.0
        Share of rows, drawn at random, that is held out before the scalers are
        fitted; gives the ``val_`` entries of ``history_``.
    callbacks : list of keras.callbacks.Callback, default=None
        Deep-copied before each fit.
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
    input_scaler_, target_scaler_ : object or None
        The fitted scalers.
    network_ : keras.Model
        The trained network, scaled space on both sides.
    history_ : dict of list
        Per epoch: ``loss`` in scaled space and the metrics in target units.
    n_features_in_, n_outputs_ : int
        Columns of ``X`` and ``y``.
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
        hidden_layer_sizes: Any = (64, 64),
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Any = None,
        epochs: int = 100,
        batch_size: int = 32,
        validation_split: float = 0.0,
        callbacks: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: Any = 0,
        **routed: Any,
    ) -> None:
        self.model = model
        self.input_scaler = input_scaler
        self.target_scaler = target_scaler
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self._assign_routed(routed)

    def predict(self, X: Any) -> np.ndarray:
        """Return predictions in target units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in raw units.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
            With as many axes as the ``y`` of ``fit``.
        """
        return self._predict(X).astype(np.float64, copy=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _check_y(self, y: Any, name: str) -> np.ndarray:
        return check_targets(self, y, name)

    def _encode_y(self, y: np.ndarray, learns: bool) -> np.ndarray:
        columns = y.reshape(len(y), -1)
        if learns:
            self.n_outputs_ = columns.shape[1]
            self._target_ndim = y.ndim
        elif (y.ndim, columns.shape[1]) != (self._target_ndim, self.n_outputs_):
            raise ValueError(
                f"Targets have shape {y.shape}, but the y of fit had {self._target_ndim} axes and "
                f"{self.n_outputs_} columns. Pass targets of the same kind."
            )
        return columns

    def _fit_target(self, rows: Rows) -> None:
        self.target_scaler_ = fit_scaler(
            "target_scaler",
            self.target_scaler,
            self._routed_to("target_scaler"),
            rows.y,
            weight=rows.weight,
        )
        scaled = np.shape(self._target_map().forward(rows.y[:1], np))
        if scaled != (1, self.n_outputs_):
            raise ValueError(
                f"target_scaler={self.target_scaler!r} turns {self.n_outputs_} columns of y into "
                f"shape {scaled} a row. Use a transformer that keeps the columns."
            )

    def _target_map(self) -> Map:
        return as_map(self.target_scaler_)

    def _output_map(self) -> Map:
        inverse = Inverse(self._target_map())
        return Chain((inverse, Squeeze())) if self._target_ndim == 1 else inverse

    def _offers(self) -> dict[str, Any]:
        low, high = self._target_map().output_range
        within = "sigmoid" if low >= 0 and high <= 1 else "tanh"
        return {
            "output_shape": (self.n_outputs_,),
            "output_activation": within if low >= -1 and high <= 1 else "linear",
            "target_scaler": self.target_scaler_,
        }

    def _default_loss(self, outputs: np.ndarray) -> Any:
        return "mean_squared_error"

    def _check_loss_kind(self, loss: Any, outputs: np.ndarray) -> None:
        if not is_stock(loss):
            return
        name = loss_name(loss)
        low, high = self._target_map().output_range
        probabilities = "crossentropy" in name and not (low >= 0 and high <= 1)
        if probabilities or any(part in name for part in _NOT_FOR_NUMBERS):
            raise ValueError(
                f"loss={name!r} compares class probabilities and cannot train a regressor. Use a "
                "regression loss, for example 'mean_squared_error', or ScaledKerasClassifier."
            )
        if name in _NEEDS_RAW_TARGETS and self.target_scaler is not None:
            raise ValueError(
                f"loss={name!r} means nothing for targets scaled by target_scaler="
                f"{self.target_scaler!r}, which may be negative. Use target_scaler=None, or a "
                "loss of differences such as 'mean_squared_error' or 'huber'."
            )

    def _check_outputs(self, network: Any, inputs: np.ndarray) -> np.ndarray:
        expected = (
            f"y has {self.n_outputs_} column{'s' if self.n_outputs_ > 1 else ''}. End the network "
            f"with Dense({self.n_outputs_})"
        )
        return check_network_output(network, inputs, {self.n_outputs_}, expected)

    def _network_targets(self, y: np.ndarray, loss: Any) -> np.ndarray:
        return scale("target_scaler", self._target_map(), y)

    def _metrics(self, metrics: Any) -> list[Any]:
        return [
            TargetUnits(metric, inverse_model(self._units_for(metric), (self.n_outputs_,)))
            for metric in make_metrics(metrics, widest_float())
        ]

    def _units_for(self, metric: Any) -> Map:
        """Return the map to compute a metric behind: without the offset where it cancels.

        Far from zero, squares and float32 (JAX) lose the differences that are asked for.
        """
        map_ = self._target_map()
        if map_.is_affine and type(metric).__name__ in _OF_DIFFERENCES:
            return Affine(0.0, map_.locate(0.0, 1.0)[1])
        return map_


@register_network(ScaledKerasRegressor)
def _regressor_network(regressor: ScaledKerasRegressor) -> ScaledNetwork:
    return regressor._scaled_network()
