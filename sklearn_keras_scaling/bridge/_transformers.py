"""The maps of scikit-learn's transformers, and of our scalers."""

from __future__ import annotations

import warnings
from math import factorial
from typing import Any

import numpy as np
from sklearn import decomposition, preprocessing
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer

from .. import scalers
from .._optional import keras
from ..exceptions import UnsupportedTransformerError
from ..maps import (
    Affine,
    Bins,
    Chain,
    Codes,
    Function,
    Impute,
    Map,
    Monomials,
    Normalize,
    OneHot,
    Piecewise,
    Power,
    Project,
    Quantiles,
    Take,
    Threshold,
)
from ..scalers._local import local_map
from ..scalers._maps import max_abs_map, min_max_map, robust_map, squashing_map, standard_map
from ._registry import function_pair, register_map

for module in (preprocessing, scalers):
    register_map(module.StandardScaler)(standard_map)
    register_map(module.MinMaxScaler)(min_max_map)
    register_map(module.MaxAbsScaler)(max_abs_map)
    register_map(module.RobustScaler)(robust_map)
register_map(scalers.SquashingScaler)(squashing_map)
register_map(scalers.LocalStandardScaler)(local_map)


@register_map(SelectorMixin)
def selector_map(selector: Any) -> Map:
    """Return the map of any fitted feature selector."""
    return Take(tuple(selector.get_support(indices=True).tolist()), selector.n_features_in_)


@register_map(preprocessing.PowerTransformer)
def power_map(transformer: Any) -> Map:
    """Return the map of a fitted ``PowerTransformer``."""
    power = Power(transformer.lambdas_, is_signed=transformer.method == "yeo-johnson")
    # The scaler has no public name.
    return Chain((power, standard_map(transformer._scaler))) if transformer.standardize else power


@register_map(preprocessing.QuantileTransformer)
def quantile_map(transformer: Any) -> Map:
    """Return the map of a fitted ``QuantileTransformer``."""
    return Quantiles(
        np.transpose(transformer.quantiles_),
        transformer.references_,
        is_normal=transformer.output_distribution == "normal",
    )


@register_map(preprocessing.Normalizer)
def normalizer_map(normalizer: Any) -> Map:
    """Return the map of a ``Normalizer``."""
    return Normalize(normalizer.norm)


@register_map(preprocessing.Binarizer)
def binarizer_map(binarizer: Any) -> Map:
    """Return the map of a ``Binarizer``."""
    return Threshold(binarizer.threshold)


@register_map(preprocessing.PolynomialFeatures)
def polynomial_map(transformer: Any) -> Map:
    """Return the map of fitted ``PolynomialFeatures``."""
    powers = transformer.powers_
    n_features, degree = powers.shape[1], max(1, int(powers.sum(axis=1).max(initial=0)))
    factors = np.full((len(powers), degree), n_features, dtype=np.int32)
    for row, exponents in zip(factors, powers, strict=True):
        chosen = np.repeat(np.arange(n_features), exponents)
        row[: len(chosen)] = chosen
    return Monomials(factors)


@register_map(preprocessing.SplineTransformer)
def spline_map(transformer: Any) -> Map:
    """Return the map of a fitted ``SplineTransformer``."""
    if getattr(transformer, "handle_missing", "error") == "zeros":
        raise _refused(transformer, 'handle_missing="zeros"')
    is_linear = transformer.extrapolation == "linear"
    if is_linear and transformer.degree < 2 and transformer.n_features_in_ > 1:
        raise _refused(
            transformer,
            f'degree={transformer.degree} and extrapolation="linear" for several columns, where '
            "scikit-learn counts the degree up from column to column: use another extrapolation, "
            "or one transformer a column",
        )
    splines = transformer.bsplines_
    pieces = [_pieces(spline, transformer.extrapolation) for spline in splines]
    knots = [spline.t[spline.k : -spline.k or None].copy() for spline in splines]
    period = None
    if transformer.extrapolation == "periodic":
        period = np.array([np.ptp(each) or 1.0 for each in knots])  # a constant column has none
    elif transformer.extrapolation == "error" or transformer.degree == 0:
        for each in knots:
            each[-1] = np.nextafter(each[-1], np.inf)  # the last knot itself is not beyond
    map_: Map = Piecewise(
        knots,
        np.stack([origins for origins, _ in pieces]),
        np.stack([coefficients for _, coefficients in pieces], axis=1),
        period,
    )
    if transformer.include_bias:
        return map_
    n_splines = splines[0].c.shape[1]
    every = np.arange(n_splines * len(splines))
    kept = every[(every + 1) % n_splines != 0]
    return Chain((map_, Take(tuple(kept.tolist()), len(every))))


