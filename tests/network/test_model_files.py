"""Model files: strangers' are refused in one sentence, honest ones load, names travel along."""

import codecs
import io
import json
import marshal
import os
import re
import resource
import shutil
import struct
import sys
import threading
import warnings
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import refusals
from PIL import Image
from refusals import no_hanging

import kviz
from kviz.network.model_files import variables_within


def refused(match, kind=kviz.ModelError):
    return refusals.refused(match, kind)


WEIGHTS = "model.weights.h5"
CLASSES = ["cat", "dog", "Pizza"]


@contextmanager
def little_memory(megabytes=300):
    """Fail if the process's peak of memory grows by more."""
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * unit < megabytes * 1e6


def small_model(*layers, classes=3):
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(2, 3, name="conv"),
            *layers,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(classes, name="dense"),
        ]
    )


def saved(model, path):
    model.save(path)
    return path


def changed(source, target, members=None, config=None, more=()):
    """Copy a .keras file with members replaced or dropped (None), its config edited, and more added."""
    members = members or {}
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            data = members.get(name, old.read(name))
            if name == "config.json" and config:
                tree = json.loads(data)
                data = json.dumps(config(tree) or tree)
            if data is not None:
                new.writestr(name, data)
        for name, data in more:
            new.writestr(name, data)
    return target


def with_weights(source, target, edit):
    """Copy a .keras file, its HDF5 file of weights edited."""
    with zipfile.ZipFile(source) as archive:
        buffer = io.BytesIO(archive.read(WEIGHTS))
    with h5py.File(buffer, "r+") as file:
        edit(file)
    return changed(source, target, {WEIGHTS: buffer.getvalue()})


def entries(tree, kind):
    """Give every dict in a config whose class_name is `kind`."""
    if isinstance(tree, dict):
        if tree.get("class_name") == kind:
            yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            yield from entries(value, kind)


def setting(kind, **values):
    """Return an edit of a config that sets values in the config of every layer of a kind."""

    def edit(config):
        for entry in [*entries(config, kind)]:
            entry["config"].update(values)
            entry.pop("build_config", None)
        config.pop("build_config", None)

    return edit


def pixels(count=2, size=8, channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), np.uint8)


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return saved(small_model(), tmp_path_factory.mktemp("honest") / "honest.keras")


# What is no model at all


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "is empty"),
        (b"no model", "is not a Keras model"),
        (b"P", "is not a Keras model"),
        (b"PK\x03\x04", "broken or truncated"),
        (b"\x89HDF\r\n\x1a\n", "cannot be read as a model"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, data, match):
    path = tmp_path / "model.keras"
    path.write_bytes(data)
    with refused(match):
        kviz.load_model(path)


def test_a_renamed_picture_is_refused(tmp_path):
    path = tmp_path / "cat.keras"
    Image.new("RGB", (9, 9)).save(path, "PNG")
    with refused("is not a Keras model"):
        kviz.load_model(path)


@pytest.mark.parametrize("part", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_called_so(tmp_path, honest, part):
    data = honest.read_bytes()
    path = tmp_path / "cut.keras"
    path.write_bytes(data[: int(len(data) * part)])
    with refused("broken or truncated"):
        kviz.load_model(path)


@pytest.mark.parametrize("length", [8, 100, 2000])
def test_truncated_weights_are_refused(tmp_path, honest, length):
    with zipfile.ZipFile(honest) as archive:
        data = archive.read(WEIGHTS)
    path = changed(honest, tmp_path / "cut.keras", {WEIGHTS: data[:length]})
    with refused("cannot be read as a model"):
        kviz.load_model(path)


def test_any_flipped_bit_is_refused_or_harmless(tmp_path, honest):
    data = honest.read_bytes()
    path = tmp_path / "flipped.keras"
    said, read = [], []
    for place in np.random.default_rng(0).integers(0, len(data), 40):
        flipped = bytearray(data)
        flipped[place] ^= 16
        path.write_bytes(flipped)
        try:
            read.append(kviz.load_model(path).classes)
        except kviz.ModelError as error:  # and nothing else
            said.append(str(error))
    assert len(said) + len(read) == 40
    assert all(len(text) <= 300 and text.isprintable() for text in said)
    assert all(classes == 3 for classes in read)


def test_a_missing_file_is_named_with_its_neighbours(tmp_path, honest):
    shutil.copy(honest, tmp_path / "other.keras")
    with refused(r"There is no file .*missing\.keras\. Beside it there is other\.keras"):
        kviz.load_model(tmp_path / "missing.keras")


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("a\0b.keras", "cannot be read"),
        ("a" * 5000 + ".keras", "cannot be read"),
        ("\n\u202e.keras", "There is no file"),
        ("hf://somebody/model", "There is no file"),
    ],
)
def test_a_path_that_cannot_be_is_refused(path, match):
    with refused(match):
        kviz.load_model(path)


