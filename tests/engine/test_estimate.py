"""What a run takes of the memory: sums made by hand, and what the system measures."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kviz.engine.estimate import is_small, needed

MB = 1 << 20


def of(run, *specs, shapes=None):
    """Return what a function takes, compiled for free batches."""
    made = tf.function(run, autograph=False).get_concrete_function(*specs)
    return needed(made, shapes)


IMAGE = tf.TensorSpec((None, None, None, 4))
SHAPE = [(2, 64, 64, 4)]
# Bytes of that.
ONE = 2 * 64 * 64 * 4 * 4


def pad(x):
    # What is written elsewhere, and of the same size.
    return tf.reverse(x, [1])


@pytest.mark.parametrize(
    ("run", "tensors"),
    [
        (lambda x: x, 1),
        (lambda x: tf.identity(tf.reshape(x, [-1, 4])), 1),
        # The photo is the caller's; what is between is gone when it has been read.
        (lambda x: pad(x), 2),
        (lambda x: pad(pad(pad(pad(x)))), 3),
        (lambda x: tf.nn.relu(pad(x)), 2),
        (lambda x: tf.nn.relu(x), 2),
        # Two readers: the one that comes first cannot write upon it.
        (lambda x: (lambda y: tf.nn.relu(y) + y)(pad(x)), 3),
        (lambda x: [pad(x), pad(pad(x))], 4),
        (lambda x: tf.concat([pad(x), pad(x)], 0), 5),
        (lambda x: tf.tile(x, [3, 2, 1, 1]), 7),
        # What nobody asks for is not made.
        (lambda x: (tf.tile(x, [9, 1, 1, 1]), pad(x))[1], 2),
    ],
)  # fmt: skip
def test_tensors_are_there_from_the_one_that_makes_them_to_the_last_that_reads(run, tensors):
    assert of(run, IMAGE, shapes=SHAPE) == pytest.approx(tensors * ONE, rel=1e-3)


def test_loops_branches_and_calls_take_what_is_inside_them():
    def inside(x):
        return pad(tf.tile(x, [4, 1, 1, 1]))[: tf.shape(x)[0]]

    plain = of(inside, IMAGE, shapes=SHAPE)

    def loop(x):
        return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, inside(y)), (0, x))[1]

    assert of(loop, IMAGE, shapes=SHAPE) >= plain > 8 * ONE
    branch = of(
        lambda x: tf.cond(x[0, 0, 0, 0] > 0, lambda: inside(x), lambda: x), IMAGE, shapes=SHAPE
    )
    assert branch >= plain
    inner = tf.function(inside)
    assert of(lambda x: inner(x), IMAGE, shapes=SHAPE) >= plain


def gradient_of(model):
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x)
        return tape.gradient(y, x)

    return run


def test_a_gradient_keeps_what_each_round_of_a_loop_has_made():
    sizes = []
    for steps in (50, 100, 200):
        model = keras.Sequential([keras.Input((steps, 16)), layers.LSTM(64)])
        spec = tf.TensorSpec((None, steps, 16))
        sizes.append(of(gradient_of(model), spec, shapes=[(32, steps, 16)]))
    # Linear in the steps: at least four gates, cell and output of each.
    assert sizes[2] - sizes[1] == pytest.approx(2 * (sizes[1] - sizes[0]), rel=0.02)
    assert sizes[1] - sizes[0] > 50 * 32 * 64 * 4 * 6


def test_it_is_twice_as_much_for_twice_as_many():
    model = keras.Sequential([keras.Input((64, 64, 3)), *[layers.Conv2D(8, 3)] * 1, layers.ReLU()])
    spec = tf.TensorSpec((None, 64, 64, 3))
    run = gradient_of(model)
    one, two = (of(run, spec, shapes=[(count, 64, 64, 3)]) for count in (16, 32))
    assert two == pytest.approx(2 * one, rel=1e-3)


def test_sizes_that_a_model_leaves_free_are_known_behind_a_convolution():
    model = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2D(32, 3), layers.Conv2D(8, 3)]
    )
    free = of(model, tf.TensorSpec((None, None, None, 3)), shapes=[(1, 600, 500, 3)])
    made = 4 * (600 * 500 * 3 + 598 * 498 * 32 + 596 * 496 * 8)
    assert free == pytest.approx(made, rel=1e-3)


def test_what_is_small_is_known_at_a_glance():
    model = keras.Sequential([keras.Input((64, 64, 3)), layers.Conv2D(8, 3), layers.ReLU()])
    spec = tf.TensorSpec((None, 64, 64, 3))
    graph = tf.function(gradient_of(model)).get_concrete_function(spec).graph
    size = of(gradient_of(model), spec, shapes=[(16, 64, 64, 3)])
    assert is_small(graph, 16, 40 * size)
    assert not is_small(graph, 16, size)
    assert not is_small(graph, 1600, 40 * size)
    free = tf.function(lambda x: tf.nn.relu(x)).get_concrete_function(IMAGE).graph
    assert not is_small(free, 1, 1 << 60)


def test_what_does_not_fit_is_left_to_tensorflow():
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3)])
    assert of(model, tf.TensorSpec((None, None, None, 3)), shapes=[(1, 8, 8, 5)]) == 0


def test_nothing_is_allocated_for_it():
    def run(x):
        for _ in range(3):
            x = tf.pad(x, [[0, 0], [30000, 30000], [30000, 30000], [0, 0]])
        return tf.reduce_sum(x)

    assert of(run, IMAGE, shapes=SHAPE) > 2**38
    assert np.isfinite(of(run, IMAGE, shapes=SHAPE))
