"""inspect tells what a file holds and every reason to refuse it, and loads nothing."""

import json
import re
import sys
import zipfile
from collections import Counter

import h5py
import keras
import pytest
from keras import layers
from refusals import refused

import kviz
from kviz.network import refusals


def network_with(*more, loss="mse"):
    inner = keras.Sequential([keras.Input((6, 6, 2)), layers.Dropout(0.1), layers.Conv2D(2, 3)])
    inputs = keras.Input((8, 8, 3), name="photo")
    x = inner(layers.Conv2D(2, 3, activation="relu")(inputs))
    for layer in more:
        x = layer(x)
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    model.compile("adam", loss)
    model.optimizer.build(model.trainable_variables)
    return model


def counted(model):
    """Count layers as Keras has them in memory, nested models' too."""
    found = Counter()
    for layer in model.layers:
        found[type(layer).__name__] += 1
        if isinstance(layer, keras.Model):
            # A Sequential keeps its input to itself, and its file names it.
            found += counted(layer) + Counter(InputLayer=isinstance(layer, keras.Sequential))
    return found


@pytest.fixture(scope="module")
def model():
    return network_with()


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_what_is_told_is_what_keras_has(tmp_path, model, name):
    model.save(tmp_path / name)
    found = kviz.inspect(tmp_path / name, trust=True)
    assert found.refused == ()
    assert found.parameters == model.count_params()
    assert found.layers == counted(model)
    assert found.inputs == {"photo": (None, 8, 8, 3)}
    assert found.keras_version == keras.__version__
    assert found.loss == "mse"
    assert found.size == (tmp_path / name).stat().st_size
    if name == "m.keras":
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert {m[0]: m[1] for m in found.members} == {
                m.filename: m.file_size for m in archive.infolist()
            }


def test_a_sequential_built_later_says_what_it_takes(tmp_path):
    model = keras.Sequential([layers.Conv2D(2, 3)])
    model.build((None, 9, 9, 3))
    model.save(tmp_path / "m.keras")
    assert [*kviz.inspect(tmp_path / "m.keras").inputs.values()] == [(None, 9, 9, 3)]


def test_class_names_and_preprocessing_inside_are_told(tmp_path, model):
    network = kviz.Network(model, class_names=["a", "b", "c"], preprocess="vgg16")
    found = kviz.inspect(kviz.save_model(network, tmp_path / "m.keras"))
    assert (found.class_names, found.preprocess) == (("a", "b", "c"), "vgg16")


class Twice(layers.Layer):
    def call(self, inputs):
        return inputs * 2


class Thrice(layers.Layer):
    def call(self, inputs):
        return inputs * 3


