import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    StandardScaler,
)

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import (
    UnsupportedTransformerError,
    certify,
    register_function,
    to_keras,
)
from sklearn_keras_scaling.bridge import _registry, widest_float

from . import QUICK

FEW = {**QUICK, "epochs": 2}
needs_float64 = pytest.mark.skipif(widest_float() != "float64", reason="JAX without x64")


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, 120),
            "income": np.exp(rng.normal(10, 1, 120)),
            "site": rng.choice([3, 5, 11], 120),
        }
    )


@pytest.fixture(scope="module")
def y(frame):
    return 1e4 + 50 * frame["age"].to_numpy() + 3 * np.sqrt(frame["income"].to_numpy())


@pytest.fixture(scope="module")
def table():
    return ColumnTransformer(
        [
            ("income", make_pipeline(FunctionTransformer(np.log1p), StandardScaler()), ["income"]),
            ("site", OneHotEncoder(handle_unknown="ignore"), make_column_selector("site")),
        ],
        remainder=sks.MinMaxScaler(),
    )


@pytest.fixture(scope="module")
def pipeline(frame, y, table):
    return make_pipeline(clone(table), sks.ScaledKerasRegressor(**FEW)).fit(frame, y)


def call(model, x):
    return keras.ops.convert_to_numpy(model(x))


def test_a_pipeline_of_a_data_frame_takes_one_matrix(pipeline, frame):
    model = to_keras(pipeline)
    predicted = pipeline.predict(frame)
    found = call(model, frame.to_numpy(dtype="float64"))
    assert found.shape == predicted.shape
    assert np.abs(found - predicted).max() / predicted.std() < 1e-5
    assert certify(pipeline, model, frame).error < 1e-5


def test_or_one_named_input_for_each_column(pipeline, frame, tmp_path):
    model = to_keras(pipeline, inputs="columns")
    assert list(model.input) == ["age", "income", "site"]
    columns = {name: frame[[name]].to_numpy(dtype="float32") for name in reversed(frame.columns)}
    predicted = pipeline.predict(frame)
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)):
        found = each.predict(columns, verbose=0)
        assert np.abs(found - predicted).max() / predicted.std() < 1e-5
    assert certify(pipeline, model, frame).error < 1e-5


def test_columns_need_names_and_raw_data(frame):
    scaler = sks.StandardScaler().fit(frame)
    with pytest.raises(ValueError, match='must be "matrix", "columns" or "pair", got'):
        to_keras(scaler, inputs="rows")
    with pytest.raises(ValueError, match="is for raw data; an inverse takes a matrix"):
        to_keras(scaler, inverse=True, inputs="columns")
    with pytest.raises(ValueError, match="needs column names, and there are none: fit on a data"):
        to_keras(sks.StandardScaler().fit(frame.to_numpy(dtype=float)), inputs="columns")


@pytest.mark.parametrize(
    "columns",
    [
        ["income", "age"],
        [1, 0],
        [-2],
        slice(0, 2),
        slice("age", "income"),
        [True, False, True],
        np.array([False, True, False]),
        make_column_selector(pattern="age|site"),
        lambda X: ["site"],
    ],
    ids=[
        *("names", "numbers", "from the end", "slice", "slice of names"),
        *("mask", "array", "selector", "function"),
    ],
)
@pytest.mark.parametrize("remainder", ["drop", "passthrough", sks.RobustScaler()], ids=str)
def test_column_transformers_choose_as_in_scikit_learn(columns, remainder, frame):
    transformer = ColumnTransformer([("chosen", StandardScaler(), columns)], remainder=remainder)
    transformer.fit(frame)
    assert certify(transformer, to_keras(transformer)).within < 1e-6


def test_a_union_leaves_out_what_is_dropped_and_weighs_the_rest(frame):
    union = FeatureUnion(
        [("a", StandardScaler()), ("b", "drop"), ("c", "passthrough"), ("d", PowerTransformer())],
        transformer_weights={"a": 0.3, "d": 10.0},
    ).fit(frame)
    # Without float64, powers of incomes are computed in float32.
    assert certify(union, to_keras(union)).within < (1e-6 if widest_float() == "float64" else 1e-4)


