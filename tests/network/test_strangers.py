"""Files that strangers might make, each in a process of its own: slow ones, full ones, sly ones."""

import copy
import io
import json
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import fuzz
import h5py
import keras
import numpy as np
import pytest
from keras import layers

IMAGE = [None, 8, 8, 3]


# Honest files, from which hostile ones are made


def honest(path):
    """Write a small model; give its members."""
    image = keras.Input((8, 8, 3), name="in")
    x = layers.GlobalAveragePooling2D(name="g")(layers.Conv2D(4, 3, name="c1")(image))
    keras.Model(image, layers.Dense(4, name="d")(x)).save(path)
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(edit=None, weights=None, version=None):
    """Return what writes an honest `.keras` file with its config, weights or metadata edited."""

    def write(path):
        parts = honest(path)
        if edit:
            config = json.loads(parts["config.json"])
            edit(config)
            parts["config.json"] = json.dumps(config)
        if weights:
            parts["model.weights.h5"] = weights(parts["model.weights.h5"])
        if version:
            parts["metadata.json"] = json.dumps({"keras_version": version})
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in parts.items():
                file.writestr(name, data)

    write.suffix = ".keras"
    return write


def old(config, weights=None, version="2.3.1", **attributes):
    """Return what writes an `.h5` file as Keras 1 and 2 did."""

    def write(path):
        with h5py.File(path, "w", libver=("earliest", "v110")) as file:
            made = config() if callable(config) else config
            file.attrs["model_config"] = json.dumps(made).encode()
            file.attrs["keras_version"] = version.encode()
            for name, value in attributes.items():
                file.attrs[name] = value
            group = file.create_group("model_weights")
            if weights:
                weights(group)
            else:
                group.attrs["layer_names"] = np.array([], "S1")

    write.suffix = ".h5"
    return write


def stack(*entries, **config):
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [*entries], **config}}


