"""Training, searching and predicting beside the peers: ``python benchmarks/training.py``.

All run in one process, in turn, but for the cold fits, which take a process each. ``--write``
puts the tables into ``benchmarks/RESULTS.md``; ``--only CASE`` runs one table. About 20 minutes:
the other wrappers' grid searches take most of it. Needs ``pip install scikeras``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up log
os.environ["KERAS_BACKEND"] = "tensorflow"  # what the hand-written loops are written for

import keras
import numpy as np
import tensorflow as tf
from _tables import Contestants, machine, markdown, seconds, table, write_section
from joblib import parallel_config
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_keras_scaling import ScaledKerasRegressor, clear_compiled
from sklearn_keras_scaling.training import Batches, _tensorflow, train

PACKAGES = ("numpy", "scikit-learn", "keras", "tensorflow", "scikeras")
WIDTHS, SEARCH_EPOCHS, FOLDS = (16, 32, 64), 50, 5
EPOCHS = 3  # of a fit that is timed
COLD_EPOCHS, COLD_RUNS = 20, 5

Rows = list[list[str]]


def mlp(columns: int, width: int) -> keras.Model:
    """Return a network of two hidden layers, compiled."""
    hidden = [keras.layers.Dense(width, activation="relu") for _ in range(2)]
    network = keras.Sequential([keras.Input((columns,)), *hidden, keras.layers.Dense(1)])
    network.compile("adam", "mean_squared_error")
    return network


def lstm() -> keras.Model:
    """Return a small recurrent network, compiled."""
    hidden = keras.layers.LSTM(32)
    network = keras.Sequential([keras.Input((12, 9)), hidden, keras.layers.Dense(1)])
    network.compile("adam", "mean_squared_error")
    return network


def data(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets in float32."""
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=s).astype("float32") for s in (shape, (shape[0], 1)))


def by_hand(network: keras.Model, X: np.ndarray, y: np.ndarray, batch: int) -> Callable[[], Any]:
    """Return an epoch as one would write it for this network: the floor.

    The data are in TensorFlow, their number is compiled in, and the last batch is left out.
    """
    network.optimizer.build(network.trainable_variables)
    step = tf.function(network.train_step, autograph=False)
    inputs, targets = tf.constant(X), tf.constant(y)
    step.get_concrete_function((inputs[:batch], targets[:batch]))
    steps, rng = len(X) // batch, np.random.default_rng(0)

    @tf.function(jit_compile=True, autograph=False)
    def epoch(order: Any) -> Any:
        def body(i: Any) -> Any:
            rows = tf.slice(order, [i * batch], [batch])
            step((tf.gather(inputs, rows), tf.gather(targets, rows)))
            return (i + 1,)

        return tf.while_loop(lambda i: i < steps, body, (0,))

    return lambda: epoch(tf.constant(rng.permutation(len(X))))[0].numpy()


def repeated(epoch: Callable[[], Any]) -> Callable[[], Any]:
    """Return several epochs as one call."""
    return lambda: [epoch() for _ in range(EPOCHS)]


def fits(make: Callable[[], Any], arrays: tuple[np.ndarray, ...], batch: int) -> Contestants:
    """Return some epochs of our loop and of Keras's."""
    ours, theirs, batches = make(), make(), Batches(arrays, batch, 0)
    return {
        "ours": lambda: train(ours, batches, None, epochs=EPOCHS, engine="compiled"),
        "Model.fit": lambda: theirs.fit(*arrays, batch_size=batch, epochs=EPOCHS, verbose=0),
    }


def learners(make: Callable[[], Any], arrays: tuple[np.ndarray, ...], batch: int) -> Contestants:
    """Return some epochs of each way to train a network."""
    calls = fits(make, arrays, batch)
    calls["hand-written XLA loop"] = repeated(by_hand(make(), *arrays, batch))
    if isinstance(make, partial):
        sizes = make.args[1:] * 2
        peer = MLPRegressor(hidden_layer_sizes=sizes, batch_size=batch, random_state=0)
        calls["MLPRegressor"] = repeated(partial(peer.partial_fit, arrays[0], arrays[1].ravel()))
    return calls


