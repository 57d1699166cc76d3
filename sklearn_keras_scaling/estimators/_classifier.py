"""The classifier: inputs scaled, labels encoded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from .._structure import each, parts
from .._validation import check_same_length, check_weights
from ..bridge import ScaledNetwork, register_network
from ..targets import Labels, Targets, share_of_right, targets_of_labels
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
        classes, several labels, or ordinal ones) or softmax output. A callable returns a network
        and may ask for
        ``input_shape``, ``output_shape``, ``n_classes``, ``output_activation``,
        ``hidden_layer_sizes`` or ``meta`` (a dict of all that is known) by
        naming them as parameters. A ``keras.Model`` is copied and each fit
        starts from its weights. The network returns probabilities: one column
        per class or label, or for two classes that of ``classes_[1]`` alone; behind the axes of
        steps or pixels, where labels have them. Of several columns of classes each is an
        output of its own, with the name of the column in a data frame, else "column_0",
        "column_1", ... One that
        comes compiled keeps its own loss where ``loss`` is None, and its own
        optimizer where ``optimizer`` is "adam"; metrics and the rest are this
        estimator's.
    input_scaler : str, transformer, list, dict or None, default="standard"
        Scales ``X``: "standard", "minmax", "maxabs", "robust" or "squash", or a transformer, which
        is cloned and may change the columns. A list has one for each column (None passes
        it unscaled), a dict one for each input. "batchnorm" lets a ``BatchNormalization`` in
        front of the network scale while it trains, and keeps its moving statistics;
        "instance" lets the network see each series less its own mean, over its own
        deviation.
        "auto" standardises, but for the columns that the network takes for codes, which pass as
        they are: those that reach an ``Embedding``, ``IntegerLookup``, ``Hashing``,
        ``CategoryEncoding``, ``Discretization`` or the like (``keras.ops.one_hot`` too) by
        slicing, reshaping, casts and arithmetic, in a network of ``keras.Model(inputs, outputs)``
        or ``keras.Sequential``. Those of a ``Masking`` are standardised: of its padding
        :func:`check_scaling` tells.
        Arrays of more than two axes are scaled along the last one, unless a scaler of
        this package has another ``axis`` (channel-first images: ``StandardScaler(axis=1)``).
    input_columns : dict, default=None
        Makes several inputs of one table: names of the network's inputs, and the columns
        of each, by name or number or as a slice.
    labels : {"auto", "multiclass", "one_hot", "multilabel", "multioutput", "sequence"}, \
default="auto"
        What ``y`` is:

        - "multiclass": one label a row, of shape (n_samples,);
        - "one_hot": 0 and 1, of which each row along the last axis has exactly one 1, in the
          column of its class; ``predict`` returns such rows again;
        - "multilabel": several labels a row, 0 and 1 of shape (n_samples, n_labels);
        - "multioutput": several columns of classes, of shape (n_samples, n_outputs), each with
          classes of its own; ``classes_`` and ``predict_proba`` are lists of arrays;
        - "sequence": a label for each step or pixel, of shape (n_samples, n_steps, ...), all of
          the same classes.

        "auto" takes one column for "multiclass", one-hot rows for such, three axes and more for
        "sequence", other tables of 0 and 1 for "multilabel" and of anything else for
        "multioutput". So say "sequence" of one label a step in a table.
    ordinal : bool or sequence, default=False
        Whether the classes have an order: True sorts them, a sequence names them from low to
        high. The network then returns the probabilities to be above each class but the last
        (cumulative links), trained with "binary_crossentropy"; none counts as larger than one
        before it. ``predict`` returns the most probable class, as always.
    missing_label : object, default=None
        A label that means "not known", such as -1; None and NaN always do. Such labels count
        nowhere: not as classes or in weights, loss, metrics and ``score``; a row without any
        is absent. Predictions are complete.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of the default network's hidden layers; ``model__activation``
        (default "relu") is theirs too.
    optimizer : str, dict, keras.optimizers.Optimizer or class, default="adam"
        Each fit makes its own from it.
    loss : str, keras.losses.Loss or callable, default=None
        None is "binary_crossentropy" for one output column, several or ordinal labels, else
        "sparse_categorical_crossentropy". A dict has one for each column of classes. A loss
        whose name begins with "sparse" is given class indices, others one-hot rows.
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
        Stop when ``val_loss`` has not improved for ``n_iter_no_change`` epochs, and restore the
        best weights. Where nothing gives validation rows, a tenth is held out.
    n_iter_no_change : int, default=10
        Epochs that ``early_stopping`` waits for ``val_loss`` to improve.
    class_weight : dict, list, "balanced" or None, default=None
        Weights of the labels in the training loss; "balanced" makes the classes equal. Of
        several labels a row "balanced" makes 0 and 1 equal within each label; a dict has
        labels, by the number or name of their column, and the weight of their 1, or
        ``{0: ..., 1: ...}``. Of several columns of classes a dict has columns, and a dict of
        classes, or "balanced", for each. A list has one entry for each column.
    callbacks : list of keras.callbacks.Callback, default=None
        Deep-copied before each fit.
    engine : {"auto", "compiled", "keras"}, default="auto"
        What trains: loops compiled over whole epochs, or ``keras.Model.fit``. "auto" takes
        the first where it gives the same result.
    update_scalers : bool, default=False
        Whether the scaler goes on learning in ``partial_fit``, or stays as its first call
        fitted it. If it moves, the network meets other numbers than it was trained on.
    n_members : int, default=1
        Networks, each with first weights and an order of rows of its own (those of a
        ``keras.Model`` all start from its weights); the probabilities
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
    classes_ : ndarray of shape (n_classes,), or list of them
        The labels, sorted, or in the order of ``ordinal``; of several labels a row, the numbers
        of their columns; of one-hot rows, the names of the columns in a data frame, else their
        numbers. A list has those of each column of classes.
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
        labels: str = "auto",
        ordinal: Any = False,
        missing_label: Any = None,
        hidden_layer_sizes: Any = (64, 64),
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Any = None,
        epochs: int = 100,
        batch_size: int = 32,
        validation_split: Any = 0.0,
        early_stopping: bool = False,
        n_iter_no_change: int = 10,
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
        self.labels = labels
        self.ordinal = ordinal
        self.missing_label = missing_label
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
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

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, or of each label.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.

        Returns
        -------
        p : ndarray of shape (n_samples, ..., n_classes), float32, or list of them
            Columns in the order of ``classes_``. A list has those of each column of classes.

        Raises
        ------
        ValueError
            If the network's weights are NaN or infinite: training diverged, or a row is
            so far beyond those of ``fit`` that its probabilities are NaN.
        """
        found = each(lambda _, p: np.asarray(p).astype(np.float32, copy=False), self._predict(X))
        return list(found.values()) if self.targets_.are_several else found

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class, or the labels of a probability above one half.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, ...)
            Like the ``y`` of ``fit``, of the dtype of ``classes_``; several labels and one-hot
            rows as 0 and 1.

        Raises
        ------
        ValueError
            As ``predict_proba``: NaN are taken for no class.
        """
        probabilities, targets = self.predict_proba(X), self.targets_.by_output
        if not self.targets_.are_several:
            labels: np.ndarray = targets.most_probable(probabilities)
            return labels
        pairs = zip(targets.values(), probabilities, strict=True)
        return _side_by_side([target.most_probable(p) for target, p in pairs])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of known labels that are predicted as they are.

        Of several labels a row, or several columns of classes, it is the share of rows in which
        all known ones are.

        Parameters
        ----------
        X, y
            Inputs and labels, as ``fit`` had them.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Between 0 and 1.
        """
        predicted = self.predict(X)
        given, found = (self.targets_.check(self, labels, "y") for labels in (y, predicted))
        check_same_length(X=predicted, y=parts(given)[0])
        weight = check_weights(sample_weight, len(predicted), "sample_weight")
        right = each(lambda _, t, *both: t.right(*both), self.targets_.by_output, given, found)
        return share_of_right(parts(right) if self.targets_.are_several else [right], weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Train for one epoch on more rows, going on from what was learnt before.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``. The first call fits the scaler; ``update_scalers`` says whether
            later ones let it learn.
        classes : array-like of shape (n_classes,), or list of them, default=None
            All labels that later calls may bring; by default those of the first ``y``. Of
            several columns of classes, a list of those of each.

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

        def learn_y(y: np.ndarray) -> None:
            self.targets_.learn(y)
            if classes is None:
                return
            several = self.targets_.are_several
            every = parts(self.targets_.by_output)
            if several and len(classes) != len(every):
                raise ValueError(
                    f"classes has {len(classes)} entries, but y has {len(every)} columns. Give a "
                    "list of the classes of each."
                )
            for target, own in zip(every, classes if several else [classes], strict=True):
                if isinstance(target, Labels):
                    target.learn_classes(own)

        return self._partial_fit(X, y, sample_weight, learn_y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags

    @property
    def classes_(self) -> Any:
        """The labels, or a list of those of each column of classes."""
        found = [target.classes_ for target in parts(self.targets_.by_output)]
        return found if self.targets_.are_several else found[0]

    def _new_targets(self, y: Any, name: str) -> Targets:
        return targets_of_labels(
            y,
            name,
            self.labels,
            ordinal=self.ordinal,
            class_weight=self.class_weight,
            missing_label=self.missing_label,
            loss=self.loss,
        )


def _side_by_side(columns: list[np.ndarray]) -> np.ndarray:
    """Return columns as a table: of objects, if they differ in kind."""
    differ = len({column.dtype.kind for column in columns}) > 1
    return np.stack([c.astype(object) if differ else c for c in columns], axis=1)


@register_network(ScaledKerasClassifier)
def _classifier_network(classifier: ScaledKerasClassifier) -> ScaledNetwork:
    # Without the order of a table: columns of classes have probabilities of their own.
    return replace(classifier._scaled_network(), order=None)
