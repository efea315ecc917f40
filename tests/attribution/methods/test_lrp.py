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


GAMMA = 0.3


def by_hand(a, kernels, biases, target, rules, epsilon, low=0, high=0):
    """Return the relevance of one vector's features, layer by layer as the papers write it."""
    activations = [a]
    for place, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        z = activations[-1] @ kernel + bias
        activations.append(np.maximum(z, 0) if place < len(kernels) - 1 else z)
    relevance = np.where(np.arange(len(z)) == target, z, 0)
    for a, kernel, bias, rule in zip(
        activations[-2::-1], kernels[::-1], biases[::-1], rules[::-1], strict=True
    ):

        def handed(share, relevance, extra=0):
            total = share.sum(0) + extra
            return share @ (relevance / (total + epsilon * np.where(total < 0, -1, 1)))

        share = a[:, None] * kernel
        if rule == "epsilon":
            relevance = handed(share, relevance, bias)
        elif rule == "z_plus":
            relevance = handed(np.maximum(share, 0), relevance)
        elif rule == "alpha2_beta1":
            positive, negative = np.maximum(share, 0), np.minimum(share, 0)
            relevance = 2 * handed(positive, relevance) - handed(negative, relevance)
        elif rule == "gamma":
            # Of units above 0 what speaks for it counts more, of others what speaks against it.
            above = a @ kernel + bias > 0
            more, less = GAMMA * np.maximum(share, 0), GAMMA * np.minimum(share, 0)
            of_above = bias + GAMMA * np.maximum(bias, 0)
            of_below = bias + GAMMA * np.minimum(bias, 0)
            relevance = handed(share + more, relevance * above, of_above) + (
                handed(share + less, relevance * ~above, of_below)
            )
        elif rule == "flat":
            # Where the kernel is 0 a convolution does not look.
            relevance = handed((kernel != 0).astype(float), relevance)
        elif rule == "z_box":
            share = share - low * np.maximum(kernel, 0) - high * np.minimum(kernel, 0)
            relevance = handed(share, relevance)
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


COMPOSITES = [
    ({"rule": "z_plus"}, ["z_plus", "z_plus"]),
    ({"rule": "alpha2_beta1"}, ["alpha2_beta1", "alpha2_beta1"]),
    ({"rule": "gamma", "gamma": GAMMA}, ["gamma", "gamma"]),
    ({"rule": "epsilon_plus_flat"}, ["flat", "z_plus"]),
    ({"rule": "epsilon_alpha2_beta1_flat"}, ["flat", "alpha2_beta1"]),
    ({"first": "flat"}, ["flat", "epsilon"]),
    ({"first": "z_box", "low": -4.0, "high": 5.0}, ["z_box", "epsilon"]),
    ({"rule": "epsilon_plus_flat", "first": "z_box", "low": -4, "high": 5}, ["z_box", "z_plus"]),
]


@pytest.mark.some(every=4)
@pytest.mark.parametrize(("options", "rules"), COMPOSITES)
@pytest.mark.parametrize("fused", [True, False])
def test_rules_by_hand_for_pixels_of_both_signs(options, rules, fused):
    keras.utils.set_random_seed(1)
    inputs, x = (keras.Input((5, 5, 2)),) * 2
    for filters, size, name in ((3, 3, "one"), (4, 2, "two")):
        act = "relu" if fused else None
        x = layers.Conv2D(
            filters, size, activation=act, bias_initializer="random_normal", name=name
        )(x)
        x = x if fused else layers.ReLU()(x)
    model = keras.Model(inputs, layers.Dense(3, name="dense")(layers.Flatten()(x)))
    images = numbers(2, 5, 5, 2)
    images[0, 2, 2] = 0
    found = kviz.attribute(model, images, "lrp", reduce=None, class_index=1, **options)
    one, two, dense = (model.get_layer(name) for name in ("one", "two", "dense"))
    kernels = [
        convolved(np.array(one.kernel), 5), convolved(np.array(two.kernel), 3), np.array(dense.kernel)
    ]  # fmt: skip
    biases = [np.tile(one.bias, 9), np.tile(two.bias, 4), np.array(dense.bias)]
    rules = [*rules, "epsilon"]
    expected = [
        by_hand(image.reshape(-1), kernels, biases, 1, rules, 1e-6, low=-4, high=5)
        for image in images
    ]
    close(found.maps, np.reshape(expected, images.shape))


