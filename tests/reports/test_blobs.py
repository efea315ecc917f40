"""What the page is told of the numbers that it carries."""

import math
from dataclasses import replace

import keras
import numpy as np
from keras import layers

import kviz
from kviz.reports import blobs
from kviz.reports.parts import Parts


def test_of_maps_it_is_told_what_they_span_and_what_in_them_is_empty_or_not_finite():
    model = keras.Sequential([keras.Input((6, 5, 3)), layers.Conv2D(4, 1, name="c")])
    network = kviz.Network(model)
    photos = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), np.uint8)
    found = kviz.activations(network, photos, "c")
    values = np.array(found["c"])
    values[0, ..., 1], values[0, 0, 0, 0], values[1, 2, 3, 2] = 0, np.nan, np.inf
    parts = Parts(
        network=network,
        names=("a", "b"),
        layers=network.layers,
        activations=replace(found, maps={"c": values}),
    )
    made = blobs.layers(parts, math.inf, bytes)
    (told,) = made.told
    good = [one[np.isfinite(one)] for one in values]
    assert told["low"] == [one.min() for one in good]
    assert told["high"] == [one.max() for one in good]
    assert (told["empty"], told["bad"]) == ([1, 0], [1, 1])
    assert (told["channels"], told["columns"], told["factor"], made.side) == (4, 4, 1, 0)
    # Four float32 a channel, and a byte a value.
    assert [len(made.texts[f"maps-0-{image}"]) for image in (0, 1)] == [4 * 16 + 4 * 30] * 2
