"""kviz inspect: what a file holds, as text and as JSON; and what would be refused is no failure."""

import json
import re

import keras
import pytest
from commands import MODEL, fine, one_line
from keras import layers

import kviz


def test_text(run):
    told = fine(run("inspect", MODEL))
    assert re.search(r"^format +Keras \(\.keras\)$", told, re.MULTILINE)
    assert re.search(r"^inputs +image \(227, 227, 3\)$", told, re.MULTILINE)
    assert re.search(r"^parameters +1,235,496$", told, re.MULTILINE)  # SqueezeNet v1.1's, published
    assert re.search(r"^Conv2D +26$", told, re.MULTILINE)
    assert re.search(r"^would load +yes$", told, re.MULTILINE)


def test_json(run):
    told = json.loads(fine(run("inspect", MODEL, "--json")))
    assert (told["verb"], told["files"], told["loads"]) == ("inspect", [], True)
    assert told["inputs"] == {"image": [None, 227, 227, 3]}
    assert told["class_names"][285] == "Egyptian cat"
    assert {member["name"] for member in told["members"]} == {
        "metadata.json", "config.json", "model.weights.h5",
    }  # fmt: skip


def test_what_would_be_refused_is_told_with_exit_code_0(run, tmp_path):
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, layers.Lambda(lambda x: x * 2, name="code")(inputs))
    model.save(tmp_path / "code.keras")
    told = fine(run("inspect", "code.keras"))
    assert "would load  no" in told
    assert "Layer 'code' is a Lambda" in told
    assert "load it with --trust." in told
    assert "would load  yes" in fine(run("inspect", "code.keras", "--trust"))
    (tmp_path / "net.onnx").write_bytes(b"\x08\x08:\xa4\x05")
    assert "is an ONNX model. pip install onnx2tf" in fine(run("inspect", "net.onnx"))


@pytest.mark.parametrize("name", ["lost.keras", "note.txt", "."])
def test_what_nothing_can_be_told_of_is_one_line(run, tmp_path, name):
    (tmp_path / "note.txt").write_text("no model")
    one_line(run("inspect", name))


def test_the_text_is_pythons(run):
    assert fine(run("inspect", MODEL)).rstrip() == repr(kviz.inspect(MODEL))