def test_gamma_of_units_below_zero():
    """Behind a leaky ReLU relevance comes to units of both signs."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 3, bias_initializer="random_normal", name="one")(inputs)
    x = layers.Flatten()(layers.LeakyReLU(0.3)(x))
    model = keras.Model(inputs, layers.Dense(2, use_bias=False, name="dense")(x))
    image = numbers(1, 4, 4, 2)
    found = kviz.attribute(
        model, image, "lrp", rule="gamma", gamma=GAMMA, reduce=None, class_index=0
    )
    one = model.get_layer("one")
    kernel, bias = convolved(np.array(one.kernel), 4), np.tile(one.bias, 4)
    share = image.reshape(-1)[:, None] * kernel
    z = share.sum(0) + bias
    assert (z < 0).any()
    relevance = np.where(z > 0, z, 0.3 * z) * np.array(model.get_layer("dense").kernel)[:, 0]
    turned = np.where(z > 0, np.maximum(share, 0), np.minimum(share, 0))
    own = np.where(z > 0, np.maximum(bias, 0), np.minimum(bias, 0))
    total = z + GAMMA * (turned.sum(0) + own)
    expected = (share + GAMMA * turned) @ (relevance / total)
    close(found.maps, expected.reshape(image.shape))


def test_what_is_first_may_lie_behind_padding_and_scaling():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(
        layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    )
    plain = keras.Model(inputs, layers.Dense(2, name="dense")(layers.Flatten()(x)))
    x = layers.ZeroPadding2D(1)(layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    padded = keras.Model(inputs, layers.Dense(2, name="dense")(layers.Flatten()(x)))
    padded.set_weights(plain.get_weights())
    ready = keras.Sequential([keras.Input((6, 6, 3)), *plain.layers[2:]])
    images = np.random.default_rng(0).uniform(0, 255, (2, 6, 6, 3)).astype("float32")
    images[0, 3, 3] = 0
    options = {"rule": "z_plus", "first": "z_box", "class_index": 1, "reduce": None}
    bounds = {"low": -1, "high": 1}
    expected = kviz.attribute(ready, images / 127.5 - 1, "lrp", **options, **bounds).maps
    close(kviz.attribute(plain, images, "lrp", **options).maps, expected)
    close(kviz.attribute(padded, images, "lrp", **options).maps, expected)


@pytest.mark.some(every=4)
@pytest.mark.parametrize(
    "options",
    [{"rule": "z_plus"}, {"rule": "alpha2_beta1"}, {"rule": "gamma"}, {"first": "flat"},
     {"first": "z_box", "low": -4, "high": 4}],
)  # fmt: skip
@pytest.mark.parametrize("depthwise", [False, True])
def test_batch_normalisation_belongs_to_the_convolution_before_it(depthwise, options):
    keras.utils.set_random_seed(2)
    kind = layers.DepthwiseConv2D if depthwise else layers.Conv2D
    sizes = {"depth_multiplier": 2} if depthwise else {"filters": 6}

    def net(normalise):
        inputs = keras.Input((8, 8, 3))
        x = kind(kernel_size=3, name="conv", **sizes)(inputs)
        x = layers.BatchNormalization(name="norm")(x) if normalise else x
        x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
        return keras.Model(inputs, layers.Dense(3, name="dense")(x))

    apart, merged = net(True), net(False)
    norm = apart.get_layer("norm")
    norm.set_weights([numbers(6), numbers(6, seed=1), numbers(6, seed=2), 1 + numbers(6) ** 2])
    gamma, beta, mean, variance = (np.array(weight) for weight in norm.weights)
    assert (gamma < 0).any(), "a scale that turns its channel's weights over"
    scale = gamma / np.sqrt(variance + norm.epsilon)
    apart.get_layer("conv").bias.assign(numbers(6, seed=3))
    kernel, bias = (np.array(weight) for weight in apart.get_layer("conv").weights)
    turned = kernel * (scale.reshape(3, 2) if depthwise else scale)
    merged.get_layer("conv").set_weights([turned, (bias - mean) * scale + beta])
    merged.get_layer("dense").set_weights(apart.get_layer("dense").get_weights())
    images = numbers(2, 8, 8, 3)
    one, two = (
        kviz.attribute(model, images, "lrp", class_index=0, **options) for model in (apart, merged)
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


@pytest.mark.parametrize("rule", ["epsilon", "z_plus"])
def test_what_goes_past_the_preprocessing_is_relevant_too(rule):
    """One corner speaks for the class by a way of its own, without the scaling: 5 times its mean."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    usual = layers.Conv2D(3, 3, use_bias=False, activation="relu")(
        layers.Rescaling(1 / 255)(inputs)
    )
    corner = layers.AveragePooling2D(4)(inputs)[:, 0, 0]
    scores = layers.GlobalAveragePooling2D()(usual) + 5 * corner
    model, images = keras.Model(inputs, scores), 255 * np.abs(numbers(2, 8, 8, 1))
    found = kviz.attribute(model, images, "lrp", rule=rule, class_index=0)
    close(found.maps.sum((1, 2)), found.scores)
    expected = 5 * images[:, :4, :4].mean((1, 2, 3))
    np.testing.assert_allclose(found.maps[:, :4, :4].sum((1, 2)), expected, rtol=0.01)