def test_a_folder_and_a_saved_model_are_told_apart(tmp_path):
    with refused("is a folder"):
        kviz.load_model(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    with refused(r"is a SavedModel, .* kviz convert FOLDER NEW\.keras --trust wraps it"):
        kviz.load_model(tmp_path)


def test_a_fifo_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.keras")
    with no_hanging(), refused("not a regular file"):
        kviz.load_model(tmp_path / "pipe.keras")


@pytest.mark.parametrize("trust", [False, True])
def test_what_a_file_is_called_does_not_matter(tmp_path, honest, trust):
    model = small_model()
    model.save(tmp_path / "model.h5")
    (tmp_path / "model.h5").rename(tmp_path / "model.keras")
    shutil.copy(honest, tmp_path / "model.h5")
    shutil.copy(honest, tmp_path / "model.zip")
    expected = keras.saving.load_model(honest)(pixels())
    for name in ("model.h5", "model.zip"):
        network = kviz.load_model(tmp_path / name, trust=trust)
        np.testing.assert_allclose(network(pixels()), expected, rtol=1e-5)
    network = kviz.load_model(tmp_path / "model.keras", trust=trust)
    np.testing.assert_allclose(network(pixels()), model(pixels()), rtol=1e-5)


# What the zip file holds


@pytest.mark.parametrize("name", ["run.py", "assets/../../run.py", "../config.json", "/etc/passwd"])
def test_members_that_keras_does_not_write_are_refused(tmp_path, honest, name):
    path = changed(honest, tmp_path / "more.keras", more=[(name, b"x")])
    with refused(f"holds '{re.escape(name)}'. Expected metadata.json"):
        kviz.load_model(path)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("config.json", r"weights without their model\. .*load_weights"),
        (WEIGHTS, "without its weights"),
    ],
)
def test_a_member_that_lacks_says_what_the_file_is(tmp_path, honest, name, match):
    path = changed(honest, tmp_path / "less.keras", {name: None})
    with refused(match):
        kviz.load_model(path)


def test_two_members_of_one_name_are_refused(tmp_path, honest):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = changed(honest, tmp_path / "two.keras", more=[("config.json", b"{}")])
    with refused("two of one name"):
        kviz.load_model(path)


def test_too_many_members_are_refused(tmp_path, honest):
    many = [(f"assets/{place}", b"") for place in range(1001)]
    with refused("too many members"):
        kviz.load_model(changed(honest, tmp_path / "many.keras", more=many))


def test_a_long_list_of_members_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "many.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for place in range(15_000):
            archive.writestr(f"assets/{'a' * 40}{place}", b"")
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with refused("has too many members; it is not as Keras saves it"):
        kviz.load_model(path)


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_a_member_of_json_over_64_mb_is_refused(tmp_path, honest, name):
    path = changed(honest, tmp_path / "bomb.keras", {name: b" " * ((64 << 20) + 1)})
    assert path.stat().st_size < 1e6
    with little_memory(), refused(f"{name} of over 64 MB"):
        kviz.load_model(path)


def test_assets_are_measured_together(tmp_path, honest):
    # Each member alone is small enough.
    many = [(f"assets/{place}", bytes(9 << 20)) for place in range(8)]
    path = changed(honest, tmp_path / "bomb.keras", more=many)
    assert path.stat().st_size < 1e6
    with little_memory(), refused("decompression bomb"):
        kviz.load_model(path)


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ('{"a":' * 65 + "1" + "}" * 65, "nested more than 64 deep"),
        ("[" * 100_000 + "]" * 100_000, "nested more than 64 deep"),
        ("[" + "[]," * 1_000_001 + "1]", "more entries than any model"),
        ("{", "config is not JSON"),
        ("\udcff".encode("utf-8", "surrogatepass"), "config is not JSON"),
        ("9" * 5000, "config is not JSON"),
        ("[1]", "cannot be loaded"),
        ("null", "cannot be loaded"),
        ('"text"', "cannot be loaded"),
        ("{}", "cannot be loaded|no model"),
        ('{"class_name": {}, "config": []}', "which is no name"),
        ('{"class_name": "Model", "registered_name": ["x"], "config": {}}', "not among the layers"),
    ],
)
def test_a_config_that_is_no_model_is_refused(tmp_path, honest, config, match):
    path = changed(honest, tmp_path / "odd.keras", {"config.json": config})
    with little_memory(), refused(match):
        kviz.load_model(path)


@pytest.mark.parametrize(
    ("thing", "match"),
    [
        (keras.optimizers.Adam, r"names 'keras\.optimizers\.Adam', which is not among"),
        (keras.layers.Flatten, "holds a Flatten, no model"),
    ],
)
def test_a_file_that_holds_another_keras_object_is_refused(tmp_path, honest, thing, match):
    config = keras.saving.serialize_keras_object(thing())
    path = changed(honest, tmp_path / "thing.keras", {"config.json": json.dumps(config)})
    with refused(match):
        kviz.load_model(path)


def test_more_than_5000_layers_are_refused(tmp_path, honest):
    def many(config):
        config["config"]["layers"] *= 1251

    with refused("more than 5,000 layers"):
        kviz.load_model(changed(honest, tmp_path / "many.keras", config=many))


# What would fill the memory


def huge(file):
    file.create_dataset("huge", (1_000_000_000,), "f4", chunks=(1_000_000,), compression="gzip")


def soft(file):
    file["link"] = h5py.SoftLink("/layers")


def elsewhere(file):
    file["link"] = h5py.ExternalLink("/etc/hostname", "/x")


def external(file):
    file.create_dataset("data", (10,), "u1", external=[("/etc/hostname", 0, 10)])


def virtual(file):
    layout = h5py.VirtualLayout((10,), "u1")
    layout[:] = h5py.VirtualSource("/etc/hostname", "data", (10,))
    file.create_virtual_dataset("data", layout)


def circle(file):
    group = file.create_group("circle")
    for place in range(20):
        group[str(place)] = group


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (huge, r"declares over 38\d\d MB and stores 0 MB"),
        (soft, "links to other files or places"),
        (elsewhere, "links to other files or places"),
        (external, "takes data from other files"),
        (virtual, "takes data from other files"),
        (circle, "holds an entry twice"),
    ],
)
def test_weights_that_declare_too_much_or_lead_elsewhere_are_refused(tmp_path, honest, edit, match):
    path = with_weights(honest, tmp_path / "odd.keras", edit)
    assert path.stat().st_size < 1e5
    with little_memory(), refused(match):
        kviz.load_model(path)


