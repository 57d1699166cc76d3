"""Networks whose weights are no numbers any more."""

from __future__ import annotations

from typing import Any

import numpy as np


def told_not_finite(network: Any) -> str:
    """Return how many of a network's weights are NaN or infinite, and which; "" if none is.

    Examples
    --------
    >>> import keras
    >>> network = keras.Sequential(
    ...     [keras.Input((1,)), keras.layers.Dense(1, name="last")], name="tiny"
    ... )
    >>> told_not_finite(network)
    ''
    >>> _ = network.layers[0].kernel.assign([[np.nan]])
    >>> told_not_finite(network)
    "1 of 2 variables are NaN or infinite, the first of them 'tiny/last/kernel'"
    """
    bad = [weight for weight in network.weights if not np.isfinite(_array(weight)).all()]
    if not bad:
        return ""
    return (
        f"{len(bad)} of {len(network.weights)} variables are NaN or infinite, the first of them "
        f"{bad[0].path!r}"
    )


def check_numbers(network: Any) -> None:
    """Raise ``ValueError`` if weights of a network that is to be exported are NaN or infinite."""
    unusable = told_not_finite(network)
    if unusable:
        raise ValueError(
            f"The network {network.name!r} cannot be exported: {unusable}. Training diverged: fit "
            "again, with a lower learning rate or clipped gradients."
        )


def largest_weight(network: Any) -> float:
    """Return the largest of a network's weights, in size; of one without weights, 0."""
    sizes = (np.abs(_array(weight)).max(initial=0) for weight in network.weights)
    return float(max(sizes, default=0))


def _array(weight: Any) -> np.ndarray:
    return np.asarray(weight)  # without the warning of convert_to_numpy on TensorFlow
