"""Kernel SHAP: exact where it enumerates, near where it samples."""

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


def network(features=6):
    keras.utils.set_random_seed(2)
    return kviz.network.network.Network(
        keras.Sequential(
            [keras.Input((features,)), layers.Dense(16, activation="tanh"), layers.Dense(3)]
        )
    )


def rows(count, features=6):
    return np.random.default_rng(0).normal(size=(count, features)).astype("float32")


@pytest.mark.some(every=2)
@pytest.mark.parametrize("features", [1, 2, 3, 6])
def test_few_features_are_exact(features):
    model, x = network(features), rows(3, features)
    options = {"class_index": 1, "baseline": 0.1}
    found = attribute(model, x, "kernel_shap", **options)
    exact = attribute(model, x, "shapley", **options)
    np.testing.assert_allclose(found.maps, exact.maps, atol=1e-5)


def test_captum():
    # captum@faac080 tests/attr/test_shapley.py, whose values Kernel SHAP enumerates too
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, kernel_initializer="ones", activation="relu"),
            layers.Dense(2, kernel_initializer="ones"),
        ]
    )
    model.layers[0].bias.assign([-10, 1, 1, 1])
    model.layers[1].bias.assign([-1, 1])
    x = np.array([[20, 50, 30]], "float32")
    for mask, expected in (
        (None, [76.66666, 196.66666, 116.66666]),
        ([0, 0, 1], [275, 275, 115]),
    ):
        found = attribute(model, x, "kernel_shap", segments=mask, class_index=0)
        np.testing.assert_allclose(found.maps, [expected], atol=1e-3)


def test_samples_come_near_and_sum_exactly():
    model, x = network(12), rows(2, 12)
    exact = attribute(model, x, "shapley", class_index=0).maps
    found = attribute(model, x, "kernel_shap", samples=1000, class_index=0).maps
    np.testing.assert_allclose(found.sum(1), exact.sum(1), atol=1e-5)
    assert np.abs(found - exact).max() < 0.1 * np.abs(exact).max()
    assert all(np.corrcoef(a, b)[0, 1] > 0.99 for a, b in zip(found, exact, strict=True))


def test_a_linear_model_is_exact_even_when_sampled():
    weights = np.random.default_rng(3).normal(size=20).astype("float32")
    weights[4] = 0
    inputs = keras.Input((20,))
    model = keras.Model(inputs, keras.ops.sum(inputs * weights, 1, keepdims=True))
    x = rows(1, 20)
    found = attribute(model, x, "kernel_shap", samples=100, baseline=1, class_index=0)
    np.testing.assert_allclose(found.maps[0], weights * (x[0] - 1), atol=1e-5)


def test_superpixels_batches_seed_and_traces():
    keras.utils.set_random_seed(1)
    model = kviz.network.network.Network(
        keras.Sequential([keras.Input((16, 12, 3)), layers.Conv2D(4, 3, activation="relu"),
                          layers.Flatten(), layers.Dense(3)])
    )  # fmt: skip
    patches = np.random.default_rng(0).uniform(0, 255, (5, 4, 3, 3)).astype("float32")
    x = patches.repeat(4, 1).repeat(4, 2)
    options = {"method": "kernel_shap", "segments": 12, "samples": 200}
    whole = attribute(model, x, **options)
    traces, scale = len(model.engine.functions), np.abs(whole.maps).max()
    for batch_size in (1, 3):
        found = attribute(model, x, batch_size=batch_size, **options)
        np.testing.assert_allclose(found.maps, whole.maps, atol=1e-4 * scale)
    np.testing.assert_array_equal(attribute(model, x, **options).maps, whole.maps)
    assert len(np.unique(whole.maps[0])) > 8
    assert np.abs(attribute(model, x, seed=1, **options).maps - whole.maps).max() > 1e-3 * scale
    attribute(model, x, "lime", segments=9, samples=50, class_index=1)
    assert len(model.engine.functions) == traces


@pytest.mark.slow
def test_the_cats_face():
    found = attribute(
        "models/squeezenet.keras", "notebooks/images/cat.png", "kernel_shap", samples=400
    )
    positive = np.maximum(found.maps[0], 0)
    assert positive[50:190, 30:200].mean() > 1.3 * positive.mean()


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    for method, name in (("kernel_shap", "Kernel SHAP"), ("lime", "LIME")):
        words = f"^{name} needs .*{re.escape(install_command('superpixels'))}"
        with pytest.raises(OptionError, match=words):
            attribute(network(), rows(1), method)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"samples": 1}, "samples takes a whole number from 2"),
        ({"samples": 20}, "20 samples are too few for 30 segments. Take at least 32"),
        ({"segments": [0, 1]}, r"segments as an array has the size of a map, \(30,\)"),
        ({"segments": True}, "segments takes a whole number from 1"),
        ({"baseline": "gray"}, "baseline"),
    ],
)
def test_what_it_refuses(options, said):
    with pytest.raises(OptionError, match=said):
        attribute(network(30), rows(1, 30), "kernel_shap", **options)