def test_a_dense_layer_far_larger_than_its_file_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(2)])
    path = changed(
        saved(model, tmp_path / "small.keras"),
        tmp_path / "bomb.keras",
        config=setting("Dense", units=6_000_000),
    )
    assert path.stat().st_size < 20_000
    with little_memory(), refused("far more weights than its file holds"):
        kviz.load_model(path)


@pytest.mark.parametrize(
    ("layer", "shape", "bomb"),
    [
        (keras.layers.Normalization(mean=0.0, variance=1.0), (None, 8, 3), (None, 8, 200_000_000)),
        (keras.layers.Normalization(mean=0.0, variance=1.0), (None, 8, 3), (None, 0, 200_000_000)),
        (keras.layers.LSTM(2, stateful=True), (2, 8, 3), (200_000_000, 8, 3)),
    ],
)
def test_an_input_larger_than_any_image_is_refused(tmp_path, layer, shape, bomb):
    # These layers keep constants or states of their input's size, which no file holds.
    model = keras.Sequential([keras.Input(batch_shape=shape), layer])
    source = saved(model, tmp_path / "small.keras")
    edit = setting("InputLayer", batch_shape=bomb)
    path = changed(source, tmp_path / "bomb.keras", config=edit)
    with little_memory(), refused("inputs of shape .*200000000"):
        kviz.load_model(path)

    def build(config):
        next(entries(config, type(layer).__name__))["build_config"] = {"input_shape": bomb}

    path = changed(source, tmp_path / "built.keras", config=build)
    with little_memory(), refused("inputs of shape .*200000000"):
        kviz.load_model(path)


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 4), ("bfloat16", 2), ("int8", 1), ("float64", 8)]
)
def test_the_budget_is_kept_to_the_byte(dtype, size):
    keep = keras.Variable.__init__
    with variables_within(10 * size):
        keras.Variable("zeros", (2, 5), dtype)
    with refused("far more weights"), variables_within(10 * size):
        keras.Variable("zeros", shape=(11,), dtype=dtype)
    with refused("far more weights"), variables_within(10 * size):
        keras.Variable("zeros", (10,), dtype)
        keras.Variable("zeros", (1,), dtype)
    assert keras.Variable.__init__ is keep


def test_the_budget_counts_variables_made_from_arrays():
    with refused("far more weights"), variables_within(40):
        keras.Variable(np.zeros(11, "float32"))


def test_a_negative_size_raises_no_budget():
    with refused("far more weights"), variables_within(40):
        keras.Variable("zeros", (2, -(10**12)))
    with refused("far more weights"), variables_within(40):
        keras.Variable("zeros", (-2, -2))


def test_a_refusal_that_is_swallowed_is_final():
    made = []
    with refused("far more weights"), variables_within(40):
        for size in (11, 1):
            try:
                made.append(keras.Variable("zeros", (size,)))
            except kviz.ModelError as error:
                made.append(error)
        raise ValueError("what Keras makes of it")
    assert [type(thing) for thing in made] == [kviz.ModelError] * 2
    with refused("far more weights"), variables_within(40), suppress(kviz.ModelError):
        keras.Variable("zeros", (11,))
    assert keras.Variable("zeros", (11,)).shape == (11,)


def test_what_starts_at_random_starts_as_zeros_where_values_come_after():
    random = [keras.initializers.GlorotUniform(), keras.initializers.Orthogonal()]
    with variables_within(1000, zeros=True):
        for start in random:
            assert not np.any(keras.Variable(start, (3, 3), "float32", name="w"))
            assert not np.any(keras.Variable(initializer=start, shape=(3, 3), trainable=False))
        assert np.all(keras.Variable(keras.initializers.Ones(), (3,)))
        assert np.all(keras.Variable(np.ones(3, "float32")))
    with variables_within(1000):
        assert np.all(keras.Variable(random[0], (3, 3)))


def zeros(file):
    for name in file["layers"]:
        for key in file["layers"][name]["vars"]:
            size = file["layers"][name]["vars"][key].shape
            del file["layers"][name]["vars"][key]
            file["layers"][name]["vars"].create_dataset(key, data=np.zeros(size, "f4"))
    file.create_dataset("more", data=np.zeros(15_000_000, "f4"))


def test_zeros_that_unpack_buy_no_memory(tmp_path, honest):
    path = with_weights(honest, tmp_path / "zeros.keras", zeros)
    assert path.stat().st_size < 1e5
    with refused("declares over|far more weights"):
        kviz.load_model(path)


def test_a_weights_file_that_is_compressed_inside_buys_what_it_takes_on_the_disk(tmp_path):
    # 16 MB declared, 5 on the disk, which buy 20.
    model = keras.Sequential([keras.Input((1000,)), keras.layers.Dense(4_000)])
    noise = np.random.default_rng(0).integers(0, 256, (1000, 4_000)).astype("f4")
    model.layers[0].set_weights([noise, np.zeros(4_000, "f4")])
    source = saved(model, tmp_path / "plain.keras")
    path = changed(source, tmp_path / "packed.keras")  # deflated: an honest file all the same
    assert path.stat().st_size < 0.4 * source.stat().st_size
    np.testing.assert_array_equal(kviz.load_model(path).model.layers[0].kernel, noise)


def test_what_is_loaded_is_what_was_looked_at(tmp_path, honest, monkeypatch):
    path = tmp_path / "model.keras"
    shutil.copy(honest, path)
    other = saved(small_model(classes=7), tmp_path / "other.keras")
    load, seen = keras.saving.load_model, []

    def exchanging(source, **options):
        shutil.copy(other, path)
        seen.append(Path(source))
        assert Path(source).exists()
        return load(source, **options)

    monkeypatch.setattr(keras.saving, "load_model", exchanging)
    assert kviz.load_model(path).classes == 3
    assert not seen[0].exists()
    assert not seen[0].parent.exists()
    assert kviz.load_model(path).classes == 7
    with refused("not a Keras model|broken"):
        path.write_bytes(b"PK")
        kviz.load_model(path)


