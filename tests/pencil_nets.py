"""Nets whose metrics can be told with a pencil: sums of pixels, weighted or not."""

import keras
import numpy as np
from keras import layers


def linear(weights):
    """Return a net f(x) = sum of w x over a grey image, a value and no class."""
    weights = np.asarray(weights, "float32")
    model = keras.Sequential(
        [keras.Input((*weights.shape, 1)), layers.Flatten(), layers.Dense(1, use_bias=False)]
    )
    model.layers[-1].set_weights([weights.reshape(-1, 1)])
    return model


def planted(size, place, level=1.0):
    """Return a net of two classes, in which one pixel alone says whether it is class 1."""
    weights = np.zeros((size * size, 2), "float32")
    weights[place[0] * size + place[1], 1] = level
    model = keras.Sequential(
        [keras.Input((size, size, 1)), layers.Flatten(), layers.Dense(2, activation="softmax")]
    )
    model.layers[-1].set_weights([weights, np.array([0, -level / 2], "float32")])
    return model


def pixels(count, size, seed=0):
    return np.random.default_rng(seed).uniform(1, 2, (count, size, size, 1)).astype("float32")
