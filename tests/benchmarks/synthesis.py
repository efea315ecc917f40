"""Synthesis against its floors: python tests/benchmarks/synthesis.py.

The floor is the smallest compiled loop that does the same forward and backward passes of a network that
ends at the layer. One JSON line a work.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from interleaved import line, measure

import kviz

LAYER, STEPS, SIDE = "block3_conv1", 200, 128


def patterns(count, rounds):
    """Compare patterns of so many filters in one batch with a bare loop."""
    keras.utils.set_random_seed(0)
    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(SIDE, SIDE, 3))
    network = kviz.Network(model)
    part = keras.Model(model.inputs[0], model.get_layer(LAYER).output)
    filters = tf.range(count)

    @tf.function(autograph=False)
    def floor(images):
        def body(step, images):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                means = tf.reduce_mean(part(images, training=False), [1, 2])
                score = tf.gather(means, filters, axis=1, batch_dims=1)
            gradient = tape.gradient(score, images)
            size = tf.sqrt(tf.reduce_sum(gradient * gradient, [1, 2, 3], keepdims=True))
            images += 1000.0 * tf.math.divide_no_nan(gradient, size)
            return step + 1, tf.clip_by_value(images, 0.0, 255.0)

        # Once more than there are steps, as kviz, which says what the last one came to.
        return tf.while_loop(lambda step, _: step < STEPS + 1, body, (0, images))[1]

    start = tf.constant(
        np.random.default_rng(0).normal(127, 10, (count, SIDE, SIDE, 3)).astype("float32")
    )
    floor(start)
    clock = time.perf_counter()
    floor(start)
    each = (time.perf_counter() - clock) / count / (STEPS + 1)
    line(work=f"the floor, {count} at once", milliseconds_a_filter_and_step=round(1000 * each, 1))
    measure(
        f"{STEPS} steps on {count} filter{'s' * (count > 1)} of VGG16 {LAYER}",
        lambda: floor(start),
        rounds,
        filter_patterns=lambda: kviz.filter_patterns(
            network, LAYER, list(range(count)), steps=STEPS, parametrization="pixel"
        ),
    )
    return network


def one_batch(network, rounds):
    """How much faster a filter is in a batch of 16 than alone."""
    ratios = []
    for _ in range(rounds):
        start = time.perf_counter()
        for index in range(4):
            kviz.filter_patterns(network, LAYER, index, steps=50, parametrization="pixel")
        middle = time.perf_counter()
        kviz.filter_patterns(network, LAYER, range(16), steps=50, parametrization="pixel")
        ratios.append((middle - start) / 4 / ((time.perf_counter() - middle) / 16))
    line(
        work="a filter alone against one in a batch of 16",
        times=round(statistics.median(ratios), 2),
    )


if __name__ == "__main__":
    patterns(1, 7)
    one_batch(patterns(16, 3), 3)
