"""Affine scaling in the weights of one layer, in float64.

With ``z = (x - loc) / scale``, a linear layer ``y = z W + b`` of scaled numbers is one of
raw numbers with ``W / scale`` and ``b - (loc / scale) W``; and what follows it is in the
weights ``W / scale`` and ``(b - loc) / scale``.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._optional import keras
from ._reading import is_factor_zero

Shape = tuple[int | None, ...]

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel")


class NotFoldedError(Exception):
    """Why scaling does not move into a layer."""


class Linear:
    """The linear part of a layer: its weights in float64, and how channels meet them.

    This one is of ``Dense``, ``Conv1D`` to ``Conv3D`` and the recurrent layers, with a kernel of
    shape (..., channels / groups, outputs).

    Parameters
    ----------
    layer : keras.Layer
        Built.
    """

    first = last = "kernel"

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.holder = getattr(layer, "cell", layer)
        self.changes: dict[str, Any] = {}  # of the layer's config
        self.weights: dict[str, np.ndarray] = {}
        for name in (*_KERNELS, "bias"):
            variable = getattr(self.holder, name, None)
            if variable is not None:
                array = keras.ops.convert_to_numpy(variable)
                self.weights[name] = array.astype(np.float64)

    def take_input(self, loc: np.ndarray, scale: np.ndarray, shape: Shape) -> float:
        """Move scaling of the inputs, of this sample shape, into the weights.

        Returns
        -------
        n_roundoffs : float
            How many roundings of a number of unit spread the output may be off by: the raw
            inputs are ``|loc / scale| + 1`` of their spread, as the kernel weighs them, and
            its sums of n products add about the square root of n to that of the inputs.
        """
        loc, scale = (self._to_kernel(each, shape) for each in (loc, scale))
        before = self.weights[self.first]
        self.weights[self.first] = after = before / scale
        shift = self._to_outputs(loc * after)
        if loc.any():
            self._shift_bias(shift)
        weighed = np.linalg.norm(before * (np.abs(loc / scale) + 1.0))
        ratio = float(weighed / (np.linalg.norm(before) or 1.0))
        return ratio * (1.0 + (before.size / shift.size) ** 0.5)

    def take_output(self, loc: np.ndarray, scale: np.ndarray, shape: Shape) -> None:
        """Move scaling of the outputs, of this sample shape, into the weights."""
        if hasattr(self.layer, "cell"):
            raise NotFoldedError("a recurrent layer is not linear")
        if self.layer.activation is not keras.activations.linear:
            name = keras.activations.serialize(self.layer.activation)
            raise NotFoldedError(f"its activation {name!r} is not linear")
        self.weights[self.last] = self.weights[self.last] / self._from_outputs(scale, shape)
        if loc.any() or "bias" in self.weights:
            loc, scale = (self._as_bias(each, shape) for each in (loc, scale))
            self.weights["bias"] = (self._bias(loc.shape) - loc) / scale

    def write(self, layer: Any) -> None:
        """Give a built layer these weights."""
        holder = getattr(layer, "cell", layer)
        for name, array in self.weights.items():
            getattr(holder, name).assign(array)

    def _channel_axis(self, shape: Shape) -> int:
        is_first = getattr(self.layer, "data_format", None) == "channels_first"
        return 0 if is_first else len(shape) - 1

    def _per_channel(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        return along(values, shape, (self._channel_axis(shape),))

    def _to_kernel(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        groups, n_outputs = getattr(self.layer, "groups", 1), self.weights["kernel"].shape[-1]
        grouped = self._per_channel(values, shape).reshape(groups, -1).T
        return np.repeat(grouped, n_outputs // groups, axis=1)

    def _to_outputs(self, contributions: np.ndarray) -> np.ndarray:
        return contributions.reshape(-1, contributions.shape[-1]).sum(axis=0)

    def _from_outputs(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        return self._per_channel(values, shape)

    def _as_bias(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        return self._per_channel(values, shape)

    def _shift_bias(self, shift: np.ndarray) -> None:
        bias = self._bias(shift.shape)
        if bias.ndim > shift.ndim:  # GRU(reset_after=True): of the input, and of the recurrence
            bias[0] -= shift
        else:
            bias -= shift
        self.weights["bias"] = bias

    def _bias(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return a copy of the bias; of zeros where the layer had none, and then it gets one."""
        if "bias" in self.weights:
            return self.weights["bias"].copy()
        self.changes["use_bias"] = True
        return np.zeros((2, *shape) if getattr(self.holder, "reset_after", False) else shape)