def test_the_copy_is_removed_where_loading_fails(tmp_path, honest, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = changed(honest, tmp_path / "bad.keras", config=setting("Conv2D", filters="many"))
    with refused("cannot be loaded"):
        kviz.load_model(path)
    assert not [*(tmp_path / "temporary").iterdir()]


def test_the_budget_is_this_threads_alone():
    made = []
    with variables_within(0):
        other = threading.Thread(target=lambda: made.append(keras.Variable("zeros", (9,))))
        other.start()
        other.join()
    assert made[0].shape == (9,)
    assert keras.Variable("zeros", (9,)).shape == (9,)


# What runs code, and what is not Keras's


def test_a_lambda_needs_trust(tmp_path):
    layer = keras.layers.Lambda(lambda x: x * 2, name="double", output_shape=(6, 6, 2))
    model = small_model(layer)
    path = saved(model, tmp_path / "lambda.keras")
    with refused(r"Layer 'double' is a Lambda, .*trust=True"):
        kviz.load_model(path)
    network = kviz.load_model(path, trust=True)
    np.testing.assert_allclose(network(pixels()), model(pixels()), rtol=1e-5)


def code_of_old_python(numbers):
    """Return the code of `lambda x: x * 2` as Python 3.7 (5 numbers) and 3.8 to 3.10 (6) keep it."""
    code = b"|\x00d\x01\x14\x00S\x00"
    parts = [code, (None, 2), (), ("x",), (), (), "<stdin>", "<lambda>"]
    written = [marshal.dumps(part, 2) for part in parts]
    numbers = b"".join(struct.pack("<i", number) for number in numbers)
    return b"c" + numbers + b"".join(written) + struct.pack("<i", 1) + marshal.dumps(b"", 2)


@pytest.mark.parametrize("numbers", [(1, 0, 1, 2, 67), (1, 0, 0, 1, 2, 67)])
def test_a_lambda_of_another_python_says_so(tmp_path, numbers):
    layer = keras.layers.Lambda(lambda x: x * 2, name="double", output_shape=(6, 6, 2))
    code = codecs.encode(code_of_old_python(numbers), "base64").decode("ascii")

    def swap(config):
        next(entries(config, "__lambda__"))["config"]["code"] = code

    source = saved(small_model(layer), tmp_path / "lambda.keras")
    path = changed(source, tmp_path / "old.keras", config=swap)
    with refused("cannot be loaded: a Lambda in it was saved by another version of Python"):
        kviz.load_model(path, trust=True)


@pytest.mark.parametrize("name", ["Lambda", "layers.Lambda"])
def test_a_lambda_that_names_a_keras_function_needs_trust_too(tmp_path, name):
    source = saved(small_model(keras.layers.Lambda(keras.ops.relu, name="f")), tmp_path / "l.keras")

    def rename(config):
        next(entries(config, "Lambda")).update(
            class_name=name, module="keras" if "." in name else "keras.layers"
        )

    path = changed(source, tmp_path / "named.keras", config=rename)
    with refused(r"Layer 'f' is a Lambda, .*trust=True"):
        kviz.load_model(path)
    assert kviz.load_model(path, trust=True).classes == 3


@pytest.mark.parametrize("kind", ["TFSMLayer", "TorchModuleWrapper"])
def test_layers_that_hold_programs_need_trust(tmp_path, honest, kind):
    def swap(config):
        next(entries(config, "Conv2D")).update(
            class_name=kind, config={"name": "inner", "filepath": "x"}
        )

    with refused(f"Layer 'inner' is a {kind}, .*trust=True"):
        kviz.load_model(changed(honest, tmp_path / "code.keras", config=swap))


def test_a_lambda_inside_a_layer_needs_trust(tmp_path, honest):
    program = {"class_name": "__lambda__", "config": {"value": ["", None, None]}}
    path = changed(honest, tmp_path / "act.keras", config=setting("Dense", activation=program))
    with refused("holds a lambda, .*trust=True"):
        kviz.load_model(path)


def test_a_hostile_layer_name_stays_one_line_in_a_refusal(tmp_path):
    name = "a\n\u202e<b>" + "x" * 990
    path = saved(small_model(keras.layers.Lambda(keras.ops.relu, name=name)), tmp_path / "l.keras")
    with refused(r"Layer 'a\?\?<b>xx.*' is a Lambda"):
        kviz.load_model(path)


class Twice(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2


@keras.saving.register_keras_serializable(package="kviz-tests")
class Thrice(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 3


def halved(x):
    return x / 2


def test_an_unknown_class_is_named_with_how_to_pass_it(tmp_path):
    model = small_model(Twice())
    path = saved(model, tmp_path / "twice.keras")
    with refused(r"classes of its own: 'Twice'.*custom_objects=\{'Twice': Twice\}"):
        kviz.load_model(path)
    with keras.saving.custom_object_scope({"Twice": Twice}):
        assert kviz.load_model(path).classes == 3
    network = kviz.load_model(path, custom_objects={"Twice": Twice})
    np.testing.assert_allclose(network(pixels()), model(pixels()), rtol=1e-5)


def test_an_unknown_function_is_named_with_how_to_pass_it(tmp_path):
    path = saved(small_model(keras.layers.Activation(halved)), tmp_path / "halved.keras")
    with refused(r"its own: 'halved'.*custom_objects=\{'halved': halved\}"):
        kviz.load_model(path)
    assert kviz.load_model(path, custom_objects={"halved": halved}).classes == 3
    with refused("its own: 'halved'"):  # given for one file, known for one file
        kviz.load_model(path)


@pytest.mark.parametrize("given", [["Twice"], {"Twice": 5}, {5: Twice}, "Twice"])
def test_custom_objects_are_classes_and_functions_by_name(honest, given):
    with refused("custom_objects takes a dict of classes and functions by name", kviz.OptionError):
        kviz.load_model(honest, custom_objects=given)


def test_a_registered_class_loads_and_an_unregistered_package_is_named(tmp_path):
    path = saved(small_model(Thrice()), tmp_path / "thrice.keras")
    assert kviz.load_model(path).classes == 3

    def rename(config):
        next(entries(config, "Thrice"))["registered_name"] = "gone>Thrice"

    path = changed(path, tmp_path / "gone.keras", config=rename)
    # Keras looks for the registered name, so that is the one to pass.
    with refused(r"its own: 'Thrice'.*custom_objects=\{'gone>Thrice': Thrice\}"):
        kviz.load_model(path)
    assert kviz.load_model(path, custom_objects={"gone>Thrice": Thrice}).classes == 3


def test_a_class_of_keras_hub_is_told_as_such(tmp_path):
    source = saved(small_model(Thrice()), tmp_path / "thrice.keras")

    def rename(config):
        entry = next(entries(config, "Thrice"))
        entry.update(module="keras_hub.src.models", registered_name="keras_hub>Thrice")

    path = changed(source, tmp_path / "hub.keras", config=rename)
    with refused("classes of keras_hub: 'Thrice'. Import it first: import keras_hub."):
        kviz.load_model(path)


def test_many_unknown_classes_make_one_short_sentence(tmp_path, honest):
    def swap(config):
        layers = config["config"]["layers"]
        for place in range(50):
            name = f"{place}" + "<b>\n" * 50
            layers.append({"class_name": name, "registered_name": name, "config": {}})

    with refused("classes of its own"):
        kviz.load_model(changed(honest, tmp_path / "own.keras", config=swap))


def test_what_a_model_was_trained_with_does_not_matter(tmp_path):
    model = small_model()
    model.compile("adam", loss=halved, metrics=[halved])
    path = saved(model, tmp_path / "trained.keras")
    assert kviz.load_model(path).classes == 3


@pytest.mark.parametrize("trust", [False, True])
def test_an_h5_file_loads_as_a_keras_file_does(tmp_path, trust):
    model = functional()
    model.compile("adam", "mse")
    network = kviz.load_model(saved(model, tmp_path / "legacy.h5"), trust=trust)
    np.testing.assert_allclose(network(pixels()), model(pixels()), rtol=1e-5)


def test_a_lambda_in_h5_needs_trust(tmp_path):
    path = saved(small_model(keras.layers.Lambda(lambda x: x * 2)), tmp_path / "legacy.h5")
    with refused("is a Lambda, which runs code .*trust=True"):
        kviz.load_model(path)
    assert kviz.load_model(path, trust=True).classes == 3


def test_weights_without_a_model_are_refused(tmp_path):
    small_model().save_weights(tmp_path / "only.weights.h5")
    with refused(r"weights without their model\. Build the model .*load_weights"):
        kviz.load_model(tmp_path / "only.weights.h5")


@pytest.mark.parametrize("config", [5, 10**13, [1, 2], "{", "[" * 100_000])
def test_a_broken_config_in_h5_is_refused(tmp_path, config):
    with h5py.File(tmp_path / "odd.h5", "w", libver="latest") as file:
        file.attrs["model_config"] = config
    with little_memory(), refused("not JSON|64 deep"):
        kviz.load_model(tmp_path / "odd.h5")


def test_trust_does_not_open_links_in_h5(tmp_path):
    path = saved(small_model(), tmp_path / "legacy.h5")
    with h5py.File(path, "r+") as file:
        elsewhere(file)
    with refused("links to other files"):
        kviz.load_model(path, trust=True)


# What is not wrong but must be known


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_noted_on_every_result(tmp_path, value):
    model = small_model()
    model.get_layer("conv").kernel.assign(np.full((3, 3, 3, 2), value))
    path = saved(model, tmp_path / "nan.keras")
    with pytest.warns(kviz.KvizWarning, match="not finite .*conv/kernel"):
        network = kviz.load_model(path)
    assert len(network.notes) == 1
    assert "conv/kernel" in network.notes[0]
    assert "dense" not in network.notes[0]
    assert kviz.activations(network, pixels()).notes == network.notes
    assert kviz.predict(network, pixels()).notes == network.notes
    assert kviz.weights(network).notes == network.notes


def test_large_but_finite_weights_are_not_noted(tmp_path):
    model = small_model()
    model.get_layer("conv").kernel.assign(np.full((3, 3, 3, 2), 3e38))  # whose sum is infinite
    assert kviz.load_model(saved(model, tmp_path / "large.keras")).notes == ()


HOSTILE_NAMES = [
    "<img src=x onerror=alert(1)>",
    "..",
    ".",
    "",
    "a\nb",
    "x\u202ey",
    "n" * 1000,
    "{{7*7}}",
    "CON",
]


def assert_safe(files, folder):
    assert files
    for file in files:
        assert file.parent == folder
        assert file.is_file()
        assert re.fullmatch(r"\d{3}_[A-Za-z0-9_-]{1,60}\.png", file.name)
    assert sorted(files) == sorted(folder.iterdir())


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_layer_name_is_no_file_name(tmp_path, name):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name=name)])
    network = kviz.load_model(saved(model, tmp_path / "named.keras"))
    assert_safe(kviz.weights(network).save(tmp_path / "kernels"), tmp_path / "kernels")
    maps = kviz.activations(network, pixels(1)).save(tmp_path / "maps")
    assert_safe(maps, tmp_path / "maps")


