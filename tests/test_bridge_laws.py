"""Laws of the bridge for any transformer and data: host, graph, gradients, copies and files.

The host is held to scikit-learn within 1e-12 standard deviations, and where scikit-learn's
or our own sum has larger terms than its result, within a few roundings of those terms.
"""

import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import keras
import numpy as np
import pytest
import sklearn
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sklearn import decomposition, feature_selection, impute, preprocessing
from sklearn.base import clone
from sklearn.utils.fixes import parse_version

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import certify, to_keras
from sklearn_keras_scaling.bridge import map_of, widest_float
from sklearn_keras_scaling.bridge._graph import FLOAT32_TOLERANCE, typical_rows
from sklearn_keras_scaling.maps import Power

from .transformers import CASES

BACKEND = keras.backend.backend()
WIDEST = widest_float()
HAS_FLOAT64 = WIDEST == "float64"
needs_float64 = pytest.mark.skipif(not HAS_FLOAT64, reason="JAX without x64 has no float64")
EPS = np.finfo(np.float64).eps
HALF_STEP = 2.0**-24  # of the float32 that leaves a graph
COLUMNS = 3
#: Its splines of constant columns and tied knots, and its Yeo-Johnson, are not those of 1.9.
IS_OLD = parse_version(sklearn.__version__) < parse_version("1.9")


# Bounds: the size of the terms that are rounded on the way to each result. What is not named
# here is rounded as its own result is.


