"""Health of layers by depth: shares and sizes, against sums by hand and a net that is ill."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.reports.health import bounds_of, health_of
from kviz.results import Activations


def test_numbers_are_those_of_the_values():
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    values[..., 0] = 0
    values[0, ..., 1] = 0
    values[1, 0, 0, 2], values[1, 0, 0, 3] = np.nan, -np.inf
    (found,) = health_of(Activations({"c": values}, {"c": "Conv2D"}))
    good = values[np.isfinite(values)].astype(float)
    assert (found.path, found.channels, found.not_finite) == ("c", 5, 2)
    # Of two photos one wakes the second channel.
    assert found.dead == pytest.approx(1 / 5)
    assert found.mean == pytest.approx(np.abs(good).mean())
    assert found.std == pytest.approx(good.std())
    assert found.max == pytest.approx(np.abs(good).max())
    assert found.saturated is None
    assert found.facts()["mean"] == found.mean


def test_nothing_finite_is_no_fault():
    (found,) = health_of(Activations({"c": np.full((1, 2, 2, 1), np.nan)}, {"c": "Conv2D"}))
    assert (found.not_finite, found.mean, found.std, found.max) == (4, 0.0, 0.0, 0.0)
    assert health_of(None) == []


@pytest.mark.parametrize(
    ("layer", "low", "high"),
    [
        (layers.Activation("sigmoid"), 0.01, 0.99),
        (layers.Conv2D(3, 1, activation="tanh"), -0.98, 0.98),
        (layers.ReLU(max_value=6), None, 5.94),
        (layers.Activation("relu6"), None, 5.94),
        (layers.ReLU(), None, None),
        (layers.Conv2D(3, 1), None, None),
    ],
    ids=str,
)
def test_values_at_a_bound_of_a_known_function_are_saturated(layer, low, high):
    keras.utils.set_random_seed(0)
    layer.name = "end"
    stem = layers.Conv2D(3, 3, kernel_initializer=keras.initializers.RandomNormal(stddev=0.02))
    model = keras.Sequential([keras.Input((9, 9, 3)), stem, layer])
    network = kviz.Network(model)
    photo = np.random.default_rng(0).integers(0, 256, (1, 9, 9, 3), np.uint8)
    maps = kviz.activations(network, photo, "end")
    (found,) = health_of(maps, network.layers)
    if low is None and high is None:
        assert found.saturated is None
        return
    values = maps["end"]
    share = ((values <= (-np.inf if low is None else low)) | (values >= high)).mean()
    assert 0 < share < 1
    assert found.saturated == pytest.approx(share)


def test_what_is_not_known_has_no_bounds():
    assert bounds_of(None) == (None, None)


def test_layers_with_bounds_stand_beside_those_without():
    """Most models have both, such as a ReLU's and a sigmoid's."""
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Conv2D(2, 1, activation="sigmoid")]
    )
    model.layers[1].bias.assign([99, 0])
    page = kviz.report(model, np.zeros((1, 8, 8, 3), np.uint8), quick=True).html
    paths = [layer.name for layer in model.layers]
    assert f"{paths[0]}: no bounds" in page
    assert f"{paths[1]}: 50 % of the values saturated" in page
