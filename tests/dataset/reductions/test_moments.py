"""Mean and variance of each channel are NumPy's in double precision."""

import numpy as np
import pytest

from kviz.dataset.reductions import reduction_named


def found(maps, cuts=1, dtype="float32"):
    moments, state = reduction_named("moments"), {}
    for rows in np.array_split(np.arange(len(maps)), cuts):
        state = moments.update(state, maps[rows].astype(dtype), rows=rows)
    return moments.result(state)


@pytest.mark.parametrize("cuts", [1, 7])
@pytest.mark.parametrize(("mean", "std"), [(0, 1), (1e4, 1), (-3e5, 2), (1e-3, 1e-9), (0.1, 0)])
def test_means_far_from_zero_lose_nothing(mean, std, cuts):
    values = np.random.default_rng(0).normal(mean, std, (32, 28, 28, 3)).astype("float32")
    wide = values.astype("float64")
    of = found(values, cuts)
    np.testing.assert_allclose(of.mean, wide.mean((0, 1, 2)), rtol=1e-9, atol=1e-7 * std)
    np.testing.assert_allclose(of.variance, wide.var((0, 1, 2)), rtol=1e-6, atol=1e-15 * mean**2)


def test_squares_may_be_larger_than_single_precision_holds():
    values = np.random.default_rng(1).normal(0, 1e25, (4, 5, 5, 2)).astype("float32")
    of = found(values)
    np.testing.assert_allclose(of.variance, values.astype("float64").var((0, 1, 2)), rtol=1e-6)


def test_a_channel_apart_from_its_first_images_is_as_exact():
    values = np.random.default_rng(2).normal(0, 1, (16, 16, 16, 1)).astype("float32")
    values[8:] += 1e4
    of = found(values, 2)
    np.testing.assert_allclose(of.variance, values.astype("float64").var((0, 1, 2)), rtol=1e-6)


def test_long_signals_are_added_in_double_precision():
    values = np.random.default_rng(3).uniform(0, 1, (2, 10007, 2)).astype("float32")
    of = found(values)
    np.testing.assert_allclose(of.mean, values.astype("float64").mean((0, 1)), rtol=1e-9)
    np.testing.assert_allclose(of.variance, values.astype("float64").var((0, 1)), rtol=1e-7)
