"""Sums that TensorFlow's optimizer would write out run without it; everything else as ever."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.eager import context

import kviz
from kviz.engine.optimizing import WithoutArithmetic, explodes


def compiled(run):
    return tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec((None, 3)))


def doubled(times):
    def run(x):
        for _ in range(times):
            x = (x + x) / 1
        return x

    def plain(x):
        for _ in range(times):
            x = x + x
        return x

    return run, plain


def inside(x):
    return tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, doubled(30)[1](y)), (0, x))[1]


def test_sums_of_sums_explode():
    apart, plain = doubled(30)
    assert explodes(compiled(plain).graph)
    assert explodes(compiled(inside).graph)
    assert not explodes(compiled(apart).graph)
    assert not explodes(compiled(doubled(8)[1]).graph)


@pytest.mark.parametrize(
    ("between", "is_taken_away"),
    [
        (keras.ops.stop_gradient, True),
        (tf.identity, True),
        (lambda x: tf.identity_n([x, x])[1], True),
        (lambda x: tf.raw_ops.PreventGradient(input=x), True),
        (lambda x: keras.ops.concatenate([x], 0), True),
        (tf.function(lambda x: tf.identity(x), autograph=False), True),
        (lambda x: tf.concat([x, x], 0), False),
        (lambda x: -x, False),
    ],
)
def test_sums_go_on_behind_what_is_taken_away(between, is_taken_away):
    def run(x):
        for _ in range(30):
            x = between(x + x)
        return x

    assert explodes(compiled(run).graph) == is_taken_away


@pytest.mark.some(every=2)
@pytest.mark.parametrize("make", [keras.applications.ResNet50, keras.applications.MobileNetV2])
def test_honest_models_keep_their_optimizer(make):
    model = make(weights=None, include_top=False, input_shape=(32, 32, 3))
    spec = tf.TensorSpec((None, 32, 32, 3))
    assert not explodes(tf.function(model).get_concrete_function(spec).graph)


def test_it_runs_the_same_and_the_thread_is_as_before():
    run = WithoutArithmetic(compiled(lambda x: tf.nn.relu(doubled(20)[1](x))))
    options = context.context().function_call_options
    before = options.config_proto_serialized
    x = np.array([[1, -2, 3]], np.float32)
    np.testing.assert_array_equal(run(x), np.maximum(x, 0) * 2**20)
    assert context.context().function_call_options is options
    assert options.config_proto_serialized == before


def test_a_model_that_doubles_is_answered():
    image = keras.Input((4,))
    x = image
    for _ in range(20):
        x = layers.Add()([x, x])
        x = layers.Add()([x, x])
    model = keras.Model(image, layers.Dense(2)(layers.Rescaling(2.0**-40)(x)))
    pixels = np.ones((1, 4), np.float32)
    wanted = pixels @ model.layers[-1].get_weights()[0]
    np.testing.assert_allclose(kviz.Network(model)(pixels), wanted, rtol=1e-5)