def test_a_search_is_exported_as_its_best_estimator(frame, y, table):
    search = GridSearchCV(
        Pipeline([("table", clone(table)), ("net", sks.ScaledKerasRegressor(**FEW))]),
        {"net__hidden_layer_sizes": [(4,), (8,)]},
        cv=2,
    ).fit(frame, y)
    assert certify(search, to_keras(search)).within < 1e-5
    with pytest.raises(ValueError, match="inverse=True needs a transformer, but GridSearchCV ends"):
        to_keras(search, inverse=True)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_a_transformed_target_around_a_pipeline(n_targets, frame, y, table):
    targets = y if n_targets == 1 else np.column_stack([y, 1 / y])
    regressor = TransformedTargetRegressor(
        make_pipeline(clone(table), sks.ScaledKerasRegressor(**FEW)),
        transformer=PowerTransformer(),
    ).fit(frame, targets)
    model = to_keras(regressor)
    assert call(model, frame.to_numpy(dtype="float64")).shape == regressor.predict(frame).shape
    assert certify(regressor, model, frame).error < 1e-4


def test_a_transformed_target_by_functions(frame, y):
    X = frame[["age"]].to_numpy(dtype="float64")
    regressor = TransformedTargetRegressor(
        sks.ScaledKerasRegressor(**FEW), func=np.log1p, inverse_func=np.expm1
    ).fit(X, y)
    assert certify(regressor, to_keras(regressor)).within < 1e-4


def test_a_transformed_target_around_anything_else_is_refused(frame, y):
    regressor = TransformedTargetRegressor(LinearRegression()).fit(frame, y)
    with pytest.raises(UnsupportedTransformerError, match="LinearRegression has no form"):
        to_keras(regressor)


def test_an_unsupported_step_deep_inside_is_named(frame):
    transformer = ColumnTransformer(
        [("odd", make_pipeline(StandardScaler(), Odd()), ["age"])], remainder="passthrough"
    ).fit(frame)
    with pytest.raises(
        UnsupportedTransformerError,
        match=r"Odd overrides methods of StandardScaler.*ColumnTransformer.*@register_map\(Odd\)",
    ):
        to_keras(transformer)


class Odd(StandardScaler):
    def transform(self, X, copy=None):
        return super().transform(X, copy) + 1


def logit(X, low=0.0):
    return np.log((X - low) / (1 - X))


def test_a_function_needs_a_counterpart(monkeypatch):
    X = np.random.default_rng(0).uniform(0.2, 0.8, size=(30, 2))
    pipeline = make_pipeline(FunctionTransformer(logit, kw_args={"low": 0.1}), StandardScaler())
    pipeline.fit(X)
    with pytest.raises(
        UnsupportedTransformerError,
        match=r"logit has no form as Keras operations that is known.*@register_function\(logit\)",
    ):
        to_keras(pipeline)
    monkeypatch.setattr(_registry, "_FUNCTIONS", {})  # for this test only

    @register_function(logit)
    def logit_of_tensor(x, low):
        return keras.ops.log((x - low) / (1.0 - x))

    found = call(to_keras(pipeline), X)
    np.testing.assert_allclose(found, pipeline.transform(X), atol=1e-5)  # low is a float32 there


def test_arguments_of_numpys_functions_are_not_lost():
    X = np.ones((3, 1))
    transformer = FunctionTransformer(np.log1p, kw_args={"where": True}).fit(X)
    with pytest.raises(UnsupportedTransformerError, match=r"log1p has no form .* without kw_args"):
        to_keras(transformer)


@needs_float64
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint32", "float64"])
def test_integers_keep_their_digits(dtype):
    X = 2**30 + np.arange(5).reshape(-1, 1)
    scaler = sks.StandardScaler().fit(X)
    found = call(to_keras(scaler, dtype=dtype), X.astype(dtype))
    np.testing.assert_allclose(found, scaler.transform(X), atol=1e-7)


def test_an_inverse_that_scikit_learn_has_not_is_refused(frame, table):
    fitted = clone(table).fit(frame)
    with pytest.raises(ValueError, match="needs an inverse_transform, and ColumnTransformer has"):
        to_keras(fitted, inverse=True)
    imputer = SimpleImputer().fit(frame)
    with pytest.raises(ValueError, match="The inverse of SimpleImputer does not exist"):
        to_keras(imputer, inverse=True)


