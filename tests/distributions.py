"""The distributions that the tests go through, and rows of their parameters."""

import keras
import numpy as np
from scipy import stats

from sklearn_keras_scaling.distributions import (
    Laplace,
    Normal,
    Quantiles,
    StudentT,
    ZeroInflatedLogNormal,
)

SCIPY = {
    Normal(): lambda loc, scale: stats.norm(loc, scale),
    Laplace(): lambda loc, scale: stats.laplace(loc, scale),
    StudentT(): lambda loc, scale: stats.t(4, loc, scale),
    StudentT(2.5): lambda loc, scale: stats.t(2.5, loc, scale),
    StudentT(7): lambda loc, scale: stats.t(7, loc, scale),
}
NARROW, PAIR = Quantiles(), Quantiles((0.1, 0.9))
MANY = Quantiles((0.01, 0.1, 0.25, 0.4, 0.7, 0.99))
ZEROS = ZeroInflatedLogNormal()
EACH = [*SCIPY, NARROW, PAIR, MANY, ZEROS]
SMOOTH = list(SCIPY)


def drawn(distribution, n=50, seed=0, spread=1.0):
    """Return parameters of rows of mild outputs, and numbers around them."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(n, distribution.n_outputs)) * spread
    y = rng.normal(size=n) * 2.0
    if distribution.keeps_zero:
        y = np.maximum(y, 0.0)
    return distribution.parameters(outputs, np), y


def on_graph(parameters):
    return tuple(keras.ops.convert_to_tensor(each) for each in parameters)


def one(parameters, i=0):
    return tuple(each[i : i + 1] for each in parameters)
