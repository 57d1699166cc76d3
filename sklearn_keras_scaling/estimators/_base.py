"""What the regressor and the classifier share: one way from raw rows to a trained network."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from .._optional import keras
from .._structure import each, named, names, parts
from .._validation import (
    check_given,
    check_same_length,
    check_weights,
    unchanged_on_error,
)
from ..bridge import ScaledNetwork, check_restorable, copy_network
from ..checks import Subject, check_codes, examine, warn_of
from ..data import (
    EARLY_STOPPING_SHARE,
    Rows,
    Stream,
    StreamBatches,
    check_groups,
    check_split,
    choose_validation,
    flat,
    hold_out,
    is_splitter,
    is_stream,
    read_inputs,
    refuse_sliced,
    refuse_with_stream,
)
from ..maps import Chain, Take
from ..networks import fresh_copy, make_network, run_network
from ..scaling import (
    as_map,
    chosen,
    front_layers,
    having_learnt,
    in_training,
    learn,
    make_scaler,
    normalizing_instances,
    passing,
    routed_of,
    scale,
    series_of,
    supports_sparse,
    with_layers_in_front,
)
from ..targets import Targets
from ..training import (
    Batches,
    carry_over,
    check_keywords,
    check_loss,
    check_metrics,
    make_optimizer,
    predict_blocks,
    seeded,
    take_rows,
    train,
)
from ._display import visual_block
from ._processes import refuse_after_fork
from ._routing import RoutedParameters

_SEEDS = np.iinfo(np.int32).max
_TRIAL_ROWS = 32
#: Epochs without an improvement that ``early_stopping=True`` waits, as in scikit-learn.
_PATIENCE = 10


class BaseScaledKeras(RoutedParameters, BaseEstimator, ABC):
    """Fits scalers and a network on raw data and predicts through both."""

    input_scaler_: Any
    targets_: Targets

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        validation_data: Any = None,
    ) -> Any:
        """Fit the scalers and train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, ...), \
