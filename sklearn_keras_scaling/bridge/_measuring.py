"""Rows to try a map on, and differences in standardised units."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..maps import UNKNOWN, Map, draws_for

#: Rows that the cost of a float32 input is measured on, and the most values in them.
_ROWS, _VALUES = 256, 1_000_000
#: Mean of numbers that nothing is known of, at a standard deviation of 1.
_FAR = 1e6
#: Interquartile ranges from the median beyond which a prediction is no part of the others' spread.
_OUTLYING = 1e6
#: How far beyond the training data's range numbers are tried, as a multiple of it.
BEYOND = 3.0


def typical_rows(
    map_: Map, shape: tuple[int | None, ...], *, spread: float = 1.0, unknown: float = 0.0
) -> np.ndarray:
    """Return rows in raw units like those that a map was fitted on.

    Parameters
    ----------
    map_ : Map
        What knows them.
    shape : tuple of int or None
        Of a row.
    spread : float, default=1.0
        How far they go, as a multiple of the training data's range.
    unknown : float, default=0.0
        Mean of the numbers where the map knows nothing, with a standard deviation of 1.
    """
    lengths = [length or map_.typical_length for length in shape]
    n = max(2, min(_ROWS, _VALUES // max(1, int(np.prod(lengths)))))
    draws = spread * np.random.default_rng(0).standard_normal((n, *lengths))
    rows = map_.typical(np.full_like(draws_for(map_, draws), UNKNOWN), draws)
    return np.where(np.isinf(rows), unknown + draws, rows)


def largest_difference(found: Any, expected: Any, unit: Any) -> float:
    """Return the largest difference in a unit; infinity where one alone is NaN or infinite."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(found - expected) / unit
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    return float(np.max(np.where(same, 0.0, np.nan_to_num(difference, nan=np.inf)), initial=0.0))


def standard_unit(
    values: np.ndarray, shape: tuple[int | None, ...], *, without: float = 1.0
) -> np.ndarray:
    """Return the standard deviation of each output of a transformer.

    Where there is none, it is ``without``. Along axes of any length (None in ``shape``), all
    values are of one output.
    """
    finite = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    lengths = enumerate(shape, 1) if values.ndim == len(shape) + 1 else ()
    varying = (0, *(axis for axis, length in lengths if length is None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # outputs without a finite number
        deviation = np.nanstd(finite, axis=varying, keepdims=True)[0]
        size = np.nanmax(np.abs(finite), axis=varying, keepdims=True)[0]
    # A spread by rounding alone is none.
    return np.where(deviation > 1e-12 * np.nan_to_num(size), deviation, without)


def without_ends(values: np.ndarray) -> np.ndarray:
    """Return predictions with NaN for those that are far from all others.

    What stays at the end of a target scaler's inverse may be any number, by whose size all
    differences would be none.
    """
    if not values.size:
        return values
    low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
    is_far = (high > low) & (np.abs(values - middle) > _OUTLYING * (high - low))
    return np.where(is_far, np.nan, values)


def float32_cost(
    map_: Map, shape: tuple[int | None, ...], *, inverse: bool = False, kept: str = "float32"
) -> float:
    """Return what rounding what enters a map to float32 costs behind it, in standardised units.

    Over the training range, and up to :data:`BEYOND` times as far, where numbers count by their
    size. What comes out is rounded to the dtype ``kept`` in any case: what that may change does
    not count. Numbers that the map knows nothing of are taken to be far from zero.
    """
    apply = map_.inverse if inverse else map_.forward
    costs: list[float] = []
    with np.errstate(all="ignore"):
        for spread in (1.0, BEYOND):
            rows = typical_rows(map_, shape, spread=spread, unknown=_FAR)
            if inverse:
                rows = np.asarray(map_.forward(rows, np))
                rows = rows[np.isfinite(rows).reshape(len(rows), -1).all(axis=1)]
            expected = np.asarray(apply(rows, np), dtype=np.float64)
            rounded = rows.astype(np.float32).astype(np.float64)
            found = np.asarray(apply(rounded, np), dtype=np.float64)
            if kept == "float32":  # of which a last digit may differ in any case
                step = np.spacing(np.abs(expected).astype(np.float32))
                found = np.where(np.abs(found - expected) <= step, expected, found)
            if not costs:
                unit = standard_unit(expected, shape)
                costs.append(largest_difference(found, expected, unit))
    return max(*costs, largest_difference(found, expected, np.fmax(unit, np.abs(expected))))


def float32_output_cost(map_: Map, shape: tuple[int | None, ...]) -> float:
    """Return what rounding a map's outputs to float32 costs, as far as their spread is known."""
    with np.errstate(all="ignore"):
        rows = typical_rows(map_, shape, unknown=np.nan)
        expected = np.asarray(map_.forward(rows, np), dtype=np.float64)
        unit = standard_unit(expected, shape, without=np.inf)
        return largest_difference(expected.astype(np.float32), expected, unit)
