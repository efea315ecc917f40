"""A data set against its floors: python tests/benchmarks/dataset.py [throughput|memory|linear|ray|all].

The floor of throughput is a `tf.data` pipeline with the same decoder (Pillow) and the smallest compiled
function over the same batches, whose results are taken to NumPy; of raw maps, besides, the writing of
their bytes. Images are JPEGs of 224 x 224 that are made before. Memory is the peak of a process of its
own. One JSON line a work.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

SIZE, BATCH = 224, 32


def photos(folder, count, size=SIZE):
    """Write JPEGs with the frequencies of photos: noise of all scales, added up."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for place in range(count):
        image = sum(
            np.asarray(
                Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).resize(
                    (size, size), Image.Resampling.BICUBIC
                ),
                np.float32,
            )
            / 3
            for side in (4, 16, 64)
        )
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{place:06}.jpg")
    return folder


def mobilenet():
    import keras

    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2(weights=None)


def floors(model):
    """Return the smallest compiled functions by work: of uint8 images, what is kept of them."""
    import keras
    import tensorflow as tf

    prepared = keras.applications.mobilenet_v2.preprocess_input
    pooling = keras.Model(
        model.inputs,
        [
            keras.layers.GlobalAveragePooling2D()(layer.output)
            for layer in model.layers
            if type(layer) is keras.layers.Conv2D
        ],
    )
    raw = keras.Model(model.inputs, model.get_layer("block_3_expand").output)

    @tf.function(autograph=False)
    def predict(x):
        return model(prepared(tf.cast(x, tf.float32)), training=False)

    @tf.function(autograph=False)
    def pooled(x):
        return pooling(prepared(tf.cast(x, tf.float32)), training=False)

    @tf.function(autograph=False)
    def saliency(x):
        x = tf.cast(x, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            # The gradient of the best class's log-probability takes the same passes as its logit's.
            score = tf.reduce_max(tf.math.log(model(prepared(x), training=False)), 1)
        return tf.reduce_max(tf.abs(tape.gradient(score, x)), -1)

    @tf.function(autograph=False)
    def maps(x):
        return raw(prepared(tf.cast(x, tf.float32)), training=False)

    return {"predict": predict, "pooled": pooled, "saliency": saliency, "raw": maps}


def bare(paths, run, write=None):
    """Run a compiled function over files as a careful script does."""
    import tensorflow as tf

    def decode(path):
        with Image.open(path.decode()) as image:
            return np.asarray(image.convert("RGB"), np.uint8)

    def load(path):
        image = tf.numpy_function(decode, [path], tf.uint8)
        image.set_shape((SIZE, SIZE, 3))
        return image

    data = tf.data.Dataset.from_tensor_slices(paths)
    data = data.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(2)
    for batch in data:
        found = tf.nest.map_structure(lambda one: one.numpy(), run(batch))
        if write is not None:
            write(found)


class Writing:
    """Writes maps as bytes, one file a batch, and makes sure that they are on the disk."""

    def __init__(self, folder):
        self.folder, self.place = folder, 0

    def __call__(self, maps):
        self.place += 1
        with (self.folder / f"{self.place}.raw").open("wb") as file:
            file.write(maps.tobytes())
            os.fsync(file.fileno())


WORKS = {
    "predict": ("predict", {}),
    "pooled": ("activations", {"pooling": "avg", "layer_names": "Conv2D"}),
    "saliency": ("attribute", {"method": "saliency"}),
    "raw": ("activations", {"layer_names": "block_3_expand"}),
    "statistics": ("activations", {"layer_names": "Conv2D", "statistics": ["moments", "top_k=9"]}),
}


def throughput(count=2000, parts=4, works=("predict", "pooled", "saliency", "raw")):
    """Compare verbs with their floors, a part of the images each in turn."""
    from interleaved import line

    import kviz

    model = mobilenet()
    network = kviz.Network(model, preprocess="mobilenet_v2")
    runs = floors(model)
    with tempfile.TemporaryDirectory() as home:
        home = Path(home)
        files = sorted(photos(home / "photos", count).iterdir())
        decoders(files)
        warm = home / "warm.txt"
        warm.write_text("\n".join(map(str, files[: 2 * BATCH])))
        for name in works:
            verb, options = WORKS[name]
            kviz.dataset.run(verb, network, warm, home / f"warm_{name}", **options)
            bare([str(one) for one in files[: 2 * BATCH]], runs[name])
            times = []
            for part in range(parts):
                own = files[part::parts]
                listed = home / f"{part}.txt"
                listed.write_text("\n".join(map(str, own)))
                store, written = home / "store", home / "raw"
                written.mkdir()
                write = Writing(written) if name == "raw" else None
                paths = list(map(str, own))
                both = {
                    "floor": partial(bare, paths, runs[name], write),
                    "own": partial(kviz.dataset.run, verb, network, listed, store, **options),
                }
                # Now this, now that first: what other programs do on a machine comes and goes.
                found = {key: timed(both[key]) for key in sorted(both, reverse=bool(part % 2))}
                times.append((found["floor"], found["own"]))
                size = sum(one.stat().st_size for one in store.rglob("*") if one.is_file())
                shutil.rmtree(written)
                shutil.rmtree(store)
            ratios = sorted(floor[0] / own[0] for floor, own in times)
            line(
                work=f"{verb} {name}, MobileNetV2, {count} JPEGs of {SIZE} in {parts} parts",
                throughput_of_floor=round(float(np.median(ratios)), 3),
                spread=[round(ratios[0], 3), round(ratios[-1], 3)],
                cpu=round(float(np.median([floor[1] / own[1] for floor, own in times])), 3),
                images_a_second=round(count / sum(own[0] for _, own in times), 1),
                floor_images_a_second=round(count / sum(floor[0] for floor, _ in times), 1),
                store_megabytes_a_thousand=round(size / len(own) / 1e3, 2),
            )


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def decoders(files):
    """Print what TensorFlow's own decoder would take beside Pillow's, one thread each."""
    import tensorflow as tf
    from interleaved import line

    files = files[:256]

    def pillow():
        for path in files:
            with Image.open(path) as image:
                np.asarray(image.convert("RGB"))

    def own():
        for path in files:
            tf.io.decode_jpeg(tf.io.read_file(str(path)), channels=3).numpy()

    own()
    line(
        work=f"decoding {len(files)} JPEGs of {SIZE}",
        pillow_milliseconds=round(1e3 * timed(pillow)[0] / len(files), 2),
        tensorflow_milliseconds=round(1e3 * timed(own)[0] / len(files), 2),
    )


def small_images(folder, count):
    """Write grey images of 28 x 28, as the Fashion convnet takes them, as one array."""
    path = folder / f"{count}.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), np.uint8))
    return path


def own_process(*words):
    """Run a part of this program in a process of its own, and return what it prints."""
    found = subprocess.run(
        [sys.executable, __file__, *map(str, words)], check=True, capture_output=True, text=True
    )
    return json.loads(found.stdout.splitlines()[-1])


def one(verb, options, source):
    """Run a verb over a source; print the seconds and the peak of this process's memory."""
    import kviz

    network = kviz.load_model("models/fashion_cnn.keras")
    if source.endswith("photos"):
        network = kviz.Network(mobilenet(), preprocess="mobilenet_v2")
    with tempfile.TemporaryDirectory() as store:
        begun = time.perf_counter()
        kviz.dataset.run(verb, network, source, Path(store) / "store", **json.loads(options))
        seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"seconds": round(seconds, 2), "megabytes": round(peak)}))


