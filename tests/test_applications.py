"""All 40 models of keras.applications: every convolution and pooling against a plain call.

The referee is the model's own call, compiled, in which each layer's `call` is wrapped by a function
that keeps what it gives: an independent way in. Eager calls differ from compiled ones by rounding,
which 500 layers blow up to 1e-4; compiled against compiled the difference is 0.
"""

import gc
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import kviz

KINDS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
)
# The smallest size that each family takes; 64 for the others.
SIZES = {
    "InceptionResNetV2": 75,
    "InceptionV3": 75,
    "Xception": 71,
    "NASNetLarge": 96,
    "NASNetMobile": 96,
}
MODELS = sorted(
    name
    for name, value in vars(keras.applications).items()
    if inspect.isfunction(value) and name[0].isupper()
)


def test_there_are_forty():
    assert len(MODELS) == 40


def plainly_called(model, images):
    """Return the outputs of each layer of KINDS by the layer's identity, in order."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, KINDS)]
    seen = {id(layer): [] for layer in layers}

    def kept(layer, call):
        def run(*args, **kwargs):
            outputs = call(*args, **kwargs)
            if tf.is_tensor(outputs):
                seen[id(layer)].append(outputs)
            return outputs

        return run

    @tf.function(autograph=False)
    def run(x):
        model(x, training=False)
        return seen

    for layer in layers:
        vars(layer)["call"] = kept(layer, layer.call)
    try:
        return run(images)
    finally:
        for layer in layers:
            del vars(layer)["call"]


# One of each kind of block; the others are as deep and wide as they are many.
QUICK = {"MobileNetV3Small", "VGG16"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in MODELS],
)
def test_every_convolution_and_pooling(name, record_property):
    keras.utils.set_random_seed(0)
    size = SIZES.get(name, 64)
    model = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(size, size, 3)
    )
    images = np.random.default_rng(0).uniform(0, 255, (1, size, size, 3)).astype("float32")
    expected = plainly_called(model, images)
    network = kviz.Network(model)
    kinds = [k for k in KINDS if any(isinstance(x, k) for x in model._flatten_layers())]
    maps = kviz.activations(network, images, kinds)
    infos = {info.path: info for info in network.layers}
    assert len(maps) == len(expected) == sum(map(len, expected.values()))
    worst = 0.0
    for path, array in maps.items():
        reference = expected[id(infos[path].layer)][0].numpy()
        assert array.shape == reference.shape, path
        scale = max(float(np.abs(reference).max()), 1e-6)
        worst = max(worst, float(np.abs(array - reference).max()) / scale)
    record_property("layers", len(maps))
    record_property("difference", worst)
    assert worst < 1e-6
    del model, network, maps, expected
    keras.backend.clear_session()
    gc.collect()
