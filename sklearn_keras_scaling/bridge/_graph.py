"""Maps and networks as stock Keras functional models."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from .._optional import is_stock, keras, widest_float
from .._structure import each
from ..maps import IDENTITY, Affine, BothClasses, Chain, Clip, Inverse, Map, Parallel, Project, Take
from ..maps._namespaces import InFloat32
from ._asked import FittedView, asked_for
from ._finite import check_numbers
from ._measuring import float32_cost, float32_output_cost, typical_rows
from ._registry import ScaledNetwork, is_network, map_of, network_of

#: Largest error, in standardised units, that a float32 input may cost on the rows that are tried
#: before :func:`to_keras` declares a float64 one: half of what it promises of all rows.
FLOAT32_TOLERANCE = 5e-5


def to_keras(
    fitted: Any,
    *,
    inverse: bool = False,
    dtype: Any = None,
    name: str | None = None,
    inputs: str = "matrix",
    outputs: Any = None,
) -> Any:
    """Return a fitted transformer, pipeline or estimator as one Keras model in raw units.

    The model is functional and holds stock Keras operations with the fitted
    parameters as float64 constants: its ``.keras`` file loads with Keras alone.
    It is a copy; training it leaves ``fitted`` as it is.

    Parameters
    ----------
    fitted : object
        A fitted transformer of this package or of scikit-learn, skrub's ``SquashingScaler``
        or ``TableVectorizer`` of numbers, a
        :class:`ScaledKerasRegressor` or :class:`ScaledKerasClassifier`, a
        :class:`sklearn.pipeline.Pipeline`, :class:`sklearn.compose.ColumnTransformer`,
        :class:`sklearn.pipeline.FeatureUnion`,
        :class:`sklearn.compose.TransformedTargetRegressor` or search of them, or an
        instance of a class given to :func:`register_map`.
    inverse : bool, default=False
        Of a transformer: the inverse transformation, from scaled space to raw units.
    dtype : str or dtype, default=None
        Dtype of the input: "float32", "float64" or an integer one, which is cast
        without losing digits. By default "float32", or "float64" where rounding
        the input to float32 would cost more than 1e-4 in standardised units (a large
        ratio of mean to standard deviation), over the training range or three times as far.
    name : str, default=None
        Name of the model.
    inputs : {"matrix", "columns", "pair"}, default="matrix"
        One input of shape (n, n_features); or an input of shape (n, 1) for each column
        that is used of the data frame ``fitted`` was fitted on, by its name; or two float32
        inputs of shape (n, n_features), "high" and "low", whose sum is the number: what
        float64 holds then gets through ``model.predict``, to JAX without x64 and, behind scaling
        that centres, to runtimes that compute in float32.
    outputs : sequence of str, default=None
        What a network with a distribution or several members is asked for, in raw units: "mean",
        "std", "quantile_0.05" and the like. The model returns a dict by these names; of several
        targets "price_mean" and so on.

    Returns
    -------
    model : keras.Model
        From shape (n, n_features), or that of what a scaler was fitted on, to what
        ``fitted`` returns: ``transform`` (dense) in float32, as a network wants it, or in
        float64 if ``dtype="float64"`` is asked for; ``inverse_transform`` and a
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
        If an inverse is asked for that scikit-learn has not, or another dtype, or
        columns of what was fitted without names, or if float32 is all that the
        backend has and it is not enough; or if weights of a network are NaN or infinite.

    Warns
    -----
    UserWarning
        If ``dtype="float32"`` costs more than that; if jumps are as near each other as the
        numbers before them are rounded; or if a transformer's outputs are far from
        zero against their known spread, so that they lose more than that as float32
        (``dtype="float64"`` keeps them).

    Notes
    -----
    What is known of the data comes from the fitted parameters: where they say nothing of a
    column (behind polynomials or row norms, for example), the numbers are taken to be far
    from zero, and the input is float64. Integers are exact up to 2**53. Numbers that a
    transformer passes on without centring them (a passthrough, an imputer, a selector,
    ``MaxAbsScaler``) leave with the 7 digits of float32, unless ``dtype`` is "float64": of a
    column of mean 1e8 and standard deviation 1 nothing is left.

    Some steps jump: bins, categories, thresholds, quantiles with ties. Where the jumps were
    training values and other steps come before, which NumPy, scikit-learn and each backend
    round otherwise, numbers within a billionth of a column's range (a millionth on JAX without
    x64) count as the edge, category or quantile itself. At thresholds, uniform and k-means
    edges, the last digit decides, as in scikit-learn: that of scalers and products is the same
    on TensorFlow and PyTorch, but not always where XLA compiles (JAX, ``jit_compile=True``).

    Where scikit-learn refuses a value (an unknown category, a number that is not
    positive under Box-Cox), the model returns NaN. :func:`certify` measures how far the
    model is from scikit-learn.

    With a float64 input, call the model: ``model(x)`` is exact, while Keras's
    ``model.predict(x)`` first rounds every array to float32, silently. At a mean of
    1e6 and a standard deviation of 1 that costs 0.03 standard deviations. So does
    ``keras.Sequential([model])``, unless an ``Input`` of the same dtype comes first.

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
            "to_keras takes a fitted scikit-learn transformer, pipeline or ScaledKeras estimator, "
            f"got a {type(fitted).__name__}."
        )
    check_is_fitted(fitted)
    dtype = _checked_dtype(dtype)
    if outputs is not None:
        fitted = asked_for(fitted, outputs)
    if inverse:
        return _inverse(fitted, dtype, name, inputs)
    parts = network_of(fitted)
    if parts.network is not None:
        check_numbers(parts.network)
    if inputs == "pair":
        given, scaled = _pair(parts, input_shape(fitted), dtype)
    else:
        given, raw = _inputs(fitted, parts, dtype, inputs)
        scaled = parts.scale(each(lambda _, tensor: _widened(tensor), raw), keras.ops)
    _check_jumps(parts.table_map, fitted)
    if parts.network is None and dtype not in ("float32", "float64"):
        _check_outputs(parts.table_map, fitted)
    return keras.Model(given, _outputs(parts, scaled, dtype), name=name)


