"""Maps and networks as stock Keras functional models."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._optional import keras
from ..maps import Inverse, Map
from ._registry import ScaledNetwork, is_network, map_of, network_of

#: Largest error, in scaled space, that a float32 input may cost before
#: :func:`to_keras` declares a float64 one.
FLOAT32_TOLERANCE = 1e-4


def to_keras(
    fitted: Any, *, inverse: bool = False, dtype: str | None = None, name: str | None = None
) -> Any:
    """Return a fitted scaler, pipeline or estimator as one Keras model in raw units.

    The model is functional and holds stock Keras operations with the fitted
    parameters as float64 constants: its ``.keras`` file loads with Keras alone.
    It is a copy; training it leaves ``fitted`` as it is.

    Parameters
    ----------
    fitted : object
        A fitted scaler of this package or of scikit-learn, a
        :class:`ScaledKerasRegressor` or :class:`ScaledKerasClassifier`, a
        :class:`sklearn.pipeline.Pipeline` of them, or an instance of a class
        given to :func:`register_map`.
    inverse : bool, default=False
        Of a scaler: the inverse transformation, from scaled space to raw units.
    dtype : str, default=None
        Dtype of the input. By default "float32", or "float64" where rounding
        the input to float32 would cost more than 1e-4 in scaled space (a large
        ratio of mean to standard deviation).
    name : str, default=None
        Name of the model.

    Returns
    -------
    model : keras.Model
        From shape (n, n_features), or that of what a scaler was fitted on, to what
        ``fitted`` returns: ``transform`` in float32, ``inverse_transform`` and a
        regressor's ``predict`` in float64 (float32 on JAX without x64), a
        classifier's ``predict_proba``.

    Raises
    ------
    TypeError
        If ``fitted`` is no scikit-learn estimator.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    UnsupportedTransformerError
        If a transformer in it has no form as Keras operations.
    ValueError
        If the inverse of an estimator or another dtype is asked for, or if float32
        is all that the backend has and it is not enough.

    Warns
    -----
    UserWarning
        If ``dtype="float32"`` costs more than that.

    Notes
    -----
    With a float64 input, call the model: ``model(x)`` is exact, while Keras's
    ``model.predict(x)`` first rounds every array to float32, silently. At a mean of
    1e6 and a standard deviation of 1 that costs 0.03 standard deviations.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_keras_scaling import StandardScaler, to_keras
    >>> scaler = StandardScaler().fit([[10.0, 1.0], [30.0, 5.0]])
    >>> model = to_keras(scaler, inverse=True)
    >>> print(np.asarray(model(np.array([[0.0, 1.0]]))))
    [[20.  5.]]
    """
    if not isinstance(fitted, BaseEstimator):
        raise TypeError(
            "to_keras takes a fitted scikit-learn scaler, pipeline or ScaledKeras estimator, got "
            f"a {type(fitted).__name__}."
        )
    check_is_fitted(fitted)
    _check_dtype(dtype)
    if inverse:
        if is_network(fitted):
            raise ValueError(
                f"inverse=True needs a scaler, but {type(fitted).__name__} ends in a network, "
                "which has no inverse. Pass its target_scaler_, for example."
            )
        map_, shape = map_of(fitted), _input_shape(fitted)
        some = map_.forward(np.zeros((1, *(length or 1 for length in shape))), np)
        shape = tuple(n and length for n, length in zip(shape, some.shape[1:], strict=True))
        return inverse_model(map_, shape, dtype=dtype, name=name)
    parts = network_of(fitted)
    inputs = keras.Input(_input_shape(fitted), dtype=_input_dtype(parts.inputs, dtype))
    return keras.Model(inputs, _outputs(parts, inputs), name=name)


def _input_shape(fitted: Any) -> tuple[int | None, ...]:
    steps = fitted.steps if isinstance(fitted, Pipeline) else [("", fitted)]
    # A pipeline asks its first step alone, which "passthrough" cannot answer.
    first = next(step for _, step in steps if hasattr(step, "n_features_in_"))
    return getattr(first, "input_shape_", (int(first.n_features_in_),))


def inverse_model(
    map_: Map, shape: tuple[int | None, ...], *, dtype: str | None = None, name: str | None = None
) -> Any:
    """Return the inverse of a map as a Keras model with inputs of this shape."""
    inputs = keras.Input(shape, dtype=dtype or keras.config.floatx())
    outputs = Inverse(map_).forward(inputs, keras.ops)
    return keras.Model(inputs, keras.ops.cast(outputs, widest_float()), name=name)


def copy_network(network: Any) -> Any:
    """Return an uncompiled copy of a Keras model with its weights.

    Raises
    ------
    TypeError
        If Keras cannot save and restore it.
    """
    # Through a file: clone_model and from_config lose the state of adapted layers.
    with _restoring(network), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        network.save(path)
        return keras.saving.load_model(path, compile=False, safe_mode=False)


def check_restorable(network: Any) -> None:
    """Raise ``TypeError`` unless Keras can restore the model, with its optimizer, from a pickle."""
    with _restoring(network):
        copy.deepcopy(network)


@contextmanager
def _restoring(network: Any) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise TypeError(
            f"The network {network.name!r} cannot be copied or saved: {reason} Layers, models, "
            "activations and optimizers of your own need get_config() and "
            "@keras.saving.register_keras_serializable() on an importable class or function."
        ) from error


def _outputs(parts: ScaledNetwork, inputs: Any) -> Any:
    scaled = keras.ops.cast(parts.inputs.forward(inputs, keras.ops), keras.config.floatx())
    if parts.network is None:
        return scaled
    return parts.outputs.forward(copy_network(parts.network)(scaled), keras.ops)


def _check_dtype(asked: str | None) -> None:
    if asked not in (None, "float32", "float64"):
        raise ValueError(f'dtype must be "float32", "float64" or None, got {asked!r}.')


def _input_dtype(inputs: Map, asked: str | None) -> str:
    error = inputs.float32_error()
    if error <= FLOAT32_TOLERANCE or asked == "float64" == widest_float():
        return asked or "float32"
    if asked is None and widest_float() == "float64":
        return "float64"
    message = (
        f"Inputs rounded to float32 cost up to {error:.1g} in scaled space: a column's mean is "
        "large against its standard deviation."
    )
    if asked is None:
        raise ValueError(
            f"{message} JAX has no float64 unless x64 is enabled: set JAX_ENABLE_X64=1 before "
            'Python starts, or accept the loss with dtype="float32".'
        )
    warnings.warn(f"{message} float64 would keep them.", UserWarning, stacklevel=3)
    return asked


def widest_float() -> str:
    """Return "float64", or "float32" on JAX without x64."""
    if keras.backend.backend() != "jax":
        return "float64"
    import jax

    return "float64" if jax.config.jax_enable_x64 else "float32"
