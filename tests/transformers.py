"""Every supported transformer, with data that it is meant for; ``test_transformers.py`` runs them.

``python -m tests.transformers`` writes the table of ``docs/transformers.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, log10
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import compose, decomposition, feature_selection, impute, pipeline, preprocessing

import sklearn_keras_scaling as sks
from sklearn_keras_scaling.bridge import map_of

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(80, 3)) * [1.0, 10.0, 0.1] + [5.0, 0.0, -2.0]
POSITIVE = np.exp(RNG.normal(size=(80, 3)))
SKEWED = np.sign(NORMAL) * np.abs(NORMAL) ** 1.5
CODES = np.column_stack(
    [RNG.integers(0, 3, 80), RNG.choice([10, 20, 50, 90], 80), np.arange(80) % 2]
)
CODES = CODES.astype(float)
MISSING = np.where(RNG.random((80, 3)) < 0.2, np.nan, NORMAL)
TIED = np.round(NORMAL)
SERIES = np.random.default_rng(1).normal(size=(80, 12, 2))
FRAME = pd.DataFrame({"age": POSITIVE[:, 0], "income": 1e3 * POSITIVE[:, 1], "site": CODES[:, 1]})


@dataclass(frozen=True)
class Case:
    """A transformer and data to fit it on."""

    name: str
    transformer: Any
    X: Any
    y: Any = None

    def fitted(self) -> Any:
        return self.transformer.fit(self.X, self.y)


def _cases() -> list[Case]:
    y = NORMAL[:, 0] + NORMAL[:, 1]
    labels = (y > 5).astype(int)
    log = preprocessing.FunctionTransformer(np.log1p, np.expm1)
    each = preprocessing
    named = [
        *[(scaler, NORMAL) for module in (each, sks) for scaler in _scalers(module)],
        (sks.SquashingScaler(), SKEWED),
        (sks.LocalStandardScaler([3, 0]), SERIES),
        (sks.LocalStandardScaler(2, ddof=1, padding="reflect", axis=None), NORMAL),
        (each.PowerTransformer(), SKEWED),
        (each.PowerTransformer(standardize=False), SKEWED),
        (each.PowerTransformer("box-cox"), POSITIVE),
        (each.PowerTransformer("box-cox", standardize=False), POSITIVE),
        (each.QuantileTransformer(n_quantiles=30), NORMAL),
        (each.QuantileTransformer(n_quantiles=30, output_distribution="normal"), NORMAL),
        (each.QuantileTransformer(n_quantiles=80), TIED),
        (each.QuantileTransformer(n_quantiles=1), NORMAL),
        (each.Normalizer("l1"), NORMAL),
        (each.Normalizer("l2"), NORMAL),
        (each.Normalizer("max"), NORMAL),
        (each.Binarizer(threshold=0.5), NORMAL),
        (
            each.KBinsDiscretizer(5, encode="ordinal", quantile_method="linear"),
            NORMAL,
        ),
        (each.KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"), NORMAL),
        (each.KBinsDiscretizer(3, encode="onehot", strategy="uniform"), NORMAL),
        (each.PolynomialFeatures(3), NORMAL),
        (each.PolynomialFeatures(2, interaction_only=True, include_bias=False), NORMAL),
        *[
            # One column of degree 1: from the second on, scikit-learn 1.9 miscounts the degree.
            (
                each.SplineTransformer(4, degree=degree, extrapolation=extrapolation),
                NORMAL[:, :degree],
            )
            for degree in (1, 3)
            for extrapolation in ("constant", "linear", "continue", "periodic")
        ],
        (each.SplineTransformer(5, knots="quantile", include_bias=False), NORMAL),
        (log, POSITIVE),
        (each.FunctionTransformer(), NORMAL),
        (each.FunctionTransformer(np.sqrt, np.square), POSITIVE),
        (impute.SimpleImputer(), MISSING),
        (impute.SimpleImputer(strategy="median", add_indicator=True), MISSING),
        (impute.SimpleImputer(missing_values=0, strategy="constant", fill_value=-1), CODES),
        (each.OneHotEncoder(), CODES),
        (each.OneHotEncoder(drop="first", sparse_output=False), CODES),
        (each.OneHotEncoder(drop="if_binary", handle_unknown="ignore"), CODES),
        (each.OneHotEncoder(max_categories=3, handle_unknown="infrequent_if_exist"), CODES),
        (each.OrdinalEncoder(), CODES),
        (
            each.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            CODES,
        ),
        (decomposition.PCA(2), NORMAL),
        (decomposition.PCA(3, whiten=True), NORMAL),
        (decomposition.IncrementalPCA(2, whiten=True), NORMAL),
        (decomposition.TruncatedSVD(2), NORMAL),
        (feature_selection.VarianceThreshold(0.5), NORMAL),
        (feature_selection.SelectKBest(feature_selection.f_regression, k=2), NORMAL),
        (pipeline.make_pipeline(log, each.StandardScaler(), decomposition.PCA(2)), POSITIVE),
        (
            pipeline.FeatureUnion(
                [("scaled", each.StandardScaler()), ("pca", decomposition.PCA(1)), ("no", "drop")],
                transformer_weights={"pca": 0.5},
            ),
            NORMAL,
        ),
        (
            compose.ColumnTransformer(
                [("log", log, ["age"]), ("site", each.OneHotEncoder(), ["site"])],
                remainder=sks.RobustScaler(),
                sparse_threshold=0,
            ),
            FRAME,
        ),
        (
            compose.ColumnTransformer(
                [("a", each.MinMaxScaler(), slice(0, 2)), ("b", "drop", [2])],
                remainder="passthrough",
            ),
            NORMAL,
        ),
        (
            compose.ColumnTransformer(
                [("a", each.MinMaxScaler(), [True, False, True]), ("b", "passthrough", [-1])]
            ),
            NORMAL,
        ),
    ]
    return [Case(_name(t), t, X, labels if "Select" in repr(t) else None) for t, X in named]


def _scalers(module: Any) -> list[Any]:
    return [
        module.StandardScaler(),
        module.StandardScaler(with_mean=False),
        module.MinMaxScaler((-1, 2), clip=True),
        module.MaxAbsScaler(),
        module.RobustScaler(),
    ]


def _name(transformer: Any) -> str:
    origin = "" if type(transformer).__module__.startswith("sklearn.") else "our "
    said = re.sub(r"<(ufunc|function) '?(\w+)[^>]*>", r"\2", " ".join(repr(transformer).split()))
    return origin + said


CASES = _cases()

TABLE = Path(__file__).parents[1] / "docs" / "transformers.md"
_HEAD = """\
# What `to_keras` takes

