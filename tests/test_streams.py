"""Fitting in parts: partial_fit, streams of any library, merging."""

import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import sparse
from sklearn.exceptions import NotFittedError

import sklearn_keras_scaling as sks

NAMES = ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "SquashingScaler"]
SKETCHES = [(name, {"sketch_size": 200}) for name in ("RobustScaler", "SquashingScaler")]
KINDS = [*((name, {}) for name in NAMES), *SKETCHES]
N = 3000


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(N, 3)) * [1, 20, 3e-3] + [0, -50, 1e9]


@pytest.fixture(scope="module")
def y():
    return np.zeros(N)


def new(kind):
    name, parameters = kind
    return getattr(sks, name)(**parameters)


def chunks(X, *cuts):
    return np.split(X, cuts or range(256, len(X), 256))


def assert_same(found, expected, X):
    """Equal to 1e-12 in standardised units, or a sketch of equal ranks."""
    if getattr(found, "rank_error_", 0):
        ranks = [(value > X).mean(axis=0) for value in (found.center_, expected.center_)]
        np.testing.assert_allclose(*ranks, atol=found.rank_error_)
        np.testing.assert_allclose(found.scale_, expected.scale_, rtol=0.02)
        return
    names = getattr(found, "feature_names_in_", None)
    frame = X if names is None else pd.DataFrame(X, columns=names)
    offset = np.abs(expected.transform(np.zeros((1, X.shape[1]))))
    bound = 1e-12 + 2 * np.finfo(float).eps * offset.max()  # the mean itself is rounded
    np.testing.assert_allclose(found.transform(frame), expected.transform(X), atol=bound)


