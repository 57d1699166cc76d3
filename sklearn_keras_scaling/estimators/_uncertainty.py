"""What can be asked of an estimator whose network says more of a number than the number."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from .._structure import each
from ..bridge import FittedView, ScaledNetwork, register_network
from ._base import BaseScaledKeras


class PredictsDistributions(BaseScaledKeras):
    """An estimator of targets that may be numbers.

    One rule holds for all of it: quantiles, interval ends and samples go through the target
    scaler's inverse (swapped where it falls); a standard deviation is multiplied by the scale of
    an affine scaler, and integrated over quantiles behind any other, as means are.
    """

    def predict_quantiles(self, X: Any, quantiles: Any = (0.05, 0.5, 0.95)) -> Any:
        """Return quantiles of the targets, in target units.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.
        quantiles : float or sequence of float, default=(0.05, 0.5, 0.95)
            Probabilities, ascending.

        Returns
        -------
        y : ndarray of shape (n_samples, k) or (n_samples, ..., k), or dict of them, float64
            The quantiles on the last axis, in their order; they never cross.

        Raises
        ------
        ValueError
            If there is no distribution, or a probability is wrong.
        """
        levels = _checked_levels(quantiles)
        return self._viewed(X, *(("quantile", level) for level in levels))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Any:
        """Return the central interval of the targets, in target units.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.
        coverage : float, default=0.9
            Probability that a target lies within.

        Returns
        -------
        y : ndarray of shape (n_samples, 2) or (n_samples, ..., 2), or dict of them, float64
            Lower and upper end.

        Raises
        ------
        ValueError
            If there is no distribution, or ``coverage`` is not between 0 and 1.
        """
        check_scalar(coverage, "coverage", Real)
        if not 0 < coverage < 1:
            raise ValueError(
                f"coverage must lie between 0 and 1, both excluded, got {coverage:g}. Write 0.9 "
                "for 90 %."
            )
        levels = ((1 - coverage) / 2, (1 + coverage) / 2)
        return self._viewed(X, *(("quantile", level) for level in levels))

    def sample(self, X: Any, n_samples: int = 1, random_state: Any = None) -> Any:
        """Return targets drawn at random, in target units.

        Parameters
        ----------
        X : {array-like, sparse matrix}, dict or list of them
            Inputs in raw units, as ``fit`` had them.
        n_samples : int, default=1
            How many to draw of each row.
        random_state : int, RandomState, Generator or None, default=None
            Decides the draws.

        Returns
        -------
        y : ndarray of shape (n_rows, n_samples) or (n_rows, ..., n_samples), or dict of them
            The draws on the last axis, float64. Those beyond the numbers that the target
            scaler's inverse is defined for are cut to the end of them, without a word:
            ``predict_interval`` warns of the rows.
        """
        check_scalar(n_samples, "n_samples", int, min_val=1)
        rng = _generator(random_state)
        outputs = self._outputs(X)
        return self._joined(self.targets_.ask("sample", outputs, n_samples, rng))

    def log_likelihood(self, X: Any, y: Any) -> Any:
        """Return the logarithm of the density of targets, in target units.

        Parameters
        ----------
        X, y
            Inputs and targets in raw units. NaN in ``y`` is left out.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,), or dict of them, float64
            In nats, the sum over the numbers of a row.
        """
        outputs = self._outputs(X)
        given = self.targets_.check(self, y, "y")
        self.targets_.match(given, "y")
        return self.targets_.ask("log_likelihood", outputs, given)

    def at_quantile(self, q: float) -> QuantileRegressor:
        """Return a fitted regressor that predicts one quantile.

        For libraries that want a fitted estimator for each quantile, and for :func:`to_keras`.

        Parameters
        ----------
        q : float
            Its probability.

        Returns
        -------
        regressor : QuantileRegressor
            It shares this estimator's network.
        """
        (level,) = _checked_levels(q)
        check_is_fitted(self)
        self.targets_.views("quantile", level)
        return QuantileRegressor(self, level)

    def _views(self, name: str) -> Any:
        """Return the maps of something that is asked for."""
        return self.targets_.views(*parsed(name))

    def _std(self, X: Any) -> tuple[Any, Any]:
        """Return mean and standard deviation."""
        outputs = self._outputs(X)
        std = self.targets_.see(outputs, "std")
        mean = self._told(outputs, stacklevel=4)
        return self._joined(mean), self._joined(std)

    def _viewed(self, X: Any, *asked: tuple[str, float]) -> Any:
        """Return quantiles side by side on a last axis."""
        check_is_fitted(self)
        for one in asked:
            self.targets_.views(*one)  # before anything is computed
        outputs = self._outputs(X)
        for text in self.targets_.cut(outputs, [q for _, q in asked]):
            warnings.warn(text, stacklevel=3)
        found = [self.targets_.see(outputs, *one) for one in asked]
        # Those of members come from a search, which ends at 1e-10 in scaled space.
        beside = each(
            lambda _, *one: np.maximum.accumulate(np.stack(one, axis=-1), axis=-1), *found
        )
        return self._joined(beside)

    def _joined(self, by_output: Any) -> Any:
        """Return the outputs as a table, where all of one are there."""
        columns = self.targets_.columns
        if columns is None or columns.order is None or not columns.has_all(by_output):
            return by_output
        return columns.join(by_output)


class QuantileRegressor(RegressorMixin, FittedView):
    """A quantile of a fitted regressor, as a fitted regressor.

    Made by :meth:`ScaledKerasRegressor.at_quantile`.

    Parameters
    ----------
    fitted : ScaledKerasRegressor
        With a distribution.
    q : float
        Probability of the quantile.
    """

    def __init__(self, fitted: Any, q: float) -> None:
        self.fitted = fitted
        self.q = q

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> QuantileRegressor:
        """Fit the regressor."""
        self.fitted.fit(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> Any:
        """Return the quantile in target units."""
        found = self.fitted.predict_quantiles(X, (self.q,))
        return each(lambda _, y: y[..., 0], found)


@register_network(QuantileRegressor)
def _quantile_network(fitted: QuantileRegressor) -> ScaledNetwork:
    found: ScaledNetwork = fitted.fitted._scaled_network(
        fitted.fitted.targets_.views("quantile", fitted.q)
    )
    return found


def parsed(name: str) -> tuple[str, float | None]:
    """Return what a name of to_keras's ``outputs`` asks for.

    Raises
    ------
    ValueError
        If it is no such name.
    """
    if name in ("mean", "std"):
        return name, None
    kind, _, level = name.partition("_")
    try:
        if kind != "quantile":
            raise ValueError(kind)
        (q,) = _checked_levels(float(level))
    except ValueError as error:
        raise ValueError(
            f"outputs names {name!r}, but has 'mean', 'std' and 'quantile_0.05' with any "
            "probability between 0 and 1."
        ) from error
    return kind, q


def _checked_levels(quantiles: Any) -> list[float]:
    listed: Sequence[Any] = [quantiles] if np.ndim(quantiles) == 0 else list(quantiles)
    if not listed:
        raise ValueError("quantiles is empty. Write, for example, quantiles=(0.05, 0.5, 0.95).")
    for level in listed:
        if not isinstance(level, Real) or isinstance(level, bool) or not 0 < float(level) < 1:
            raise ValueError(
                f"quantiles must lie between 0 and 1, both excluded, got {level!r}. Write 0.95 for "
                "95 %."
            )
    levels = [float(level) for level in listed]
    if levels != sorted(set(levels)):
        what = "repeated" if len(set(levels)) < len(levels) else "not ascending"
        raise ValueError(
            f"quantiles are {what}: got {tuple(levels)}. Write {tuple(sorted(set(levels)))}: the "
            "columns stand in this order."
        )
    return levels


def _generator(random_state: Any) -> np.random.Generator:
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31, size=4))
    return np.random.default_rng(random_state)
