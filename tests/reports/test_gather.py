"""What a report looks into where nobody says: which channels, which layer's patterns, whose kernels."""

import keras
import numpy as np
import pytest

import kviz
from kviz.reports.gather import gather, pattern_layer, strongest
from kviz.reports.parts import Settings


def net():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(2, 3, name=name) for name in ("a", "b", "c")]
    pools = [keras.layers.MaxPooling2D(2, name="p"), keras.layers.GlobalAveragePooling2D()]
    softmax = keras.layers.Dense(3, activation="softmax", name="d")
    return kviz.Network(keras.Sequential([keras.Input((16, 16, 3)), *layers, *pools, softmax]))


def test_the_strongest_channels_have_the_highest_means_in_the_first_photo():
    maps = np.zeros((2, 3, 3, 4))
    maps[0, ..., 1], maps[0, 0, 0, 2], maps[0, 1, 1, 3], maps[1, ..., 0] = 1, 8, np.nan, 9
    assert strongest({"c": maps}, "c", 2) == [1, 2]
    assert strongest({"c": maps}, "c", 9) == [1, 2, 0, 3]


def test_patterns_are_of_the_convolution_in_the_middle_unless_a_layer_is_asked_for():
    network = net()
    assert pattern_layer(network, ["a", "b", "c", "p"], None) == "b"
    assert pattern_layer(network, ["p"], None) == "p"
    assert pattern_layer(network, ["a", "b", "c", "p"], ["c", "a"]) == "a"


def gathered(network, **chosen):
    settings = {
        "class_index": (), "output": None, "methods": (), "layer_names": ["c", "p"],
        "pattern_layer_names": None, "quick": True, "edition": "page", "max_mb": None,
        "certify": False, "seed": 0, "batch_size": 1,
    }  # fmt: skip
    photo = np.full((1, 16, 16, 3), 200, np.uint8)
    return gather(network, photo, ("photo",), Settings(**{**settings, **chosen}))


def test_kernels_are_those_of_the_layers_shown_and_of_the_first_convolution():
    assert list(dict.fromkeys(gathered(net()).weights.layers.values())) == ["a", "c"]


@pytest.mark.parametrize(
    ("chosen", "explained"), [((), [0, 1]), ((2,), [2, 0]), ((0,), [0, 1]), ((2, 1), [2, 1])]
)
def test_beside_one_class_the_strongest_other_is_explained(chosen, explained):
    """Classes here are places in the order of their scores."""
    parts = gathered(network := net())
    order = np.argsort(-parts.predictions.scores[0]).tolist()
    parts = gathered(network, class_index=tuple(order[place] for place in chosen))
    assert parts.classes == [[order[place] for place in explained]]
    assert parts.explained == max(len(chosen), 1)