class _Depthwise(Linear):
    """With a kernel of shape (..., channels, multiplier)."""

    def _to_kernel(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        return self._per_channel(values, shape)[:, None]

    def _to_outputs(self, contributions: np.ndarray) -> np.ndarray:
        *_, n_channels, multiplier = contributions.shape
        return contributions.reshape(-1, n_channels * multiplier).sum(axis=0)

    def _from_outputs(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        return self._per_channel(values, shape).reshape(self.weights[self.last].shape[-2:])


class _Separable(_Depthwise):
    """A depthwise kernel, and after it a pointwise one."""

    first, last = "depthwise_kernel", "pointwise_kernel"

    def _to_outputs(self, contributions: np.ndarray) -> np.ndarray:
        pointwise = self.weights[self.last]
        return super()._to_outputs(contributions) @ pointwise.reshape(-1, pointwise.shape[-1])

    def _from_outputs(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        return self._per_channel(values, shape)


class _Einsum(Linear):
    """With a kernel whose axes an equation names; ``...`` is spelt out."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        equation = layer.equation.replace(" ", "")
        unused = [letter for letter in string.ascii_letters if letter not in equation]
        n_elided = layer.input_spec.ndim - len(equation.split(",")[0].replace("...", ""))
        equation = equation.replace("...", "".join(unused[:n_elided]))
        self.inputs, equation = equation.split(",")
        self.kernel, self.outputs = equation.split("->")
        if set(self.inputs) - set(self.kernel) - set(self.outputs):
            raise NotFoldedError(
                f"its equation {layer.equation!r} sums over an axis without weights"
            )
        self.bias_axes = layer.bias_axes or "".join(
            letter for letter in self.outputs if letter in self.kernel
        )
        if not self.bias_axes:
            raise NotFoldedError(f"its equation {layer.equation!r} leaves no axis for a bias")

    def _to_kernel(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        return self._aligned(values, shape, self.inputs[1:], self.kernel)

    def _to_outputs(self, contributions: np.ndarray) -> np.ndarray:
        kept = "".join(letter for letter in self.outputs if letter in self.kernel)
        shift = np.einsum(f"{self.kernel}->{kept}", contributions)
        return self._aligned(shift, shift.shape, kept, self._bias_letters)

    def _from_outputs(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        return self._aligned(values, shape, self.outputs[1:], self.kernel)

    def _as_bias(self, values: np.ndarray, shape: Shape) -> np.ndarray:
        return self._aligned(values, shape, self.outputs[1:], self._bias_letters)

    @property
    def _bias_letters(self) -> str:
        """The axes of the bias, "1" for one of length 1."""
        first = min(map(self.outputs.index, self.bias_axes))
        return "".join(each if each in self.bias_axes else "1" for each in self.outputs[first:])

    def _aligned(self, values: np.ndarray, shape: Shape, letters: str, target: str) -> np.ndarray:
        """Return values over the axes ``letters`` so that they broadcast over those of ``target``.

        They must not vary along the others.
        """
        kept = [letter for letter in letters if letter in target]
        values = along(values, shape, [letters.index(letter) for letter in kept])
        order = sorted(kept, key=target.index)
        values = values.transpose([kept.index(letter) for letter in order])
        lengths = iter(values.shape)
        return values.reshape([next(lengths) if letter in kept else 1 for letter in target])

    def _bias(self, shape: tuple[int, ...]) -> np.ndarray:
        bias = super()._bias(shape)
        if self.changes.pop("use_bias", False):
            self.changes["bias_axes"] = self.bias_axes
        return bias


_LINEAR: dict[type, type[Linear]] = {
    keras.layers.Dense: Linear,
    keras.layers.Conv1D: Linear,
    keras.layers.Conv2D: Linear,
    keras.layers.Conv3D: Linear,
    keras.layers.SimpleRNN: Linear,
    keras.layers.LSTM: Linear,
    keras.layers.GRU: Linear,
    keras.layers.DepthwiseConv1D: _Depthwise,
    keras.layers.DepthwiseConv2D: _Depthwise,
    keras.layers.SeparableConv1D: _Separable,
    keras.layers.SeparableConv2D: _Separable,
    keras.layers.EinsumDense: _Einsum,
}
#: Layers around others, and where they keep them.
_WRAPPERS = {
    keras.layers.Bidirectional: ("forward_layer", "backward_layer"),
    keras.layers.TimeDistributed: ("layer",),
}
_ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}


def is_linear(layer: Any) -> bool:
    """Return whether scaling may move into a layer of this class, its own subclasses aside."""
    return all(type(inner) in _LINEAR for inner in _inner(layer))


class FoldedLayer:
    """A layer that takes scaling in, and then replaces the one it is of.

    Parameters
    ----------
    layer : keras.Layer
        Built, of a class that :func:`is_linear` knows.

    Raises
    ------
    NotFoldedError
        If nothing may move into its weights.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.steps = int(type(layer) is keras.layers.TimeDistributed)  # axes before the inner's
        self.name = layer.name
        self.parts = [_LINEAR[type(inner)](inner) for inner in _inner(layer)]
        self.pads: list[tuple[int, int]] = []
        self.pad_value = np.zeros(())
        for part in self.parts:
            _check(part.layer)

    @property
    def roundoff(self) -> float:
        """The largest relative error of rounding to a dtype that the layer computes in."""
        layers = [self.layer, *(part.layer for part in self.parts)]
        return max(_ROUNDOFF[layer.compute_dtype] for layer in layers)

    def regularizers(self, side: str) -> list[str]:
        """Return its regularizers that see other numbers after folding on this side."""
        unchanged = {"recurrent_regularizer"}
        if side == "input":
            unchanged.add("activity_regularizer")
        configs = [part.layer.get_config() for part in self.parts]
        found = {key for config in configs for key in config if config[key]}
        return sorted(key for key in found - unchanged if key.endswith("_regularizer"))

    def take_input(self, loc: np.ndarray, scale: np.ndarray, shape: Shape, padding: str) -> float:
        """Move scaling of inputs into the weights; see :meth:`Linear.take_input`."""
        if loc.any() and getattr(self.parts[0].layer, "padding", "valid") != "valid":
            if is_factor_zero(scale).any():
                raise NotFoldedError("it pads what is multiplied by 0, as no raw number is")
            self._pad(loc, shape, padding)
        return max(part.take_input(*self._of_steps(loc, scale, shape)) for part in self.parts)

    def take_output(self, loc: np.ndarray, scale: np.ndarray, shape: Shape) -> None:
        """Move scaling of outputs into the weights; see :meth:`Linear.take_output`."""
        for part in self.parts:
            part.take_output(*self._of_steps(loc, scale, shape))

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the output of a new layer, with the folded weights."""
        config = {**self.layer.get_config(), "name": self.name}
        wrapped = [config[key]["config"] for key in ("layer", "backward_layer") if key in config]
        for each in wrapped or [config]:
            each.update({key: value for part in self.parts for key, value in part.changes.items()})
        layer = type(self.layer).from_config(config)
        if "float" not in keras.backend.standardize_dtype(x.dtype):
            x = keras.ops.cast(x, layer.compute_dtype)
        if self.pads:
            x = _padded(x, self.pads, self.pad_value)
        layer.build(tuple(x.shape))
        for part, inner in zip(self.parts, _inner(layer), strict=True):
            part.write(inner)
        return layer(x, *args, **kwargs)

    def _of_steps(
        self, loc: np.ndarray, scale: np.ndarray, shape: Shape
    ) -> tuple[np.ndarray, np.ndarray, Shape]:
        """Return the scaling of one step, which must be that of all."""
        for _ in range(self.steps):
            loc, scale = (_same(each, shape, 0)[0] for each in (loc, scale))
        return loc, scale, shape[self.steps :]

    def _pad(self, loc: np.ndarray, shape: Shape, padding: str) -> None:
        layer = self.parts[0].layer
        if padding == "refuse":
            raise NotFoldedError(
                f"padding={layer.padding!r} adds zeros, which are means after scaling and not "
                'before: pass padding="mean" to add the means before it'
            )
        first = self.steps + int(layer.data_format == "channels_first")
        self.pads = [(0, 0)] * len(shape)
        for axis, extent in enumerate(_extents(layer, shape[first:])):
            self.pads[first + axis] = extent
        self.pad_value = loc
        self.parts[0].changes["padding"] = "valid"


def along(values: np.ndarray, shape: Shape, axes: Sequence[int]) -> np.ndarray:
    """Return values that broadcast against a sample of this shape, over these axes alone.

    Raises
    ------
    NotFoldedError
        If they vary along another axis.
    """
    values = values.reshape((1,) * (len(shape) - values.ndim) + values.shape)
    for axis in range(len(shape)):
        if axis not in axes:
            values = _same(values, shape, axis)
    lengths = [
        (length or values.shape[axis]) if axis in axes else 1 for axis, length in enumerate(shape)
    ]
    return np.broadcast_to(values, lengths).reshape([lengths[axis] for axis in axes])


def _same(values: np.ndarray, shape: Shape, axis: int) -> np.ndarray:
    values = values.reshape((1,) * (len(shape) - values.ndim) + values.shape)
    first = values.take([0], axis)
    if (values != first).any():
        raise NotFoldedError(
            f"its weights are the same along axis {axis + 1}, and the scaling differs there"
        )
    return first


def _inner(layer: Any) -> list[Any]:
    return [getattr(layer, name) for name in _WRAPPERS.get(type(layer), ())] or [layer]


def _check(layer: Any) -> None:
    config = layer.get_config()
    constraints = [key for key in config if key.endswith("_constraint") and config[key]]
    if constraints:
        raise NotFoldedError(f"it has a {constraints[0]}, which folded weights would break")
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        raise NotFoldedError("its weights are quantized or LoRA's: fold before that")


def _extents(layer: Any, lengths: Shape) -> list[tuple[int, int]]:
    """Return what a convolution pads before and after each of its axes."""
    extents = []
    for axis, size in enumerate(layer.kernel_size):
        reach = (size - 1) * layer.dilation_rate[axis]
        length, stride = lengths[axis], layer.strides[axis]
        if layer.padding == "causal":
            extents.append((reach, 0))
            continue
        if stride > 1 and length is None:
            raise NotFoldedError(
                f"with strides and padding={layer.padding!r} the means to add depend on the "
                "length of the input: give the Input a fixed one"
            )
        last = 0 if length is None else (length - 1) // stride * stride - length + 1
        total = max(reach + last, 0)
        extents.append((total // 2, total - total // 2))
    return extents


def _padded(x: Any, pads: list[tuple[int, int]], value: np.ndarray) -> Any:
    ops, widths = keras.ops, [(0, 0), *pads]
    if (value == value.flat[0]).all():
        return ops.pad(x, widths, constant_values=float(value.flat[0]))
    is_inside = ops.equal(ops.pad(ops.ones_like(x), widths), 1)
    return ops.where(is_inside, ops.pad(x, widths), value.astype(x.dtype))
