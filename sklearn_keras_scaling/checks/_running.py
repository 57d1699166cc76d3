"""What a network returns for a few rows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from .._optional import keras
from .._structure import each, parts
from ._graph import place_of, takes
from ._numbers import scaled, spacing, taken


class Trial:
    """A network's outputs for about a thousand rows; it is run when they are asked for.

    Parameters
    ----------
    network : keras.Model
        In scaled space.
    X : array, or dict or list of arrays, or None
        In raw units.
    scalers : dict of transformer
        By the names of the parts of ``X``.
    """

    def __init__(self, network: Any, X: Any, scalers: dict[Any, Any]) -> None:
        self.network, self.X, self.scalers = network, X, scalers

    def of(self, name: Any) -> np.ndarray | None:
        """Return the output of a name; None where the network cannot be run."""
        place = place_of(self.network, name)
        if self.X is None or place is None or not takes(self.network, len(parts(self.X))):
            return None
        return self._outputs[place]

    @cached_property
    def _outputs(self) -> list[np.ndarray]:
        step = max(map(spacing, parts(self.X)))

        def given(name: Any, data: Any) -> np.ndarray:
            return scaled(self.scalers[name], taken(data, step))

        inputs = each(given, self.X)
        known = np.all([~np.isnan(x).any(axis=tuple(range(1, x.ndim))) for x in parts(inputs)], 0)
        inputs = each(lambda _, x: x[known].astype(keras.config.floatx()), inputs)
        outputs = keras.tree.flatten(self.network(inputs, training=False))
        return [np.asarray(keras.ops.convert_to_numpy(output)) for output in outputs]
