"""The scalers beside scikit-learn's, Keras's and Dask-ML's: ``python benchmarks/scalers.py``.

All run in one process, in turn, so that a machine that slows down slows all of them; the
table has medians, and ratios of peer to ours. Peak memory is measured in a process each.
``--write`` puts the tables into ``benchmarks/RESULTS.md``. Needs ``pip install dask-ml``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from _tables import Contestants, machine, markdown, seconds, table, write_section
from sklearn import preprocessing

from sklearn_keras_scaling import scalers

NAMES = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")
LIBRARIES = {"ours": scalers, "scikit-learn": preprocessing}
LARGE, MAPPED = (1_000_000, 50), (20_000_000, 10)


def normal(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return numbers of mean 10 and standard deviation 1."""
    return np.random.default_rng(0).standard_normal(shape, dtype=np.dtype(dtype)) + 10


def peers(X: np.ndarray) -> Contestants:
    """Return Keras's and Dask-ML's way to fit mean and variance."""
    import dask.array
    import dask_ml.preprocessing
    import keras

    chunked = dask.array.from_array(X, chunks=(len(X) // 8, X.shape[1]))
    return {
        "Normalization.adapt": lambda: keras.layers.Normalization().adapt(X),
        "Dask-ML": lambda: dask_ml.preprocessing.StandardScaler().fit(chunked),
        "ours, Dask": lambda: scalers.StandardScaler().fit(chunked),
    }


def fits(name: str, X: np.ndarray) -> Contestants:
    """Return both libraries' ``fit``."""
    return {
        library: lambda module=module: getattr(module, name)().fit(X)
        for library, module in LIBRARIES.items()
    }


def calls(name: str, method: str, X: np.ndarray) -> Contestants:
    """Return a method of both libraries' fitted scalers."""
    fitted = {k: getattr(module, name)().fit(X[:1000]) for k, module in LIBRARIES.items()}
    return {k: lambda scaler=scaler: getattr(scaler, method)(X) for k, scaler in fitted.items()}


def in_memory() -> list[list[str]]:
    """Time everything on 1,000,000 x 50 numbers."""
    rows = []
    for dtype in ("float32", "float64"):
        X = normal(LARGE, dtype)
        contestants = fits("StandardScaler", X) | {"np.add.reduce": partial(np.add.reduce, X)}
        if dtype == "float32":
            contestants |= peers(X)
        rows += table(f"`StandardScaler.fit`, 1M x 50 {dtype}", seconds(contestants, 9))
    X = normal(LARGE, "float32")
    for name in NAMES[1:]:
        times = seconds(fits(name, X), 3 if name == "RobustScaler" else 9)
        rows += table(f"`{name}.fit`, 1M x 50 float32", times)
    for name in NAMES:
        for method in ("transform", "inverse_transform"):
            # Many, since a shared machine is at times without one of its cores for a second.
            times = seconds(calls(name, method, X), 61)
            rows += table(f"`{name}.{method}`, 1M x 50 float32", times)
    return rows


def small() -> list[list[str]]:
    """Time 500 x 10 numbers, where the overhead is all there is."""
    X = normal((500, 10), "float64")
    rows = []
    for name in NAMES:
        rows += table(f"`{name}.fit`, 500 x 10 float64", seconds(fits(name, X), 500))
        for method in ("transform", "inverse_transform"):
            times = seconds(calls(name, method, X), 500)
            rows += table(f"`{name}.{method}`, 500 x 10 float64", times)
    return rows


def mapped(folder: Path) -> list[list[str]]:
    """Time a fit on a memory-mapped file of 20,000,000 x 10 float32 numbers."""
    path = folder / "X.npy"
    X = np.lib.format.open_memmap(path, "w+", "float32", MAPPED)
    for start in range(0, len(X), 1_000_000):
        X[start : start + 1_000_000] = normal((1_000_000, MAPPED[1]), "float32")
    X.flush()
    X = np.load(path, mmap_mode="r")
    times = seconds(fits("StandardScaler", X), 3)
    return table("`StandardScaler.fit`, 20M x 10 float32, memory-mapped", times)


def peak(who: str, path: str) -> None:
    """Print by how many megabytes a fit raises this process's memory at its peak."""
    X = np.load(path, mmap_mode="r")
    if X.nbytes < 500e6:
        X = np.array(X)
    contestants = fits("StandardScaler", X)
    if who not in contestants:
        contestants |= peers(X)
    fits("StandardScaler", X[:1000])[who]() if who in LIBRARIES else None
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts here
    before = memory("VmRSS")
    contestants[who]()
    print(f"{(memory('VmHWM') - before) / 1e3:.0f}")


def memory(which: str) -> int:
    """Return a figure of /proc/self/status in kB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(which)).split()[1])


def peaks(folder: Path) -> list[list[str]]:
    """Measure peak memory, in a process each, on Linux."""
    in_memory_path = folder / "in_memory.npy"
    np.save(in_memory_path, normal(LARGE, "float32"))
    cases = {
        "1M x 50 float32, 200 MB in memory": (
            in_memory_path,
            [*LIBRARIES, "Normalization.adapt", "Dask-ML"],
        ),
        "20M x 10 float32, 800 MB memory-mapped": (folder / "X.npy", list(LIBRARIES)),
    }
    rows = []
    for case, (path, names) in cases.items():
        for name in names:
            command = [sys.executable, __file__, "--peak", name, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append([case, name, f"{done.stdout.split()[-1]} MB"])
    return rows


def main() -> None:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="also write benchmarks/RESULTS.md")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return peak(*options.peak)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed = [*in_memory(), *small(), *mapped(folder)]
        used = peaks(folder) if sys.platform == "linux" else []
    packages = ("numpy", "scikit-learn", "keras", "tensorflow", "dask", "dask-ml")
    text = "\n\n".join(
        [
            "# Scalers, side by side",
            "Printed by `python benchmarks/scalers.py --write`: medians of runs in turn, in one "
            f"process; ratios are peer to ours. {machine(*packages)}",
            markdown(["case", "who", "median", "ratio"], timed),
            "Peak memory of one `fit` above what the process held before (data included):",
            markdown(["`StandardScaler.fit`", "who", "peak"], used),
        ]
    )
    print(text)
    if options.write:
        write_section(text)
    return None


if __name__ == "__main__":
    main()
