"""Steps that jump behind steps that compute, and the dtypes that keep what they decide by."""

import warnings

import keras
import numpy as np
import pytest
from sklearn import preprocessing as sp
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import certify, to_keras
from sklearn_keras_scaling.bridge import map_of, widest_float
from sklearn_keras_scaling.maps import Affine, Bins, Chain, Codes, Quantiles

from . import QUICK

needs_float64 = pytest.mark.skipif(widest_float() != "float64", reason="there is no float64")
RNG = np.random.default_rng(1)
#: Ages, prices in cents, tenths, and ages in steps of ten: values that repeat.
TIED = np.column_stack(
    [
        RNG.integers(18, 90, 300),
        np.round(RNG.lognormal(3, 1, 300), 2),
        RNG.integers(1, 8, 300) / 10,
        RNG.integers(2, 9, 300) * 10.0,
    ]
)
#: Whole numbers: in float32, too, they come in as they are.
WHOLE = TIED[:, [0, 3]]


def bins(**options):
    # Edges that are values, as scikit-learn's default finds them from 1.9 on.
    edges = {"quantile_method": "averaged_inverted_cdf"} if has("quantile_method") else {}
    return sp.KBinsDiscretizer(5, **{"encode": "ordinal", **edges, **options})


def has(parameter):
    return parameter in sp.KBinsDiscretizer().get_params()


def log():
    return sp.FunctionTransformer(np.log1p)


JUMPS = {
    "min-max, bins": make_pipeline(sp.MinMaxScaler(), bins()),
    "min-max, uniform bins": make_pipeline(sp.MinMaxScaler(), bins(strategy="uniform")),
    "our min-max, bins": make_pipeline(sks.MinMaxScaler(), bins()),
    "min-max, one-hot": make_pipeline(sp.MinMaxScaler(), sp.OneHotEncoder(sparse_output=False)),
    "min-max, ordinal": make_pipeline(sp.MinMaxScaler((-1, 1)), sp.OrdinalEncoder()),
    "standard, ordinal": make_pipeline(sp.StandardScaler(), sp.OrdinalEncoder()),
    "log, ordinal": make_pipeline(log(), sp.OrdinalEncoder()),
    "min-max, threshold": make_pipeline(sp.MinMaxScaler(), sp.Binarizer(threshold=0.5)),
    "min-max, quantiles": make_pipeline(sp.MinMaxScaler(), sp.QuantileTransformer(n_quantiles=99)),
    "log, quantiles": make_pipeline(log(), sp.QuantileTransformer(n_quantiles=99)),
    "power, quantiles": make_pipeline(
        sp.PowerTransformer(), sp.QuantileTransformer(n_quantiles=99)
    ),
    "power, bins": make_pipeline(SimpleImputer(), sp.PowerTransformer(), bins()),
    "normal quantiles, bins": make_pipeline(
        sp.QuantileTransformer(n_quantiles=99, output_distribution="normal"), bins()
    ),
    "min-max, steps": make_pipeline(
        sp.MinMaxScaler(), sp.SplineTransformer(degree=0, extrapolation="continue")
    ),
    "power, spline": make_pipeline(
        sp.PowerTransformer(), sp.SplineTransformer(extrapolation="error")
    ),
}


#: Jumps that were no training values: the last digit decides, which XLA rounds otherwise.
BY_LAST_DIGIT = {"min-max, uniform bins", "min-max, threshold", "min-max, steps"}
here = [name for name in JUMPS if keras.backend.backend() != "jax" or name not in BY_LAST_DIGIT]


@pytest.mark.filterwarnings("ignore:Inputs rounded to float32 cost")  # JAX, of edges
@pytest.mark.parametrize("name", here)
def test_training_rows_are_on_the_side_that_scikit_learn_says(name):
    X = WHOLE if widest_float() == "float32" else TIED
    transformer = JUMPS[name].fit(X)
    model = to_keras(transformer, dtype=widest_float())
    expected = transformer.transform(X)
    found = keras.ops.convert_to_numpy(model(X.astype(widest_float())))
    # Jumps are 1e-2 at least; without float64, logarithms and powers have 6 digits.
    atol = 1e-6 if widest_float() == "float64" else 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@needs_float64
