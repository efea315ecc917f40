"""Photos as a model is given them: where it takes any size, a box keeps its own."""

import keras
import numpy as np
import pytest

import kviz
from kviz.serve.photos import LONGEST, Photo, fitted


@pytest.fixture(scope="module")
def any_size():
    photo = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(photo))
    return kviz.Network(keras.Model(photo, pooled))


@pytest.mark.parametrize(
    ("size", "box", "given"),
    [
        ((40, 60), None, (40, 60)),
        ((40, 60), (10.0, 5.0, 30.0, 15.0), (10, 20)),
        ((4 * LONGEST, 2 * LONGEST), None, (LONGEST, LONGEST // 2)),
        ((4 * LONGEST, 8), (0.0, 0.0, 8.0, 2.0 * LONGEST), (LONGEST, 4)),
    ],
)
def test_a_photo_keeps_its_size_up_to_the_longest(any_size, size, box, given):
    levels = np.zeros((*size, 3), np.uint8)
    found = fitted(Photo(name="a", levels=levels, box=box), any_size)
    assert found.pixels.shape == (1, *given, 3)
    assert bool(found.notes) == (max(given) == LONGEST)