@pytest.mark.parametrize("ceiling", [6.0, 1.0])
@pytest.mark.parametrize("layer", [True, False])
def test_a_ceiling_loses_no_relevance(ceiling, layer):
    inputs = keras.Input((8, 8, 1))
    relu = layers.ReLU(ceiling) if layer else lambda x: keras.activations.relu(x, max_value=ceiling)
    x = relu(layers.Conv2D(3, 3, use_bias=False, name="conv")(inputs))
    x = layers.Dense(2, use_bias=False, name="dense")(layers.Flatten()(x))
    model, random = keras.Model(inputs, x), np.random.default_rng(2)
    model.set_weights([random.normal(size=(3, 3, 1, 3)), random.normal(size=(108, 2))])
    image = np.random.default_rng(0).uniform(0, 3, (1, 8, 8, 1)).astype("float32")
    found = kviz.attribute(model, image, "lrp", class_index=0, reduce=None)
    assert found.scores[0] == pytest.approx({6: -18.934404, 1: -4.1230335}[ceiling], rel=1e-5)
    kernel, column = (np.array(weight, "float64") for weight in model.weights)
    share = image.reshape(-1)[:, None] * convolved(kernel, 8)
    z = share.sum(0)
    expected = share @ (np.clip(z, 0, ceiling) * column[:, 0] / z)
    close(found.maps, expected.reshape(image.shape))
    assert found.maps.sum() == pytest.approx(found.scores[0], rel=1e-4)


@pytest.mark.parametrize("where", ["argument", "layer"])
@pytest.mark.parametrize("rule", ["epsilon", "z_plus"])
def test_of_one_unit_the_classes_have_opposite_relevance(where, rule):
    keras.utils.set_random_seed(6)
    parts = [
        keras.Input((8, 8, 3)), layers.Conv2D(4, 3, activation="tanh", use_bias=False),
        layers.GlobalAveragePooling2D(),
    ]  # fmt: skip
    if where == "argument":
        parts.append(layers.Dense(1, activation="sigmoid", use_bias=False))
    else:
        parts += [layers.Dense(1, use_bias=False), layers.Activation("sigmoid")]
    model, images = keras.Sequential(parts), numbers(2, 8, 8, 3)
    one, two = (
        kviz.attribute(model, images, "lrp", class_index=index, rule=rule) for index in (1, 0)
    )
    close(one.maps, -two.maps)
    close(one.scores, keras.ops.log(model(images) / (1 - model(images)))[:, 0])
    if rule == "epsilon":
        close(one.maps.sum((1, 2)), one.scores)


def test_a_class_map_of_a_convolution_with_its_softmax_is_explained_before_it():
    keras.utils.set_random_seed(7)
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, activation="relu", padding="same", use_bias=False)(inputs)
    x = layers.Conv2D(3, 1, activation="softmax", use_bias=False)(x)
    model, images = keras.Model(inputs, x), numbers(2, 6, 6, 3)
    scores = kviz.attribute(model, images, "gradient", class_index=0).scores
    found = kviz.attribute(model, images, "lrp", rule="epsilon_plus_flat", class_index=0)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-5)


# Gates and their like: a constant share of what they are multiplied with.


def squeeze_excite(x, gate):
    share = layers.Dense(3, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, layers.Dense(4, activation=gate, name="gate")(share)])


def mobile_gate(x):
    """As keras.applications writes it."""
    share = layers.Conv2D(4, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, layers.ReLU(6.0)(share + 3.0) * (1.0 / 6.0)])


def old_gate(x):
    """As Keras 2 writes hard_sigmoid."""
    return x * keras.ops.clip(0.2 * layers.Conv2D(4, 1)(x) + 0.5, 0.0, 1.0)


def linear_unit(x):
    value, share = layers.Conv2D(4, 1, use_bias=False)(x), layers.Conv2D(4, 1)(x)
    return keras.ops.glu(keras.ops.concatenate([value, share], -1))