@pytest.mark.parametrize("name", here)
def test_a_compiled_graph_says_the_same(name):
    """XLA multiplies by reciprocals, and adds without rounding the product before."""
    transformer = JUMPS[name].fit(WHOLE)
    expected = transformer.transform(WHOLE)
    found = to_keras(transformer, dtype="float64").predict(WHOLE, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@needs_float64
@pytest.mark.parametrize("name", here)
def test_certify_tries_jumps_where_training_values_lie(name):
    transformer = JUMPS[name].fit(TIED)
    certificate = certify(transformer, to_keras(transformer), TIED)
    assert certificate.within < 1e-6
    assert certificate.given < 1e-6


@needs_float64
def test_certify_shows_a_model_that_takes_the_other_side():
    """At 1e9, our MinMaxScaler is 1e-7 from scikit-learn's, which rounds more."""
    X = 1e9 + TIED
    theirs, ours = (make_pipeline(module.MinMaxScaler(), bins()).fit(X) for module in (sp, sks))
    ours.steps[1] = theirs.steps[1]
    assert certify(theirs, to_keras(theirs), X).error == 0.0
    assert certify(theirs, to_keras(ours)).within > 0.1
    assert certify(theirs, to_keras(ours), X).given > 0.1


@needs_float64
def test_raw_numbers_next_to_an_edge_are_beside_it():
    discretizer = bins().fit(TIED[:, :1])
    edge = discretizer.bin_edges_[0][2]
    X = np.array([[np.nextafter(edge, -np.inf)], [edge]])
    found = keras.ops.convert_to_numpy(to_keras(discretizer, dtype="float64")(X))
    np.testing.assert_array_equal(found, discretizer.transform(X))


def test_products_are_on_the_side_that_their_last_digit_says():
    """36 * 0.3 and 18 * 0.6 differ by a rounding, and scikit-learn bins them apart."""
    X = np.array([[36.0, 0.3], [18.0, 0.6], [1.0, 1.0], [50.0, 2.0]])
    transformer = make_pipeline(sp.PolynomialFeatures(interaction_only=True), bins())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the constant column's bins
        transformer.fit(X)
    expected = transformer.transform(X)
    np.testing.assert_array_equal(map_of(transformer).forward(X, np), expected)


def test_numbers_near_a_jump_are_on_it_only_behind_what_computes():
    edges = [[0.0, 1.0, 2.0]]
    near = np.array([[1.0 - 1e-12], [1.0 - 1e-6]])
    np.testing.assert_array_equal(Bins(edges).forward(near, np), [[0.0], [0.0]])
    behind = Chain((Affine(), Bins(edges)))
    np.testing.assert_array_equal(behind.forward(near, np), [[1.0], [0.0]])
    codes = Chain((Affine(), Codes([[1.0, 1.0 + 1e-12]], [[0.0, 1.0]])))
    np.testing.assert_array_equal(codes.forward(np.array([[1.0], [1 + 1e-12]]), np), [[0], [1]])
    jump = Chain((Affine(), Quantiles([[0.0, 1.0, 1.0, 3.0]], np.arange(4) / 3, is_normal=False)))
    np.testing.assert_allclose(jump.forward(near, np)[:1], [[0.5]])  # the mean of 1/3 and 2/3
    assert jump.forward(near, np)[1, 0] < 0.34


@needs_float64  # without it, the input's dtype is warned of first
def test_jumps_as_near_as_rounding_are_told():
    x = np.arange(40.0).reshape(-1, 1) % 7 / 10
    transformer = make_pipeline(sp.SplineTransformer(), sp.QuantileTransformer(n_quantiles=40))
    with pytest.warns(UserWarning, match="as near each other as the numbers before them are"):
        to_keras(transformer.fit(x), dtype=widest_float())


# Dtypes


@needs_float64
def test_an_inverse_takes_float64_where_scaled_numbers_are_far_from_zero():
    X = 1e8 + RNG.normal(size=(300, 1))
    scaler = sp.StandardScaler(with_mean=False).fit(X)
    model = to_keras(scaler, inverse=True)
    assert model.input.dtype == "float64"
    Z = scaler.transform(X)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(Z)), X, rtol=1e-14)
    assert certify(scaler, model, Z, inverse=True).error < 1e-6
    centred = sp.StandardScaler().fit(X)
    assert to_keras(centred, inverse=True).input.dtype == "float32"
    with pytest.warns(UserWarning, match="Inputs rounded to float32 cost up to"):
        to_keras(scaler, inverse=True, dtype="float32")


@needs_float64
@pytest.mark.parametrize(
    "scaler",
    [sp.StandardScaler(with_mean=False), sks.StandardScaler(with_mean=False), sks.MaxAbsScaler()],
    ids=["scikit-learn's", "ours", "largest"],
)
def test_outputs_that_float32_loses_are_told(scaler):
    X = 1e8 + RNG.normal(size=(300, 1))
    scaler.fit(X)
    with pytest.warns(UserWarning, match="Outputs rounded to float32 cost up to .* Centre it"):
        model = to_keras(scaler)
    assert certify(scaler, model).within > 1.0
    assert certify(scaler, to_keras(scaler, dtype="float64"), X).error < 1e-6


@needs_float64
def test_the_input_is_float64_where_it_matters_beyond_the_training_range():
    X = RNG.normal(size=(300, 3)) + 5.0
    transformer = make_pipeline(
        sp.PolynomialFeatures(2, include_bias=False),
        sp.QuantileTransformer(n_quantiles=50, output_distribution="normal"),
    ).fit(X)
    model = to_keras(transformer)
    assert certify(transformer, model).beyond < 1e-4
    regressor = sks.ScaledKerasRegressor(**{**QUICK, "epochs": 1})
    whole = make_pipeline(*(step for _, step in transformer.steps), regressor).fit(X, X[:, 0])
    assert certify(whole, to_keras(whole)).beyond < 1e-4