# Honest models load


def dense_stack():
    # Wide, so that what the file stores counts and not the budget's spare megabyte.
    wide = [keras.layers.Dense(1200, name=f"wide{place}") for place in range(2)]
    return keras.Sequential([keras.Input((8,)), *wide, keras.layers.Dense(3)])


def functional():
    inputs = keras.Input((8, 8, 3))
    left = keras.layers.Conv2D(2, 3, padding="same")(inputs)
    right = keras.layers.SeparableConv2D(2, 3, padding="same")(inputs)
    merged = keras.layers.BatchNormalization()(keras.layers.Add()([left, right]))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(merged)))


def by_add():
    model = keras.Sequential()
    model.add(keras.layers.Conv2D(2, 3))
    model.add(keras.layers.Dropout(0.5))
    model.build((None, 8, 8, 3))
    return model


def nested():
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), functional()])


def normalized():
    layer = keras.layers.Normalization()
    layer.adapt(np.random.default_rng(0).random((5, 8, 8, 3)))
    return keras.Sequential([keras.Input((8, 8, 3)), layer, keras.layers.Conv2D(2, 3)])


def lookup():
    layer = keras.layers.StringLookup(vocabulary=["a", "b"])
    return keras.Sequential(
        [keras.Input((1,), dtype="string"), layer, keras.layers.Embedding(3, 2)]
    )


