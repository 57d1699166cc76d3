import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.datasets import load_diabetes
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    SplineTransformer,
    StandardScaler,
)

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import (
    UnsupportedTransformerError,
    certify,
    register_function,
    to_keras,
)
from sklearn_keras_scaling.bridge import _registry, map_of, widest_float

from . import QUICK

FEW = {**QUICK, "epochs": 2}
needs_float64 = pytest.mark.skipif(widest_float() != "float64", reason="there is no float64")


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


@pytest.mark.filterwarnings("ignore:Inputs rounded to float32 cost")  # on JAX
def test_arguments_of_numpys_functions_are_not_lost():
    X = np.ones((3, 1))
    transformer = FunctionTransformer(np.log1p, kw_args={"where": True}).fit(X)
    with pytest.raises(UnsupportedTransformerError, match=r"log1p has no form .* without kw_args"):
        to_keras(transformer, dtype=widest_float())


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
    twice = to_keras(FeatureUnion([("a", scaler), ("b", scaler)]).fit(frame))
    with pytest.raises(ValueError, match=r"model returns shape .* where StandardScaler returns"):
        certify(scaler, twice)


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


@pytest.mark.parametrize(
    "last", [None, PCA(2), PowerTransformer(), SplineTransformer(4)], ids=lambda last: str(last)
)
def test_a_pair_is_centred_before_it_is_added(last):
    X = np.random.default_rng(0).normal([1e6, -1e9, 1e9 + 21.0], size=(50, 3))
    fitted = make_pipeline(StandardScaler(), last).fit(X)
    high = X.astype("float32")
    low = (X - high).astype("float32")
    found = to_keras(fitted, inputs="pair")({"high": high, "low": low})
    expected = map_of(fitted).forward(X, np)
    # 1.4e-6, of which a pair leaves out as much of 1e9; of splines, which are steep, 6.1e-6.
    error = np.abs(keras.ops.convert_to_numpy(found) - expected) / expected.std(axis=0)
    assert error.max() < 2e-5


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


@pytest.mark.parametrize("kind", [OneHotEncoder, OrdinalEncoder], ids=lambda kind: kind.__name__)
def test_integers_that_float64_joins_are_no_categories(kind, frame):
    ids = np.array([[2**53], [2**53 + 1], [2**60 + 1]])
    with pytest.raises(UnsupportedTransformerError, match="column 0, whose integers are beyond 2"):
        to_keras(kind().fit(ids))
    with pytest.raises(UnsupportedTransformerError, match="column 'site', whose categories are no"):
        to_keras(kind().fit(frame[["site"]].replace({3: "three", 5: "five", 11: "eleven"})))


@needs_float64
def test_what_is_unknown_among_large_floats_stays_unknown():
    codes = np.array([[1e17], [2e17], [3e17]])
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(codes)
    found = call(to_keras(encoder, dtype="float64"), np.array([[5.0], [3e17]]))
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 0, 1]])


def test_whole_numbers_kept_as_objects_are_categories():
    encoder = OrdinalEncoder().fit(np.array([[1], [5]], dtype=object))
    np.testing.assert_array_equal(call(to_keras(encoder), np.array([[5.0], [1.0]])), [[1], [0]])


def test_linear_splines_that_scikit_learn_miscounts_are_refused(frame):
    spline = SplineTransformer(degree=1, extrapolation="linear")
    with pytest.raises(UnsupportedTransformerError, match="counts the degree up from column"):
        to_keras(spline.fit(frame[["age", "income"]]))
    assert certify(spline.fit(frame[["age"]]), to_keras(spline)).within < 1e-6


@pytest.mark.parametrize(
    "first", ["passthrough", None, make_pipeline("passthrough", None)], ids=["word", "none", "both"]
)
def test_the_first_step_may_do_nothing(first, frame, y):
    steps = [("first", first), ("net", sks.ScaledKerasRegressor(**FEW))]
    search = GridSearchCV(Pipeline(steps), {"net__hidden_layer_sizes": [(4,)]}, cv=2)
    if isinstance(first, Pipeline):  # scikit-learn itself cannot say its width
        steps = [("first", first), ("then", StandardScaler()), steps[1]]
        search.set_params(estimator=Pipeline(steps))
    search.fit(frame[["age"]].to_numpy(dtype=float), y)
    assert to_keras(search).input_shape == (None, 1)


