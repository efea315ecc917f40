"""The look at a model's file before Keras sees it, and what travels in it beside the weights.

Loading with Keras's safe mode runs no code from the file, but a small file can still ask for all the
memory there is. So sizes, links, layers and custom objects are looked at first, and while Keras
builds the model, variables are counted before they are allocated.
"""

from __future__ import annotations

import io
import json
import stat
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from kviz.backend import keras
from kviz.errors import ModelError, shown
from kviz.files import whole_file

MEGABYTE = 1 << 20
CONFIG_SIZE = 64 * MEGABYTE
DEPTH = 64
LAYERS = 5_000
MEMBERS = 1_000

_WEIGHTS = "model.weights.h5"
_KNOWN = ("metadata.json", "config.json", _WEIGHTS)
_CODE = ("Lambda", "TFSMLayer", "__lambda__")


@dataclass(frozen=True)
class ModelFile:
    """What the look at a model's file found.

    Attributes:
        path: the file.
        stored: bytes of weights in it.
        extra: what `save_model` put in it: class names and the name of the preprocessing.
    """

    path: Path
    stored: int
    extra: dict[str, Any]


def look(path: Path, *, trust: bool) -> ModelFile:
    """Look at a `.keras` or `.h5` file and refuse what is broken or should not be loaded.

    Args:
        path: the file.
        trust: let through what can run code: Lambda and TFSMLayer layers and legacy `.h5`.

    Returns:
        What was found.

    Raises:
        ModelError: if the file is missing, broken or refused.
    """
    name = shown(path, 120)
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            raise ModelError(
                f"{name} is a SavedModel, which Keras 3 does not read. Where it was made, convert it: "
                'tf.keras.models.load_model(folder).save("model.keras").'
            )
        raise ModelError(f"{name} is a folder. Expected a .keras file.")
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ModelError(f"There is no file {name}.{_beside(path)}") from None
    except OSError as error:
        raise ModelError(f"{name} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{name} is not a regular file.")
    if status.st_size == 0:
        raise ModelError(f"{name} is empty. Expected a .keras file.")
    try:
        with path.open("rb") as file:
            magic = file.read(8)
        if magic == b"\x89HDF\r\n\x1a\n":
            return _look_at_h5(path, name, status.st_size, trust)
        if magic[:4] != b"PK\x03\x04":
            raise ModelError(
                f"{name} is not a Keras model. Expected what model.save('….keras') writes."
            )
        return _look_at_zip(path, name, trust)
    except ModelError:
        raise
    except zipfile.BadZipFile as error:
        raise ModelError(f"{name} is broken or truncated; copy or save it again.") from error
    except Exception as error:  # zipfile, json and h5py raise many types on broken files
        raise ModelError(f"{name} cannot be read as a model: {shown(error, 120)}.") from error


def _beside(path: Path) -> str:
    try:
        models = sorted(file.name for file in path.parent.glob("*.keras"))
    except OSError:
        models = []
    return f" Beside it there is {', '.join(shown(m, 40) for m in models[:3])}." if models else ""


def _look_at_h5(path: Path, name: str, size: int, trust: bool) -> ModelFile:
    if not trust:
        raise ModelError(
            f"{name} is a legacy .h5 file, which can run code of whoever made it when it is loaded. "
            "If you trust them, load it with trust=True (--trust), or have it saved as .keras."
        )
    with h5py.File(path, "r") as file:
        stored = _stored_bytes(file, size)
        config = file.attrs.get("model_config")
    if config is None:
        raise ModelError(f"{name} holds weights but no model. Save the model, not its weights.")
    _look_at_config(json.loads(config), trust)
    return ModelFile(path, stored, {})


def _look_at_zip(path: Path, name: str, trust: bool) -> ModelFile:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        names = [member.filename for member in members]
        if len(members) > MEMBERS or len(set(names)) < len(names):
            raise ModelError(
                f"{name} has too many members, or two of one name; it is not as Keras saves it."
            )
        for member in members:
            known = member.filename in _KNOWN or member.filename.startswith("assets/")
            if not known or ".." in Path(member.filename).parts:
                raise ModelError(
                    f"{name} holds {shown(member.filename, 40)!r}. "
                    f"Expected {', '.join(_KNOWN)} and assets/ only."
                )
            if member.filename.endswith(".json") and member.file_size > CONFIG_SIZE:
                raise ModelError(f"{name} has a {member.filename} of over 64 MB.")
            if member.file_size > 4 * member.compress_size + CONFIG_SIZE:
                raise ModelError(
                    f"{name} unpacks to far more than is stored: a decompression bomb."
                )
        for member_name in ("config.json", _WEIGHTS):
            if member_name not in names:
                raise ModelError(
                    f"{name} holds no {member_name}. Expected what model.save('….keras') writes."
                )
        config = json.loads(archive.read("config.json"))
        metadata = json.loads(archive.read("metadata.json")) if "metadata.json" in names else {}
        _look_at_config(config, trust)
        data = archive.read(_WEIGHTS)
    with h5py.File(io.BytesIO(data), "r") as file:
        stored = _stored_bytes(file, len(data))
    extra = metadata.get("kviz", {}) if isinstance(metadata, dict) else {}
    return ModelFile(path, stored, extra if isinstance(extra, dict) else {})


