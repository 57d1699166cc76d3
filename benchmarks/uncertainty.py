"""Uncertainty beside the peers: ``python benchmarks/uncertainty.py``.

Coverage, width, CRPS and time of fit on four sets, and what missing targets and members of an
ensemble cost. ``--write`` puts the tables into ``benchmarks/RESULTS.md``; ``--only CASE`` runs one
table. About 20 minutes. Needs ``pip install mapie ngboost``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up log
os.environ.setdefault("OMP_NUM_THREADS", "1")  # faster for gradient boosting of so few rows

import numpy as np
from _tables import Contestants, machine, markdown, write_section
from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor
from ngboost import NGBRegressor
from scipy.special import ndtri
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_keras_scaling import ScaledKerasRegressor

PACKAGES = ("numpy", "scikit-learn", "keras", "tensorflow", "mapie", "ngboost")
COVERAGES = (0.5, 0.8, 0.9, 0.95)
#: Of the CRPS: twice the mean pinball loss over them.
PERCENTS = np.arange(1, 100) / 100
#: Percents, and the ends of the widest interval.
LEVELS = np.union1d(PERCENTS, [0.025, 0.975])
#: What methods that learn each quantile by itself are asked for.
ENDS = np.array(sorted({0.5, *((1 + s * c) / 2 for c in COVERAGES for s in (-1, 1))}))
SPLITS, ROWS, TEST_ROWS = 8, 900, 2000
DIABETES_SPLITS = 16  # its test sets are small
FIRST_SEED = 100  # our settings were chosen on smaller ones
SIZES = (32, 32)  # of networks
RUNS, EPOCHS = 25, 20

Rows = list[list[str]]
Quantiles = np.ndarray


@dataclass(frozen=True)
class Split:
    """Rows to fit, to calibrate and to test with; ``y`` has a column for each target."""

    X: np.ndarray
    y: np.ndarray
    X_calibration: np.ndarray
    y_calibration: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    seed: int

    @property
    def all_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """What those fit that need no calibration."""
        return np.r_[self.X, self.X_calibration], np.r_[self.y, self.y_calibration]


# Data


def diabetes(_: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's, 442 rows."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    return X, y.reshape(-1, 1)


def heteroscedastic(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a target whose noise grows with a column."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(ROWS + TEST_ROWS, 4))
    noise = (0.1 + X[:, 2]) * rng.normal(size=len(X))
    return X, (2 * np.sin(6 * X[:, 0]) + X[:, 1] + noise).reshape(-1, 1)


def skewed(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a log-normal target."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(ROWS + TEST_ROWS, 4))
    logarithm = 5 + 0.6 * X[:, 0] + 0.4 * np.sin(2 * X[:, 1]) + 0.5 * rng.normal(size=len(X))
    return X, np.exp(logarithm).reshape(-1, 1)


def two_units(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a pressure in pascals and a humidity as a share, whose noise goes together."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(ROWS + TEST_ROWS, 5))
    noise = rng.normal(size=(2, len(X)))
    pressure = 101_300 + 800 * np.tanh(X[:, 0] + X[:, 1]) + 300 * noise[0]
    humidity = 0.02 + 0.004 * X[:, 2] * X[:, 3] + 0.002 * (noise[0] + noise[1])
    return X, np.c_[pressure, humidity]


SETS: dict[str, tuple[Callable[[int], tuple[np.ndarray, np.ndarray]], int]] = {
    "diabetes": (diabetes, DIABETES_SPLITS),
    "heteroscedastic": (heteroscedastic, SPLITS),
    "skewed": (skewed, SPLITS),
    "two targets": (two_units, SPLITS),
}


def splits(name: str) -> Iterator[Split]:
    """Yield the splits of a set: a third of the rows to fit are kept to calibrate."""
    make, count = SETS[name]
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        X, y = make(seed)
        size = TEST_ROWS if len(X) > TEST_ROWS else 0.25
        X, X_test, y, y_test = train_test_split(X, y, test_size=size, random_state=seed)
        parts = train_test_split(X, y, test_size=1 / 3, random_state=seed)
        yield Split(parts[0], parts[2], parts[1], parts[3], X_test, y_test, seed)


# Methods: each returns quantiles of the test rows, of shape (rows, targets, levels)


def for_each_target(method: Callable[..., Quantiles]) -> Callable[[Split], Quantiles]:
    """Return a method of one target as one of several."""

    def several(split: Split) -> Quantiles:
        return np.stack([method(split, target) for target in range(split.y.shape[1])], axis=1)

    return several


def filled(levels: np.ndarray, quantiles: Quantiles) -> Quantiles:
    """Return quantiles at all levels, straight lines over normal scores between those given."""
    given, wanted = ndtri(levels), ndtri(LEVELS)
    quantiles = np.sort(quantiles, axis=-1)
    after = np.clip(np.searchsorted(given, wanted), 1, len(given) - 1)
    share = (wanted - given[after - 1]) / (given[after] - given[after - 1])
    return quantiles[..., after - 1] * (1 - share) + quantiles[..., after] * share


def from_intervals(ends: np.ndarray, coverages: np.ndarray, middle: np.ndarray) -> Quantiles:
    """Return quantiles at all levels of intervals of shape (rows, 2, coverages)."""
    levels = np.r_[(1 - coverages) / 2, 0.5, (1 + coverages) / 2]
    quantiles = np.c_[ends[:, 0], middle, ends[:, 1]]
    order = np.argsort(levels)
    return filled(levels[order], quantiles[:, order])


#: What ours have on all sets.
PLAIN = {
    "distribution": "normal",
    "n_members": 5,
    "early_stopping": True,
    "hidden_layer_sizes": SIZES,
}
CHOSEN = {**PLAIN, "loss": "crps"}


def network(split: Split, parameters: dict[str, Any] = CHOSEN) -> ScaledKerasRegressor:
    """Return our regressor, not yet fitted."""
    return ScaledKerasRegressor(**parameters, random_state=split.seed)


def ours(split: Split, parameters: dict[str, Any] = CHOSEN) -> Quantiles:
    """Return the quantiles of our regressor."""
    fitted = network(split, parameters).fit(*split.all_rows)
    return fitted.predict_quantiles(split.X_test, LEVELS)


class Column(RegressorMixin, BaseEstimator):
    """One target of a fitted regressor of several."""

    def __init__(self, fitted: Any, target: int) -> None:
        self.fitted = fitted
        self.target = target
        self.is_fitted_ = True

    def fit(self, X: np.ndarray, y: np.ndarray) -> Column:
        """Fit the regressor; MAPIE asks for it."""
        self.fitted.fit(X, y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the target's predictions."""
        return self.fitted.predict(X).reshape(len(X), -1)[:, self.target]


