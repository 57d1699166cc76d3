"""Training and prediction in scaled space."""

from ._data import Batches
from ._loop import predict_blocks, train
from ._metrics import TargetUnits
from ._random import seeded

__all__ = ["Batches", "TargetUnits", "predict_blocks", "seeded", "train"]