def test_dtypes_are_taken_by_type_too():
    scaler = sp.StandardScaler().fit(WHOLE)
    assert to_keras(scaler, dtype=np.int32).input.dtype == "int32"
    for wrong in ("bfloat16", object, "no dtype"):
        with pytest.raises(ValueError, match="dtype must be None or one of float32, float64"):
            to_keras(scaler, dtype=wrong)


@needs_float64
@pytest.mark.skipif(not hasattr(sp.KBinsDiscretizer(), "dtype"), reason="scikit-learn is older")
def test_bins_of_float32_round_first():
    X = RNG.normal(size=(300, 1)) + 1e5
    discretizer = bins(dtype=np.float32).fit(X)
    edge = discretizer.bin_edges_[0][2]
    X[:2, 0] = np.nextafter(edge, -np.inf), edge  # both are the edge in float32
    found = keras.ops.convert_to_numpy(to_keras(discretizer, dtype="float64")(X))
    np.testing.assert_array_equal(found, discretizer.transform(X))


# Categories


UNSORTED = np.array([[3], [1], [2], [1]], dtype=object)


@pytest.mark.parametrize("encoder", [sp.OrdinalEncoder, sp.OneHotEncoder])
@pytest.mark.parametrize("order", [[3, 1, 2], "auto"], ids=str)
def test_categories_of_objects_in_any_order(encoder, order):
    categories = order if order == "auto" else [np.array(order, dtype=object)]
    fitted = encoder(categories=categories).fit(UNSORTED)
    expected = fitted.transform(UNSORTED)
    expected = expected.toarray() if hasattr(expected, "toarray") else expected
    model = to_keras(fitted)
    found = keras.ops.convert_to_numpy(model(UNSORTED.astype("float32")))
    np.testing.assert_array_equal(found, expected)
    certificate = certify(fitted, model, UNSORTED)
    assert (certificate.within, certificate.given) == (0.0, 0.0)


def test_the_inverse_of_codes_truncates_as_scikit_learn_does():
    X = np.array([[10.0], [20.0], [30.0], [np.nan]])
    Z = np.array([[0.4], [1.9], [-1.0], [-0.5], [2.0]])
    plain = sp.OrdinalEncoder().fit(X[:3])
    missing = sp.OrdinalEncoder(encoded_missing_value=-9).fit(X)
    unknown = sp.OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-9
    ).fit(X)
    for encoder, given in ((plain, Z), (missing, [*Z, [-9.0], [3.0]]), (unknown, [*Z, [-9.0]])):
        rows = np.asarray(given, dtype=np.float64)
        expected = encoder.inverse_transform(rows.copy()).astype(float)
        found = keras.ops.convert_to_numpy(to_keras(encoder, inverse=True)(rows))
        np.testing.assert_array_equal(found, expected)
    beyond = keras.ops.convert_to_numpy(to_keras(plain, inverse=True)(np.array([[3.0], [-4.0]])))
    assert np.isnan(beyond).all()  # scikit-learn raises


# Functions


STOCK = sorted(
    name
    for name in dir(np)
    if isinstance(function := getattr(np, name), np.ufunc)
    and function.nin == function.nout == 1
    and function.__name__ == name
    and name not in ("invert", "isnat", "bitwise_count")  # of integers and dates
    and (hasattr(keras.ops, name) or name in ("degrees", "positive", "radians", "rint"))
)


@pytest.mark.parametrize("name", STOCK)
def test_every_function_that_is_taken_runs_in_a_compiled_graph(name):
    x = np.array([[0.25], [0.75], [-0.5], [2.5], [0.0], [1.5]])
    transformer = sp.FunctionTransformer(getattr(np, name)).fit(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # outside of domains; and inputs nothing is known of
        model = to_keras(transformer, dtype="float32")
        expected = transformer.transform(x).astype(float)
        wide = to_keras(transformer, dtype=widest_float())
    rtol, atol = 1e-5, 1e-6  # of float32: trigonometry on JAX has no more
    for found in (model.predict(x, verbose=0), wide.predict(x, verbose=0), wide(x)):
        found = keras.ops.convert_to_numpy(found).astype(float)
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def test_a_function_that_is_not_known_is_named_as_it_is_written():
    with pytest.raises(sks.UnsupportedTransformerError, match=r"@register_function\(np.spacing\)"):
        to_keras(sp.FunctionTransformer(np.spacing).fit([[1.0]]))


@needs_float64
def test_principal_components_then_bins():
    transformer = make_pipeline(sp.StandardScaler(), PCA(2), bins()).fit(TIED)
    # Not on training rows: scikit-learn finds the edges in fit_transform, which rounds otherwise.
    assert certify(transformer, to_keras(transformer)).within == 0.0
