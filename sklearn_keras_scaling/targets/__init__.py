"""What stands between raw targets and a network's outputs: one object a target, one file a kind.

Nothing here reads inputs, builds networks or trains them.
"""

from ._columns import TargetColumns
from ._distributed import DistributedNumbers
from ._gaps import known, known_values
from ._kinds_of_labels import targets_of_labels
from ._labels import Labels
from ._many_labels import ManyLabels
from ._numbers import Numbers
from ._one_hot import OneHot
from ._ordinal import Ordinal
from ._scores import columns_of, r2_of_known, share_of_right
from ._target import Target
from ._targets import Targets
from ._weights import of_rows

__all__ = [
    "DistributedNumbers",
    "Labels",
    "ManyLabels",
    "Numbers",
    "OneHot",
    "Ordinal",
    "Target",
    "TargetColumns",
    "Targets",
    "columns_of",
    "known",
    "known_values",
    "of_rows",
    "r2_of_known",
    "share_of_right",
    "targets_of_labels",
]
