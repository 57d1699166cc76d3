"""The classifier: inputs scaled, labels encoded."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from .._optional import keras
from .._validation import check_labels
from ..bridge import ScaledNetwork, register_network
from ..maps import IDENTITY, BothClasses, Map
from ._base import BaseScaledKeras, Rows
from ._compiling import loss_name, make_loss, make_metrics
from ._networks import check_network_output


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
        classes) or softmax output. A callable returns a network and may ask for
        ``input_shape``, ``output_shape``, ``n_classes``, ``output_activation``,
        ``hidden_layer_sizes`` or ``meta`` (a dict of all that is known) by
        naming them as parameters. A ``keras.Model`` is copied and each fit
        starts from its weights. The network returns probabilities: one column
        per class, or for two classes that of ``classes_[1]`` alone. One that
        comes compiled keeps its own loss where ``loss`` is None, and its own
        optimizer where ``optimizer`` is "adam"; metrics and the rest are this
        estimator's.
    input_scaler : {"standard", "minmax", "maxabs", "robust"}, transformer or None, \
default="standard"
        Scales ``X``. A transformer is cloned; it may change the columns.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of the default network's hidden layers; ``model__activation``
        (default "relu") is theirs too.
    optimizer : str, dict, keras.optimizers.Optimizer or class, default="adam"
        Each fit makes its own from it.
    loss : str, keras.losses.Loss or callable, default=None
        None is "binary_crossentropy" for one output column, else
        "sparse_categorical_crossentropy". A loss whose name begins with
        "sparse" is given class indices, others one-hot rows.
    metrics : list, default=None
        Names, functions, ``keras.metrics.Metric``.
    epochs : int, default=100
        Passes over the training rows.
    batch_size : int, default=32
        Rows in a training step.
    validation_split : float, default=0.0
        Share of rows, stratified by label, that is held out before the scaler
        is fitted; gives the ``val_`` entries of ``history_``.
    callbacks : list of keras.callbacks.Callback, default=None
        Deep-copied before each fit.
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
        The labels, sorted.
    input_scaler_ : object or None
        The fitted scaler.
    network_ : keras.Model
        The trained network; its inputs are in scaled space.
    history_ : dict of list
        Loss and metrics per epoch.
    n_features_in_ : int
        Columns of ``X``.
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

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in raw units.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes), float32
            Columns in the order of ``classes_``.
        """
        return self._predict(X).astype(np.float32, copy=False)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs in raw units.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Of the dtype of ``classes_``.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def _check_y(self, y: Any, name: str) -> np.ndarray:
        return check_labels(self, y, name)

    def _encode_y(self, y: np.ndarray, learns: bool) -> np.ndarray:
        if learns:
            self.classes_ = np.unique(y)
            if len(self.classes_) < 2:
                raise ValueError(
                    f"y has one class only ({self.classes_.tolist()[0]!r}), but a classifier needs "
                    "at least two classes. Check how the rows were chosen."
                )
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(
                f"The label {unknown.tolist()[0]!r} is none of those that the first fit saw: "
                f"{self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y).reshape(-1, 1)

    def _fit_target(self, rows: Rows) -> None:
        """Labels are not scaled."""

    def _split_labels(self, rows: Rows) -> np.ndarray | None:
        return rows.y

    def _output_map(self) -> Map:
        return BothClasses() if self._n_columns == 1 else IDENTITY

    def _offers(self) -> dict[str, Any]:
        count = len(self.classes_)
        loss = self.loss and loss_name(make_loss(self.loss, self._routed_to("loss")))
        one_column = count == 2 and "categorical" not in (loss or "")
        return {
            "output_shape": (1,) if one_column else (count,),
            "output_activation": "sigmoid" if one_column else "softmax",
            "n_classes": count,
            "classes": self.classes_,
        }

    def _default_loss(self, outputs: np.ndarray) -> Any:
        one_column = outputs.shape[1] == 1
        return "binary_crossentropy" if one_column else "sparse_categorical_crossentropy"

    def _check_loss_kind(self, loss: Any, outputs: np.ndarray) -> None:
        name = loss_name(loss)
        if isinstance(loss, keras.losses.Loss) and loss.get_config().get("from_logits"):
            raise ValueError(
                f"loss={name!r} has from_logits=True, but the network must return probabilities "
                "for predict_proba. End it with a sigmoid or softmax and use from_logits=False."
            )
        if "categorical" in name and outputs.shape[1] == 1:
            raise ValueError(
                f"loss={name!r} needs a column for each class, but the network returns one. End it "
                "with Dense(2, 'softmax'), or use 'binary_crossentropy'."
            )

    def _check_outputs(self, network: Any, inputs: np.ndarray) -> np.ndarray:
        count = len(self.classes_)
        expected = f"y has {count} classes. End the network with Dense({count}, 'softmax')"
        if count == 2:
            expected += " or Dense(1, 'sigmoid')"
        widths = {1, 2} if count == 2 else {count}
        outputs = check_network_output(network, inputs, widths, expected)
        sums = outputs.sum(axis=1) if outputs.shape[1] > 1 else 1.0
        if outputs.min() < 0 or outputs.max() > 1 or np.abs(sums - 1).max() > 0.01:
            raise ValueError(
                f"The network {network.name!r} returns {outputs[0].tolist()} for the first row, "
                f"which are no probabilities. {expected.partition('. ')[2]}."
            )
        self._n_columns = outputs.shape[1]
        return outputs

    def _network_targets(self, y: np.ndarray, loss: Any) -> np.ndarray:
        if self._n_columns == 1:
            return y.astype("float32")
        if loss_name(loss).startswith("sparse"):
            return y.astype("int32")
        return np.eye(len(self.classes_), dtype="float32")[y.ravel()]

    def _metrics(self, metrics: Any) -> list[Any]:
        return make_metrics(metrics)


@register_network(ScaledKerasClassifier)
def _classifier_network(classifier: ScaledKerasClassifier) -> ScaledNetwork:
    return classifier._scaled_network()
