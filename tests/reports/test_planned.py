"""What a report is about to do: the very parts that it does, in their order."""

import keras
import numpy as np
import pytest

import kviz
from kviz.reports.planned import planned


@pytest.mark.usefixtures("short_dreams")
@pytest.mark.parametrize("quick", [True, False])
def test_the_parts_planned_are_those_that_are_told(quick):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    told = []
    photo = np.random.default_rng(0).integers(0, 256, (1, 12, 12, 3), np.uint8)

    def tell(part, *_):
        told.append(part)

    methods = ["grad_cam", "gradient"] if quick else ["grad_cam"]
    kviz.report(model, photo, quick=quick, methods=methods, certify=quick, progress=tell)
    parts = planned(1, methods, quick=quick, certify=quick)
    assert list(dict.fromkeys(told)) == list(parts)
    assert all(seconds > 0 for seconds in parts.values())
    assert sum(planned(3, methods).values()) > sum(planned(1, methods).values())