def _pieces(spline: Any, extrapolation: str) -> tuple[np.ndarray, np.ndarray]:
    """Return origins and coefficients of the polynomials of a spline, the two outer ones added."""
    first, last = spline.t[spline.k], spline.t[-spline.k - 1]
    if extrapolation == "continue":  # below, where repeated first knots make it another piece
        first = np.nextafter(first, -np.inf)
    inner = spline.t[spline.k : -spline.k - 1]
    origins = np.concatenate([[first], inner, [last]])
    orders = range(max(spline.k, 1) + 1)
    coefficients = np.array([spline(origins, nu=m) / factorial(m) for m in orders])
    if extrapolation == "continue":  # the last piece goes on as the one before it
        origins[-1], coefficients[:, -1] = origins[-2], coefficients[:, -2]
    elif extrapolation == "error":
        coefficients[:, [0, -1]] = np.nan
    elif extrapolation in ("constant", "linear"):
        degree = 0 if extrapolation == "constant" else 1
        coefficients[degree + 1 :, [0, -1]] = 0.0
        # scikit-learn extends these alone; with repeated knots others are not 0 there.
        n_extended = spline.k + (degree if spline.k <= 1 else 0)
        coefficients[:, 0, n_extended:] = 0.0
        coefficients[:, -1, : coefficients.shape[-1] - n_extended] = 0.0
    return origins, coefficients


@register_map(preprocessing.KBinsDiscretizer)
def bins_map(transformer: Any) -> Map:
    """Return the map of a fitted ``KBinsDiscretizer``."""
    maps: list[Map] = [Bins(transformer.bin_edges_, are_values=transformer.strategy == "quantile")]
    if transformer.dtype == np.float32:  # numbers are rounded before they are compared
        maps.insert(0, AS_FLOAT32)
    if transformer.encode != "ordinal":
        numbers = [np.arange(n, dtype=np.float64) for n in transformer.n_bins_]
        maps.append(OneHot(numbers, np.full(len(numbers), np.nan)))
    return Chain(tuple(maps))


def _same(x: Any) -> Any:
    return x


def _rounded(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32).astype(np.float64)


def _rounded_tensor(x: Any) -> Any:
    return keras.ops.cast(keras.ops.cast(x, "float32"), x.dtype)


#: Numbers rounded to float32, and not brought back.
AS_FLOAT32 = Function((_rounded, _rounded_tensor), (_same, _same), way_back=_same)


@register_map(preprocessing.OrdinalEncoder)
def ordinal_map(encoder: Any) -> Map:
    """Return the map of a fitted ``OrdinalEncoder`` of numbers."""
    _check_numeric(encoder)
    codes = [
        _encoded(encoder, column, categories)[:, column]
        for column, categories in enumerate(encoder.categories_)
    ]
    unknown = encoder.unknown_value if encoder.handle_unknown == "use_encoded_value" else np.nan
    # Of the infrequent ones, which share a code, the inverse lists none.
    listed = [
        np.asarray(categories, dtype=np.float64)[_counts(own) <= 1]
        for categories, own in zip(encoder.categories_, codes, strict=True)
    ]
    unknown = np.full(len(codes), unknown, dtype=np.float64)
    return Codes(encoder.categories_, codes, unknown, listed)


def _counts(codes: np.ndarray) -> np.ndarray:
    """Return how often each code is there; 0 of NaN, which only a missing value has."""
    return np.sum(codes[:, None] == codes, axis=1)


@register_map(preprocessing.OneHotEncoder)
def one_hot_map(encoder: Any) -> Map:
    """Return the map of a fitted ``OneHotEncoder`` of numbers."""
    _check_numeric(encoder)
    lengths = encoder._n_features_outs  # in no public attribute
    codes, unknown, fallback = [], [], []  # type: list[Any], list[float], list[float]
    for column, categories in enumerate(encoder.categories_):
        place = slice(sum(lengths[:column]), sum(lengths[: column + 1]))
        found = _codes(_encoded(encoder, column, categories)[:, place])
        codes.append(found)
        unknown.append(_unknown_code(encoder, column, place))
        dropped = np.flatnonzero(found == -1.0)
        fallback.append(-1.0 if len(dropped) == 1 else np.nan)
    columns = [np.arange(n, dtype=np.float64) for n in lengths]
    return Chain((Codes(encoder.categories_, codes, unknown), OneHot(columns, fallback)))


