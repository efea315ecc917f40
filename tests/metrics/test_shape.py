"""Sparseness and complexity: values that a pencil gives, and others' equations written anew."""

from dataclasses import replace

import numpy as np
import pytest
from pencil_nets import linear, pixels

import kviz

SIDE, COUNT = 6, 36
METRICS = ["sparseness", "complexity"]


@pytest.fixture(scope="module")
def model():
    return kviz.Network(linear(np.random.default_rng(1).normal(size=(SIDE, SIDE))))


def judged(model, *maps):
    """Return what both metrics say of maps, a photo each."""
    images = pixels(len(maps), SIDE)
    found = kviz.attribute(model, images, "gradient")
    maps = np.stack(maps).astype("float32").reshape(found.maps.shape)
    return kviz.evaluate(model, images, replace(found, maps=maps), METRICS)


def test_closed_forms(model):
    one, even, nothing, half = np.zeros((4, COUNT))
    one[7], even[:], half[::2] = -3, -0.5, 2
    found = judged(model, one, even, nothing, half)
    sparseness, complexity = found.values[:, 0]
    np.testing.assert_allclose(sparseness, [1 - 1 / COUNT, 0, 0, 0.5], atol=1e-12)
    logs = np.log([1, COUNT, COUNT, COUNT / 2])
    np.testing.assert_allclose(complexity, logs, atol=1e-12)
    assert found.better == ("higher", "lower")


def test_others_equations(model):
    """Hurley and Rickard's Gini index, Bhatt et al.'s entropy, and Quantus's sum of the first."""
    maps = np.random.default_rng(2).normal(size=(5, COUNT)).astype("float32").astype(float)
    found = judged(model, *maps)
    for image, values in enumerate(np.sort(np.abs(maps), axis=1)):
        total = sum(values)
        shares = [value / total for value in values]
        gini = 1 - 2 * sum(
            share * (COUNT - k + 0.5) / COUNT for k, share in enumerate(shares, start=1)
        )
        assert found.values[0, 0, image] == pytest.approx(gini, abs=1e-12)
        entropy = -sum(share * np.log(share) for share in shares)
        assert found.values[1, 0, image] == pytest.approx(entropy, abs=1e-12)
        ranks = 2 * np.arange(1, COUNT + 1) - COUNT - 1
        quantus = (ranks * (values + 1e-7)).sum() / (COUNT * (values + 1e-7).sum())
        assert found.values[0, 0, image] == pytest.approx(quantus, abs=1e-6)


def test_scale_and_sign_do_not_matter_nor_the_photo(model):
    maps = np.random.default_rng(2).normal(size=(2, COUNT))
    found = judged(model, *maps)
    np.testing.assert_allclose(judged(model, *(-7 * maps)).values, found.values, rtol=1e-5)
    # Over all photos, what the maps of others get is what the maps get.
    assert [*found.chance(0, 0)] == ["random", "centre", "edges"]
    assert found.rank("complexity", 0).of == 1 + 4 + 2


def test_what_chance_gets(model):
    """A uniform draw's Gini index is 1/3; a blob in the middle knows nothing and has more."""
    chance = judged(model, *np.ones((40, COUNT))).chance("sparseness", 0)
    mean, error = chance["random"].mean(), chance["random"].std() / np.sqrt(chance["random"].size)
    # Of n numbers one in n pairs is a number with itself.
    assert abs(mean - (COUNT - 1) / COUNT / 3) < 3 * error + 1 / COUNT**2
    assert chance["centre"].mean() > mean + 3 * error
