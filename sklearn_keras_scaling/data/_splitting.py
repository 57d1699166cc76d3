"""Rows that are held out of training."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from ._rows import Rows, is_stream

#: Share that ``early_stopping=True`` holds out where nothing else says, as in scikit-learn.
EARLY_STOPPING_SHARE = 0.1


def is_splitter(validation_split: Any) -> bool:
    """Return whether it is one of scikit-learn's splitters, or like them."""
    return hasattr(validation_split, "get_n_splits")


def check_split(validation_split: Any) -> None:
    """Raise ``ValueError`` unless it is a share of the rows or a splitter."""
    if is_splitter(validation_split):
        return
    if not isinstance(validation_split, Real) or not 0 <= float(validation_split) < 1:
        raise ValueError(
            f"validation_split must be a number in [0, 1), got {validation_split!r}. It is the "
            "share of rows to hold out; 0 holds out none. Or pass a splitter, such as "
            "GroupShuffleSplit() or TimeSeriesSplit()."
        )


def check_groups(groups: Any, n_samples: int, validation_split: Any) -> np.ndarray | None:
    """Return groups as an array, or None.

    Raises
    ------
    ValueError
        If there is not one a row, or no splitter to use them.
    """
    if groups is None:
        return None
    if not is_splitter(validation_split):
        raise ValueError(
            f"groups needs a splitter, but validation_split={validation_split!r}. Use "
            "validation_split=GroupShuffleSplit(n_splits=1), for example."
        )
    array = np.asarray(groups)
    if array.shape != (n_samples,):
        raise ValueError(f"groups must have shape ({n_samples},), one a row, got {array.shape}.")
    return array


def hold_out(
    rows: Rows, validation_split: Any, labels: Any, groups: Any, seed: int
) -> tuple[Rows, Rows | None]:
    """Return the rows to train on and those to validate on.

    Parameters
    ----------
    rows : Rows
        All of them.
    validation_split : float or splitter
        The share to hold out, or an object with ``split(X, y, groups)`` whose last split
        is taken: for a ``TimeSeriesSplit``, the one that trains on the most.
    labels : ndarray or None
        To stratify a share by.
    groups : ndarray or None
        For the splitter.
    seed : int
        Of the share.
    """
    n = len(rows)
    if isinstance(validation_split, Real) and validation_split == 0:
        return rows, None
    if n < 2:
        raise ValueError(
            f"validation_split={validation_split} needs at least 2 rows, X has {n}. Pass more "
            "rows or validation_split=0."
        )
    try:
        if isinstance(validation_split, Real):
            kept, held_out = train_test_split(
                np.arange(n), test_size=float(validation_split), random_state=seed, stratify=labels
            )
        else:
            y = rows.y if isinstance(rows.y, np.ndarray) else None
            *_, (kept, held_out) = validation_split.split(np.zeros((n, 1)), y, groups)
    except ValueError as error:
        raise ValueError(
            f"validation_split={validation_split} cannot split {n} rows: {error}"
        ) from error
    return rows[kept], rows[held_out]


def refuse_sliced(X: Any, X_val: Any) -> None:
    """Raise ``ValueError`` if a search has sliced ``X_val`` as it slices ``X``.

    A search takes every argument that is as long as ``X`` for one value a row. Data frames
    show it: both then have the same rows of an index with gaps.
    """
    index, index_val = (getattr(frame, "index", None) for frame in (X, X_val))
    if index is None or index_val is None or X_val is X or len(index) < 2:
        return
    has_gaps = not (np.diff(np.asarray(index)) == 1).all() if index.dtype.kind in "iu" else False
    if has_gaps and index_val.equals(index) and not X_val.equals(X):
        raise ValueError(
            "X_val has exactly the rows of X, of an index with gaps: a search or cross-validation "
            "has sliced it as if it held one value for each row of X, since it is as long as X. "
            "Pass it with another number of rows, use validation_split, or, if it is meant, "
            "X_val.reset_index(drop=True)."
        )


def choose_validation(given: tuple[Any, ...], validation_data: Any) -> Any:
    """Return what was given to validate on: a tuple of X, y and weights, a dataset, or None.

    Parameters
    ----------
    given : tuple
        ``X_val, y_val, sample_weight_val``.
    validation_data : tuple, dataset or None
        As Keras takes it.

    Raises
    ------
    ValueError
        If both were given, or one of them in part.
    """
    is_given = any(one is not None for one in given)
    if is_given and validation_data is not None:
        raise ValueError("Pass X_val and y_val, or validation_data, not both.")
    if is_given:
        for value, name in zip(given[:2], ("X_val", "y_val"), strict=True):
            if value is None:
                raise ValueError(
                    f"X_val, y_val and sample_weight_val go together, but {name} is None."
                )
        return given
    if validation_data is None or is_stream(validation_data, None):
        return validation_data
    if not (isinstance(validation_data, tuple | list) and len(validation_data) in (2, 3)):
        raise ValueError(
            "validation_data must be (X_val, y_val), (X_val, y_val, sample_weight_val) or a "
            f"dataset, got {type(validation_data).__name__}."
        )
    return (*validation_data, None)[:3]


def refuse_with_stream(
    validation_split: Any, sample_weight: Any, groups: Any, given: tuple[Any, ...]
) -> None:
    """Raise ``ValueError`` if an argument for arrays comes with a dataset."""
    others = dict(
        zip(
            ("sample_weight", "groups", "X_val", "y_val", "sample_weight_val"),
            (sample_weight, groups, *given),
            strict=True,
        )
    )
    if is_splitter(validation_split) or validation_split:
        others["validation_split"] = validation_split
    for name, value in others.items():
        if value is not None:
            raise ValueError(
                f"{name} is for arrays, but X is a dataset. Let it yield (X, y, sample_weight), "
                "and pass rows to validate on as validation_data."
            )
