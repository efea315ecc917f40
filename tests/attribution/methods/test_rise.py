"""RISE: its masks, its sum, its randomness."""

from importlib import import_module

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from needed import need_package

import kviz
from kviz.attribution import attribute
from kviz.attribution.methods.rise import Rise, _masks
from kviz.errors import OptionError


def photos(count, shape=(16, 12, 3)):
    return np.random.default_rng(0).uniform(0, 255, (count, *shape)).astype("float32")


def scored():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((16, 12, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def spot(value=0.0):
    """Return a model that sees four pixels and nothing else."""
    inputs = keras.Input((16, 16, 1))
    return keras.Model(inputs, keras.ops.sum(inputs[:, 3:5, 10:12], (1, 2)) + value)


def test_masks_are_the_authors():
    """Enlarged bilinearly to a cell more than the image, mirrored at its edges, and cut out."""
    need_package("skimage", "superpixels")
    transform = import_module("skimage.transform")
    grids = np.random.default_rng(1).random((6, 4, 4)) < 0.5
    shifts = np.random.default_rng(2).random((6, 2)).astype("float32")
    masks = _masks(None, tf.constant([10, 14]), tf.constant(grids), tf.constant(shifts)).numpy()
    cell = (3, 4)
    for place in range(6):
        grid = grids[place].astype("float32")
        big = transform.resize(grid, (15, 20), order=1, mode="reflect", anti_aliasing=False)
        y, x = (int(s * c) for s, c in zip(shifts[place], cell, strict=True))
        np.testing.assert_allclose(masks[place], big[y : y + 10, x : x + 14], atol=1e-5)
    assert masks.min() >= 0
    assert masks.max() <= 1


@pytest.mark.some(every=2)
@pytest.mark.parametrize("shape", [(16, 12, 3), (16, 12, 8, 1), (20, 2), (9,)])
@pytest.mark.parametrize("centred", [False, True])
def test_a_constant_score(shape, centred):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, keras.ops.sum(inputs, tuple(range(1, 1 + len(shape)))) * 0 + 7)
    x = photos(1, shape)
    found = attribute(
        model, x, "rise", masks=2000, p=0.3, cells=4, centred=centred, score=lambda y: y
    )
    assert found.maps.shape == (1, *(shape[:-1] or shape))
    # The mean of the masks over p is 1, and what is left of it is chance.
    np.testing.assert_allclose(found.maps, 0 if centred else 7, atol=1e-3 if centred else 1.5)
    assert abs(found.maps.mean() - (0 if centred else 7)) < 0.5


def test_highest_where_the_pixels_are_that_count():
    x = np.full((1, 16, 16, 1), 100, "float32")
    for model, options in ((spot(), {"centred": False}), (spot(5000), {})):
        found = attribute(model, x, "rise", masks=500, score=lambda y: y[:, 0], **options)
        y, x_ = np.unravel_index(found.maps[0].argmax(), (16, 16))
        assert 2 <= y <= 5
        assert 9 <= x_ <= 12


def test_batches_seed_and_traces():
    network, x = kviz.network.network.Network(scored()), photos(5)
    options = {"method": "rise", "masks": 50, "cells": 4}
    whole = attribute(network, x, batch_size=32, **options)
    traces = len(network.engine.functions)
    scale = np.abs(whole.maps).max()
    for batch_size in (1, 3):
        found = attribute(network, x, batch_size=batch_size, **options)
        np.testing.assert_allclose(found.maps, whole.maps, atol=1e-4 * scale)
    np.testing.assert_array_equal(attribute(network, x, **options).maps, whole.maps)
    assert np.abs(attribute(network, x, seed=1, **options).maps - whole.maps).max() > 0.01 * scale
    again = attribute(network, np.concatenate([x[:1], x[:1]]), **options).maps
    assert np.abs(again[0] - again[1]).max() > 0.01 * scale
    attribute(network, x, "rise", masks=30, cells=(3, 5), p=0.7, class_index=1)
    assert len(network.engine.functions) == traces


@pytest.mark.slow
def test_the_cats_face():
    found = attribute("models/squeezenet.keras", "notebooks/images/cat.png", "rise", masks=256)
    positive = np.maximum(found.maps[0], 0)
    # The left eye and its surroundings, which every method points at: 14 % of the photo.
    assert positive[50:150, 30:105].sum() / positive.sum() > 0.2
    assert found.maps[0, 50:190, 30:200].mean() > 2 * found.maps[0, 200:].mean()
    y, x = np.unravel_index(positive.argmax(), positive.shape)
    assert 50 < y < 190
    assert 30 < x < 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"masks": 0}, "masks takes a whole number from 1. Received: 0"),
        ({"cells": 0}, "cells takes a whole number from 1"),
        ({"cells": (8, 8, 8)}, "cells takes a number or 2 of them here"),
        ({"p": 1.0}, "p takes a number between 0 and 1"),
        ({"baseline": "gray"}, "baseline"),
    ],
)
def test_what_it_refuses(options, said):
    with pytest.raises(OptionError, match=said):
        attribute(scored(), photos(1), "rise", **options)


def test_more_cells_than_pixels():
    assert Rise(cells=100).cells == 100
    assert attribute(scored(), photos(1), "rise", cells=100, masks=4).maps.shape == (1, 16, 12)
