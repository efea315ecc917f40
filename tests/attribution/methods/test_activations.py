"""Activation functions with another gradient: by whom it is seen, and however they are written."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kviz

RULES = ("guided_backprop", "deconvnet", "lrp")


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def first(outputs):
    return outputs[:, 0]


class Pausing(layers.Layer):
    """A ReLU that lets another thread do something whenever it is called by the thread that made it."""

    def __init__(self):
        super().__init__()
        self.owner = threading.get_ident()
        self.inside, self.done = threading.Event(), threading.Event()
        self.waits = False

    def call(self, inputs):
        if self.waits and threading.get_ident() == self.owner:
            self.waits = False
            self.inside.set()
            assert self.done.wait(60)
        return keras.ops.relu(inputs)


@pytest.mark.some(every=3)
@pytest.mark.parametrize("method", RULES)
def test_another_thread_that_traces_in_that_moment_keeps_its_gradients(method):
    pausing = Pausing()
    inputs = keras.Input((6, 6, 3))
    x = pausing(layers.Conv2D(2, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    # Another model, of which the first step of `fit` is traced while kviz traces; kept for ever.
    other = keras.Sequential([keras.Input((3,)), layers.Dense(3, use_bias=False), layers.ReLU()])
    other.layers[0].kernel.assign(np.eye(3))
    other.compile(keras.optimizers.SGD(1.0), lambda _, y: -keras.ops.sum(y, -1))
    slopes = []

    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = -tf.nn.relu(x) - keras.activations.relu(x)
        return tape.gradient(y, x)

    def at_the_same_time():
        assert pausing.inside.wait(60)
        try:
            other.fit(np.array([[1.0, -1.0, 2.0]]), np.zeros(1), verbose=0)
            slopes.append(slope(tf.constant([1.0, -1.0, 2.0])).numpy().tolist())
        finally:
            pausing.done.set()

    thread = threading.Thread(target=at_the_same_time)
    thread.start()
    pausing.waits = True
    kviz.attribute(model, numbers(1, 6, 6, 3), method, class_index=0)
    thread.join()
    assert slopes == [[-2, 0, -2]]
    # d loss / d kernel is -x, of the units that are above 0.
    step = np.outer([1, -1, 2], [1, 0, 1])
    np.testing.assert_allclose(np.array(other.layers[0].kernel), np.eye(3) + step)
    assert slope(tf.constant([1.0, -1.0, 2.0])).numpy().tolist() == [-2, 0, -2]


@pytest.mark.parametrize("method", RULES)
def test_a_model_whose_call_is_compiled_keeps_its_gradients(method):
    class Compiled(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4, activation="relu")

        @tf.function
        def call(self, inputs):
            return self.dense(inputs)

    keras.utils.set_random_seed(3)
    model, x = Compiled(), numbers(5, 6)
    model.dense.build((None, 6))
    model.built = True
    options = {"score": first, "reduce": None}
    if method == "lrp":
        kviz.attribute(model, x, method, **options)
    else:
        plain = keras.Sequential([keras.Input((6,)), layers.Dense(4, activation="relu")])
        plain.set_weights(model.get_weights())
        found = kviz.attribute(model, x, method, **options)
        expected = kviz.attribute(plain, x, method, **options)
        np.testing.assert_allclose(found.maps, expected.maps, atol=1e-6)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = -tf.reduce_sum(model(x))
    kernel, bias = (np.array(weight) for weight in model.weights)
    through = np.array(x) @ kernel + bias > 0
    np.testing.assert_allclose(tape.gradient(y, x), -(through @ kernel.T), atol=1e-6)


class Called(layers.Layer):
    """A layer that calls a function of its own."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


held = tf.nn.relu


# Upstream comes -1, 2, -1, 2, … for the numbers -3, -2, … 8.
Z = np.arange(-3, 9, dtype="float32")
UP = np.tile([-1.0, 2.0], 6).astype("float32")