Written by `python -m tests.transformers`; a test compares it with what it finds. "Inverse": whether
`to_keras(..., inverse=True)` has one, as scikit-learn does. "Folds": whether it can move into a
neighbouring layer's weights (`fold`). "Error": the largest difference from scikit-learn that
`certify` sees over the training range of the tests' data, in standardised units, with
`dtype="float64"`, rounded up to a power of ten from 1e-12 on. Outputs in float32, the default,
add half a step of float32: 6e-8 of their size.

skrub's `SquashingScaler` is taken as our own is, without an inverse, which it has not, and its
`TableVectorizer` where all columns are numbers, which it rounds to float32. Any feature selector of
scikit-learn is taken as `SelectKBest` is, a fitted search as its best
estimator, a pipeline, column transformer or union as its parts, and `TransformedTargetRegressor`
around an estimator of this package. Encoders and imputers take numbers alone. Where scikit-learn
raises on a value (an unknown category, a number that is not positive under Box-Cox), the model
returns NaN. Anything else is refused by name: `register_map` and `register_function` add to this.

Some steps jump: bins, categories, thresholds, repeated quantiles. Behind a step that computes,
training values lie on the jumps, and NumPy, scikit-learn and each backend round them otherwise.
Where the jump was a training value (a category, a quantile edge, a repeated quantile), numbers
within a billionth of the column's range count as that value (a millionth on JAX without x64), so
that training rows are on the side that scikit-learn says. At thresholds and at uniform or k-means
edges the last digit decides: behind scikit-learn's scalers and products it is scikit-learn's on
TensorFlow and PyTorch, but not always where XLA compiles. Where jumps are as near each other as
rounding (quantiles of a spline's columns), no tolerance helps: `to_keras` warns, and
`certify(fitted, model, X)` measures.

Refused too: `SplineTransformer(extrapolation="linear")` of degree 0 or 1 for several columns, where
scikit-learn 1.9 counts the degree up from column to column, so that neither its numbers nor the
right ones would be what is expected.

| transformer | inverse | folds | error |
| --- | --- | --- | --- |
"""


def describe(case: Case) -> tuple[str, str, str, float]:
    """Return the case's row of the table."""
    fitted = case.fitted()
    model = sks.to_keras(fitted, dtype="float64")
    return (
        f"`{case.name}`",
        "yes" if has_inverse(case, fitted) else "",
        "yes" if map_of(fitted).is_affine else "",
        sks.certify(fitted, model).within,
    )


def has_inverse(case: Case, fitted: Any) -> bool:
    """Return whether scikit-learn inverts what it makes of the data, into numbers."""
    if not hasattr(fitted, "inverse_transform"):
        return False
    try:
        np.asarray(fitted.inverse_transform(fitted.transform(case.X)), dtype=np.float64)
    except (TypeError, ValueError):  # an imputer without indicator; categories that became one
        return False
    return True


def bound(error: float) -> str:
    """Return a power of ten above an error, 1e-12 at least: below, machines differ."""
    return f"1e{ceil(log10(max(error, 1e-12))):d}"


if __name__ == "__main__":
    rows = [describe(case) for case in CASES]
    lines = [f"| {' | '.join([*row[:3], bound(row[3])])} |" for row in rows]
    TABLE.write_text(_HEAD + "\n".join(lines) + "\n")
