"""Metrics against their floors: python tests/benchmarks/metrics.py.

The floor is the smallest `tf.function` that does the same number of forward passes, 32 images at once,
and gives its numbers back. A metric is measured for one map an image, without its nulls, which take as
many passes again each. One JSON line a work.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from interleaved import line, measure

import kviz
from kviz.attribution.methods import _perturb
from kviz.metrics import Deletion, Insertion, MuFidelity

CHUNK = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class AloneDeletion(Deletion):
    has_nulls = False


@dataclass(frozen=True, kw_only=True, eq=False)
class AloneInsertion(Insertion):
    has_nulls = False


@dataclass(frozen=True, kw_only=True, eq=False)
class AloneMuFidelity(MuFidelity):
    has_nulls = False


def application(name):
    keras.utils.set_random_seed(0)
    return getattr(keras.applications, name)(weights=None)


def photos(count, size=224):
    return np.random.default_rng(0).uniform(0, 255, (count, size, size, 3)).astype("float32")


def forwards(model, size=224):
    """Return a function that makes a number of forward passes."""
    run = tf.function(lambda x: model(x, training=False), autograph=False)
    x = tf.constant(photos(CHUNK, size))

    def passes(total):
        for first in range(0, total, CHUNK):
            run(x[: total - first]).numpy()

    return passes


def evaluated(name, count, total, rounds, **metrics):
    """Compare metrics of maps of `count` photos with `total` forward passes."""
    model, images = application(name), photos(count)
    network, passes = kviz.Network(model), forwards(model)
    found = kviz.attribute(network, images, "gradient", class_index=0)
    measure(
        f"{' + '.join(metrics)}, {name}, {count} photos, {total} forward passes",
        lambda: passes(total),
        rounds,
        evaluate=lambda: kviz.evaluate(network, images, found, metrics.values(), baselines="black"),
    )


def certificate(method, rounds):
    """Compare a certificate, warm, with as many forward passes and as many maps as it makes."""
    path = "models/squeezenet.keras"
    network = kviz.load_model(path)
    images = kviz.load_images("notebooks/images/cat.png", network)
    found = kviz.attribute(network, images, method)
    passes, counted = forwards(network.model, 227), []

    def counting(request, count, *limits):
        counted.append(len(request.images) * count)
        return copies(request, count, *limits)

    copies = _perturb.copies
    with mock.patch.object(_perturb, "copies", counting):
        found.certify(network)
    total, maps = sum(counted), 5

    def floor():
        passes(total)
        for _ in range(maps):
            kviz.attribute(network, images, method)

    measure(
        f"certificate of {method}, SqueezeNet, {total} forward passes and {maps} maps",
        floor,
        rounds,
        certify=lambda: found.certify(network),
    )


def memory():
    """Peak memory of deletion by its steps, and of μ-fidelity by its subsets."""
    program = """
import resource, sys, keras, numpy as np, kviz
keras.utils.set_random_seed(0)
network = kviz.Network(keras.applications.MobileNetV2(weights=None))
photo = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 3)).astype("float32")
metric = {"name": sys.argv[1], sys.argv[2]: int(sys.argv[3])}
kviz.evaluate(network, photo, "gradient", metric, baselines="black", nulls=1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    for name, option, few, many in (
        ("deletion", "steps", 16, 128),
        ("mu_fidelity", "subsets", 50, 1000),
    ):
        peaks = {}
        for value in (few, many):
            done = subprocess.run(
                [sys.executable, "-c", program, name, option, str(value)],
                check=True,
                capture_output=True,
                text=True,
            )
            peaks[value] = int(done.stdout)
        line(work=f"peak MB of {name}, MobileNetV2, by {option}", megabytes=peaks)


if __name__ == "__main__":
    steps = {"deletion": AloneDeletion(steps=64), "insertion": AloneInsertion(steps=64)}
    evaluated("ResNet50", 4, 2 * 4 * 65, 3, **steps)
    evaluated("ResNet50", 4, 4 * 200, 3, mu_fidelity=AloneMuFidelity(subsets=200))
    certificate("grad_cam", 5)
    certificate("gradient", 5)
    memory()