def conformal(fitted: Any, split: Split, target: int) -> Quantiles:
    """Return MAPIE's split conformal intervals around a fitted regressor."""
    coverages = np.union1d(2 * PERCENTS[50:] - 1, 0.95)
    peer = SplitConformalRegressor(fitted, coverages.tolist(), prefit=True)
    peer.conformalize(split.X_calibration, split.y_calibration[:, target])
    middle, ends = peer.predict_interval(split.X_test)
    return from_intervals(ends, coverages, middle)


def conformal_quantiles(at: Callable[[float], Any], split: Split, target: int) -> Quantiles:
    """Return MAPIE's conformalized quantiles, of three fitted regressors for each interval."""
    found = []
    for coverage in COVERAGES:
        views = [at(level) for level in ((1 - coverage) / 2, (1 + coverage) / 2, 0.5)]
        peer = ConformalizedQuantileRegressor(views, coverage, prefit=True)
        peer.conformalize(split.X_calibration, split.y_calibration[:, target])
        middle, ends = peer.predict_interval(split.X_test)
        found.append(ends[..., 0])
    return from_intervals(np.stack(found, axis=-1), np.array(COVERAGES), middle)


def ours_in_split(split: Split) -> Quantiles:
    """Return MAPIE's split conformal intervals around our regressor."""
    fitted = network(split).fit(split.X, split.y)
    return for_each_target(lambda s, k: conformal(Column(fitted, k), s, k))(split)