def text():
    layer = keras.layers.TextVectorization(max_tokens=9)
    layer.adapt(["a b c"])
    return keras.Sequential([keras.Input((), dtype="string"), layer, keras.layers.Embedding(9, 2)])


def trained():
    model = dense_stack()
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def nested_trained():
    return keras.Sequential([keras.Input((8,)), trained()])


def stateful():
    inputs = keras.Input((8, 3), batch_size=2)
    return keras.Model(inputs, keras.layers.LSTM(4, stateful=True)(inputs))


def shared():
    layer = keras.layers.Dense(8)
    inputs = keras.Input((8,))
    return keras.Model(inputs, layer(layer(inputs)))


def of_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return dense_stack()
    finally:
        keras.config.set_dtype_policy(before)


def quantized(mode):
    model = dense_stack()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an input layer cannot be quantized
        model.quantize(mode)
    return model


def values_by_name(model):
    """Return weights by layer and name: the order and the model's name may change on disk."""
    names = ["/".join(weight.path.split("/")[-2:]) for weight in model.weights]
    assert len(set(names)) == len(names)
    values = dict(zip(names, model.weights, strict=True))
    return {name: np.asarray(values[name].value) for name in sorted(values)}


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        *[
            (build, ())
            for build in (
                functional,
                by_add,
                nested,
                normalized,
                lookup,
                text,
                trained,
                nested_trained,
                stateful,
                shared,
            )
        ],
        *[(of_policy, (p,)) for p in ("mixed_float16", "bfloat16", "float16", "float64")],
        *[(quantized, (mode,)) for mode in ("int8", "int4", "float8")],
    ],
)
def test_an_honest_model_loads_with_its_weights(tmp_path, build, arguments):
    model = build(*arguments)
    network = kviz.load_model(saved(model, tmp_path / "honest.keras"))
    ours, theirs = values_by_name(network.model), values_by_name(model)
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        assert ours[name].dtype == value.dtype
        np.testing.assert_array_equal(ours[name], value)
    assert network.notes == ()
    if build in (functional, by_add, nested, normalized):
        np.testing.assert_allclose(network(pixels()), model(pixels() * 1.0), rtol=1e-4, atol=1e-4)


def test_assets_still_work(tmp_path):
    network = kviz.load_model(saved(text(), tmp_path / "text.keras"))
    vectorize = next(
        x for x in network.model.layers if isinstance(x, keras.layers.TextVectorization)
    )
    assert vectorize.get_vocabulary()[2:] == ["c", "b", "a"]


def test_a_file_with_a_long_name_loads(tmp_path, honest):
    # The name of its class names' file would be too long to exist.
    path = tmp_path / ("n" * 245 + ".keras")
    shutil.copy(honest, path)
    assert kviz.load_model(path).class_names is None


# Class names


@pytest.mark.parametrize(
    "given",
    [
        CLASSES,
        tuple(CLASSES),
        dict(enumerate(CLASSES)),
        {"2": "Pizza", "0": "cat", "1": "dog"},
        {"dog": 1, "cat": 0, "Pizza": 2},
        {str(index): ["n0144", name] for index, name in enumerate(CLASSES)},
    ],
)
def test_class_names_are_taken_in_every_form(tmp_path, honest, given):
    assert kviz.load_model(honest, class_names=given).class_names == tuple(CLASSES)
    path = tmp_path / "names.json"
    path.write_text(json.dumps(given), encoding="utf-8")
    assert kviz.load_model(honest, class_names=path).class_names == tuple(CLASSES)
    assert kviz.load_model(honest, class_names=str(path)).class_names == tuple(CLASSES)


@pytest.mark.parametrize("text", ["cat\ndog\nPizza", "\ufeffcat\r\ndog\r\n\r\n Pizza \r\n"])
def test_class_names_come_from_a_text_file(tmp_path, honest, text):
    path = tmp_path / "names.txt"
    path.write_bytes(text.encode())
    assert kviz.load_model(honest, class_names=path).class_names == tuple(CLASSES)


