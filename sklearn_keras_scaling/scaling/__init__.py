"""Scalers as estimators use them: chosen by name, fitted, applied; in front of networks, too."""

from ._auto import leave_codes
from ._choosing import (
    HostMap,
    as_map,
    chosen,
    learn,
    make_scaler,
    routed_of,
    scale,
    supports_sparse,
)
from ._in_network import (
    front_layers,
    having_learnt,
    in_training,
    normalizing_instances,
    passing,
    series_of,
    with_layers_in_front,
)

__all__ = [
    "HostMap",
    "as_map",
    "chosen",
    "front_layers",
    "having_learnt",
    "in_training",
    "learn",
    "leave_codes",
    "make_scaler",
    "normalizing_instances",
    "passing",
    "routed_of",
    "scale",
    "series_of",
    "supports_sparse",
    "with_layers_in_front",
]