def _codes(rows: np.ndarray) -> np.ndarray:
    """Return the place of the 1 in each row, -1 where there is none."""
    if not rows.shape[1]:
        return np.full(len(rows), -1.0)
    return np.where(rows.any(axis=1), rows.argmax(axis=1), -1.0)


def _unknown_code(encoder: Any, column: int, place: slice) -> float:
    if encoder.handle_unknown == "error":
        return np.nan
    largest = np.nanmax(np.asarray(encoder.categories_[column], dtype=np.float64), initial=0.0)
    other = np.nextafter(largest, np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says what is asked of it here
        return float(_codes(_encoded(encoder, column, np.array([other]))[:, place])[0])


def _encoded(encoder: Any, column: int, values: np.ndarray) -> np.ndarray:
    """Return what the encoder makes of these values of a column."""
    kinds = {np.asarray(categories).dtype.kind for categories in encoder.categories_}
    dtype = object if "O" in kinds else np.float64
    rows = np.empty((len(values), encoder.n_features_in_), dtype=dtype)
    rows[:] = [categories[0] for categories in encoder.categories_]
    rows[:, column] = values
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        encoded = encoder.transform(rows)
    return np.asarray(encoded.todense() if hasattr(encoded, "todense") else encoded)


def _check_numeric(encoder: Any) -> None:
    names = getattr(encoder, "feature_names_in_", range(encoder.n_features_in_))
    for name, categories in zip(names, encoder.categories_, strict=True):
        try:
            numbers = np.asarray(categories, dtype=np.float64)
        except (TypeError, ValueError):
            what = "whose categories are no numbers: encode them before"
            raise _refused(encoder, f"column {name!r}, {what}") from None
        if np.asarray(categories).dtype.kind in "SU":  # text that reads as numbers
            what = "whose categories are text: convert them to numbers before"
            raise _refused(encoder, f"column {name!r}, {what}")
        if np.asarray(categories).dtype.kind != "f" and np.max(np.abs(numbers)) > 2**53:
            what = "whose integers are beyond 2**53, where float64 joins them: number them before"
            raise _refused(encoder, f"column {name!r}, {what}")


def _refused(transformer: Any, what: str) -> UnsupportedTransformerError:
    return UnsupportedTransformerError(
        f"{type(transformer).__name__} has no form as Keras operations with {what}."
    )


@register_map(SimpleImputer)
def imputer_map(imputer: Any) -> Map:
    """Return the map of a fitted ``SimpleImputer`` of numbers."""
    try:
        missing = float(imputer.missing_values)
        statistics = np.asarray(imputer.statistics_, dtype=np.float64)
    except (TypeError, ValueError):
        raise _refused(imputer, "values that are no numbers") from None
    indicated = tuple(imputer.indicator_.features_.tolist()) if imputer.add_indicator else None
    return Impute(statistics, missing, indicated)


@register_map(decomposition.PCA)
@register_map(decomposition.IncrementalPCA)
def pca_map(pca: Any) -> Map:
    """Return the map of a fitted ``PCA``."""
    deviations = np.sqrt(np.asarray(pca.explained_variance_, dtype=np.float64))
    project = Project(pca.components_, pca.mean_, deviations)
    if not pca.whiten:
        return project
    least = np.finfo(pca.explained_variance_.dtype).eps  # as scikit-learn does
    return Chain((project, Affine(0.0, np.maximum(deviations, least))))


@register_map(decomposition.TruncatedSVD)
def svd_map(svd: Any) -> Map:
    """Return the map of a fitted ``TruncatedSVD``."""
    return Project(svd.components_, 0.0)


#: Inverses of what is often given without one.
_WAYS_BACK: dict[Any, Any] = {
    np.log: np.exp,
    np.log1p: np.expm1,
    np.log2: np.exp2,
    np.log10: lambda z: 10.0**z,
    np.sqrt: np.square,
    np.exp: np.log,
    np.expm1: np.log1p,
}


@register_map(preprocessing.FunctionTransformer)
def function_map(transformer: Any) -> Map:
    """Return the map of a ``FunctionTransformer`` of functions that are known."""
    return Function(
        function_pair(transformer.func, transformer.kw_args or {}),
        function_pair(transformer.inverse_func, transformer.inv_kw_args or {}),
        way_back=_WAYS_BACK.get(transformer.func),
    )
