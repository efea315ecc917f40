"""The maps that a metric gets, its own and the nulls: what a pencil says they are."""

from dataclasses import dataclass, replace
from typing import ClassVar

import keras
import numpy as np
import pytest
from keras import layers
from pencil_nets import linear, pixels

import kviz
from kviz.metrics import Measured, Metric, Sparseness

SIDE = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen(Metric):
    """Gives the maps that it gets as curves."""

    def measure(self, trial):
        maps = trial.maps.reshape(*trial.maps.shape[:2], -1)
        return Measured(values=maps.sum(axis=-1), curves=maps, at=np.arange(maps.shape[-1]))


@dataclass(frozen=True, kw_only=True, eq=False)
class MadeAgain(Metric):
    """Gives what is in the maps, and in the same made again."""

    needs_method: ClassVar[bool] = True
    has_nulls: ClassVar[bool] = False

    def measure(self, trial):
        again = trial.again()[None].sum(axis=(2, 3))
        return Measured(values=trial.maps.sum(axis=(2, 3)), curves=again[..., None], at=np.zeros(1))


def null(found, name, image=0):
    place = found.nulls.index(name)
    return found.null_curves["0"][0, place, image].reshape(SIDE, -1)


@pytest.fixture(scope="module")
def coloured():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), layers.Flatten(), layers.Dense(1, use_bias=False)]
    )


def test_edges_are_those_of_the_channels_mean(coloured):
    """Each channel is a slope of its own: along rows, along columns, and none."""
    down, across = np.mgrid[:SIDE, :SIDE].astype("float32")
    images = np.stack([6 * down, 9 * across, np.full_like(down, 50)], axis=-1)[None]
    found = kviz.evaluate(coloured, images, "gradient", Seen(), nulls=1)
    np.testing.assert_allclose(null(found, "edges"), np.hypot(6 / 3, 9 / 3))


def test_the_middle_is_a_quarter_of_the_side_wide():
    """A Gaussian: at a deviation from the middle the root of 1/e is left, along each axis its own."""
    model = linear(np.ones((SIDE, 17)))
    images = np.random.default_rng(0).random((1, SIDE, 17, 1)).astype("float32")
    middle = null(kviz.evaluate(model, images, "gradient", Seen(), nulls=1), "centre")
    assert middle[4, 8] == 1
    down, across = 4 / (9 / 4), 8 / (17 / 4)
    assert middle[0, 8] == middle[8, 8] == pytest.approx(np.exp(-(down**2) / 2))
    assert middle[4, 0] == middle[4, 16] == pytest.approx(np.exp(-(across**2) / 2))
    assert middle[0, 0] == pytest.approx(np.exp(-(down**2 + across**2) / 2))


def test_random_maps_follow_from_the_seed():
    """By a metric that draws nothing itself: the Gini coefficient of uniform numbers is 1/3."""
    model, images = linear(np.eye(SIDE)), pixels(2, SIDE)
    none, again, one, two = (
        kviz.evaluate(model, images, "gradient", Sparseness(), nulls=2, seed=seed)
        for seed in (0, 0, 1, 2)
    )
    random = [found.chance(0, 0)["random"].reshape(-1) for found in (none, one, two)]
    np.testing.assert_array_equal(again.null_values, none.null_values)
    assert len(np.unique(random)) == 3 * 4, "each seed, draw and image has its own"
    assert np.mean(random) == pytest.approx(1 / 3, abs=0.05)
    for name in ("centre", "edges"):
        np.testing.assert_array_equal(one.chance(0, 0)[name], two.chance(0, 0)[name])


def test_the_channels_of_a_map_are_added(coloured):
    """Each adds its part of what a linear net says, of a map that is given and of one made again."""
    images = np.random.default_rng(0).integers(1, 256, (2, SIDE, SIDE, 3), "uint8")
    method = kviz.attribution.InputXGradient(reduce=None)
    found = kviz.attribute(coloured, images, method)
    assert found.maps.shape == images.shape
    judged = kviz.evaluate(coloured, images, found, MadeAgain())
    whole = np.asarray(coloured(images.astype("float32")))[:, 0]
    np.testing.assert_allclose(judged.values[0, 0], whole, rtol=1e-3)
    np.testing.assert_allclose(judged.curves["0"][0, :, 0], whole, rtol=1e-3)
    # Of one colour alone its own part.
    red = replace(found, maps=found.maps * np.float32([1, 0, 0]))
    weights = coloured.layers[-1].get_weights()[0].reshape(SIDE, SIDE, 3)
    part = (weights * images)[..., 0].sum(axis=(1, 2))
    values = kviz.evaluate(coloured, images, red, Seen(), nulls=1).values
    np.testing.assert_allclose(values[0, 0], part, rtol=1e-3)
