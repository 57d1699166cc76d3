"""Exported and folded models beside their peers: ``python benchmarks/bridge.py``.

Latency at batch 1 beside ``Pipeline.predict`` with SciKeras and ``keras.wrappers`` at the end;
folded models beside the bare network; accuracy beside skl2onnx's float32 conversion. All run in
one process, in turn, so that a machine that slows down slows all of them. ``--write`` puts the
tables into ``benchmarks/RESULTS.md``. Needs ``pip install scikeras skl2onnx onnxruntime``.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import statistics
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up log
os.environ["KERAS_BACKEND"] = "tensorflow"  # tf.function traces the models

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
from _tables import machine, markdown, seconds, table, write_section
from scikeras.wrappers import KerasRegressor
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_keras_scaling import ScaledKerasRegressor, fold, to_keras

PACKAGES = ("numpy", "scikit-learn", "keras", "tensorflow", "scikeras", "skl2onnx", "onnxruntime")
BATCHES = {1: 1000, 32: 1000, 4096: 250}  # rows of a batch, and how often a trace of it is run
TRACES = 9  # of a model: the same graph traced again is 2 % slower or faster
OFFSETS = (0.0, 1e3, 1e4, 1e5, 1e6)  # means, at standard deviations of about 1
BAR_EXPORTED, BAR_FOLDED = 20.0, 1.02


def build(X: Any = None, y: Any = None) -> keras.Model:
    """Return the network of the default regressor, compiled, for the other wrappers."""
    hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    network = keras.Sequential([keras.Input((10,)), *hidden, keras.layers.Dense(1)])
    network.compile("adam", "mean_squared_error")
    return network


def traced(model: keras.Model, rows: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a call of the model as one graph, from NumPy to NumPy."""
    graph = tf.function(model)
    rows = rows.astype(model.inputs[0].dtype)
    return lambda: graph(rows).numpy()


def latencies() -> tuple[list[list[str]], float]:
    """Time predictions of one row, and return the least ratio of a wrapper to the export."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    once = {"epochs": 1, "verbose": 0}
    wrappers = {
        "ours, host": partial(ScaledKerasRegressor, input_scaler=None, **once),
        "SciKeras": partial(KerasRegressor, build, **once),
        "keras.wrappers": partial(keras.wrappers.SKLearnRegressor, build, fit_kwargs=once),
    }
    before = {
        "`StandardScaler`": [StandardScaler()],
        "imputer, power, PCA": [SimpleImputer(), PowerTransformer(), PCA(whiten=True)],
    }
    rows, ratios = [], []
    for case, steps in before.items():
        fitted = {who: make_pipeline(*steps, wrap()).fit(X, y) for who, wrap in wrappers.items()}
        calls: dict[str, Any] = {"ours, exported": traced(to_keras(fitted["ours, host"]), X[:1])}
        calls |= {who: partial(pipeline.predict, X[:1]) for who, pipeline in fitted.items()}
        times = seconds(calls, 8, calls=5)
        rows += table(f"{case}, 10-64-64-1, batch 1", times, one="ours, exported")
        ratios += [times[who] / times["ours, exported"] for who in ("SciKeras", "keras.wrappers")]
    return rows, min(ratios)


def folding() -> tuple[list[list[str]], list[float]]:
    """Time folded models, and return their ratios to the bare network."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    regressor = ScaledKerasRegressor(epochs=1).fit(X, y)
    exported = to_keras(regressor)
    folded, report = fold(exported)
    if report.kept or not report.folded:
        raise RuntimeError(f"The model is not folded:\n{report}")
    models = {
        "bare network": regressor.network_,
        "bare network again": keras.models.clone_model(regressor.network_),
        "folded": folded,
        "exported, not folded": exported,
    }
    rows, ratios = [], []
    for batch, repeats in BATCHES.items():
        times = relative(models, np.resize(X, (batch, X.shape[1])), repeats)
        rows += table(f"10-64-64-1, batch {batch}", times, one="bare network")
        ratios.append(times["folded"] / times["bare network"])
    return rows, ratios


def relative(models: dict[str, keras.Model], data: np.ndarray, repeats: int) -> dict[str, float]:
    """Return the time of each model, from its median ratio to the bare network's."""
    order, rng, rounds = list(models), random.Random(0), []
    for _ in range(TRACES):
        rng.shuffle(order)
        rounds.append(seconds({who: traced(models[who], data) for who in order}, repeats))
    bare = statistics.median(times["bare network"] for times in rounds)
    return {
        who: bare * statistics.median(times[who] / times["bare network"] for times in rounds)
        for who in models
    }


