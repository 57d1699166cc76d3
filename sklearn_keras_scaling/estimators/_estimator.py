"""One network for targets of several kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._structure import each, part
from .._validation import did_you_mean
from ..bridge import ScaledNetwork, register_network
from ..targets import (
    Labels,
    ManyLabels,
    Numbers,
    Ordinal,
    Target,
    TargetColumns,
    Targets,
)
from ._uncertainty import PredictsDistributions

#: What an entry of ``targets`` may be in short.
KINDS: dict[str, type[Target]] = {
    "numbers": Numbers,
    "labels": Labels,
    "ordinal": Ordinal,
    "multilabel": ManyLabels,
}


class ScaledKerasEstimator(PredictsDistributions):
    """One Keras network for targets of several kinds: numbers, distributions and labels.

    ``fit`` scales numbers and encodes labels, each target by itself; the network has an output
    of the name of each; ``predict`` takes them back.

    Parameters
    ----------
    model : None, callable or keras.Model, default=None
        As in :class:`ScaledKerasRegressor`. Offers to a builder are dicts by target.
    targets : dict
        Names of the targets, and the kind of each: "numbers", "labels", "ordinal",
        "multilabel", or :class:`Numbers`, :class:`Labels`, :class:`Ordinal` or
        :class:`ManyLabels` with parameters of their own (scaler, distribution, loss, metrics,
        weight, class weights, missing label).
    input_scaler, input_columns
        As in :class:`ScaledKerasRegressor`.
    target_columns : dict, default=None
        The columns of a table ``y`` for each target, by name or number; one alone gives one
        value a row, a list several. By default each target is the column of its name.
    hidden_layer_sizes, optimizer, epochs, batch_size, validation_split
        As in :class:`ScaledKerasRegressor`.
    early_stopping, n_iter_no_change, callbacks, engine, update_scalers, n_members
        As in :class:`ScaledKerasRegressor`.
    ignore_findings, random_state
        As in :class:`ScaledKerasRegressor`.
    warm_start, verbose
        As in :class:`ScaledKerasRegressor`.
    **routed
        ``model__*``, ``optimizer__*``, ``input_scaler__*``, ``compile__*`` and ``fit__*``.

    Attributes
    ----------
    input_scaler_ : object, list, dict or None
        The fitted scalers.
    targets_ : Targets
        The fitted targets; ``targets_.by_output`` is a dict of them, with ``scaler_`` of numbers
        and ``classes_`` of labels.
    classes_ : dict of ndarray
        The labels of each target that has some.
    members_ : list of keras.Model
        The trained networks, ``n_members`` of them.
    network_ : keras.Model
        The trained network, scaled space on both sides.
    history_ : dict of list
        Per epoch: losses and metrics, those of numbers in target units.
    findings_ : list of Finding
        Where the network and its scaling do not fit, found when ``fit`` began.
    n_iter_, n_features_in_, input_shape_, feature_names_in_, engine_
        As in :class:`ScaledKerasRegressor`.

    See Also
    --------
    ScaledKerasRegressor : For numbers alone.
    ScaledKerasClassifier : For labels alone.
    to_keras : The fitted estimator as one Keras model with named outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import Numbers, ScaledKerasEstimator
    >>> X = np.linspace(0.0, 1.0, 60).reshape(-1, 1)
    >>> y = {"kind": np.where(X[:, 0] > 0.5, "long", "short"), "length": 1e3 + 1e3 * X[:, 0]}
    >>> estimator = ScaledKerasEstimator(
    ...     targets={"kind": "labels", "length": Numbers("minmax")}, epochs=20, random_state=0
    ... ).fit(X, y)
    >>> predicted = estimator.predict([[0.1]])
    >>> predicted["kind"], predicted["length"].shape
    (array(['short'], dtype='<U5'), (1,))
    """

    _routes = ("model", "optimizer", "compile", "fit", "input_scaler")

    #: Losses are the targets' own.
    loss = None

    def __init__(
        self,
        model: Any = None,
        *,
        targets: Any = None,
        input_scaler: Any = "standard",
        input_columns: Any = None,
        target_columns: Any = None,
        hidden_layer_sizes: Any = (64, 64),
        optimizer: Any = "adam",
        epochs: int = 100,
        batch_size: int = 32,
        validation_split: Any = 0.0,
        early_stopping: bool = False,
        n_iter_no_change: int = 10,
        callbacks: Any = None,
        engine: str = "auto",
        update_scalers: bool = False,
        n_members: int = 1,
        ignore_findings: Any = (),
        random_state: Any = None,
        warm_start: bool = False,
        verbose: Any = 0,
        **routed: Any,
    ) -> None:
        self.model = model
        self.targets = targets
        self.input_scaler = input_scaler
        self.input_columns = input_columns
        self.target_columns = target_columns
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.engine = engine
        self.update_scalers = update_scalers
        self.n_members = n_members
        self.ignore_findings = ignore_findings
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self._assign_routed(routed)

    def predict(self, X: Any) -> Any:
        """Return predictions: numbers in target units, the most probable labels.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.

        Returns
        -------
        y : dict of ndarray, or data frame
            By target; a data frame like the ``y`` of ``fit`` if that was one.

        Raises
        ------
        ValueError
            If the network's weights are NaN or infinite: training diverged, or a row is
            so far beyond those of ``fit`` that its probabilities are NaN.
        """
        decoded = self._predict(X)
        found = each(lambda name, target: target.said(part(decoded, name)), self._by_target)
        columns = self.targets_.columns
        return found if columns is None else columns.as_frame(found)

    def predict_proba(self, X: Any) -> dict[str, np.ndarray]:
        """Return the probability of each class of the targets that are labels.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.

        Returns
        -------
        p : dict of ndarray of shape (n_samples, ..., n_classes), float32
            Columns in the order of ``classes_`` of the same name.
        """
        decoded = self._predict(X)
        return {name: decoded[name].astype(np.float32, copy=False) for name in self.classes_}

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train for one epoch on more rows, going on from what was learnt before.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``. The first call fits the scalers and learns all labels;
            ``update_scalers`` says whether later ones let scalers learn.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As ``fit``.

        Warns
        -----
        ConvergenceWarning
            As ``fit``.
        """
        return self._partial_fit(X, y, sample_weight, lambda y: self.targets_.learn(y))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the mean of the targets' scores: R² of numbers, accuracy of labels.

        Parameters
        ----------
        X, y
            Inputs and targets in raw units; what is not known of ``y`` is left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            At most 1.
        """
        decoded = self._predict(X)
        given = self.targets_.check(self, y, "y")
        self.targets_.match(given, "y")
        scores = [
            target.score(given[name], target.said(decoded[name]), sample_weight)
            for name, target in self._by_target.items()
        ]
        return float(np.mean(scores))

    @property
    def classes_(self) -> dict[str, np.ndarray]:
        """The labels of each target that has some."""
        return {
            name: target.classes_
            for name, target in self._by_target.items()
            if hasattr(target, "classes_")
        }

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of each target."""
        return {name: target.metrics for name, target in self._by_target.items()}

    @property
    def _by_target(self) -> dict[str, Any]:
        found: dict[str, Any] = self.targets_.by_output
        return found

    def _decoded(self, X: Any) -> Any:
        """Return what the exported model does: numbers, and probabilities of labels."""
        return self._predict(X)

    # Targets

    def _new_targets(self, y: Any, name: str) -> Targets:
        kinds = self._kinds()
        columns = None
        if not isinstance(y, Mapping):
            chosen = {key: key for key in kinds} if self.target_columns is None else None
            columns = TargetColumns(chosen or self.target_columns, y, may_leave_out=True)
        elif self.target_columns is not None:
            raise ValueError(
                f"target_columns says which columns of a table are which target, but {name} is a "
                "dict already. Use target_columns=None."
            )
        given = y if columns is None else columns.numbers
        unknown = [key for key in kinds if key not in given]
        if unknown:
            raise ValueError(
                f"targets names {unknown[0]!r}, which {name} has not. "
                f"{did_you_mean(unknown[0], map(str, given))}"
            )
        more = [] if columns is not None else [key for key in given if key not in kinds]
        if more:
            raise ValueError(
                f"{name} has {more[0]!r}, whose kind targets does not say. Leave it out, or write "
                f"targets={{..., {more[0]!r}: 'numbers'}}."
            )
        return Targets(each(lambda key, kind: kind.bound(key), kinds), columns)

    def _kinds(self) -> dict[str, Target]:
        """Return the targets as objects."""
        if not isinstance(self.targets, Mapping) or not self.targets:
            raise TypeError(
                "targets must be a dict from names to kinds, such as {'species': 'labels', "
                f"'length': 'numbers'}}, got {self.targets!r}."
            )
        return each(_kind, dict(self.targets))


def _kind(name: Any, value: Any) -> Target:
    if not isinstance(name, str):
        raise TypeError(f"targets must have names of type str, got {name!r}.")
    if isinstance(value, Target):
        return value
    if isinstance(value, str) and value in KINDS:
        return KINDS[value]()
    if isinstance(value, str):
        raise ValueError(f"targets[{name!r}]={value!r} is unknown. {did_you_mean(value, KINDS)}")
    raise TypeError(
        f"targets[{name!r}] must be one of {', '.join(map(repr, KINDS))}, or Numbers(...), "
        f"Labels(...) and the like, got {value!r}."
    )


@register_network(ScaledKerasEstimator)
def _estimator_network(estimator: ScaledKerasEstimator) -> ScaledNetwork:
    return estimator._scaled_network()
