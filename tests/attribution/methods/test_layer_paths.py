"""Integrated gradients of a layer and internal influence, by hand in NumPy and by identities."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution import attribute

SIZES = {1: (layers.Conv1D, (12,)), 2: (layers.Conv2D, (8, 6)), 3: (layers.Conv3D, (4, 6, 3))}


def net(axes=2, activation="tanh", *, bypass=False):
    """Return layers whose gradients NumPy knows: one of maps, then a dense net of two layers."""
    convolution, size = SIZES[axes]
    keras.utils.set_random_seed(axes)
    inputs = keras.Input((*size, 2))
    x = convolution(3, 1, activation="relu", name="maps", bias_initializer="random_normal")(inputs)
    x = layers.Flatten()(x)
    x = layers.Dense(5, activation=activation, name="hidden", bias_initializer="random_normal")(x)
    x = layers.Dense(3, name="dense")(x)
    if bypass:
        x = layers.Add()([x, layers.Dense(3, name="other")(layers.Flatten()(inputs))])
    return keras.Model(inputs, x)


def given(axes=2):
    return np.random.default_rng(0).normal(1, 1, (3, *SIZES[axes][1], 2)).astype("float32")


def hand(model, maps, index):
    """Return the score of a class and its gradient to the layer's maps `(N, …)`, by hand."""
    first, bias = (np.array(w, "float64") for w in model.get_layer("hidden").weights)
    second = np.array(model.get_layer("dense").kernel, "float64")[:, index]
    value = np.tanh(maps.reshape(len(maps), -1) @ first + bias)
    gradient = ((1 - value**2) * second) @ first.T
    return value @ second, gradient.reshape(maps.shape)


def maps_of(model, images):
    kernel, bias = (np.array(w, "float64") for w in model.get_layer("maps").weights)
    kernel = kernel.reshape(kernel.shape[-2:])
    return np.maximum(images.astype("float64") @ kernel + bias, 0)


def close(actual, expected):
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.some(every=2)
@pytest.mark.parametrize("axes", SIZES)
def test_layer_integrated_gradients_by_hand(axes):
    model, images = net(axes), given(axes)
    asked = {"layer_names": "maps", "class_index": 1, "resize": None, "baseline": 0.3, "steps": 9}
    high, low = maps_of(model, images), maps_of(model, np.full_like(images, 0.3))
    points, weights = np.polynomial.legendre.leggauss(9)
    expected = 0
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        _, gradient = hand(model, low + point * (high - low), 1)
        expected += weight * (gradient * (high - low)).sum(-1)
    for batch_size in (32, 2):
        found = attribute(
            model, images, "layer_integrated_gradients", batch_size=batch_size, **asked
        )
        close(found.maps, expected)


def test_its_sum_is_the_difference_of_the_scores():
    model, images = net(), given()
    asked = {"layer_names": "maps", "class_index": [0, 1, 2], "resize": None}
    found = attribute(model, images, "layer_integrated_gradients", baseline=0.5, **asked)
    rise = np.array(model(images)) - np.array(model(np.full_like(images, 0.5)))
    close(found.maps.sum((1, 2)), rise[range(3), range(3)])
    assert found.gaps.max() < 1e-4


def test_another_way_to_the_score_is_told_by_the_gap():
    asked = {"layer_names": "maps", "class_index": 1, "resize": None}
    found = attribute(net(bypass=True), given(), "layer_integrated_gradients", **asked)
    assert found.gaps.max() > 0.01


@pytest.mark.some(every=2)
@pytest.mark.parametrize("axes", SIZES)
def test_internal_influence_by_hand(axes):
    model, images = net(axes), given(axes)
    asked = {"layer_names": "maps", "class_index": 2, "resize": None, "baseline": 0.3, "steps": 7}
    points, weights = np.polynomial.legendre.leggauss(7)
    expected = 0
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        _, gradient = hand(model, maps_of(model, 0.3 + point * (images - 0.3)), 2)
        expected += weight * gradient.sum(-1)
    for batch_size in (32, 2):
        found = attribute(model, images, "internal_influence", batch_size=batch_size, **asked)
        close(found.maps, expected)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("method", ["layer_integrated_gradients", "internal_influence"])
def test_images_of_another_size_are_no_other_trace(method):
    keras.utils.set_random_seed(0)
    free = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(4, 3, activation="relu", name="maps"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="tanh"),
        ]
    )
    network = kviz.Network(free)
    shapes = [(9, 9), (7, 12), (6, 6)]
    traces = []
    for shape in shapes:
        photo = np.random.default_rng(0).uniform(0, 255, (1, *shape, 3)).astype("float32")
        found = attribute(network, photo, method, class_index=0, steps=3)
        assert found.maps.shape == (1, *shape)
        assert found.maps.any()
        traces.append(len(network.engine.functions))
    assert traces == traces[:1] * 3


@pytest.mark.parametrize("method", ["layer_integrated_gradients", "internal_influence"])
def test_what_is_refused(method):
    model = net()
    with pytest.raises(kviz.LayerError, match="no spatial output"):
        attribute(model, given(), method, layer_names="hidden")
    with pytest.raises(kviz.OptionError, match=f"{method} takes one layer. Received: 2"):
        attribute(model, given(), method, layer_names=["maps", "input*"])
