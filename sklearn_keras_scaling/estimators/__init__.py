"""scikit-learn estimators around a Keras network in scaled space."""

from ._classifier import ScaledKerasClassifier
from ._regressor import ScaledKerasRegressor
from ._scoring import known_scorer

__all__ = ["ScaledKerasClassifier", "ScaledKerasRegressor", "known_scorer"]
