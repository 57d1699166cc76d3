"""Targets and estimators of which a network says more than a number, for several tests."""

import keras
import numpy as np
import pandas as pd
from sklearn.preprocessing import FunctionTransformer

from sklearn_keras_scaling import (
    Numbers,
    ScaledKerasRegressor,
)
from sklearn_keras_scaling.maps import IDENTITY
from sklearn_keras_scaling.targets._views import Quantile, Seen

from . import QUICK

LOG = FunctionTransformer(np.log, np.exp)
LOG1P = FunctionTransformer(np.log1p, np.expm1)
FALLING = {
    "reciprocal": FunctionTransformer(np.reciprocal, np.reciprocal),
    "negative": FunctionTransformer(np.negative, np.negative),
}

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = 1e3 + 50.0 * X[:, 0] + 20.0 * RNG.normal(size=60) * np.exp(0.3 * X[:, 1])
TWO = np.c_[Y, np.exp(X[:, 1])]
EAGER = {**QUICK, "epochs": 2, "compile__run_eagerly": True}
TARGETS = {
    "row": Y,
    "column": Y[:, None],
    "two": TWO,
    "steps": np.stack([Y + i for i in range(4)], axis=1),
    "steps of two": np.stack([TWO + i for i in range(4)], axis=1),
    "named": {"a": Y, "b": TWO},
    "table": pd.DataFrame(np.c_[TWO, -Y], columns=["p", "q", "r"]),
}
SKEWED = np.exp(2.0 + RNG.normal(size=60))
STILL = {**EAGER, "epochs": 1}


def dense(units):
    return lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])


def seen(distribution, scaling=IDENTITY, k=1, n_members=None):
    return Seen(distribution, scaling, (k,), False, n_members, "target_scaler")


def ask(kind, of, outputs, *given):
    signs = (of.direction(),) if kind is Quantile else ()
    return kind(of, *given, *signs).forward(outputs, np)


def target_of(y, distribution, scaler="standard", n_members=None):
    """Return a target that is fitted on numbers, without a network."""
    target = Numbers(scaler, distribution=distribution).bound()
    y = target.check(ScaledKerasRegressor(), np.asarray(y), "y")
    target.learn(y)
    target.fit(y, None, "fit", True, None)
    assert target.fit_output(np.zeros((1, *(y.shape[1:] or (1,)), distribution.n_outputs)), "n")
    target.n_members_ = n_members
    return target
