"""What every metric keeps to, whichever are there: a new file is tested by being there."""

from dataclasses import fields

import keras
import numpy as np
import pytest
from keras import layers
from needed import need_package

import kviz
from kviz import metrics
from kviz.cli.costs import costs_of
from kviz.metrics import metric_class, metric_name, metric_named, metric_names

# So little that a test is quick.
QUICK = {
    "deletion": {"steps": 3}, "insertion": {"steps": 3}, "road": {"steps": 2},
    "mu_fidelity": {"subsets": 8, "cells": 4}, "max_sensitivity": {"samples": 2},
    "average_stability": {"samples": 2},
    "sensitivity_n": {"points": 2, "subsets": 6, "cells": 4}, "infidelity": {"samples": 8},
    # What a gradient adds up to nobody says.
    "completeness": {"reference": "black"},
}  # fmt: skip
# Where things are, of metrics that ask.
THERE = {"regions": (2, 3, 5, 4)}
NAMES = pytest.mark.parametrize("name", metric_names())


def named(name):
    if name == "road":
        need_package("scipy", "metrics")
    return metric_named(name, **QUICK.get(name, {}))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Rescaling(1 / 255),
         layers.Conv2D(6, 3, activation="relu", name="conv"), layers.GlobalAveragePooling2D(),
         layers.Dense(5, activation="softmax", name="classes")]
    )  # fmt: skip


@pytest.fixture(scope="module")
def three():
    return np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3), "uint8")


def test_every_metric_is_exported():
    classes = {
        name
        for name, value in vars(metrics).items()
        if isinstance(value, type) and issubclass(value, metrics.Metric)
    }
    assert classes - {"Metric"} == {metric_class(name).__name__ for name in metric_names()}
    assert metrics.__all__ == sorted(metrics.__all__)
    assert classes <= set(metrics.__all__)


@NAMES
def test_a_metric_has_one_name_and_explains_itself(name):
    kind = metric_class(name)
    assert metric_name(kind()) == name
    assert kind.display_name
    said = vars(kind)["__doc__"]
    for part in ("\n\n    Paper: ", "\n\n    Equation: ", "\n\n    Args:\n", "\n    >>> "):
        assert part in said
    for field in fields(kind):
        assert f"\n        {field.name}: " in said, f"{name} does not say what {field.name} is"


@pytest.mark.some(every=3)
@NAMES
def test_shapes_batch_order_and_seed(name, model, three):
    options = {"baselines": ["black"], "nulls": 2, "class_index": 1, **THERE}
    whole = kviz.evaluate(model, three, ["gradient", "grad_cam"], named(name), **options)
    assert whole.values.shape == (1, 2, 3)
    assert np.isfinite(whole.values).all()
    seen = np.isfinite(whole.null_values).all(axis=(0, 1, 3))
    void = np.isin(whole.nulls, named(name).void_nulls)
    assert (seen == (metric_class(name).has_nulls & ~void)).all()
    again = kviz.evaluate(model, three, ["gradient", "grad_cam"], named(name), **options)
    np.testing.assert_array_equal(again.values, whole.values)
    np.testing.assert_array_equal(again.null_values, whole.null_values)
    order = [2, 0, 1]
    other = kviz.evaluate(
        model, three[order], ["gradient", "grad_cam"], named(name), batch_size=2, **options
    )
    np.testing.assert_allclose(other.values, whole.values[..., order], atol=2e-4)
    np.testing.assert_allclose(other.null_values, whole.null_values[..., order], atol=2e-4)


@pytest.mark.some(every=3)
@NAMES
def test_a_model_that_was_built_for_two_images(name, model, three):
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=(2, 12, 12, 3)))
    fixed.set_weights(model.get_weights())
    options = {"baselines": ["black"], "nulls": 1, "class_index": 1, **THERE}
    one, two = (
        kviz.evaluate(net, three, "gradient", named(name), **options) for net in (model, fixed)
    )
    np.testing.assert_allclose(two.values, one.values, atol=2e-4)


@pytest.mark.some(every=3)
@NAMES
def test_what_a_result_says_can_be_given_back(name, model, three, tmp_path):
    options = {"baselines": ["blur"], "nulls": 1, **THERE}
    found = kviz.evaluate(model, three[:1], "gradient", named(name), **options)
    told = found.made_by.settings["metrics"][0]
    again = kviz.evaluate(model, three[:1], "gradient", told, **options)
    np.testing.assert_array_equal(again.values, found.values)
    loaded = kviz.load_result(found.save(tmp_path / "found.npz")[0])
    assert loaded.curve_points == found.curve_points
    assert loaded.text() == found.text()
    assert len(loaded.tiles()) == 1 + bool(loaded.curves)


@pytest.mark.some(every=3)
@NAMES
def test_nothing_of_the_model_changes(name, model, three):
    before = [np.array(weight) for weight in model.weights]
    options = {"baselines": ["black"], "nulls": 1, **THERE}
    kviz.evaluate(model, three[:1], "gradient", named(name), **options)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_another_packages_metric_is_one_like_the_others(tmp_path, monkeypatch, model, three):
    (tmp_path / "theirs.py").write_text(
        "from dataclasses import dataclass\n"
        "from kviz.metrics import Measured, Metric\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Largest(Metric):\n"
        "    '''The largest value.'''\n"
        "    display_name = 'Largest'\n"
        "    times: int = 1\n"
        "    def measure(self, trial):\n"
        "        return Measured(values=self.times * trial.maps.max(axis=(2, 3)))\n"
    )
    folder = tmp_path / "theirs-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[kviz.metrics]\nlargest = theirs:Largest\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "largest" in metric_names()
    found = kviz.evaluate(model, three, "gradient", metric_named("largest", times=3), nulls=1)
    maps = kviz.attribute(model, three, "gradient").maps
    np.testing.assert_allclose(found.values[0, 0], 3 * maps.max(axis=(1, 2)), rtol=1e-5)
    assert found.metrics == ("largest",)
    # It does not tell its passes, and nobody guesses them.
    options = {"class_index": 0, "output": None, "nulls": 1, "metrics": ["largest"]}
    (_, cost) = costs_of("evaluate", kviz.Network(model), three, [["gradient"]], options)
    assert (cost.what, cost.forward, cost.backward) == ("largest", None, None)
