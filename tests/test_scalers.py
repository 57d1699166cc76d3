import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn import preprocessing
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

import sklearn_keras_scaling as sks

from . import squashing

EPS = np.finfo(float).eps
NAMES = ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "SquashingScaler"]
#: Those that refuse infinities; the others make bounds of them.
FINITE = NAMES[:-1]
VARIANTS = [
    ("StandardScaler", {}),
    ("StandardScaler", {"with_mean": False}),
    ("StandardScaler", {"with_std": False}),
    ("StandardScaler", {"with_mean": False, "with_std": False}),
    ("MinMaxScaler", {}),
    ("MinMaxScaler", {"feature_range": (-1, 1)}),
    ("MinMaxScaler", {"feature_range": (0.1, 0.9), "clip": True}),
    ("MaxAbsScaler", {}),
    ("RobustScaler", {}),
    ("RobustScaler", {"with_centering": False, "quantile_range": (10.0, 90.0)}),
    ("RobustScaler", {"with_scaling": False}),
    ("RobustScaler", {"unit_variance": True}),
    ("SquashingScaler", {}),
    ("SquashingScaler", {"max_absolute_value": 0.5, "quantile_range": (10.0, 60.0)}),
]


def theirs_of(name):
    """Return the class that ours stands in for."""
    return getattr(preprocessing, name, None) or getattr(squashing, name)


def both(name, **parameters):
    return getattr(sks, name)(**parameters), theirs_of(name)(**parameters)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(60, 4)) * [1, 20, 300, 4e3] + [0, 5, -50, 1e4]


@pytest.mark.parametrize(("name", "parameters"), VARIANTS)
def test_equals_scikit_learn_on_2d_data(name, parameters, X):
    ours, theirs = both(name, **parameters)
    ours.fit(X), theirs.fit(X)
    unseen = X * 1.5
    for fitted in (key for key in vars(theirs) if key.endswith("_")):
        np.testing.assert_allclose(
            np.array(getattr(ours, fitted), dtype=float),  # None becomes NaN, on both sides
            np.array(getattr(theirs, fitted), dtype=float),
            rtol=4 * EPS,
            atol=4 * EPS * (fitted == "mean_"),  # one of them is near 0, at a deviation of 1
        )
    np.testing.assert_allclose(ours.transform(unseen), theirs.transform(unseen), atol=1e-13)
    z = theirs.transform(unseen)
    np.testing.assert_allclose(ours.inverse_transform(z), theirs.inverse_transform(z), rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
)
def test_dtypes_are_kept_as_scikit_learn_keeps_them(name, dtype):
    X = (np.random.default_rng(0).normal(size=(40, 3)) * 30 + 40).clip(0, 120).astype(dtype)
    ours, theirs = (scaler.fit(X) for scaler in both(name))
    expected = theirs.transform(X)
    found = ours.transform(X)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, atol=8 * np.finfo(expected.dtype).eps)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e6])
def test_inverse_after_forward_is_the_identity_in_both_units(name, offset, spread):
    X = offset + spread * np.random.default_rng(0).normal(size=(50, 2))
    scaler = getattr(sks, name)().fit(X)
    Z = scaler.transform(X)
    back = scaler.inverse_transform(Z)
    raw_bound = 4 * np.finfo(float).eps * np.abs(X).max()
    assert np.abs(back - X).max() <= raw_bound
    unit = np.ptp(X) / np.ptp(Z)  # what 1 in scaled space is in raw units
    assert np.abs(scaler.transform(back) - Z).max() <= 2 * raw_bound / unit


def test_min_max_is_closer_to_exact_arithmetic_than_multiply_add():
    X = 1e9 + np.random.default_rng(0).uniform(size=(100, 1))
    low, high = (Fraction(float(v)) for v in (X.min(), X.max()))
    exact = np.array([[float((Fraction(float(v)) - low) / (high - low))] for v in X.ravel()])
    ours, theirs = (scaler.fit(X) for scaler in both("MinMaxScaler"))
    assert np.abs(ours.transform(X) - exact).max() <= 4 * np.finfo(float).eps
    assert np.abs(theirs.transform(X) - exact).max() > 1e-9
    # scikit-learn's own rounding is all that separates the two.
    bound = 4 * np.finfo(float).eps * np.abs(theirs.min_)
    assert (np.abs(ours.transform(X) - theirs.transform(X)) <= bound).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [2.0**-66, 2.0**-40, 1.0, 2.0**66])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_unit_of_the_data_does_not_matter(name, unit, dtype, X):
    X = np.column_stack([X, np.full(len(X), 3.0), np.r_[np.zeros(50), np.ones(10)]]).astype(dtype)
    here, there = (getattr(sks, name)().fit(data) for data in (X, X * dtype(unit)))
    np.testing.assert_array_equal(here.constant_features_, there.constant_features_)
    varying = ~here.constant_features_ | (name == "MaxAbsScaler")
    found = there.transform(X * dtype(unit))[:, varying]
    np.testing.assert_array_equal(found, here.transform(X)[:, varying])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spread", [0.0, 1e-16, 1e-13, 1e-9])
