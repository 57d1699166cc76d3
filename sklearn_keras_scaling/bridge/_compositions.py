"""The maps and networks of what scikit-learn composes: pipelines, column transformers, searches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline

from .._structure import each
from ..exceptions import UnsupportedTransformerError
from ..maps import Affine, Chain, Inverse, Map, Parallel, Squeeze
from ._registry import ScaledNetwork, map_of, network_of, register_map, register_network


@register_map(Pipeline)
def pipeline_map(pipeline: Pipeline) -> Map:
    """Return the steps of a pipeline of transformers as one map."""
    return Chain(tuple(map_of(step) for _, step in pipeline.steps))


@register_map(FeatureUnion)
def union_map(union: FeatureUnion) -> Map:
    """Return the transformers of a union as maps beside each other."""
    weights = union.transformer_weights or {}
    branches = [
        (None, _weighted(map_of(transformer), weights.get(name)))
        for name, transformer in union.transformer_list
        if not _is_dropped(transformer)
    ]
    return Parallel(tuple(branches))


@register_map(ColumnTransformer)
def column_transformer_map(transformer: ColumnTransformer) -> Map:
    """Return the transformers of a column transformer as maps of its columns."""
    weights = transformer.transformer_weights or {}
    names = list(getattr(transformer, "feature_names_in_", ()))
    branches = []
    for name, branch, chosen in transformer.transformers_:
        columns = _columns(chosen, names, transformer.n_features_in_)
        if columns and not _is_dropped(branch):
            branches.append((columns, _weighted(map_of(branch), weights.get(name))))
    return Parallel(tuple(branches))


def _is_dropped(transformer: Any) -> bool:
    return isinstance(transformer, str) and transformer == "drop"


def _weighted(map_: Map, weight: float | None) -> Map:
    return map_ if weight is None else Chain((map_, Inverse(Affine(0.0, weight))))


def _columns(chosen: Any, names: list[str], n_features: int) -> tuple[int, ...]:
    """Return the numbers of columns that are chosen by name, number, slice or mask."""
    every = range(n_features)
    if isinstance(chosen, slice):
        start, stop = (_number(end, names) for end in (chosen.start, chosen.stop))
        if isinstance(chosen.stop, str):
            stop += 1  # as in pandas, the last one named is in
        return tuple(every[start : stop : chosen.step])
    listed = np.atleast_1d(np.asarray(chosen, dtype=object)).tolist()
    if listed and all(isinstance(one, bool | np.bool_) for one in listed):
        return tuple(np.flatnonzero(listed).tolist())
    return tuple(every[_number(one, names)] for one in listed)


def _number(column: Any, names: list[str]) -> Any:
    return names.index(column) if isinstance(column, str) else column


@register_network(Pipeline)
def pipeline_network(pipeline: Pipeline) -> ScaledNetwork:
    """Return a pipeline, with or without an estimator at its end, as one network."""
    last = network_of(pipeline.steps[-1][1])
    before = tuple(map_of(step) for _, step in pipeline.steps[:-1])
    return replace(last, inputs=each(lambda _, map_: Chain((*before, map_)), last.inputs))


@register_network(BaseSearchCV)
def search_network(search: BaseSearchCV) -> ScaledNetwork:
    """Return the best estimator of a fitted search."""
    if not search.refit:
        raise ValueError(
            f"{type(search).__name__} has refit=False and so no best_estimator_. Give to_keras an "
            "estimator that was fitted with its best_params_."
        )
    return network_of(search.best_estimator_)


@register_network(TransformedTargetRegressor)
def transformed_target_network(regressor: TransformedTargetRegressor) -> ScaledNetwork:
    """Return the regressor inside, with its target transformer behind it."""
    inner = network_of(regressor.regressor_)
    if inner.network is None:
        raise UnsupportedTransformerError(
            f"TransformedTargetRegressor around {type(regressor.regressor_).__name__} has no form "
            "as Keras operations. Supported: around ScaledKerasRegressor, or a pipeline or search "
            "that ends in one."
        )
    if not isinstance(inner.outputs, Map):
        raise UnsupportedTransformerError(
            "TransformedTargetRegressor around a network of several outputs has no form as Keras "
            "operations. Give each output its scaler by target_scaler instead."
        )
    outputs: tuple[Map, ...] = (inner.outputs, Inverse(map_of(regressor.transformer_)))
    if regressor._training_dim == 1:  # its transformer saw, and gives, a column
        outputs = (inner.outputs, Inverse(Squeeze()), *outputs[1:], Squeeze())
    return replace(inner, outputs=Chain(outputs), views=None)
