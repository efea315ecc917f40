"""A network is what a model is: it can be pickled and copied, and tensors go through it."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from refusals import refused

import kviz


@pytest.fixture
def network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    return kviz.Network(
        keras.Model(inputs, x), preprocess="vgg16", class_names=["a", "b", "c"], notes=["new"]
    )


PHOTO = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, copy.copy, lambda n: pickle.loads(pickle.dumps(n))],  # noqa: S301
)
def test_a_copy_is_equal_in_all_that_it_is(network, copied):
    kviz.activations(network, PHOTO)
    other = copied(network)
    assert (other.class_names, other.notes, other.preprocess) == (
        ("a", "b", "c"),
        ("new",),
        "vgg16",
    )
    np.testing.assert_allclose(other(PHOTO), network(PHOTO), rtol=1e-5)
    np.testing.assert_allclose(
        kviz.activations(other, PHOTO)["conv"], kviz.activations(network, PHOTO)["conv"], rtol=1e-5
    )


def test_tensors_go_through_and_can_be_differentiated(network):
    photo = tf.constant(PHOTO)
    with tf.GradientTape() as tape:
        tape.watch(photo)
        score = network(photo)[:, 1]
    gradient = tape.gradient(score, photo)
    by_keras = tf.Variable(photo)
    with tf.GradientTape() as tape:
        pixels = keras.applications.vgg16.preprocess_input(by_keras + 0.0)
        own = network.model(pixels)[:, 1]
    np.testing.assert_allclose(score, own, rtol=1e-5)
    np.testing.assert_allclose(gradient, tape.gradient(own, by_keras), rtol=1e-4, atol=1e-9)


def test_tensors_go_through_inside_a_function_of_tensorflow(network):
    inside = tf.function(lambda x: network(x) * 2)
    np.testing.assert_allclose(inside(tf.constant(PHOTO)), 2 * network(PHOTO), rtol=1e-5)


def test_a_tensor_of_another_shape_is_one_sentence(network):
    with refused(
        r"Expected a tensor of shape \(N, 8, 8, 3\). Received: \(2, 9, 8, 3\)", kviz.ImageError
    ):
        network(tf.zeros((2, 9, 8, 3)))


def test_another_preprocessing_takes_effect(network):
    before = np.asarray(network(PHOTO))
    network.preprocess = None
    np.testing.assert_allclose(network(PHOTO), network.model(PHOTO), rtol=1e-5)
    assert np.abs(np.asarray(network(PHOTO)) - before).max() > 1e-3
    with refused("preprocess takes a keras.applications module", kviz.OptionError):
        network.preprocess = "vgg61"
