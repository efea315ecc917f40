"""Honest models' configs changed at random, each loaded in a process of its own.

    python tests/fuzz.py --seconds 600 --seed 1

What acts, fills the memory, takes long or raises anything but one plain sentence is kept in a folder
and told, by its seed's number.
"""

import argparse
import copy
import json
import random
import shutil
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import keras
import numpy as np
from forked import Forks
from keras import layers, ops

from kviz.network import allowed
from kviz.network.legacy_rules import _CLASSES

MEMORY, SECONDS = 512, 10
USED = """
told.append(len(network.layers))
size = network.image_size
if size and all(size):
    import numpy as np
    network(np.zeros((1, *size, 3), np.uint8))
"""
LOOKED = "try:\n    repr(kviz.inspect({name!r}))\nexcept kviz.KvizError:\n    pass"


# Honest configs


def convolutions(image):
    x = layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2")(image)
    x = layers.BatchNormalization()(x)
    x = layers.SeparableConv2D(4, 3, activation=layers.LeakyReLU())(x)
    return layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def operations(image):
    x = ops.concatenate([image / 255, 1 - image / 255], axis=-1)
    x = ops.transpose(ops.reshape(x[:, ::2, ..., :3], (-1, 32, 3)), (0, 2, 1))
    first, second = ops.split(ops.where(x > 0.5, x, ops.square(x)), 2, axis=-1)
    return ops.mean(ops.softmax(ops.stack([first, second], axis=1)), axis=(1, 2))


def nested(image):
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 3), layers.PReLU()])
    x = layers.Add()([inner(image), inner(layers.Rescaling(0.5)(image))])
    return layers.Dense(2)(layers.Flatten()(x))


def recurrent(image):
    x = layers.TimeDistributed(layers.LSTM(3, return_sequences=True))(image)
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    return layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])(x)


def attending(image):
    x = layers.Resizing(6, 6)(layers.Normalization(mean=[0.0, 1.0, 2.0], variance=[1.0] * 3)(image))
    x = layers.Reshape((36, 3))(layers.RandomFlip()(layers.CenterCrop(6, 6)(x)))
    x = layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    x = layers.SpectralNormalization(layers.Dense(3))(layers.LayerNormalization()(x))
    return layers.EinsumDense("abc,cd->abd", (None, 2))(x)


def keras_3(folder):
    """Give the members of `.keras` files."""
    for build in (convolutions, operations, nested, recurrent, attending):
        image = keras.Input((8, 8, 3))
        keras.Model(image, build(image)).save(folder / "honest.keras")
        with zipfile.ZipFile(folder / "honest.keras") as file:
            parts = {name: file.read(name) for name in file.namelist()}
        yield ".keras", json.loads(parts.pop("config.json")), parts


def plain(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def called(entry, *nodes):
    return {**entry, "name": entry["config"]["name"], "inbound_nodes": [*nodes]}


SHAPE = {"batch_input_shape": [None, 8, 8, 3]}
KERAS_2 = {
    "class_name": "Functional",
    "config": {
        "name": "m",
        "layers": [
            called(plain("InputLayer", "in", **SHAPE, dtype="float32", sparse=False)),
            called(
                plain("Conv2D", "c", filters=4, kernel_size=[3, 3], groups=1, activation="relu",
                      kernel_initializer={"class_name": "GlorotUniform",
                                          "config": {"seed": None, "dtype": "float32"}}),
                [["in", 0, 0, {}]],
            ),
            called(plain("BatchNormalization", "b", axis=[3]), [["c", 0, 0, {}]]),
            called(plain("TFOpLambda", "t", function="math.multiply"),
                   ["b", 0, 0, {"y": 0.5, "name": None}]),
            called(plain("SlicingOpLambda", "s", function="__operators__.getitem"),
                   ["t", 0, 0, {"slice_spec": [{"start": None, "stop": None, "step": None},
                                               {"start": 0, "stop": 2, "step": None}]}]),
            called(plain("TensorFlowOpLayer", "o", node_def='{"op": "AddV2"}',
                         constants={"1": [1.0, 2.0, 3.0, 4.0]}), [["s", 0, 0, {}]]),
            called(plain("GlobalAveragePooling2D", "g"), [["o", 0, 0, {}]]),
            called(plain("Dense", "d", units=4, activation="hard_sigmoid"), [["g", 0, 0, {}]]),
        ],
        "input_layers": [["in", 0, 0]],
        "output_layers": [["d", 0, 0]],
    },
}  # fmt: skip
KERAS_2_WEIGHTS = {"c": [(3, 3, 3, 4), (4,)], "b": [(4,)] * 4, "d": [(4, 4), (4,)]}
KERAS_1 = {
    "class_name": "Sequential",
    "config": [
        plain("Convolution2D", "c", **SHAPE, nb_filter=4, nb_row=3, nb_col=3, subsample=[1, 1],
              border_mode="valid", dim_ordering="tf", init="glorot_uniform", activation="relu",
              W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.1}, bias=True),
        plain("Dropout", "p", p=0.5),
        {
            "class_name": "Sequential",
            "config": [plain("Flatten", "f", batch_input_shape=[None, 6, 6, 4])],
        },
        plain("Dense", "d", output_dim=4, init="uniform", activation="hard_sigmoid"),
    ],
}  # fmt: skip
KERAS_1_WEIGHTS = {"c": [(3, 3, 3, 4), (4,)], "d": [(144, 4), (4,)]}


