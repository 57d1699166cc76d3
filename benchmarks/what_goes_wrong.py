"""What goes wrong without this package: ``python benchmarks/what_goes_wrong.py``.

Each row is measured in the run, on data where the right answer is known: a usual
way of scaling around Keras beside the same with this package. Seeds are fixed.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up log

import keras
import numpy as np
import sklearn
from sklearn import preprocessing
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from sklearn_keras_scaling import ScaledKerasRegressor, StandardScaler, to_keras

SPLITS = 3  # of the diabetes data; their errors are averaged
FEW, MANY = 10, 40  # epochs


class Row(NamedTuple):
    """A line of the table."""

    what: str
    usual_way: str
    its_error: str
    here: str


def fitted_statistics() -> Row:
    """Fit mean 10,000 and variance 1: float32 sums lose both."""
    rng = np.random.default_rng(0)
    X = (1e4 + rng.standard_normal((1_000_000, 5))).astype(np.float32)
    layer = keras.layers.Normalization()
    layer.adapt(X)
    scaler = StandardScaler().fit(X)
    truth = X.mean(axis=0, dtype=np.float64)

    def describe(mean: np.ndarray, variance: np.ndarray) -> str:
        return f"mean {np.abs(mean - truth).max():.3g} off, variance {np.max(variance):.5g}"

    usual = describe(np.ravel(layer.mean), np.ravel(layer.variance))
    here = describe(scaler.mean_, scaler.var_)
    return Row("fit 1,000,000 x 5, N(10000, 1), float32", "Normalization.adapt", usual, here)


def clone_model() -> Row:
    """Clone a model: an adapted layer starts again as the identity."""
    X = np.random.default_rng(0).normal([50, 200], [5, 30], (1000, 2)).astype(np.float32)
    layer = keras.layers.Normalization()
    layer.adapt(X)
    usual = keras.Sequential([keras.Input((2,)), layer])
    here = to_keras(StandardScaler().fit(X))

    def change(model: keras.Model) -> str:
        cloned = keras.models.clone_model(model)
        return f"scaled values change by {np.abs(np.asarray(cloned(X) - model(X))).max():.3g}"

    return Row("keras.models.clone_model", "adapted Normalization", change(usual), change(here))


def constant_column() -> Row:
    """Meet 3.001 in a column that was always 3 in training."""
    constant, new = np.full((100, 1), 3.0, dtype=np.float32), np.array([[3.001]], dtype=np.float32)
    layer = keras.layers.Normalization()
    layer.adapt(constant)
    usual = float(np.asarray(layer(new))[0, 0])
    here = float(StandardScaler().fit(constant).transform(new)[0, 0])
    return Row(
        "3.001 after a column of 3.0", "adapted Normalization", f"is {usual:.0f}", f"is {here:.3f}"
    )


def saved_model() -> Row:
    """Save and load a float64 model at mean 1e6 and standard deviation 1."""
    X = np.random.default_rng(0).normal(1e6, 1.0, (1000, 1))
    scaler = StandardScaler().fit(X)
    truth = (X - X.mean()) / X.std()
    inputs = keras.Input((1,), dtype="float64")
    layer = keras.layers.Normalization(mean=scaler.mean_, variance=scaler.var_, dtype="float64")

    def error(model: keras.Model) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "scaling.keras"
            model.save(file)
            loaded = keras.models.load_model(file)
        return f"{np.abs(np.asarray(loaded(X)) - truth).max():.2g} sd off"

    usual, here = error(keras.Model(inputs, layer(inputs))), error(to_keras(scaler))
    return Row("scaling 1e6 +- 1 after save and load", "Normalization in float64", usual, here)


def large_targets() -> Row:
    """Predict targets 1e8 +- 1 with a network that is right: the identity."""
    X = np.random.default_rng(0).standard_normal((1000, 1))
    y = 1e8 + X.ravel()
    network = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")]
    )
    inputs, targets = (preprocessing.StandardScaler().fit(a) for a in (X, y.reshape(-1, 1)))
    outputs = network.predict(inputs.transform(X), verbose=0)
    usual = targets.inverse_transform(outputs).ravel()
    untouched = {"epochs": 1, "optimizer": "sgd", "optimizer__learning_rate": 0.0}
    here = ScaledKerasRegressor(network, random_state=0, **untouched).fit(X, y).predict(X)
    errors = [f"{np.abs(result - y).max() / y.std():.2g} sd off" for result in (usual, here)]
    return Row("targets 1e8 +- 1 back in raw units", "inverse_transform of float32", *errors)


def validation_loss() -> Row:
    """Validate on the training rows: the two losses should agree."""
    X, y = load_diabetes(return_X_y=True, scaled=False)

    def build(X: np.ndarray, y: np.ndarray) -> keras.Model:
        hidden, output = keras.layers.Dense(64, activation="relu"), keras.layers.Dense(1)
        network = keras.Sequential([keras.Input(X.shape[1:]), hidden, output])
        network.compile("adam", "mean_squared_error")
        return network

    keras.utils.set_random_seed(0)
    Z = StandardScaler().fit_transform(X)
    usual = TransformedTargetRegressor(
        keras.wrappers.SKLearnRegressor(build), transformer=StandardScaler()
    ).fit(Z, y, validation_data=(Z, y), epochs=FEW, verbose=0)
    here = ScaledKerasRegressor(hidden_layer_sizes=(64,), epochs=FEW, random_state=0)
    here.fit(X, y, X_val=X, y_val=y)
    histories = usual.regressor_.history_.history, here.history_
    losses = [f"loss {h['loss'][-1]:.2f}, val_loss {h['val_loss'][-1]:.2f}" for h in histories]
    return Row("loss and val_loss on the same rows", "TransformedTargetRegressor", *losses)


def held_out_errors(scaler: str | None, epochs: int, unit: float = 1.0) -> np.ndarray:
    """Return the held-out MAE after each epoch, in the target's own units."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    errors = []
    for seed in range(SPLITS):
        X_train, X_test, y_train, y_test = train_test_split(X, y / unit, random_state=seed)
        regressor = ScaledKerasRegressor(
            input_scaler=scaler,
            target_scaler=scaler,
            metrics=["mae"],
            epochs=epochs,
            random_state=seed,
        ).fit(X_train, y_train, X_val=X_test, y_val=y_test)
        errors.append(regressor.history_["val_mae"])
    return np.mean(errors, axis=0) * unit