def _inverse(fitted: Any, dtype: str | None, name: str | None, inputs: str) -> Any:
    _check_invertible(fitted, inputs)
    map_ = map_of(fitted)
    try:
        dtype = _input_dtype(map_, input_shape(fitted), dtype, inverse=True)
        return inverse_model(map_, output_shape(map_, fitted), dtype=dtype, name=name)
    except NotImplementedError as error:
        raise ValueError(
            f"inverse=True: {error} The inverse of {type(fitted).__name__} does not exist with "
            "the parameters that it has."
        ) from error


def _check_jumps(map_: Map, fitted: Any) -> None:
    if map_.is_fragile(float(np.finfo(widest_float()).eps)):
        warnings.warn(
            f"{type(fitted).__name__} has bins, categories or repeated quantiles that are as near "
            "each other as the numbers before them are rounded: on which one a number lies is "
            "decided by the last digits, which the model need not share. Round before that step, "
            "and measure by certify with rows of yours.",
            UserWarning,
            stacklevel=3,
        )


def _check_outputs(map_: Map, fitted: Any) -> None:
    cost = float32_output_cost(map_, input_shape(fitted))
    if cost > 2 * FLOAT32_TOLERANCE:
        warnings.warn(
            f"Outputs rounded to float32 cost up to {cost:.1g} in standardised units: "
            f"{type(fitted).__name__} leaves a column far from zero against its spread. Centre "
            'it, or keep its digits with dtype="float64".',
            UserWarning,
            stacklevel=3,
        )


def input_shape(fitted: Any) -> Any:
    """Return the shape of a sample that a fitted estimator takes; of several inputs, of each."""
    first = _first(fitted)
    if hasattr(first, "input_shape_"):
        return first.input_shape_
    if not hasattr(first, "n_features_in_"):
        name = type(fitted if first is None else first).__name__
        raise ValueError(
            f"{name} does not say how many columns it takes (n_features_in_): fit it, and begin "
            'a pipeline or union of "passthrough" and "drop" alone with a FunctionTransformer().'
        )
    return (int(first.n_features_in_),)


def _first(fitted: Any) -> Any:
    """Return the part of a fitted object that sees raw data, None where none keeps their shape."""
    if isinstance(fitted, FittedView):
        return _first(fitted.fitted)
    if isinstance(fitted, BaseSearchCV):
        return _first(fitted.best_estimator_)
    if isinstance(fitted, TransformedTargetRegressor):
        return _first(fitted.regressor_)
    steps: Any = None
    if isinstance(fitted, Pipeline):
        steps = fitted.steps
    elif isinstance(fitted, FeatureUnion):
        steps = fitted.transformer_list
    if steps is None:
        return fitted
    # They ask their first step alone, which "passthrough" and "drop" cannot answer.
    firsts = (_first(step) for _, step in steps if not (step is None or isinstance(step, str)))
    return next((first for first in firsts if first is not None), None)