@pytest.mark.parametrize("location", [1.0, 1e6, -1e-8])
def test_one_relative_rule_says_what_is_constant(name, spread, location):
    X = location * (1 + spread * np.linspace(-1, 1, 9)).reshape(-1, 1)
    scaler = getattr(sks, name)().fit(X)
    assert scaler.constant_features_ == (spread < 1e-14)
    assert np.abs(scaler.transform(X)).max() < 3
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X, rtol=4 * EPS)


def test_a_real_column_far_from_zero_is_not_taken_for_constant_because_it_is_long():
    X = np.tile([1e9, 1e9 + 1], 500_000).reshape(-1, 1)
    ours, theirs = (scaler.fit(X) for scaler in both("StandardScaler"))
    assert ours.transform(X).std() == pytest.approx(1)
    assert theirs.transform(X).std() == pytest.approx(1)
    longer = sks.StandardScaler().fit(X, sample_weight=np.full(len(X), 100.0))
    assert not longer.constant_features_  # scikit-learn's bound grows with the rows, to 4.4 here
    assert preprocessing.StandardScaler().fit(X, sample_weight=np.full(len(X), 100.0)).scale_ == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_column_neither_explodes_nor_is_lost(name):
    X = np.column_stack([np.full(30, 3.0), np.arange(30.0)])
    scaler = getattr(sks, name)().fit(X)
    near = np.array([[3.001, 5.0]])
    assert np.abs(scaler.transform(near)).max() < 2  # Keras's Normalization: 9999
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(near)), near, rtol=1e-15)


def test_a_real_column_of_tiny_spread_is_scaled():
    X = np.random.default_rng(0).normal(size=(1000, 1)) * 1e-9
    assert sks.StandardScaler().fit_transform(X).std() == pytest.approx(1)  # Keras's: 0.01


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_ignored_in_fit_and_kept_in_transform(name, X):
    holes = X.copy()
    holes[::7, 1] = np.nan
    ours, theirs = (scaler.fit(holes) for scaler in both(name))
    np.testing.assert_allclose(ours.transform(holes), theirs.transform(holes), atol=1e-13)
    assert np.isnan(ours.inverse_transform(ours.transform(holes))[::7, 1]).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: X[:, ::-1][:, ::-1],
        lambda X: np.array(X).view(type("Sub", (np.ndarray,), {})),
    ],
    ids=["fortran", "strided", "reversed", "subclass"],
)
def test_memory_layout_does_not_matter(name, arrange, X):
    expected = getattr(sks, name)().fit_transform(X)
    np.testing.assert_allclose(getattr(sks, name)().fit_transform(arrange(X)), expected, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_read_only_and_memory_mapped_arrays_are_left_alone(name, X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    scaler = getattr(sks, name)().fit(mapped)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(mapped)), X, rtol=1e-12)
    np.testing.assert_array_equal(mapped, X)


def test_copy_false_scales_in_place(X):
    data = X.copy()
    scaled = sks.StandardScaler(copy=False).fit_transform(data)
    assert np.shares_memory(scaled, data)
    other = X.copy()
    sks.StandardScaler().fit(other).transform(other, copy=False)
    np.testing.assert_array_equal(other, data)


@pytest.mark.parametrize("name", ["MaxAbsScaler", "StandardScaler", "RobustScaler"])
def test_sparse_matrices_stay_sparse(name):
    X = sparse.random(50, 4, density=0.5, random_state=0, format="csr")
    centred = {"StandardScaler": "with_mean", "RobustScaler": "with_centering"}
    parameters = {centred[name]: False} if name in centred else {}
    ours, theirs = (scaler.fit(X) for scaler in both(name, **parameters))
    assert sparse.issparse(ours.transform(X))
    np.testing.assert_array_equal(ours.transform(X).toarray(), theirs.transform(X).toarray())
    np.testing.assert_allclose(
        ours.inverse_transform(ours.transform(X)).toarray(), X.toarray(), rtol=1e-14
    )