def test_class_names_argument_goes_before_the_file_before_its_neighbour(tmp_path, honest):
    path = tmp_path / "model.keras"
    shutil.copy(honest, path)
    assert kviz.load_model(path).class_names is None
    (tmp_path / "model.class_names.json").write_text('["x", "y", "z"]', encoding="utf-8")
    assert kviz.load_model(path).class_names == ("x", "y", "z")
    kviz.save_model(kviz.load_model(honest, class_names=CLASSES), path, force=True)
    assert kviz.load_model(path).class_names == tuple(CLASSES)
    given = kviz.load_model(path, class_names=["1st", "2nd", "3rd"])
    assert given.class_names == ("1st", "2nd", "3rd")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (["cat"], "has 3 classes. Received: 1"),
        ([], "a list of strings"),
        ([1, 2, 3], "a list of strings"),
        (5, "a list of strings"),
        ([[], "b", "c"], "a list of strings"),
        ({"0": "cat", "2": "dog"}, "need the indices 0, 1, 2"),
        ({"cat": 1, "dog": 2, "Pizza": 3}, "need the indices 0, 1, 2"),
        ({"cat": 0, "dog": 0, "Pizza": 1}, "need the indices 0, 1, 2"),
    ],
)
def test_class_names_that_are_none_are_refused(honest, given, match):
    with refused(match):
        kviz.load_model(honest, class_names=given)


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("names.json", b"{", "cannot be read"),
        ("names.json", b"5", "a list of strings"),
        ("names.json", b"[" * 100_000, "cannot be read"),
        ("names.json", b"\xff\xfe", "cannot be read"),
        ("names.txt", b"\xff", "cannot be read"),
        ("names.txt", b"", "a list of strings"),
        ("names.txt", None, "There is no file"),
        ("names.json", b"[" + b'"",' * 1_000_001 + b'""]', "more entries than any model"),
        ("names.json", b"[" + b"0," * 1_000_001 + b"0]", "more entries than any model"),
        ("names.txt", b"\n" * 1_000_001, "more lines than any model"),
        ("names.txt", b"a" * 1001, "over 1000 characters"),
    ],
)
def test_a_broken_file_of_class_names_is_refused(tmp_path, honest, name, data, match):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with refused(match):
        kviz.load_model(honest, class_names=tmp_path / name)


def test_a_fifo_of_class_names_does_not_hang(tmp_path, honest):
    os.mkfifo(tmp_path / "pipe.txt")
    with no_hanging(), refused("not a regular file"):
        kviz.load_model(honest, class_names=tmp_path / "pipe.txt")


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ("/etc/hostname", "are not a list"),
        (5, "are not a list"),
        ({"0": "cat"}, "are not a list"),
        ([1, 2, 3], "a list of strings"),
        (["cat"], "has 3 classes. Received: 1"),
    ],
)
def test_class_names_inside_a_strangers_file_are_a_list_and_no_path(tmp_path, honest, names, match):
    metadata = json.dumps({"kviz": {"class_names": names}})
    path = changed(honest, tmp_path / "odd.keras", {"metadata.json": metadata})
    with refused(match):
        kviz.load_model(path)


@pytest.mark.parametrize("metadata", ["[]", "5", '{"kviz": 5}', '{"kviz": {"class_names": null}}'])
def test_other_metadata_is_ignored(tmp_path, honest, metadata):
    path = changed(honest, tmp_path / "other.keras", {"metadata.json": metadata})
    assert kviz.load_model(path).class_names is None


def test_a_file_without_metadata_loads(tmp_path, honest):
    path = changed(honest, tmp_path / "without.keras", {"metadata.json": None})
    assert kviz.load_model(path).classes == 3


def test_class_index_takes_names_and_indices(honest):
    network = kviz.load_model(honest, class_names=CLASSES)
    assert [network.class_index(name) for name in ("cat", "DOG", "pizza", "Pizza")] == [0, 1, 2, 2]
    assert [network.class_index(index) for index in (0, 2, -1, "-3", "1")] == [0, 2, 2, 0, 1]
    assert network.class_index(np.int64(1)) == 1


@pytest.mark.parametrize(
    ("which", "match"),
    [
        (3, "from 0 to 2. Received: 3"),
        (-4, "from 0 to 2. Received: -4"),
        ("3", "from 0 to 2. Received: 3"),
        ("piza", "no class 'piza'. Did you mean 'Pizza'"),
        ("zebra", "There is: 'cat', 'dog', 'Pizza'"),
        ("--1", "no class '--1'"),
        ("\u00b2", "no class"),
        (1.5, "an index or a name"),
        (None, "an index or a name"),
    ],
)
def test_class_index_refuses_what_is_no_class(honest, which, match):
    network = kviz.load_model(honest, class_names=CLASSES)
    with refused(match, kviz.OptionError):
        network.class_index(which)


def test_class_index_of_names_that_repeat_or_differ_in_case(honest):
    network = kviz.load_model(honest, class_names=["crane", "Cat", "crane"])
    with refused(r"2 classes are named 'crane'. Give an index: \[0, 2\]", kviz.OptionError):
        network.class_index("crane")
    assert network.class_index("cat") == 1
    network = kviz.load_model(honest, class_names=["Cat", "cat", "dog"])
    assert network.class_index("cat") == 1
    with refused("2 classes are named 'CAT'", kviz.OptionError):
        network.class_index("CAT")


def test_class_index_prefers_a_name_made_of_digits(honest):
    network = kviz.load_model(honest, class_names=["2", "1", "50"])
    assert [network.class_index(which) for which in ("2", "50", "0", 2)] == [0, 2, 0, 2]


def test_class_index_without_names(honest):
    with refused("has no class names, so 'cat' means nothing", kviz.OptionError):
        kviz.load_model(honest).class_index("cat")


