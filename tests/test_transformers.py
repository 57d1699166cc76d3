import warnings

import numpy as np
import pytest

from sklearn_keras_scaling import certify, to_keras
from sklearn_keras_scaling.bridge import map_of, widest_float

from .transformers import CASES, TABLE, describe, has_inverse

HAS_FLOAT64 = widest_float() == "float64"


def dense(result):
    return np.asarray(result.todense() if hasattr(result, "todense") else result, dtype=np.float64)


each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_case
def test_the_map_on_the_host_is_what_scikit_learn_computes(case):
    fitted = case.fitted()
    expected = dense(fitted.transform(case.X))
    found = map_of(fitted).forward(np.asarray(case.X, dtype=np.float64), np)
    spread = np.where(expected.std(axis=0) > 0, expected.std(axis=0), 1.0)
    assert np.nanmax(np.abs(found - expected) / spread, initial=0.0) < 1e-12
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


@each_case
def test_the_graph_is_what_scikit_learn_computes(case):
    fitted = case.fitted()
    if not HAS_FLOAT64:
        assert_float32_graph_is_near(case, fitted)
        return
    certificate = certify(fitted, to_keras(fitted))
    assert certificate.within < 1e-4  # what to_keras promises of its input's dtype
    name, inverse, folds, error = describe(case)
    assert written()[name][:2] == [inverse, folds]
    assert error <= float(written()[name][2])
    assert error < 1e-12  # roundings of float64


def test_the_table_in_the_docs_has_all_cases():
    """``python -m tests.transformers`` writes it anew."""
    assert list(written()) == [f"`{case.name}`" for case in CASES]


def written():
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| `")]
    return {row[0]: row[1:] for row in (line[2:-2].split(" | ") for line in lines)}


def assert_float32_graph_is_near(case, fitted):
    if "QuantileTransformer" in case.name:
        pytest.skip("float32 joins quantiles that differ in their last digits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that float32 is not enough
        model = to_keras(fitted, dtype="float32")
    assert certify(fitted, model).within < 1e-3


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if has_inverse(case, case.fitted())],
    ids=lambda case: case.name,
)
def test_the_inverse_is_scikit_learns(case):
    fitted = case.fitted()
    Z = dense(fitted.transform(case.X))
    expected = np.asarray(fitted.inverse_transform(Z), dtype=np.float64)
    spread = np.nanstd(expected, axis=0)
    spread[spread == 0] = 1.0
    found = np.asarray(map_of(fitted).inverse(Z, np))
    np.testing.assert_allclose(found / spread, expected / spread, rtol=1e-12, atol=1e-12)
    if HAS_FLOAT64:
        model = to_keras(fitted, inverse=True, dtype="float64")
        found = np.asarray(model(Z))
        np.testing.assert_allclose(found / spread, expected / spread, rtol=1e-9, atol=1e-9)