@pytest.mark.parametrize("name", NAMES)
def test_pandas_names_go_in_and_out(name, X):
    frame = pd.DataFrame(X, columns=list("abcd"))
    scaler = getattr(sks, name)().set_output(transform="pandas").fit(frame)
    scaled = scaler.transform(frame)
    assert list(scaled.columns) == list(scaler.get_feature_names_out()) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        scaler.transform(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize("name", NAMES)
def test_one_row_is_enough(name):
    assert np.isfinite(getattr(sks, name)().fit([[5.0, -2.0]]).transform([[6.0, 0.0]])).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_errors_name_what_came_and_what_was_expected(name, method, X):
    scaler = getattr(sks, name)()
    with pytest.raises(NotFittedError, match=f"This {name} instance is not fitted yet"):
        getattr(scaler, method)(X)
    scaler.fit(X)
    with pytest.raises(ValueError, match=f"X has 3 features, but {name} is expecting 4"):
        getattr(scaler, method)(X[:, :3])
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        getattr(scaler, method)(X[:0])
    with pytest.raises(ValueError, match="could not convert string to float"):
        getattr(scaler, method)([["a", "b", "c", "d"]])


@pytest.mark.parametrize("name", NAMES)
def test_clone_pickle_and_pipeline(name, X):
    pipeline = make_pipeline(clone(getattr(sks, name)())).fit(X)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(again.transform(X), pipeline.transform(X))


def test_min_max_set_by_hand_or_changed_after_fit_is_as_in_scikit_learn():
    X = np.arange(6.0).reshape(3, 2) * [1, 2]
    fitted = preprocessing.MinMaxScaler().fit(X)
    by_hand = sks.MinMaxScaler()
    by_hand.min_, by_hand.scale_ = fitted.min_[0], fitted.scale_[0]
    np.testing.assert_allclose(by_hand.inverse_transform([[0.5]]), [[2.0]])
    for change in (
        lambda scaler: scaler.set_params(feature_range=(-1, 1)),
        lambda scaler: setattr(scaler, "min_", scaler.min_ + 7),
    ):
        ours, theirs = (scaler.fit(X) for scaler in both("MinMaxScaler"))
        change(ours), change(theirs)
        np.testing.assert_allclose(ours.transform(X), theirs.transform(X), atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_least_and_the_largest_numbers_of_float64(name, dtype):
    tiny = np.array([[0.0], [1e-310]])
    scaler = getattr(sks, name)().fit(tiny)
    assert np.isfinite(scaler.transform(tiny)).all()
    assert np.isfinite(scaler.transform(np.ones((1, 1), dtype=dtype))).all()
    huge = [[-1.7e308], [1.7e308]]
    if name == "MaxAbsScaler":
        np.testing.assert_array_equal(sks.MaxAbsScaler().fit_transform(huge), [[-1.0], [1.0]])
    elif name not in ("RobustScaler", "SquashingScaler"):
        with pytest.raises(ValueError, match="overflow"):
            getattr(sks, name)().fit(huge)


def test_sparse_matrices_meet_masks_and_axes_with_words():
    S = sparse.csr_matrix(np.eye(3))
    for scaler in (sks.StandardScaler(with_mean=False), sks.MaxAbsScaler()):
        with pytest.raises(ValueError, match="takes a mask of its rows alone"):
            scaler.fit(S, mask=np.ones((3, 3), dtype=bool))
        scaler.fit(S, mask=np.array([True, True, False]))
    for fitted in (
        sks.MaxAbsScaler(axis=None).fit(np.eye(3)),
        sks.MaxAbsScaler().fit(np.ones((3, 3, 3))),
    ):
        with pytest.raises(ValueError, match="A sparse matrix has one statistic per column"):
            fitted.transform(S)


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_routed_where_scikit_learn_routes_them(name):
    X, y, weight = np.eye(6), np.arange(6.0), np.ones(6)
    with sklearn.config_context(enable_metadata_routing=True):
        for scaler in both(name):
            pipeline = make_pipeline(scaler, Ridge().set_fit_request(sample_weight=True))
            if name == "StandardScaler":  # it asks which of the two is meant
                with pytest.raises(ValueError, match="are passed but are not explicitly set"):
                    pipeline.fit(X, y, sample_weight=weight)
            else:
                pipeline.fit(X, y, sample_weight=weight)
        scaler = getattr(sks, name)().set_fit_request(sample_weight=True)
        make_pipeline(scaler, Ridge().set_fit_request(sample_weight=True)).fit(
            X, y, sample_weight=weight
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_column_without_values_stays_without(name, X):
    holes = X.copy()
    holes[:, 2] = np.nan
    scaler = getattr(sks, name)().fit(holes)
    assert np.isnan(scaler.scale_).tolist() == [False, False, True, False]
    Z = scaler.transform(X)
    assert np.isnan(Z).all(axis=0).tolist() == [False, False, True, False]
    np.testing.assert_array_equal(Z[:, 0], getattr(sks, name)().fit(X).transform(X)[:, 0])


@pytest.mark.parametrize("name", NAMES)
def test_int8_does_not_overflow_and_bool_counts_as_0_and_1(name):
    X = np.tile(np.array([[-128, 127], [127, -128], [127, 100]], dtype=np.int8), (50, 1))
    np.testing.assert_array_equal(
        getattr(sks, name)().fit_transform(X), getattr(sks, name)().fit_transform(X.astype(float))
    )
    B = X > 0
    np.testing.assert_array_equal(
        getattr(sks, name)().fit_transform(B), getattr(sks, name)().fit_transform(B.astype(float))
    )


@pytest.mark.parametrize("name", NAMES)
def test_nullable_pandas_and_polars_frames(name, X):
    pl = pytest.importorskip("polars", reason="an optional kind of data frame")
    holes = np.where(np.arange(X.size).reshape(X.shape) % 7 == 0, np.nan, X)
    expected = getattr(sks, name)().fit(holes)
    nullable = pd.DataFrame(holes, columns=list("abcd")).convert_dtypes()
    assert str(nullable.dtypes["a"]) == "Float64"
    for frame in (nullable, pl.DataFrame(holes, schema=list("abcd"))):
        scaler = getattr(sks, name)().fit(frame)
        np.testing.assert_allclose(scaler.scale_, expected.scale_, rtol=1e-14)
        theirs = theirs_of(name)().fit(frame)  # names of polars since 1.9
        assert list(scaler.get_feature_names_out()) == list(theirs.get_feature_names_out())
    columns = [
        scaler.set_output(transform="polars")
        .fit_transform(pl.DataFrame(X, schema=list("abcd")))
        .columns
        for scaler in both(name)
    ]
    assert columns[0] == columns[1]


def test_a_pickle_of_a_fitted_robust_scaler_holds_no_training_data(X):
    scaler = sks.RobustScaler().fit(X)
    again = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(again.transform(X), scaler.transform(X))
    assert X[17].tobytes() not in pickle.dumps(scaler)
    with pytest.raises(ValueError, match="keeps nothing to go on from or to merge"):
        again.partial_fit(X)
    scaler.partial_fit(X)  # in this process it goes on, and is then asked to keep all
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(scaler)).partial_fit(X).center_,
        sks.RobustScaler().fit(np.tile(X, (3, 1))).center_,
    )


BAD = {
    "infinity": (
        {"X": [[1.0, 2.0], [np.inf, 3.0]]},
        r"Input X contains infinity[^$]*row 1, "
        "column 0",
    ),
    "infinity in images": ({"X": np.full((2, 3, 4), np.inf)}, r"infinity[^$]*index \(0, 0, 0\)"),
    "text": ({"X": [["a", "b"]]}, "X has text in row 0, column 0"),
    "no rows": ({"X": np.zeros((0, 2))}, r"Found array with 0 sample\(s\) \(shape=\(0, 2\)\)"),
    "no columns": ({"X": np.zeros((2, 0))}, r"0 feature\(s\) \(shape=\(2, 0\)\)"),
    "no steps": ({"X": np.zeros((2, 0, 3))}, r"0 feature\(s\) \(shape=\(2, 0, 3\)\)"),
    "one axis": ({"X": np.zeros(3)}, r"Expected 2D array, got 1D array[^$]*axis=None"),
    "no axis": ({"X": 3.0}, "Expected 2D array, got scalar array"),
    "complex": ({"X": np.array([[1j]])}, "Complex data not supported"),
    "negative weight": (
        {"sample_weight": [1, -1, 1]},
        "sample_weight has negative values, the "
        r"least -1\.0",
    ),
    "NaN weight": ({"sample_weight": [1, np.nan, 1]}, "sample_weight contains NaN"),
    "weights of another length": (
        {"sample_weight": [1, 1]},
        r"must have shape \(3,\), one a row, "
        r"got \(2,\)",
    ),
    "weights all 0": ({"sample_weight": [0, 0, 0]}, "at least one non-zero number"),
    "mask of numbers": ({"mask": [1, 0, 1]}, "mask must be boolean, .* got dtype int64"),
    "mask of another shape": (
        {"mask": np.ones((3, 5), bool)},
        r"first axes of X, which has shape "
        r"\(3, 2\), got \(3, 5\)",
    ),
    "mask without True": ({"mask": np.zeros(3, bool)}, "leave nothing of X"),
    "axis": ({"axis": 5}, r"axis=5 and X of shape \(3, 2\)"),
    "samples kept": ({"axis": 0}, "axis 0 holds the samples"),
    "part of an axis": ({"axis": (1.5,)}, r"axis must be an int, a tuple of int or None, got \(1"),
    "kind of axis": ({"axis": "channels"}, "The 'axis' parameter of"),
    "sparse with axis": (
        {"X": sparse.csr_array(np.eye(3)), "axis": None},
        r"\(axis=None\)\. Use axis=-1",
    ),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_explained_and_leaves_the_scaler_as_it_was(name, case):
    if "infinity" in case and name not in FINITE:
        pytest.skip("infinities have their place")
    arguments, message = BAD[case]
    arguments = {"X": np.arange(6.0).reshape(3, 2), **arguments}
    parameters = {"axis": arguments.pop("axis")} if "axis" in arguments else {}
    scaler = getattr(sks, name)(**parameters)
    with pytest.raises((ValueError, TypeError), match=message):
        scaler.fit(**arguments)
    assert set(vars(scaler)) == set(vars(getattr(sks, name)()))
    fitted = getattr(sks, name)().fit(np.eye(4)).set_params(**parameters)
    before = dict(vars(fitted))
    with pytest.raises((ValueError, TypeError), match=message):
        fitted.fit(**arguments)
    assert vars(fitted) == before


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_half_transformed_in_place(name, X):
    data = np.tile(X, (20_000, 1))
    data[-1, 0] = np.inf
    before = data.copy()
    scaler = getattr(sks, name)(copy=False).fit(X)
    for method in ("transform", "inverse_transform")[name not in FINITE :]:
        with pytest.raises(ValueError, match="Input X contains infinity"):
            getattr(scaler, method)(data)
    np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(270_000, 7), (300_001, 5), (30_000, 12, 5), (3, 5, 100_000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arrays_are_scaled_block_by_block_as_small_ones_are(name, shape, dtype):
    X = np.random.default_rng(0).normal(1e4, 3, size=shape).astype(dtype)
    scaler = getattr(sks, name)(axis=1 if shape[1] == 5 else -1).fit(X)
    Z = scaler.transform(X)
    assert Z.dtype == dtype
    rounding = np.finfo(dtype).eps
    some = [0, 1, shape[0] // 2, shape[0] - 1]
    np.testing.assert_allclose(Z[some], scaler.transform(X[some]), rtol=2 * rounding)
    back = scaler.inverse_transform(Z)
    np.testing.assert_allclose(back[some], scaler.inverse_transform(Z[some]), rtol=2 * rounding)


def test_narrow_data_meet_a_scale_that_is_not():
    scaler = sks.MaxAbsScaler().fit([[1e300, 1e-300, 3.0]])
    Z = scaler.transform(np.array([[1e38, 0.0, 1.5]], dtype=np.float32))
    np.testing.assert_array_equal(Z, np.array([[0.0, 0.0, 0.5]], dtype=np.float32))


def test_errstate_holds_on_all_cores():
    scaler = sks.StandardScaler().fit([[0.0], [2e38]])
    Z = np.full((1_500_000, 1), 5, dtype=np.float32)
    with np.errstate(over="ignore"):
        assert np.isinf(scaler.inverse_transform(Z)).all()
    with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
        scaler.inverse_transform(Z)


def test_an_overflow_of_squares_is_explained():
    X = [[1e200], [-1e200]]
    with pytest.raises(ValueError, match=r"squares of X overflow float64.* or pass with_std=False"):
        sks.StandardScaler().fit(X)
    assert sks.StandardScaler(with_std=False).fit(X).mean_ == 0
    np.testing.assert_array_equal(sks.RobustScaler().fit_transform(X), [[1.0], [-1.0]])


def test_callbacks_of_scikit_learn_hear_of_a_fit(X):
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 brought callbacks")

    class Recorder:
        heard: tuple = ()

        def setup(self, estimator, context):
            self.heard += ("setup",)

        def teardown(self, estimator, context):
            self.heard += ("teardown",)

        def on_fit_task_begin(self, estimator, context, **kwargs):
            self.heard += ("begin",)

        def on_fit_task_end(self, estimator, context, **kwargs):
            self.heard += ("end",)

    for scaler in both("StandardScaler"):
        recorder = Recorder()
        scaler.set_callbacks(recorder).fit(X)
        assert recorder.heard == ("setup", "begin", "end", "teardown")


def test_scalers_import_no_keras():
    code = (
        "import sys; from sklearn_keras_scaling import StandardScaler, RobustScaler; "
        "StandardScaler().fit_transform([[1.0], [2.0]]); "
        "sys.exit(bool({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