def epochs() -> tuple[Rows, dict[str, float]]:
    """Time fits of three networks, and return the ratios that have a bar."""
    cases = {
        "10-64-64-1, batch 32, 20,000 rows": (partial(mlp, 10, 64), data(20_000, 10), 32),
        "100-512-512-1, batch 256, 20,000 rows": (partial(mlp, 100, 512), data(20_000, 100), 256),
        "LSTM(32) on (1500, 12, 9), batch 32": (lstm, data(1500, 12, 9), 32),
    }
    rows, ratios = [], {}
    for case, arguments in cases.items():
        times = seconds(learners(*arguments), 5)
        rows += table(f"{EPOCHS} epochs of {case}", times)
        ratios |= {f"{case}: {who}": value / times["ours"] for who, value in times.items()}
    return rows, ratios


def layered(shape: tuple[int, ...], *layers: Any) -> keras.Model:
    """Return a network of these layers and one output, compiled."""
    network = keras.Sequential([keras.Input(shape), *layers, keras.layers.Dense(1)])
    network.compile("adam", "mean_squared_error")
    return network


def attention(shape: tuple[int, ...]) -> keras.Model:
    """Return a block of attention and one output, compiled."""
    inputs = keras.Input(shape)
    attended = keras.layers.MultiHeadAttention(4, 8)(inputs, inputs)
    mean = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization()(attended))
    network = keras.Model(inputs, keras.layers.Dense(1)(mean))
    network.compile("adam", "mean_squared_error")
    return network


L = keras.layers
RELU: dict[str, Any] = {"activation": "relu"}
#: Kinds of networks: the shape of a row, how many rows, and what makes it of that shape.
KINDS: dict[str, tuple[tuple[int, ...], int, Callable[[tuple[int, ...]], keras.Model]]] = {
    "Dense 10-64-64": ((10,), 2000, lambda shape: mlp(*shape, 64)),
    "Dense 1000-1024-1024": ((1000,), 320, lambda shape: mlp(*shape, 1024)),
    "Conv1D 4-8-8": (
        (50, 4),
        1280,
        lambda shape: layered(
            shape, L.Conv1D(8, 3, **RELU), L.Conv1D(8, 3, **RELU), L.GlobalAveragePooling1D()
        ),
    ),
    "Conv1D 4-32-32": (
        (50, 4),
        1280,
        lambda shape: layered(
            shape, L.Conv1D(32, 3, **RELU), L.Conv1D(32, 3, **RELU), L.GlobalAveragePooling1D()
        ),
    ),
    "Conv2D 1-32-64": (
        (28, 28, 1),
        320,
        lambda shape: layered(
            shape, L.Conv2D(32, 3, **RELU), L.Conv2D(64, 3, **RELU), L.GlobalAveragePooling2D()
        ),
    ),
    "Conv2D 3-16-32": (
        (32, 32, 3),
        320,
        lambda shape: layered(shape, L.Conv2D(16, 3, **RELU), L.Conv2D(32, 3, **RELU), L.Flatten()),
    ),
    "Conv2D strided, BatchNormalization": (
        (32, 32, 3),
        640,
        lambda shape: layered(
            shape,
            *(L.Conv2D(16, 3, strides=2), L.BatchNormalization(), L.ReLU()),
            *(L.Conv2D(32, 3, strides=2), L.BatchNormalization(), L.Flatten()),
        ),
    ),
    "DepthwiseConv2D": (
        (32, 32, 3),
        320,
        lambda shape: layered(
            shape, L.Conv2D(16, 1), L.DepthwiseConv2D(3, **RELU), L.GlobalAveragePooling2D()
        ),
    ),
    "SeparableConv2D": (
        (32, 32, 3),
        320,
        lambda shape: layered(shape, L.SeparableConv2D(16, 3, **RELU), L.GlobalAveragePooling2D()),
    ),
    "Conv2DTranspose": (
        (8, 8, 16),
        640,
        lambda shape: layered(
            shape, L.Conv2DTranspose(16, 3, strides=2, **RELU), L.GlobalAveragePooling2D()
        ),
    ),
    "Conv3D": (
        (8, 8, 8, 1),
        640,
        lambda shape: layered(shape, L.Conv3D(8, 3, **RELU), L.GlobalAveragePooling3D()),
    ),
    "MultiHeadAttention": ((24, 16), 640, attention),
    "Bidirectional(GRU(16))": (
        (24, 4),
        640,
        lambda shape: layered(shape, L.Bidirectional(L.GRU(16))),
    ),
    "Embedding": (
        (8,),
        2000,
        lambda shape: layered(shape, L.Embedding(1000, 16), L.Flatten(), L.Dense(32, **RELU)),
    ),
}


