"""ResNet-18 as `resnet18.keras`: RGB pixels 0-255 in, classes out, with torchvision's weights or none.

    python models/resnet18.py --weights resnet18.safetensors --class-names imagenet.json
    python models/resnet18.py --seed 0                         # random weights, to try things out

K. He et al., "Deep Residual Learning for Image Recognition", 2015, as torchvision builds it. Stages and
blocks are models inside the model, named as torchvision names them, so that `layer2/1` is a layer of
kviz: the 128 maps of 28 x 28 that the second block of the second stage gives. Weights are read from a
`state_dict` of torchvision's `resnet18`, as `.safetensors` or `.npz`; a path in Keras is the key in
PyTorch with slashes for dots. torchvision's preprocessing is the first two layers.
"""

from pathlib import Path

import click
import keras
import numpy as np
from keras import layers
from training import recipe, seeded

import kviz
from kviz._checks import sanitise, suggest

SIZE = 224
# What torchvision's weights were trained with, of red, green and blue from 0 to 1.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# PyTorch's name of each weight of a layer, in the order in which Keras lists a layer's weights.
NAMES = {
    layers.Conv2D: ["weight"],
    layers.BatchNormalization: ["weight", "bias", "running_mean", "running_var"],
    layers.Dense: ["weight", "bias"],
}
# PyTorch counts what a batch normalisation has seen; nothing is computed from it.
COUNTER = "num_batches_tracked"


def convolution(x, filters, size, strides, name):
    """Return a convolution padded as PyTorch does: alike on both sides, whatever the stride."""
    if size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    scaling = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    convolve = layers.Conv2D(
        filters, size, strides, use_bias=False, kernel_initializer=scaling, name=name
    )
    return convolve(x)


def normalisation(name):
    """Return a batch normalisation with PyTorch's settings; its momentum 0.1 is Keras's 0.9."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)


def block(shape, filters, strides, name):
    """Return two 3x3 convolutions beside a shortcut, as a model."""
    inputs = keras.Input(shape)
    x = normalisation("bn1")(convolution(inputs, filters, 3, strides, "conv1"))
    x = layers.ReLU(name="relu1")(x)
    x = normalisation("bn2")(convolution(x, filters, 3, 1, "conv2"))
    shortcut = inputs
    if strides > 1 or shape[-1] != filters:
        narrow = keras.Input(shape)
        down = normalisation("1")(convolution(narrow, filters, 1, strides, "0"))
        shortcut = keras.Model(narrow, down, name="downsample")(inputs)
    x = layers.Add(name="add")([x, shortcut])
    return keras.Model(inputs, layers.ReLU(name="relu2")(x), name=name)


def stage(shape, filters, strides, name):
    """Return two blocks, of which the first may make the maps smaller, as a model."""
    inputs = keras.Input(shape)
    first = block(shape, filters, strides, "0")
    second = block(first.output_shape[1:], filters, 1, "1")
    return keras.Model(inputs, second(first(inputs)), name=name)


def build(classes=1000):
    """Return the network with random weights."""
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(inputs)
    variance = [deviation**2 for deviation in DEVIATION]
    x = layers.Normalization(mean=MEAN, variance=variance, name="normalize")(x)
    x = normalisation("bn1")(convolution(x, 64, 7, 2, "conv1"))
    x = layers.ReLU(name="relu")(x)
    # After ReLU nothing is below 0, so that zeros around it are never a window's largest value.
    x = layers.ZeroPadding2D(1, name="maxpool_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="maxpool")(x)
    for number, filters in enumerate((64, 128, 256, 512), 1):
        x = stage(x.shape[1:], filters, 1 if number == 1 else 2, f"layer{number}")(x)
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = layers.Dense(classes, name="fc")(x)
    return keras.Model(inputs, layers.Softmax(name="predictions")(x), name="resnet18")


def slots(model, above=""):
    """Return by PyTorch's key each weight that has one there: (Keras variable, its layer)."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= slots(layer, f"{above}{layer.name}.")
        for name, variable in zip(NAMES.get(type(layer), ()), layer.weights, strict=False):
            found[f"{above}{layer.name}.{name}"] = variable, layer
    return found