def transformer(x):
    tokens = layers.Reshape((36, 4))(x)
    ready = layers.LayerNormalization(scale=False)(tokens)
    y = layers.MultiHeadAttention(2, 3)(ready, ready)
    return layers.Reshape((6, 6, 4))(layers.Add()([tokens, y]))


GATED = {
    "squeeze-excite": lambda x: squeeze_excite(x, "sigmoid"),
    "hard squeeze-excite": lambda x: squeeze_excite(x, "hard_sigmoid"),
    "mobile": mobile_gate,
    "clip": old_gate,
    "glu": linear_unit,
    "hard_swish": layers.Activation("hard_silu"),
    "layer norm": layers.LayerNormalization(),
    "group norm": layers.GroupNormalization(2),
    "rms norm": layers.RMSNormalization(),
    "unit norm": layers.UnitNormalization(),
    "attention": transformer,
    "groups": layers.Conv2D(4, 3, groups=2, use_bias=False),
    "stopped": lambda x: x + keras.ops.stop_gradient(layers.Conv2D(4, 1, use_bias=False)(x)),
}


@pytest.mark.some(every=4)
@pytest.mark.parametrize(
    ("part", "rule"),
    # z+ loses the relevance of a unit to which nothing above 0 comes: none of the first layer's.
    [*((part, "epsilon") for part in GATED), ("squeeze-excite", "z_plus"), ("attention", "z_plus")],
)
def test_what_is_gated_conserves_relevance(part, rule):
    keras.utils.set_random_seed(8)
    inputs = keras.Input((8, 8, 3))
    x = GATED[part](layers.Conv2D(4, 3, use_bias=False)(inputs))
    model = keras.Model(inputs, layers.Dense(3, use_bias=False)(layers.Flatten()(x)))
    images = 2 * numbers(2, 8, 8, 3)
    found = kviz.attribute(model, images, "lrp", rule=rule, class_index=0)
    close(found.maps.sum((1, 2)), found.scores)


def test_squeeze_excite_by_hand():
    keras.utils.set_random_seed(9)
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(4, 1, use_bias=False, name="conv")(inputs)
    x = layers.Flatten()(squeeze_excite(x, "sigmoid"))
    model = keras.Model(inputs, layers.Dense(2, use_bias=False, name="dense")(x))
    image = numbers(1, 4, 4, 2)
    found = kviz.attribute(model, image, "lrp", class_index=1, reduce=None).maps
    share = kviz.activations(model, image, "gate")["gate"][0]
    column = np.array(model.get_layer("dense").kernel)[:, 1].reshape(4, 4, 4)
    kernel = np.array(model.get_layer("conv").kernel)[0, 0]
    close(found, image * ((share * column) @ kernel.T))


def test_layer_normalisation_by_hand():
    keras.utils.set_random_seed(10)
    norm = layers.LayerNormalization()
    model = keras.Sequential([keras.Input((6,)), norm, layers.Dense(2, use_bias=False)])
    norm.set_weights([numbers(6), numbers(6, seed=1)])
    x = numbers(3, 6)
    found = kviz.attribute(model, x, "lrp", class_index=0).maps
    deviation = np.sqrt(x.var(1, keepdims=True) + norm.epsilon)
    column = numbers(6) * np.array(model.layers[-1].kernel)[:, 0]
    # The mean takes as much from each.
    close(found, x * (column - column.mean()) / deviation)


