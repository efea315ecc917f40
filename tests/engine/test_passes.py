"""Which layer a method looks at by default, and which input a verb does."""

import keras
import numpy as np
from keras import layers

import kviz


def test_the_default_layer_has_extent_although_a_head_of_one_by_one_comes_later():
    """The maps of `last` are summed in `squeezed`, 1 × 1: a map of one cell would say nothing."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="last")(inputs)
    x = layers.Conv2D(4, 6, name="squeezed")(x)
    x = layers.Conv2D(2, 1, name="head")(x)
    model = keras.Model(inputs, layers.Flatten()(x))
    photo = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3)).astype("float32")
    found = kviz.attribute(model, photo, "grad_cam", relu=False)
    assert found.raw.shape == (1, 6, 6)
    named = kviz.attribute(model, photo, "grad_cam", relu=False, layer_names="last")
    np.testing.assert_array_equal(found.raw, named.raw)


def test_the_photo_is_looked_at_wherever_it_stands_among_the_inputs():
    age, photo = keras.Input((1,), name="age"), keras.Input((8, 8, 3), name="photo")
    series = keras.Input((5, 2), name="series")
    x = layers.Concatenate()([age, layers.Flatten()(photo), layers.Flatten()(series)])
    model = keras.Model([age, series, photo], layers.Dense(2)(x))
    arrays = [np.ones((1, 1)), np.ones((1, 5, 2)), np.ones((1, 8, 8, 3))]
    assert kviz.attribute(model, arrays, "saliency").maps.shape == (1, 8, 8)
    assert kviz.attribute(model, arrays, "saliency", input_name="series").maps.shape[1] == 5
