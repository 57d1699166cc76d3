"""The main job on real data: ``python -m sklearn_keras_scaling``.

Trains, searches, saves and reloads on scikit-learn's diabetes data in raw
units, compares what comes back bit for bit, and exits with 1 if a check fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up log

import joblib
import numpy as np
import sklearn
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import VarianceThreshold
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline

from . import ScaledKerasRegressor, StandardScaler, to_keras
from ._optional import keras

EPOCHS = 25
GRID = {
    "network__input_scaler": ["standard", "minmax"],
    "network__target_scaler": ["standard", "minmax"],
    "network__hidden_layer_sizes": [(16, 16), (32, 32)],
}

# Runs in a new process: predicts with the dumped pipeline.
RELOAD = """
import sys, joblib, numpy
pipeline, X = joblib.load(sys.argv[1]), numpy.load(sys.argv[2])
numpy.save(sys.argv[3], pipeline.predict(X))
"""

# Runs in a new process: predicts with Keras alone.
KERAS_ALONE = """
import sys
sys.modules["sklearn_keras_scaling"] = None  # an import of this package would now fail
import keras, numpy
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
numpy.save(sys.argv[3], model.predict(numpy.load(sys.argv[2]), verbose=0))
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration; return 0 if every check holds, else 1."""
    parser = argparse.ArgumentParser(prog="python -m sklearn_keras_scaling", description=__doc__)
    parser.add_argument("--output", type=Path, help="folder for the files (default: a new one)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="per fit (default: %(default)s)")
    options = parser.parse_args(arguments)
    folder = options.output or Path(tempfile.mkdtemp(prefix="sklearn_keras_scaling_"))
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    print(f"scikit-learn {sklearn.__version__}, Keras {keras.__version__} on", end=" ")
    print(f"{keras.backend.backend()}; diabetes data in raw units; files in {folder}\n")

    data = train_test_split(
        *load_diabetes(return_X_y=True, scaled=False), test_size=0.25, random_state=0
    )
    search = _search(data, options.epochs)
    _report_errors(search, data, options.epochs)
    checks = _check_files(search.best_estimator_, data[1], folder)
    print(f"\n{sum(checks)} of {len(checks)} checks passed in {time.perf_counter() - start:.0f} s")
    return 0 if all(checks) else 1


def _pipeline(**parameters: Any) -> Pipeline:
    network = ScaledKerasRegressor(random_state=0, **parameters)
    return Pipeline([("select", VarianceThreshold()), ("network", network)])


def _search(data: list[Any], epochs: int) -> GridSearchCV:
    X_train, _, y_train, _ = data
    search = GridSearchCV(
        _pipeline(epochs=epochs), GRID, scoring="neg_mean_absolute_error", cv=3, n_jobs=2, verbose=3
    )
    search.fit(X_train, y_train)
    print("\nbest:", {k.removeprefix("network__"): v for k, v in search.best_params_.items()})
    return search


def _report_errors(search: GridSearchCV, data: list[Any], epochs: int) -> None:
    """Print held-out errors in raw units."""
    X_train, X_test, y_train, y_test = data
    widths = search.best_params_["network__hidden_layer_sizes"]
    shared = {"hidden_layer_sizes": widths, "epochs": epochs}
    rows = {
        "ScaledKerasRegressor, best of the grid": search.best_estimator_,
        "the same network, no scaling at all": _pipeline(
            **shared, input_scaler=None, target_scaler=None
        ),
        "TransformedTargetRegressor, MLPRegressor": TransformedTargetRegressor(
            make_pipeline(
                StandardScaler(),
                MLPRegressor(
                    hidden_layer_sizes=widths, batch_size=32, max_iter=epochs, random_state=0
                ),
            ),
            transformer=StandardScaler(),
        ),
    }
    print(f"\n{'held-out errors, raw units':42}{'MAE':>8}{'RMSE':>8}{'R2':>8}")
    for name, estimator in rows.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the same epochs for all
            if estimator is not search.best_estimator_:
                estimator.fit(X_train, y_train)
        y = estimator.predict(X_test)
        mae, rmse = mean_absolute_error(y_test, y), root_mean_squared_error(y_test, y)
        print(f"{name:42}{mae:8.2f}{rmse:8.2f}{r2_score(y_test, y):8.3f}")
    print()


def _check_files(pipeline: Pipeline, X: np.ndarray, folder: Path) -> list[bool]:
    """Write the pipeline and the model, read them in new processes and compare."""
    predictions = pipeline.predict(X)
    joblib.dump(pipeline, folder / "pipeline.joblib")
    to_keras(pipeline).save(folder / "model.keras")
    np.save(folder / "X_test.npy", X)
    reloaded = _in_new_process(RELOAD, "pipeline.joblib", folder)
    exported = _in_new_process(KERAS_ALONE, "model.keras", folder)
    span = predictions.std()
    return [
        _check("pipeline.joblib in a new process", np.abs(reloaded - predictions).max(), 0.0),
        _check(
            "model.keras without this package, in standard deviations",
            np.abs(exported - predictions).max() / span,
            1e-5,
        ),
    ]


def _in_new_process(code: str, file: str, folder: Path) -> np.ndarray:
    result = f"{file}.predictions.npy"
    command = [sys.executable, "-c", code, file, "X_test.npy", result]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"reading {folder / file} failed:\n{finished.stderr}")
    return np.load(folder / result)


def _check(what: str, value: float, bound: float) -> bool:
    passed = bool(value <= bound)
    print(f"{'ok  ' if passed else 'FAIL'} {what}: {value:.3g}, at most {bound:g} expected")
    return passed


if __name__ == "__main__":
    sys.exit(main())