def ours_in_cqr(split: Split) -> Quantiles:
    """Return MAPIE's conformalized quantiles of views of our regressor."""
    fitted = network(split).fit(split.X, split.y)

    def one(split: Split, target: int) -> Quantiles:
        return conformal_quantiles(lambda q: Column(fitted.at_quantile(q), target), split, target)

    return for_each_target(one)(split)


def mlp_in_split(split: Split, target: int) -> Quantiles:
    """Return MAPIE's split conformal intervals around scikit-learn's network."""
    mlp = MLPRegressor(
        hidden_layer_sizes=SIZES, early_stopping=True, max_iter=500, random_state=split.seed
    )
    scaled = make_pipeline(StandardScaler(), mlp)
    regressor = TransformedTargetRegressor(scaled, transformer=StandardScaler())
    return conformal(regressor.fit(split.X, split.y[:, target]), split, target)


def boosting(X: np.ndarray, y: np.ndarray, seed: int) -> Callable[[float], Any]:
    """Return what gives gradient boosting of a quantile, fitted when it is first asked for."""
    fitted: dict[float, Any] = {}

    def at(level: float) -> Any:
        level = round(level, 6)
        if level not in fitted:
            new = HistGradientBoostingRegressor(
                loss="quantile", quantile=level, early_stopping=True, random_state=seed
            )
            fitted[level] = new.fit(X, y)
        return fitted[level]

    return at


def boosted(split: Split, target: int) -> Quantiles:
    """Return quantiles of gradient boosting, fitted each by itself."""
    X, y = split.all_rows
    at = boosting(X, y[:, target], split.seed)
    return filled(ENDS, np.stack([at(level).predict(split.X_test) for level in ENDS], axis=-1))


def boosted_in_cqr(split: Split, target: int) -> Quantiles:
    """Return MAPIE's conformalized quantiles of gradient boosting."""
    return conformal_quantiles(boosting(split.X, split.y[:, target], split.seed), split, target)


def ngboost(split: Split, target: int) -> Quantiles:
    """Return quantiles of NGBoost's normal distribution."""
    X, y = split.all_rows
    peer = NGBRegressor(verbose=False, early_stopping_rounds=10, random_state=split.seed)
    with redirect_stdout(None):  # it tells of the rows that it validates on
        peer.fit(X, y[:, target])
    said = peer.pred_dist(split.X_test)
    return np.stack([said.ppf(level) for level in LEVELS], axis=-1)


def gaussian_process(split: Split, target: int) -> Quantiles:
    """Return quantiles of a Gaussian process, its kernel's parameters by maximum likelihood."""
    X, y = split.all_rows
    kernel = ConstantKernel() * RBF(3.0) + WhiteKernel()
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=split.seed)
    fitted = make_pipeline(StandardScaler(), process).fit(X, y[:, target])
    mean, std = fitted.predict(split.X_test, return_std=True)
    return mean[:, None] + std[:, None] * ndtri(LEVELS)


METHODS: dict[str, Callable[[Split], Quantiles]] = {
    "ours": ours,
    "ours, loss as it comes": partial(ours, parameters=PLAIN),
    "NGBoost": for_each_target(ngboost),
    "HistGradientBoosting, 9 quantiles": for_each_target(boosted),
    "Gaussian process": for_each_target(gaussian_process),
    "MAPIE split, ours": ours_in_split,
    "MAPIE split, MLPRegressor": for_each_target(mlp_in_split),
    "MAPIE CQR, ours": ours_in_cqr,
    "MAPIE CQR, HistGradientBoosting": for_each_target(boosted_in_cqr),
}


