import os
from importlib import import_module

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from hypothesis import settings
from sklearn.datasets import load_diabetes, load_wine

from sklearn_keras_scaling import ScaledKerasClassifier, ScaledKerasRegressor

from . import QUICK
from .runs import marks

settings.register_profile("tests", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("tests")


def pytest_itemcollected(item):
    """Mark each test with the runs that take it."""
    for mark in marks(item):
        item.add_marker(mark)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Give the networks of each test the same weights, whichever tests ran before it."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def diabetes():
    return load_diabetes(return_X_y=True, scaled=False)


@pytest.fixture(scope="session")
def wine():
    X, y = load_wine(return_X_y=True)
    return X, np.array(["barolo", "grignolino", "barbera"])[y]


@pytest.fixture(scope="session")
def regressor(diabetes):
    """A fitted regressor; tests leave it as it is."""
    return ScaledKerasRegressor(**QUICK, metrics=["mae"], validation_split=0.2).fit(*diabetes)


@pytest.fixture(scope="session")
def classifier(wine):
    """A fitted classifier of three classes; tests leave it as it is."""
    return ScaledKerasClassifier(**QUICK, metrics=["accuracy"], validation_split=0.2).fit(*wine)


@pytest.fixture
def compilations(monkeypatch):
    """The passes that are compiled, as they are made."""
    name = "_jax" if keras.backend.backend() == "jax" else "_tensorflow"
    backend = import_module(f"sklearn_keras_scaling.training.{name}")
    made, original = [], backend.Pass

    def spy(*arguments):
        made.append(original(*arguments))
        return made[-1]

    monkeypatch.setattr(backend, "Pass", spy)
    return made
