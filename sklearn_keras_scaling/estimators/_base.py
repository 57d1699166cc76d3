"""What the regressor and the classifier share: one way from raw rows to a trained network."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from .._validation import check_inputs, check_same_length, check_weights, unchanged_on_error
from ..bridge import ScaledNetwork, check_restorable, copy_network
from ..maps import IDENTITY, Map
from ..training import Batches, predict_blocks, seeded, train
from ._compiling import (
    carry_over,
    check_keywords,
    check_loss,
    make_loss,
    make_optimizer,
)
from ._networks import fresh_copy, make_network
from ._routing import RoutedParameters
from ._scaling import as_map, fit_scaler, scale

_SEEDS = np.iinfo(np.int32).max
_TRIAL_ROWS = 32


@dataclass(frozen=True)
class Rows:
    """Validated rows in raw units: inputs, targets (n, k) and weights or None."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None

    def __getitem__(self, index: np.ndarray) -> Rows:
        weight = None if self.weight is None else self.weight[index]
        return Rows(self.X[index], self.y[index], weight)


class BaseScaledKeras(RoutedParameters, BaseEstimator, ABC):
    """Fits scalers and a network on raw data and predicts through both."""

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Fit the scalers and train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training inputs in raw units: numbers, finite.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Training targets in raw units; of a classifier, labels of shape (n_samples,).
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for the loss and for scalers that take them.
            Rows of weight 0 count as absent; the others are brought to mean 1.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation rows in raw units, in place of ``validation_split``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or parameters do not fit; the estimator is then as before.
        """
        with unchanged_on_error(self):
            self._check_parameters()
            rng = check_random_state(self.random_state)
            split_seed, network_seed = rng.randint(_SEEDS, size=2).tolist()
            rows = self._check_rows(X, y, sample_weight)
            if X_val is y_val is sample_weight_val is None:
                rows, validation = self._split(rows, split_seed)
            else:
                validation = self._check_rows(X_val, y_val, sample_weight_val, suffix="_val")
            if not self._goes_on():
                self._fit_scalers(rows)
            self._train(rows, validation, network_seed)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Keras would write what it cannot read, and say so only when the file is needed.
        if self.__sklearn_is_fitted__():
            check_restorable(self.network_)
        return super().__getstate__()

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether ``fit`` has succeeded."""
        return hasattr(self, "network_")

    # What the two kinds differ in

    @abstractmethod
    def _check_y(self, y: Any, name: str) -> np.ndarray:
        """Return valid targets, with rows first."""

    @abstractmethod
    def _encode_y(self, y: np.ndarray, learns: bool) -> np.ndarray:
        """Return valid targets as (n, k), learning their kind in a first fit."""

    @abstractmethod
    def _fit_target(self, rows: Rows) -> None:
        """Fit what stands between raw targets and the network's."""

    @abstractmethod
    def _offers(self) -> dict[str, Any]:
        """Return what only this kind offers to a builder."""

    @abstractmethod
    def _default_loss(self, outputs: np.ndarray) -> Any:
        """Return the loss for ``loss=None``, given some of the network's outputs."""

    @abstractmethod
    def _check_loss_kind(self, loss: Any, outputs: np.ndarray) -> None:
        """Raise ``ValueError`` if the loss cannot train this kind of estimator."""

    @abstractmethod
    def _check_outputs(self, network: Any, inputs: np.ndarray) -> np.ndarray:
        """Return the network's outputs for a few rows, if they fit the targets."""

    @abstractmethod
    def _network_targets(self, y: np.ndarray, loss: Any) -> np.ndarray:
        """Return targets of shape (n, k) as the network and its loss take them."""

    @abstractmethod
    def _metrics(self, metrics: Any) -> list[Any]:
        """Return new metrics to compile with, as the user names them."""

    def _split_labels(self, rows: Rows) -> np.ndarray | None:
        """Return the labels to stratify the validation split by."""
        return None

    # The way of the data

    def _check_parameters(self) -> None:
        for name in ("epochs", "batch_size"):
            check_scalar(getattr(self, name), name, Integral, min_val=1)
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, (tuple, list)):
            raise TypeError(
                f"hidden_layer_sizes must be a tuple of int, got {sizes!r}. Write (64,)."
            )
        for units in sizes:
            check_scalar(units, "each of hidden_layer_sizes", Integral, min_val=1)
        share = self.validation_split
        if not isinstance(share, Real) or not 0 <= float(share) < 1:
            raise ValueError(
                f"validation_split must be a number in [0, 1), got {share!r}. It is the share of "
                "rows to hold out; 0 holds out none."
            )
        for method in ("compile", "fit"):
            check_keywords(method, self._routed_to(method))

    def _check_rows(self, X: Any, y: Any, weight: Any, suffix: str = "") -> Rows:
        names = [name + suffix for name in ("X", "y", "sample_weight")]
        if suffix and (X is None or y is None):
            missing = names[0] if X is None else names[1]
            raise ValueError(
                f"X_val, y_val and sample_weight_val go together, but {missing} is None."
            )
        learns = not suffix and not self._goes_on()
        X = check_inputs(self, X, reset=learns, name=names[0])
        y = self._check_y(y, names[1])
        check_same_length(**{names[0]: X, names[1]: y})
        weight = check_weights(weight, len(X), names[2])
        if weight is not None:
            present = weight > 0
            X, y, weight = X[present], y[present], weight[present]
        return Rows(X, self._encode_y(y, learns), weight)

    def _split(self, rows: Rows, seed: int) -> tuple[Rows, Rows | None]:
        if self.validation_split == 0:
            return rows, None
        if len(rows.X) < 2:
            raise ValueError(
                f"validation_split={self.validation_split} needs at least 2 rows, X has "
                f"{len(rows.X)}. Pass more rows or validation_split=0."
            )
        try:
            kept, held_out = train_test_split(
                np.arange(len(rows.X)),
                test_size=float(self.validation_split),
                random_state=seed,
                stratify=self._split_labels(rows),
            )
        except ValueError as error:
            raise ValueError(
                f"validation_split={self.validation_split} cannot split {len(rows.X)} rows: {error}"
            ) from error
        return rows[kept], rows[held_out]

    def _goes_on(self) -> bool:
        return bool(self.warm_start) and self.__sklearn_is_fitted__()

    def _fit_scalers(self, rows: Rows) -> None:
        routed = self._routed_to("input_scaler")
        y = rows.y.ravel() if rows.y.shape[1] == 1 else rows.y
        self.input_scaler_ = fit_scaler(
            "input_scaler", self.input_scaler, routed, rows.X, y, rows.weight
        )
        self._fit_target(rows)

    def _train(self, rows: Rows, validation: Rows | None, seed: int) -> None:
        inputs = self._scale_inputs(rows.X)
        trial = inputs[:_TRIAL_ROWS]
        with seeded(seed):  # first weights, and the seeds that dropout layers draw
            network, origin = self._make_network(inputs.shape[1:])
            outputs = self._check_outputs(network, trial)
        loss = self._compile(network, origin, outputs)
        arrays = self._arrays(rows, inputs, loss)
        check_loss(network, trial, arrays[1][:_TRIAL_ROWS], outputs)
        self.history_ = train(
            network,
            Batches(arrays, self.batch_size, seed),
            self._validation_arrays(validation, loss),
            epochs=self.epochs,
            callbacks=copy.deepcopy(self.callbacks),
            verbose=self.verbose,
            **self._routed_to("fit"),
        )
        # The optimizer stays, for warm_start; loss and metrics go, so that the
        # network's own file needs nothing but Keras.
        network.compile(optimizer=network.optimizer)
        self.network_ = network

    def _scale_inputs(self, X: np.ndarray) -> np.ndarray:
        return scale("input_scaler", as_map(self.input_scaler_), X)

    def _arrays(self, rows: Rows, inputs: np.ndarray, loss: Any) -> tuple[np.ndarray, ...]:
        arrays = (inputs, self._network_targets(rows.y, loss))
        if rows.weight is None:
            return arrays
        return (*arrays, (rows.weight / rows.weight.mean()).astype(inputs.dtype))

    def _validation_arrays(self, rows: Rows | None, loss: Any) -> tuple[np.ndarray, ...] | None:
        return None if rows is None else self._arrays(rows, self._scale_inputs(rows.X), loss)

    def _make_network(self, input_shape: tuple[int, ...]) -> tuple[Any, Any]:
        """Return the network to train and the one that says how its maker compiled it."""
        meta = {
            "n_features_in": self.n_features_in_,
            "feature_names_in": getattr(self, "feature_names_in_", None),
            "input_shape": input_shape,
            "input_scaler": self.input_scaler_,
            "hidden_layer_sizes": self.hidden_layer_sizes,
            **self._offers(),
        }
        origin = make_network(self.model, {**meta, "meta": meta}, self._routed_to("model"))
        if self._goes_on():
            return copy_network(self.network_), origin
        return (fresh_copy(origin) if origin is self.model else origin), origin

    def _compile(self, network: Any, origin: Any, outputs: np.ndarray) -> Any:
        """Compile the network and return its loss; a compiled origin keeps what it chose."""
        own = origin if origin.compiled else None
        optimizer = make_optimizer(
            self.optimizer, self._routed_to("optimizer"), own and own.optimizer
        )
        loss = self.loss if self.loss is not None else own and own.loss
        loss = make_loss(
            self._default_loss(outputs) if loss is None else loss, self._routed_to("loss")
        )
        self._check_loss_kind(loss, outputs)
        keywords = self._routed_to("compile")
        weighted = self._metrics(keywords.pop("weighted_metrics", None))
        network.compile(
            optimizer=optimizer,
            loss=loss,
            metrics=self._metrics(self.metrics),
            weighted_metrics=weighted,
            **keywords,
        )
        network.optimizer.build(network.trainable_variables)
        if self._goes_on():
            carry_over(self.network_.optimizer, network.optimizer)
        return loss

    def _predict(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = check_inputs(self, X, reset=False)
        parts = self._scaled_network()
        outputs = predict_blocks(parts.network, self._scale_inputs(X))
        if parts.outputs is not IDENTITY:
            outputs = outputs.astype(np.float64)
        return np.asarray(parts.outputs.forward(outputs, np))

    def _scaled_network(self) -> ScaledNetwork:
        return ScaledNetwork(as_map(self.input_scaler_), self.network_, self._output_map())

    def _output_map(self) -> Map:
        """Return the map from the network's outputs to what ``predict`` starts from."""
        return IDENTITY
