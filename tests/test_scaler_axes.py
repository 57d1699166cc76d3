"""What the scalers do beyond scikit-learn's: arrays of any rank, weights, masks."""

import numpy as np
import pytest

import sklearn_keras_scaling as sks

from .test_scalers import EPS, NAMES, X, theirs_of

__all__ = ["X"]  # the fixture


SHAPES = [
    ((30, 12, 3), -1, (3,), (None, 3)),
    ((30, 12, 3), (1, 2), (12, 3), (12, 3)),
    ((30, 3, 6, 5), 1, (3,), (3, None, None)),
    ((30, 6, 5, 3), (1, -1), (6, 3), (6, None, 3)),
    ((30, 6, 5, 3), None, (), (None, None, None)),
    ((30, 4), None, (), (4,)),
    ((30,), None, (), ()),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("shape", "axis", "kept", "input_shape"), SHAPES)
def test_any_rank_is_scaled_as_rows_of_the_kept_axes(name, shape, axis, kept, input_shape):
    X = np.random.default_rng(0).normal(50, 7, size=shape)
    scaler = getattr(sks, name)(axis=axis).fit(X)
    Z = scaler.transform(X)
    axes = [i % len(shape) for i in ([] if axis is None else np.atleast_1d(axis).tolist())]
    layout = [i for i in range(len(shape)) if i not in axes] + sorted(axes)
    rows = X.transpose(layout).reshape(-1, int(np.prod(kept)))
    expected = theirs_of(name)().fit_transform(rows)
    np.testing.assert_allclose(Z.transpose(layout).reshape(rows.shape), expected, atol=1e-13)
    np.testing.assert_allclose(scaler.inverse_transform(Z), X, rtol=4 * EPS)
    assert scaler.scale_.shape == kept
    assert scaler.input_shape_ == input_shape


@pytest.mark.parametrize("name", NAMES)
def test_axes_that_share_a_statistic_may_change_their_length(name):
    X = np.random.default_rng(0).normal(size=(10, 12, 3))
    scaler = getattr(sks, name)().fit(X)
    np.testing.assert_array_equal(scaler.transform(X[:, :5]), scaler.transform(X)[:, :5])
    with pytest.raises(ValueError, match=r"samples of shape \(12, 2\), .* of shape \(any, 3\)"):
        scaler.transform(X[:, :, :2])
    with pytest.raises(ValueError, match=r"samples of shape \(3,\), .* of shape \(any, 3\)"):
        scaler.transform(X[:, 0])


@pytest.mark.parametrize("name", NAMES)
def test_per_channel_statistics_are_those_of_pytorch(name):
    images = np.random.default_rng(0).integers(0, 256, size=(6, 3, 8, 8), dtype=np.uint8)
    first = getattr(sks, name)(axis=1).fit(images)
    last = getattr(sks, name)(axis=-1).fit(images.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(first.scale_, last.scale_, rtol=4 * EPS)
    np.testing.assert_allclose(
        first.transform(images),
        last.transform(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        atol=1e-14,
    )
    if name == "StandardScaler":
        mean, std = images.mean(axis=(0, 2, 3)), images.std(axis=(0, 2, 3))
        expected = (images - mean[:, None, None]) / std[:, None, None]
        np.testing.assert_allclose(first.transform(images), expected, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("whole", [True, False])
def test_whole_weights_are_repetitions_and_weight_0_is_absence(name, whole, X):
    X = X.copy()
    X[3, 1] = np.nan
    weight = np.random.default_rng(0).integers(0, 4, size=len(X)).astype(float)
    X[weight == 0, 2] = 1e12  # must not be seen
    data = X if whole else np.array(X)[:, None, :].repeat(2, axis=1)
    weighted = getattr(sks, name)().fit(data, sample_weight=weight)
    repeated = getattr(sks, name)().fit(np.repeat(data, weight.astype(int), axis=0))
    for statistic in ("scale_", "mean_", "center_", "data_min_", "var_"):
        if hasattr(weighted, statistic):
            found = getattr(weighted, statistic)
            np.testing.assert_allclose(found, getattr(repeated, statistic), rtol=1e-12)
    np.testing.assert_array_equal(weighted.constant_features_, repeated.constant_features_)


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_leaves_out_padding_as_nan_does(name):
    rng = np.random.default_rng(0)
    X = rng.normal(5, 2, size=(20, 12, 3))
    mask = np.arange(12) < rng.integers(1, 13, size=(20, 1))
    padded, holes = np.where(mask[..., None], X, -1e30), np.where(mask[..., None], X, np.nan)
    masked = getattr(sks, name)().fit(padded, mask=mask)
    for other in (
        getattr(sks, name)().fit(holes),
        getattr(sks, name)().fit(X[mask]),
        getattr(sks, name)().fit(padded, mask=np.repeat(mask[..., None], 3, axis=2)),
        getattr(sks, name)().fit(padded, sample_weight=np.ones(20), mask=mask),
    ):
        np.testing.assert_allclose(masked.scale_, other.scale_, rtol=1e-13)
    infinite = np.where(mask[..., None], X, np.inf)
    found = getattr(sks, name)().fit(infinite, mask=mask)
    np.testing.assert_allclose(found.scale_, masked.scale_, rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fill", [-1e30, 9.96921e36, 1e20, np.finfo(float).max, np.nan])
@pytest.mark.parametrize("shape", [(64, 50, 2), (1000, 2)])
def test_what_does_not_count_may_be_anything(name, fill, shape):
    rng = np.random.default_rng(0)
    X = rng.normal(20, 5, size=shape)
    counts = rng.uniform(size=shape[:-1]) < 0.3
    counts[:1] = counts[-1:] = False
    filled = np.where(counts[..., None], X, fill)
    found = getattr(sks, name)().fit(filled, mask=counts)
    expected = getattr(sks, name)().fit(X[counts])
    np.testing.assert_allclose(found.scale_, expected.scale_, rtol=1e-12)
    if len(shape) == 2:
        weighted = getattr(sks, name)().fit(filled, sample_weight=counts.astype(int))
        np.testing.assert_allclose(weighted.scale_, expected.scale_, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e9, 1e16, 1e18])
@pytest.mark.parametrize("name", ["StandardScaler", "RobustScaler", "SquashingScaler"])
def test_equal_weights_of_any_size_are_none(name, size, X):
    found = getattr(sks, name)().fit(X, sample_weight=np.full(len(X), size))
    expected = getattr(sks, name)().fit(np.repeat(X, 1000, axis=0) if size == 1e9 else X)
    np.testing.assert_allclose(found.scale_, expected.scale_, rtol=0.02)
