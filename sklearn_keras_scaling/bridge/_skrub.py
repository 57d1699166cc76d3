"""The maps of skrub's transformers of numbers; skrub itself need not be installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exceptions import UnsupportedTransformerError
from ..maps import IDENTITY, Affine, Chain, Map, Parallel, Squash
from ._registry import map_of, register_map
from ._transformers import AS_FLOAT32

#: Divides columns that were constant: infinities become the bounds all the same, and numbers up to
#: 1e26 become 0 within 1e-12. Float32 has it, and its reciprocal.
_OF_CONSTANT = 2.0**126


@register_map("skrub.SquashingScaler")
def squashing_map(scaler: Any) -> Map:
    """Return the map of a fitted ``SquashingScaler`` of skrub's."""
    n_features = scaler.n_features_in_
    loc, scale = np.zeros(n_features), np.full(n_features, _OF_CONSTANT)
    if scaler.robust_scaler_ is not None:
        loc[scaler.robust_cols_] = scaler.robust_scaler_.center_
        scale[scaler.robust_cols_] = scaler.robust_scaler_.scale_
    if scaler.minmax_scaler_ is not None:
        loc[scaler.minmax_cols_] = scaler.minmax_scaler_.median_
        scale[scaler.minmax_cols_] = 1.0 / scaler.minmax_scaler_.scale_
    spread = np.where(scaler.zero_cols_, 1.0, scale)
    affine = Affine(loc, scale, center=loc, spread=spread)
    return Chain((affine, Squash(scaler.max_absolute_value)))


@register_map("skrub.PassThrough")
def pass_through_map(transformer: Any) -> Map:
    """Return the identity: what a ``TableVectorizer`` does to numbers by default."""
    return IDENTITY


@register_map("skrub.TableVectorizer")
def table_vectorizer_map(vectorizer: Any) -> Map:
    """Return the transformers of a ``TableVectorizer`` of numbers as maps of its columns."""
    branches: list[tuple[tuple[int, ...], Map]] = []
    for i, name in enumerate(vectorizer.feature_names_in_):
        kind = vectorizer.column_to_kind_.get(name)
        if kind is None:  # dropped
            continue
        if kind != "numeric":
            raise UnsupportedTransformerError(
                f"TableVectorizer has no form as Keras operations with column {name!r} of the kind "
                f"{kind!r}: only numbers have. Fit one on the numeric columns alone."
            )
        branches.append(((i,), Chain((AS_FLOAT32, map_of(vectorizer.transformers_[name])))))
    return Parallel(tuple(branches))