def kinds() -> tuple[Rows, dict[str, float]]:
    """Time warm fits of many kinds of network, and return the ratio of the slowest."""
    rows, ratios = [], {}
    for kind, (shape, n, make) in KINDS.items():
        X, y = data(n, *shape)
        X = np.abs(X) if kind == "Embedding" else X
        times = seconds(fits(partial(make, shape), (X, y), 32), 3)
        rows += table(f"{EPOCHS} epochs of {kind}, batch 32, {n} rows", times)
        ratios[kind] = times["Model.fit"] / times["ours"]
    return rows, {"slowest": min(ratios.values())}


def cold(who: str) -> None:
    """Print the seconds of a first fit in this process."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    start = time.perf_counter()
    if who == "ours":
        ScaledKerasRegressor(epochs=COLD_EPOCHS, random_state=0).fit(X, y)
    else:
        Z = StandardScaler().fit_transform(X).astype("float32")
        z = StandardScaler().fit_transform(y.reshape(-1, 1)).astype("float32")
        mlp(10, 64).fit(Z, z, batch_size=32, epochs=COLD_EPOCHS, verbose=0)
    print(time.perf_counter() - start)


def cold_fits() -> tuple[Rows, float]:
    """Time first fits in new processes, imports left out, and return the ratio."""
    times: dict[str, list[float]] = {"ours": [], "Model.fit": []}
    for _ in range(COLD_RUNS):
        for who, values in times.items():
            command = [sys.executable, __file__, "--cold", who]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            values.append(float(done.stdout.split()[-1]))
    medians = {who: statistics.median(values) for who, values in times.items()}
    case = f"first fit in a process, 442 rows, {COLD_EPOCHS} epochs"
    return table(case, medians), medians["Model.fit"] / medians["ours"]


def build(X: Any, y: Any, width: int = 64) -> keras.Model:
    """Return a network for ``keras.wrappers``."""
    return mlp(X.shape[1], width)


def build_for_scikeras(width: int, meta: dict[str, Any]) -> keras.Model:
    """Return a network for SciKeras."""
    return mlp(meta["n_features_in_"], width)


def searches() -> tuple[Rows, dict[str, float]]:
    """Time one grid search in each library, and return the ratios."""
    from scikeras.wrappers import KerasRegressor

    scalers = [StandardScaler(), MinMaxScaler()]
    once = {"epochs": SEARCH_EPOCHS, "batch_size": 32, "verbose": 0}
    wrappers = {
        "SciKeras": (KerasRegressor(build_for_scikeras, width=64, **once), "width"),
        "keras.wrappers": (
            keras.wrappers.SKLearnRegressor(build, model_kwargs={"width": 64}),
            "model_kwargs",
        ),
    }
    ours = {
        "input_scaler": scalers,
        "target_scaler": scalers,
        "hidden_layer_sizes": [(w, w) for w in WIDTHS],
    }
    regressor = ScaledKerasRegressor(epochs=SEARCH_EPOCHS, random_state=0)
    found = {}
    for who, jobs in (("ours", 1), ("ours, two threads", 2)):
        clear_compiled()
        with parallel_config("threading", n_jobs=jobs):
            found[who] = timed_search(regressor, ours)
    for who, (wrapper, parameter) in wrappers.items():
        pipeline = make_pipeline(StandardScaler(), wrapper)
        name = f"regressor__{pipeline.steps[-1][0]}__{parameter}"
        widths = [{"width": w} for w in WIDTHS] if parameter == "model_kwargs" else list(WIDTHS)
        grid = {"regressor__standardscaler": scalers, "transformer": scalers, name: widths}
        # keras.wrappers lose their fit_kwargs in a search, which clones them.
        wanted = once if parameter == "model_kwargs" else {}
        fit = {f"{pipeline.steps[-1][0]}__{option}": value for option, value in wanted.items()}
        found[who] = timed_search(TransformedTargetRegressor(pipeline), grid, fit)
    times = {who: spent for who, (spent, _) in found.items()}
    rows = table(f"grid search, {12 * FOLDS} fits of {SEARCH_EPOCHS} epochs", times)
    for row, (_, score) in zip(rows, found.values(), strict=True):
        row[0] += f"; best R² {score:.3f}"
    return rows, {who: spent / times["ours"] for who, spent in times.items()}


def timed_search(
    estimator: Any, grid: dict[str, Any], fit: dict[str, Any] | None = None
) -> tuple[float, float]:
    """Return the seconds and the best score of a grid search."""
    start = time.perf_counter()
    search = GridSearchCV(estimator, grid, cv=FOLDS, refit=False, error_score="raise")
    search.fit(*load_diabetes(return_X_y=True, scaled=False), **(fit or {}))
    return time.perf_counter() - start, search.best_score_


def predictions() -> tuple[Rows, dict[str, float]]:
    """Time predictions of one row and of a million, and return the ratios."""
    from scikeras.wrappers import KerasRegressor

    X, y = load_diabetes(return_X_y=True, scaled=False)
    regressor = ScaledKerasRegressor(epochs=1).fit(X, y)
    peer = KerasRegressor(build_for_scikeras, width=64, epochs=1, verbose=0).fit(X, y)
    bare = tf.function(regressor.network_)
    row = X[:1].astype("float32")
    times = seconds(
        {
            "ours": lambda: regressor.predict(X[:1]),
            "bare traced function": lambda: bare(row).numpy(),
            "SciKeras": lambda: peer.predict(X[:1]),
        },
        15,
        calls=20,
    )
    rows = table("predict, 1 row", times)
    ratios = {f"1 row: {who}": value / times["ours"] for who, value in times.items()}
    many = np.resize(X, (1_000_000, 10))
    times = seconds(
        {
            "ours": lambda: regressor.predict(many),
            "Model.predict": lambda: regressor.network_.predict(many, verbose=0),
        },
        1,
    )
    rows += table("predict, 1M x 10", times)
    return rows, ratios | {"1M": times["Model.predict"] / times["ours"]}


@contextmanager
def counted() -> Iterator[list[float]]:
    """Count the seconds that are spent in training steps."""
    spent: list[float] = []

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*arguments)
            finally:
                spent.append(time.perf_counter() - start)

        return run

    originals = _tensorflow.Pass.many, _tensorflow.Pass.one
    _tensorflow.Pass.many, _tensorflow.Pass.one = map(timed, originals)
    try:
        yield spent
    finally:
        _tensorflow.Pass.many, _tensorflow.Pass.one = originals


def around(regressor: Any, X: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return the medians of a fit's seconds, of those in steps, and of the others."""
    totals, steps = [], []
    for _ in range(5):
        with counted() as spent:
            start = time.perf_counter()
            regressor.fit(X, y)
            totals.append(time.perf_counter() - start)
        steps.append(sum(spent))
    others = [total - inside for total, inside in zip(totals, steps, strict=True)]
    return statistics.median(totals), statistics.median(steps), statistics.median(others)