def halved(x):
    return x / 2


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A file to refuse for six reasons."""
    folder = tmp_path_factory.mktemp("odd")
    more = [layers.Lambda(lambda x: x, name="code"), Twice(), Thrice(), layers.Activation(halved)]
    network_with(*more).save(folder / "plain.keras")
    with (
        zipfile.ZipFile(folder / "plain.keras") as old,
        zipfile.ZipFile(folder / "odd.keras", "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                config = json.loads(data)
                for layer in config["config"]["layers"]:
                    if layer["class_name"] == "InputLayer":
                        layer["config"]["batch_shape"] = [None, 1 << 20, 1 << 20, 3]
                    if layer["class_name"] == "Flatten":
                        layer["class_name"] = "Sneaky"
                    if layer["class_name"] == "Dense":
                        layer["inbound_nodes"] = [{"args": [1.0], "kwargs": {}}]
                data = json.dumps(config)
            new.writestr(name, data)
        new.writestr("run.py", "print('hello')")
    return folder / "odd.keras"


def test_every_reason_is_told_and_not_the_first_alone(odd):
    found = kviz.inspect(odd)
    said = "\n".join(found.refused)
    for part in (
        "holds 'run.py'",
        "Layer 'code' is a Lambda",
        "classes of its own: 'Twice', 'Thrice', 'halved'",
        "names 'keras.layers.Sneaky'",
        "takes inputs of shape",
        "on constants alone",
    ):
        assert part in said, part
    assert len(found.refused) == 6
    assert all(len(reason) <= 300 and reason.isprintable() for reason in found.refused)
    with refused(re.escape(found.refused[0]), kviz.ModelError):  # loading ends at the first
        kviz.load_model(odd)
    assert found.code == ("Lambda 'code'",)
    assert set(found.custom_objects) == {"Twice", "Thrice", "halved"}
    assert found.functions == ("halved",)


def test_trust_and_custom_objects_leave_the_other_reasons(odd):
    own = {"Twice": Twice, "Thrice": Thrice, "halved": halved}
    said = "\n".join(kviz.inspect(odd, custom_objects=own).refused)
    assert "classes of its own" not in said
    assert "Lambda" in said
    said = "\n".join(kviz.inspect(odd, custom_objects=own, trust=True).refused)
    assert "Lambda" not in said
    assert "run.py" in said


def test_nothing_is_made_or_written(odd, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("loaded"))
    monkeypatch.setattr(
        keras.saving, "deserialize_keras_object", lambda *_, **__: pytest.fail("made")
    )
    monkeypatch.setattr(keras.Variable, "__init__", lambda *_, **__: pytest.fail("allocated"))
    before = [*sys.modules]
    kviz.inspect(odd)
    assert [*sys.modules] == before
    assert not [*tmp_path.iterdir()]


def test_links_in_the_weights_are_told_beside_the_rest(tmp_path, model):
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        # As Keras 3.0 kept what Dropout draws from; it is no parameter.
        file["model_weights/drop/seed_generator/vars/0"] = [1, 2]
        file["soft"] = h5py.SoftLink("/model_weights")
        file["elsewhere"] = h5py.ExternalLink("/etc/hostname", "/x")
        file.create_dataset("data", (10,), "u1", external=[("/etc/hostname", 0, 10)])
    found = kviz.inspect(tmp_path / "m.h5", trust=True)
    assert [reason[:30] for reason in found.refused] == [
        "The weights file takes data fr",
        "The weights file links to othe",
    ]
    assert found.parameters == model.count_params()
    assert found.layers == counted(model)


def test_many_reasons_are_counted(tmp_path, model, monkeypatch):
    monkeypatch.setattr(refusals, "MOST_REASONS", 3)
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras", "a") as archive:
        for place in range(8):
            archive.writestr(f"run{place}.py", "")
    found = kviz.inspect(tmp_path / "m.keras")
    assert len(found.refused) == 3
    assert found.notes == ("5 more reasons to refuse it are not listed.",)


@pytest.mark.parametrize("data", [b"", b"no model", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"])
def test_what_nothing_can_be_told_of_is_an_error(tmp_path, data):
    (tmp_path / "m.keras").write_bytes(data)
    with refused(".", kviz.ModelError):
        kviz.inspect(tmp_path / "m.keras")
    with refused("There is no file", kviz.ModelError):
        kviz.inspect(tmp_path / "none.keras")
    with refused("is a folder", kviz.ModelError):
        kviz.inspect(tmp_path)
    with refused("Expected the path", kviz.ModelError):
        kviz.inspect(5)


def test_a_hostile_name_stays_in_its_cell(tmp_path):
    name = "a\n\u202e<img src=x onerror=alert(1)>"
    inputs = keras.Input((4, 4, 3))
    keras.Model(inputs, layers.Lambda(keras.ops.relu, name=name)(inputs)).save(tmp_path / "m.keras")
    found = kviz.inspect(tmp_path / "m.keras")
    assert all(line.isprintable() for line in repr(found).splitlines())
    assert "<img" not in found._repr_html_()
    assert json.loads(json.dumps(found.facts())) == found.facts()


def test_it_shows_itself(odd):
    found = kviz.inspect(odd)
    assert "would load" in repr(found)
    assert all(reason in repr(found) for reason in found.refused)
    assert "Would be refused" in found._repr_html_()
    with pytest.raises(AttributeError):
        found.format = "else"


def test_what_only_asks_is_over_when_it_is_over(odd):
    """A refusal within `asked` must not outlive it: what is loaded then would be let through."""
    kviz.inspect(odd)
    with refused(".", kviz.ModelError):
        kviz.load_model(odd)
    assert not refusals.only_asked()
