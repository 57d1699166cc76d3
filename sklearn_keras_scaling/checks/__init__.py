"""Findings on networks that do not fit their scaling."""

from ._check import Subject, check_scaling, examine
from ._findings import KINDS, Finding, check_codes, warn_of
from ._kinds import TargetKind
from ._readers import code_columns, hidden_code_layer

__all__ = [
    "KINDS",
    "Finding",
    "Subject",
    "TargetKind",
    "check_codes",
    "check_scaling",
    "code_columns",
    "examine",
    "hidden_code_layer",
    "warn_of",
]