def starts(folder):
    yield from keras_3(folder)
    yield ".h5", KERAS_2, (KERAS_2_WEIGHTS, "2.9.0")
    yield ".h5", KERAS_1, (KERAS_1_WEIGHTS, "1.2.2")


def written(path, config, rest):
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in {"config.json": json.dumps(config), **rest}.items():
                file.writestr(name, data)
        return
    weights, version = rest
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version.encode()
        file.attrs.create("model_config", json.dumps(config), dtype=h5py.string_dtype())
        group = file.create_group("model_weights")
        group.attrs["keras_version"] = version.encode()
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, shapes in weights.items():
            inside = group.create_group(name)
            inside.attrs["weight_names"] = [f"{place}".encode() for place in range(len(shapes))]
            for place, shape in enumerate(shapes):
                inside[f"{place}"] = np.full(shape, 0.1, "float32")


# Changes


def reference(name):
    module, _, last = name.rpartition(".")
    return {"module": module, "class_name": "function", "config": last, "registered_name": last}


def made(path, **config):
    module, _, name = path.rpartition(".")
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


ACTS = [
    "keras.config.set_epsilon", "keras.config.set_floatx", "keras.visualization.plot_image_gallery",
    "keras.utils.get_file", "keras.datasets.mnist.load_data", "keras.utils.save_img", "builtins.eval",
    "os.system", "subprocess.run", "keras.saving.load_model", "keras.utils.set_random_seed",
    "keras.src.ops.core.Switch", "keras.src.ops.core.Map", "keras.layers.Lambda",
    "keras.layers.TFSMLayer",
    "keras.callbacks.CSVLogger", "keras_hub.models.Backbone", "kviz.network.loading.load_model",
]  # fmt: skip
NUMBERS = [0, -1, 1, 2, 3, 64, 1000, 70_000, 10**7, 10**9, -(10**12), 2**63, 1e308, 0.5, 10**30]
TEXTS = [
    "", "relu", "same", "channels_first", "float16", "set_epsilon", "keras.layers", "Lambda", "in",
    "/etc/passwd", "x" * 2000, "\x1b[31m\u202e", "../../x", "Functional", "linear", "mixed_float16",
    "kviz>FeatureMaps", "__numpy__", "causal", "bilinear", "multi_hot", "PWNED",
]  # fmt: skip
FRAGMENTS = [
    *map(reference, ACTS),
    *map(made, ACTS),
    {"class_name": "__numpy__", "config": {"value": [1.0] * 50, "dtype": "float32"}},
    {"class_name": "__tensor__", "config": {"value": 7, "dtype": "int64"}},
    {"class_name": "__slice__", "config": {"start": 0, "stop": 10**9, "step": 1}},
    {"class_name": "__ellipsis__", "config": {}},
    {"class_name": "__bytes__", "config": {"value": "AAAA"}},
    {"class_name": "__lambda__", "config": {"value": "AAAA"}},
    {"class_name": "__typespec__", "spec_name": "x", "module": "tensorflow", "config": []},
    made("keras.dtype_policies.DTypePolicyMap", policy_map={"(a|a)*b": made("keras.DTypePolicy")}),
    made("keras.dtype_policies.QuantizedDTypePolicy", mode="int8", source_name="float32"),
    {"class_name": "Merge", "config": {"mode": "lambda", "layers": []}},
    plain("TFOpLambda", "t", function="io.write_file"),
    [None] * 40, [10**9] * 4, [[], {}], None, True, float("nan"),
]  # fmt: skip
CLASSES = [name.rpartition(".") for name in allowed.ALLOWED]
OLD_CLASSES = [*_CLASSES, "Merge", "TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "Lambda"]
KEYS = [
    "activation", "dtype", "layer", "cell", "layers", "weights", "axis", "units", "shape", "seed",
    "vocabulary", "mean", "size", "build_config", "inbound_nodes", "registered_name", "class_name",
    "config", "module", "kernel_initializer", "shared_object_id", "compile_config", "trainable",
    "output_size", "padding", "groups", "num_ops", "lora_rank", "quantization_config", "unroll",
    "return_state", "stateful", "target_shape", "rate", "name", "batch_shape", "input_shape",
]  # fmt: skip


def places(value, found=None):
    """Return where there is something: what holds it, and its key or place."""
    found = [] if found is None else found
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(entry, dict | list):
            places(entry, found)
    return found


def anything(chance, others):
    kind = chance.randrange(6)
    if kind == 0:
        return chance.choice(NUMBERS)
    if kind == 1:
        return chance.choice(TEXTS)
    if kind == 2:
        holder, key = chance.choice(places(chance.choice(others)))
        return copy.deepcopy(holder[key])
    if kind == 3:
        module, _, name = chance.choice(CLASSES)
        return made(
            f"{module}.{name}", **{"name": "z", chance.choice(KEYS): chance.choice(NUMBERS)}
        )
    return copy.deepcopy(chance.choice(FRAGMENTS))


def with_class(chance, entry):
    module, _, name = chance.choice(CLASSES)
    if chance.random() < 0.3:
        entry["class_name"] = chance.choice(OLD_CLASSES)
    elif "module" in entry:
        entry["module"], entry["class_name"] = module, name
    else:
        entry["class_name"] = name


def changed_once(chance, config, others):
    """Change a config in one place."""
    found = places(config)
    kind = chance.randrange(8)
    if kind == 0:
        objects = [h[k] for h, k in found if isinstance(h[k], dict) and "class_name" in h[k]]
        if objects:
            with_class(chance, chance.choice(objects))
        return
    if kind == 1:
        dicts = [h[k] for h, k in found if isinstance(h[k], dict)]
        if dicts:
            chance.choice(dicts)[chance.choice(KEYS)] = anything(chance, others)
        return
    holder, key = chance.choice(found)
    if kind == 2:
        del holder[key]
    elif kind == 3 and isinstance(holder, list):
        holder[key:key] = [copy.deepcopy(holder[key])] * chance.choice([1, 2, 50])
    elif kind == 4 and isinstance(holder[key], int | float):
        holder[key] = chance.choice(NUMBERS)
    elif kind == 5:
        other, place = chance.choice(found)
        inside, other[place] = copy.deepcopy(holder[key]), copy.deepcopy(other[place])
        other[place] = inside
    else:
        holder[key] = anything(chance, others)


def changed(chance, config, others):
    config = copy.deepcopy(config)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 6])):
        if isinstance(config, dict) and places(config):
            changed_once(chance, config, others)
    return config


