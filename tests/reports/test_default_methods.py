"""Which methods a page shows where nobody names any."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.reports.default_methods import default_methods
from kviz.reports.planned import METHODS, QUICK_METHODS

WITHOUT = ("saliency", "integrated_gradients", "occlusion")
NETS = {
    "dense": ([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(3)], WITHOUT),
    "scaled dense": (
        [keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.BatchNormalization(),
         layers.Reshape((64, 3)), layers.LayerNormalization(), layers.Flatten(), layers.Dense(3)],
        WITHOUT,
    ),
    "convolution": (
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)], METHODS,
    ),
    "tokens": (
        [keras.Input((8, 8, 3)), layers.Reshape((64, 3)), layers.Dense(5),
         layers.GlobalAveragePooling1D(), layers.Dense(3)],
        METHODS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NETS)
def test_a_net_whose_layers_have_no_positions_is_offered_no_cam(case):
    parts, expected = NETS[case]
    table = kviz.Network(keras.Sequential(parts)).layers
    assert default_methods(table, quick=False) == expected
    assert default_methods(table, quick=True) == tuple(
        method for method in expected if method in QUICK_METHODS
    )


def test_it_is_told_why_only_where_somebody_asked_for_one():
    model = keras.Sequential(NETS["dense"][0])
    photo = np.zeros((1, 8, 8, 3), np.uint8)
    told = kviz.report(model, photo, quick=True).facts()
    assert "attribution" not in {one["part"] for one in told["skipped"]}
    assert {one["method"] for one in told["attributions"]} == {"saliency"}
    told = kviz.report(model, photo, quick=True, methods=["grad_cam"]).facts()
    (one,) = [one for one in told["skipped"] if one["part"] == "attribution"]
    assert one["item"] == "grad_cam"
    assert "spatial" in one["why"]
