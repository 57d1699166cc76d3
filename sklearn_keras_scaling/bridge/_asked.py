"""A fitted estimator, of which something else is asked than what it predicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._structure import each
from ._registry import ScaledNetwork, network_of, register_network


class FittedView(BaseEstimator):
    """What a fitted estimator is seen through; what it has learnt is its own.

    Parameters
    ----------
    fitted : object
        The estimator.
    """

    fitted: Any

    def __getattr__(self, name: str) -> Any:
        # n_features_in_, feature_names_in_ and what else fit sets.
        if name.endswith("_") and not name.startswith("_"):
            return getattr(self.fitted, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether the estimator is."""
        try:
            check_is_fitted(self.fitted)
        except NotFittedError:
            return False
        return True


class Asked(FittedView):
    """Several things that a network says, by name.

    Parameters
    ----------
    fitted : object
        An estimator, or a pipeline or search that ends in one.
    outputs : tuple of str
        What is asked for, as in :func:`to_keras`.
    """

    def __init__(self, fitted: Any, outputs: tuple[str, ...]) -> None:
        self.fitted = fitted
        self.outputs = outputs

    def predict(self, X: Any) -> dict[str, Any]:
        """Return what was asked for, by name, in raw units."""
        fitted, X = at_end(self.fitted, X)
        outputs = each(lambda _, one: one.astype(np.float64), fitted._outputs(X))
        found: dict[str, Any] = asked_network(self).unscale(outputs, np)
        return found


def at_end(fitted: Any, X: Any = None) -> tuple[Any, Any]:
    """Return the estimator at the end of pipelines and searches, and what it is given of rows."""
    while isinstance(fitted, Pipeline | BaseSearchCV):
        if isinstance(fitted, BaseSearchCV):
            fitted = fitted.best_estimator_
        else:
            X = fitted[:-1].transform(X) if X is not None and len(fitted) > 1 else X
            fitted = fitted[-1]
    return fitted, X


@register_network(Asked)
def asked_network(asked: Asked) -> ScaledNetwork:
    """Return the network with other maps behind it."""
    parts = network_of(asked.fitted)
    if parts.views is None:
        raise ValueError(
            f"outputs={asked.outputs!r} are asked of a network, but {type(asked.fitted).__name__} "
            "has none, or a transformer behind it. Leave out outputs."
        )
    return replace(parts, asked={name: parts.views(name) for name in asked.outputs})


def asked_for(fitted: Any, outputs: Any) -> Asked:
    """Return a fitted estimator with what is asked of it.

    Raises
    ------
    ValueError
        If nothing is asked for, or something twice.
    """
    listed = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    if not listed or len(set(listed)) < len(listed):
        raise ValueError(
            f"outputs must name one thing or more, each once, got {outputs!r}. Write, for example, "
            "outputs=('mean', 'std', 'quantile_0.05')."
        )
    return Asked(fitted, listed)
