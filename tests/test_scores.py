"""What is explained: each score is the number that its definition says, computed in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers
from refusals import refused

import kviz
from kviz.scores import (
    ClassScore,
    ContrastScore,
    FilterScore,
    LossScore,
    NeuronScore,
    OutputScore,
)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return kviz.Network(model)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).random((2, 6, 5, 3), np.float32)


def score_of(network, images, score, class_index=None):
    found = kviz.attribute(network, images, "gradient", class_index=class_index, score=score)
    return found.scores


def test_a_filters_score_is_the_mean_of_its_map(network, images):
    maps = kviz.activations(network, images, "conv")["conv"]
    for index in range(4):
        found = kviz.attribute(network, images, "gradient", score=FilterScore("conv", index))
        np.testing.assert_allclose(found.scores, maps[..., index].mean((1, 2)), rtol=1e-5)
        assert found.classes.tolist() == [-1, -1]
        assert found.tiles()[1].title == f"Gradient · conv, filter {index}"
        # The mean's gradient: as many cells, each a twelfth of the kernel.
        kernel = np.asarray(network.model.get_layer("conv").kernel)[..., index]
        np.testing.assert_allclose(found.raw.sum((1, 2)), [kernel.sum((0, 1))] * 2, rtol=1e-4)


def test_a_class_and_its_loss(network, images):
    outputs = network.model.predict(images, verbose=0)
    for index in range(3):
        logits = score_of(network, images, None, index) - score_of(network, images, None, 0)
        np.testing.assert_allclose(logits, np.log(outputs[:, index] / outputs[:, 0]), atol=1e-5)
        losses = score_of(network, images, LossScore(ClassScore()), index)
        np.testing.assert_allclose(losses, np.log(outputs[:, index]), rtol=1e-5)


def test_one_cell_of_a_layer(network, images):
    maps = kviz.activations(network, images, "conv")["conv"]
    found = kviz.attribute(network, images, "gradient", score=NeuronScore("conv", (2, 1, 3)))
    np.testing.assert_allclose(found.scores, maps[:, 2, 1, 3], rtol=1e-5)
    kernel = np.asarray(network.model.get_layer("conv").kernel)[..., 3]
    np.testing.assert_allclose(found.raw[0, 2:5, 1:4], kernel, rtol=1e-5)
    assert not found.raw[:, :2].any()
    dense = network.model.layers[-1].name
    unit = score_of(network, images, NeuronScore(dense, (1,)))
    outputs = network.model.predict(images, verbose=0)
    np.testing.assert_allclose(unit, outputs[:, 1], rtol=1e-5)


def test_why_one_class_and_not_another(network, images):
    outputs = network.model.predict(images, verbose=0)
    found = kviz.attribute(network, images, "gradient", score=ContrastScore(2, against=0))
    np.testing.assert_allclose(found.scores, np.log(outputs[:, 2] / outputs[:, 0]), atol=1e-5)
    one, other = (kviz.attribute(network, images, "gradient", class_index=i) for i in (2, 0))
    np.testing.assert_allclose(found.maps, one.maps - other.maps, atol=1e-6)
    half = kviz.attribute(network, images, "gradient", score=ContrastScore(2, 0, weight=0.5))
    np.testing.assert_allclose(half.maps, one.maps - 0.5 * other.maps, atol=1e-6)


def test_a_number_of_the_output_as_it_is(network, images):
    outputs = network.model.predict(images, verbose=0)
    np.testing.assert_allclose(
        score_of(network, images, OutputScore((1,))), outputs[:, 1], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (NeuronScore("conv", (2, 1, 3)), "conv, cell (2, 1, 3)"),
        (ContrastScore(2, against=0), "class 2 against class 0"),
        (OutputScore((1,)), "output (1,)"),
        (lambda outputs: outputs[:, 0], "score"),
    ],
)
def test_what_is_no_class_is_called_by_what_it_is(network, images, score, label):
    found = kviz.attribute(network, images, "gradient", score=score)
    assert found.class_names == (label, label)


def test_a_function_of_the_outputs(network, images):
    outputs = network.model.predict(images, verbose=0)
    found = score_of(network, images, lambda outputs: outputs[:, 0] * outputs[:, 2])
    np.testing.assert_allclose(found, outputs[:, 0] * outputs[:, 2], rtol=1e-5)


@pytest.mark.parametrize(
    ("score", "words", "kind"),
    [
        (FilterScore("conv", 4), "'conv' has filters 0 to 3. Received: 4", kviz.OptionError),
        (FilterScore("conv", -1), "filters 0 to 3. Received: -1", kviz.OptionError),
        (FilterScore("cnv", 0), "Did you mean 'conv'", kviz.LayerError),
        (lambda outputs: outputs, r"one number per image.*\(None, 3\)", kviz.OptionError),
        (NeuronScore("conv", (2, 9, 3)), r"cells \(0, …\) to \(3, 2, 3\)", kviz.OptionError),
        (NeuronScore("conv", (1, 1)), r"Received: \(1, 1\)", kviz.OptionError),
        (OutputScore((3,)), r"The output 0 has cells \(0, …\) to \(2,\)", kviz.OptionError),
        (ContrastScore(0, 3), "from 0 to 2. Received: 3", kviz.OptionError),
        (lambda outputs: outputs["nope"], "given as score= fails: ", kviz.OptionError),
        ("cat", "takes a function of the outputs", kviz.OptionError),
    ],
    ids=(
        "too large,negative,no layer,no number,no cell,no map,no output,no class,failing,no function"
    ).split(","),
)
def test_what_is_no_score_is_said_in_one_sentence(network, images, score, words, kind):
    with refused(words, kind):
        kviz.attribute(network, images, "gradient", score=score)
