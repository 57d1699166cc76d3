"""Training and prediction in scaled space."""

from ._clearing import clear_compiled
from ._data import Batches, take_rows
from ._loop import Training, train
from ._metrics import TargetUnits
from ._prediction import predict_blocks
from ._random import seeded

__all__ = [
    "Batches",
    "TargetUnits",
    "Training",
    "clear_compiled",
    "predict_blocks",
    "seeded",
    "take_rows",
    "train",
]
