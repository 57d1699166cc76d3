"""Scalers: scikit-learn's, evaluated through maps that Keras can evaluate too."""

from ._affine import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

__all__ = ["MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler"]
