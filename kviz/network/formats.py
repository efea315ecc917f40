"""What a file or folder is that Keras does not read as a model, and the way that works from there.

Told by the first bytes, the members of a zip file or the files of a folder; by its name only where the
bytes fit many things. Nothing is unpacked or run for it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kviz._checks import sanitise

# Of a file, as many bytes as tell what it is.
HEAD = 4096


@dataclass(frozen=True)
class Format:
    """Something that is no model's file of Keras's.

    Attributes:
        what: what it is, as it is said behind "X is".
        way: what to do about it.
    """

    what: str
    way: str

    def of(self, path: str | Path) -> str:
        """Return what is said of a file."""
        return f"{sanitise(path, 80)} is {self.what}. {self.way}"


_AGAIN = "Get the file itself again: download or copy it anew."
_BACK = (
    "It cannot be converted back to Keras: get the Keras model or SavedModel that it was made of."
)
_WEIGHTS = (
    "Build the model in Python, model.load_weights(…), then pass the model to kviz, or save it "
    'whole: model.save("model.keras").'
)

_WRAP = "kviz convert FOLDER NEW.keras --trust wraps it as one layer"
SAVED_MODEL = Format(
    "a SavedModel, which Keras 3 does not read",
    f"{_WRAP}. To keep its layers, save it as .keras where it was made.",
)
SAVED_BY_KERAS_2 = Format(
    SAVED_MODEL.what,
    f"{_WRAP}. To keep its layers: pip install tf_keras, then in Python "
    'tf_keras.models.load_model(FOLDER).save("model.h5").',
)
PART_OF_SAVED_MODEL = Format(
    "a part of a SavedModel, which is a folder", "Give kviz the folder, and it says what to do."
)
TFLITE = Format("a TensorFlow Lite model", _BACK)
CORE_ML = Format("a Core ML model", _BACK)
TFJS_LAYERS = Format(
    "a TensorFlow.js model",
    "pip install tensorflowjs, tensorflowjs_converter --input_format=tfjs_layers_model "
    "--output_format=keras model.json model.h5 makes a file of it that kviz reads.",
)
TFJS_GRAPH = Format("a TensorFlow.js graph model, of which the layers are gone", _BACK)
ARCHITECTURE = Format(
    "a model's architecture without its weights",
    "Build it in Python with keras.models.model_from_json, model.load_weights(…), then pass the model "
    "to kviz.",
)
ONNX = Format(
    "an ONNX model",
    "pip install onnx2tf, onnx2tf -i MODEL -o FOLDER makes a SavedModel of it, and "
    "kviz convert FOLDER NEW.keras --trust a file for kviz.",
)
TORCH = Format(
    "a PyTorch file",
    "Keras does not read it. Export it (torch.onnx.export), onnx2tf -i MODEL.onnx -o FOLDER makes a "
    "SavedModel of that, and kviz convert FOLDER NEW.keras --trust a file for kviz.",
)
PICKLE = Format(
    "a pickle, which runs what it likes when it is opened; kviz opens none",
    'Where it was made, save the Keras model itself: model.save("model.keras").',
)
SAFETENSORS = Format(
    "a safetensors file: weights, and no model",
    "Build the model in Keras, give its layers these weights, then pass the model to kviz.",
)
GGUF = Format("a GGUF file: weights of a language model", "kviz looks at Keras models alone.")
ARRAYS = Format("a file of NumPy arrays: numbers, and no model", SAFETENSORS.way)
FROZEN = Format(
    "a frozen TensorFlow graph",
    "Wrap it as a SavedModel (tf.compat.v1.wrap_function, tf.saved_model.save); then "
    "kviz convert FOLDER NEW.keras --trust makes a file for kviz.",
)
CHECKPOINT = Format(
    "a part of a TensorFlow checkpoint: weights, and no model",
    "Build the model with tf_keras, model.load_weights(…) with the path less .index, then "
    'model.save("model.h5"), which kviz reads.',
)
WEIGHTS_ONLY = Format("a file of weights without their model", _WEIGHTS)
NO_MODEL_IN_H5 = Format(
    "an HDF5 file, and holds neither a model nor weights as Keras saves them",
    'Expected what model.save("model.keras") or model.save("model.h5") writes.',
)
CONFIG_ONLY = Format(
    "a model without its weights", 'Save it whole where it was made: model.save("model.keras").'
)
UNPACKED = Format(
    "a .keras file that has been unpacked",
    "Pack it again: inside that folder, zip -r ../model.keras . makes the file.",
)
HUGGING_FACE = Format(
    "a Hugging Face folder",
    "Load it with the library that made it (transformers, keras_hub), and pass the keras.Model to "
    "kviz, where it is one.",
)
LFS = Format(
    "a Git LFS pointer: a note of where the file lies, not the file", "git lfs pull fetches it."
)
HTML = Format(
    "a web page, not a model", f"{_AGAIN} On GitHub and Hugging Face, take the download link."
)
PACKED = Format("an archive", "Unpack it, and give the model inside.")


# First bytes, where they tell enough. Pickles of protocol 2 and more begin so, and so did PyTorch's.
_BEGINNINGS = (
    (b"version https://git-lfs.github.com/spec/", LFS),
    (b"model_checkpoint_path:", CHECKPOINT),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", TORCH),
    *((bytes([0x80, protocol]), PICKLE) for protocol in range(2, 6)),
    (b"\x93NUMPY", ARRAYS),
    (b"GGUF", GGUF),
    (b"\x1f\x8b", PACKED),
    (b"BZh", PACKED),
    (b"\xfd7zXZ\x00", PACKED),
    (b"7z\xbc\xaf\x27\x1c", PACKED),
    (b"Rar!\x1a\x07", PACKED),
)
# By endings, where the bytes are a protocol buffer's or say nothing.
_ENDINGS = {
    ".onnx": ONNX,
    ".pb": FROZEN,
    ".tflite": TFLITE,
    ".mlmodel": CORE_ML,
    ".joblib": PICKLE,
    ".pkl": PICKLE,
    ".pickle": PICKLE,
    ".index": CHECKPOINT,
}


def of_bytes(path: Path, head: bytes) -> Format | None:
    """Return what a file is by its first bytes, None where they are nothing known.

    Args:
        path: the file, for its name.
        head: its first `HEAD` bytes, or all.

    >>> of_bytes(Path("m.keras"), b"version https://git-lfs.github.com/spec/v1").what[:20]
    'a Git LFS pointer: a'
    """
    for beginning, found in _BEGINNINGS:
        if head.startswith(beginning):
            return found
    if head[4:8] == b"TFL3":
        return TFLITE
    if head[8:10] in (b'{"', b"{ ") and int.from_bytes(head[:8], "little") < 1 << 27:
        return SAFETENSORS
    if head[257:262] == b"ustar":
        return PACKED
    if path.name == "saved_model.pb":
        return PART_OF_SAVED_MODEL
    if re.search(r"\.data-\d{5}-of-\d{5}$", path.name):
        return CHECKPOINT
    return _of_text(head) or _ENDINGS.get(path.suffix.lower())


def _of_text(head: bytes) -> Format | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<!-- ")):
        return HTML
    if not text.startswith(b"{"):
        return None
    if b'"graph-model"' in text:
        return TFJS_GRAPH
    if b'"modeltopology"' in text or b'"weightsmanifest"' in text:
        return TFJS_LAYERS
    return ARCHITECTURE if b'"class_name"' in text else None


def of_folder(path: Path, names: Collection[str]) -> Format | None:
    """Return what a folder is by its files' names, None where they are nothing known.

    >>> of_folder(Path("m"), {"saved_model.pb", "variables"}).what
    'a SavedModel, which Keras 3 does not read'
    """
    if "saved_model.pb" in names or "saved_model.pbtxt" in names:
        return SAVED_BY_KERAS_2 if "keras_metadata.pb" in names else SAVED_MODEL
    if path.suffix == ".mlpackage" or "Manifest.json" in names:
        return CORE_ML
    if {"config.json", "model.weights.h5"} <= set(names):
        return UNPACKED
    if "checkpoint" in names and any(name.endswith(".index") for name in names):
        return CHECKPOINT
    if "config.json" in names and any(
        name.endswith((".safetensors", ".bin", "tf_model.h5")) for name in names
    ):
        return HUGGING_FACE
    return TFJS_LAYERS if "model.json" in names else None


def of_h5(names: Collection[str]) -> Format:
    """Return what an HDF5 file without a model is, by the names of its groups and attributes.

    >>> of_h5({"layers", "vars"}).what
    'a file of weights without their model'
    """
    weights = {"layers", "layer_names", "model_weights", "_layer_checkpoint_dependencies"}
    return WEIGHTS_ONLY if weights & set(names) else NO_MODEL_IN_H5


def of_zip(names: Collection[str]) -> Format | None:
    """Return what a zip file is by its members' names, None where it can be a `.keras` file.

    >>> of_zip(["archive/data.pkl", "archive/data/0"]).what
    'a PyTorch file'
    """
    last = {name.rpartition("/")[2] for name in names}
    if "config.json" in names and "model.weights.h5" in names:
        return None
    if "data.pkl" in last:
        return TORCH
    if names and all(name.endswith(".npy") for name in names):
        return ARRAYS
    if set(names) & {"config.json", "metadata.json"}:
        return CONFIG_ONLY if "config.json" in names else WEIGHTS_ONLY
    inside = [
        name
        for name in names
        if name.endswith((".keras", ".h5", ".hdf5", "saved_model.pb", "model.json", ".tflite"))
    ]
    if inside and inside != ["model.weights.h5"]:
        return Format(
            f"an archive with {sanitise(inside[0], 40)!r} inside",
            "Unpack it, and give what is inside.",
        )
    return WEIGHTS_ONLY if inside else None
