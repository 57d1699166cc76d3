"""Which kind of labels a classifier is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._structure import each
from .._validation import did_you_mean, read_labels
from ._class_weights import of_each_column
from ._columns import TargetColumns
from ._gaps import check_missing_label
from ._labels import Labels
from ._many_labels import ManyLabels
from ._one_hot import OneHot, are_binary, is_one_hot
from ._ordinal import Ordinal, check_order
from ._targets import Targets

#: What the parameter ``labels`` may be, and which shapes of ``y`` it is for.
_KINDS = {
    "auto": "",
    "multiclass": "(n_samples,)",
    "one_hot": "(n_samples, ..., n_classes)",
    "multilabel": "(n_samples, n_labels)",
    "multioutput": "(n_samples, n_outputs)",
    "sequence": "(n_samples, n_steps, ...)",
}


def targets_of_labels(
    y: Any,
    argument: str,
    kind: Any,
    *,
    ordinal: Any,
    class_weight: Any,
    missing_label: Any,
    loss: Any,
) -> Targets:
    """Return new targets for labels.

    Parameters
    ----------
    y : array-like
        Labels.
    argument : str
        Its name, for errors.
    kind : {"auto", "multiclass", "one_hot", "multilabel", "multioutput", "sequence"}
        The parameter ``labels``.
    ordinal, class_weight, missing_label, loss
        Parameters of the estimator.

    Raises
    ------
    ValueError
        If a parameter is none of what it may be, or does not fit ``y``.
    """
    check_missing_label(missing_label)
    check_order(ordinal)
    if not (isinstance(kind, str) and kind in _KINDS):
        raise ValueError(f"labels={kind!r} is unknown. {did_you_mean(str(kind), _KINDS)}")
    labels = read_labels(y, argument)
    chosen = kind_of(labels, missing_label) if kind == "auto" else kind
    _check_shape(chosen, labels, argument)
    is_ordinal = not isinstance(ordinal, bool | np.bool_) or bool(ordinal)
    if is_ordinal and chosen not in ("multiclass", "sequence"):
        raise ValueError(
            f"ordinal={ordinal!r} is for one label a row or step, but {argument} has labels of the "
            f"kind {chosen!r}. Pass the classes themselves, or ordinal=False."
        )
    own = {"missing_label": missing_label, "loss": loss}
    if chosen == "multioutput":
        return _columns(y, labels, class_weight, own)
    if is_ordinal:
        return Targets(Ordinal(ordinal, class_weight, **own).bound())
    kinds: dict[str, Any] = {"one_hot": OneHot, "multilabel": ManyLabels}
    return Targets(kinds.get(chosen, Labels)(class_weight, **own).bound())


def kind_of(labels: np.ndarray, missing_label: Any) -> str:
    """Return the kind of labels, by their shape and values.

    Examples
    --------
    >>> [kind_of(np.array(y), None) for y in ([3, 5], [[0, 1], [1, 0]], [[0, 1], [1, 1]], [[3, 5]])]
    ['multiclass', 'one_hot', 'multilabel', 'multioutput']
    """
    if labels.ndim < 2 or labels.shape[1:] == (1,):
        return "multiclass"
    if is_one_hot(labels, missing_label):
        return "one_hot"
    if labels.ndim > 2:
        return "sequence"
    return "multilabel" if are_binary(labels, missing_label) else "multioutput"


def _check_shape(kind: str, labels: np.ndarray, argument: str) -> None:
    is_column = labels.ndim < 2 or labels.shape[1:] == (1,)
    fits = {
        "multiclass": is_column,
        "multilabel": labels.ndim == 2,
        "multioutput": labels.ndim == 2,
    }
    if not fits.get(kind, not is_column):
        raise ValueError(
            f"labels={kind!r} is for {argument} of shape {_KINDS[kind]}, got {labels.shape}. Pass "
            "labels='auto', or y of that shape."
        )


def _columns(y: Any, labels: np.ndarray, class_weight: Any, own: dict[str, Any]) -> Targets:
    """Return a target for each column, each an output of the network."""
    names = list(getattr(y, "columns", ())) or None
    width = labels.shape[1]
    outputs = names if names and all(isinstance(name, str) for name in names) else None
    outputs = outputs or [f"column_{i}" for i in range(width)]
    weights = dict(zip(outputs, of_each_column(class_weight, names, width), strict=True))
    losses = own["loss"]
    by_name = losses if isinstance(losses, dict) and "class_name" not in losses else None

    def new(name: str, _: Any) -> Labels:
        loss = losses if by_name is None else by_name.get(name)
        target = Labels(weights[name], missing_label=own["missing_label"], loss=loss)
        bound: Labels = target.bound(name)
        return bound

    columns = TargetColumns({name: [i] for i, name in enumerate(outputs)}, y)
    advice = ". Or pass labels='sequence' if the columns are steps, with the same classes"
    return Targets(each(new, columns.numbers), columns, advice)