# What is measured


def crps(quantiles: Quantiles, y: np.ndarray) -> float:
    """Return the CRPS, in deviations of the target."""
    found = quantiles[..., np.searchsorted(LEVELS, PERCENTS - 1e-9)]
    apart = (y[..., None] - found) / y.std(axis=0)[:, None]
    return float(2 * np.mean(np.maximum(PERCENTS * apart, (PERCENTS - 1) * apart)))


def central(quantiles: Quantiles, coverage: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval of this coverage."""
    low, high = (np.abs(LEVELS - (1 + s * coverage) / 2).argmin() for s in (-1, 1))
    return quantiles[..., low], quantiles[..., high]


def measured(quantiles: Quantiles, y: np.ndarray) -> list[float]:
    """Return CRPS, coverages, and the width of intervals of 90 % in deviations of the target."""
    quantiles = quantiles.reshape(*y.shape, len(LEVELS))
    ends = [central(quantiles, coverage) for coverage in COVERAGES]
    covered = [float(np.mean((low <= y) & (y <= high))) for low, high in ends]
    low, high = central(quantiles, 0.9)
    return [crps(quantiles, y), *covered, float(np.mean((high - low) / y.std(axis=0)))]


def of_set(name: str) -> dict[str, list[float]]:
    """Return what is measured of each method on a set: means over splits, median seconds."""
    found: dict[str, list[list[float]]] = {}
    for split in splits(name):
        for who, method in METHODS.items():
            start = time.perf_counter()
            quantiles = method(split)
            spent = time.perf_counter() - start
            found.setdefault(who, []).append([*measured(quantiles, split.y_test), spent])
    return {
        who: [*np.mean(values, axis=0)[:-1].tolist(), float(np.median(values, axis=0)[-1])]
        for who, values in found.items()
    }


def row(name: str, who: str, values: list[float]) -> list[str]:
    """Return a row of the table."""
    score, *covered, width, spent = values
    percents = [f"{100 * share:.1f}" for share in covered]
    return [name, who, f"{score:.4f}", *percents, f"{width:.2f}", f"{spent:.2g} s"]


def off(values: list[float]) -> float:
    """Return how many points the coverage farthest from its nominal one is away."""
    pairs = zip(values[1:-2], COVERAGES, strict=True)
    return max(100 * abs(found - nominal) for found, nominal in pairs)


def intervals() -> str:
    """Measure all methods on all sets, and return table and bars."""
    found = {name: of_set(name) for name in SETS}
    rows = [row(name, who, v) for name, every in found.items() for who, v in every.items()]
    bars = []
    for name, every in found.items():
        best = min(values[0] for values in every.values())
        bars += [
            verdict(f"{name}, CRPS to the best", every["ours"][0] / best, 1.03),
            verdict(f"{name}, points of coverage off", off(every["ours"]), 5),
            verdict(f"{name}, the same after MAPIE split", off(every["MAPIE split, ours"]), 2),
        ]
    head = ["set", "who", "CRPS", *(f"{c:.0%}" for c in COVERAGES), "width of 90%", "seconds"]
    return f"{markdown(head, rows)}\n\n{listed(bars)}"


def verdict(what: str, found: float, most: float) -> str:
    """Return a line on a bar."""
    return f"{what}: {found:.3g} (bar {most:g}): {'met' if found <= most else '**not met**'}"


def listed(bars: list[str]) -> str:
    """Return the lines on bars as a list."""
    return "Bars:\n\n" + "\n".join(f"- {bar}" for bar in bars)


# What fits cost


def costs() -> str:
    """Time fits with missing targets and of five members, and return table and bars."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    rng = np.random.default_rng(0)
    three = y[:, None] + 30 * rng.normal(size=(len(y), 3))
    holes = np.where(rng.random(three.shape) < 0.3, np.nan, three)
    one, five = (
        ScaledKerasRegressor(epochs=EPOCHS, engine="compiled", n_members=n, random_state=0)
        for n in (1, 5)
    )
    calls: Contestants = {
        "3 targets": lambda: one.fit(X, three),
        "3 targets, 30% missing": lambda: one.fit(X, holes),
        "1 target": lambda: one.fit(X, y),
        "1 target, 5 members": lambda: five.fit(X, y),
    }
    pairs = (
        ("3 targets, 30% missing", "3 targets", 1.15),
        ("1 target, 5 members", "1 target", 4.2),
    )
    wall, used = (in_turn(calls, clock) for clock in (time.perf_counter, time.process_time))
    rows = [
        [
            who,
            f"{1e3 * statistics.median(wall[who]):.3g} ms",
            f"{1e3 * statistics.median(used[who]):.3g} ms",
        ]
        for who in calls
    ]
    bars = [verdict(f"{who}, to {to}", ratio(wall, who, to), most) for who, to, most in pairs]
    bars += [
        verdict(f"{who}, to {to}, of CPU", ratio(used, who, to), most) for who, to, most in pairs
    ]
    head = [f"warm fit, 442 rows, {EPOCHS} epochs", "median", "median of CPU"]
    return f"{markdown(head, rows)}\n\n{listed(bars)}"


def in_turn(calls: Contestants, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Return the seconds of each run, after one that compiles; each round goes the other way."""
    found: dict[str, list[float]] = {who: [] for who in calls}
    for run in range(RUNS + 1):
        for who in list(calls)[:: 1 if run % 2 else -1]:
            start = clock()
            calls[who]()
            if run:
                found[who].append(clock() - start)
    return found


def ratio(times: dict[str, list[float]], who: str, to: str) -> float:
    """Return the median of the ratios of runs of the same round."""
    return statistics.median(a / b for a, b in zip(times[who], times[to], strict=True))


CASES = {"intervals": intervals, "costs": costs}

ABOUT = """\
# Uncertainty, side by side

Printed by `python benchmarks/uncertainty.py --write`. {machine}

Ours are `ScaledKerasRegressor({settings})` on all sets. Among nine settings (distribution, loss,
target scaler, widths, share of validation) this one was chosen, once for all sets, on a few splits
of other seeds; peers are as they come, but for early stopping and the widths. {few} splits of
diabetes (442 rows, a quarter to test; the same rows as in choosing), {splits} of the others ({rows}
rows to fit, {test_rows:,} to test). MAPIE calibrates on a third of the rows to fit, so that what is
inside has fewer; its CQR needs a loss of quantiles, which `MLPRegressor` has not.

CRPS is twice the mean pinball loss over 99 quantiles, in deviations of the target, as is the
width; between quantiles that are not given it takes straight lines over normal scores. Columns of
percents have the coverage; of two targets all is their mean. Seconds are medians, of fit and
prediction. With m rows to calibrate and k splits a coverage c after calibration has a standard
error of at least sqrt(c (1 - c) / m / k): at 50% 1 point, and 1.7 with that of diabetes's few test
rows."""


def report(names: list[str]) -> str:
    """Run the tables and return the section."""
    about = ABOUT.format(
        machine=machine(*PACKAGES),
        settings=", ".join(f"{name}={value!r}" for name, value in CHOSEN.items()),
        few=DIABETES_SPLITS,
        splits=SPLITS,
        rows=ROWS,
        test_rows=TEST_ROWS,
    )
    return "\n\n".join([about, *(CASES[name]() for name in names or CASES)])


def main() -> None:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="also write benchmarks/RESULTS.md")
    parser.add_argument("--only", action="append", default=[], choices=CASES, help="a table")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the peers
    text = report(options.only)
    print(text)
    if options.write:
        write_section(text)


if __name__ == "__main__":
    main()