# What came of it


def wrong(outcome, base):
    """Return what is wrong with an outcome, nothing where all is well."""
    said, seen = outcome.said, []
    if outcome.acted or outcome.told.count("acted"):
        seen.append("acted")
    if not outcome.kept:
        seen.append("settings")
    if outcome.peak > base.peak + MEMORY:
        seen.append("memory")
    if outcome.seconds > base.seconds + SECONDS:
        seen.append("time")
    if outcome.kind.startswith("died"):
        seen.append("died")
    elif outcome.kind not in ("", "ModelError", "OptionError", "LayerError"):
        seen.append("raw")
    elif len(said) > 300 or not said.isprintable() or "Traceback" in said:
        seen.append("sentence")
    return seen


def fuzzed(seconds, seed, kept, most=10**9, tell=print):
    """Load changed configs for so long; return how many of each outcome, and what was wrong."""
    ends, counts, found = time.monotonic() + seconds, Counter(), []
    server = Forks()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = list(starts(folder))
        configs = [config for _, config, _ in begun]
        base = None
        for suffix, config, rest in begun:  # honest, each of them loads
            path = folder / f"fuzzed{suffix}"
            written(path, config, rest)
            outcome = server.load(path, then=USED)
            assert not wrong(outcome, outcome), outcome
            assert not outcome.kind, outcome
            base = outcome if base is None or outcome.peak > base.peak else base
        number = 0
        while time.monotonic() < ends and number < most:
            number += 1
            chance = random.Random(f"{seed}-{number}")  # noqa: S311 - to be had again
            suffix, config, rest = chance.choice(begun)
            for place in folder.iterdir():
                place.unlink() if place.is_file() else shutil.rmtree(place)
            path = folder / f"fuzzed{suffix}"
            written(path, changed(chance, config, configs), rest)
            look = LOOKED.format(name=path.name)
            outcome = server.load(path, setup=look, then=USED, seconds=SECONDS + 5)
            kind = outcome.kind.partition(" ")[0]  # of "died of …" as well
            counts[{"": "loaded", "died": "died"}.get(kind, "refused")] += 1
            seen = wrong(outcome, base)
            if [*folder.iterdir()] != [path]:
                seen.append("left behind")
            if seen:
                found.append((number, seen, outcome))
                shutil.copy(path, Path(kept) / f"{seed}-{number}{suffix}")
                tell(f"{seed}-{number}{suffix}", seen, outcome, flush=True)
    server.close()
    return counts, found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--most", type=int, default=10**9)
    parser.add_argument("--kept", default=".")
    given = parser.parse_args()
    counts, found = fuzzed(given.seconds, given.seed, given.kept, given.most)
    kinds = Counter(kind for _, seen, _ in found for kind in seen)
    print(dict(counts), "wrong:", dict(kinds))