@pytest.mark.parametrize(
    "transformer",
    [FunctionTransformer(np.log1p), Pipeline([("p", "passthrough")])],
    ids=["stateless", "nothing"],
)
def test_what_does_not_know_its_width_is_told_so(transformer):
    with pytest.raises(ValueError, match="does not say how many columns it takes"):
        to_keras(transformer)


def test_a_union_that_begins_with_what_is_dropped(frame):
    union = FeatureUnion([("x", "drop"), ("y", sks.MinMaxScaler())]).fit(frame)
    assert certify(union, to_keras(union)).within < 1e-6


def cyclic(X):
    return np.column_stack([np.sin(X), np.cos(X)])


def ratio(frame):
    return frame[["age"]] / frame[["income"]].to_numpy()


@pytest.mark.filterwarnings("ignore:Inputs rounded to float32 cost")  # the data are not far
def test_functions_that_change_the_width_or_want_a_frame(monkeypatch, frame):
    monkeypatch.setattr(_registry, "_FUNCTIONS", {})  # for this test only
    ops = keras.ops
    register_function(cyclic)(lambda x: ops.concatenate([ops.sin(x), ops.cos(x)], axis=-1))
    register_function(ratio)(lambda x: x[..., :1] / x[..., 1:2])
    circle = make_pipeline(FunctionTransformer(cyclic), StandardScaler())
    circle.fit(np.linspace(0, 6, 30).reshape(-1, 1))
    model = to_keras(circle, dtype="float32")
    assert certify(circle, model, np.linspace(0, 6, 30).reshape(-1, 1)).given < 1e-5
    pipeline = make_pipeline(FunctionTransformer(ratio), StandardScaler()).fit(frame)
    assert certify(pipeline, to_keras(pipeline, dtype="float32"), frame).given < 1e-4


def test_a_lambda_is_told_to_take_a_name(frame):
    transformer = FunctionTransformer(lambda X: X + 1).fit(frame)
    with pytest.raises(UnsupportedTransformerError, match=r"give it a name \(def\), and then"):
        to_keras(transformer)


def test_a_weight_of_zero(frame):
    union = FeatureUnion(
        [("a", StandardScaler()), ("b", sks.MinMaxScaler())], transformer_weights={"a": 0}
    ).fit(frame)
    assert certify(union, to_keras(union)).within < 1e-6


def test_a_search_without_refit_is_told_so(frame, y):
    search = GridSearchCV(
        sks.ScaledKerasRegressor(**FEW), {"hidden_layer_sizes": [(4,)]}, cv=2, refit=False
    ).fit(frame, y)
    with pytest.raises((ValueError, NotFittedError), match=r"refit=False|not fitted yet"):
        to_keras(search)


def test_nothing_chosen(frame, y):
    none = SelectKBest(f_regression, k=0).fit(frame, y)
    assert to_keras(none).output_shape == (None, 0)
    empty = ColumnTransformer([("a", StandardScaler(), [])]).fit(frame)
    assert to_keras(empty).output_shape == (None, 0)


def test_the_inverse_of_an_imputer_that_left_a_column_out():
    X = np.array([[1.0, np.nan, np.nan], [np.nan, np.nan, 5.0], [3.0, np.nan, 6.0]])
    imputer = SimpleImputer(add_indicator=True).fit(X)
    with pytest.warns(UserWarning, match="Skipping features without any observed values"):
        Z = imputer.transform(X)
    back = call(to_keras(imputer, inverse=True), Z)
    np.testing.assert_allclose(back, imputer.inverse_transform(Z), rtol=1e-6)


def test_an_inverse_takes_no_pair(frame):
    scaler = sks.StandardScaler().fit(frame)
    with pytest.raises(ValueError, match="inputs='pair' is for raw data; an inverse takes"):
        to_keras(scaler, inverse=True, inputs="pair")


def test_edges_beside_a_smooth_branch_are_tried_and_met():
    # Edges are measured values with decimals, which float32 has not.
    X = load_diabetes(scaled=False).data
    bins = KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf")
    smooth = make_pipeline(StandardScaler(), PCA(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a column with few values
        union = FeatureUnion([("smooth", smooth), ("bins", bins)]).fit(X)
    if widest_float() != "float64":
        with pytest.raises(ValueError, match="edges or categories that float32 has not"):
            to_keras(union)
        return
    model = to_keras(union)
    assert model.input.dtype == "float64"
    assert certify(union, model, X).error < 1e-5