def memory(counts=(500, 5000)):
    """Print the peak of memory for few and for many images."""
    from interleaved import line

    with tempfile.TemporaryDirectory() as home:
        for verb, options in (
            ("predict", {}),
            ("activations", {}),
            ("activations", {"statistics": ["moments", "histogram=64", "top_k=9"]}),
            ("attribute", {"method": "gradient"}),
        ):
            found = {}
            for count in counts:
                source = small_images(Path(home), count)
                found[count] = own_process("one", verb, json.dumps(options), source)["megabytes"]
            line(work=f"peak memory, {verb} {options}, Fashion convnet", megabytes=found)


def linear(counts=(1000, 2000, 5000, 10000, 20000)):
    """Print the slope and the intercept of time over images."""
    from interleaved import line

    with tempfile.TemporaryDirectory() as home:
        seconds = [
            own_process("one", "predict", "{}", small_images(Path(home), count))["seconds"]
            for count in counts
        ]
    slope, intercept = np.polyfit(counts, seconds, 1)
    line(
        work="predict, Fashion convnet, images of 28 x 28",
        images=counts,
        seconds=seconds,
        milliseconds_an_image=round(1e3 * slope, 3),
        intercept_seconds=round(float(intercept), 2),
        largest_residual=round(
            float(np.abs(np.polyval([slope, intercept], counts) - seconds).max()), 2
        ),
    )


def ray(count=1024, workers=2):
    """Compare Ray's actors with this process on the same cores, start-up told apart."""
    from interleaved import line

    import kviz

    with tempfile.TemporaryDirectory() as home:
        home = Path(home)
        kviz.save_model(
            kviz.Network(mobilenet(), preprocess="mobilenet_v2"), home / "mobilenet.keras"
        )
        source = photos(home / "photos", count)
        network = kviz.load_model(home / "mobilenet.keras")
        kviz.dataset.run("predict", network, source, home / "warm", shard_size=64)
        rates = {}
        for engine, more in (("local", {}), ("ray", {"engine": "ray", "workers": workers})):
            marks = []
            begun = time.perf_counter()
            kviz.dataset.run(
                "predict", network, source, home / engine, shard_size=64,
                progress=lambda done, marks=marks: marks.append((time.perf_counter(), done.rows)),
                **more,
            )  # fmt: skip
            # From when each actor has given a shard to the last one.
            first = next(mark for mark in marks if mark[1] >= 64 * workers)
            last = marks[-1]
            rates[engine] = (last[1] - first[1]) / (last[0] - first[0])
            line(
                work=f"predict by {engine}, {count} JPEGs",
                images_a_second=round(rates[engine], 1),
                seconds=round(last[0] - begun, 1),
                seconds_until_steady=round(first[0] - begun, 1),
            )
        ratio = round(rates["ray"] / rates["local"], 3)
        line(work=f"Ray with {workers} workers against this process", ratio=ratio)


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
    if wanted == "one":
        one(*sys.argv[2:])
        return
    parts = {"throughput": throughput, "memory": memory, "linear": linear, "ray": ray}
    for name, part in parts.items():
        if wanted in (name, "all"):
            part()


if __name__ == "__main__":
    main()