def large_fit() -> tuple[Rows, float]:
    """Time a fit on a million rows, and return the share of what is done for each row once."""
    X, y = data(1_000_000, 50)
    regressor = ScaledKerasRegressor(epochs=1, batch_size=1024, random_state=0)
    regressor.fit(X[:5000], y[:5000, 0])  # compiles
    _, _, fixed = around(regressor, X[:5000], y[:5000, 0])
    total, steps, others = around(regressor, X, y[:, 0])
    share = (others - fixed) / steps
    case = "fit on 1M x 50, 1 epoch, batch 1024"
    rows = [
        [case, "ours", f"{1e3 * total:.3g} ms", ""],
        [case, "steps", f"{1e3 * steps:.3g} ms", ""],
        [
            case,
            "validation, statistics, scaling, transfer",
            f"{1e3 * (others - fixed):.3g} ms",
            f"{share:.1%} of the steps",
        ],
        [
            case,
            "making the network and its optimizer, whatever the rows",
            f"{1e3 * fixed:.3g} ms",
            "",
        ],
    ]
    return rows, share


def report(names: list[str]) -> str:
    """Run the tables and return the section."""
    cases: dict[str, Callable[[], tuple[Rows, Any]]] = {
        "epochs": epochs,
        "kinds": kinds,
        "cold": cold_fits,
        "search": searches,
        "predict": predictions,
        "large": large_fit,
    }
    rows: Rows = []
    said = []
    for name in names or cases:
        found, ratios = cases[name]()
        rows += found
        said += _verdicts(name, ratios)
    return "\n\n".join(
        [
            "# Training, searching and predicting, side by side",
            "Printed by `python benchmarks/training.py --write`: medians of runs in turn; ratios "
            f"are peer to ours. {machine(*PACKAGES)}",
            markdown(["case", "who", "median", "ratio"], rows),
            "Bars:",
            "\n".join(f"- {line}" for line in said),
        ]
    )


