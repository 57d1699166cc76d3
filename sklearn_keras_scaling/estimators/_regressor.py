"""The regressor: targets scaled in, predictions scaled back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from .._structure import each, names, part, parts
from ..bridge import ScaledNetwork, register_network
from ..data import flat
from ..scaling import chosen, routed_of
from ..targets import Numbers, TargetColumns, Targets, r2_of_known
from ._uncertainty import PredictsDistributions


class ScaledKerasRegressor(RegressorMixin, PredictsDistributions):
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
        Scales ``X``: "standard", "minmax", "maxabs", "robust" or "squash", or a transformer, which
        is cloned and may change the columns. A list has one for each column (None passes
        it unscaled), a dict one for each input. "batchnorm" lets a ``BatchNormalization`` in
        front of the network scale while it trains, and keeps its moving statistics;
        "instance" lets the network see each series less its own mean, over its own
        deviation. The target, of the same series, comes back to its level
        (``input_scaler__features`` says which of the features it is).
        "auto" standardises, but for the columns that the network takes for codes, which pass as
        they are: those that reach an ``Embedding``, ``IntegerLookup``, ``Hashing``,
        ``CategoryEncoding``, ``Discretization`` or the like (``keras.ops.one_hot`` too) by
        slicing, reshaping, casts and arithmetic, in a network of ``keras.Model(inputs, outputs)``
        or ``keras.Sequential``. Those of a ``Masking`` are standardised: of its padding
        :func:`check_scaling` tells.
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
    distribution : str, Distribution, dict or None, default=None
        What the network says of each target number: None for the number alone; "normal",
        "student_t", "laplace", "zero_inflated_lognormal", "quantiles"
        (``distribution__quantiles=(0.05, 0.5, 0.95)``), or one of your own
        (:func:`register_distribution`), in scaled space. A dict has one for each output. The
        network then returns its parameters on a last axis, and the loss is the negative
        log-likelihood (pinball for quantiles), or the CRPS by ``loss="crps"``.
    target_statistic : {"mean", "median"} or None, default=None
        What ``predict`` returns. A network alone learns the mean of *scaled* targets, which a
        scaler that is not affine takes back to something like a median: with a logarithm and
        a deviation of 1, 40 % below the mean. "mean" corrects it by Duan's smearing over the
        residuals of the training rows. With a distribution None is its mean, or its median where
        that is its location ("quantiles") or the mean does not exist (behind
        ``PowerTransformer``, whose inverse may go to infinity); "mean" and "median" are these.
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
        Stop when ``val_loss`` has not improved for ``n_iter_no_change`` epochs, and restore the
        best weights. Where nothing gives validation rows, a tenth is held out.
    n_iter_no_change : int, default=10
        Epochs that ``early_stopping`` waits for ``val_loss`` to improve.
    callbacks : list of keras.callbacks.Callback, default=None
        Deep-copied before each fit.
    engine : {"auto", "compiled", "keras"}, default="auto"
        What trains: loops compiled over whole epochs, or ``keras.Model.fit``. "auto" takes
        the first where it gives the same result.
    update_scalers : bool, default=False
        Whether the scalers go on learning in ``partial_fit``, or stay as its first call
        fitted them. If they move, the network meets other numbers than it was trained on.
    n_members : int, default=1
        Networks, each with first weights and an order of rows of its own (those of a
        ``keras.Model`` all start from its weights); the prediction is
        their mean, and deviations, quantiles and samples are those of all together.
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
    members_ : list of keras.Model
        The trained networks, ``n_members`` of them.
    network_ : keras.Model
        The trained network, scaled space on both sides.
    history_ : dict of list
        Per epoch: ``loss`` in scaled space and the metrics in target units.
    findings_ : list of Finding
        Where the network does not fit its scaling or its targets, found when ``fit`` began.
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

    _routes = (
        *("model", "optimizer", "loss", "compile", "fit"),
        *("input_scaler", "target_scaler", "distribution"),
    )

    def __init__(
        self,
        model: Any = None,
        *,
        input_scaler: Any = "standard",
        target_scaler: Any = "standard",
        input_columns: Any = None,
        target_columns: Any = None,
        distribution: Any = None,
        target_statistic: Any = None,
        hidden_layer_sizes: Any = (64, 64),
        optimizer: Any = "adam",
        loss: Any = None,
        loss_units: str = "scaled",
        metrics: Any = None,
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
        self.input_scaler = input_scaler
        self.target_scaler = target_scaler
        self.input_columns = input_columns
        self.target_columns = target_columns
        self.distribution = distribution
        self.target_statistic = target_statistic
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.loss = loss
        self.loss_units = loss_units
        self.metrics = metrics
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

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return predictions in target units.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.
        return_std : bool, default=False
            Return standard deviations too; needs ``distribution``.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, ...), or dict of them, float64
            Like the ``y`` of ``fit``. With a distribution its mean, of "quantiles" the median.
        std : like ``y``
            If ``return_std``.

        Raises
        ------
        ValueError
            If the network's weights are NaN or infinite: training diverged.

        Warns
        -----
        UserWarning
            If rows are predicted beyond the domain of the target scaler's inverse, whose end
            they get, as from :func:`to_keras`; or if they are not finite,
            since the network returns NaN or infinity for them (inputs far beyond those of ``fit``).
        """
        if return_std:
            return self._std(X)
        found = each(lambda _, y: y.astype(np.float64, copy=False), self._predict(X))
        return self._joined(found)

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

        Warns
        -----
        ConvergenceWarning
            As ``fit``.
        """
        return self._partial_fit(X, y, sample_weight, lambda y: self.targets_.learn(y))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R², the mean over all target columns, of the predictions of known targets.

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
        given = self.targets_.check(self, y, "y")
        self.targets_.match(given, "y")
        columns = self.targets_.columns
        if columns is not None:
            predicted = columns.split(predicted, "y")
        in_order = each(lambda name, _: part(predicted, name), given)
        return r2_of_known(flat(given), flat(in_order), sample_weight)

    @property
    def target_scaler_(self) -> Any:
        """The fitted target scaler, or a dict with one for each output."""
        return self.targets_.scalers

    @property
    def n_outputs_(self) -> int:
        """Target numbers in a row."""
        return sum(target.n_numbers for target in parts(self.targets_.by_output))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # Targets

    def _new_targets(self, y: Any, name: str) -> Targets:
        columns = None
        if self.target_columns is not None:
            if isinstance(y, Mapping):
                raise ValueError(
                    f"target_columns says which columns of a table are which output, but {name} is "
                    "a dict already. Use target_columns=None."
                )
            columns = TargetColumns(self.target_columns, y)
        outputs = y if columns is None else columns.numbers
        outputs = dict(outputs) if isinstance(outputs, Mapping) else None
        every = names(outputs)
        scalers = chosen("target_scaler", self.target_scaler, every)
        distributions = chosen("distribution", self.distribution, every)
        routed = [self._routed_to(part) for part in ("target_scaler", "distribution")]

        def new(key: Any, _: Any) -> Numbers:
            target = Numbers(
                scalers[key],
                distribution=distributions[key],
                statistic=self.target_statistic,
                loss_units=self.loss_units,
            )
            return target.bound(key, *(routed_of(one, key, every) for one in routed))

        return Targets(each(new, outputs), columns)


@register_network(ScaledKerasRegressor)
def _regressor_network(regressor: ScaledKerasRegressor) -> ScaledNetwork:
    return regressor._scaled_network()
