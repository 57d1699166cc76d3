"""The classifier: inputs scaled, labels encoded."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin

from .._validation import explained
from ..bridge import ScaledNetwork, register_network
from ..targets import Labels, ManyLabels, Targets
from ._base import BaseScaledKeras


class ScaledKerasClassifier(ClassifierMixin, BaseScaledKeras):
    """A Keras network for classification, from raw inputs to labels.

    ``fit`` scales inputs in float64, trains the network on the scaled numbers
    and keeps the fitted scaler; ``predict_proba`` goes through both::

        predict_proba(X) = network_(input_scaler_.transform(X))

    :func:`to_keras` returns the same as one Keras model.

    Parameters
    ----------
    model : None, callable or keras.Model, default=None
        None builds dense layers of ``hidden_layer_sizes`` with a sigmoid (two
        classes, or several labels) or softmax output. A callable returns a network and may ask for
        ``input_shape``, ``output_shape``, ``n_classes``, ``output_activation``,
        ``hidden_layer_sizes`` or ``meta`` (a dict of all that is known) by
        naming them as parameters. A ``keras.Model`` is copied and each fit
        starts from its weights. The network returns probabilities: one column
        per class or label, or for two classes that of ``classes_[1]`` alone. One that
        comes compiled keeps its own loss where ``loss`` is None, and its own
        optimizer where ``optimizer`` is "adam"; metrics and the rest are this
        estimator's.
    input_scaler : str, transformer, list, dict or None, default="standard"
        Scales ``X``: "standard", "minmax", "maxabs" or "robust", or a transformer, which
        is cloned and may change the columns. A list has one for each column (None passes
        it unscaled), a dict one for each input. "batchnorm" lets a ``BatchNormalization`` in
        front of the network scale while it trains, and keeps its moving statistics;
        "instance" lets the network see each series less its own mean, over its own
        deviation.
        Arrays of more than two axes are scaled along the last one, unless a scaler of
        this package has another ``axis`` (channel-first images: ``StandardScaler(axis=1)``).
    input_columns : dict, default=None
        Makes several inputs of one table: names of the network's inputs, and the columns
        of each, by name or number or as a slice.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of the default network's hidden layers; ``model__activation``
        (default "relu") is theirs too.
    optimizer : str, dict, keras.optimizers.Optimizer or class, default="adam"
        Each fit makes its own from it.
    loss : str, keras.losses.Loss or callable, default=None
        None is "binary_crossentropy" for one output column or several labels, else
        "sparse_categorical_crossentropy". A loss whose name begins with
        "sparse" is given class indices, others one-hot rows.
    metrics : list, default=None
        Names, functions, ``keras.metrics.Metric``.
    epochs : int, default=100
        Passes over the training rows.
    batch_size : int, default=32
        Rows in a training step.
    validation_split : float or splitter, default=0.0
        Share of rows, stratified by label, that is held out before the scaler
        is fitted; gives the ``val_`` entries of ``history_``. Of a scikit-learn splitter
        the last split is taken.
    early_stopping : bool, default=False
        Stop when ``val_loss`` has not improved for 10 epochs, and restore the best weights.
        Where nothing gives validation rows, a tenth is held out.
    class_weight : dict, "balanced" or None, default=None
        Weights of the labels in the training loss; "balanced" makes the classes equal.
    callbacks : list of keras.callbacks.Callback, default=None
        Deep-copied before each fit.
    engine : {"auto", "compiled", "keras"}, default="auto"
        What trains: loops compiled over whole epochs, or ``keras.Model.fit``. "auto" takes
        the first where it gives the same result.
    update_scalers : bool, default=False
        Whether the scaler goes on learning in ``partial_fit``, or stays as its first call
        fitted it. If it moves, the network meets other numbers than it was trained on.
    n_members : int, default=1
        Networks, each with first weights and an order of rows of its own; the probabilities
        are their mean.
    ignore_findings : tuple of str, default=()
        Codes of findings to be silent about, such as ``("SKS009",)``; see
        :func:`check_scaling`.
    random_state : int, RandomState or None, default=None
        Decides the split, the first weights, dropout and the order of rows.
    warm_start : bool, default=False
        Go on from the last fit: its scaler, weights and optimizer state.
    verbose : {0, 1, 2}, default=0
        As in ``keras.Model.fit``: silent, progress bar, a line per epoch.
    **routed
        ``model__*`` (keywords of the callable), ``optimizer__*``, ``loss__*``,
        ``input_scaler__*``, ``compile__*`` and ``fit__*`` (keywords of
        ``keras.Model.compile`` and ``fit``).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of several labels a row, the numbers of their columns.
    input_scaler_ : object, list, dict or None
        The fitted scaler.
    members_ : list of keras.Model
        The trained networks, ``n_members`` of them.
    network_ : keras.Model
        The trained network; its inputs are in scaled space.
    history_ : dict of list
        Loss and metrics per epoch.
    findings_ : list of Finding
        Where the network does not fit its scaling or its labels, found when ``fit`` began.
    n_iter_ : int
        Epochs of the last fit.
    engine_ : {"compiled", "keras"}
        What trained.
    n_features_in_ : int
        Columns of ``X``, if it is one array.
    input_shape_ : tuple of int, or dict or list of them
        Shape of a sample of ``X``.
    feature_names_in_ : ndarray of str
        Columns of ``X``, where it had names.

    See Also
    --------
    ScaledKerasRegressor : For numbers.
    to_keras : The fitted estimator as one Keras model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import ScaledKerasClassifier
    >>> X = np.linspace(1000.0, 2000.0, 64).reshape(-1, 1)
    >>> y = np.where(X.ravel() > 1500, "high", "low")
    >>> classifier = ScaledKerasClassifier(epochs=20, random_state=0).fit(X, y)
    >>> classifier.predict([[1100.0], [1900.0]])
    array(['low', 'high'], dtype='<U4')
    """

    _routes = ("model", "optimizer", "loss", "compile", "fit", "input_scaler")

    def __init__(
        self,
        model: Any = None,
        *,
        input_scaler: Any = "standard",
        input_columns: Any = None,
        hidden_layer_sizes: Any = (64, 64),
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Any = None,
        epochs: int = 100,
        batch_size: int = 32,
        validation_split: Any = 0.0,
        early_stopping: bool = False,
        class_weight: Any = None,
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
        self.input_columns = input_columns
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.engine = engine
        self.update_scalers = update_scalers
        self.n_members = n_members
        self.ignore_findings = ignore_findings
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self._assign_routed(routed)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, or of each label.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes), float32
            Columns in the order of ``classes_``.
        """
        return np.asarray(self._predict(X)).astype(np.float32, copy=False)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class, or the labels of a probability above one half.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Of the dtype of ``classes_``; several labels as 0 and 1.
        """
        return self.targets_.by_output.most_probable(self.predict_proba(X))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Train for one epoch on more rows, going on from what was learnt before.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``. The first call fits the scaler; ``update_scalers`` says whether
            later ones let it learn.
        classes : array-like of shape (n_classes,), default=None
            All labels that later calls may bring; by default those of the first ``y``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As ``fit``.
        """

        def learn_y(y: np.ndarray) -> None:
            self.targets_.learn(y)
            if classes is not None and isinstance(self.targets_.by_output, Labels):
                self.targets_.by_output.classes_ = np.unique(classes)

        return self._partial_fit(X, y, sample_weight, learn_y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @property
    def classes_(self) -> np.ndarray:
        """The labels, sorted; of several labels a row, the numbers of their columns."""
        return self.targets_.by_output.classes_

    def _new_targets(self, y: Any, name: str) -> Targets:
        with explained(y, name):
            shape = y.shape if sparse.issparse(y) else np.shape(y)
        kind = ManyLabels if len(shape) == 2 and shape[1] > 1 else Labels
        return Targets(kind(self.class_weight, loss=self.loss).bound())


@register_network(ScaledKerasClassifier)
def _classifier_network(classifier: ScaledKerasClassifier) -> ScaledNetwork:
    return classifier._scaled_network()