def _stored_bytes(file: Any, size: int) -> int:
    """Return what an HDF5 file's data sets declare; refuse links and declarations beyond `size`."""
    declared = 0
    groups, seen = [file], 0
    while groups:
        group = groups.pop()
        for key in group:
            seen += 1
            if seen > 50 * LAYERS:
                raise ModelError("The weights file holds more entries than any model needs.")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise ModelError(
                    "The weights file links to other files or places; Keras never does."
                )
            entry = group[key]
            if isinstance(entry, h5py.Group):
                groups.append(entry)
                continue
            if not isinstance(entry, h5py.Dataset):
                continue
            if entry.is_virtual or entry.external:
                raise ModelError("The weights file takes data from other files; Keras never does.")
            declared += entry.size * entry.dtype.itemsize if entry.shape is not None else 0
            if declared > 4 * size + MEGABYTE:
                raise ModelError(
                    f"The weights file declares over {declared // MEGABYTE} MB and stores "
                    f"{size // MEGABYTE} MB: it is broken, or made to fill the memory."
                )
    return declared


def _look_at_config(config: Any, trust: bool) -> None:
    layers = 0
    unknown: dict[str, None] = {}
    stack = [(config, 1)]
    while stack:
        value, depth = stack.pop()
        if depth > DEPTH:
            raise ModelError(f"The model's config is nested more than {DEPTH} deep.")
        if isinstance(value, list):
            stack += [(entry, depth + 1) for entry in value]
        if not isinstance(value, dict):
            continue
        stack += [(entry, depth + 1) for entry in value.values()]
        inside = value.get("layers")
        layers += len(inside) if isinstance(inside, list) else 0
        if layers > LAYERS:
            raise ModelError(f"The model has more than {LAYERS} layers.")
        kind = value.get("class_name")
        if kind in _CODE and not trust:
            own = value.get("config")
            name = own.get("name", kind) if isinstance(own, dict) else kind
            raise ModelError(
                f"Layer {shown(name)!r} is a {kind}, which runs code of whoever made the file. If you "
                "trust them as you trust a program, load it with trust=True (--trust)."
            )
        if isinstance(kind, str) and _is_unknown(value):
            unknown[str(value.get("config") if kind == "function" else kind)] = None
    if unknown:
        first = shown(next(iter(unknown)), 40)
        names = ", ".join(repr(shown(name, 24)) for name in list(unknown)[:4])
        raise ModelError(
            f"The model uses classes of its own: {names}. Define or import them under "
            "@keras.saving.register_keras_serializable(), or load inside "
            f"keras.saving.custom_object_scope({{{first!r}: {first}}})."
        )


def _is_unknown(value: dict[str, Any]) -> bool:
    """Return whether a config names a class that neither Keras nor the caller has."""
    module, registered = value.get("module"), value.get("registered_name")
    if not registered or (isinstance(module, str) and module.split(".")[0] == "keras"):
        return False
    if value["class_name"] == "function":
        registered = value.get("config")
        if module == "builtins" and hasattr(keras.activations, str(registered)):
            return False
    return keras.saving.get_registered_object(registered) is None


_lock = threading.RLock()
_local = threading.local()


@contextmanager
def variables_within(budget: int) -> Iterator[None]:
    """Refuse, on this thread, to allocate more than `budget` bytes of `keras.Variable`.

    Args:
        budget: bytes.

    Raises:
        ModelError: by the first variable that goes beyond.
    """
    with _lock:
        original = keras.Variable.__init__
        own = "__init__" in vars(keras.Variable)
        _local.left = budget

        def counted(self: Any, *args: Any, **kwargs: Any) -> None:
            shape = kwargs.get("shape", args[1] if len(args) > 1 else None)
            left = getattr(_local, "left", None)
            if left is not None and shape is not None:
                dtype = kwargs.get("dtype") or (args[2] if len(args) > 2 else None) or "float32"
                width = (
                    2
                    if dtype == "bfloat16"
                    else np.dtype(keras.backend.standardize_dtype(dtype)).itemsize
                )
                size = width
                for length in shape if not isinstance(shape, int) else (shape,):
                    size *= length or 1
                if size > left:
                    raise ModelError(
                        "The model asks for far more weights than its file holds: it is broken, "
                        "or made to fill the memory."
                    )
                _local.left = left - size
            original(self, *args, **kwargs)

        keras.Variable.__init__ = counted
        try:
            yield
        finally:
            _local.left = None
            if own:
                keras.Variable.__init__ = original
            else:
                del keras.Variable.__init__


def write_model(model: Any, path: Path, extra: dict[str, Any]) -> None:
    """Save a model as `.keras` with `extra` in its metadata, whole or not at all.

    Keras reads such a file as any other: it does not look at the metadata.

    Args:
        model: the `keras.Model`.
        path: a file ending in `.keras`.
        extra: what should travel with the model; plain JSON.

    Raises:
        OutputError: if it cannot be written.
    """
    with whole_file(path) as part:
        plain = part.with_name("plain.keras")
        model.save(plain)
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(part, "w") as target:
            for member in source.infolist():
                data = source.read(member)
                if member.filename == "metadata.json":
                    data = json.dumps({**json.loads(data), "kviz": extra}).encode()
                target.writestr(member, data)
        plain.unlink()
