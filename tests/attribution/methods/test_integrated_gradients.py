"""Integrated gradients: what its gaps say, and its points against NumPy's."""

import tracemalloc

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution.methods.integrated_gradients import points_of


def hats(features=1):
    """Return sums of hats: 0 at x = 0, 1 at x = 1, 0 at x = 2."""
    inputs = keras.Input((features,))
    hidden = layers.Dense(3 * features, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(1, use_bias=False)(hidden))
    kernel = np.kron(np.eye(features), np.ones((1, 3)))
    bias = np.tile([0.0, -1, -2], features)
    model.set_weights([kernel, bias, np.tile([[1.0], [-2], [1]], (features, 1))])
    return model


@pytest.mark.parametrize("steps", [3, 5, 9])
def test_a_gap_where_the_score_is_as_at_the_baseline(steps):
    """By hand: the score goes up by 1 and down by 1, whatever is missing is of these 2."""
    x = np.array([[2.0]], "float32")
    found = kviz.attribute(hats(), x, "integrated_gradients", steps=steps)
    points, weights = np.polynomial.legendre.leggauss(steps)
    # The slope is 1 up to the middle of the way and -1 from there on: in the middle it is -1 or 1.
    slopes = (
        np.where(points < -1e-9, 1, -1) if found.maps[0, 0] < 0 else np.where(points > 1e-9, -1, 1)
    )
    total = 2 * (slopes * weights).sum() / 2
    np.testing.assert_allclose(found.maps[0, 0], total, rtol=1e-5)
    assert abs(total) > 0.3
    np.testing.assert_allclose(found.gaps[0], abs(total) / 2, rtol=1e-5)


def test_a_tolerance_is_met_there_too():
    x = np.array([[2.0]], "float32")
    found = kviz.attribute(hats(), x, "integrated_gradients", steps=3, tolerance=0.01)
    assert found.gaps[0] <= 0.01
    assert abs(found.maps[0, 0]) <= 0.02


@pytest.mark.parametrize("rule", ["gauss_legendre", "midpoint"])
def test_gaps_of_other_images_are_relative_to_the_difference(rule):
    x = np.array([[2.0, 0.7], [0.4, 0.9]], "float32")
    found = kviz.attribute(hats(2), x, "integrated_gradients", steps=3, rule=rule)
    rise = np.array([0.7, 1.3])
    np.testing.assert_allclose(found.scores, rise, rtol=1e-5)
    expected = np.abs(found.maps.sum(1) - rise) / rise
    assert expected[0] > 0.1
    np.testing.assert_allclose(found.gaps, expected, atol=1e-5)


def test_where_nothing_moves_nothing_is_missing():
    found = kviz.attribute(hats(), np.array([[0.0]], "float32"), "integrated_gradients", steps=3)
    assert found.gaps.tolist() == [0]


def test_refined_midpoints_go_as_far_up_and_down():
    options = {"rule": "midpoint", "tolerance": 1e-9}
    x = np.array([[2.0]], "float32")
    model = hats()
    refined = kviz.attribute(model, x, "integrated_gradients", steps=3, **options)
    direct = kviz.attribute(model, x, "integrated_gradients", steps=729, rule="midpoint")
    np.testing.assert_allclose(refined.gaps, [1 / 729], rtol=1e-3)
    np.testing.assert_allclose(direct.gaps, [1 / 729], rtol=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 64, 301])
def test_points_are_those_of_numpy(steps):
    points, weights = np.polynomial.legendre.leggauss(steps)
    ours = points_of("gauss_legendre", steps)
    np.testing.assert_allclose(ours[0], (points + 1) / 2, rtol=1e-11)
    np.testing.assert_allclose(ours[1], weights / 2, rtol=1e-9)


def test_many_points_need_no_square_of_memory():
    tracemalloc.start()
    points, weights = points_of("gauss_legendre", 3000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 * 8 * 3000
    # Exact for polynomials: the integral of 12 x^11 is 1.
    np.testing.assert_allclose((12 * points**11 * weights).sum(), 1, rtol=1e-12)
