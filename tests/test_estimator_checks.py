"""scikit-learn's own checks; tests/test_regressor.py and test_classifier.py assert at 1e-4 the
equivalence of weights and repetition that is the one expected failure here."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_keras_scaling import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    SquashingScaler,
    StandardScaler,
)

from . import QUICK

FLOAT32 = {
    "check_sample_weight_equivalence_on_dense_data": (
        "it asks rtol 1e-7 of weights that float32 training gives to 1e-4"
    )
}


def expected_failures(estimator):
    return FLOAT32 if isinstance(estimator, (ScaledKerasRegressor, ScaledKerasClassifier)) else {}


@parametrize_with_checks(
    [
        StandardScaler(),
        MinMaxScaler(),
        MaxAbsScaler(),
        RobustScaler(),
        SquashingScaler(),
        ScaledKerasRegressor(**QUICK),
        ScaledKerasClassifier(**QUICK),
    ],
    expected_failed_checks=expected_failures,
)
def test_quick_estimators(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [ScaledKerasRegressor(), ScaledKerasClassifier()], expected_failed_checks=expected_failures
)
def test_default_estimators(estimator, check):
    check(estimator)


def test_no_tag_switches_checks_off():
    for cls in (ScaledKerasRegressor, ScaledKerasClassifier, StandardScaler, SquashingScaler):
        tags = cls().__sklearn_tags__()
        assert not tags._skip_test
        assert not tags.non_deterministic
        assert not tags.no_validation
