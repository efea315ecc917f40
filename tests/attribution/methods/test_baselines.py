"""Baselines by hand: what an image is compared with."""

from math import erf, sqrt
from types import SimpleNamespace

import numpy as np
import pytest

from kviz.attribution.methods._baselines import baseline_of


def of(baseline, images, seed=0, first=0):
    request = SimpleNamespace(images=images.astype("float32"), seed=seed, first=first)
    return np.array(baseline_of(baseline, request))


def test_levels():
    images = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3))
    for name, level in (("black", 0), ("white", 255), ("grey", 127.5), (7, 7)):
        np.testing.assert_array_equal(of(name, images), np.full_like(images, level))
    mean = images.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(of("mean", images), np.broadcast_to(mean, images.shape), rtol=1e-6)


def test_blur_is_a_gaussian_of_a_tenth_of_the_height():
    images = np.zeros((1, 60, 90, 2))
    images[0, 30, 45, 1] = 1000
    blurred = of("blur", images)[0]
    assert not blurred[..., 0].any()
    # Sigma is 6 pixels, along both sides.
    rows, columns = np.ogrid[-12:13, -12:13]
    expected = 1000 * np.exp(-(rows**2 + columns**2) / (2 * 6**2)) / (2 * np.pi * 6**2)
    np.testing.assert_allclose(blurred[18:43, 33:58, 1], expected, rtol=0.01)


def test_blur_does_not_darken_the_border():
    images = np.full((2, 20, 30, 3), 90.0)
    np.testing.assert_allclose(of("blur", images), images, rtol=1e-5)
    # What lies beyond the border is the border's own.
    images = np.zeros((1, 20, 20, 1))
    images[0, :5] = 100
    within = (1 + erf(4.5 / 2 / sqrt(2))) / 2
    assert of("blur", images)[0, 0, 10, 0] == pytest.approx(100 * within, abs=0.3)


def test_noise_is_an_images_own():
    images = np.zeros((3, 40, 40, 3))
    drawn = of("noise", images)
    assert 0 <= drawn.min() < 3
    assert 252 < drawn.max() <= 255
    assert drawn.mean() == pytest.approx(127.5, abs=3)
    np.testing.assert_array_equal(of("noise", images[:1], first=2)[0], drawn[2])
    assert not np.allclose(of("noise", images, seed=1), drawn)