dict or list of them, or dataset
            Training inputs in raw units: numbers, finite. A dict has an array for each of the
            network's named inputs; a list of arrays one for each in order (stack samples that
            are in a list). A ``tf.data.Dataset``, ``keras.utils.PyDataset`` or ``DataLoader``
            yields batches ``(X, y)`` or ``(X, y, sample_weight)``, in raw units: it is read
            once for the scalers and again in each epoch, in its own order.
        y : array-like of shape (n_samples,) or (n_samples, ...), or dict of them
            Training targets in raw units; of a classifier, labels of shape (n_samples,), or
            0 and 1 of shape (n_samples, n_labels). A dict has an array for each named output.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for the loss and for scalers that take them.
            Rows of weight 0 count as absent; the others are brought to mean 1.
        groups : array-like of shape (n_samples,), default=None
            For a splitter given as ``validation_split``.
        X_val, y_val, sample_weight_val : default=None
            Validation rows in raw units, in place of ``validation_split``. In a search,
            scikit-learn slices every argument that is as long as ``X``: there, pass another
            number of rows, or use ``validation_split``.
        validation_data : tuple or dataset, default=None
            The same as Keras takes it: ``(X_val, y_val)``, ``(X_val, y_val,
            sample_weight_val)``, or a dataset.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or parameters do not fit; the estimator is then as before.

        Warns
        -----
        UserWarning
            If Ctrl-C stops the training: the estimator is fitted as far as it came.
        ScalingWarning
            If the network and its scaling do not fit each other; see :func:`check_scaling`.
        """
        given = (X_val, y_val, sample_weight_val)
        goes_on = bool(self.warm_start) and self.__sklearn_is_fitted__()
        with unchanged_on_error(self):
            self._check_parameters()
            if goes_on:
                self.targets_ = self.targets_.going_on()  # a failure leaves that of before
            split_seed, seed = self._seeds()
            if is_stream(X, y):
                refuse_with_stream(self.validation_split, sample_weight, groups, given)
                stream, means = self._learn_stream(X, goes_on)
                trial, batches = stream.first, self._stream_batches(stream, means, trains=True)
                validation = self._check_validation((None, None, None), validation_data)
            else:
                refuse_sliced(X, X_val)
                rows, present = self._read_rows(X, y, sample_weight, reset=not goes_on)
                self._know_y(rows, goes_on)
                groups = check_groups(groups, len(present), self.validation_split)
                validation = self._check_validation(given, validation_data)
                if validation is None:
                    groups = None if groups is None else groups[present]
                    rows, validation = self._split(rows, groups, split_seed)
                self.targets_.count(rows.y, rows.weight, more=False)
                if not goes_on:
                    self._fit_scalers(rows)
                trial, batches = rows, self._batches_of(rows, seed)
            self._train(trial, batches, validation, seed, self.epochs, goes_on)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, learn_y: Any) -> Any:
        goes_on = self.__sklearn_is_fitted__()
        with unchanged_on_error(self):
            self._check_parameters()
            if goes_on:
                self.targets_ = self.targets_.going_on()  # a failure leaves that of before
            _, seed = self._seeds()
            rows, _ = self._read_rows(X, y, sample_weight, reset=not goes_on)
            if not goes_on:
                learn_y(rows.y)
            self.targets_.match(rows.y, "y")
            self.targets_.count(rows.y, rows.weight, more=goes_on)
            if not goes_on:
                self._fit_scalers(rows)
            elif self.update_scalers:
                self.input_scaler_ = copy.deepcopy(self.input_scaler_)
                self._fit_scalers(rows, "partial_fit", is_new=False)
            self._train(rows, self._batches_of(rows, seed), None, seed, 1, goes_on)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Keras would write what it cannot read, and say so only when the file is needed.
        if self.__sklearn_is_fitted__():
            check_restorable(self.network_)
        return super().__getstate__()

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether ``fit`` has succeeded."""
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = supports_sparse(self.input_scaler)
        return tags

    def _sk_visual_block_(self) -> Any:
        return visual_block(self)

    # What each kind says

    @abstractmethod
    def _new_targets(self, y: Any, name: str) -> Targets:
        """Return new targets for the kind of ``y``."""

    @abstractmethod
    def _as_subject(self, network: Any, X: Any, y: Any, loss: Any) -> Subject:
        """Return what is checked of a network and rows."""

    # Reading

    def _check_parameters(self) -> None:
        refuse_after_fork(type(self).__name__)
        for name in ("epochs", "batch_size"):
            check_scalar(getattr(self, name), name, Integral, min_val=1)
        for name in ("early_stopping", "update_scalers"):
            check_scalar(getattr(self, name), name, (bool, np.bool_))
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, (tuple, list)):
            raise TypeError(
                f"hidden_layer_sizes must be a tuple of int, got {sizes!r}. Write (64,)."
            )
        for units in sizes:
            check_scalar(units, "each of hidden_layer_sizes", Integral, min_val=1)
        check_split(self.validation_split)
        check_codes("ignore_findings", self.ignore_findings)
        for method in ("compile", "fit"):
            check_keywords(method, self._routed_to(method))

    def _seeds(self) -> list[int]:
        rng = check_random_state(self.random_state)
        found: list[int] = rng.randint(_SEEDS, size=2).tolist()
        return found

    def _read_rows(
        self,
        X: Any,
        y: Any,
        weight: Any,
        *,
        reset: bool = False,
        suffix: str = "",
        may_be_zero: bool = False,
    ) -> tuple[Rows, np.ndarray]:
        """Return valid rows with a weight above 0, and which of the given ones they are."""
        arguments = [name + suffix for name in ("X", "y", "sample_weight")]
        X = read_inputs(self, X, reset=reset, name=arguments[0])
        if reset:
            check_given(self, y)
            self.targets_ = self._new_targets(y, arguments[1])
        y = self.targets_.check(self, y, arguments[1])
        check_same_length(**_by_name(arguments[0], X), **_by_name(arguments[1], y))
        if reset:
            self._input_shapes = each(lambda _, array: tuple(array.shape[1:]), X)
        n = parts(X)[0].shape[0]
        weight = check_weights(weight, n, arguments[2], may_be_zero)
        present = np.ones(n, dtype=bool) if weight is None else weight > 0
        known = self.targets_.known_rows(y)
        if known is not None:  # without a target, a row is absent as with weight 0
            present &= known
            if not (present.any() or may_be_zero):
                raise ValueError(
                    f"{arguments[1]} has no known target in any row that counts: all are missing. "
                    "Was the wrong column chosen?"
                )
        rows = Rows(X, y, weight)
        rows = rows if present.all() else rows[present]
        self.targets_.expect(rows.y)
        return rows, present

    def _check_validation(self, given: tuple[Any, ...], validation_data: Any) -> Any:
        """Return validation rows or a stream that were given explicitly, or None."""
        chosen = choose_validation(given, validation_data)
        if chosen is None or not isinstance(chosen, tuple):
            return chosen
        rows, _ = self._read_rows(*chosen, suffix="_val")
        self.targets_.match(rows.y, "y_val")
        return rows

    def _split(self, rows: Rows, groups: Any, seed: int) -> tuple[Rows, Rows | None]:
        share = self.validation_split
        if self.early_stopping and not is_splitter(share) and share == 0:
            share = EARLY_STOPPING_SHARE
        with seeded(seed):  # for splitters without a random_state
            return hold_out(rows, share, self.targets_.strata(rows.y), groups, seed)

    def _know_y(self, rows: Rows, goes_on: bool, more: bool = False) -> None:
        if goes_on:
            self.targets_.match(rows.y, "y")
        else:
            self.targets_.learn(rows.y, more)

    def _open_stream(
        self, dataset: Any, name: str, visit: Callable[[Rows, bool], None], learns: bool = False
    ) -> Stream:
        """Return a dataset as a stream of rows, which is read once."""
        suffix = "" if name == "X" else "_val"

        def read(X: Any, y: Any, weight: Any, reset: bool) -> Rows:
            rows, _ = self._read_rows(X, y, weight, reset=reset, suffix=suffix, may_be_zero=True)
            return rows

        return Stream(dataset, name, read, visit, learns)

    def _learn_stream(self, dataset: Any, goes_on: bool) -> tuple[Stream, Any]:
        """Return a dataset to train on and its mean weights, after learning from all of it."""
        means = None

        def visit(rows: Rows, is_first: bool) -> None:
            nonlocal means
            self._know_y(rows, goes_on, more=not is_first)
            self.targets_.count(rows.y, rows.weight, more=not is_first)
            means = means or self.targets_.mean_weights()
            self.targets_.weigh(rows.y, rows.weight, means)
            if not goes_on:
                self._fit_scalers(rows, "partial_fit", is_new=is_first)

        return self._open_stream(dataset, "X", visit, learns=not goes_on), means

    # Scaling and training

    def _fit_scalers(self, rows: Rows, method: str = "fit", is_new: bool = True) -> None:
        routed = self._routed_to("input_scaler")
        if is_new:
            self.input_scaler_ = self._make_scalers("input_scaler", routed, rows.X)
        y = flat(rows.y)
        each(
            lambda name, X, scaler: learn(
                named("input_scaler", name), scaler, X, y, rows.weight, method
            ),
            rows.X,
            self.input_scaler_,
        )
        series = series_of(self.input_scaler_)
        self.targets_.fit(rows.y, rows.weight, method, is_new, series)

    def _make_scalers(self, parameter: str, routed: dict[str, Any], data: Any) -> Any:
        every = names(data)
        values = chosen(parameter, getattr(self, parameter), every)
        return each(
            lambda name, array: make_scaler(
                named(parameter, name), values[name], routed_of(routed, name, every), array
            ),
            data,
        )

    def _mean_weights(self, rows: Rows) -> Any:
        means = self.targets_.mean_weights()
        self.targets_.weigh(rows.y, rows.weight, means)
        return means

    def _batches_of(self, rows: Rows, seed: int) -> Callable[[Any], Any]:
        means = self._mean_weights(rows)
        return lambda loss: Batches(
            self._arrays(rows, loss, means, trains=True), self.batch_size, seed
        )

    def _stream_batches(self, stream: Stream, means: Any, trains: bool) -> Callable[[Any], Any]:
        return lambda loss: StreamBatches(
            stream, lambda rows: self._arrays(rows, loss, means, trains)
        )

    def _train(
        self,
        rows: Rows,
        batches: Callable[[Any], Any],
        validation: Any,
        seed: int,
        epochs: int,
        goes_on: bool,
    ) -> None:
        """Make, compile and train the network; ``rows`` are, or begin, the training rows."""
        validation = self._open_validation(validation)
        layers = front_layers(self.input_scaler_)
        self.input_scaler_ = passing(self.input_scaler_)
        network, trained, loss = self._prepare(rows, layers, seed, goes_on)
        training = train(
            trained,
            batches(loss),
            self._validation_arrays(validation, loss),
            epochs=epochs,
            callbacks=self._make_callbacks(validation),
            verbose=self.verbose,
            engine=self.engine,
            **self._routed_to("fit"),
        )
        # The optimizer stays, for warm_start; loss and metrics go, so that the
        # network's own file needs nothing but Keras.
        network.compile(optimizer=trained.optimizer)
        self.network_ = network
        self.input_scaler_ = having_learnt(self.input_scaler_, layers)
        self.history_, self.engine_ = training.history, training.engine
        self.n_iter_ = len(self.history_.get("loss", ()))
        if training.interrupted:
            warnings.warn(
                f"Training was interrupted after {self.n_iter_} of {epochs} epochs; the "
                f"{type(self).__name__} is fitted as far as it came. warm_start=True goes on.",
                UserWarning,
                stacklevel=3,
            )

    def _prepare(self, rows: Rows, layers: Any, seed: int, goes_on: bool) -> tuple[Any, Any, Any]:
        """Return the network, what is trained (with layers in front), and the loss, all tried."""
        trial = rows[:_TRIAL_ROWS]
        inputs = take_rows(self._scale_inputs(trial.X), slice(None))
        with seeded(seed):  # first weights, and the seeds that dropout layers draw
            network, origin = self._make_network(inputs, goes_on)
            outputs = run_network(network, inputs)
            self.targets_.fit_outputs(network, outputs)
        trained = with_layers_in_front(layers, network, inputs)
        loss, metrics = self._compile(trained, origin, goes_on)
        targets = self.targets_.as_outputs(self.targets_.encode(trial.y, loss))
        check_loss(trained, inputs, targets, outputs)
        check_metrics(self.targets_.as_outputs(metrics), targets, outputs)
        if not goes_on:
            self._find(network, rows, loss)
        return network, trained, loss

    def _find(self, network: Any, rows: Rows, loss: Any) -> None:
        """Set what does not fit, and warn of what is severe."""
        subject = self._as_subject(network, rows.X, rows.y, loss)
        subject = replace(subject, input_scaler=in_training(self.input_scaler_))
        self.findings_ = examine(subject, check_codes("ignore_findings", self.ignore_findings))
        warn_of(self.findings_, stacklevel=5)

    def _make_callbacks(self, validation: Any) -> Any:
        callbacks = copy.deepcopy(self.callbacks)
        if not self.early_stopping:
            return callbacks
        if validation is None:
            raise ValueError(
                "early_stopping=True needs rows to validate on. Pass X_val and y_val, or "
                "validation_data."
            )
        stop = keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=_PATIENCE, restore_best_weights=True
        )
        return [*(callbacks or []), stop]

    def _scale_inputs(self, X: Any) -> Any:
        return each(
            lambda name, array, scaler: scale(named("input_scaler", name), scaler, array),
            X,
            self.input_scaler_,
        )

    def _arrays(self, rows: Rows, loss: Any, means: Any, trains: bool = False) -> tuple[Any, ...]:
        """Return inputs, targets and, if any, weights as the network takes them."""
        targets = self.targets_.encode(rows.y, loss)
        weights = self.targets_.weights(rows.y, rows.weight, means, targets, trains)
        inputs, as_outputs = self._scale_inputs(rows.X), self.targets_.as_outputs
        if weights is None:
            return inputs, as_outputs(targets)
        return inputs, as_outputs(targets), as_outputs(weights)

    def _open_validation(self, validation: Any) -> Any:
        """Return validation rows, or a stream of them that was read once with its mean weights."""
        if validation is None or isinstance(validation, Rows):
            return validation
        means = self.targets_.mean_weights()

        def visit(rows: Rows, _: bool) -> None:
            self.targets_.match(rows.y, "y_val")
            self.targets_.weigh(rows.y, rows.weight, means)

        return self._open_stream(validation, "validation_data", visit), means

    def _validation_arrays(self, validation: Any, loss: Any) -> Any:
        if validation is None:
            return None
        if isinstance(validation, Rows):
            return self._arrays(validation, loss, self._mean_weights(validation))
        stream, means = validation
        return self._stream_batches(stream, means, trains=False)(loss)

    def _make_network(self, inputs: Any, goes_on: bool) -> tuple[Any, Any]:
        """Return the network to train and the one that says how its maker compiled it."""
        meta = {
            "n_features_in": getattr(self, "n_features_in_", None),
            "feature_names_in": getattr(self, "feature_names_in_", None),
            "input_shape": each(lambda _, array: tuple(array.shape[1:]), inputs),
            "input_scaler": self.input_scaler_,
            "hidden_layer_sizes": self.hidden_layer_sizes,
            **self.targets_.offers(),
        }
        origin = make_network(self.model, {**meta, "meta": meta}, self._routed_to("model"))
        if goes_on:
            return copy_network(self.network_), origin
        network = fresh_copy(origin) if origin is self.model else origin
        forecast = self.targets_.forecast(series_of(self.input_scaler_))
        return normalizing_instances(self.input_scaler_, network, inputs, forecast), origin

    def _compile(self, network: Any, origin: Any, goes_on: bool) -> tuple[Any, Any]:
        """Compile the network; return its loss and metrics. A compiled origin keeps its own."""
        own = origin if origin.compiled else None
        optimizer = make_optimizer(
            self.optimizer, self._routed_to("optimizer"), own and own.optimizer
        )
        targets, routed = self.targets_, self._routed_to("loss")
        loss = targets.make_losses(own and own.loss if self.loss is None else self.loss, routed)
        metrics = targets.make_metrics(self.metrics)
        keywords = self._routed_to("compile")
        weighted = targets.make_metrics(keywords.pop("weighted_metrics", None))
        network.compile(
            optimizer=optimizer,
            loss=targets.as_outputs(loss),
            loss_weights=targets.loss_weights(keywords.pop("loss_weights", None)),
            metrics=targets.as_outputs(metrics),
            weighted_metrics=targets.as_outputs(weighted),
            **keywords,
        )
        network.optimizer.build(network.trainable_variables)
        if goes_on:
            carry_over(self.network_.optimizer, network.optimizer)
        return loss, metrics

    def _outputs(self, X: Any) -> Any:
        """Return what the network says of rows, by the names of its outputs."""
        check_is_fitted(self)
        refuse_after_fork(type(self).__name__)
        X = read_inputs(self, X, reset=False)
        outputs = predict_blocks(self.network_, self._scale_inputs(X))
        return self.targets_.by_name(self.network_, outputs)

    def _predict(self, X: Any) -> Any:
        outputs = self._outputs(X)
        predicted = self.targets_.decode(outputs)
        for text in self.targets_.warnings(outputs, predicted):
            warnings.warn(text, stacklevel=3)
        return predicted

    def _scaled_network(self, maps: Any = None) -> ScaledNetwork:
        """Return the three parts, with other maps behind the network's outputs where given."""
        inputs = each(
            lambda _, shape, scaler: as_map(scaler), self._input_shapes, self.input_scaler_
        )
        numbers = self._input_numbers
        if numbers is not None:
            width = self.input_shape_[0]
            inputs = each(
                lambda name, map_: Chain((Take(tuple(numbers[name]), width), map_)), inputs
            )
        columns = self.targets_.columns
        order = None if columns is None else columns.order
        maps = self.targets_.maps if maps is None else maps
        return ScaledNetwork(inputs, self.network_, maps, order)

    def _subject(self, X: Any, y: Any) -> Subject:
        """Return what ``check_scaling`` looks at: the fitted parts, and data in raw units."""
        check_is_fitted(self)
        X = None if X is None else read_inputs(self, X, reset=False)
        if y is not None:
            y = self.targets_.check(self, y, "y")
            self.targets_.match(y, "y")
        return self._as_subject(self.network_, X, y, self.loss)


def _by_name(argument: str, data: Any) -> dict[str, Any]:
    return dict(zip([named(argument, name) for name in names(data)], parts(data), strict=True))