def transformers() -> dict[str, tuple[Any, np.ndarray]]:
    """Return transformers, and data of mean 0 and standard deviation 1, or of codes."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 4))
    missing = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    codes = rng.integers(0, 4, (1000, 2)).astype(float)
    bins = partial(KBinsDiscretizer, quantile_method="averaged_inverted_cdf")
    one_hot = OneHotEncoder(sparse_output=False)
    columns = ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", one_hot, [2, 3])])
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), PCA(3))
    return {
        "StandardScaler": (StandardScaler(), X),
        "MinMaxScaler": (MinMaxScaler(), X),
        "RobustScaler": (RobustScaler(), X),
        "PowerTransformer": (PowerTransformer(), X),
        "PowerTransformer, Box-Cox": (PowerTransformer("box-cox"), np.exp(X)),
        "QuantileTransformer": (QuantileTransformer(n_quantiles=100), X),
        "QuantileTransformer, normal": (
            QuantileTransformer(n_quantiles=100, output_distribution="normal"),
            X,
        ),
        "KBinsDiscretizer, ordinal": (bins(encode="ordinal"), X),
        "KBinsDiscretizer, one-hot": (bins(encode="onehot-dense"), X),
        "PolynomialFeatures": (PolynomialFeatures(2), X),
        "PCA": (PCA(3), X),
        "SimpleImputer": (SimpleImputer(), missing),
        "OneHotEncoder": (one_hot, codes),
        "ColumnTransformer": (columns, np.hstack([X[:, :2], codes])),
        "Pipeline: imputer, scaler, PCA": (pipeline, missing),
    }


def ours(fitted: Any, X: np.ndarray, dtype: str | None = None) -> np.ndarray:
    """Return what our export makes of the rows."""
    return np.asarray(to_keras(fitted, dtype=dtype)(X))


def theirs(fitted: Any, X: np.ndarray) -> np.ndarray:
    """Return what skl2onnx's conversion to float32 makes of the rows."""
    single = X.astype(np.float32)
    file = to_onnx(fitted, single[:1]).SerializeToString()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: single})[0]


EXPORTS = {"ours": ours, "ours, float32 input": partial(ours, dtype="float32"), "skl2onnx": theirs}


def error(export: Any, fitted: Any, X: np.ndarray) -> float | None:
    """Return the largest difference from scikit-learn, None where the export is refused."""
    expected = fitted.transform(X)
    deviation = expected.std(axis=0)
    # Constant but for rounding: PowerTransformer leaves nothing of some columns far from 0.
    is_constant = deviation <= 1e-12 * np.maximum(1.0, np.abs(expected.mean(axis=0)))
    try:
        found = export(fitted, X)
    except (RuntimeError, NotImplementedError):  # as skl2onnx says what it has not
        return None
    difference = np.abs(found - expected) / np.where(is_constant, 1.0, deviation)
    return float(np.nan_to_num(difference.max(), nan=np.inf))


def accuracy() -> tuple[list[list[str]], list[str]]:
    """Measure errors on training data, and say where ours are larger than skl2onnx's."""
    rows, worse = [], []
    for case, (transformer, X) in transformers().items():
        cells: dict[str, list[str]] = {who: [] for who in EXPORTS}
        for offset in OFFSETS:
            fitted = transformer.fit(X + offset)
            errors = {who: error(export, fitted, X + offset) for who, export in EXPORTS.items()}
            for who, value in errors.items():
                cells[who].append("refused" if value is None else f"{value:.1e}")
            if errors["skl2onnx"] is not None and errors["ours"] > errors["skl2onnx"]:
                worse.append(f"{case} at {offset:g}")
        rows += [[case, who, *values] for who, values in cells.items()]
    return rows, worse


def verdict(is_met: bool) -> str:
    """Return what is said of a bar."""
    return "met" if is_met else "**not met**"


def report() -> str:
    """Run all and return the section."""
    timed, least = latencies()
    folded, ratios = folding()
    errors, worse = accuracy()
    said = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    return "\n\n".join(
        [
            "# The bridge, side by side",
            "Printed by `python benchmarks/bridge.py --write`: medians of runs in turn, in one "
            f"process. {machine(*PACKAGES)}",
            "A row through `tf.function(to_keras(pipeline))` and through `Pipeline.predict`; "
            "ratios are to the first. Ours also scales the target back. At least "
            f"{BAR_EXPORTED:g} times lower than the other wrappers: {least:.0f}, "
            f"{verdict(least >= BAR_EXPORTED)}.",
            markdown(["case", "who", "median", "ratio"], timed),
            "`fold(to_keras(regressor))` and its bare network in scaled space, each under "
            "`tf.function`; ratios, of latency and so of throughput, are to the network, "
            "which runs twice to show the noise. "
            f"Folded within 2 %: {said}, {verdict(max(ratios) <= BAR_FOLDED)}.",
            markdown(["case", "who", "median", "ratio"], folded),
            "Largest difference from scikit-learn on the training data, in standard deviations of "
            "the output (1 where it is constant; inf is overflow or NaN), with the data moved to "
            "these means. `to_keras` takes float64 where float32 costs more than 1e-4; skl2onnx "
            "takes float32. Both return float32, which is all of the error of SimpleImputer and "
            "half of that of PolynomialFeatures; the other half is a float32 input, since its "
            "parameters do not tell the mean. "
            f"Cases where ours is the worse one: {', '.join(worse) or 'none'}.",
            markdown(["fitted", "who", *(f"mean {offset:,.0f}" for offset in OFFSETS)], errors),
        ]
    )


def main() -> None:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="also write benchmarks/RESULTS.md")
    options = parser.parse_args()
    keras.utils.disable_interactive_logging()  # keras.wrappers has no verbose
    logging.getLogger("skl2onnx").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # of a library on another's version; of float32, asked for
    text = report()
    print(text)
    if options.write:
        write_section(text)


if __name__ == "__main__":
    main()
