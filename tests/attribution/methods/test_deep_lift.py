"""DeepLIFT and Deep SHAP: the sum is the score's difference, whatever lies between, and by hand."""

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


def twice(x):
    """Return another map of as many channels."""
    return layers.Conv2D(4, 1, activation="tanh", bias_initializer="random_normal")(x)


def squeeze_excite(x):
    share = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, share])


def transformer(x):
    tokens = layers.Reshape((36, 4))(x)
    ready = layers.LayerNormalization()(tokens)
    return layers.Reshape((6, 6, 4))(tokens + layers.MultiHeadAttention(2, 3)(ready, ready))


def recurrent(layer):
    return lambda x: layer(layers.Reshape((6, 24))(x))


PARTS = {
    "relu": layers.ReLU(),
    "ceiling": layers.ReLU(1.0),
    "threshold": layers.ReLU(threshold=0.5),
    "hard_sigmoid": layers.Activation("hard_sigmoid"),
    "silu": layers.Activation("silu"),
    "gelu": layers.Activation("gelu"),
    "mish": layers.Activation("mish"),
    "log": lambda x: keras.ops.log(1 + x**2),
    "inverse": lambda x: 1 / (1 + keras.ops.exp(x)),
    "pooling": layers.MaxPooling2D(2),
    "overlapping pooling": layers.MaxPooling2D(3, 1),
    "global pooling": lambda x: layers.Reshape((2, 2, 1))(layers.GlobalMaxPooling2D()(x)),
    "maximum": lambda x: layers.Maximum()([x, twice(x)]),
    "minimum": lambda x: layers.Minimum()([x, twice(x)]),
    "product": lambda x: layers.Multiply()([x, twice(x)]),
    "quotient": lambda x: x / (2 + twice(x)),
    "squeeze-excite": squeeze_excite,
    "softmax": layers.Softmax(),
    "layer norm": layers.LayerNormalization(),
    "unit norm": layers.UnitNormalization(),
    "transformer": transformer,
    "lstm": recurrent(layers.LSTM(4, unroll=True)),
    "gru": recurrent(layers.GRU(4, unroll=True)),
    "groups": layers.Conv2D(4, 3, groups=2, activation="relu"),
    "stopped": lambda x: x + keras.ops.stop_gradient(twice(x)),
}


def net(part):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    x = part(layers.Conv2D(4, 3, bias_initializer="random_normal")(inputs))
    x = layers.Dense(3, bias_initializer="random_normal")(layers.Flatten()(x))
    return keras.Model(inputs, x)


@pytest.mark.some(every=3)
@pytest.mark.parametrize(
    "part",
    [
        pytest.param(part, marks=pytest.mark.slow) if part in ("gru", "lstm") else part
        for part in PARTS
    ],
)
def test_the_sum_is_the_difference_of_scores(part):
    model, images, low = net(PARTS[part]), 3 * numbers(2, 8, 8, 3), numbers(8, 8, 3, seed=1)
    found = kviz.attribute(model, images, "deep_lift", class_index=2, baseline=low)
    score = np.array(model(images))[:, 2]
    rise = score - np.array(model(low[None]))[0, 2]
    close(found.scores, score)
    close(found.maps.sum((1, 2)), rise)
    assert (found.gaps < 1e-4).all()


@pytest.mark.parametrize("function", ["relu", "sigmoid", "silu", "hard_sigmoid"])
def test_the_rescale_rule_by_hand(function):
    keras.utils.set_random_seed(2)
    one = layers.Dense(6, bias_initializer="random_normal")
    two, out = layers.Dense(5, bias_initializer="random_normal"), layers.Dense(2)
    act = layers.Activation(function)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, out(act(two(act(one(inputs))))))
    x, low = 3 * numbers(3, 4), numbers(4, seed=1)
    found = kviz.attribute(model, x, "deep_lift", class_index=1, baseline=low).maps
    z1, r1 = np.array(one(x)), np.array(one(low[None]))
    z2, r2 = np.array(two(act(z1))), np.array(two(act(r1)))
    slopes = [(np.array(act(z)) - np.array(act(r))) / (z - r) for z, r in ((z1, r1), (z2, r2))]
    back = slopes[1] * np.array(out.kernel)[:, 1] @ np.array(two.kernel).T
    close(found, (x - low) * (slopes[0] * back @ np.array(one.kernel).T))


def test_where_nothing_differs_a_function_has_its_own_slope():
    inputs = keras.Input((2,))
    x = layers.Activation("silu")(keras.ops.stack([inputs[:, 0] - inputs[:, 1], inputs[:, 0]], -1))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(x))
    # The first is 0 for both; each pixel alone has a part in it, and they cancel.
    found = kviz.attribute(model, np.ones((1, 2), "float32"), "deep_lift", baseline="black").maps
    silu = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(found, [[0.5 + silu, -0.5]], rtol=1e-5)


