"""Attribution against its floors: python tests/benchmarks/attribution.py.

The floor is the smallest `tf.function` that does the same passes, its backward pass ending where the
method's does. One JSON line a work.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from interleaved import measure

import kviz


def logits_of(model):
    """Return a twin of the model without its softmax, sharing its layers."""
    last = model.layers[-1]
    before = keras.Model(model.inputs[0], last.input)
    kernel, bias = last.kernel, last.bias
    return lambda x: tf.matmul(before(x, training=False), kernel.value) + bias.value


def application(name, size=224):
    keras.utils.set_random_seed(0)
    return getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))


def photos(count, size=224):
    return np.random.default_rng(0).uniform(0, 255, (count, size, size, 3)).astype("float32")


def saliency(name, rounds):
    model, images = application(name), photos(8)
    network, logits = kviz.Network(model), logits_of(model)

    @tf.function(autograph=False)
    def floor(x, target):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            score = tf.gather(logits(x), target, axis=1, batch_dims=1)
        return tf.reduce_max(tf.abs(tape.gradient(score, x)), -1)

    x, target = tf.constant(images), tf.zeros(8, "int32")
    measure(
        f"saliency {name}, batch 8",
        lambda: floor(x, target),
        rounds,
        attribute=lambda: kviz.attribute(network, images, "saliency", class_index=0),
    )


def grad_cam(name, layer_name, rounds):
    model, images = application(name), photos(8)
    network, last = kviz.Network(model), model.layers[-1]
    layer = model.get_layer(layer_name)
    both = keras.Model(model.inputs[0], [layer.output, last.input])

    @tf.function(autograph=False)
    def floor(x, target):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            maps, features = both(x, training=False)
            scores = tf.matmul(features, last.kernel.value) + last.bias.value
            score = tf.gather(scores, target, axis=1, batch_dims=1)
        # What lies before the layer is traced and pruned: the pass ends there.
        weights = tf.reduce_mean(tape.gradient(score, maps), [1, 2], keepdims=True)
        return tf.nn.relu(tf.reduce_sum(maps * weights, -1))

    x, target = tf.constant(images), tf.zeros(8, "int32")
    measure(
        f"grad_cam {name} {layer_name}, batch 8",
        lambda: floor(x, target),
        rounds,
        attribute=lambda: kviz.attribute(
            network, images, "grad_cam", layer_names=layer_name, class_index=0
        ),
    )


def passes_of_chunks(name, method, images, total, rounds, size=224, noise=False, **options):
    """Compare a method with `total` gradients in chunks of 16 images, summed.

    With `noise` the floor also draws it for each gradient, as the method has to.
    """
    model, images = application(name, size), photos(images, size)
    network, logits = kviz.Network(model), logits_of(model)

    @tf.function(autograph=False)
    def chunk(x, target):
        if noise:
            x += 0.15 * 255 * tf.random.normal(tf.shape(x))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            score = tf.gather(logits(x), target, axis=1, batch_dims=1)
        return tf.reduce_sum(tape.gradient(score, x), 0)

    x, target = tf.constant(photos(16, size)), tf.zeros(16, "int32")
    rest = total % 16

    def floor():
        for _ in range(total // 16):
            chunk(x, target)
        if rest:
            chunk(x[:rest], target[:rest])

    measure(
        f"{method} {name}, {total} gradients",
        floor,
        rounds,
        attribute=lambda: kviz.attribute(network, images, method, class_index=0, **options),
    )


if __name__ == "__main__":
    saliency("VGG16", 7)
    saliency("ResNet50", 7)
    grad_cam("VGG16", "block5_conv3", 7)
    grad_cam("ResNet50", "conv5_block3_out", 7)
    passes_of_chunks("MobileNetV2", "smooth_grad", 1, 50, 7, noise=True, samples=50)
    passes_of_chunks("ResNet50", "integrated_gradients", 4, 200, 3, steps=50)
