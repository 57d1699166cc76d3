"""The way back from scaled space, in metrics."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import keras, widest_float


class Unscaling:
    """What a metric needs to scale back.

    A loop that is compiled for one metric serves others that differ in
    ``constants_as_weights`` alone.
    """

    inverse: Any
    loc: Any
    scale: Any

    def _set_inverse(self, inverse: Any) -> None:
        """Keep ``(loc, scale)`` as weights, or a model as it is."""
        self.inverse = None if isinstance(inverse, (tuple, list)) else inverse
        if self.inverse is None:
            self.loc, self.scale = (
                self._add_constant(name, value)
                for name, value in zip(("loc", "scale"), inverse, strict=True)
            )

    @property
    def constants_as_weights(self) -> list[Any]:
        """Variables that hold what tells one fitted scaler from another."""
        return [self.loc, self.scale] if self.inverse is None else []

    def _inverse_config(self) -> Any:
        if self.inverse is not None:
            return keras.saving.serialize_keras_object(self.inverse)
        return [keras.ops.convert_to_numpy(v).tolist() for v in self.constants_as_weights]

    def _add_constant(self, name: str, value: Any) -> Any:
        array = np.asarray(value, np.float64)
        constant = self.add_variable(  # type: ignore[attr-defined]  # of keras.metrics.Metric
            array.shape, "zeros", dtype=widest_float(), name=name
        )
        constant.assign(array)
        return constant

    def _unscale(self, scaled: Any) -> Any:
        if self.inverse is not None:
            return self.inverse(scaled)
        return keras.ops.cast(scaled, self.loc.dtype) * self.scale + self.loc
