"""Another number is no other graph: the model is not called again while TensorFlow traces."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz

TRACES = []


class Counted(layers.Layer):
    """Notes each call, which a compiled function makes only while it is traced."""

    def call(self, x):
        TRACES.append(1)
        return x


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(layers.Rescaling(1 / 255)(inputs))
    return kviz.Network(keras.Model(inputs, layers.Dense(5)(layers.Flatten()(Counted()(x)))))


def photos(count=1, seed=0):
    return np.random.default_rng(seed).uniform(20, 230, (count, 24, 24, 3)).round()


FOOL = {
    "step_size": [1.0, 2, np.float32(3.5), 0.7, 40],
    "max_norm": [3, 20.5, 50, 400.0, np.float64(9)],
    "confidence": [0.1, 0.3, 0.5, 0.9, 0.95],
    "steps": [1, 2, 3, 40, 60],
    "seed": [0, 1, 2, 3, 4],
    "class_index": [0, 1, 2, 3, 4],
    "bounds": [(0, 256), (-1, 255), (0.5, 300), (-2.0, 260.5), (3, 250)],
}
OPTIONS = {
    "fool": [*FOOL],
    "deep_dream": ["octaves", "octave_scale", "step_size", "steps", "seed"],
    "class_image": ["class_index", "steps", "seed", "statistics"],
    "filter_patterns": ["filter_indices", "steps", "seed", "statistics"],
}
VALUES = {
    "octaves": [1, 2, 3, 4, 5],
    "octave_scale": [1.1, 1.2, 1.25, 1.3, 1.4],
    "filter_indices": [[0], [1], [2, 3], [3, 1, 0], 2],
    "statistics": [photos(2, seed) for seed in range(5)],
    **FOOL,
}


def called(network, verb, option, value):
    if verb == "fool":
        more = {"class_index": 1, "steps": 2, "max_norm": 9, "random_start": True} | {option: value}
        if option in ("step_size", "confidence"):
            del more["max_norm"], more["random_start"]
        return kviz.fool(network, photos(), **more)
    if verb == "deep_dream":
        more = {"steps": 2, "octaves": 2, "octave_scale": 1.2} | {option: value}
        return kviz.deep_dream(network, photos(), "conv", **more)
    colours = {"parametrization": "fourier", "steps": 2, "statistics": photos(2, 9)}
    if verb == "class_image":
        return kviz.class_image(network, **colours | {"class_index": 1} | {option: value})
    return kviz.filter_patterns(network, "conv", **colours | {option: value})


@pytest.mark.some(every=4)
@pytest.mark.parametrize(
    ("verb", "option"), [(verb, option) for verb, options in OPTIONS.items() for option in options]
)
def test_another_number_traces_nothing(verb, option, network):
    called(network, verb, option, VALUES[option][0])
    if verb == "class_image":
        # What is not reached goes on against all other classes, which is a graph of its own.
        kviz.class_image(network, [0, 1, 2, 3, 4], steps=1)
    TRACES.clear()
    for value in VALUES[option]:
        called(network, verb, option, value)
    assert not TRACES
