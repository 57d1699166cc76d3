"""Rows in raw units: read, validated, split, and streamed. No scaler or network is known here."""

from ._rows import Rows, flat, is_stream, numbers_of, read_inputs, split_columns
from ._splitting import (
    EARLY_STOPPING_SHARE,
    check_groups,
    check_split,
    choose_validation,
    hold_out,
    is_splitter,
    refuse_sliced,
    refuse_with_stream,
)
from ._streams import Stream, StreamBatches

__all__ = [
    "EARLY_STOPPING_SHARE",
    "Rows",
    "Stream",
    "StreamBatches",
    "check_groups",
    "check_split",
    "choose_validation",
    "flat",
    "hold_out",
    "is_splitter",
    "is_stream",
    "numbers_of",
    "read_inputs",
    "refuse_sliced",
    "refuse_with_stream",
    "split_columns",
]
