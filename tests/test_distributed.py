"""Dask collections, on a cluster of two processes, one of which is killed."""

import subprocess
import sys
from pathlib import Path

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import sklearn_keras_scaling as sks

NAMES = ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "SquashingScaler"]


@pytest.fixture(autouse=True)
def in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(1e4, 1, size=(1000, 5)).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chunks", [(130, 2), (1000, 5), (1, 5)])
def test_an_array_is_fitted_and_scaled_as_numpy_s(name, chunks, X):
    data = da.from_array(X[:200] if chunks[0] == 1 else X, chunks=chunks)
    whole, chunked = getattr(sks, name)().fit(data.compute()), getattr(sks, name)().fit(data)
    np.testing.assert_allclose(chunked.scale_, whole.scale_, rtol=1e-12)
    scaled = chunked.transform(data)
    assert isinstance(scaled, da.Array)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.compute(), whole.transform(data.compute()), atol=1e-6)
    back = chunked.inverse_transform(scaled)
    np.testing.assert_allclose(back.compute(), data.compute(), rtol=1e-6)


def test_dask_s_own_float32_variance_is_not_what_we_find(X):
    X = np.tile(X, (200, 1))
    found = sks.StandardScaler().fit(da.from_array(X, chunks=(100_000, 5))).var_
    np.testing.assert_allclose(found, X.var(axis=0, dtype=float), rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_a_data_frame_keeps_its_columns(name, X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    data = dd.from_pandas(frame, npartitions=7)
    scaler = getattr(sks, name)().fit(data)
    assert list(scaler.feature_names_in_) == list("abcde")
    scaled = scaler.transform(data)
    assert isinstance(scaled, dd.DataFrame)
    computed = scaled.compute()
    assert list(computed.columns) == list("abcde")
    np.testing.assert_array_equal(computed.index, frame.index)
    np.testing.assert_allclose(computed, getattr(sks, name)().fit_transform(frame), atol=1e-6)
    with pytest.raises(ValueError, match="feature names should match"):
        scaler.transform(data.rename(columns={"a": "z"}))


@pytest.mark.parametrize("name", NAMES)
def test_weights_masks_axes_and_partial_fit(name):
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(60, 4, 3)), rng.integers(0, 3, size=60)
    mask = rng.uniform(size=(60, 4)) < 0.8
    data = da.from_array(X, chunks=(7, 2, 3))
    whole = getattr(sks, name)(axis=(1, 2)).fit(X, sample_weight=weight, mask=mask)
    chunked = getattr(sks, name)(axis=(1, 2))
    chunked.fit(data, sample_weight=weight, mask=da.from_array(mask, chunks=(7, 4)))
    np.testing.assert_allclose(chunked.scale_, whole.scale_, rtol=1e-12)
    np.testing.assert_allclose(
        chunked.partial_fit(data).scale_, whole.partial_fit(X).scale_, rtol=1e-12
    )


def test_unknown_chunk_sizes_and_empty_partitions(X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    some = dd.from_pandas(frame, npartitions=9)
    some = some[some.a > frame.a.max() - 0.5]
    expected = frame[frame.a > frame.a.max() - 0.5]
    scaler = sks.StandardScaler().fit(some)
    np.testing.assert_allclose(scaler.mean_, expected.mean().to_numpy(float), rtol=1e-6)
    assert len(scaler.transform(some).compute()) == len(expected)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": db.from_sequence([1, 2])}, TypeError, "Dask array or data frame, got a Dask Bag"),
        ({"X": da.full((4, 2), np.inf, chunks=2)}, ValueError, "contains infinity"),
        ({"X": da.zeros((0, 2), chunks=2)}, ValueError, r"Found array with 0 sample\(s\)"),
        ({"X": da.zeros((4, 2), chunks=2), "sample_weight": 2.0}, ValueError,
         r"must be arrays, got 2\.0"),
        ({"X": da.zeros((4, 2), chunks=2), "sample_weight": [1, 1]}, ValueError,
         r"the 2 values of an array do not fit its chunks of \[2, 2\]"),
        ({"X": da.zeros((4, 2), chunks=2), "sample_weight": da.ones(4, chunks=4)}, ValueError,
         "X has 2 chunks, got 1. Use rechunk"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_explained(arguments, error, message):
    scaler = sks.StandardScaler()
    with pytest.raises(error, match=message):
        scaler.fit(**arguments)
    assert set(vars(scaler)) == set(vars(sks.StandardScaler()))


def test_chunks_are_not_overwritten_and_nothing_is_nothing():
    X = np.arange(6.0).reshape(3, 2)
    scaled = sks.StandardScaler(copy=False).fit(X.copy()).transform(da.from_array(X, chunks=3))
    np.testing.assert_array_equal(scaled.compute(), scaled.compute())
    ones = da.ones((4, 2), chunks=2)
    scaler = sks.StandardScaler().partial_fit(ones, sample_weight=np.zeros(4))
    assert set(vars(scaler)) == set(vars(sks.StandardScaler()))
    assert scaler.partial_fit(ones).n_samples_seen_ == 4


def test_a_frame_s_dtypes_are_those_it_computes(X):
    data = dd.from_pandas(pd.DataFrame(X, columns=list("abcde")), npartitions=2)
    scaled = sks.StandardScaler().fit(data).transform(data)
    assert list(scaled.dtypes) == list(scaled.compute().dtypes) == [np.float32] * 5


def test_set_output_does_not_compute_behind_the_users_back(X):
    data = da.from_array(X, chunks=100)
    scaler = sks.StandardScaler().set_output(transform="pandas").fit(data)
    with pytest.raises(ValueError, match="does not apply to Dask collections"):
        scaler.transform(data)


def test_a_killed_worker_changes_no_bit_and_workers_import_no_keras():
    script = Path(__file__).with_name("killed_worker.py")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout.strip() == "the same bits", done.stderr


def test_dask_is_not_imported_by_the_scalers():
    code = (
        "import sys; from sklearn_keras_scaling import StandardScaler; "
        "StandardScaler().fit([[1.0]]); sys.exit('dask' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
