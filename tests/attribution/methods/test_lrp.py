"""LRP against its definition written as sums, against conservation, and where it has no rule."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def close(actual, expected, relative=1e-4):
    size = np.abs(expected).max()
    assert size > 0
    assert np.abs(actual - expected).max() <= relative * size


def by_hand(a, kernels, biases, target, rules, epsilon):
    """Return the relevance of one vector's features, layer by layer as Bach et al. write it."""
    activations = [a]
    for place, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        z = activations[-1] @ kernel + bias
        activations.append(np.maximum(z, 0) if place < len(kernels) - 1 else z)
    relevance = np.where(np.arange(len(z)) == target, z, 0)
    for a, kernel, bias, rule in zip(
        activations[-2::-1], kernels[::-1], biases[::-1], rules[::-1], strict=True
    ):
        share = a[:, None] * kernel
        if rule == "epsilon":
            total = share.sum(0) + bias
        else:
            share = np.maximum(share, 0)
            total = share.sum(0)
        relevance = share @ (relevance / (total + epsilon * np.where(total < 0, -1, 1)))
    return relevance


@pytest.mark.parametrize("epsilon", [1e-6, 0.3])
def test_epsilon_by_hand(epsilon):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((7,)),
         layers.Dense(9, activation="relu", bias_initializer="random_normal"),
         layers.Dense(8, bias_initializer="random_normal"), layers.ReLU(),
         layers.Dense(4, activation="softmax", bias_initializer="random_normal")]
    )  # fmt: skip
    x = numbers(3, 7)
    found = kviz.attribute(model, x, "lrp", class_index=2, epsilon=epsilon)
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    kernels = [np.array(layer.kernel) for layer in dense]
    biases = [np.array(layer.bias) for layer in dense]
    expected = [by_hand(row, kernels, biases, 2, ["epsilon"] * 3, epsilon) for row in x]
    # kviz moves a denominator only where an activation function follows it, and the last has none.
    last = found.scores / (found.scores + epsilon * np.where(found.scores < 0, -1, 1))
    close(found.maps * last[:, None], np.array(expected))


def convolved(kernel, size):
    """Return the matrix `(inputs, outputs)` of a 'valid' convolution of a `(size, size, C)` image."""
    high, wide, channels, filters = kernel.shape
    out = size - high + 1, size - wide + 1
    matrix = np.zeros((size, size, channels, *out, filters))
    for row in range(out[0]):
        for column in range(out[1]):
            matrix[row : row + high, column : column + wide, :, row, column] = kernel
    return matrix.reshape(size * size * channels, -1)


def test_z_plus_by_hand_for_pixels_of_both_signs():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5, 5, 2))
    x = layers.Conv2D(3, 3, activation="relu", bias_initializer="random_normal", name="one")(inputs)
    x = layers.Conv2D(4, 2, activation="relu", bias_initializer="random_normal", name="two")(x)
    model = keras.Model(inputs, layers.Dense(3, name="dense")(layers.Flatten()(x)))
    images = numbers(2, 5, 5, 2)
    found = kviz.attribute(model, images, "lrp", rule="z_plus", reduce=None, class_index=1)
    one, two, dense = (model.get_layer(name) for name in ("one", "two", "dense"))
    kernels = [
        convolved(np.array(one.kernel), 5), convolved(np.array(two.kernel), 3), np.array(dense.kernel)
    ]  # fmt: skip
    biases = [np.tile(one.bias, 9), np.tile(two.bias, 4), np.array(dense.bias)]
    rules = ["z_plus", "z_plus", "epsilon"]
    expected = [by_hand(image.reshape(-1), kernels, biases, 1, rules, 1e-6) for image in images]
    close(found.maps, np.reshape(expected, images.shape))