def own_terms(fitted: Any, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.abs(z)


def min_max_terms(scaler: Any, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """scikit-learn multiplies and then adds ``min_``."""
    return np.abs(z) + np.abs(scaler.min_)


def min_max_inverse_terms(scaler: Any, z: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.abs(x) + np.abs(scaler.min_) / scaler.scale_


def projection_terms(pca: Any, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """scikit-learn subtracts the projected mean from the projection."""
    mean = np.abs(getattr(pca, "mean_", 0.0))
    terms = (np.abs(x) + mean) @ np.abs(pca.components_).T
    if getattr(pca, "whiten", False):
        terms /= np.maximum(np.sqrt(pca.explained_variance_), EPS)
    return terms


def projection_inverse_terms(pca: Any, z: np.ndarray, x: np.ndarray) -> np.ndarray:
    sizes = np.abs(z)
    if getattr(pca, "whiten", False):
        # Below eps scikit-learn divides by eps but does not multiply by it: that far our
        # inverse, which undoes what was done, differs.
        sizes = sizes * (np.sqrt(pca.explained_variance_) + 1.0)
    return sizes @ np.abs(pca.components_) + np.abs(getattr(pca, "mean_", 0.0))


def spline_terms(transformer: Any, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Polynomials: far from the knots the terms of a row are as large as its largest result."""
    return np.broadcast_to(16.0 * (1.0 + np.abs(z).max(axis=1, keepdims=True)), z.shape)


def normal_quantile_terms(transformer: Any, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A probability near 1, through the slope of the normal quantile function."""
    return np.abs(z) + np.sqrt(2 * np.pi) * np.exp(0.5 * z**2)


def quantile_inverse_terms(transformer: Any, z: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.abs(x) + np.abs(transformer.quantiles_).max(axis=0)


def power_terms(transformer: Any, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Exponents are rounded before they are raised."""
    lambda_, u = power_exponents(transformer, x)
    y = np.exp(lambda_ * u) * (1.0 + np.abs(lambda_ * u)) / np.abs(lambda_) + np.abs(u)
    return np.abs(z) + y / power_scale(transformer)


def power_inverse_terms(transformer: Any, z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """scikit-learn raises ``1 + lambda z`` to ``1 / lambda``, which near 0 costs digits."""
    lambda_, u = power_exponents(transformer, x)
    y = np.exp(lambda_ * u)
    cost = (1.0 + np.abs(y - 1.0) / y) / np.abs(lambda_) + 2.0 * np.abs(u) + 1.0
    # The standardised number is brought back first, and rounded.
    mean = np.abs(transformer._scaler.mean_) if transformer.standardize else 0.0
    return (1.0 + np.abs(x)) * (cost + mean / y)


def power_exponents(transformer: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if transformer.method == "box-cox":
        lambda_ = np.broadcast_to(transformer.lambdas_, x.shape)
        u = np.log(x)
    else:
        lambda_ = np.where(x < 0, 2.0 - transformer.lambdas_, transformer.lambdas_)
        u = np.log1p(np.abs(x))
    # Where it counts as 0, scikit-learn takes the logarithm or exponential itself.
    return np.where(np.abs(lambda_) < EPS, 1.0, lambda_), u


def power_scale(transformer: Any) -> Any:
    return transformer._scaler.scale_ if transformer.standardize else 1.0


@dataclass(frozen=True)
class Law:
    """A transformer, the numbers it is for, and the terms that it rounds."""

    transformer: Any
    terms: Callable[..., np.ndarray] = own_terms
    inverse_terms: Callable[..., np.ndarray] = own_terms
    is_positive: bool = False
    takes_nan: bool = False
    takes_unknown: bool = True
    takes_integers: bool = True

    def __str__(self) -> str:
        return " ".join(repr(self.transformer).split())


each = preprocessing
power = {"terms": power_terms, "inverse_terms": power_inverse_terms, "takes_nan": True}
quantile = {"inverse_terms": quantile_inverse_terms, "takes_nan": True}
projection = {"terms": projection_terms, "inverse_terms": projection_inverse_terms}
min_max = {"terms": min_max_terms, "inverse_terms": min_max_inverse_terms, "takes_nan": True}
LAWS = [
    Law(each.StandardScaler(), takes_nan=True),
    Law(each.StandardScaler(with_std=False), takes_nan=True),
    Law(each.MinMaxScaler(), **min_max),
    Law(each.MinMaxScaler((-1, 2), clip=True), **min_max),
    Law(each.MaxAbsScaler(), takes_nan=True),
    Law(each.RobustScaler(), takes_nan=True),
    Law(sks.RobustScaler(), takes_nan=True),
    Law(sks.SquashingScaler(), takes_nan=True),
    Law(each.PowerTransformer(), **power),
    Law(each.PowerTransformer(standardize=False), **power),
    Law(each.PowerTransformer("box-cox"), is_positive=True, **power),
    Law(each.QuantileTransformer(n_quantiles=20), **quantile),
    Law(each.QuantileTransformer(n_quantiles=30), **quantile),
    Law(
        each.QuantileTransformer(n_quantiles=15, output_distribution="normal"),
        normal_quantile_terms,
        **quantile,
    ),
    Law(each.Normalizer("l1")),
    Law(each.Normalizer("l2")),
    Law(each.Normalizer("max")),
    Law(each.Binarizer(threshold=0.5)),
    Law(each.KBinsDiscretizer(4, encode="ordinal", strategy="uniform")),
    Law(each.KBinsDiscretizer(3, encode="onehot", quantile_method="averaged_inverted_cdf")),
    Law(each.PolynomialFeatures(3)),
    *[
        Law(each.SplineTransformer(4, degree=degree, extrapolation=extrapolation), spline_terms)
        for degree in (2, 3)
        for extrapolation in ("constant", "linear", "continue", "periodic")
    ],
    *[
        Law(each.SplineTransformer(4, knots="quantile", extrapolation=extrapolation), spline_terms)
        for extrapolation in ("constant", "linear", "continue")
    ],
    Law(each.SplineTransformer(4, extrapolation="error"), spline_terms, takes_unknown=False),
    # NumPy's logarithm of an int8 is a float16.
    Law(each.FunctionTransformer(np.log1p, np.expm1), is_positive=True, takes_integers=False),
    Law(impute.SimpleImputer(strategy="median", add_indicator=True), takes_nan=True),
    Law(each.OneHotEncoder(handle_unknown="ignore"), takes_nan=True),
    Law(each.OneHotEncoder(drop="first"), takes_nan=True, takes_unknown=False),
    Law(each.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), takes_nan=True),
    Law(decomposition.PCA(2), **projection),
    Law(decomposition.PCA(2, whiten=True), **projection),
    Law(decomposition.IncrementalPCA(2), **projection),
    Law(decomposition.TruncatedSVD(2, random_state=0), **projection),
    Law(feature_selection.VarianceThreshold(), takes_nan=True),
]

DRAWS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(size=(n, COLUMNS)),
    "heavy tails": lambda rng, n: rng.standard_t(1, size=(n, COLUMNS)),
    "codes": lambda rng, n: rng.integers(-3, 4, size=(n, COLUMNS)).astype(float),
    "ties": lambda rng, n: np.round(rng.normal(size=(n, COLUMNS)), 1),
    "constant": lambda rng, n: np.column_stack([rng.normal(size=n), np.ones(n), np.zeros(n)]),
}


@dataclass(frozen=True)
class Regime:
    """Where data lie, how far they spread and how, and their dtype."""

    seed: int
    kind: str
    offset: float
    spread: float
    has_nan: bool
    dtype: str

    def draw(self, law: Law) -> tuple[np.ndarray, np.ndarray]:
        """Return training rows, and rows to transform: those, others, and some far away."""
        rng = np.random.default_rng(self.seed)
        X = self.offset + self.spread * DRAWS[self.kind](rng, 30)
        if law.is_positive:
            X = np.abs(X) + max(1e-3 * self.spread, 1.0 if self.is_integer else 0.0)
        X = self.rounded(X)
        if self.has_nan and law.takes_nan and not self.is_integer:
            X = np.where(rng.random(X.shape) < 0.1, np.nan, X)
        if not law.takes_unknown:
            return X, X[::-1]
        centre = np.nanmedian(X, axis=0)
        others = X + 0.3 * self.spread, centre + 5.0 * (X - centre), X[:, ::-1]
        rows = self.rounded(np.concatenate([X, *others]))
        return X, np.abs(rows) if law.is_positive else rows

    @property
    def is_integer(self) -> bool:
        return np.dtype(self.dtype).kind == "i"

    def rounded(self, x: np.ndarray) -> np.ndarray:
        """Return the numbers of the dtype next to these, in float64."""
        limits = np.iinfo(self.dtype) if self.is_integer else np.finfo(self.dtype)
        largest = np.nextafter(float(limits.max), 0.0)
        cut = np.clip(np.rint(x) if self.is_integer else x, -largest, largest)
        return cut.astype(self.dtype).astype(np.float64)


seeds = st.integers(0, 2**32 - 1)
regimes = st.builds(
    Regime,
    seed=seeds,
    kind=st.sampled_from(sorted(DRAWS)),
    offset=st.one_of(st.sampled_from([0.0, 1.0, 1e5, -1e9, 1e9]), st.floats(-1e9, 1e9)),
    spread=st.one_of(st.just(1.0), st.floats(-12, 12).map(lambda exponent: 10.0**exponent)),
    has_nan=st.booleans(),
    dtype=st.sampled_from(["float64", "float64", "float32", "float16", "int64", "int8"]),
)


def called(model: Any, x: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x))


@contextmanager
def unheard():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def asked(estimator: Any, method: str, rows: np.ndarray) -> Any:
    """Return what scikit-learn makes of the rows; None where it has no way or refuses them."""
    try:
        with unheard():
            result = getattr(estimator, method)(rows)
        if result is estimator:  # fitted
            return result
        # A category that became one of many has no number.
        return np.asarray(result.todense() if hasattr(result, "todense") else result, np.float64)
    except (AttributeError, ValueError, IndexError, RuntimeError):
        return None


def assert_near(found: Any, expected: Any, unit: Any, terms: np.ndarray) -> None:
    """Assert that they differ by 1e-12 of the unit and four roundings of the terms at most."""
    found = np.asarray(found)
    with np.errstate(all="ignore"):
        is_near = np.abs(found - expected) <= 1e-12 * unit + 4 * EPS * terms
    is_same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    worst = np.argwhere(~(is_near | is_same))[:1]
    assert not len(worst), (worst, found[tuple(worst[0])], expected[tuple(worst[0])])


def spread_of(values: np.ndarray) -> np.ndarray:
    with unheard():
        deviation = np.nanstd(np.where(np.isfinite(values), values, np.nan), axis=0)
    return np.where(deviation > 0, deviation, 1.0)


def hard_rows(law: Law, fitted: Any, regime: Regime) -> np.ndarray:
    """Return rows that the map holds for hard: knots, edges, categories, missing values."""
    with unheard():
        rows = typical_rows(map_of(fitted), (COLUMNS,))[:60]
    takes_nan = law.takes_nan and not regime.is_integer
    keep = ~np.isinf(rows) & (takes_nan | ~np.isnan(rows)) & law.takes_unknown
    return regime.rounded(rows[keep.all(axis=1)])


@pytest.mark.parametrize(
    "law", [law for law in LAWS if not (IS_OLD and "Spline" in str(law))], ids=str
)
@given(regime=regimes)
def test_the_host_equals_scikit_learn(law, regime):
    X, rows = regime.draw(law)
    fitted = asked(clone(law.transformer), "fit", X)
    assume(fitted is not None)
    map_, rows = map_of(fitted), np.concatenate([rows, hard_rows(law, fitted, regime)])
    # scikit-learn computes in the float that it is given, and on integers in float64.
    given = rows.astype(regime.dtype) if regime.is_integer and law.takes_integers else rows
    expected = asked(fitted, "transform", given)
    assume(expected is not None)
    unit = spread_of(asked(fitted, "transform", X))
    with unheard():
        found = map_.forward(rows, np)
        assert_near(found, expected, unit, law.terms(fitted, rows, expected))
    Z = expected[np.isfinite(expected).all(axis=1) | law.takes_nan]
    expected = asked(fitted, "inverse_transform", Z)
    if expected is not None:
        with unheard():
            found = np.asarray(map_.inverse(Z, np))
            assert_near(found, expected, spread_of(X), law.inverse_terms(fitted, Z, found))


# Where scikit-learn's own sum loses digits, ours is the closer one.


@given(offset=st.floats(-1e9, 1e9), seed=seeds)
@example(offset=1e9, seed=0)
def test_our_min_max_is_exact_where_scikit_learns_multiplies_and_adds(offset, seed):
    X = offset + np.random.default_rng(seed).normal(size=(9, 1))
    fitted = preprocessing.MinMaxScaler((-1, 2)).fit(X)
    own = sks.MinMaxScaler((-1, 2)).fit(X)
    low, high = Fraction(fitted.data_min_[0]), Fraction(fitted.data_max_[0])
    exact = [(Fraction(x) - low) / (high - low) * 3 - 1 for x in X[:, 0]]
    ours, theirs = (
        max(abs(float(Fraction(z) - e)) for z, e in zip(Z[:, 0], exact, strict=True))
        for Z in (map_of(own).forward(X, np), fitted.transform(X))
    )
    assert ours <= 4 * EPS * 2  # roundings of numbers up to 2
    assert theirs <= ours + 4 * EPS * (abs(fitted.min_[0]) + 2)  # of the product, and the sum
    if abs(offset) > 1e6:
        assert theirs > 100 * ours
    np.testing.assert_array_equal(map_of(fitted).forward(X, np), fitted.transform(X))


@given(offset=st.floats(-1e9, 1e9), seed=seeds)
@example(offset=1e9, seed=0)
def test_pca_is_exact_where_scikit_learn_subtracts_projections(offset, seed):
    X = offset + np.random.default_rng(seed).normal(size=(9, COLUMNS))
    fitted = decomposition.PCA(2).fit(X)
    mean, components = (np.vectorize(Fraction)(a) for a in (fitted.mean_, fitted.components_))
    exact = (np.vectorize(Fraction)(X) - mean) @ components.T
    ours, theirs = (
        np.abs((np.vectorize(Fraction)(Z) - exact).astype(float)).max()
        for Z in (map_of(fitted).forward(X, np), fitted.transform(X))
    )
    assert ours <= 4 * EPS * np.abs(X - fitted.mean_).sum(axis=1).max()
    if abs(offset) > 1e6:
        assert theirs > 100 * ours


near_limits = st.builds(
    lambda limit, sign, exponent: limit + sign * 10.0**exponent,
    limit=st.sampled_from([0.0, 2.0]),
    sign=st.sampled_from([-1.0, 0.0, 1.0]),
    exponent=st.floats(-20, 0.5),
)


def with_lambda(lambda_: float, method: str) -> Any:
    """Return a power transformer whose exponent is set by hand."""
    fitted = preprocessing.PowerTransformer(method, standardize=False).fit([[1.0], [2.0], [4.0]])
    fitted.lambdas_ = np.array([lambda_])
    return fitted


@given(lambda_=near_limits, method=st.sampled_from(["yeo-johnson", "box-cox"]), seed=seeds)
@example(lambda_=0.0, method="yeo-johnson", seed=0)
@example(lambda_=2.0, method="yeo-johnson", seed=0)
@example(lambda_=0.0, method="box-cox", seed=0)
def test_powers_near_the_limits_where_they_become_logarithms(lambda_, method, seed):
    fitted, law = with_lambda(lambda_, method), Law(None, **power)
    x = np.random.default_rng(seed).normal(size=(40, 1)) * 3.0
    x = np.exp(x) if method == "box-cox" else np.append(x, [[0.0]], axis=0)
    z, expected = map_of(fitted).forward(x, np), asked(fitted, "transform", x)
    assert_near(z, expected, 1.0, law.terms(fitted, x, expected))
    back, expected = map_of(fitted).inverse(z, np), asked(fitted, "inverse_transform", z)
    assert_near(back, expected, 1.0, law.inverse_terms(fitted, z, x))


@pytest.mark.skipif(np.finfo(np.longdouble).eps == EPS, reason="no float wider than float64")
@given(lambda_=near_limits, seed=seeds)
@example(lambda_=1e-9, seed=0)
@example(lambda_=2 - 1e-9, seed=0)
def test_yeo_johnson_keeps_digits_where_scikit_learn_raises_to_large_powers(lambda_, seed):
    fitted = with_lambda(lambda_, "yeo-johnson")
    x = np.random.default_rng(seed).normal(size=(20, 1)) * 3.0
    z = fitted.transform(x)
    exponent = np.where(z < 0, np.longdouble(2.0) - lambda_, np.longdouble(lambda_))
    exponent[np.abs(exponent) < EPS] = 1e-30  # its limit, to more digits than are compared
    y = np.abs(z) * exponent
    exact = np.sign(z) * np.expm1(np.log1p(y) / exponent)
    ours = np.abs(map_of(fitted).inverse(z, np) - exact)
    # Roundings of y, of its logarithm and of the quotient, which the exponential passes on.
    rounded = np.abs(z) / (1.0 + y) + 2.0 * np.log1p(np.abs(x)) + 1.0
    assert (ours <= 4 * EPS * rounded * (1.0 + np.abs(x))).all()
    if not IS_OLD and 1e-12 < min(abs(lambda_), abs(lambda_ - 2.0)) < 1e-6:
        theirs = np.abs(asked(fitted, "inverse_transform", z) - exact)
        assert theirs.max() > 100 * ours.max()


# Graphs


def named(part: str) -> Law:
    return next(law for law in LAWS if part in str(law))


@needs_float64
@settings(max_examples=12)
@given(law=st.sampled_from(LAWS), regime=regimes)
@example(law=named("extrapolation='error'"), regime=Regime(0, "normal", 0.0, 1.0, False, "float64"))
@example(law=named("strategy='uniform'"), regime=Regime(0, "constant", 0.0, 1.0, False, "float64"))
def test_the_graph_is_certified(law, regime):
    X, rows = regime.draw(law)
    fitted = asked(clone(law.transformer), "fit", X)
    assume(fitted is not None)
    Z, expected = (asked(fitted, "transform", each) for each in (X, rows))
    assume(expected is not None and np.nanmax(np.abs(expected), initial=0.0) < 1e30)
    model, unit = to_keras(fitted), spread_of(Z)
    is_exact = model.input.dtype == "float64"
    with unheard():
        if is_exact:  # but for outputs in float32
            terms = law.terms(fitted, rows, expected) + HALF_STEP / EPS * np.abs(expected)
            assert_near(called(model, rows), expected, 1e4 * unit, terms)
        costs = 4 * EPS * law.terms(fitted, X, Z) / unit
    # A column that is nothing but roundings has no unit to measure in.
    assume(np.nanmax(costs, initial=0.0) < 1e-8)
    # Outputs are up to 25 standard deviations. Inputs in float32 may cost 1e-4.
    allowed = 25 * HALF_STEP + 2e-8 + (0.0 if is_exact else FLOAT32_TOLERANCE)
    assert certify(fitted, model).within <= allowed


@needs_float64
@settings(max_examples=12)
@given(law=st.sampled_from(LAWS), regime=regimes)
def test_the_inverse_graph_equals_the_host(law, regime):
    X, rows = regime.draw(law)
    fitted = asked(clone(law.transformer), "fit", X)
    assume(fitted is not None)
    Z = asked(fitted, "transform", rows)
    assume(Z is not None and np.isfinite(Z).all())
    assume(asked(fitted, "inverse_transform", Z) is not None)
    with unheard():
        expected = np.asarray(map_of(fitted).inverse(Z, np))
        found = called(to_keras(fitted, inverse=True, dtype="float64"), Z)
        # Logarithms and exponentials of the backends are a few roundings apart.
        terms = 4 * (law.inverse_terms(fitted, Z, expected) + np.abs(expected))
        assert_near(found, expected, spread_of(X), terms)


@needs_float64
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_integers_lose_no_digits(dtype):
    largest = min(np.iinfo(dtype).max, 2**53)  # what a float64 tells apart
    X = largest - np.arange(12).reshape(4, 3)
    fitted = preprocessing.MinMaxScaler().fit(X)
    model = to_keras(fitted, dtype=dtype)
    assert model.input.dtype == dtype
    np.testing.assert_allclose(
        called(model, X.astype(dtype)), map_of(fitted).forward(X, np), atol=HALF_STEP
    )


# Gradients


def gradient(function: Callable[[Any, Any], Any], x: np.ndarray) -> np.ndarray:
    """Return the gradient of the sum of what a map's function returns, and of ``x``."""

    def total(x: Any) -> Any:  # of x too, so that a gradient exists where the function is flat
        return keras.ops.sum(function(x, keras.ops)) + keras.ops.sum(x)

    if BACKEND == "tensorflow":
        import tensorflow as tf

        tensor = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            result = total(tensor)
        return tape.gradient(result, tensor).numpy()
    if BACKEND == "jax":
        import jax

        # In one piece: each operation would be compiled on its own, and for each shape.
        return np.asarray(jax.jit(jax.grad(total))(jax.numpy.asarray(x)))
    import torch

    tensor = torch.tensor(x, requires_grad=True)
    total(tensor).backward()
    return tensor.grad.numpy()


def points(case: Any, map_: Any) -> np.ndarray:
    """Return finite rows to differentiate at: of the data, zeros, and where the map has corners."""
    X = np.asarray(case.X, dtype=np.float64)
    hard = [typical_rows(map_, X.shape[1:], spread=spread)[:80] for spread in (1.0, 3.0)]
    rows = np.concatenate([X, *hard, np.zeros_like(X[:1]), np.ones_like(X[:1]), -X[:3]])
    if (X > 0).all():  # logarithms and roots are for positive numbers
        rows = rows[(rows > 0).all(axis=1)]
    return rows[are_finite(rows)].astype(WIDEST)


def are_finite(rows: np.ndarray) -> np.ndarray:
    """Return which rows have finite numbers alone."""
    found: np.ndarray = np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
    return found


def some(rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return 64 of the rows that are kept: JAX compiles anew for each number of them."""
    rows = rows[kept]
    return rows[np.linspace(0, len(rows) - 1, 64).astype(int)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gradients_are_finite(case):
    fitted = case.fitted()
    map_ = map_of(fitted)
    with unheard():
        x = points(case, map_)
        z = np.asarray(map_.forward(x, np), dtype=WIDEST)
    assert np.isfinite(gradient(map_.forward, some(x, are_finite(z)))).all()
    if asked(fitted, "inverse_transform", z[are_finite(z)]) is not None:
        with unheard():
            z = np.concatenate([z, np.zeros_like(z)])
            back = map_.inverse(z, np)
        assert np.isfinite(gradient(map_.inverse, some(z, are_finite(back)))).all()


@pytest.mark.parametrize("lambda_", [-1.0, 0.0, 1e-12, 1.0, 2.0, 3.0])
def test_gradients_of_powers_are_theirs(lambda_):
    map_ = Power([lambda_], is_signed=True)
    x = np.array([[-3.0], [-1e-9], [0.0], [1e-9], [3.0]], dtype=WIDEST)
    slope = (1.0 + np.abs(x)) ** np.where(x < 0, 1.0 - lambda_, lambda_ - 1.0)
    found = gradient(map_.forward, x) - 1.0  # the sum of x itself
    np.testing.assert_allclose(found, slope, rtol=100 * np.finfo(WIDEST).eps)
    z = map_.forward(x, np).astype(WIDEST)
    found = gradient(map_.inverse, z) - 1.0
    np.testing.assert_allclose(found, 1.0 / slope, rtol=1000 * np.finfo(WIDEST).eps)
