"""What is no model of Keras's says what it is, and the way that works."""

import gzip
import io
import json
import pickle
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from needed import need_package
from refusals import refused

import kviz


def refusal(match):
    return refused(match, kviz.ModelError)


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def arrays():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


TFJS = json.dumps({"format": "layers-model", "modelTopology": {}, "weightsManifest": []}).encode()
GRAPH = json.dumps({"format": "graph-model", "modelTopology": {}, "weightsManifest": []}).encode()

# First bytes as the libraries write them: onnx 1.23, torch 1.5 and 2, TensorFlow 2.21.
FILES = {
    "lfs.keras": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "Git LFS pointer.*git lfs pull",
    ),
    "page.keras": (b"\n <!DOCTYPE html><html>", "a web page.*download"),
    "page.h5": (b"<html lang=en>", "a web page.*download"),
    "net.tflite": (b"\x1c\0\0\0TFL3\x14\0\x20\0", "TensorFlow Lite.*cannot be converted back"),
    "lite.keras": (b"\x1c\0\0\0TFL3\x14\0\x20\0", "TensorFlow Lite"),
    "net.onnx": (b"\x08\x08:\xa4\x05\n\x0f\n\x01x\n\x01W\x12\x01a", "ONNX.*onnx2tf"),
    "new.pt": (zipped("archive/data.pkl", "archive/data/0"), "PyTorch.*torch.onnx.export"),
    "old.pth": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02", "PyTorch"),
    "model.pkl": (pickle.dumps({"a": 1}), "a pickle, which runs what it likes"),
    "model.joblib": (b"x\x9c\x00", "a pickle"),
    "frozen.pb": (b"\nC\n\x01a\x12\x0bPlaceholder", "frozen TensorFlow graph.*wrap_function"),
    "saved_model.pb": (b"\x08\x01\x12\xed", "part of a SavedModel, which is a folder"),
    "model.json": (TFJS, "TensorFlow.js.*tensorflowjs_converter"),
    "graph.json": (GRAPH, "TensorFlow.js graph model"),
    "arrays.npz": (arrays(), "NumPy arrays"),
    "model.gz": (gzip.compress(b"x"), "an archive"),
    "tm.zip": (zipped("keras_model.h5", "labels.txt"), "archive with 'keras_model.h5' inside"),
    "net.mlmodel": (b"\x08\x05\x12", "Core ML"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_what_it_is(tmp_path, name):
    data, match = FILES[name]
    (tmp_path / name).write_bytes(data)
    with refusal(match):
        kviz.load_model(tmp_path / name)
    found = kviz.inspect(tmp_path / name)
    assert found.refused[0].startswith(str(tmp_path)[:40])
    assert len(found.refused) == 1


def test_what_libraries_write_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = {"kernel": tf.Variable(tf.ones((2, 3)))}
    tf.train.Checkpoint(**weights).write("ckpt/w")
    for name in ("ckpt/w.index", "ckpt/w.data-00000-of-00001"):
        with refusal("TensorFlow checkpoint.*load_weights"):
            kviz.load_model(name)
    tf.train.CheckpointManager(tf.train.Checkpoint(**weights), "folder", 1).save()
    with refusal("TensorFlow checkpoint"):
        kviz.load_model("folder")
    with refusal("TensorFlow checkpoint"):
        kviz.load_model("folder/checkpoint")
    graph = tf.function(lambda x: x + 1).get_concrete_function(tf.TensorSpec((2,))).graph
    tf.io.write_graph(graph, ".", "graph.pb", as_text=False)
    with refusal("frozen TensorFlow graph"):
        kviz.load_model("graph.pb")


def test_an_h5_file_of_others_is_told(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["photos"] = np.zeros((2, 3))
    with refusal("an HDF5 file, and holds neither a model nor weights"):
        kviz.load_model(tmp_path / "data.h5")


def test_safetensors(tmp_path):
    need_package("safetensors", "torchvision")
    from safetensors.numpy import save_file

    save_file({"kernel": np.zeros((2, 3), "float32")}, tmp_path / "w.safetensors")
    with refusal("a safetensors file: weights, and no model"):
        kviz.load_model(tmp_path / "w.safetensors")


def test_what_keras_writes_in_parts_is_told_and_the_way_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.save_weights("w.weights.h5")
    (tmp_path / "m.json").write_text(model.to_json())
    model.save("m.keras")
    with refusal("architecture without its weights.*model_from_json"):
        kviz.load_model("m.json")
    with refusal("weights without their model"):
        kviz.load_model("w.weights.h5")
    again = keras.models.model_from_json((tmp_path / "m.json").read_text())
    again.load_weights("w.weights.h5")
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(kviz.Network(again).model(x), model(x))
    with zipfile.ZipFile("m.keras") as archive:
        archive.extractall("unpacked")
    with refusal(r"has been unpacked.*zip -r \.\./model\.keras \."):
        kviz.load_model("unpacked")
    with zipfile.ZipFile("packed.keras", "w") as archive:
        for file in sorted((tmp_path / "unpacked").iterdir()):
            archive.write(file, file.name)
    np.testing.assert_array_equal(kviz.load_model("packed.keras").model(x), model(x))


@pytest.mark.parametrize(
    ("home", "match"),
    [
        (
            "tf_keras.src.engine.functional",
            r'tf_keras \(Keras 2\)\. Save it, model\.save\("model\.h5"',
        ),
        ("torch.nn.modules.module", "a PyTorch model"),
        ("elsewhere", "Expected a Keras 3 model"),
    ],
)
def test_a_model_in_memory_that_is_not_kerass_is_told(home, match):
    kind = type("Model", (), {"__module__": home})
    with refusal(match):
        kviz.Network(type("Mine", (kind,), {})())