def test_attention_by_hand():
    keras.utils.set_random_seed(11)
    inputs = keras.Input((5, 4))
    attend = layers.MultiHeadAttention(1, 3, use_bias=False)
    y = layers.Dense(2, use_bias=False, name="dense")(layers.Flatten()(attend(inputs, inputs)))
    model, x = keras.Model(inputs, y), numbers(1, 5, 4)
    found = kviz.attribute(model, x, "lrp", class_index=1, reduce=None).maps[0]
    query, key, value, out = (np.array(weight, "float64") for weight in attend.weights)
    scores = (x[0] @ query[:, 0]) @ (x[0] @ key[:, 0]).T / np.sqrt(3)
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    column = np.array(model.get_layer("dense").kernel)[:, 1].reshape(5, 4)
    expected = x[0] * (shares.T @ column @ out[0].T @ value[:, 0].T)
    close(found, expected)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_unrolled_lstm_by_hand():
    """L. Arras et al.: what is gated gets all, the gates nothing."""
    keras.utils.set_random_seed(12)
    inputs = keras.Input((3, 4))
    lstm = layers.LSTM(5, unroll=True, bias_initializer="random_normal")
    model = keras.Model(inputs, layers.Dense(2, use_bias=False, name="dense")(lstm(inputs)))
    x = numbers(1, 3, 4)
    found = kviz.attribute(model, x, "lrp", class_index=0, reduce=None).maps[0]
    kernel, recurrent, bias = (np.array(weight, "float64") for weight in lstm.weights)
    h = c = np.zeros(5)
    kept = []
    for step in x[0]:
        z = step @ kernel + h @ recurrent + bias
        i, f, g, o = z[:5], z[5:10], z[10:15], z[15:]
        before = h, c
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        kept.append((step, *before, i, f, g, c))
    of_h, of_c = h * np.array(model.get_layer("dense").kernel)[:, 0], np.zeros(5)
    expected = []
    for step, h, cell, i, f, g, c in reversed(kept):
        of_c = of_c + of_h
        of_g = sigmoid(i) * np.tanh(g) / c * of_c
        of_c = sigmoid(f) * cell / c * of_c
        ratio = of_g / g
        expected.append(step * (kernel[:, 10:15] @ ratio))
        of_h = h * (recurrent[:, 10:15] @ ratio)
    close(found, np.array(expected[::-1]), 1e-3)


def rows(layer):
    return lambda x: layer(layers.Reshape((6, 24))(x))


def times_itself(x):
    return layers.Multiply()([x, layers.Conv2D(4, 1)(x)])


def without_a_layer(x):
    return keras.ops.conv(x, numbers(3, 3, 4, 2))


@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        (times_itself, {}, "no rule for the operation Mul"),
        (layers.Softmax(), {}, "no rule for the operation Softmax"),
        (keras.ops.log, {}, "no rule for the operation Log"),
        (lambda x: x / layers.Conv2D(4, 1)(x), {}, "no rule for the operation RealDiv"),
        (layers.Conv2DTranspose(4, 2), {"rule": "z_plus"}, "Take the rule epsilon"),
        (without_a_layer, {"rule": "gamma"}, "one that is none.*Take the rule epsilon"),
        (rows(layers.LSTM(3)), {}, "loop, branch or compiled function.*/lstm.*unroll=True"),
        (rows(layers.GRU(3)), {}, "loop.*/gru.*unroll=True"),
        (rows(layers.SimpleRNN(3)), {}, "loop.*/simple_rnn.*unroll=True"),
        (lambda x: layers.ConvLSTM1D(3, 1)(x), {}, "loop.*/conv_lstm1d.*unroll=True"),
    ],
)  # fmt: skip
def test_where_there_is_no_rule(part, options, message):
    inputs = keras.Input((8, 8, 3))
    x = part(layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    with pytest.raises(kviz.LayerError, match=message) as caught:
        kviz.attribute(model, numbers(1, 8, 8, 3), "lrp", class_index=0, **options)
    assert len(str(caught.value)) <= 300


def test_a_rule_for_the_first_layer_needs_one():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(2)]
    )
    with pytest.raises(kviz.LayerError, match=r"rule flat is for .* first to look at the image"):
        kviz.attribute(model, numbers(1, 8, 8, 3), "lrp", class_index=0, first="flat")


@pytest.mark.parametrize(
    "options",
    [{"epsilon": 0}, {"epsilon": -1.0}, {"rule": "flat"}, {"first": "gamma"}, {"gamma": 0},
     {"low": 3, "high": 3}],
)  # fmt: skip
def test_bad_options(options):
    with pytest.raises(kviz.OptionError):
        kviz.attribution.method_named("lrp", **options)


@pytest.mark.some(every=4)
@pytest.mark.parametrize("rule", ["z_plus", "alpha2_beta1", "gamma"])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_causal_convolution_is_one_that_is_padded_before(rule, dilation):
    keras.utils.set_random_seed(1)

    def net(*steps):
        return keras.Sequential(
            [keras.Input((20, 2)), *steps, layers.ReLU(), layers.Flatten(), layers.Dense(3)]
        )

    options = {"use_bias": False, "dilation_rate": dilation}
    causal = net(layers.Conv1D(4, 3, padding="causal", **options))
    padded = net(layers.ZeroPadding1D((2 * dilation, 0)), layers.Conv1D(4, 3, **options))
    padded.set_weights(causal.get_weights())
    signals = np.random.default_rng(0).normal(size=(2, 20, 2)).astype("float32")
    found, right = (
        kviz.attribute(model, signals, "lrp", rule=rule, class_index=1).maps
        for model in (causal, padded)
    )
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
    assert found.any()
