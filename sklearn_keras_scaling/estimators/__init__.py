"""scikit-learn estimators around a Keras network in scaled space."""

from ._classifier import ScaledKerasClassifier
from ._regressor import ScaledKerasRegressor

__all__ = ["ScaledKerasClassifier", "ScaledKerasRegressor"]
