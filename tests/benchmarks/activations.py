"""Feature maps, mosaics and the main job against their floors: python tests/benchmarks/activations.py.

The floor is the smallest `tf.function` that does the same passes. One JSON line a work.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from interleaved import line, measure

import kviz
from kviz.draw.tile_png import tile_png
from kviz.files import whole_folder

ROOT = Path(__file__).parents[2]
KINDS = (keras.layers.Conv2D, keras.layers.MaxPooling2D)


def vgg16():
    keras.utils.set_random_seed(0)
    return keras.applications.VGG16(weights=None)


def multi_output(model):
    outputs = [layer.output for layer in model.layers if isinstance(layer, KINDS)]
    return keras.Model(model.inputs[0], outputs)


def maps(count, rounds):
    model = vgg16()
    network = kviz.Network(model)
    photos = np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), "uint8")
    several = multi_output(model)
    floor = tf.function(lambda x: several(x, training=False), autograph=False)
    tensor = tf.constant(photos, "float32")
    door = kviz.activation_model(model)
    compared = {
        "kviz.activations": lambda: kviz.activations(network, photos),
        "kviz.activation_model(...)(x)": lambda: door(tensor),
    }
    measure(f"18 maps of VGG16, batch {count}", lambda: floor(tensor), rounds, **compared)
    if count == 1:
        measure(
            "18 maps of VGG16, batch 1, against keras.Model(...).predict",
            lambda: several.predict(photos, verbose=0),
            rounds,
            **compared,
            **{"kviz.activation_model(...).predict": lambda: door.predict(photos, verbose=0)},
        )


def copied_script(activation):
    """The double loop over channels from the Keras documentation, less its division by zero."""
    size, channels = activation.shape[1], activation.shape[-1]
    rows = channels // 16
    grid = np.zeros(((size + 1) * rows - 1, 16 * (size + 1) - 1))
    for row in range(rows):
        for column in range(16):
            channel = activation[0, :, :, row * 16 + column].copy()
            if channel.sum() != 0:
                channel -= channel.mean()
                channel /= max(channel.std(), 1e-30)
                channel *= 64
                channel += 128
            channel = np.clip(channel, 0, 255).astype("uint8")
            grid[
                row * (size + 1) : (row + 1) * size + row,
                column * (size + 1) : (column + 1) * size + column,
            ] = channel
    return grid


def pictures(rounds):
    model = vgg16()
    photo = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), "uint8")
    found = kviz.activations(model, photo)
    measure(
        "18 mosaics of VGG16, against the double loop over channels",
        lambda: [copied_script(array) for array in found.values()],
        rounds,
        tiles=found.tiles,
    )
    worst = max(
        np.abs(found.mosaic(path).astype(int) - copied_script(array)).max()
        for path, array in found.items()
    )
    line(work="18 mosaics of VGG16: largest difference in grey levels", levels=int(worst))
    several = multi_output(model)
    floor = tf.function(lambda x: several(x, training=False), autograph=False)
    tensor = tf.constant(photo, "float32")
    tiles = found.tiles()
    with tempfile.TemporaryDirectory() as folder:

        def write():
            with whole_folder(folder) as parts, ThreadPoolExecutor(os.cpu_count()) as pool:
                for place, data in enumerate(pool.map(tile_png, tiles)):
                    (parts / f"{place}.png").write_bytes(data)

        measure(
            "18 PNGs of VGG16 against the forward pass",
            lambda: floor(tensor),
            rounds,
            write=write,
            save_with_mosaics=lambda: found.save(folder),
        )


def starting(rounds):
    def median(*command):
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=ROOT)
            times.append(time.perf_counter() - start)
        return round(statistics.median(times), 3)

    line(work="kviz --help", seconds=median("-m", "kviz", "--help"))
    line(work="import kviz", seconds=median("-c", "import kviz"))
    with tempfile.TemporaryDirectory() as folder:
        job = (
            "activations",
            "models/squeezenet.keras",
            "notebooks/images/cat.png",
            "--out",
            folder,
        )
        line(work="main job, whole process", seconds=median("-m", "kviz", *job))


def main_job():
    """Where the time of the main job goes, step by step, in a fresh process."""
    os.chdir(ROOT)
    program = """
import json, tempfile, time
times, start = {}, time.perf_counter()
def lap(name):
    global start
    times[name] = round(time.perf_counter() - start, 3); start = time.perf_counter()
import keras; lap("import TensorFlow and Keras")
import kviz.look; lap("import the rest")
network = kviz.load_model("models/squeezenet.keras"); lap("load the model")
photo = kviz.load_images("notebooks/images/cat.png", network); lap("load the photo")
kviz.activations(network, photo); lap("trace and first forward pass")
maps = kviz.activations(network, photo); lap("forward pass, warm")
import matplotlib; lap("import Matplotlib")
with tempfile.TemporaryDirectory() as folder:
    maps.save(folder); lap("29 mosaics and PNGs")
    maps.save(folder); lap("29 mosaics and PNGs, warm")
print(json.dumps(times))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    line(work="main job, step by step", seconds=done.stdout.strip())


def memory():
    """Peak memory of 256 images beyond that of 32, less the maps themselves."""
    program = """
import resource, sys, keras, numpy as np, kviz
keras.utils.set_random_seed(0)
shape = (128, 128, 3)
network = kviz.Network(keras.applications.VGG16(weights=None, include_top=False, input_shape=shape))
photos = np.zeros((int(sys.argv[1]), 128, 128, 3), "uint8")
kviz.activations(network, photos[:8], "block5_pool", batch_size=8)
maps = kviz.activations(network, photos, "block5_pool", batch_size=8)
own = photos.nbytes + maps["block5_pool"].nbytes
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - own / 2**20)
"""
    peaks = {}
    for count in (32, 256):
        done = subprocess.run(
            [sys.executable, "-c", program, str(count)], check=True, capture_output=True, text=True
        )
        peaks[count] = round(float(done.stdout))
    line(work="peak MB of activations less its results, batch_size=8, by images", megabytes=peaks)


if __name__ == "__main__":
    line(
        work="machine",
        cores=os.cpu_count(),
        tensorflow=tf.__version__,
        keras=keras.__version__,
        numpy=np.__version__,
        gpus=len(tf.config.list_physical_devices("GPU")),
    )
    starting(7)
    main_job()
    maps(1, 25)
    maps(8, 15)
    pictures(11)
    memory()
    line(
        work="peak MB of this program",
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
