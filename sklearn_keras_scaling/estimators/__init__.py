"""scikit-learn estimators around a Keras network in scaled space."""

from ._classifier import ScaledKerasClassifier
from ._estimator import ScaledKerasEstimator
from ._regressor import ScaledKerasRegressor
from ._scoring import known_scorer

__all__ = ["ScaledKerasClassifier", "ScaledKerasEstimator", "ScaledKerasRegressor", "known_scorer"]
