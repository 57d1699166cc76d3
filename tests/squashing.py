"""skrub's formula of its SquashingScaler, written with NumPy alone."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import validate_data

FLOATS = (np.float64, np.float32, np.float16)


class SquashingScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """What ours is compared with; the inverse solves the formula for x."""

    def __init__(self, max_absolute_value=3.0, quantile_range=(25.0, 75.0)):
        self.max_absolute_value = max_absolute_value
        self.quantile_range = quantile_range

    def fit(self, X, y=None):
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False)
        finite = np.where(np.isinf(X), np.nan, X)
        low, self.center_, high = np.nanpercentile(
            finite, [self.quantile_range[0], 50.0, self.quantile_range[1]], axis=0
        )
        least, most = np.nanmin(finite, axis=0), np.nanmax(finite, axis=0)
        self.scale_ = np.where(low == high, (most - least) / 2, high - low)
        self.scale_[least == most] = 1.0
        return self

    def transform(self, X):
        X = validate_data(self, X, reset=False, dtype=FLOATS, ensure_all_finite=False)
        bound = self.max_absolute_value
        u = (X.astype(np.float64) - self.center_) / self.scale_
        with np.errstate(invalid="ignore"):
            z = u / np.sqrt(1.0 + (u / bound) ** 2)
        return np.where(np.isinf(u), np.sign(u) * bound, z).astype(X.dtype)

    def inverse_transform(self, X):
        u = X / np.sqrt(1.0 - (X / self.max_absolute_value) ** 2)
        return u * self.scale_ + self.center_