class Pairs(keras.utils.PyDataset):
    def __init__(self, X, y):
        super().__init__()
        self.X, self.y = X, y

    def __len__(self):
        return -(-len(self.X) // 256)

    def __getitem__(self, i):
        rows = slice(256 * i, 256 * i + 256)
        return self.X[rows], self.y[rows]


def torch_loader(X, y):
    torch = pytest.importorskip("torch", reason="an extra, which CI does not install")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    return torch.utils.data.DataLoader(data, batch_size=256)


STREAMS = {
    "generator": lambda X, y: (X[i : i + 256] for i in range(0, N, 256)),
    "list of pairs": lambda X, y: [(part, y[: len(part)]) for part in chunks(X)],
    "one array": lambda X, y: X,
    "data frames": lambda X, y: (pd.DataFrame(part, columns=list("abc")) for part in chunks(X)),
    "tf.data": lambda X, y: tf.data.Dataset.from_tensor_slices((X, y)).batch(256),
    "PyDataset": Pairs,
    "DataLoader": torch_loader,
    "with empty and one-row batches": lambda X, y: chunks(X, 0, 0, 1, 2, 1000, 1000, N - 1),
    "in weights": lambda X, y: [(part, None, np.full(len(part), 2)) for part in chunks(X)],
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_is_learnt_as_one_fit(kind, stream, X, y):
    whole = new(kind).fit(X)
    found = new(kind).fit_batches(STREAMS[stream](X, y))
    if hasattr(whole, "rank_error_") and stream == "in weights":  # each value counts twice
        whole = new(kind).fit(np.repeat(X, 2, axis=0))
    assert_same(found, whole, X)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_memory_mapped_file_is_read_in_chunks(kind, X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_same(new(kind).fit_batches(mapped), new(kind).fit(X), X)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_memory_mapped_file_does_not_fill_the_memory(tmp_path):
    code = f"""
import numpy as np
from pathlib import Path
from sklearn_keras_scaling import StandardScaler
def memory(which):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(which)).split()[1]) / 1e3
shape = (8_000_000, 10)
X = np.lib.format.open_memmap({str(tmp_path / "X.npy")!r}, "w+", "float32", shape)
X[:] = 1
X.flush()
del X
X = np.load({str(tmp_path / "X.npy")!r}, mmap_mode="r")
StandardScaler().fit(X[:1000])
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
scaler = StandardScaler().fit(X)
assert scaler.mean_.tolist() == [1] * 10, scaler.mean_
assert memory("VmHWM") - before < 160, (memory("VmHWM"), before)  # of 320 MB
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("cuts", [(1,), (1, 2, 2, 1500), tuple(range(1, 40))])
def test_partial_fit_in_any_chunks_equals_one_fit(kind, cuts, X):
    parts = new(kind)
    for part in chunks(X, *cuts):
        parts.partial_fit(part)
    assert_same(parts, new(kind).fit(X), X)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_does_not_count_changes_nothing(kind, X):
    scaler = new(kind).partial_fit(X[:0])
    assert set(vars(scaler)) == set(vars(new(kind)))
    scaler.partial_fit(X[:50])
    before = dict(vars(scaler))
    scaler.partial_fit(X[:0])
    scaler.partial_fit(X[50:60], sample_weight=np.zeros(10))
    scaler.partial_fit(X[50:60], mask=np.zeros(10, dtype=bool))
    assert vars(scaler) == before


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_values_are_copied_before_the_caller_reuses_its_buffer(kind, X):
    buffer, scaler = np.empty((1000, 3)), new(kind)
    for part in chunks(X, 1000, 2000):
        buffer[:] = part
        scaler.partial_fit(buffer)
    buffer[:] = np.nan
    assert_same(scaler.partial_fit(X[:1]), new(kind).fit(np.r_[X, X[:1]]), X)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones((5, 2)), "X has 2 features, but .*Scaler is expecting 3"),
        (np.full((5, 3), np.inf), "infinity"),
        ([["a", "b", "c"]], "X has text"),
        (pd.DataFrame(np.ones((5, 3)), columns=list("abd")), "feature names should match"),
        ((np.ones((5, 3)), None, -np.ones(5)), "sample_weight has negative values"),
        ((1, 2, 3, 4), r"\(X, y, sample_weight\), got 4 parts"),
    ],
    ids=["width", "infinity", "text", "names", "weights", "parts"],
)
def test_a_bad_batch_leaves_what_was_learnt_before_it(kind, bad, message, X):
    if message == "infinity" and kind[0] == "SquashingScaler":
        pytest.skip("infinities have their place")
    good = chunks(X, 1000, 2000)
    if isinstance(bad, pd.DataFrame):
        good = [pd.DataFrame(part, columns=list("abc")) for part in good]
    scaler = new(kind)
    with pytest.raises(ValueError, match=message) as caught:
        scaler.fit_batches(iter([good[0], good[1], bad, good[2]]))
    assert "Raised for batch 2, counted from 0." in caught.value.__notes__
    expected = new(kind).fit_batches(good[:2])
    np.testing.assert_array_equal(scaler.scale_, expected.scale_)
    with pytest.raises(ValueError, match=message):
        new(kind).fit_batches([good[0], bad])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_stream_of_nothing_leaves_the_scaler_as_it_was(kind, X):
    scaler = new(kind).fit(X)
    before = dict(vars(scaler))
    for nothing in ([], iter([]), [X[:0], X[:0]], X[:0]):
        with pytest.raises(ValueError, match=r"fit_batches got no rows"):
            scaler.fit_batches(nothing)
        assert vars(scaler) == before
    with pytest.raises(TypeError, match=r"takes an iterable of arrays, .* got int"):
        scaler.fit_batches(5)


def test_an_interrupted_stream_keeps_what_it_has(X):
    def stream():
        yield X[:1000]
        raise KeyboardInterrupt

    scaler = sks.StandardScaler()
    with pytest.raises(KeyboardInterrupt):
        scaler.fit_batches(stream())
    assert scaler.n_samples_seen_ == 1000


def test_a_progress_bar_is_shown_on_request_alone(X, capsys):
    sks.StandardScaler().fit_batches(X)
    assert capsys.readouterr() == ("", "")
    sks.StandardScaler().fit_batches(X, verbose=True)
    assert "Fitting StandardScaler" in capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("cuts", [(1,), (1000, 2000), (1, 2, 3, 5, 2999)])
def test_merged_scalers_equal_one_fit(kind, cuts, X):
    parts = [new(kind).fit(part) for part in chunks(X, *cuts)]
    states = [dict(vars(part)) for part in parts]
    merged = sks.merge(parts)
    assert_same(merged, new(kind).fit(X), X)
    assert [vars(part) for part in parts] == states
    by_method = parts[0].merge(*parts[1:])
    np.testing.assert_array_equal(by_method.scale_, merged.scale_)
    assert_same(merged.partial_fit(X), new(kind).fit(np.r_[X, X]), X)  # a scaler like others


@pytest.mark.parametrize("name", ["MinMaxScaler", "MaxAbsScaler"])
def test_merged_extremes_are_exact_in_any_order(name, X):
    parts = [getattr(sks, name)().fit(part) for part in chunks(X, 10, 700)]
    whole = getattr(sks, name)().fit(X)
    np.testing.assert_array_equal(sks.merge(parts[::-1]).transform(X), whole.transform(X))


def test_merging_holds_at_an_offset_of_1e9_and_a_deviation_of_1e_3():
    X = 1e9 + 1e-3 * np.random.default_rng(0).normal(size=(10_000, 1))
    merged = sks.merge([sks.StandardScaler().fit(part) for part in np.split(X, 1000)])
    np.testing.assert_allclose(merged.var_, sks.StandardScaler().fit(X).var_, rtol=1e-12)


def by_hand(X):
    scaler = sks.StandardScaler()
    scaler.mean_, scaler.scale_ = X.mean(axis=0), X.std(axis=0)
    return scaler


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (lambda X: sks.MinMaxScaler().fit(X), TypeError, "StandardScaler and, at place 1, MinMax"),
        (lambda X: "scaler", TypeError, "merge takes scalers of this package, got a str"),
        (lambda X: sks.StandardScaler(), NotFittedError, "not fitted"),
        (lambda X: sks.StandardScaler(with_mean=False).fit(X), ValueError,
         "with_mean is True of the first and False at place 1"),
        (lambda X: sks.StandardScaler().fit(X[:, :2]), ValueError,
         r"the first has \(3,\).* place 1 \(2,\)"),
        (lambda X: sks.StandardScaler(axis=None).fit(X), ValueError,
         r"axes \(1,\) kept, .* axes \(\) kept"),
        (lambda X: by_hand(X), ValueError, "keeps nothing to go on from"),
        (lambda X: sks.StandardScaler().fit(X[:, None]), ValueError, r"\(3,\).* \(any, 3\)"),
        (lambda X: sks.StandardScaler().fit(pd.DataFrame(X, columns=list("abc"))), ValueError,
         r"no names and .* the names \['a', 'b', 'c'\]"),
    ],
)  # fmt: skip
def test_what_differs_is_named_when_merging_is_refused(other, error, message, X):
    with pytest.raises(error, match=message):
        sks.merge([sks.StandardScaler().fit(X), other(X)])


def test_merging_nothing_or_what_keeps_nothing_is_refused(X):
    with pytest.raises(TypeError, match="takes a list of scalers, got one StandardScaler"):
        sks.merge(sks.StandardScaler().fit(X))
    with pytest.raises(ValueError, match="needs at least one fitted scaler"):
        sks.merge([])
    large = sks.RobustScaler().fit(np.tile(X, (20, 1)))
    with pytest.raises(ValueError, match=r"keeps its values up to 1 MB.*sketch_size=1000"):
        large.merge(large)


@pytest.mark.parametrize("name", NAMES)
def test_batches_of_sequences_may_differ_in_length(name):
    X = np.random.default_rng(0).normal(5, 2, size=(60, 4, 3))
    batches = [X[:20], X[20:40, :2], X[20:40, 2:], X[40:]]
    scaler = getattr(sks, name)().fit_batches(batches)
    whole = getattr(sks, name)().fit(X.reshape(-1, 3))
    np.testing.assert_allclose(scaler.scale_, whole.scale_, rtol=1e-12)


@pytest.mark.parametrize("name", ["StandardScaler", "MaxAbsScaler", "RobustScaler"])
def test_sparse_chunks_merge_as_dense_ones_do(name):
    S = sparse.random(400, 5, density=0.6, random_state=0, format="csr")
    centred = {"StandardScaler": "with_mean", "RobustScaler": "with_centering"}
    parameters = {centred[name]: False} if name in centred else {}
    scaler = getattr(sks, name)(**parameters)
    weight = np.random.default_rng(0).integers(0, 3, size=400)
    for rows in (slice(0, 10), slice(10, 400)):
        scaler.partial_fit(S[rows], sample_weight=weight[rows])
    dense = getattr(sks, name)(**parameters).fit(S.toarray(), sample_weight=weight)
    np.testing.assert_allclose(scaler.scale_, dense.scale_, rtol=1e-12)
    np.testing.assert_allclose(scaler.merge(dense).scale_, scaler.merge(scaler).scale_, rtol=1e-12)


def test_a_sketch_is_bounded_and_says_how_exact_it_is():
    X = np.random.default_rng(0).lognormal(size=(200_000, 1))
    scaler = sks.RobustScaler(sketch_size=500).fit_batches(
        X[i : i + 5000] for i in range(0, 200_000, 5000)
    )
    ranks = (scaler.center_ > X).mean()
    assert 0 < scaler.rank_error_ < 0.01
    assert abs(ranks - 0.5) <= scaler.rank_error_
    assert sum(map(len, scaler.statistics_.digests)) < 20_000  # bytes
    assert sks.RobustScaler().fit(X).rank_error_ == 0


def test_a_missing_sketch_library_is_explained(X, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastdigest", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn_keras_scaling\[sketch\]'"):
        sks.RobustScaler(sketch_size=100).fit(X)


def test_one_way_to_name_an_axis_merges_with_another(X):
    a, b = sks.StandardScaler(axis=[1]).fit(X), sks.StandardScaler(axis=np.int64(-1)).fit(X)
    np.testing.assert_array_equal(a.merge(b).mean_, sks.merge([b, a]).mean_)


def test_weights_and_sparse_data_are_copied_too(X):
    weight, scaler = (
        np.ones(100),
        sks.RobustScaler().partial_fit(X[:100], sample_weight=np.ones(100)),
    )
    other = sks.RobustScaler().partial_fit(X[:100], sample_weight=weight)
    weight[1:] = 0
    np.testing.assert_array_equal(
        other.partial_fit(X[100:200]).center_, scaler.partial_fit(X[100:200]).center_
    )
    S = sparse.random(50, 3, density=0.9, random_state=0, format="csc")
    scaler = sks.RobustScaler(with_centering=False).partial_fit(S)
    before = scaler.scale_
    S.data *= 1000
    np.testing.assert_array_equal(scaler.partial_fit(S[:0]).scale_, before)
    np.testing.assert_array_equal(scaler.merge().scale_, before)


def test_a_stream_that_overflows_leaves_the_scaler_as_it_was(X):
    scaler = sks.StandardScaler().fit(X)
    before = dict(vars(scaler))
    with pytest.raises(ValueError, match="overflow"):
        scaler.fit_batches([np.array([[1e200, 1.0], [-1e200, 2.0]])])
    assert vars(scaler) == before


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_parameters_changed_after_fit_are_not_ignored(kind, X):
    scaler = new(kind).fit(X[:100])
    with pytest.raises(ValueError, match=r"axis is None, but was \(1,\) when .* Call fit"):
        scaler.set_params(axis=None).partial_fit(X)


def test_a_sketch_size_changed_after_fit_is_not_ignored(X):
    scaler = sks.RobustScaler().fit(X[:100]).set_params(sketch_size=10)
    with pytest.raises(ValueError, match=r"sketch_size is 10, but .* Call fit to start anew"):
        scaler.partial_fit(X)


def test_a_sketch_refuses_weights_that_are_no_repetitions(X):
    with pytest.raises(ValueError, match=r"must be whole numbers, as repetitions, got 0\.5"):
        sks.RobustScaler(sketch_size=10).fit(X, sample_weight=np.full(N, 0.5))
    sks.RobustScaler(sketch_size=10).fit(X, sample_weight=np.full(N, 2.0))


def test_a_data_frame_is_read_in_chunks_and_a_scalar_refused(X):
    frame = pd.DataFrame(X, columns=list("abc"))
    found = sks.StandardScaler().fit_batches(frame)
    assert list(found.feature_names_in_) == list("abc")
    np.testing.assert_allclose(found.var_, sks.StandardScaler().fit(X).var_, rtol=1e-12)
    with pytest.raises(TypeError, match=r"takes an iterable of arrays, .* got ndarray"):
        sks.StandardScaler().fit_batches(np.array(1.0))