def training() -> tuple[list[Row], str]:
    """Train the same network on raw and on scaled diabetes data."""
    usual, here = (held_out_errors(scaler, MANY) for scaler in (None, "standard"))
    small, small_here = (held_out_errors(scaler, FEW, 1e-3) for scaler in (None, "standard"))

    def row(what: str, *errors: np.ndarray) -> Row:
        return Row(what, "no scaling", *(f"held-out MAE {e[FEW - 1]:.1f}" for e in errors))

    rows = [
        row(f"diabetes data, {FEW} epochs", usual, here),
        row("the same, target in units of 1/1000", small, small_here),
    ]
    note = (
        f"Diabetes data after {MANY} epochs: held-out MAE {usual[-1]:.1f} without scaling, "
        f"{here[-1]:.1f} here (lowest on the way: {usual.min():.1f} and {here.min():.1f})."
    )
    return rows, note


def print_table(rows: list[Row]) -> None:
    """Print the rows under the names of the columns."""
    table = [Row("what", "the usual way", "its error", "here"), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, Row(*("-" * width for width in widths)))
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def main() -> None:
    """Measure every row and print the table."""
    start = time.perf_counter()
    versions = f"Keras {keras.__version__} on {keras.backend.backend()}"
    print(f"scikit-learn {sklearn.__version__}, {versions}\n")
    rows = [
        *(fitted_statistics(), clone_model(), constant_column()),
        *(saved_model(), large_targets(), validation_loss()),
    ]
    trained, note = training()
    print_table([*rows, *trained])
    print(f"\n{note}\nsd: standard deviations. Measured in {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