def test_a_certificate_prints_and_names_a_wrong_model(frame):
    scaler = sks.StandardScaler().fit(frame)
    certificate = certify(scaler, to_keras(scaler), frame)
    assert "Largest difference in standardised units" in str(certificate)
    assert "on the given rows" in str(certificate)
    assert "on the given rows" not in str(certify(scaler, to_keras(scaler)))
    wrong = to_keras(sks.MinMaxScaler().fit(frame))
    assert certify(scaler, wrong).error > 0.5
    with pytest.raises(ValueError, match=r"model returns shape .* where StandardScaler returns"):
        certify(scaler, to_keras(PolynomialFeatures().fit(frame)))


@needs_float64
def test_a_certificate_tells_what_predict_costs():
    scaler = sks.StandardScaler().fit(1e6 + np.linspace(-1, 1, 9).reshape(-1, 1))
    certificate = certify(scaler, to_keras(scaler))
    assert certificate.within < 1e-6
    assert certificate.through_predict > 1e-3  # Keras rounds inputs to float32
    back = certify(scaler, to_keras(scaler, inverse=True), inverse=True)
    assert back.within < 1e-6


@pytest.mark.parametrize("scaler", [sks.StandardScaler(), sks.MinMaxScaler((-1, 1)), None], ids=str)
def test_a_pair_of_float32_holds_what_float64_does(scaler, tmp_path):
    X = np.random.default_rng(0).normal(size=(50, 2)) * [1, 1e3] + [1e6, -1e9]
    if scaler is None:
        scaler = ColumnTransformer([("a", StandardScaler(), [1]), ("b", sks.RobustScaler(), [0])])
    scaler.fit(X)
    model = to_keras(scaler, inputs="pair")
    high = X.astype("float32")
    pair = {"high": high, "low": (X - high).astype("float32")}
    # Rounded three times in float32, where that is all there is.
    np.testing.assert_allclose(model.predict(pair, verbose=0), scaler.transform(X), atol=1e-6)
    assert certify(scaler, model).through_predict < 1e-6


def test_a_pair_has_its_dtype_and_needs_affine_scaling_or_float64():
    X = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(ValueError, match='"pair" has dtype float32; leave out dtype='):
        to_keras(sks.StandardScaler().fit(X), inputs="pair", dtype="float64")
    if widest_float() == "float64":
        return
    with pytest.raises(ValueError, match="Power does not begin with affine scaling"):
        to_keras(PowerTransformer().fit(X), inputs="pair")
    images = sks.StandardScaler(axis=-1).fit(np.ones((2, 3, 2)))
    with pytest.raises(ValueError, match="is for tables, not for shape"):
        to_keras(images, inputs="pair")


def test_a_classifier_behind_a_table_gives_its_probabilities(frame, y, table):
    labels = np.array(["cheap", "dear", "lavish"])[np.digitize(y, np.quantile(y, [0.3, 0.7]))]
    pipeline = make_pipeline(clone(table), sks.ScaledKerasClassifier(**FEW)).fit(frame, labels)
    certificate = certify(pipeline, to_keras(pipeline), frame)
    assert certificate.error < 1e-4  # in standard deviations of probabilities that vary little


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((12, 9), -1), ((12, 9), (1, 2)), ((3, 8, 8), 1), ((8, 8, 3), -1), ((8, 8, 3), None)],
    ids=str,
)
@pytest.mark.parametrize(
    "scaler",
    [sks.StandardScaler(), sks.MinMaxScaler((-1, 1), clip=True), sks.MaxAbsScaler()],
    ids=str,
)
def test_sequences_and_images(scaler, shape, axis):
    X = np.random.default_rng(0).normal(3.0, 2.0, size=(20, *shape))
    scaler = clone(scaler).set_params(axis=axis).fit(X)
    assert certify(scaler, to_keras(scaler), X).error < 1e-6
    back = certify(scaler, to_keras(scaler, inverse=True), scaler.transform(X), inverse=True)
    assert back.error < 1e-6
