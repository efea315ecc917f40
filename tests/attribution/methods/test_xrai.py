"""XRAI against its authors' loop, written out here with sets of pixels."""

import re
import sys

import keras
import numpy as np
import pytest
from keras import layers
from needed import need_package

import kviz
from kviz.attribution import attribute
from kviz.extras import install_command


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((16, 12, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def photos(count=2, shape=(16, 12, 3)):
    return np.random.default_rng(0).uniform(0, 255, (count, *shape)).astype("float32")


def ranked(values, regions, least):
    """Return each pixel's mean as the authors' program finds it."""
    masks, taken = dict(enumerate(regions)), np.zeros(values.shape, bool)
    result = np.full(values.shape, np.nan)
    while True:
        masks = {k: mask for k, mask in masks.items() if (mask & ~taken).sum() >= least}
        if not masks:
            break
        gains = {k: values[mask & ~taken].mean() for k, mask in masks.items()}
        best = max(gains, key=gains.get)
        result[masks[best] & ~taken] = gains[best]
        taken |= masks.pop(best)
    result[~taken] = values[~taken].mean() if not taken.all() else 0
    return result


@pytest.mark.parametrize("least", [1, 7])
def test_the_authors_loop(model, least):
    x = photos()
    rng = np.random.default_rng(3)
    segments = np.stack(
        [np.add.outer(np.arange(16) // 4, 9 * (np.arange(12) // 5)), rng.integers(0, 9, (16, 12))]
    )
    regions = [scale == label for scale in segments for label in np.unique(scale)]
    asked = {"class_index": 1, "steps": 8}
    options = {"segments": segments, "min_size": least, **asked}
    found = attribute(model, x, "xrai", **options)
    black, white = (
        attribute(model, x, "integrated_gradients", reduce=None, baseline=low, **asked).maps
        for low in ("black", "white")
    )
    values = ((black.astype("float64") + white) / 2).max(-1)
    expected = np.stack([ranked(value, regions, least) for value in values])
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    # A region's pixels have one value, and what is there is shared out, not lost.
    np.testing.assert_allclose(found.maps.sum((1, 2)), values.sum((1, 2)), rtol=1e-3)
    one = attribute(model, x, "xrai", baseline=0, **options)
    values = black.astype("float64").max(-1)
    expected = np.stack([ranked(value, regions, least) for value in values])
    np.testing.assert_allclose(one.maps, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.some(every=3)
@pytest.mark.parametrize("shape", [(20, 2), (9,), (4, 6, 5, 1)])
def test_signals_vectors_and_volumes_with_given_regions(shape):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))
    size = shape[:-1] or shape
    segments = np.arange(np.prod(size)).reshape(size) // 4
    found = attribute(model, photos(2, shape), "xrai", segments=segments, steps=2, class_index=0)
    assert found.maps.shape == (2, *size)
    assert len(np.unique(found.maps[0])) == segments.max() + 1
    with pytest.raises(kviz.OptionError, match="regions of pictures only; give segments"):
        attribute(model, photos(1, shape), "xrai")


@pytest.mark.some(every=3)
@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 1), (40, 30, 5)])
def test_pictures_of_other_channels(shape):
    need_package("skimage", "superpixels")
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))
    found = attribute(model, photos(2, shape), "xrai", steps=2, class_index=0)
    assert found.maps.shape == (2, 40, 30)
    assert len(np.unique(found.maps[0])) > 3


@pytest.mark.slow
def test_the_cats_face():
    need_package("skimage", "superpixels")
    found = attribute("models/squeezenet.keras", "notebooks/images/cat.png", "xrai", steps=8)
    ranks = np.unique(found.maps[0], return_inverse=True)[1].reshape(227, 227)
    assert 5 < ranks.max() < 500
    best = found.maps[0] >= np.quantile(found.maps[0], 0.8)
    assert best[50:190, 30:200].mean() > 1.3 * best.mean()


def test_without_scikit_image(monkeypatch, model):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(
        kviz.OptionError, match=f"^XRAI needs .*{re.escape(install_command('superpixels'))}"
    ):
        attribute(model, photos(1), "xrai")


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        (9, "segments takes an integer array or None. Received: 9"),
        (np.zeros((3, 3), int), r"segments has the size of a map, \(16, 12\)"),
        (np.zeros((2, 2, 16, 12), int), "at most one axis of scales"),
        (np.zeros((16, 12)), "holds whole numbers"),
    ],
)
def test_what_it_refuses(model, segments, said):
    with pytest.raises(kviz.OptionError, match=said):
        attribute(model, photos(1), "xrai", segments=segments)