@pytest.mark.parametrize("depthwise", [False, True])
def test_z_plus_takes_batch_normalisation_into_the_convolution_before_it(depthwise):
    keras.utils.set_random_seed(2)
    kind = layers.DepthwiseConv2D if depthwise else layers.Conv2D
    options = {"depth_multiplier": 2} if depthwise else {"filters": 6}

    def net(normalise):
        inputs = keras.Input((8, 8, 3))
        x = kind(kernel_size=3, name="conv", **options)(inputs)
        x = layers.BatchNormalization(name="norm")(x) if normalise else x
        x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
        return keras.Model(inputs, layers.Dense(3, name="dense")(x))

    apart, merged = net(True), net(False)
    norm = apart.get_layer("norm")
    norm.set_weights([numbers(6), numbers(6, seed=1), numbers(6, seed=2), 1 + numbers(6) ** 2])
    gamma, beta, mean, variance = (np.array(weight) for weight in norm.weights)
    assert (gamma < 0).any(), "a scale that turns its channel's weights over"
    scale = gamma / np.sqrt(variance + norm.epsilon)
    kernel, bias = (np.array(weight) for weight in apart.get_layer("conv").weights)
    turned = kernel * (scale.reshape(3, 2) if depthwise else scale)
    merged.get_layer("conv").set_weights([turned, (bias - mean) * scale + beta])
    merged.get_layer("dense").set_weights(apart.get_layer("dense").get_weights())
    images = numbers(2, 8, 8, 3)
    one, two = (
        kviz.attribute(model, images, "lrp", rule="z_plus", class_index=0)
        for model in (apart, merged)
    )
    close(one.scores, two.scores)
    close(one.maps, two.maps)


@pytest.mark.parametrize("rule", ["epsilon", "z_plus"])
def test_without_biases_relevance_is_conserved(rule):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False, activation="relu")(inputs)
    # Of an output below 0 there need not be anything positive that z+ could hand it to.
    slope = 0.0 if rule == "z_plus" else 0.3
    y = layers.LeakyReLU(slope)(layers.Conv2D(5, 1, use_bias=False)(x))
    x = layers.Add()([x, y])
    x = layers.Concatenate()([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)])
    x = layers.LeakyReLU(slope)(layers.Conv2D(4, 2, use_bias=False)(x))
    x = layers.Dense(3, use_bias=False, activation="sigmoid")(layers.Flatten()(x))
    images = numbers(3, 12, 12, 3)
    found = kviz.attribute(keras.Model(inputs, x), images, "lrp", rule=rule, class_index=0)
    close(found.maps.sum((1, 2)), found.scores)


@pytest.mark.parametrize("within", [False, True])
def test_what_preprocessing_makes_of_a_pixel_counts_as_the_pixel(within):
    """Black becomes a large negative number, which contributes; pixel x gradient would be 0."""
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), layers.Conv2D(2, 3, use_bias=False),
         layers.GlobalAveragePooling2D()]
    )  # fmt: skip
    images = np.zeros((1, 6, 6, 3), "float32")
    ready = images[..., ::-1] - np.array([103.939, 116.779, 123.68], "float32")
    expected = kviz.attribute(model, ready, "lrp", class_index=0, reduce=None).maps
    if within:
        scaled = layers.Rescaling(1.0, [-103.939, -116.779, -123.68])
        network = kviz.Network(keras.Sequential([keras.Input((6, 6, 3)), scaled, model]))
        found = kviz.attribute(network, images, "lrp", class_index=0, reduce=None)
        close(found.maps, expected)
    else:
        network = kviz.Network(model, preprocess="vgg16")
        found = kviz.attribute(network, images, "lrp", class_index=0, reduce=None)
        close(found.maps, expected[..., ::-1])


def gated(x):
    return layers.Multiply()([x, layers.Conv2D(4, 1, activation="sigmoid")(x)])


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        (gated, {}, "no rule for the operation (Sigmoid|Mul)"),
        (layers.LayerNormalization(), {}, "no rule for the operation"),
        (layers.Conv2DTranspose(4, 2), {"rule": "z_plus"}, "Take the rule epsilon"),
    ],
)
def test_where_there_is_no_rule(part, options, message):
    inputs = keras.Input((8, 8, 3))
    x = part(layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    with pytest.raises(kviz.LayerError, match=message) as caught:
        kviz.attribute(model, numbers(1, 8, 8, 3), "lrp", class_index=0, **options)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("options", [{"epsilon": 0}, {"epsilon": -1.0}, {"rule": "gamma"}])
def test_bad_options(options):
    with pytest.raises(kviz.OptionError):
        kviz.attribution.method_named("lrp", **options)
