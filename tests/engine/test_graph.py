"""What a model does first with an input, and whether that shows that it takes 0-255."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def of_imagenet():
    return layers.Normalization(mean=MEAN, variance=np.square(DEVIATION).tolist())


def adapted(low, high):
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).uniform(low, high, (9, 8, 8, 3)).astype("float32"))
    return layer


class Subclassed(keras.Model):
    def __init__(self, first):
        super().__init__()
        self.first, self.conv = first, layers.Conv2D(2, 3)

    def call(self, inputs):
        return self.conv(self.first(inputs))


def after(*first):
    return keras.Sequential([keras.Input((8, 8, 3)), *first, layers.Conv2D(2, 3)])


def by_operations(prepare):
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, layers.Conv2D(2, 3)(prepare(inputs)))


def takes_bytes(model, preprocess=None):
    network = kviz.Network(model, preprocess=preprocess)
    specs = network.specs(network.pixels(np.zeros((1, 8, 8, 3), "float32")))
    return bool(network.engine.inputs_of_bytes(specs))


@pytest.mark.parametrize(
    "make",
    [
        lambda: after(layers.Rescaling(1 / 255)),
        lambda: after(layers.Rescaling(1 / 127.5, -1)),
        lambda: after(layers.Rescaling(1 / 255, dtype="mixed_bfloat16")),
        lambda: after(layers.Normalization(mean=[123.0, 116, 103], variance=[1.0, 1, 1])),
        lambda: after(layers.Normalization(mean=33.3, variance=78.6**2, axis=None)),
        lambda: after(adapted(0, 255)),
        lambda: after(layers.Rescaling(1 / 255), of_imagenet()),
        lambda: after(layers.Resizing(9, 9), layers.RandomFlip(), layers.Rescaling(1 / 255)),
        lambda: after(layers.ZeroPadding2D(), layers.Rescaling(1 / 255)),
        lambda: after(after(layers.Rescaling(1 / 255))),
        lambda: by_operations(lambda x: x / 255 - 0.5),
        lambda: by_operations(lambda x: (x - 127.5) * (1 / 127.5)),
        lambda: Subclassed(lambda x: x / 255),
    ],
)
def test_what_is_divided_or_centred_takes_bytes(make):
    assert takes_bytes(make())


@pytest.mark.parametrize(
    "preprocess",
    [
        layers.Rescaling(1 / 255), lambda x: x / 255, keras.applications.vgg16.preprocess_input,
        keras.applications.mobilenet.preprocess_input,
        keras.applications.densenet.preprocess_input,
    ],
)  # fmt: skip
def test_what_prepares_pixels_shows_it_too(preprocess):
    assert takes_bytes(after(), preprocess)


@pytest.mark.parametrize(
    "make",
    [
        lambda: after(),
        lambda: after(layers.Rescaling(1.0)),
        lambda: after(layers.Rescaling(1 / 16)),
        lambda: after(layers.Rescaling(1 / 64)),
        lambda: after(layers.Normalization(mean=[20.0] * 3, variance=[400.0] * 3)),
        lambda: after(layers.Rescaling(2.0, -1.0)),
        lambda: after(of_imagenet()),
        lambda: after(adapted(0, 1)),
        lambda: after(layers.BatchNormalization()),
        lambda: after(layers.Rescaling(1 / 65535)),
        lambda: after(layers.Rescaling(0.0)),
        # Decibels and degrees are no pixels.
        lambda: after(layers.Normalization(mean=[-40.0] * 3, variance=[400.0] * 3)),
        lambda: after(layers.Normalization(mean=[20.0] * 3, variance=[64.0] * 3)),
        lambda: by_operations(lambda x: keras.ops.concatenate([x / 255, x], -1)),
        lambda: by_operations(lambda x: x / keras.ops.max(x)),
        lambda: by_operations(lambda x: 255 / (x + 1)),
    ],
)
def test_of_anything_else_it_is_not_known(make):
    assert not takes_bytes(make())
