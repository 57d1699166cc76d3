"""From validated rows to trained networks: scalers, targets, batches, members."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .._optional import keras
from .._structure import each, named, names, parts
from ..bridge import copy_network, told_not_finite
from ..checks import Subject, check_codes, examine, warn_of
from ..data import (
    Rows,
    Stream,
    StreamBatches,
    flat,
)
from ..networks import are_alike, fresh_copy, join_members, make_network, mean_history, run_network
from ..scaling import (
    chosen,
    front_layers,
    having_learnt,
    in_training,
    learn,
    leave_codes,
    make_scaler,
    normalizing_instances,
    passing,
    routed_of,
    scale,
    series_of,
    with_layers_in_front,
)
from ..targets import Targets
from ..training import (
    Batches,
    Training,
    carry_over,
    check_loss,
    check_metrics,
    make_optimizer,
    predict_blocks,
    quick_variables,
    seeded,
    take_rows,
    train,
)
from ._divergence import refuse_no_numbers, warn_of_divergence
from ._routing import RoutedParameters

SEEDS = np.iinfo(np.int32).max
_TRIAL_ROWS = 32


class FitsNetworks(RoutedParameters, BaseEstimator, ABC):
    """Fits scalers on rows and trains networks on what they make of them."""

    input_scaler_: Any
    targets_: Targets
    network_: Any
    _members: list[Any] | None
    _has_diverged = False

    # What each kind says

    @abstractmethod
    def _new_targets(self, y: Any, name: str) -> Targets:
        """Return new targets for the kind of ``y``."""

    @abstractmethod
    def _open_stream(
        self, dataset: Any, name: str, visit: Callable[[Rows, bool], None], learns: bool = False
    ) -> Stream:
        """Return a dataset as a stream of rows, which is read once."""

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
        self.targets_.fit(rows.y, rows.target_weight, method, is_new, series)

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
        self.targets_.weigh(rows.y, rows.target_weight, means)
        return means

    def _batches_of(self, rows: Rows) -> Callable[[Any, int], Any]:
        """Return what makes batches for a loss, in the order of a seed."""
        means, arrays = self._mean_weights(rows), None

        def make(loss: Any, seed: int) -> Batches:
            nonlocal arrays  # the same for each member of an ensemble
            arrays = self._arrays(rows, loss, means, trains=True) if arrays is None else arrays
            return Batches(arrays, self.batch_size, seed)

        return make

    def _stream_batches(
        self, stream: Stream, means: Any, trains: bool
    ) -> Callable[[Any, int], Any]:
        def make(loss: Any, seed: int) -> StreamBatches:
            return StreamBatches(stream, lambda rows: self._arrays(rows, loss, means, trains))

        return make

    def _train(
        self,
        rows: Rows,
        batches: Callable[[Any, int], Any],
        validation: Any,
        seed: int,
        epochs: int,
        goes_on: bool,
    ) -> None:
        """Make, compile and train the networks; ``rows`` are, or begin, the training rows."""
        validation = self._open_validation(validation)
        layers = front_layers(self.input_scaler_)
        self._check_members(layers, goes_on)
        self.input_scaler_ = passing(self.input_scaler_)
        before = self.members_ if goes_on else []
        before = before + [None] * (self.n_members - len(before))
        members: list[Any] = []
        trainings: list[Training] = []
        arrays: Any = None
        held_out: Any = None
        for own_seed, earlier in zip(self._member_seeds(seed), before, strict=True):
            with quick_variables():
                first = members[0] if members else None
                network, trained, loss = self._prepare(rows, layers, own_seed, earlier, first)
            if not members:
                held_out = self._validation_arrays(validation, loss)
            arrays = batches(loss, own_seed)
            training = train(
                trained,
                arrays,
                held_out,
                epochs=epochs,
                callbacks=self._make_callbacks(validation),
                verbose=self.verbose,
                engine=self.engine,
                jit_compile=self._routed_to("compile").get("jit_compile"),
                **self._routed_to("fit"),
            )
            # The optimizer stays, for warm_start; loss and metrics go, so that the
            # network's own file needs nothing but Keras.
            with quick_variables():
                network.compile(optimizer=trained.optimizer)
            members.append(network)
            trainings.append(training)
            if training.interrupted:
                break
        self.input_scaler_ = having_learnt(self.input_scaler_, layers)
        self._keep(members, trainings, epochs)
        is_whole = isinstance(arrays, Batches)
        self._has_diverged = warn_of_divergence(self, trainings, rows, validation, loss, is_whole)
        if self.targets_.need_residuals and not told_not_finite(self.network_):
            self._learn_residuals(batches(loss, seed))

    def _learn_residuals(self, batches: Any) -> None:
        in_memory = isinstance(batches, Batches)
        every = [batches.parts] if in_memory else map(batches.__getitem__, range(len(batches)))
        encoded, said = [], []
        for inputs, targets, *_ in every:
            outputs = predict_blocks(self.network_, inputs)
            said.append(self.targets_.by_name(self.network_, outputs))
            encoded.append(self.targets_.by_name(self.network_, targets))
        self.targets_.learn_residuals(_joined_rows(encoded), _joined_rows(said))

    def _check_members(self, layers: Any, goes_on: bool) -> None:
        if self.n_members > 1 and any(layer is not None for layer in parts(layers)):
            raise ValueError(
                f"n_members={self.n_members}: each network would have an input scaler of its own "
                "by input_scaler='batchnorm'. Use 'standard'."
            )
        # An interruption may have left fewer.
        if goes_on and len(self.members_) > self.n_members:
            raise ValueError(
                f"n_members={self.n_members}, but the last fit had {len(self.members_)}, from "
                "which this one goes on. Leave it, or use warm_start=False."
            )

    def _member_seeds(self, seed: int) -> list[int]:
        """Return a seed for each member; the first is that of a single network."""
        more = np.random.RandomState(seed).randint(SEEDS, size=self.n_members - 1)
        return [seed, *more.tolist()]

    def _keep(self, members: list[Any], trainings: list[Training], epochs: int) -> None:
        """Set what was trained as fitted attributes."""
        self._members = members if self.n_members > 1 else None
        self.targets_.have_members(None if self._members is None else len(members))
        self.network_ = members[0] if self._members is None else self._joined_network()
        self.history_ = mean_history([training.history for training in trainings])
        self.engine_ = trainings[0].engine
        self.n_iter_ = len(self.history_.get("loss", ()))
        if trainings[-1].interrupted:
            of_members = "" if self._members is None else f" of member {len(members)}"
            completed = len(trainings[-1].history.get("loss", ()))
            warnings.warn(
                f"Training was interrupted after {completed} of {epochs} epochs{of_members}; the "
                f"{type(self).__name__} is fitted as far as it came. warm_start=True goes on.",
                UserWarning,
                stacklevel=4,
            )

    @property
    def members_(self) -> list[Any]:
        """The trained networks, in scaled space: one, or ``n_members`` of them."""
        return [self.network_] if self._members is None else self._members

    def _joined_network(self) -> Any:
        return join_members(self.members_, self._network_input_shapes)

    def _prepare(
        self, rows: Rows, layers: Any, seed: int, before: Any, first: Any
    ) -> tuple[Any, Any, Any]:
        """Return a network, what is trained (with layers in front), and the loss, all tried.

        It goes on from the network ``before``, where there is one; ``first`` is the first member
        of an ensemble, behind which the others need not be tried again.
        """
        trial = rows[:_TRIAL_ROWS]
        inputs = take_rows(self._scale_inputs(trial.X), slice(None))
        self._network_input_shapes = each(lambda _, array: tuple(array.shape[1:]), inputs)
        with seeded(seed):  # first weights, and the seeds that dropout layers draw
            network, origin = self._make_network(inputs, before)
            is_new = first is None and before is None
            if is_new and leave_codes(self.input_scaler_, network, inputs):
                inputs = take_rows(self._scale_inputs(trial.X), slice(None))
            is_one = first is not None and before is None and not self.targets_.are_several
            if not (is_one and are_alike(network, first)):
                outputs = run_network(network, inputs)
                refuse_no_numbers(network, outputs, before is not None, self._has_diverged)
                self.targets_.fit_outputs(network, outputs)
        trained = with_layers_in_front(layers, network, inputs)
        loss, metrics = self._compile(trained, origin, before)
        if first is None:
            targets = self.targets_.as_outputs(self.targets_.encode(trial.y, loss))
            check_loss(trained, inputs, targets, outputs)
            check_metrics(self.targets_.as_outputs(metrics), targets, outputs)
        if is_new:
            self._find(network, rows, loss)
        return network, trained, loss

    def _as_subject(self, network: Any, X: Any, y: Any, loss: Any) -> Subject:
        """Return what is checked of a network and rows."""
        weights = self._routed_to("compile").get("loss_weights")
        return Subject(
            *(network, self.input_scaler_, self.targets_.scalers, X, y),
            loss=loss,
            has_loss_weights=self.targets_.loss_weights(weights) is not None,
            kinds=self.targets_.kinds,
        )

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
            monitor="val_loss", patience=self.n_iter_no_change, restore_best_weights=True
        )
        return [*keras.tree.flatten(callbacks or []), stop]

    def _scale_inputs(self, X: Any) -> Any:
        return each(
            lambda name, array, scaler: scale(named("input_scaler", name), scaler, array),
            X,
            self.input_scaler_,
        )

    def _arrays(self, rows: Rows, loss: Any, means: Any, trains: bool = False) -> tuple[Any, ...]:
        """Return inputs, targets and, if any, weights as the network takes them."""
        targets = self.targets_.encode(rows.y, loss)
        weights = self.targets_.weights(rows.y, rows.target_weight, means, targets, trains)
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
            self.targets_.weigh(rows.y, rows.target_weight, means)

        return self._open_stream(validation, "validation_data", visit), means

    def _validation_arrays(self, validation: Any, loss: Any) -> Any:
        if validation is None:
            return None
        if isinstance(validation, Rows):
            return self._arrays(validation, loss, self._mean_weights(validation))
        stream, means = validation
        return self._stream_batches(stream, means, trains=False)(loss, 0)

    def _make_network(self, inputs: Any, before: Any) -> tuple[Any, Any]:
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
        if before is not None:
            return copy_network(before), origin
        network = fresh_copy(origin) if origin is self.model else origin
        forecast = self.targets_.forecast(series_of(self.input_scaler_))
        return normalizing_instances(self.input_scaler_, network, inputs, forecast), origin

    def _compile(self, network: Any, origin: Any, before: Any) -> tuple[Any, Any]:
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
        if before is not None:
            carry_over(before.optimizer, network.optimizer)
        return loss, metrics


def _joined_rows(batches: list[Any]) -> Any:
    return each(lambda _, *one: np.concatenate(one), *batches)
