"""Weights of channels: Grad-CAM's, at every layer, from one backward pass through all of them."""

import base64
import gzip
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kviz
from kviz.reports.channel_weights import channel_weights


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def net(**options):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(5, 3, activation="relu", name="first"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(4, 3, activation="tanh", name="last", **options),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax", name="dense"),
        ]
    )


CHANNELS = {"first": 5, "pool": 5, "last": 4}


def test_they_are_those_of_grad_cam_and_of_a_gradient_tape():
    model, photos, classes = net(), noise(2, 12, 12, 3), [[0, 2], [1, 2]]
    found = channel_weights(kviz.Network(model), photos, CHANNELS, classes, batch_size=1)
    assert {path: array.shape for path, array in found.items()} == {
        path: (2, 2, count) for path, count in CHANNELS.items()
    }
    cams = kviz.attribute(
        model, photos, "grad_cam", class_index=classes, layer_names="last", relu=False, resize=None
    ).maps
    maps = kviz.activations(model, photos, list(CHANNELS))
    np.testing.assert_allclose(
        np.einsum("nhwk,nck->nchw", maps["last"], found["last"]), cams, atol=1e-6
    )
    for path in ("first", "pool"):
        # Softmax is the last layer's argument: what is behind a layer is called again without it.
        held = tf.constant(maps[path])
        after = model.layers[[one.name for one in model.layers].index(path) + 1 :]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(held)
            x = held
            for layer in after[:-1]:
                x = layer(x)
            logits = x @ after[-1].kernel + after[-1].bias
            picked = [[logits[n, index] for index in row] for n, row in enumerate(classes)]
        for n, row in enumerate(picked):
            for place, logit in enumerate(row):
                slope = tape.gradient(logit, held).numpy()[n].mean(axis=(0, 1))
                np.testing.assert_allclose(found[path][n, place], slope, rtol=1e-4, atol=1e-7)


class Counted(layers.Layer):
    calls = 0

    def call(self, x):
        Counted.calls += 1
        return x * 1.0


def test_all_layers_take_one_call_of_the_model():
    network = kviz.Network(keras.Sequential([*net().layers[:3], Counted(), *net().layers[3:]]))
    channel_weights(network, noise(1, 12, 12, 3), {"last": 4}, [[0, 1]])
    before = Counted.calls
    channel_weights(network, noise(1, 12, 12, 3), CHANNELS, [[0, 1]])
    assert Counted.calls - before == 1


def test_a_layer_beside_the_way_weighs_nothing():
    image = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, name="on")(image)
    beside = layers.Conv2D(2, 3, name="beside")(image)
    answer = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, [answer, layers.GlobalAveragePooling2D()(beside)])
    found = channel_weights(
        kviz.Network(model), noise(1, 12, 12, 3), {"on": 4, "beside": 2}, [[0]], output=0
    )
    kernel = answer_kernel(model)
    # The mean over 100 cells of the mean's derivative: a hundredth of the class's weights.
    np.testing.assert_allclose(found["on"][0, 0], kernel[:, 0] / 100, rtol=1e-5)
    assert not found["beside"].any()


def answer_kernel(model):
    return next(one for one in model.layers if isinstance(one, layers.Dense)).get_weights()[0]


def test_of_a_class_map_the_class_counts_where_it_is_predicted():
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(6, 3, padding="same", activation="relu", name="c"),
            layers.Conv2D(4, 1, activation="softmax", name="map"),
        ]
    )
    photo = noise(1, 8, 8, 3)
    best = int(kviz.predict(model, photo).scores[0].argmax())
    found = channel_weights(kviz.Network(model), photo, {"c": 6}, [[best]])
    # Each cell counts by itself: the class's weights where it is predicted, spread over all cells.
    kernel = model.get_layer("map").get_weights()[0][0, 0, :, best]
    np.testing.assert_allclose(found["c"][0, 0], kernel / 64, rtol=1e-5)


def test_the_page_carries_them_for_the_classes_in_order():
    model, photos = net(), noise(2, 12, 12, 3)
    report = kviz.report(model, photos, quick=True, methods=())
    facts, told = report.facts(), told_in(report.html)
    classes = [[one["class_index"] for one in row] for row in told["explained"]]
    assert [len(row) for row in classes] == [2, 2]
    assert [row[0] for row in classes] == [
        image["explained"][0]["class_index"] for image in facts["images"]
    ]
    found = channel_weights(kviz.Network(model), photos, CHANNELS, classes)
    for place, layer in enumerate(told["layers"]):
        assert layer["weights"] == [f"weights-{place}-{image}" for image in range(2)]
        for image, name in enumerate(layer["weights"]):
            values = np.frombuffer(carried(report.html, name), "<f4").reshape(2, -1)
            np.testing.assert_allclose(values, found[layer["path"]][image], rtol=1e-5)


def told_in(html):
    return json.loads(re.search(r'id="told">([^<]*)<', html)[1])


def carried(html, name):
    return gzip.decompress(base64.b64decode(re.search(rf'id="{name}">([^<]*)<', html)[1]))


@pytest.mark.parametrize("kind", ["float32", "mixed_float16"])
def test_they_are_finite_numbers_of_single_precision(kind):
    found = channel_weights(kviz.Network(net(dtype=kind)), noise(1, 12, 12, 3), {"last": 4}, [[0]])
    assert found["last"].dtype == np.float32
    assert found["last"].any()