@pytest.mark.parametrize(
    ("relu", "through"),
    [
        (layers.ReLU(), Z > 0),
        (Called(held), Z > 0),
        (Called(lambda x: tf.raw_ops.Relu(features=x)), Z > 0),
        (layers.ReLU(6), (Z > 0) & (Z < 6)),
        (Called(tf.nn.relu6), (Z > 0) & (Z < 6)),
        (layers.ReLU(4), (Z > 0) & (Z <= 4)),
        (layers.ReLU(threshold=2), Z > 2),
        (layers.ReLU(threshold=2, max_value=5), (Z > 2) & (Z <= 5)),
    ],
)
def test_every_relu_by_hand(relu, through):
    inputs = keras.Input((12,))
    model = keras.Model(inputs, keras.ops.sum(relu(inputs) * UP, -1, keepdims=True))
    guided = kviz.attribute(model, Z[None], "guided_backprop", score=first)
    np.testing.assert_array_equal(guided.maps[0], np.where(through & (UP > 0), UP, 0))
    plain = kviz.attribute(model, Z[None], "gradient", score=first)
    np.testing.assert_array_equal(plain.maps[0], np.where(through, UP, 0))
    # A ceiling that is another operation lets nothing of above through, as in the authors' nets.
    ceiling = Z <= 4 if getattr(relu, "max_value", None) == 4 else True
    ceiling = Z <= 5 if getattr(relu, "max_value", None) == 5 else ceiling
    deconv = kviz.attribute(model, Z[None], "deconvnet", score=first)
    np.testing.assert_array_equal(deconv.maps[0], np.where(ceiling & (UP > 0), UP, 0))


def test_leaky_relu_is_no_relu():
    inputs = keras.Input((12,))
    leaky = layers.ReLU(negative_slope=0.1)(inputs)
    model = keras.Model(inputs, keras.ops.sum(leaky * UP, -1, keepdims=True))
    with pytest.raises(kviz.LayerError, match="no ReLU whose gradient"):
        kviz.attribute(model, Z[None], "guided_backprop", score=first)


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_relu_in_a_loop_is_refused(method):
    inputs = keras.Input((5, 3))
    x = layers.SimpleRNN(4, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(2, activation="relu")(x))
    with pytest.raises(kviz.LayerError, match=f"loop.*where {method} cannot") as caught:
        kviz.attribute(model, numbers(1, 5, 3), method, class_index=0)
    assert len(str(caught.value)) <= 300


# An activation function passes relevance on whole, less what it is at 0, which no input has made.
@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    "function",
    [
        "relu", "relu6", "leaky_relu", "elu", "selu", "tanh", "silu", "swish", "gelu", "mish",
        "hard_silu", "hard_sigmoid", "sigmoid", "softplus", "softsign", "celu", "hard_tanh",
        "soft_shrink",
        lambda x: keras.activations.gelu(x, approximate=True),
        lambda x: x * keras.ops.sigmoid(x),
        lambda x: keras.ops.sigmoid(1.7 * x) * x,
        lambda x: keras.activations.relu(x, max_value=1.0),
        lambda x: keras.activations.relu(x, threshold=0.5, max_value=1.0),
        lambda x: keras.activations.elu(x, alpha=2.0),
        lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1),
    ],
)  # fmt: skip
def test_lrp_of_an_activation_by_hand(function):
    epsilon = 0.4
    keras.utils.set_random_seed(0)
    one = layers.Dense(5, bias_initializer="random_normal")
    two = layers.Dense(4, bias_initializer="random_normal")
    three = layers.Dense(2)
    act = layers.Activation(function) if isinstance(function, str) else function
    inputs = keras.Input((6,))
    # One function twice, the second time beside a way around it.
    x = act(one(inputs))
    y = act(two(x))
    model = keras.Model(inputs, three(layers.Concatenate()([x, y])))
    images = 3 * numbers(3, 6)
    found = kviz.attribute(model, images, "lrp", class_index=1, epsilon=epsilon).maps
    own = keras.activations.get(function)

    def value(z):
        return np.array(own(keras.ops.convert_to_tensor(z)))

    z1 = np.array(one(images))
    a1 = value(z1)
    z2 = np.array(two(a1))
    a2 = value(z2)
    rest = value(np.zeros(1, "float32"))

    def away(z):
        return z + epsilon * np.where(z < 0, -1, 1)

    kernels = [np.array(dense.kernel, "float64") for dense in (one, two, three)]
    of_both = kernels[2][:, 1]
    r2 = (a2 - rest) * of_both[5:]
    r1 = (a1 - rest) * (of_both[:5] + (r2 / away(z2)) @ kernels[1].T)
    expected = images * ((r1 / away(z1)) @ kernels[0].T)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
