"""Keras layers that scale by what is near, or by each sample's own statistics."""

from ._instance import ReversibleInstanceNormalization
from ._local import LocalMean, LocalNormalization, LocalStandardDeviation

__all__ = [
    "LocalMean",
    "LocalNormalization",
    "LocalStandardDeviation",
    "ReversibleInstanceNormalization",
]
