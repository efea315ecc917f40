"""Exact Shapley values: numbers of captum, and the axioms."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution import attribute
from kviz.errors import OptionError


def first(outputs):
    return outputs[:, 0]


def multilayer():
    """Return captum's BasicModel_MultiLayer: x(3) -> ones, [-10,1,1,1] -> ReLU -> ones, [-1,1]."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, kernel_initializer="ones", activation="relu"),
            layers.Dense(2, kernel_initializer="ones"),
        ]
    )
    model.layers[0].bias.assign([-10, 1, 1, 1])
    model.layers[1].bias.assign([-1, 1])
    return model


def network(features=6):
    keras.utils.set_random_seed(2)
    return kviz.network.network.Network(
        keras.Sequential(
            [keras.Input((features,)), layers.Dense(16, activation="tanh"), layers.Dense(3)]
        )
    )


def rows(count, features=6):
    return np.random.default_rng(0).normal(size=(count, features)).astype("float32")


def answer(model, x):
    return np.asarray(memoryview(model(x)))[:, 0]


def test_captum():
    # captum@faac080 tests/attr/test_shapley.py
    x = np.array([[20, 50, 30]], "float32")
    found = attribute(multilayer(), x, "shapley", class_index=0)
    np.testing.assert_allclose(found.maps, [[76.66666, 196.66666, 116.66666]], atol=1e-3)
    found = attribute(multilayer(), x, "shapley", score=first)
    np.testing.assert_allclose(found.maps, [[76.66666, 196.66666, 116.66666]], atol=1e-3)


def test_captum_with_a_feature_mask():
    # captum@faac080 tests/attr/test_shapley.py, mask [0, 0, 1]
    x = np.array([[20, 50, 30]], "float32")
    for mask in ([0, 0, 1], np.array([7, 7, 9])):
        found = attribute(multilayer(), x, "shapley", class_index=0, segments=mask)
        np.testing.assert_allclose(found.maps, [[275, 275, 115]], atol=1e-3)


def test_all_orders_by_hand():
    model, x, low = network(4), rows(1, 4), 0.3
    expected = np.zeros(4)
    for order in itertools.permutations(range(4)):
        image = np.full((1, 4), low, "float32")
        for player in order:
            before = answer(model, image)[0]
            image[0, player] = x[0, player]
            expected[player] += (answer(model, image)[0] - before) / math.factorial(4)
    found = attribute(model, x, "shapley", baseline=low, class_index=0)
    np.testing.assert_allclose(found.maps[0], expected, atol=1e-5)


def test_efficiency():
    model, x = network(), rows(5)
    found = attribute(model, x, "shapley", baseline=0.2, class_index=0)
    gain = answer(model, x) - answer(model, np.full_like(x, 0.2))
    np.testing.assert_allclose(found.maps.sum(1), gain, atol=1e-5)


def test_a_linear_model_a_dummy_and_equal_features():
    weights = np.array([2, -1, 0, 2, 0.5], "float32")
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.ops.sum(inputs * weights, 1, keepdims=True))
    x = np.array([[3, 4, 5, 3, -2]], "float32")
    found = attribute(model, x, "shapley", baseline=1, class_index=0)
    np.testing.assert_allclose(found.maps[0], weights * (x[0] - 1), atol=1e-5)
    assert abs(found.maps[0, 2]) < 1e-6
    np.testing.assert_allclose(found.maps[0, 0], found.maps[0, 3], atol=1e-6)


def test_parts_of_an_image():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((8, 6, 3)), layers.Conv2D(4, 3, activation="relu"),
                              layers.Flatten(), layers.Dense(3)])  # fmt: skip
    x = np.random.default_rng(0).uniform(0, 255, (2, 8, 6, 3)).astype("float32")
    quarters = np.arange(8)[:, None] // 4 * 2 + np.arange(6) // 3
    found = attribute(model, x, "shapley", segments=quarters, class_index=0)
    assert found.maps.shape == (2, 8, 6)
    values = found.maps[:, ::4, ::3].reshape(2, 4)
    np.testing.assert_array_equal(values[:, quarters], found.maps)
    full, empty = (answer(model, images) for images in (x, np.zeros_like(x)))
    np.testing.assert_allclose(values.sum(1), full - empty, rtol=1e-4)
    superpixels = attribute(model, x, "shapley", segments=5, class_index=0)
    for image, gain in zip(superpixels.maps, full - empty, strict=True):
        np.testing.assert_allclose(np.unique(image).sum(), gain, rtol=1e-4)


def test_batches_and_traces():
    model, x = network(), rows(5)
    whole = attribute(model, x, "shapley", batch_size=32)
    traces = len(model.engine.functions)
    for batch_size in (1, 3):
        found = attribute(model, x, "shapley", batch_size=batch_size)
        np.testing.assert_allclose(found.maps, whole.maps, atol=1e-5)
    singles = [attribute(model, x[i : i + 1], "shapley").maps[0] for i in range(5)]
    np.testing.assert_allclose(singles, whole.maps, atol=1e-5)
    assert len(model.engine.functions) == traces


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "players need .* passes; expected at most 14.*kernel_shap"),
        ({"segments": [0, 1]}, r"segments as an array has the size of a map, \(15,\)"),
        ({"segments": np.zeros(15)}, "segments as an array holds whole numbers. Received: float64"),
        ({"segments": 0}, "segments takes a whole number from 1. Received: 0"),
        ({"baseline": "gray"}, "baseline"),
    ],
)
def test_what_it_refuses(options, said):
    with pytest.raises(OptionError, match=said):
        attribute(network(15), rows(1, 15), "shapley", **options)
