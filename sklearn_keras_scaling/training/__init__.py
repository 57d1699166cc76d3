"""Training and prediction in scaled space."""

from ._backends import quick_variables
from ._clearing import clear_compiled
from ._compiling import (
    carry_over,
    check_keywords,
    check_loss,
    check_metrics,
    loss_name,
    make_loss,
    make_metrics,
    make_optimizer,
)
from ._data import Batches, take_rows
from ._distributions import DistributionLoss, OfLocation, make_distribution_metric
from ._labels import LabelsLoss, LabelsMetric, chosen_metric
from ._loop import Training, train
from ._metrics import TargetUnits
from ._missing import MissingLoss
from ._prediction import predict_blocks
from ._random import seeded
from ._told import read
from ._wrapping import WrappedLoss

__all__ = [
    "Batches",
    "DistributionLoss",
    "LabelsLoss",
    "LabelsMetric",
    "MissingLoss",
    "OfLocation",
    "TargetUnits",
    "Training",
    "WrappedLoss",
    "carry_over",
    "check_keywords",
    "check_loss",
    "check_metrics",
    "chosen_metric",
    "clear_compiled",
    "loss_name",
    "make_distribution_metric",
    "make_loss",
    "make_metrics",
    "make_optimizer",
    "predict_blocks",
    "quick_variables",
    "read",
    "seeded",
    "take_rows",
    "train",
]
