"""Registrations of what ships: scikit-learn's scalers and ours, feature selectors, pipelines."""

from __future__ import annotations

from typing import Any

from sklearn import preprocessing
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import Pipeline

from .. import scalers
from ..maps import Chain, Map, Take
from ..scalers._maps import max_abs_map, min_max_map, robust_map, standard_map
from ._registry import ScaledNetwork, map_of, network_of, register_map, register_network

for module in (preprocessing, scalers):
    register_map(module.StandardScaler)(standard_map)
    register_map(module.MinMaxScaler)(min_max_map)
    register_map(module.MaxAbsScaler)(max_abs_map)
    register_map(module.RobustScaler)(robust_map)


@register_map(SelectorMixin)
def selector_map(selector: Any) -> Map:
    """Return the map of any fitted feature selector."""
    return Take(tuple(selector.get_support(indices=True).tolist()), selector.n_features_in_)


@register_map(Pipeline)
def pipeline_map(pipeline: Pipeline) -> Map:
    """Return the steps of a pipeline of transformers as one map."""
    return Chain(tuple(map_of(step) for _, step in pipeline.steps))


@register_network(Pipeline)
def pipeline_network(pipeline: Pipeline) -> ScaledNetwork:
    """Return a pipeline, with or without an estimator at its end, as one network."""
    last = network_of(pipeline.steps[-1][1])
    before = tuple(map_of(step) for _, step in pipeline.steps[:-1])
    return ScaledNetwork(Chain((*before, last.inputs)), last.network, last.outputs)