def plain(kind, name="x", **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def first(kind, name="x", **config):
    return plain(kind, name, batch_input_shape=IMAGE, **config)


def graph(entries, outputs, inputs=("in",)):
    given = plain("InputLayer", "in", batch_input_shape=IMAGE, dtype="float32")
    return {
        "class_name": "Model",
        "config": {
            "name": "m",
            "layers": [{**given, "name": "in", "inbound_nodes": []}, *entries],
            "input_layers": [[name, 0, 0] for name in inputs],
            "output_layers": outputs,
        },
    }


def called(entry, *nodes):
    return {**entry, "name": entry["config"]["name"], "inbound_nodes": [*nodes]}


# Keras 3's way to write


def made(path, registered=None, **config):
    module, _, name = path.rpartition(".")
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def of_keras(kind, name="x", **config):
    return made(f"keras.layers.{kind}", name=name, **config)


def tensor(of="in", call=0, shape=IMAGE):
    inner = {"shape": list(shape), "dtype": "float32", "keras_history": [of, call, 0]}
    return {"class_name": "__keras_tensor__", "config": inner}


def node(*arguments):
    return {"args": list(arguments), "kwargs": {}}


def on(entry, *arguments):
    """Return a layer's entry in a functional model, called with arguments."""
    name = entry["config"]["name"]
    return {**entry, "name": name, "inbound_nodes": [node(*(arguments or [tensor()]))]}


def beside(*entries):
    """Return an edit that puts layers beside a model's own."""

    def edit(config):
        config["config"]["layers"][1:1] = copy.deepcopy(entries)

    return edit


def alone(shape, *entries):
    """Return an edit that makes a model of an input and the layers behind it."""

    def edit(config):
        given = of_keras("InputLayer", "in", batch_shape=list(shape), dtype="float32")
        inside = config["config"]
        inside["layers"] = [{**given, "name": "in", "inbound_nodes": []}, *copy.deepcopy(entries)]
        inside["output_layers"] = [["in", 0, 0]]

    return edit


def ending(name, *edits):
    """Return edits after which a model ends with a layer."""

    def edit(config):
        for one in edits:
            one(config)
        config["config"]["output_layers"] = [[name, 0, 0]]

    return edit


def dense(**values):
    def edit(config):
        entry = next(entry for entry in config["config"]["layers"] if entry["name"] == "d")
        entry["config"].update(values)

    return edit


def nested(count, wrap, inner):
    for number in range(count):
        inner = wrap(number, inner)
    return inner


def backwards(config, count=2500, call=0):
    """A chain of layers from its last to its first, which Keras tries again and again."""
    chain = [
        on(of_keras("ReLU", f"a{k}"), tensor(f"a{k - 1}" if k else "in", call if k else 0))
        for k in range(count)
    ]
    config["config"]["layers"][1:1] = chain[::-1]


def twins(config):
    backwards(config)
    twin = on(of_keras("ReLU", "twin"))
    config["config"]["layers"] += [twin, copy.deepcopy(twin)]


# HDF5


def h5_with(*edits):
    """Return an edit of a weights file's bytes."""

    def edit(data):
        file = io.BytesIO(data)
        with h5py.File(file, "a", libver=("earliest", "v110")) as opened:
            for one in edits:
                one(opened)
        return file.getvalue()

    return edit


def kernel(file):
    """Give the group of the dense layer's weights, its kernel taken away."""
    inside = file["layers/dense/vars"]
    del inside["0"]
    return inside


def large_chunk(file):
    data = kernel(file).create_dataset(
        "0", (4, 4), "f4", chunks=(1 << 14, 1 << 14), maxshape=(None, None), compression="gzip"
    )
    packer = zlib.compressobj(1)
    zeros = bytes(1 << 20)
    packed = b"".join([packer.compress(zeros) for _ in range(1 << 10)] + [packer.flush()])
    data.id.write_direct_chunk((0, 0), packed)


def inflating_chunk(file):
    data = kernel(file).create_dataset("0", (200, 200), "f4", chunks=(200, 200), compression="gzip")
    packer = zlib.compressobj(1)
    zeros = bytes(1 << 20)
    packed = b"".join([packer.compress(zeros) for _ in range(1 << 10)] + [packer.flush()])
    data.id.write_direct_chunk((0, 0), packed)


def one_text_for_all(data):
    """Let each of many elements of variable length be the same long one."""
    file = io.BytesIO(data)
    count = 100_000
    with h5py.File(file, "a") as opened:
        made = kernel(opened).create_dataset("0", (count,), h5py.vlen_dtype("f4"))
        made[0] = np.zeros(1 << 16, "f4")
        opened.flush()
        place = made.id.get_offset()
    changed = bytearray(file.getvalue())
    changed[place : place + 16 * count] = changed[place : place + 16] * count
    return bytes(changed)


def deep_groups(file):
    file = file.create_group("deep")
    for _ in range(5_000):
        file = file.create_group("a")


def same_again(group):
    """A layer's weights, each of them the same data set a thousand times."""
    group.attrs["layer_names"] = [b"d"]
    inside = group.create_group("d")
    inside["k"] = np.zeros((1 << 20,), "f4")
    inside.attrs["weight_names"] = [b"k"] * 1000


def one_cell_of_many(file):
    for number in range(2_000):
        file.create_group(f"x{number}/vars")["0"] = np.zeros(1, "f4")


# Tricks of old files


def repeated_constant():
    constants = {"1": [0.5] * 200_000}
    node_def = json.dumps({"op": "AddV2"})
    entry = plain("TensorFlowOpLayer", "t", node_def=node_def, constants=constants)
    return graph([called(entry, *[[["in", 0, 0, {}]]] * 2000)], [["t", 0, 0]])


def many_notes():
    entries = [
        plain("Convolution2D", f"c{number}", nb_filter=1, nb_row=1, nb_col=1, border_mode="same",
              dim_ordering="tf", init="zero", W_regularizer=None, bias=True, subsample=[1, 1],
              activation="hard_sigmoid", groups=1, implementation=1)
        for number in range(1600)
    ]  # fmt: skip
    return stack(first("Convolution2D", "f", nb_filter=1, nb_row=1, nb_col=1), *entries)


def cells_of_an_old_keras(count=300):
    cells = [of_keras("LSTMCell", f"l{number}", units=1) for number in range(count)]
    rnn = made("keras.layers.RNN", name="r", cell=made("keras.layers.StackedRNNCells", cells=cells))
    return alone([None, 3, 1], on(rnn, tensor(shape=[None, 3, 1])))


def sequential_lists(depth):
    inner = [plain("ReLU", "r", batch_input_shape=IMAGE)]
    for number in range(depth):
        inner = [{"class_name": "Sequential", "name": f"s{number}", "config": inner}]
    return {"class_name": "Sequential", "config": inner}


def deep(count):
    return json.loads("[" * count + "]" * count)


def metadata(**extra):
    def write(path):
        parts = honest(path)
        found = json.loads(parts["metadata.json"]) | extra
        parts["metadata.json"] = json.dumps(found)
        with zipfile.ZipFile(path, "w") as file:
            for name, data in parts.items():
                file.writestr(name, data)

    write.suffix = ".keras"
    return write


def members(*more, compression=zipfile.ZIP_DEFLATED):
    def write(path):
        parts = honest(path)
        with zipfile.ZipFile(path, "w", compression) as file:
            for name, data in parts.items():
                file.writestr(name, data)
            for name, data in more:
                file.writestr(name, data)

    write.suffix = ".keras"
    return write


def evil_policy(config):
    policy = made(
        "keras.dtype_policies.DTypePolicyMap",
        default_policy="float32",
        policy_map={"(a+)+b": made("keras.DTypePolicy", name="float32")},
    )
    name = "a" * 60
    config["config"]["layers"][1:1] = [on(of_keras("Dense", name, units=1, dtype=policy))]


BIG = [None, 4000, 4000, 3]

CASES = {
    # Keras 3
    "a pattern without an end": zipped(evil_policy),
    "ngrams": zipped(
        beside(
            on(
                of_keras(
                    "TextVectorization", ngrams=2 * 10**8, standardize="lower", split="whitespace"
                )
            )
        )
    ),
    "a mean for every pixel": zipped(
        alone(
            BIG,
            *[
                on(
                    of_keras("Normalization", f"n{k}", axis=[1, 2, 3], mean=0.0, variance=1.0),
                    tensor(shape=BIG),
                )
                for k in range(4)
            ],
        )
    ),
    "an axis taken apart": zipped(
        alone(
            [None, 1 << 23],
            on(
                made("keras.src.ops.core.Unstack", name="u", axis=1, num=None),
                tensor(shape=[None, 1 << 23]),
            ),
        )
    ),
    "split and split": zipped(
        alone(
            [None, 65_536],
            *[
                on(
                    made(
                        "keras.src.ops.numpy.Split",
                        name=f"s{k}",
                        indices_or_sections=65_536,
                        axis=1,
                    ),
                    tensor(shape=[None, 65_536]),
                )
                for k in range(60)
            ],
        )
    ),
    "twins": zipped(twins),
    "a call before the first": zipped(lambda config: backwards(config, call=-1)),
    "a call that is never made": zipped(lambda config: backwards(config, call=7)),
    "an hour of steps": zipped(
        ending(
            "t",
            alone(
                [None, 60_000, 3],
                on(
                    of_keras("TimeDistributed", "t", layer=of_keras("ReLU", "i")),
                    tensor(shape=[None, 60_000, 3]),
                ),
            ),
        )
    ),
    "steps of steps": zipped(
        ending(
            "t25",
            alone(
                [None, *[2] * 26, 3],
                on(
                    nested(
                        26,
                        lambda k, inner: of_keras("TimeDistributed", f"t{k}", layer=inner),
                        of_keras("ReLU", "i"),
                    ),
                    tensor(shape=[None, *[2] * 26, 3]),
                ),
            ),
        )
    ),
    "both ways of both ways": zipped(
        alone(
            [None, 3, 3],
            on(
                nested(
                    26,
                    lambda k, inner: of_keras("Bidirectional", f"t{k}", layer=inner),
                    of_keras("LSTM", "i", units=1, return_sequences=True),
                ),
                tensor(shape=[None, 3, 3]),
            ),
        )
    ),
    "cells of cells": zipped(
        alone(
            [None, 3, 3],
            on(
                of_keras(
                    "RNN",
                    "r",
                    cell=nested(
                        15,
                        lambda _, inner: made("keras.layers.StackedRNNCells", cells=[inner]),
                        of_keras("LSTMCell", "i", units=1),
                    ),
                ),
                tensor(shape=[None, 3, 3]),
            ),
        )
    ),
    "activations of activations": zipped(
        dense(
            activation=nested(
                26,
                lambda k, inner: of_keras("Activation", f"a{k}", activation=inner),
                of_keras("ReLU", "r"),
            )
        )
    ),
    "a pool of millions": zipped(
        ending(
            "p",
            alone(
                IMAGE,
                on(of_keras("AdaptiveAveragePooling2D", "p", output_size=[30_000_000, 30_000_000])),
            ),
        )
    ),
    "operations at random": zipped(
        ending("p", alone(IMAGE, on(of_keras("RandAugment", "p", num_ops=10**9))))
    ),
    "chains at random": zipped(
        ending("p", alone(IMAGE, on(of_keras("AugMix", "p", num_chains=10**9))))
    ),
    "iterations of a norm": zipped(
        ending(
            "p",
            alone(
                IMAGE,
                on(
                    of_keras(
                        "SpectralNormalization",
                        "p",
                        power_iterations=10**9,
                        layer=of_keras("Dense", "i", units=1),
                    )
                ),
            ),
        )
    ),
    "equal for each row": zipped(
        ending(
            "p",
            alone(
                [None, 60_000, 8, 3],
                on(of_keras("Equalization", "p", bins=10**9), tensor(shape=[None, 60_000, 8, 3])),
            ),
        )
    ),
    "tiles of contrast": zipped(
        ending(
            "p",
            alone(
                IMAGE,
                on(
                    of_keras(
                        "ContrastLimitedAdaptiveHistogramEqualization",
                        "p",
                        tile_grid_size=[10**5, 10**5],
                    )
                ),
            ),
        )
    ),
    "a spectrogram": zipped(
        ending(
            "p",
            alone(
                [None, 10**6],
                on(
                    of_keras("MelSpectrogram", "p", num_mel_bins=10**6, fft_length=10**6),
                    tensor(shape=[None, 10**6]),
                ),
            ),
        )
    ),
    "many outputs": zipped(
        lambda config: config["config"].update(output_layers=[["d", 0, 0]] * 150_000)
    ),
    "many inputs": zipped(
        lambda config: config["config"].update(input_layers=[["in", 0, 0]] * 150_000)
    ),
    "half a million objects": zipped(lambda config: config.update(x=[{"a": 0}] * 330_000)),
    "an infinite input": zipped(alone([None, float("nan"), 10**9, 3])),
    "an input of many sides": zipped(alone([None, *[1] * 20, 10**9])),
    "kviz's own layer": zipped(
        beside(
            on(
                made(
                    "kviz.FeatureMaps",
                    "kviz>FeatureMaps",
                    name="f",
                    model=None,
                    layer_names=None,
                    outputs=False,
                    pooling=None,
                    preprocess=made("keras.config.set_epsilon", x=1),
                )
            )
        )
    ),
    "a layer registered as kviz's": zipped(
        beside(on(of_keras("Dense", "f", units=3) | {"registered_name": "kviz>ActivationModel"}))
    ),
    "a pattern of axes": zipped(
        ending(
            "p",
            alone(
                IMAGE,
                on(
                    made("keras.src.ops.einops.Rearrange", name="p"),
                    tensor(),
                    "b h w c -> " + "b (" * 5000 + "h w c",
                ),
            ),
        )
    ),
    "a policy by a strange name": zipped(dense(dtype="mixed_" + "x" * 900)),
    "units of a list": zipped(dense(units=[4] * 1000)),
    "shared objects": zipped(
        dense(
            activation={**of_keras("ReLU", "r"), "shared_object_id": 7},
            kernel_initializer={**made("keras.initializers.Zeros"), "shared_object_id": 7},
        )
    ),
    # Zip files and metadata
    "class names in each other": metadata(kviz={"class_names": deep(900)}),
    "class names of objects": metadata(kviz={"class_names": [{"a": [1]}] * 4}),
    "a preprocessing of objects": metadata(kviz={"preprocess": {"os": "system"}}),
    "a long asset's name": members(("assets/" + "a" * 65_000, b"x")),
    "an asset's name with escapes": members(("assets/\x1b[31m\u202e", b"x")),
    "packed by LZMA": members(("assets/zeros", bytes(1 << 22)), compression=zipfile.ZIP_LZMA),
    "a member of another case": members(("Config.json", b"{}")),
    # HDF5
    "a chunk larger than its data": zipped(weights=h5_with(large_chunk)),
    "a chunk that inflates": zipped(weights=h5_with(inflating_chunk)),
    "one text for all": zipped(weights=one_text_for_all),
    "groups in groups": zipped(weights=h5_with(deep_groups)),
    # Keras 1 and 2
    "a weight a thousand times": old(lambda: stack(first("Dense", "d", units=4)), same_again),
    "a name that is a list": old(
        lambda: {
            "class_name": "Model",
            "config": {"name": [0] * 400_000, "layers": [plain("ReLU")] * 4900},
        }
    ),
    "hard_sigmoid everywhere": old(
        lambda: stack(
            first("Dense", units=1, **{f"{k}activation": "hard_sigmoid" for k in range(240_000)})
        )
    ),
    "a constant in every call": old(repeated_constant),
    "changes without end": old(many_notes),
    "many old outputs": old(
        lambda: graph(
            [called(plain("ReLU", f"r{k}"), [["in", 0, 0, {}]]) for k in range(4000)],
            [["r0", 0, 0]] * 60_000,
        )
    ),
    "many arrays of an old file": zipped(
        cells_of_an_old_keras(), weights=h5_with(one_cell_of_many), version="2.15.0"
    ),
    "Sequential lists": old(lambda: sequential_lists(25)),
    "a loss in a loss": old(
        lambda: stack(first("ReLU")), training_config=json.dumps({"loss": deep(900)}).encode()
    ),
    "a Lambda by a package's name": old(
        lambda: stack(first("x>Lambda", function=["4wAAAA==", None, None]))
    ),
    "a Merge of code": old(
        lambda: stack(first("Merge", mode="lambda x: x", mode_type="lambda", layers=[]))
    ),
    "a function that writes": old(
        lambda: graph(
            [
                called(
                    plain("TFOpLambda", "t", function="io.write_file"),
                    ["PWNED", 0, 0, {"contents": ["in", 0, 0]}],
                )
            ],
            [["t", 0, 0]],
        )
    ),
    "a function by its name": old(lambda: stack(first("Dense", units=1, activation="os.system"))),
    "an initializer by its name": old(
        lambda: stack(first("Dense", units=1, kernel_initializer="set_epsilon"))
    ),
    "a vocabulary elsewhere": old(
        lambda: stack(first("StringLookup", vocabulary="/etc/passwd", module="keras.layers"))
    ),
    "an old input of billions": old(lambda: stack(plain("Dense", units=1, input_dim=10**10))),
    "nb_filter below zero": old(
        lambda: stack(first("Convolution2D", nb_filter=-(10**12), nb_row=3, nb_col=3))
    ),
    "nb_row of millions": old(
        lambda: stack(first("Convolution2D", nb_filter=3, nb_row=10**7, nb_col=10**7))
    ),
    "a version of numbers": old(lambda: stack(first("ReLU")), backend=np.arange(9)),
    "a wrapped program": old(
        lambda: stack(
            plain(
                "TimeDistributed",
                batch_input_shape=[None, 3, 8],
                layer=plain("TFSMLayer", filepath="x"),
            )
        )
    ),
}

# What is said of them; of the others nothing, since they load and are harmless.
SAID = {
    "a pattern without an end": "could take for ever",
    "ngrams": "ngrams of 200000000",
    "a mean for every pixel": "far more weights",
    "an axis taken apart": "100,000 tensors",
    "split and split": "100,000 tensors",
    "twins": "two layers of one name",
    "a call before the first": "in a circle",
    "a call that is never made": "in a circle",
    "an hour of steps": "unrolled for 60,000 steps",
    "steps of steps": "unrolled for 67,108,864 steps",
    "both ways of both ways": "cannot be loaded",
    "a pool of millions": "one image at a time",
    "iterations of a norm": "cannot be loaded",
    "equal for each row": "cannot be loaded",
    "tiles of contrast": "one image at a time",
    "many outputs": "150,004 connections",
    "many inputs": "150,004 connections",
    "an infinite input": "invalid dimension",
    "kviz's own layer": "set_epsilon",
    "a layer registered as kviz's": "cannot be loaded",
    "a pattern of axes": "cannot be loaded",
    "a policy by a strange name": "cannot be loaded",
    "units of a list": "positive integer",
    "class names in each other": "Class names are a list",
    "class names of objects": "Class names are a list",
    "a preprocessing of objects": "preprocess takes",
    "a long asset's name": "too long",
    "a member of another case": "'Config.json'",
    "a chunk larger than its data": "declares over 1024 MB",
    "a chunk that inflates": "packed data",
    "one text for all": "variable length",
    "groups in groups": "more entries",
    "a weight a thousand times": "1,048,576,000 numbers",
    "a name that is a list": "two layers of one name",
    "hard_sigmoid everywhere": "cannot be loaded",
    "a constant in every call": "more entries than any model",
    "changes without end": "cannot be loaded",
    "many old outputs": "64,001 connections",
    "Sequential lists": "64 deep",
    "a Lambda by a package's name": "is a Lambda",
    "a Merge of code": "is a Merge",
    "a function that writes": "io.write_file",
    "a function by its name": "os.system",
    "an initializer by its name": "cannot be loaded",
    "a vocabulary elsewhere": "cannot be loaded",
    "an old input of billions": "inputs of shape",
    "nb_filter below zero": "cannot be loaded",
    "nb_row of millions": "cannot be loaded",
    "a wrapped program": "is a TFSMLayer",
}

# One of each kind, for the usual run.
USUAL = (
    "a pattern without an end",
    "a mean for every pixel",
    "an axis taken apart",
    "twins",
    "a call before the first",
    "steps of steps",
    "a chunk larger than its data",
    "one text for all",
    "a weight a thousand times",
    "a name that is a list",
    "a function that writes",
)
USED = """
told.append(len(network.layers))
if network.image_size and all(network.image_size):
    import numpy as np
    network(np.zeros((1, *network.image_size, 3), np.uint8))
"""
OTHERS = {
    "inspect": "try:\n    repr(kviz.inspect({name!r}))\nexcept kviz.KvizError:\n    pass",
    "convert": "kviz.convert({name!r}, 'new.keras')",
}


@pytest.fixture(scope="module")
def of_honest(forks, tmp_path_factory):
    """What an honest file takes, by which others are measured."""
    path = tmp_path_factory.mktemp("honest") / "honest.keras"
    honest(path)
    outcome = forks.load(path, then=USED)
    assert (outcome.kind, outcome.told) == ("", [4]), outcome
    return outcome


def judged(outcome, path, of_honest):
    assert outcome.kind in ("", "ModelError", "OptionError"), outcome
    assert len(outcome.said) <= 300
    assert outcome.said.isprintable()
    # Keras unpacks assets into a folder of its own.
    own = (
        str(Path(tempfile.gettempdir(), "tmp")),
        f"wrote {path.parent}/new.keras",
        f"{path.parent}/.kviz-",
    )
    assert [act for act in outcome.acted if not any(one in act for one in own)] == []
    assert outcome.kept
    if sys.platform == "linux":
        assert outcome.peak < of_honest.peak + 512
    assert outcome.seconds < of_honest.seconds + 10
    assert {place.name for place in path.parent.iterdir()} <= {path.name, "new.keras"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in USUAL else pytest.mark.slow) for name in CASES],
)
def test_a_strangers_file_does_nothing(name, tmp_path, forks, of_honest):
    write, said = CASES[name], SAID.get(name, "")
    path = tmp_path / f"stranger{write.suffix}"
    write(path)
    outcome = forks.load(path, then=USED)
    judged(outcome, path, of_honest)
    assert said in outcome.said
    assert bool(said) == bool(outcome.kind), outcome


@pytest.mark.slow
@pytest.mark.parametrize("verb", OTHERS)
@pytest.mark.parametrize("name", CASES)
def test_nor_where_it_is_looked_at_or_converted(name, verb, tmp_path, forks, of_honest):
    write = CASES[name]
    path = tmp_path / f"stranger{write.suffix}"
    write(path)
    judged(
        forks.load(tmp_path / "none", setup=OTHERS[verb].format(name=path.name)), path, of_honest
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_configs_changed_at_random_do_nothing(seed, tmp_path):
    counts, wrong = fuzz.fuzzed(120, seed, tmp_path, most=100)
    assert wrong == []
    assert counts["refused"] > 10
