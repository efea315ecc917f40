"""FullGrad: its identity on every kind of net of ReLUs, and its map by hand in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution import attribute

RELUS = {
    "relu": lambda: layers.ReLU(),
    "relu6": lambda: layers.ReLU(6.0),
    "leaky": lambda: layers.LeakyReLU(0.2),
    "tanh": lambda: layers.Activation("tanh"),
    "elu": lambda: layers.Activation("elu"),
    "hard_sigmoid": lambda: layers.Activation("hard_sigmoid"),
}


def disturbed(model, seed=0):
    """Return a model whose every weight is drawn anew, biases and running means too."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        values = rng.normal(0, 0.5, variable.shape)
        variable.assign(abs(values) + 0.5 if "variance" in variable.path else values)
    return model


def net(kind="relu", shape=(12, 8, 3)):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(4, 3, strides=2)(x)
    x = layers.BatchNormalization()(x)
    x = RELUS[kind]()(x)
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Add()([x, RELUS[kind]()(y)])
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(6, activation="relu")(x)
    return disturbed(keras.Model(inputs, layers.Dense(3)(x)))


def photos(count=3, shape=(12, 8, 3)):
    return np.random.default_rng(1).uniform(0, 255, (count, *shape)).astype("float32")


@pytest.mark.some(every=2)
@pytest.mark.parametrize("kind", RELUS)
def test_all_terms_add_up_to_the_score(kind):
    found = attribute(net(kind), photos(), "full_grad", class_index=[0, 1, 2])
    assert np.abs(found.scores).min() > 0.01
    assert found.gaps.max() < 2e-4


def test_numbers_that_are_taken_off_are_biases_too():
    inputs = keras.Input((12, 8, 3))
    x = layers.Conv2D(3, 3, activation="relu")(layers.Rescaling(1 / 255)(inputs))
    x = keras.ops.relu(x - 0.5) + keras.ops.relu(1.5 - x) + 2.0
    model = disturbed(keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x))))
    assert attribute(model, photos(), "full_grad", class_index=0).gaps.max() < 1e-5


def test_what_is_no_such_net_is_told_by_the_gap():
    inputs = keras.Input((12, 8, 3))
    x = layers.Conv2D(3, 3, activation="silu")(layers.Rescaling(1 / 255)(inputs))
    model = disturbed(keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x))))
    assert attribute(model, photos(), "full_grad", class_index=0).gaps.max() > 0.01


def small(units=2):
    """Return a net of two layers of maps, one half as large, whose terms NumPy knows."""
    inputs = keras.Input((4, 6, 2))
    x = layers.Conv2D(3, 1, activation="relu", name="first")(inputs)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Conv2D(2, 1, activation="relu", name="second")(x)
    return disturbed(keras.Model(inputs, layers.Dense(units, name="dense")(layers.Flatten()(x))), 3)


def terms(model, images, index):
    """Return what the input, both layers' biases and the last one's add to a score."""
    w1, b1, w2, b2, w3, b3 = (np.array(weight, "float64") for weight in model.weights)
    w1, w2 = w1[0, 0], w2[0, 0]
    z1 = images @ w1 + b1
    pooled = np.maximum(z1, 0).reshape(len(images), 2, 2, 3, 2, 3).mean((2, 4))
    z2 = pooled @ w2 + b2
    g2 = w3[:, index].reshape(2, 3, 2) * (z2 > 0)
    g1 = (g2 @ w2.T / 4).repeat(2, 1).repeat(2, 2) * (z1 > 0)
    score = np.maximum(z2, 0).reshape(len(images), -1) @ w3[:, index] + b3[index]
    return [images * (g1 @ w1.T), g1 * b1, g2 * b2], b3[index], score


def enlarged(grid, size):
    for axis, length in enumerate(size, 1):
        cells = np.arange(grid.shape[axis])
        at = (np.arange(length) + 0.5) * len(cells) / length - 0.5
        lines = np.moveaxis(grid, axis, -1)
        drawn = [np.interp(at, cells, line) for line in lines.reshape(-1, len(cells))]
        grid = np.moveaxis(np.reshape(drawn, (*lines.shape[:-1], length)), -1, axis)
    return grid


def close(actual, expected):
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("batch_size", [32, 2])
def test_by_hand(batch_size):
    model, images = small(), np.random.default_rng(5).normal(size=(3, 4, 6, 2))
    parts, last, score = terms(model, images, 1)
    found = attribute(model, images, "full_grad", class_index=1, batch_size=batch_size)
    close(found.scores, score)
    expected = 0
    for part in parts:
        size = np.abs(part)
        size = size - size.min((1, 2, 3), keepdims=True)
        size = size / size.max((1, 2, 3), keepdims=True)
        expected = expected + enlarged(size.sum(-1), (4, 6))
    close(found.maps, expected)
    total = sum(part.sum((1, 2, 3)) for part in parts) + last
    np.testing.assert_allclose(total, score, rtol=1e-9)
    # Each cell's term is shared out over its pixels: nothing but the last bias is not in the map.
    signed = attribute(
        model, images, "full_grad", class_index=1, signed=True, batch_size=batch_size
    )
    close(signed.maps.sum((1, 2)), score - last)
    close(signed.maps, parts[0].sum(-1) + parts[1].sum(-1) + enlarged(parts[2].sum(-1), (4, 6)) / 4)


def test_the_input_is_what_the_first_weights_take():
    """Pixels brought to -1..1 first: what that subtracts is no bias of its own."""
    images = photos(2, (4, 6, 2))
    bare = small()
    inputs = keras.Input((4, 6, 2))
    scaled = keras.Model(inputs, bare(layers.Rescaling(1 / 127.5, offset=-1)(inputs)))
    one = attribute(scaled, images, "full_grad", class_index=0)
    other = attribute(bare, images / 127.5 - 1, "full_grad", class_index=0)
    close(one.maps, other.maps)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("shape", [(12, 2), (6,), (4, 4, 6, 1)])
def test_signals_vectors_and_volumes(shape):
    inputs = keras.Input(shape)
    convolution = {1: layers.Dense, 2: layers.Conv1D, 4: layers.Conv3D}[len(shape)]
    sizes = (3,) if len(shape) == 1 else (3, 1)
    x = convolution(*sizes, activation="relu")(inputs)
    model = disturbed(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x))), 2)
    found = attribute(model, photos(2, shape) / 255, "full_grad", class_index=1)
    assert found.maps.shape == (2, *(shape[:-1] or shape))
    assert found.maps.any()
    assert found.gaps.max() < 1e-5


@pytest.mark.slow
def test_on_a_real_network(squeezenet, cat):
    found = attribute(squeezenet, cat, "full_grad")
    assert found.gaps[0] < 1e-5
    assert found.maps.min() >= 0
    signed = attribute(squeezenet, cat, "full_grad", signed=True)
    np.testing.assert_allclose(signed.maps.sum(), signed.scores[0], rtol=1e-3)


def test_what_has_no_gradient_is_refused():
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, layers.Flatten()(keras.ops.stop_gradient(inputs)))
    with pytest.raises(kviz.LayerError, match="does not depend on the pixels"):
        attribute(model, photos(1, (4, 4, 1)), "full_grad", class_index=0)
