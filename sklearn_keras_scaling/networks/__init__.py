"""Networks: the default one, a builder's, or a copy of the user's, tried on a few rows."""

from ._ensemble import join_members, mean_history
from ._making import are_alike, fresh_copy, make_network, run_network

__all__ = ["are_alike", "fresh_copy", "join_members", "make_network", "mean_history", "run_network"]