def output_shape(map_: Map, fitted: Any) -> tuple[int | None, ...]:
    """Return the shape of a sample that a fitted transformer returns."""
    shape = input_shape(fitted)
    with np.errstate(all="ignore"):
        some = map_.forward(np.ones((1, *(length or 1 for length in shape))), np)
    return tuple(n and length for n, length in zip(shape, some.shape[1:], strict=True))


def _inputs(fitted: Any, parts: ScaledNetwork, dtype: str | None, kind: str) -> tuple[Any, Any]:
    """Return the inputs of a model, and what the maps start from: one tensor, or one for each."""
    if kind not in ("matrix", "columns"):
        raise ValueError(f'inputs must be "matrix", "columns" or "pair", got {kind!r}.')
    shape = input_shape(fitted)
    if isinstance(shape, dict | list):
        _check_table(shape, kind)
        named = each(
            lambda name, map_, own: _named_input(name, own, _input_dtype(map_, own, dtype)),
            parts.inputs,
            shape,
        )
        return named, named
    map_ = parts.table_map
    names = getattr(fitted, "feature_names_in_", ())
    if kind == "columns":
        _check_names(names)
    dtype = _input_dtype(map_, shape, dtype)
    if kind == "matrix":
        matrix = keras.Input(shape, dtype=dtype)
        return matrix, matrix
    read = map_.reads(len(names))
    columns = {
        name: keras.Input((1,), name=name, dtype=dtype) for i, name in enumerate(names) if i in read
    }
    unread = keras.ops.zeros_like(next(iter(columns.values())))
    tensors = [columns.get(name, unread) for name in names]
    return columns, keras.ops.concatenate(tensors, axis=-1)


def _named_input(name: Any, shape: tuple[int | None, ...], dtype: str) -> Any:
    return keras.Input(shape, name=name if isinstance(name, str) else f"input_{name}", dtype=dtype)


def _check_table(shape: Any, kind: str) -> None:
    if kind != "matrix":
        raise ValueError(
            f"inputs={kind!r} is for a table, but the estimator was fitted on several arrays, of "
            f"shapes {shape}: the model has an input for each, by its name."
        )


def _check_names(names: Any) -> None:
    if not len(names):
        raise ValueError(
            'inputs="columns" needs column names, and there are none: fit on a data frame.'
        )
    for name in names:
        if not name or "/" in name:
            raise ValueError(
                f'inputs="columns": Keras takes no input of the name {name!r}. Rename the column, '
                'or use inputs="matrix".'
            )


def _pair(parts: ScaledNetwork, shape: Any, dtype: str | None) -> tuple[Any, Any]:
    """Return two inputs whose sum is raw data, and what the maps make of it."""
    if isinstance(shape, dict | list):
        _check_table(shape, "pair")
    if dtype is not None:
        raise ValueError(f'inputs="pair" has dtype float32; leave out dtype={dtype!r}.')
    given = {name: keras.Input(shape, name=name, dtype="float32") for name in ("high", "low")}
    try:
        return given, _scaled_difference(parts, shape, *given.values())
    except NotImplementedError as error:
        if widest_float() != "float64":
            raise ValueError(
                f'inputs="pair" without float64: {error} Enable it by JAX_ENABLE_X64=1.'
            ) from error
    raw = keras.ops.add(*map(_widened, given.values()))
    return given, parts.scale(raw, keras.ops)


def _scaled_difference(parts: ScaledNetwork, shape: Any, high: Any, low: Any) -> Any:
    """Return scaled numbers without their sum, which float32 does not hold.

    The parts of the mean are taken from theirs instead: differences of near numbers are exact, and
    small. Linear maps stay in float32, which LiteRT needs.
    """
    if len(shape) > 1:
        raise NotImplementedError(f"it is for tables, not for shape {shape}.")
    mean = np.nan_to_num(np.nanmean(typical_rows(parts.table_map, shape), axis=0))
    near = mean.astype(np.float32)
    rest = (mean - near).astype(np.float32)
    offset = near.astype(np.float64) + rest
    shifted = replace(parts, inputs=each(lambda _, map_: map_.shift(offset), parts.inputs))
    is_linear = _is_linear(parts.table_map)
    high, low = (high, low) if is_linear else map(_widened, (high, low))
    difference = keras.ops.add(keras.ops.subtract(high, near), keras.ops.subtract(low, rest))
    return shifted.scale(difference, InFloat32(keras.ops) if is_linear else keras.ops)


