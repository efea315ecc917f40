"""Several devices: two logical CPUs stand for two GPUs, in a process of their own."""

import json
import subprocess
import sys

import pytest

from kviz.engine.compiled import BOUND

PROGRAM = """
import json, sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
import numpy as np
from keras import layers

import kviz
from kviz.attribution import method_named

folder, inside, every = sys.argv[1], sys.argv[2] == "inside", int(sys.argv[3])
keras.utils.set_random_seed(0)
model = keras.Sequential([
    keras.Input((16, 16, 3)), layers.Rescaling(1 / 255),
    layers.Conv2D(6, 3, activation="relu", name="conv"), layers.GlobalAveragePooling2D(),
    layers.Dense(5, activation="softmax")])
model.save(folder + "/model.keras")
images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), "uint8")
segments = np.arange(4).reshape(2, 2).repeat(8, 0).repeat(8, 1)
options = {
    "smooth_grad": {"samples": 5}, "integrated_gradients": {"steps": 5}, "rise": {"masks": 9},
    "occlusion": {"window": 6}, "lime": {"samples": 9, "segments": segments},
    "shapley": {"segments": segments}, "expected_gradients": {"samples": 3},
    "var_grad": {"samples": 5}, "layer_integrated_gradients": {"steps": 5},
    "internal_influence": {"steps": 5}, "deep_lift": {}, "deep_shap": {"samples": 3}}
methods = ["saliency", "grad_cam", "guided_backprop", "score_cam", "ablation_cam", "lrp",
           "full_grad", "finer_cam", *options][::every]

def looked_at(network):
    found = {"activations": kviz.activations(network, images)["conv"],
             "predict": kviz.predict(network, images).scores}
    for name in methods:
        method = method_named(name, **options.get(name, {}))
        found[name] = kviz.attribute(network, images, method, class_index=1, batch_size=3).maps
        found[name + " of one"] = kviz.attribute(network, images[:1], method, class_index=1).maps
    return found

one = kviz.load_model(folder + "/model.keras")
expected = looked_at(one)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    # Inside the scope every device has a copy of the weights; a model from outside has one for all.
    network = kviz.load_model(folder + "/model.keras") if inside else kviz.Network(one.model)
found = looked_at(network)
devices = {}
for key, function in network.engine.functions.items():
    used = {op.device[-5:] for op in function.graph.get_operations() if op.type == "Conv2D"}
    if "shared" in repr(key):
        devices[repr(key)] = sorted(used)
print(json.dumps({
    "copies": len(getattr(network.model.weights[0].value, "values", [0])),
    "differences": {
        key: float(np.abs(found[key] - value).max() / np.abs(value).max())
        for key, value in expected.items()},
    "devices": devices}))
"""


@pytest.mark.parametrize(
    ("where", "every"),
    [
        ("inside", 3),
        pytest.param("inside", 1, marks=pytest.mark.slow),
        pytest.param("outside", 1, marks=pytest.mark.slow),
    ],
)
def test_a_batch_spreads_over_devices_with_equal_results(where, every, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), where, str(every)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["copies"] == (2 if where == "inside" else 1)
    assert len(told["differences"]) == (42 if every == 1 else 16)
    assert max(told["differences"].values()) < 1e-5, told["differences"]
    # A function for all devices stands beside one for one: of the newest, as many are kept.
    assert len(told["devices"]) == BOUND // 2
    for key, used in told["devices"].items():
        assert used == ["CPU:0", "CPU:1"], key