def test_pooling_by_hand():
    """What rises goes to the largest, what falls to what was."""
    inputs = keras.Input((1, 4, 1))
    x = layers.Flatten()(layers.MaxPooling2D((1, 2))(inputs))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(x))
    image = np.array([[3, 1, 2, 4]], "float32").reshape(1, 1, 4, 1)
    low = np.array([0, 2, 5, 1], "float32").reshape(1, 4, 1)
    found = kviz.attribute(model, image, "deep_lift", baseline=low).maps
    # From 2 to 3, where the first has become the largest; from 5 to 4, where the third was.
    np.testing.assert_allclose(found, [[[1, 0, -1, 0]]], atol=1e-6)


def test_of_one_unit_the_classes_have_opposite_maps():
    model = keras.Sequential([net(layers.ReLU()), layers.Dense(1, activation="sigmoid")])
    images = numbers(2, 8, 8, 3)
    one, two = (kviz.attribute(model, images, "deep_lift", class_index=c).maps for c in (1, 0))
    close(one, -two)


def test_a_model_of_a_fixed_batch():
    model, images = net(layers.ReLU()), numbers(5, 8, 8, 3)
    fixed = keras.Input(batch_shape=(2, 8, 8, 3))
    fixed = keras.Model(fixed, model(fixed))
    references = numbers(3, 8, 8, 3, seed=1)
    for method, options in (("deep_lift", {}), ("deep_shap", {"references": references})):
        options["class_index"] = 1
        expected = kviz.attribute(model, images, method, **options)
        found = kviz.attribute(fixed, images, method, **options)
        close(found.maps, expected.maps)
        np.testing.assert_allclose(found.gaps, expected.gaps, atol=1e-5)


def test_several_inputs():
    photo, vector = keras.Input((6, 6, 3), name="photo"), keras.Input((4,), name="vector")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(photo))
    x = layers.Dense(2)(layers.Multiply()([x, layers.Dense(4, activation="tanh")(vector)]))
    model = keras.Model([photo, vector], x)
    given = {"photo": numbers(2, 6, 6, 3), "vector": numbers(2, 4)}
    for name, axes in (("photo", (1, 2)), ("vector", 1)):
        found = kviz.attribute(model, given, "deep_lift", class_index=0, input_name=name)
        black = {**given, name: 0 * given[name]}
        close(found.maps.sum(axes), np.array(model(given) - model(black))[:, 0])


def test_deep_shap_is_the_mean_of_deep_lift():
    model, images = net(layers.Activation("silu")), numbers(3, 8, 8, 3)
    references = 2 * numbers(4, 8, 8, 3, seed=1)
    options = {"class_index": [1, 0, 2], "reduce": None}
    each = [
        kviz.attribute(model, images, "deep_lift", baseline=low, **options).maps
        for low in references
    ]
    found = kviz.attribute(
        model, images, "deep_shap", references=references, batch_size=5, **options
    )
    close(found.maps, np.mean(each, 0))
    scores = np.array(model(images))[[0, 1, 2], [1, 0, 2]]
    rise = scores - np.array(model(references)).mean(0)[[1, 0, 2]]
    close(found.maps.sum((1, 2, 3)), rise)
    assert (found.gaps < 1e-4).all()


def test_noise_is_the_same_for_every_image():
    model, images = net(layers.ReLU()), numbers(1, 8, 8, 3).repeat(2, 0)
    options = {"class_index": 0, "samples": 3}
    one, two = kviz.attribute(model, images, "deep_shap", seed=1, **options).maps
    np.testing.assert_allclose(one, two, rtol=1e-5)
    other = kviz.attribute(model, images, "deep_shap", seed=2, **options).maps[0]
    assert np.abs(one - other).max() > 1e-3 * np.abs(one).max()


@pytest.mark.parametrize(
    ("method", "part", "message"),
    [
        ("deep_lift", recurrent(layers.LSTM(4)), "deep_lift does not look into the loop.*/lstm"),
        ("deep_shap", recurrent(layers.GRU(4)), "deep_shap does not look into the loop.*/gru"),
        ("deep_lift", lambda x: keras.ops.sort(x), "deep_lift has no rule for the operation"),
    ],
)
def test_where_there_is_no_rule(method, part, message):
    with pytest.raises(kviz.LayerError, match=message) as caught:
        kviz.attribute(net(part), numbers(1, 8, 8, 3), method, class_index=0)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("references", [np.zeros((2, 4, 4, 3)), np.zeros((0, 8, 8, 3)), "noise"])
def test_bad_references(references):
    with pytest.raises(kviz.OptionError, match="references"):
        kviz.attribute(net(layers.ReLU()), numbers(1, 8, 8, 3), "deep_shap", references=references)
