"""The bound that ``to_keras`` states holds on the data, and ``certify`` tells the truth."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import certify, to_keras
from sklearn_keras_scaling.bridge import widest_float

from . import QUICK

needs_float64 = pytest.mark.skipif(widest_float() != "float64", reason="there is no float64")
RNG = np.random.default_rng(0)
TIMES = np.column_stack([1.7e9 + RNG.normal(size=500) * 1e3, RNG.normal(size=500)])
FAR = 1e6 + 3 * RNG.normal(size=(500, 2))
NEAR_TWINS = RNG.normal(size=(500, 1)) @ [[1.0, 1.0]] + [0.0, 1e-5] * RNG.normal(size=(500, 2))
TENTHS = RNG.choice([0.1, 0.2, 0.7], size=(90, 1))
CODED = np.column_stack([TIMES[:, 0], RNG.integers(0, 3, 500)])

# Each reads its data through something that knows nothing of where they are.
BLIND = {
    "passthrough": (
        ColumnTransformer([("v", OneHotEncoder(), [1])], remainder="passthrough"),
        CODED,
    ),
    "union": (FeatureUnion([("a", "passthrough"), ("b", "passthrough")]), TIMES),
    "polynomials": (PolynomialFeatures(2), FAR),
    "indicator": (SimpleImputer(add_indicator=True), np.vstack([FAR, [[np.nan, 1e6]]])),
    "norms": (Normalizer(), FAR),
    "no inverse": (FunctionTransformer(np.cbrt), FAR),
    "no mean": (TruncatedSVD(2), FAR),
    "twins": (make_pipeline(StandardScaler(), PCA(whiten=True)), NEAR_TWINS),
    "uncentred": (StandardScaler(with_mean=False), FAR),
}


def unit_of(values):
    deviation = np.std(values, axis=0)
    return np.where(deviation > 0, deviation, 1.0)


@needs_float64
@pytest.mark.parametrize("name", BLIND)
def test_the_bound_holds_on_the_data_where_the_first_step_does_not_know_them(name):
    first, X = BLIND[name]
    transformer = make_pipeline(first, StandardScaler()).fit(X)
    model = to_keras(transformer)
    expected = transformer.transform(X)
    found = keras.ops.convert_to_numpy(model(X.astype(model.input.dtype)))
    assert np.abs((found - expected) / unit_of(expected)).max() < 1e-4
    certificate = certify(transformer, model, X)
    assert certificate.given < 1e-4
    assert certificate.within < 1e-4


@needs_float64
@pytest.mark.parametrize(
    "transformer",
    [
        FeatureUnion([("a", StandardScaler()), ("b", OneHotEncoder(handle_unknown="ignore"))]),
        FeatureUnion([("b", OneHotEncoder(handle_unknown="ignore")), ("a", StandardScaler())]),
        make_pipeline(
            StandardScaler(), OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        ),
    ],
    ids=["scaled first", "encoded first", "scaled before"],
)
def test_categories_that_float32_has_not_are_known_in_whatever_order(transformer):
    transformer.fit(TENTHS)
    expected = transformer.transform(TENTHS)
    expected = expected.toarray() if hasattr(expected, "toarray") else expected
    model = to_keras(transformer)
    found = keras.ops.convert_to_numpy(model(TENTHS.astype(model.input.dtype)))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_numpys_functions_without_an_inverse_are_known():
    for function in (np.log, np.log1p, np.log2, np.log10, np.sqrt):
        scaled = make_pipeline(FunctionTransformer(function), StandardScaler())
        assert to_keras(scaled.fit(np.exp(TIMES[:, 1:]))).input.dtype == "float32"


def test_inputs_that_are_not_scaled_stay_float32():
    """What leaves in float32 loses nothing more by coming in float32."""
    for transformer in (SimpleImputer(), PolynomialFeatures(1), FunctionTransformer()):
        assert to_keras(transformer.fit(FAR)).input.dtype == "float32"
    regressor = sks.ScaledKerasRegressor(**{**QUICK, "epochs": 1}, input_scaler=None)
    assert to_keras(regressor.fit(TIMES[:, 1:], TIMES[:, 1])).input.dtype == "float32"


@needs_float64
def test_given_rows_are_measured_in_their_own_units():
    imputer = SimpleImputer().fit(FAR)
    model = to_keras(imputer)
    expected, found = FAR, keras.ops.convert_to_numpy(model(FAR)).astype(float)
    own = np.abs((found - expected) / unit_of(expected)).max()
    assert own > 1e-3  # float32 outputs of mean 1e6
    assert certify(imputer, to_keras(imputer, dtype="float64"), FAR).given == 0.0
    np.testing.assert_allclose(certify(imputer, model, FAR).given, own)
    steps = FunctionTransformer(np.floor).fit(FAR)
    floor = certify(steps, to_keras(steps, dtype="float64"), np.floor(FAR) + 0.5)
    assert floor.given < 0.02


def test_rows_of_another_shape_or_kind_are_an_error():
    scaler = sks.StandardScaler().fit(np.arange(9.0).reshape(3, 3))
    model = to_keras(scaler)
    with pytest.raises(ValueError, match="X has 5 features, but StandardScaler is expecting 3"):
        certify(scaler, model, np.zeros((3, 5)))
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    scaler = sks.StandardScaler().fit(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
    model = to_keras(scaler)
    with pytest.raises(ValueError, match="could not convert string to float"):
        certify(scaler, model, frame)


def test_refused_rows_are_counted_and_the_others_measured():
    encoder = OneHotEncoder().fit([[1.0], [2.0]])
    certificate = certify(encoder, to_keras(encoder), np.array([[1.0], [99.0], [2.0]]))
    assert (certificate.given, certificate.n_refused) == (0.0, 1)
    assert "1 given rows" in str(certificate)
    none_left = certify(encoder, to_keras(encoder), np.array([[99.0]]))
    assert np.isnan(none_left.given)
    assert np.isnan(none_left.error)


@needs_float64
def test_guessed_rows_that_are_refused_are_no_error():
    union = FeatureUnion([("m", StandardScaler()), ("o", OneHotEncoder())]).fit(TENTHS)
    assert certify(union, to_keras(union, dtype=widest_float())).within < 1e-6
    scaled = make_pipeline(StandardScaler(), OneHotEncoder()).fit(np.round(TENTHS * 10))
    assert certify(scaled, to_keras(scaled, dtype=widest_float())).within < 1e-6


def test_columns_of_the_names_of_a_pair_are_columns():
    prices = pd.DataFrame(RNG.normal(size=(30, 2)) + 5, columns=["high", "low"])
    scaler = sks.StandardScaler().fit(prices)
    assert certify(scaler, to_keras(scaler, inputs="columns"), prices).error < 1e-6
    assert certify(scaler, to_keras(scaler, inputs="pair"), prices).error < 1e-6


def test_a_selector_that_predicts_is_compared_as_a_transformer():
    selector = RFE(LinearRegression(), n_features_to_select=1).fit(FAR, FAR[:, 0])
    assert certify(selector, to_keras(selector)).within < 1e-6


@needs_float64
def test_integer_inputs_are_tried_with_integers():
    scaler = sks.StandardScaler().fit(np.arange(50).reshape(-1, 1))
    assert certify(scaler, to_keras(scaler, dtype="int32")).within < 1e-6


def test_text_columns_that_nothing_reads():
    frame = pd.DataFrame({"name": list("abcdef"), "a": np.arange(6.0), "b": np.arange(6.0) ** 2})
    table = ColumnTransformer([("scaled", StandardScaler(), ["a", "b"])]).fit(frame)
    model = to_keras(table, inputs="columns")
    assert list(model.input) == ["a", "b"]
    assert certify(table, model, frame).error < 1e-6
    assert certify(table, to_keras(table), frame).error < 1e-6


@pytest.mark.parametrize("name", ["", "a/b"])
def test_names_that_keras_does_not_take_are_refused(name):
    scaler = sks.StandardScaler().fit(pd.DataFrame({name: [1.0, 2.0], "a_b": [1.0, 3.0]}))
    with pytest.raises(ValueError, match=f"Keras takes no input of the name '{name}'. Rename"):
        to_keras(scaler, inputs="columns")


@pytest.mark.filterwarnings("ignore:Inputs rounded to float32 cost")  # on JAX, of edges
@pytest.mark.parametrize(
    "transformer",
    [
        Binarizer(threshold=0.5),
        KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
        KBinsDiscretizer(3, encode="onehot-dense", strategy="uniform"),
    ],
    ids=str,
)
def test_nan_is_no_number_to_bins_and_thresholds(transformer):
    model = to_keras(transformer.fit(TIMES[:, 1:]), dtype=widest_float())
    assert np.isnan(keras.ops.convert_to_numpy(model(np.array([[np.nan]])))).all()


@needs_float64
def test_quantiles_of_many_columns_make_a_small_file(tmp_path):
    X = RNG.normal(size=(1000, 20))
    transformer = QuantileTransformer(n_quantiles=1000).fit(X)
    to_keras(transformer).save(tmp_path / "quantiles.keras")
    # A number is about 20 characters of JSON and each is there four times: in two searches and
    # at both ends of its interval.
    assert (tmp_path / "quantiles.keras").stat().st_size < 4 * 25 * transformer.quantiles_.size


@needs_float64
def test_power_transforms_without_standardisation_have_their_own_units():
    transformer = PowerTransformer(standardize=False).fit(TIMES[:, 1:])
    assert certify(transformer, to_keras(transformer), TIMES[:, 1:]).given < 1e-5


def test_columns_of_a_frame_are_taken_by_name():
    frame = pd.DataFrame({"a": RNG.normal(size=40), "b": 1e3 + RNG.normal(size=40)})
    table = ColumnTransformer([("a", StandardScaler(), ["a"]), ("b", StandardScaler(), ["b"])])
    table.fit(frame)
    for inputs in ("matrix", "columns"):
        model = to_keras(table, inputs=inputs)
        assert certify(table, model, frame[["b", "a"]]).given < 1e-4
        assert certify(table, model, frame.assign(c="text")[["c", "b", "a"]]).given < 1e-4
    scaler = StandardScaler().fit(frame)  # which takes them in its own order alone
    with pytest.raises(ValueError, match="in the same order"):
        certify(scaler, to_keras(scaler), frame[["b", "a"]])


def test_what_certify_takes():
    scaler = sks.StandardScaler().fit(np.arange(6.0).reshape(3, 2))
    model = to_keras(scaler)
    with pytest.raises(NotFittedError, match="StandardScaler"):
        certify(sks.StandardScaler(), model)
    with pytest.raises(TypeError, match=r"compares with the keras\.Model .* got a NoneType"):
        certify(scaler, None)
    with pytest.raises(TypeError, match=r"takes the fitted object .* got a type"):
        certify(sks.StandardScaler, model)
    with pytest.raises(ValueError, match="X has no rows to compare on"):
        certify(scaler, model, np.empty((0, 2)))


@needs_float64
def test_predict_is_given_integers_where_the_model_takes_them():
    X = 2**30 + np.arange(50).reshape(-1, 1)  # float32 has every 64th of them
    scaler = sks.StandardScaler().fit(X)
    certificate = certify(scaler, to_keras(scaler, dtype="int32"), X)
    assert certificate.through_predict < 1e-6
    assert certificate.given < 1e-6


NAMED = {"wide": RNG.normal(size=(60, 3)) * 5 + 100, "long": RNG.normal(size=(60, 4, 2)) + 20}
Y = {"a": NAMED["wide"][:, :1] * 3, "b": NAMED["long"][:, 0] - 7}


def few_epochs(**options):
    return sks.ScaledKerasRegressor(**{**QUICK, "epochs": 1, **options})


@needs_float64
@pytest.mark.parametrize("kind", [dict, list])
def test_several_inputs_and_outputs(kind):
    X = NAMED if kind is dict else list(NAMED.values())
    regressor = few_epochs().fit(X, Y)
    model = to_keras(regressor)
    certificate = certify(regressor, model, X)
    # float32 inputs: half a step of a mean 20 standard deviations from zero.
    assert certificate.within < 1e-4
    assert certificate.beyond < 1e-4
    assert certificate.given < 1e-4
    assert certificate.through_predict < 1e-4
    other = few_epochs(random_state=7).fit(X, Y)
    assert certify(regressor, to_keras(other), X).error > 1e-3
    none = {name: one[:0] for name, one in NAMED.items()}
    with pytest.raises(ValueError, match="X has no rows"):
        certify(regressor, model, none if kind is dict else list(none.values()))


@needs_float64
def test_inputs_and_outputs_by_columns_of_a_table():
    frame = pd.DataFrame(NAMED["wide"], columns=["u", "v", "w"])
    targets = pd.DataFrame({"p": frame["u"] * 2, "q": frame["v"] - 1, "r": frame["w"]})
    regressor = few_epochs(
        input_columns={"left": ["w"], "right": ["u", "v"]},
        target_columns={"first": ["r"], "second": ["p", "q"]},
    ).fit(frame, targets)
    for inputs in ("matrix", "columns", "pair"):
        certificate = certify(regressor, to_keras(regressor, inputs=inputs), frame)
        assert certificate.within < 1e-4
        assert certificate.given < 1e-4
    pipeline = make_pipeline(StandardScaler(), few_epochs(input_columns={"l": [0], "r": [1, 2]}))
    pipeline.fit(NAMED["wide"], Y["a"])
    assert certify(pipeline, to_keras(pipeline), NAMED["wide"]).error < 1e-4


def test_rows_that_the_map_takes_and_scikit_learn_refuses():
    encoder = OneHotEncoder().fit([[1.0], [2.0]])
    scaled = make_pipeline(FunctionTransformer(np.log1p), encoder)
    X = np.log1p([[1.0], [2.0], [1.0]])
    scaled.fit(np.expm1(X))
    given = np.expm1(X) * (1 + np.array([[0.0], [1e-13], [0.0]]))
    certificate = certify(scaled, to_keras(scaled, dtype=widest_float()), given)
    assert certificate.within == 0.0
    assert certificate.n_refused == 1


def test_powers_without_a_scale_say_nothing_of_their_inputs():
    # Exponents far below 0, whose inverse of infinity is a number.
    X = load_breast_cancer().data
    transformer = PowerTransformer(standardize=False).fit(X)
    assert transformer.lambdas_.min() < -10
    # Nothing is known that float32 could lose: no warning. Rows tell.
    assert certify(transformer, to_keras(transformer), X).given < 1e-4
