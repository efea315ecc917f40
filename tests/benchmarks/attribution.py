"""Attribution against its floors: python tests/benchmarks/attribution.py.

The floor is the smallest `tf.function` that does the same passes, its backward pass ending where the
method's does. One JSON line a work.
"""

import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from interleaved import line, measure

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


def forwards(name, method, total, rounds, chunk=32, **options):
    """Compare a method with `total` forward passes of one image in chunks of 32."""
    model, images = application(name), photos(1)
    network, logits = kviz.Network(model), logits_of(model)
    run = tf.function(logits, autograph=False)
    x = tf.constant(photos(chunk))

    def floor():
        for first in range(0, total, chunk):
            run(x[: total - first])

    measure(
        f"{method} {name}, {total} forward passes",
        floor,
        rounds,
        attribute=lambda: kviz.attribute(network, images, method, class_index=0, **options),
    )


def first_call(name, method, rounds, **options):
    """Compare the first call on a new model, tracing included, with the floor's first call."""
    images, ratios, times = photos(1), [], []
    for _ in range(rounds + 1):
        model = application(name)
        network, logits = kviz.Network(model), logits_of(model)

        @tf.function(autograph=False)
        def floor(x, target):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                score = tf.gather(logits(x), target, axis=1, batch_dims=1)  # noqa: B023
            return tf.reduce_max(tf.abs(tape.gradient(score, x)), -1)

        start = time.perf_counter()
        floor(tf.constant(images), tf.zeros(1, "int32"))
        middle = time.perf_counter()
        kviz.attribute(network, images, method, class_index=0, **options)
        end = time.perf_counter()
        ratios.append((end - middle) / (middle - start))
        times.append(end - middle)
        keras.backend.clear_session()
    # The first round also loads what TensorFlow loads once.
    low, _, high = statistics.quantiles(ratios[1:], n=4)
    line(
        work=f"first call of {method}, {name}",
        ratio=round(statistics.median(ratios[1:]), 3),
        spread=[round(low, 3), round(high, 3)],
        milliseconds=round(1000 * statistics.median(times[1:])),
        rounds=rounds,
    )


def memory():
    """Peak memory of SmoothGrad by its number of samples."""
    program = """
import resource, sys, keras, numpy as np, kviz
keras.utils.set_random_seed(0)
network = kviz.Network(keras.applications.MobileNetV2(weights=None))
photo = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 3)).astype("float32")
kviz.attribute(network, photo, "smooth_grad", samples=int(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    peaks = {}
    for samples in (50, 1000):
        done = subprocess.run(
            [sys.executable, "-c", program, str(samples)],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks[samples] = int(done.stdout)
    line(work="peak MB of smooth_grad, MobileNetV2, by samples", megabytes=peaks)


if __name__ == "__main__":
    saliency("VGG16", 7)
    saliency("ResNet50", 7)
    grad_cam("VGG16", "block5_conv3", 7)
    grad_cam("ResNet50", "conv5_block3_out", 7)
    passes_of_chunks("MobileNetV2", "smooth_grad", 1, 50, 7, noise=True, samples=50)
    passes_of_chunks("ResNet50", "integrated_gradients", 4, 200, 3, steps=50)
    forwards("ResNet50", "score_cam", 256, 3, layer_names="conv2_block3_out")
    forwards("ResNet50", "rise", 512, 3, masks=512)
    # (224 - 56) / 14 + 1 = 13 windows a side.
    forwards("ResNet50", "occlusion", 169, 3, window=56, stride=14)
    first_call("VGG16", "saliency", 5)
    first_call("ResNet50", "saliency", 5)
    memory()