# Preprocessing


def identity():
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Identity()])


@pytest.mark.parametrize("name", ["vgg16", "mobilenet_v2", "densenet", "efficientnet"])
def test_preprocessing_by_name_is_that_of_keras_applications(tmp_path, name):
    module = getattr(keras.applications, name)
    path = saved(identity(), tmp_path / "identity.keras")
    expected = module.preprocess_input(pixels().astype("float32"))
    network = kviz.load_model(path, preprocess=name)
    np.testing.assert_allclose(network(pixels()), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("preprocess", [lambda x: x / 2, keras.layers.Rescaling(0.5)])
def test_preprocessing_by_function_and_by_layer(tmp_path, preprocess):
    network = kviz.load_model(saved(identity(), tmp_path / "i.keras"), preprocess=preprocess)
    np.testing.assert_allclose(network(pixels()), pixels() / 2)


@pytest.mark.parametrize(
    ("given", "low", "high"), [("0..1", 0, 1), ("-1..1", -1, 1), ("-.5..2e1", -0.5, 20)]
)
def test_preprocessing_to_a_range(tmp_path, given, low, high):
    network = kviz.load_model(saved(identity(), tmp_path / "i.keras"), preprocess=given)
    expected = low + (high - low) * pixels().astype(float) / 255
    np.testing.assert_allclose(network(pixels()), expected, rtol=1e-5, atol=1e-6)
    again = kviz.load_model(kviz.save_model(network, tmp_path / "again.keras"))
    assert again.preprocess == given
    np.testing.assert_array_equal(again(pixels()), network(pixels()))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("1..0", "a range such as '0..1'"),
        ("1..1", "Received: '1..1'"),
        ("nan..1", "Received: 'nan..1'"),
        ("0..inf", "Received:"),
        ("0...1", "Received:"),
        ("0..1..2", "Received:"),
        ("vgg61", "Did you mean .*'vgg16'"),
        ("", "keras.applications module"),
        (5, "Received: 5"),
        (["vgg16"], "Received:"),
    ],
)
def test_unknown_preprocessing_is_refused(honest, given, match):
    with refused(match, kviz.OptionError):
        kviz.load_model(honest, preprocess=given)


@pytest.mark.parametrize("named", ["vgg61", 5, ["vgg16"]])
def test_unknown_preprocessing_in_a_strangers_file_is_the_files_fault(tmp_path, honest, named):
    metadata = json.dumps({"kviz": {"preprocess": named}})
    path = changed(honest, tmp_path / "odd.keras", {"metadata.json": metadata})
    with refused("The preprocessing in .*odd.keras"):
        kviz.load_model(path)


# Saving


def test_a_saved_network_is_read_by_keras_and_by_kviz(tmp_path, honest):
    network = kviz.load_model(honest, class_names=CLASSES, preprocess="vgg16")
    path = kviz.save_model(network, tmp_path / "copy.keras")
    assert [*tmp_path.iterdir()] == [path]
    expected = network.model(pixels())
    np.testing.assert_array_equal(keras.saving.load_model(path)(pixels()), expected)
    again = kviz.load_model(path)
    assert again.class_names == tuple(CLASSES)
    assert again.preprocess == "vgg16"
    np.testing.assert_array_equal(again(pixels()), network(pixels()))


def test_saving_text_assets(tmp_path):
    network = kviz.load_model(saved(text(), tmp_path / "text.keras"))
    path = kviz.save_model(network, tmp_path / "copy.keras")
    assert keras.saving.load_model(path)(np.array(["c a"])).shape == (1, 2, 2)


@pytest.mark.parametrize("name", ["model.h5", "model", "model.keras.zip"])
def test_saving_under_another_suffix_is_refused(tmp_path, honest, name):
    with refused(r"ending in \.keras", kviz.OutputError):
        kviz.save_model(kviz.load_model(honest), tmp_path / name)


def test_a_function_as_preprocessing_cannot_be_saved(tmp_path, honest):
    network = kviz.load_model(honest, preprocess=lambda x: x / 2)
    with refused("cannot be saved", kviz.OptionError):
        kviz.save_model(network, tmp_path / "copy.keras")
    assert not [*tmp_path.iterdir()]


class Unsaveable(keras.layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, inputs):
        return inputs

    def get_config(self):
        raise NotImplementedError("several\nlines " + "x" * 500)


def test_a_model_that_keras_cannot_save_leaves_what_was_there(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"before")
    with refused("Keras cannot save the model: several lines", kviz.OutputError):
        kviz.save_model(kviz.Network(small_model(Unsaveable(2))), path, force=True)
    assert path.read_bytes() == b"before"
    assert [*tmp_path.iterdir()] == [path]


def test_a_model_is_saved_over_ones_own_and_a_strangers_by_force(tmp_path, honest):
    network, path = kviz.load_model(honest), tmp_path / "model.keras"
    before = path.write_bytes(honest.read_bytes())
    with refused("kviz did not write .*force=True replaces it", kviz.OutputError):
        kviz.save_model(network, path)
    assert path.stat().st_size == before
    kviz.save_model(network, path, force=True)
    kviz.save_model(kviz.load_model(path), path)
    assert kviz.load_model(path).model.count_params() == network.model.count_params()


def test_saving_into_a_folder_that_is_not_there(tmp_path, honest):
    network = kviz.load_model(honest)
    with refused("its folder does not exist", kviz.OutputError):
        kviz.save_model(network, tmp_path / "none" / "model.keras")
    with refused("a folder of that name is in the way", kviz.OutputError):
        (tmp_path / "model.keras").mkdir()
        kviz.save_model(network, Path(tmp_path) / "model.keras")
