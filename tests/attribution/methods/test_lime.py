"""LIME: a linear model is found again, and what must hold of any random method."""

import re
import sys

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution import attribute
from kviz.errors import OptionError
from kviz.extras import install_command


def scored(shape=(16, 12, 3)):
    keras.utils.set_random_seed(1)
    return kviz.network.network.Network(
        keras.Sequential([keras.Input(shape), layers.Flatten(),
                          layers.Dense(8, activation="relu"), layers.Dense(3)])
    )  # fmt: skip


def photos(count, shape=(16, 12, 3)):
    """Return patches of four pixels a side, each of one value."""
    patches = [-(-side // 4) for side in shape[:-1]] + [shape[-1]]
    images = np.random.default_rng(0).uniform(0, 255, (count, *patches)).astype("float32")
    for axis, side in enumerate(shape[:-1], 1):
        images = images.repeat(4, axis).take(range(side), axis)
    return images


@pytest.mark.parametrize("options", [{}, {"distance": "euclidean"}, {"width": 0.5, "alpha": 0.1}])
def test_a_linear_model_is_found_again(options):
    weights = np.array([5, -3, 0, 1, 2, -1, 4, -2], "float32")
    inputs = keras.Input((8,))
    model = keras.Model(inputs, keras.ops.sum(inputs * weights, 1, keepdims=True))
    x = np.full((1, 8), 3, "float32")
    found = attribute(model, x, "lime", baseline=1, class_index=0, **options)
    np.testing.assert_array_equal(np.argsort(found.maps[0]), np.argsort(weights))
    # The ridge's penalty makes all a little smaller.
    np.testing.assert_allclose(found.maps[0], 2 * weights, rtol=0.05, atol=0.1)


def test_a_segment_is_hidden_behind_its_mean_colour():
    """As the authors' program fills it, here by hand for each image."""
    x = np.random.default_rng(4).uniform(0, 255, (2, 16, 12, 3)).astype("float32")
    segments = np.add.outer(np.arange(16) // 5, 4 * (np.arange(12) // 4))
    options = {"segments": segments, "samples": 60, "class_index": 1}
    model = scored()
    found = attribute(model, x, "lime", **options)
    filled = x.copy()
    for image in filled:
        for segment in np.unique(segments):
            image[segments == segment] = image[segments == segment].mean(0)
    for place in range(2):
        # What is drawn for an image depends on its place.
        given = attribute(model, x, "lime", baseline=filled[place], **options).maps[place]
        np.testing.assert_allclose(found.maps[place], given, rtol=1e-3, atol=1e-3)
    assert np.abs(found.maps - attribute(model, x, "lime", baseline=0, **options).maps).max() > 1


def test_no_penalty_is_exact():
    weights = np.random.default_rng(1).normal(size=(6, 4, 1)).astype("float32")
    inputs = keras.Input((6, 4, 1))
    model = keras.Model(inputs, keras.ops.sum(inputs * weights, (1, 2)))
    x = photos(1, (6, 4, 1))
    halves = np.repeat([[0, 0, 1, 1]], 6, axis=0)
    found = attribute(
        model, x, "lime", alpha=0, samples=50, segments=halves, class_index=0, baseline=0
    )
    sums = [(x[0] * weights)[:, half].sum() for half in (slice(0, 2), slice(2, 4))]
    np.testing.assert_allclose(found.maps[0], np.array(sums)[halves], rtol=1e-3)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("shape", [(16, 12, 3), (16, 12, 1), (16, 12, 5), (20, 2), (8, 8, 6, 1)])
def test_shapes(shape):
    # Black, since a segment's mean is the segment itself where it is of one value.
    options = {"segments": 6, "samples": 40, "baseline": 0}
    found = attribute(scored(shape), photos(2, shape), "lime", **options)
    assert found.maps.shape == (2, *shape[:-1])
    assert found.maps.dtype == np.float32
    assert all(2 <= len(np.unique(image)) <= 12 for image in found.maps)


def test_a_blank_image_still_has_segments():
    found = attribute(
        scored(), np.full((1, 16, 12, 3), 9, "float32"), "lime", segments=6, samples=9, baseline=0
    )
    assert len(np.unique(found.maps)) > 1


def test_batches_and_seed():
    model, x = scored(), photos(5)
    options = {"method": "lime", "segments": 9, "samples": 100}
    whole = attribute(model, x, **options)
    scale = np.abs(whole.maps).max()
    for batch_size in (1, 3):
        found = attribute(model, x, batch_size=batch_size, **options)
        np.testing.assert_allclose(found.maps, whole.maps, atol=1e-4 * scale)
    np.testing.assert_array_equal(attribute(model, x, **options).maps, whole.maps)
    assert np.abs(attribute(model, x, seed=1, **options).maps - whole.maps).max() > 1e-3 * scale


@pytest.mark.slow
def test_the_cats_face():
    found = attribute("models/squeezenet.keras", "notebooks/images/cat.png", "lime", samples=400)
    positive = np.maximum(found.maps[0], 0)
    assert positive[50:190, 30:200].mean() > 1.3 * positive.mean()


def test_without_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(OptionError, match=re.escape(install_command("superpixels"))):
        attribute(scored(), photos(1), "lime")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"samples": 0}, "samples takes a whole number from 2. Received: 0"),
        ({"segments": np.zeros((3, 3), int)}, "segments as an array has the size of a map"),
        ({"segments": 0}, "segments takes a whole number from 1"),
        ({"distance": "manhattan"}, "distance"),
        ({"width": 0.0}, "width takes a number above 0"),
    ],
)
def test_what_it_refuses(options, said):
    with pytest.raises(OptionError, match=said):
        attribute(scored(), photos(1), "lime", **options)


@pytest.mark.parametrize("method", ["lime", "kernel_shap"])
def test_a_baseline_that_overflows_is_refused(method):
    with pytest.raises(kviz.ImageError, match=r"are replaced are not finite .* another baseline"):
        attribute(scored(), photos(1), method, baseline=3.4e38, segments=8, samples=20)
