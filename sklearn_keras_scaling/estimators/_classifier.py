"""The classifier: inputs scaled, labels encoded."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from .._optional import keras
from .._validation import check_labels
from ..bridge import ScaledNetwork, register_network
from ..maps import IDENTITY, BothClasses
from ._base import BaseScaledKeras
from ._compiling import loss_name, make_loss, make_metrics
from ._data import Rows
from ._networks import refuse_outputs


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
    network_ : keras.Model
        The trained network; its inputs are in scaled space.
    history_ : dict of list
        Loss and metrics per epoch.
    findings_ : list of Finding
        Where the network and its scaling do not fit, found when ``fit`` began.
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

    _class_totals: dict[Any, float]
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
        probabilities = self.predict_proba(X)
        if self._n_labels:
            return (probabilities > 0.5).astype(np.int64)
        return self.classes_[probabilities.argmax(axis=1)]

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

        def learn_y(rows: Rows) -> None:
            self._learn_y(rows)
            if classes is not None and not self._n_labels:
                self.classes_ = np.unique(classes)

        return self._partial_fit(X, y, sample_weight, learn_y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # Labels

    def _check_y(self, y: Any, name: str, reset: bool) -> np.ndarray:
        return check_labels(self, y, name)

    def _learn_y(self, rows: Rows, more: bool = False) -> None:
        if more:
            self._match_shape(rows.y, "y")
        self._n_labels = rows.y.shape[1] if rows.y.ndim == 2 else 0
        if self._n_labels:
            self.classes_ = np.arange(self._n_labels)
        else:
            found = np.unique(rows.y)
            self.classes_ = np.union1d(self.classes_, found) if more else found

    def _match_y(self, y: np.ndarray, name: str) -> None:
        self._match_shape(y, name)
        unknown = [] if self._n_labels else np.setdiff1d(y, self.classes_).tolist()
        if unknown:
            raise ValueError(
                f"The label {unknown[0]!r} is none of those that the first fit saw: "
                f"{self.classes_.tolist()}."
            )

    def _match_shape(self, y: np.ndarray, name: str) -> None:
        if y.shape[1:] != ((self._n_labels,) if self._n_labels else ()):
            raise ValueError(
                f"{name} has shape {y.shape}, but the y of fit had "
                f"{self._n_labels or 'one column of'} labels. Pass labels of the same kind."
            )

    def _count_y(self, rows: Rows, more: bool) -> None:
        if self._n_labels:
            return
        labels, index = np.unique(rows.y, return_inverse=True)
        totals = np.bincount(index, rows.weight).tolist()
        before = self._class_totals if more else {}
        found = dict(zip(labels.tolist(), totals, strict=True))
        self._class_totals = {
            label: before.get(label, 0.0) + found.get(label, 0.0) for label in {**before, **found}
        }

    def _fit_target(self, rows: Rows, method: str, is_new: bool) -> None:
        """Labels are not scaled."""

    def _split_labels(self, rows: Rows) -> np.ndarray | None:
        return None if self._n_labels else rows.y

    def _loss_weight(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weight
        of_class = self._class_weights()[np.searchsorted(self.classes_, y)]
        return of_class if weight is None else weight * of_class

    def _class_weights(self) -> np.ndarray:
        if self._n_labels:
            raise ValueError("class_weight is for one label a row, but y has several columns.")
        if self.class_weight == "balanced":
            totals = np.array([self._class_totals.get(c, 0.0) for c in self.classes_.tolist()])
            share = np.where(totals > 0, totals, np.inf)
            return totals.sum() / ((totals > 0).sum() * share)
        if not isinstance(self.class_weight, dict):
            raise ValueError(
                f'class_weight must be a dict, "balanced" or None, got {self.class_weight!r}.'
            )
        unknown = [label for label in self.class_weight if label not in self.classes_]
        if unknown:
            raise ValueError(
                f"class_weight names the label {unknown[0]!r}, but y has {self.classes_.tolist()}."
            )
        weights = np.array([self.class_weight.get(label, 1.0) for label in self.classes_.tolist()])
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError(
                f"class_weight must have finite weights >= 0, one of them above 0, got "
                f"{self.class_weight!r}."
            )
        return weights

    # The network

    def _output_maps(self) -> tuple[Any, ...]:
        one_column = self._n_columns == 1 and not self._n_labels
        return (BothClasses(),) if one_column else (IDENTITY,)

    def _offers(self) -> dict[str, Any]:
        count = len(self.classes_)
        if count < 2:
            raise ValueError(
                f"y has one class only ({self.classes_.tolist()[0]!r}), but a classifier needs "
                "at least two classes. Check how the rows were chosen."
            )
        loss = self.loss and loss_name(make_loss(self.loss, self._routed_to("loss")))
        one_column = count == 2 and "categorical" not in (loss or "") and not self._n_labels
        return {
            "output_shape": (1,) if one_column else (count,),
            "output_activation": "sigmoid" if one_column or self._n_labels else "softmax",
            "n_classes": count,
            "classes": self.classes_,
        }

    def _make_loss(self, own: Any, outputs: np.ndarray) -> Any:
        binary = outputs.shape[1] == 1 or self._n_labels
        default = "binary_crossentropy" if binary else "sparse_categorical_crossentropy"
        given = own if self.loss is None else self.loss
        loss = make_loss(default if given is None else given, self._routed_to("loss"))
        name = loss_name(loss)
        if isinstance(loss, keras.losses.Loss) and loss.get_config().get("from_logits"):
            raise ValueError(
                f"loss={name!r} has from_logits=True, but the network must return probabilities "
                "for predict_proba. End it with a sigmoid or softmax and use from_logits=False."
            )
        if "categorical" in name and self._n_labels:
            raise ValueError(
                f"loss={name!r} is for one class a row, but y has several labels a row. Use "
                "'binary_crossentropy'."
            )
        if "categorical" in name and outputs.shape[1] == 1:
            raise ValueError(
                f"loss={name!r} needs a column for each class, but the network returns one. End it "
                "with Dense(2, 'softmax'), or use 'binary_crossentropy'."
            )
        return loss

    def _check_outputs(self, network: Any, outputs: Any) -> None:
        count = len(self.classes_)
        what, activation = ("labels", "sigmoid") if self._n_labels else ("classes", "softmax")
        expected = f"y has {count} {what}. End the network with Dense({count}, {activation!r})"
        widths = {count}
        if count == 2 and not self._n_labels:
            widths, expected = {1, 2}, expected + " or Dense(1, 'sigmoid')"
        shape: tuple[int, ...] = getattr(outputs, "shape", ())
        if len(shape) != 2 or shape[1] not in widths:
            refuse_outputs(network, outputs, expected)
        one_of_all = shape[1] > 1 and not self._n_labels
        sums = outputs.sum(axis=1) if one_of_all else 1.0
        if outputs.min() < 0 or outputs.max() > 1 or np.abs(sums - 1).max() > 0.01:
            raise ValueError(
                f"The network {network.name!r} returns {outputs[0].tolist()} for the first row, "
                f"which are no probabilities. {expected.partition('. ')[2]}."
            )
        self._n_columns = shape[1]

    def _network_targets(self, y: np.ndarray, loss: Any) -> np.ndarray:
        if self._n_labels:
            return y.astype("float32")
        index = np.searchsorted(self.classes_, y)
        if self._n_columns == 1:
            return index[:, None].astype("float32")
        if loss_name(loss).startswith("sparse"):
            return index[:, None].astype("int32")
        return np.eye(len(self.classes_), dtype="float32")[index]

    def _make_metrics(self, metrics: Any) -> list[Any]:
        return make_metrics(metrics)


@register_network(ScaledKerasClassifier)
def _classifier_network(classifier: ScaledKerasClassifier) -> ScaledNetwork:
    return classifier._scaled_network()
