"""Layers whose channels are the classes: told by the graph, and not by how many there are."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.engine.class_layers import class_layers
from kviz.engine.heads import choose_head


def found_in(model, shape=(12, 12, 3)):
    network = kviz.Network(model)
    specs = network.specs(network.pixels(np.zeros((1, *shape), np.uint8)))

    def run(*pixels):
        traced = network.engine.traced(dict(zip(specs, pixels, strict=True)))
        head = choose_head(network.engine.heads(traced))
        return (), class_layers(traced, network.engine.table(traced), head)

    return network.engine.noted("class layers", run, list(specs.values()))[1]


def sequence(*parts):
    return keras.Sequential([keras.Input((12, 12, 3)), *parts])


class Backwards(layers.Layer):
    def call(self, x):
        return x[..., ::-1]


class Doubled(layers.Layer):
    def call(self, x):
        return 2.0 * x


def conv(count=4, **options):
    return layers.Conv2D(count, 3, name="conv", **options)


CASES = {
    "pooled": (
        [conv(), layers.GlobalAveragePooling2D(name="mean"), layers.Softmax(name="end")],
        ["conv", "mean", "end"],
    ),
    "relu and windows": (
        [
            conv(activation="relu"), layers.MaxPooling2D(name="max"),
            layers.Dropout(0.5, name="drop"), layers.GlobalMaxPooling2D(keepdims=True, name="top"),
            layers.Flatten(name="flat"), layers.Activation("sigmoid", name="end"),
        ],
        ["conv", "max", "drop", "top", "flat", "end"],
    ),
    "scaled": (
        [conv(), Doubled(name="twice"), layers.GlobalAveragePooling2D(name="mean")],
        ["conv", "twice", "mean"],
    ),
    "dense behind as many channels": (
        [conv(), layers.GlobalAveragePooling2D(name="mean"), layers.Dense(4, name="dense")],
        ["dense"],
    ),
    "positions in a row": (
        [conv(), layers.Reshape((100, 4), name="row"), layers.GlobalAveragePooling1D(name="mean")],
        ["conv", "row", "mean"],
    ),
    "channels first at the end": (
        [conv(), layers.GlobalAveragePooling2D(keepdims=True, name="mean"),
         layers.Permute((3, 1, 2), name="turned"), layers.Reshape((4,), name="row")],
        ["conv", "mean", "row"],
    ),
    "as many cells as channels": (
        [layers.Conv2D(1, 11, name="conv"), layers.Flatten(name="flat"),
         layers.Softmax(name="softmax")],
        ["flat", "softmax"],
    ),
    "flattened": (
        [conv(), layers.Flatten(), layers.Dense(4, activation="softmax", name="dense")],
        ["dense"],
    ),
    "two dense ones": (
        [layers.Flatten(), layers.Dense(4, name="one"), layers.Dense(4, name="two")],
        ["two"],
    ),
    "in another order": (
        [conv(), layers.GlobalAveragePooling2D(), Backwards(name="back")],
        ["back"],
    ),
    "one unit": (
        [conv(1), layers.GlobalAveragePooling2D(), layers.Activation("sigmoid")],
        [],
    ),
    "class map": (
        [conv(padding="same"), layers.UpSampling2D(name="up"), layers.Conv2D(5, 1, name="map"),
         layers.Softmax(name="end")],
        ["map", "end"],
    ),
    "an image": ([conv(3, padding="same")], []),
}  # fmt: skip


@pytest.mark.some(every=2)
@pytest.mark.parametrize("case", CASES)
def test_channels_are_classes_where_each_makes_one_alone(case):
    parts, expected = CASES[case]
    assert found_in(sequence(*parts)) == expected


def test_squeezenet_s_last_convolution_has_a_channel_a_class(squeezenet):
    assert found_in(squeezenet.model, (227, 227, 3)) == ["conv10", "pool10", "predictions"]