def _is_linear(map_: Map) -> bool:
    """Return whether it sums multiples of columns: of numbers near zero, float32 is enough."""
    if isinstance(map_, Chain):
        return all(map(_is_linear, map_.maps))
    if isinstance(map_, Parallel):
        return all(_is_linear(branch) for _, branch in map_.branches)
    if isinstance(map_, Inverse):
        return _is_linear(map_.map)
    return isinstance(map_, Affine | Clip | Project | Take)


def inverse_model(
    map_: Map, shape: tuple[int | None, ...], *, dtype: str | None = None, name: str | None = None
) -> Any:
    """Return the inverse of a map as a Keras model with inputs of this shape."""
    inputs = keras.Input(shape, dtype=dtype or keras.config.floatx())
    outputs = Inverse(map_).forward(_widened(inputs), keras.ops)
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
        cause: BaseException = error  # the first of them: Keras wraps what names the class
        while (before := cause.__cause__ or cause.__context__) is not None:
            cause = before
        reason = str(cause).strip().split(" Full object config:")[0].split("\n")[0]
        own = [
            f"{type(layer).__name__} {layer.name!r}"
            for layer in network._flatten_layers(include_self=False)
            if not is_stock(layer)
        ]
        raise TypeError(
            f"The network {network.name!r} cannot be copied or saved: {reason} Layers (here: "
            f"{', '.join(own) or 'none'}), models, activations and optimizers of your own need "
            "get_config() and "
            "@keras.saving.register_keras_serializable() on an importable class or function."
        ) from error


def _outputs(parts: ScaledNetwork, scaled: Any, asked: str | None) -> Any:
    if parts.network is None and asked == "float64":
        return keras.ops.cast(scaled, widest_float())
    scaled = each(lambda _, tensor: keras.ops.cast(tensor, keras.config.floatx()), scaled)
    if parts.network is None:
        return scaled
    outputs = copy_network(parts.network)(scaled)
    if parts.outputs is IDENTITY and parts.asked is None:
        return outputs
    if not isinstance(parts.outputs, BothClasses):  # probabilities are as good in float32
        outputs = keras.tree.map_structure(_widened, outputs)
    return parts.unscale(outputs, keras.ops)


def _widened(tensor: Any) -> Any:
    """Return the tensor as the widest float: not every operation meets a float64 constant."""
    return tensor if tensor.dtype == widest_float() else keras.ops.cast(tensor, widest_float())


_AS_PAIR = 'give numbers as two of float32 with inputs="pair", '
_DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")


def _checked_dtype(asked: Any) -> str | None:
    """Return the name of a dtype, which NumPy knows by others too."""
    if asked is None:
        return None
    try:
        name = np.dtype(asked).name
    except TypeError:
        name = None
    if name not in _DTYPES:
        raise ValueError(f"dtype must be None or one of {', '.join(_DTYPES)}, got {asked!r}.")
    return name


def _check_invertible(fitted: Any, inputs: str) -> None:
    name = type(fitted).__name__
    if is_network(fitted):
        raise ValueError(
            f"inverse=True needs a transformer, but {name} ends in a network, which has no "
            "inverse. Pass its target_scaler_, for example."
        )
    if not hasattr(fitted, "inverse_transform"):
        raise ValueError(f"inverse=True needs an inverse_transform, and {name} has none.")
    if inputs != "matrix":
        raise ValueError(f"inputs={inputs!r} is for raw data; an inverse takes a matrix.")


def _input_dtype(
    map_: Map, shape: tuple[int | None, ...], asked: str | None, *, inverse: bool = False
) -> str:
    if asked not in (None, "float32") and widest_float() == "float64":
        return asked
    kept = widest_float() if inverse else "float32"
    cost = float32_cost(map_, shape, inverse=inverse, kept=kept)
    if cost <= FLOAT32_TOLERANCE:
        return asked or "float32"
    if asked is None and widest_float() == "float64":
        return "float64"
    message = (
        f"Inputs rounded to float32 cost up to {cost:.1g} in standardised units: a column's mean "
        "is large against its standard deviation (or nothing is known of it), or its values lie "
        "on edges or categories that float32 has not."
    )
    if asked is None:
        raise ValueError(
            f"{message} JAX has no float64 unless x64 is enabled: set JAX_ENABLE_X64=1 before "
            f"Python starts, {'' if inverse else _AS_PAIR}or accept the loss with "
            'dtype="float32".'
        )
    warnings.warn(f"{message} float64 would keep them.", UserWarning, stacklevel=4)
    return asked