#: For each table the key of a ratio, the least it may be, and what it says.
BARS: dict[str, list[tuple[str, float, str]]] = {
    "epochs": [
        ("10-64-64-1, batch 32, 20,000 rows: Model.fit", 25, "10-64-64-1 against Model.fit"),
        ("10-64-64-1, batch 32, 20,000 rows: MLPRegressor", 8, "10-64-64-1, MLPRegressor"),
        ("100-512-512-1, batch 256, 20,000 rows: Model.fit", 1.5, "100-512-512-1, Model.fit"),
        (
            "100-512-512-1, batch 256, 20,000 rows: hand-written XLA loop",
            1 / 1.15,
            "100-512-512-1, hand-written loop",
        ),
        ("LSTM(32) on (1500, 12, 9), batch 32: Model.fit", 4, "LSTM against Model.fit"),
    ],
    "kinds": [("slowest", 1.0, "the slowest of 14 kinds of network, against Model.fit")],
    "search": [
        ("SciKeras", 25, "grid search, SciKeras"),
        ("keras.wrappers", 25, "grid search, keras.wrappers"),
    ],
    "predict": [
        ("1 row: SciKeras", 80, "one row, SciKeras"),
        ("1 row: bare traced function", 0.5, "one row, bare traced function"),
        ("1M", 3, "a million rows, Model.predict"),
    ],
}


def _verdicts(name: str, ratios: Any) -> list[str]:
    if name == "cold":
        ratios, bars = {"": ratios}, [("", 1.0, "first fit, Model.fit")]
    elif name == "large":
        ratios, bars = {"": ratios}, [("", -0.15, "share around the steps")]
        ratios = {"": -ratios[""]}
    else:
        bars = BARS[name]
    return [
        f"{text}: {abs(ratios[key]):.3g} (bar {abs(least):.3g}): "
        f"{'met' if ratios[key] >= least else '**not met**'}"
        for key, least, text in bars
    ]


def main() -> None:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="also write benchmarks/RESULTS.md")
    parser.add_argument("--only", action="append", default=[], help="a table, by name")
    parser.add_argument("--cold", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cold:
        return cold(options.cold)
    warnings.simplefilter("ignore")  # of the other wrappers
    text = report(options.only)
    print(text)
    if options.write:
        write_section(text)
    return None


if __name__ == "__main__":
    main()
