"""What the regressor and the classifier share: one way from raw rows to a trained network."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from .._structure import each, named, names, parts
from .._validation import (
    check_given,
    check_same_length,
    check_weights,
    unchanged_on_error,
)
from ..bridge import ScaledNetwork, check_restorable
from ..checks import Subject, check_codes
from ..data import (
    EARLY_STOPPING_SHARE,
    Rows,
    Stream,
    check_groups,
    check_split,
    choose_validation,
    hold_out,
    is_splitter,
    is_stream,
    read_inputs,
    refuse_sliced,
    refuse_with_stream,
)
from ..maps import Chain, Take
from ..scaling import (
    as_map,
    supports_sparse,
)
from ..targets import of_rows
from ..training import (
    check_keywords,
    predict_blocks,
    seeded,
)
from ._arguments import (
    check_callbacks,
    check_early_stopping,
    check_seed,
    refuse_unknown,
    without_unknown,
)
from ._display import visual_block
from ._divergence import check_outputs
from ._fitting import SEEDS, FitsNetworks
from ._processes import refuse_after_fork


class BaseScaledKeras(FitsNetworks):
    """Fits scalers and a network on raw data and predicts through both."""

    #: What gives the maps of something else that the network says, by its name.
    _views: Any = None

    @without_unknown
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
        **unknown: Any,
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
            Training targets in raw units; of a classifier, labels (its parameter ``labels`` has
            the kinds). A dict has an array for each named output. NaN is not known (of labels
            None too): it counts nowhere, and is predicted.
        sample_weight : array-like of shape (n_samples,) or that of ``y``, or dict of them, \
default=None
            Non-negative weights, for the loss and for scalers that take them: one a row, one a
            cell of ``y``, or by output. Rows of weight 0 count as absent; the others are
            brought to mean 1.
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
        ConvergenceWarning
            If training diverged: a loss, or weights at the end, are NaN or infinite. It names the
            first such epoch, the learning rate and the largest scaled number.
        """
        refuse_unknown(self, unknown)
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
                self.targets_.count(rows.y, rows.target_weight, more=False)
                if not goes_on:
                    self._fit_scalers(rows)
                trial, batches = rows, self._batches_of(rows)
            self._train(trial, batches, validation, seed, self.epochs, goes_on)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, learn_y: Any) -> Any:
        goes_on = self.__sklearn_is_fitted__()
        with unchanged_on_error(self):
            self._check_parameters()
            if self.early_stopping:
                raise ValueError(
                    "early_stopping=True: partial_fit trains for one epoch, without rows to "
                    "validate on, and has nothing to stop. Use early_stopping=False, or fit, which "
                    "goes on under warm_start=True."
                )
            if goes_on:
                self.targets_ = self.targets_.going_on()  # a failure leaves that of before
            _, seed = self._seeds()
            rows, _ = self._read_rows(X, y, sample_weight, reset=not goes_on)
            if not goes_on:
                learn_y(rows.y)
            self.targets_.match(rows.y, "y")
            self.targets_.count(rows.y, rows.target_weight, more=goes_on)
            if not goes_on:
                self._fit_scalers(rows)
            elif self.update_scalers:
                self.input_scaler_ = copy.deepcopy(self.input_scaler_)
                self._fit_scalers(rows, "partial_fit", is_new=False)
            self._train(rows, self._batches_of(rows), None, seed, 1, goes_on)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Keras would write what it cannot read, and say so only when the file is needed.
        if self.__sklearn_is_fitted__():
            for network in self.members_:
                check_restorable(network)
        state = dict(super().__getstate__())  # which may be what the estimator lives on
        if state.get("_members") is not None:
            del state["network_"]  # is made of them
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if state.get("_members") is not None:
            self.network_ = self._joined_network()

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

    # Reading

    def _check_parameters(self) -> None:
        refuse_after_fork(type(self).__name__)
        for name in ("epochs", "batch_size", "n_members", "n_iter_no_change"):
            check_scalar(getattr(self, name), name, Integral, min_val=1)
        check_early_stopping(self.early_stopping)
        check_scalar(self.update_scalers, "update_scalers", (bool, np.bool_))
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, (tuple, list)):
            raise TypeError(
                f"hidden_layer_sizes must be a tuple of int, got {sizes!r}. Write (64,)."
            )
        for units in sizes:
            check_scalar(units, "each of hidden_layer_sizes", Integral, min_val=1)
        check_callbacks(self.callbacks)
        check_split(self.validation_split)
        check_codes("ignore_findings", self.ignore_findings)
        for method in ("compile", "fit"):
            check_keywords(method, self._routed_to(method))

    def _seeds(self) -> list[int]:
        found: list[int] = check_seed(self.random_state).randint(SEEDS, size=2).tolist()
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
        by_target = self.targets_.read_weights(weight, y, arguments[2])
        if by_target is None:
            weight = check_weights(weight, n, arguments[2], may_be_zero)
        else:
            weight = np.mean([np.asarray(of_rows(one)) for one in parts(by_target)], axis=0)
            y = self.targets_.counting(y, by_target)
        present = np.ones(n, dtype=bool) if weight is None else weight > 0
        known = self.targets_.known_rows(y)
        if known is not None:  # without a target, a row is absent as with weight 0
            present &= known
        if not (present.any() or may_be_zero):
            raise ValueError(
                f"{arguments[1]} has no known target in any row that counts: all are missing, or "
                f"of weight 0 in {arguments[2]}. Was the wrong column chosen?"
            )
        rows = Rows(X, y, weight, by_target)
        rows = rows if present.all() else rows[present]
        self.targets_.expect(rows.y, rows.target_weight)
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
            self.targets_.count(rows.y, rows.target_weight, more=not is_first)
            means = means or self.targets_.mean_weights()
            self.targets_.weigh(rows.y, rows.target_weight, means)
            if not goes_on:
                self._fit_scalers(rows, "partial_fit", is_new=is_first)

        return self._open_stream(dataset, "X", visit, learns=not goes_on), means

    # Predicting

    def _outputs(self, X: Any) -> Any:
        """Return what the network says of rows, by the names of its outputs."""
        check_is_fitted(self)
        refuse_after_fork(type(self).__name__)
        X = read_inputs(self, X, reset=False)
        inputs = self._scale_inputs(X)
        outputs = self.targets_.by_name(self.network_, predict_blocks(self.network_, inputs))
        check_outputs(self, inputs, outputs)
        return outputs

    def _predict(self, X: Any) -> Any:
        return self._told(self._outputs(X), stacklevel=4)

    def _told(self, outputs: Any, stacklevel: int) -> Any:
        """Return what outputs are decoded to, and warn of what must be told of it."""
        predicted = self.targets_.decode(outputs)
        for text in self.targets_.warnings(outputs, predicted):
            warnings.warn(text, stacklevel=stacklevel)
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
        return ScaledNetwork(inputs, self.network_, maps, order, self._views)

    def _subject(self, X: Any, y: Any) -> Subject:
        """Return what ``check_scaling`` looks at: the fitted parts, and data in raw units."""
        check_is_fitted(self)
        X = None if X is None else read_inputs(self, X, reset=False)
        if y is not None:
            y = self.targets_.check(self, y, "y")
            self.targets_.match(y, "y")
        loss = self.targets_.make_losses(self.loss, self._routed_to("loss"))
        return self._as_subject(self.members_[0], X, y, loss)


def _by_name(argument: str, data: Any) -> dict[str, Any]:
    return dict(zip([named(argument, name) for name in names(data)], parts(data), strict=True))
