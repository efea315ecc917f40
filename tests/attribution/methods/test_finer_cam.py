"""Finer-CAM by hand: on a net that ends in one linear layer its gradients are that layer's weights."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution import attribute


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((6, 5, 3))
    x = layers.Conv2D(4, 1, activation="relu", name="maps")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(6, activation="softmax", name="dense")(x))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(1, 1, (4, 6, 5, 3)).astype("float32")


@pytest.mark.parametrize("similar", [1, 3, 9])
@pytest.mark.parametrize("weight", [0.0, 0.6, 1.0])
def test_by_hand(model, images, similar, weight):
    maps = np.array(keras.Model(model.inputs[0], model.get_layer("maps").output)(images))
    kernel, bias = (np.array(w, "float64") for w in model.get_layer("dense").weights)
    logits = maps.mean((1, 2)) @ kernel + bias
    classes = [0, 3, 5, 1]
    expected, scores = [], []
    for own, row, index in zip(maps, logits, classes, strict=True):
        order = [k for k in np.argsort(np.abs(row - row[index])) if k != index][:similar]
        weights = kernel[:, index] - weight * kernel[:, order].mean(1)
        expected.append(own @ weights / 30)
        scores.append(row[index] - weight * row[order].mean())
    options = {"class_index": classes, "similar": similar, "weight": weight, "resize": None}
    found = attribute(model, images, "finer_cam", relu=False, **options)
    size = np.abs(expected).max()
    np.testing.assert_allclose(found.maps, expected, atol=1e-5 * size)
    np.testing.assert_allclose(found.scores, scores, atol=1e-4)
    assert found.classes.tolist() == classes
    if weight == 0:
        plain = attribute(model, images, "grad_cam", relu=False, class_index=classes, resize=None)
        np.testing.assert_allclose(found.maps, plain.maps, atol=1e-6 * size)


def test_by_default_it_explains_the_predicted_class(model, images):
    found = attribute(model, images, "finer_cam")
    assert found.classes.tolist() == np.array(model(images)).argmax(1).tolist()
    # Of the other class, the same contrast as a score has.
    two = attribute(model, images[:1], "finer_cam", similar=1, class_index=0, relu=False)
    logits = attribute(model, images[:1], "gradient", class_index=[list(range(6))]).scores[0]
    nearest = 1 + np.abs(logits[1:] - logits[0]).argmin()
    score = kviz.scores.ContrastScore(0, int(nearest))
    other = attribute(model, images[:1], "grad_cam", score=score, relu=False)
    np.testing.assert_allclose(two.maps, other.maps, rtol=1e-4, atol=1e-7)


def test_one_unit_is_compared_with_its_absence(images):
    unit = keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            layers.Conv2D(4, 1, name="maps"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    found = attribute(unit, images, "finer_cam", class_index=1, relu=False)
    plain = attribute(unit, images, "grad_cam", class_index=1, relu=False)
    np.testing.assert_allclose(found.maps, 2 * plain.maps, rtol=1e-4, atol=1e-7)


def test_what_is_refused(images):
    inputs = keras.Input((6, 5, 3))
    value = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(layers.Conv2D(2, 1)(inputs))))
    with pytest.raises(kviz.ModelError, match="finer_cam needs classes to compare"):
        attribute(value, images, "finer_cam")
    with pytest.raises(kviz.OptionError, match="takes no score= of another kind"):
        attribute(value, images, "finer_cam", score=lambda outputs: outputs[:, 0])
