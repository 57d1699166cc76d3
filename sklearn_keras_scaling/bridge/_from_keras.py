"""Keras layers and linear models as fitted scalers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer

from .._blocks import Layout
from .._optional import keras
from ..maps import IDENTITY, Affine, Clip, Inverse
from ..scalers import MaxAbsScaler, MinMaxScaler, StandardScaler
from ._reading import Standardization, as_written, chain_of, forward, map_of_layer, not_built

Shape = tuple[int | None, ...]

_SUPPORTED = (
    "Supported: Normalization, Rescaling, BatchNormalization, Discretization(output_mode='int'), "
    "layers that at inference do nothing (Identity, Dropout, noise), additions, subtractions, "
    "multiplications and divisions by constants, clips, casts to float32 or float64 of keras.ops, "
    "and models that chain these."
)


def from_keras(layer_or_model: Any, *, inverse: bool = False) -> Any:
    """Return the fitted scaler that transforms as a Keras layer or model does.

    The way back of :func:`to_keras`.

    Parameters
    ----------
    layer_or_model : keras.Layer or keras.Model
        A built ``Normalization``, ``Rescaling``, ``BatchNormalization`` (at inference) or
        ``Discretization`` (of ``output_mode="int"``), or a Sequential or functional model that
        chains them, constants added, subtracted, multiplied or divided by, and clips: what
        :func:`to_keras` makes of a scaler, for example. Dropout, noise and casts to float32
        or float64 are passed over. A ``Rescaling`` that was not built is taken to scale
        tables: for images call its ``build((None, height, width, n_channels))`` first, each
        length of which may be None.
    inverse : bool, default=False
        Whether to return the scaler that has the layer as its ``inverse_transform`` instead:
        for ``Normalization(invert=True)`` and what ``to_keras(..., inverse=True)`` returns.

    Returns
    -------
    scaler : StandardScaler, MinMaxScaler, MaxAbsScaler, KBinsDiscretizer or Pipeline
        Fitted, in float64: a :class:`StandardScaler` for anything affine. Clips make it a
        :class:`MinMaxScaler` or :class:`MaxAbsScaler`, and what takes several, a
        :class:`sklearn.pipeline.Pipeline`.

    Raises
    ------
    TypeError
        If it is no Keras layer or model.
    ValueError
        If it is not built or not adapted, holds another layer or operation, computes in
        integers, branches, or multiplies by 0.

    Notes
    -----
    A scaler of :func:`to_keras` comes back exactly: it transforms to the same bits. What
    its graph does not hold is lost: its class, where another computes the same, names of
    features, and the upper end of the ``feature_range`` of a :class:`MinMaxScaler` that
    does not clip.

    The scaler of a layer agrees with it to within the layer's float32. ``mean_`` and ``var_``
    of a ``Normalization`` are its float32 numbers; ``scale_`` is what it divides by,
    ``max(sqrt(var_), 1e-7)``, or ``sqrt(variance + epsilon) / gamma`` of a
    ``BatchNormalization``. How many samples they come from is not known: ``n_samples_seen_``
    is 0, and ``partial_fit`` and ``merge`` refuse to go on from nothing. The outermost bins
    of a ``Discretization`` are unbounded, so that ``inverse_transform`` gives infinities there.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from sklearn_keras_scaling import from_keras
    >>> layer = keras.layers.Normalization()
    >>> layer.adapt(np.array([[1.0, 10.0], [3.0, 50.0]]))
    >>> scaler = from_keras(layer)
    >>> scaler.mean_, scaler.scale_
    (array([ 2., 30.]), array([ 1., 20.]))
    >>> scaler.transform([[3.0, 10.0]])
    array([[ 1., -1.]])
    """
    steps, shape = _read(layer_or_model)
    if inverse:
        steps = [_inverted(step) for step in reversed(steps)]
    scalers = _scalers(_joined(steps), shape)
    return scalers[0] if len(scalers) == 1 else make_pipeline(*scalers)


def _read(layer_or_model: Any) -> tuple[list[Any], Shape]:
    """Return maps and Discretization layers, first to last, and the shape of a sample."""
    if not isinstance(layer_or_model, keras.Layer):
        found = type(layer_or_model).__name__
        raise TypeError(f"from_keras takes a Keras layer or model, got a {found}. {_SUPPORTED}")
    if isinstance(layer_or_model, keras.Model):
        nodes = chain_of(layer_or_model)
        steps = [_step(node.operation, as_written(node)) for node in nodes]
        return steps, layer_or_model.inputs[0].shape[1:]
    return [_step(layer_or_model, map_of_layer(layer_or_model))], _shape_of(layer_or_model)


def _step(operation: Any, map_: Any) -> Any:
    name = f"The {type(operation).__name__} {operation.name!r}"
    if type(operation) is keras.layers.Discretization and operation.output_mode == "int":
        if operation.bin_boundaries is None:
            raise ValueError(f"{name} has no bins yet: adapt it, or give it bin_boundaries.")
        return operation
    if map_ is None:
        raise ValueError(f"{name} computes nothing that a scaler does. {_SUPPORTED}")
    affine: Any = map_.map if isinstance(map_, Inverse) else map_
    if isinstance(map_, Inverse) and not affine.scale.all():
        raise ValueError(
            f"{name} multiplies by 0: what it returns does not depend on its input, and no scaler "
            "does that."
        )
    has_learnt = not isinstance(affine, Standardization) or operation.input_mean is not None
    if not (has_learnt or affine.loc.any() or np.any(affine.variance != 1.0)):
        raise ValueError(
            f"{name} is not adapted: its means are 0 and its variances 1, as at first. Adapt it; "
            "clone_model and from_config forget what it learnt. If they are meant, give them: "
            "Normalization(mean=0.0, variance=1.0)."
        )
    return map_


def _shape_of(layer: Any) -> Shape:
    config = layer.get_build_config()
    if config:
        return tuple(config["input_shape"][1:])
    if not isinstance(layer, keras.layers.Rescaling):
        raise ValueError(not_built(layer))
    return np.broadcast_shapes(np.shape(layer.scale), np.shape(layer.offset)) or (None,)


def _inverted(step: Any) -> Any:
    if isinstance(step, Inverse):
        return step.map
    if isinstance(step, Affine):
        return Inverse(step)
    if step is IDENTITY:
        return step
    name = "clip" if isinstance(step, Clip) else f"Discretization {step.name!r}"
    raise ValueError(
        f"inverse=True needs what has an inverse, and a {name} has none. Leave inverse out for "
        "the scaler that transforms as this does."
    )


def _joined(steps: list[Any]) -> list[Any]:
    """Return the steps with each subtraction and the division after it as one map."""
    joined: list[Any] = []
    for step in steps:
        both = _both(joined[-1], step) if joined else None
        if both is not None:
            joined[-1] = both
        elif step is not IDENTITY:
            joined.append(step)
    return [forward(step) for step in joined] or [Affine()]


def _both(first: Any, second: Any) -> Any:
    """Return one map that rounds as the two do, or None where there is none."""
    if isinstance(first, Inverse) and isinstance(second, Inverse):
        inverse = _both(second.map, first.map)
        return None if inverse is None else Inverse(inverse)
    if not (isinstance(first, Affine) and isinstance(second, Affine)):
        return None
    is_exact = np.all(first.scale == 1.0) and np.all(second.loc == 0.0)
    return Affine(first.loc, second.scale) if is_exact else None


def _scalers(steps: list[Any], shape: Shape) -> list[Any]:
    scalers = []
    while steps:
        scaler, n_used = _first_scaler(steps, shape)
        scalers.append(scaler)
        steps = steps[n_used:]
    return scalers


def _first_scaler(steps: list[Any], shape: Shape) -> tuple[Any, int]:
    """Return the scaler that computes the first steps, and how many they are."""
    first, following = steps[0], steps[1:]
    if isinstance(first, Clip):
        return _clipping(first, shape), 1
    if not isinstance(first, Affine):
        return _bins(first, shape), 1
    if _is_max_abs(first, following):
        return _max_abs(first, shape), 2
    return _min_max(first, following, shape) or (_standard(first, shape), 1)


def _standard(affine: Affine, shape: Shape) -> Any:
    with np.errstate(over="ignore"):  # a scale beyond 1e154 has no square
        variance = getattr(affine, "variance", affine.scale**2)
    layout, (loc, scale, variance) = _statistics([affine.loc, affine.scale, variance], shape)
    # Without a mean, sparse tables can be scaled too.
    scaler = StandardScaler(with_mean=bool(affine.loc.any()), axis=_axis(layout))
    return _fitted(scaler, layout, mean_=loc, scale_=scale, var_=variance)


def _is_max_abs(first: Affine, following: list[Any]) -> bool:
    clip = following[0] if following else None
    is_unit = isinstance(clip, Clip) and (clip.low, clip.high) == (-1.0, 1.0)
    return is_unit and not first.loc.any() and not (first.scale < 0).any()


def _max_abs(affine: Affine, shape: Shape) -> Any:
    layout, (scale,) = _statistics([affine.scale], shape)
    scaler = MaxAbsScaler(clip=True, axis=_axis(layout))
    return _fitted(scaler, layout, max_abs_=scale, scale_=scale.copy())


def _min_max(first: Affine, following: list[Any], shape: Shape) -> tuple[Any, int] | None:
    """Return the MinMaxScaler of ``first`` and what follows, and the number of steps, if any."""
    feature_range, clip, n_used = _target_range(following)
    if not n_used:
        return None
    low, high = feature_range
    layout, (data_min, reciprocal) = _statistics([first.loc, first.scale], shape)
    scale = _reciprocal(reciprocal)
    if scale is None:
        return None
    data_range = (high - low) * reciprocal
    scaler = MinMaxScaler(feature_range, clip=clip, axis=_axis(layout))
    attributes = {
        "data_min_": data_min,
        "data_max_": data_min + data_range,
        "data_range_": data_range,
        "scale_": scale,
        "min_": low - data_min * scale,
    }
    return _fitted(scaler, layout, **attributes), 1 + n_used


def _target_range(following: list[Any]) -> tuple[tuple[float, float], bool, int]:
    """Return the ``feature_range`` that the next steps move to, if they clip, and their number."""
    first, second = (*following, None, None)[:2]
    is_shift = (
        isinstance(first, Affine)
        and first.loc.size == 1
        and bool(first.loc.any())
        and bool(np.all(first.scale == 1.0))
    )
    low = -first.loc.item() if is_shift else 0.0
    clip = second if is_shift else first
    if isinstance(clip, Clip) and clip.low == low:
        return (low, clip.high), True, 1 + is_shift
    return (low, low + 1.0), False, int(is_shift)  # no graph holds the upper end


def _reciprocal(values: np.ndarray) -> np.ndarray | None:
    """Return positive numbers that have these reciprocals, to the bit; None if there are none."""
    near = 1.0 / values
    candidates = [near, np.nextafter(near, 0.0), np.nextafter(near, np.inf)]
    found = np.select([1.0 / each == values for each in candidates], candidates, np.nan)
    return found if np.all((found > 0) | np.isnan(values)) else None


def _clipping(clip: Clip, shape: Shape) -> Any:
    """Return a scaler that only clips: set by hand, without what it would have learnt."""
    layout, (zero,) = _statistics([0.0], shape)
    scaler = MinMaxScaler((clip.low, clip.high), clip=True, axis=_axis(layout))
    return _fitted(scaler, layout, min_=zero, scale_=zero + 1.0)


def _bins(layer: Any, shape: Shape) -> Any:
    if len(shape) != 1 or shape[0] is None:
        raise ValueError(
            f"The Discretization {layer.name!r} has samples of shape {shape}, but a "
            "KBinsDiscretizer takes tables of a known number of columns."
        )
    n_bins = len(layer.bin_boundaries) + 1
    scaler = KBinsDiscretizer(n_bins, encode="ordinal")
    edges = np.concatenate([[-np.inf], layer.bin_boundaries, [np.inf]])
    scaler.bin_edges_ = np.empty(shape, dtype=object)
    scaler.bin_edges_[:] = [edges] * shape[0]
    scaler.n_bins_ = np.full(shape, n_bins)
    scaler.n_features_in_ = shape[0]
    return scaler


def _statistics(constants: Sequence[Any], shape: Shape) -> tuple[Layout, list[np.ndarray]]:
    """Return the layout of samples of this shape, and the constants as its statistics."""
    lengths = np.broadcast_shapes(*(np.shape(each) for each in constants))
    sizes = ((1,) * len(lengths) + shape)[len(shape) :]  # of the axes that the constants have
    if any(n not in (1, size or n) for n, size in zip(lengths, sizes, strict=True)):
        raise ValueError(
            f"Constants of shape {lengths} give samples of shape {shape} another shape, which no "
            "scaler does. Pass a layer or model whose constants fit its input."
        )
    own = lengths[max(len(lengths) - len(shape), 0) :]
    start = len(shape) - len(own)
    kept = [i for i, n in enumerate(own, start + 1) if n > 1 or shape[i - 1] == 1]
    known = [n if n > 1 else size for n, size in zip(own, shape[start:], strict=True)]
    layout = Layout.of((1, *shape[:start], *known), kept)  # type: ignore[arg-type]  # or None
    spread = [np.broadcast_to(each, lengths) for each in constants]
    return layout, [each.reshape(layout.statistics_shape).copy() for each in spread]


def _axis(layout: Layout) -> int | tuple[int, ...] | None:
    if layout.is_last:
        return -1
    return (layout.kept[0] if len(layout.kept) == 1 else layout.kept) or None


def _fitted(scaler: Any, layout: Layout, **attributes: np.ndarray) -> Any:
    vars(scaler).update(attributes)
    scaler.n_samples_seen_ = 0
    scaler.n_features_in_ = layout.n_features
    scaler.input_shape_ = layout.shape
    scaler._layout = layout
    return scaler
