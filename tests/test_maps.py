import dataclasses

import numpy as np
import pytest

from sklearn_keras_scaling.maps import (
    IDENTITY,
    UNBOUNDED,
    Affine,
    BothClasses,
    Chain,
    Clip,
    Inverse,
    MultiplyAdd,
    Squeeze,
    Take,
)


def test_affine_subtracts_before_it_divides():
    x = np.array([[1e9], [1e9 + 1], [1e9 + 2]])
    np.testing.assert_array_equal(Affine(1e9, 2.0).forward(x, np), [[0.0], [0.5], [1.0]])


def test_constants_are_float64_and_cannot_be_changed():
    affine = Affine(np.float32([1, 2]), [1, 1])
    assert affine.loc.dtype == affine.scale.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        affine.loc[0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        affine.loc = np.zeros(2)


def test_output_range_is_that_of_the_last_map():
    assert UNBOUNDED == IDENTITY.output_range == Affine().output_range
    assert Chain((Affine(), Clip(0.0, 1.0))).output_range == (0.0, 1.0)
    assert Inverse(Affine(output_range=(0, 1))).output_range == UNBOUNDED


def test_a_map_says_where_float32_loses_nothing():
    half = Affine(0.0, 0.5)
    for map_ in (half, Clip(-1.0, 1.0), Chain((half, Clip(-1.0, 1.0)))):
        assert map_.rounds_once(np.float32)
    third = MultiplyAdd(0.0, 3.0, factor=1 / 3, offset=0.0)
    for map_ in (Affine(1.0, 0.5), Affine(0.0, 0.1), Chain((half, half)), third):
        assert not map_.rounds_once(np.float32)


def test_take_puts_columns_back_among_zeros():
    x = np.arange(8.0).reshape(2, 4)
    take = Take((3, 1), n_features=4)
    np.testing.assert_array_equal(take.forward(x, np), [[3, 1], [7, 5]])
    np.testing.assert_array_equal(
        take.inverse(take.forward(x, np), np), [[0, 1, 0, 3], [0, 5, 0, 7]]
    )


@pytest.mark.parametrize(
    ("map_", "x"),
    [
        (Squeeze(), np.ones((3, 1))),
        (BothClasses(), np.array([[0.25], [1.0]])),
        (Inverse(Affine(5.0, 2.0)), np.ones((3, 2))),
    ],
)
def test_inverse_after_forward_is_the_identity(map_, x):
    np.testing.assert_array_equal(map_.inverse(map_.forward(x, np), np), x)


def test_both_classes_sum_to_one():
    p = BothClasses().forward(np.float32([[0.3], [1e-8]]), np)
    assert p.dtype == np.float32
    np.testing.assert_array_equal(p.sum(axis=1), [1, 1])