def as_keras(array, layer):
    """Return PyTorch's array in Keras's order of axes: kernels end with inputs, outputs."""
    if array.ndim == 4 and isinstance(layer, layers.Conv2D):
        return array.transpose(2, 3, 1, 0)
    return array.T if isinstance(layer, layers.Dense) else array


def load_weights(model, state):
    """Put a state_dict, arrays by key, into the network: each key once, or none at all.

    Raises:
        kviz.ModelError: if a key is missing, unknown, or of another shape.
    """
    places = slots(model)
    counters = {f"{key.rpartition('.')[0]}.{COUNTER}" for key in places if "running_mean" in key}
    if missing := [key for key in places if key not in state]:
        more = f" and {len(missing) - 1} more" * (len(missing) > 1)
        raise kviz.ModelError(f"The weights lack {missing[0]!r}{more}. Expected those of resnet18.")
    if unknown := sorted(set(state) - set(places) - counters):
        raise kviz.ModelError(
            f"resnet18 has no weight {sanitise(unknown[0])!r}. {suggest(unknown[0], places)}"
        )
    values = {key: as_keras(np.asarray(state[key]), layer) for key, (_, layer) in places.items()}
    for key, (variable, layer) in places.items():
        if values[key].shape != tuple(variable.shape):
            given = np.asarray(state[key])
            back = {4: (3, 2, 0, 1), 2: (1, 0)}.get(len(variable.shape), (0,))
            expected = tuple(variable.shape[axis] for axis in back)
            raise kviz.ModelError(
                f"{key} ({type(layer).__name__}) has shape {expected} in resnet18. "
                f"Received: {given.shape}"
            )
        if values[key].dtype.kind != "f":
            raise kviz.ModelError(f"{key} holds no floats. Received: {values[key].dtype}")
        if not np.isfinite(values[key]).all():
            raise kviz.ModelError(f"{key} holds values that are not finite (NaN or infinite).")
    for key, (variable, _) in places.items():
        variable.assign(values[key].astype("float32"))


def read_state(path):
    """Return the arrays of a `.safetensors` or `.npz` file by key.

    Raises:
        kviz.ModelError: if it is neither, or cannot be read.
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return load_file(path)
    except ImportError:
        raise kviz.ModelError(
            'safetensors is not installed: pip install ".[torchvision]", or save the weights as .npz.'
        ) from None
    except Exception as error:  # zipfile, NumPy and safetensors each have kinds of their own
        raise kviz.ModelError(
            f"{sanitise(path, 80)} cannot be read: {sanitise(error, 160)}"
        ) from error
    raise kviz.ModelError(
        f"Weights come as .safetensors or .npz; a .pth file can run code. "
        f"Received: {sanitise(path, 80)}"
    )


def made(state=None, class_names=None):
    """Return the network of a state_dict, or with random weights, as a `kviz.Network`."""
    if state is None:
        return kviz.Network(build(), class_names=class_names)
    # A net that was trained on for another task has as many classes as its last layer has rows.
    last = np.asarray(state.get("fc.weight", np.empty((1000, 512))))
    model = build(len(last) if last.ndim == 2 and len(last) else 1000)
    load_weights(model, state)
    return kviz.Network(model, class_names=class_names)


@recipe
@click.option("--weights", type=click.Path(), help="a state_dict: .safetensors or .npz")
@click.option("--class-names", type=click.Path(), help="a JSON file, or text, a name a line")
@click.option("--out", default="resnet18.keras", show_default=True, type=click.Path())
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="for random weights"
)
def main(weights, class_names, out, seed):
    """Make ResNet-18 as a .keras file, from torchvision's weights or at random."""
    seeded(seed)
    network = made(None if weights is None else read_state(weights), class_names)
    kviz.save_model(network, out)
    size = Path(out).stat().st_size / 1e6
    click.echo(f"{out}: {network.model.count_params():,} parameters, {size:.1f} MB")


if __name__ == "__main__":
    main()
