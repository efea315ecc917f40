"""The look at a model's file before Keras sees it, and what travels in it beside the weights.

Keras's safe mode leaves a file much: it may name any public function of Keras for a layer to call, and
ask for all the memory there is. So sizes, links, layers and every object that the config names
(`allowed`) are looked at first, an old file's as they are made new (`legacy`); what is then loaded is a
copy of what was looked at, and while Keras builds the model, variables are counted before they are
allocated.
"""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import h5py

from kviz._caller import spelled
from kviz._checks import first_line, sanitise
from kviz.engine.backend import keras, tf
from kviz.errors import ModelError, OutputError
from kviz.files import directory_length, whole_file
from kviz.marks import ZIP_MARK
from kviz.network import formats
from kviz.network.allowed import Objects
from kviz.network.hdf5 import MEGABYTE, declared_bytes, text_of
from kviz.network.kept import replaced
from kviz.network.legacy import made_new
from kviz.network.model_paths import MEMBERS, refuse_other, size_of, told
from kviz.network.refusals import only_asked, refuse, saw
from kviz.network.work import in_order, layers_allowed, look_at_work

CONFIG_SIZE = 64 * MEGABYTE
DEPTH = 64
DIRECTORY = MEGABYTE
ENTRIES = 1_000_000
NAME = 1_000
INPUT_NUMBERS = 1 << 26
INPUT_BATCH = 1 << 16

_WEIGHTS = "model.weights.h5"
_KNOWN = ("metadata.json", "config.json", _WEIGHTS)
_SHAPES = ("batch_shape", "batch_input_shape", "input_shape", "build_input_shape")
_PARTS = ("indices_or_sections", "num", "num_oov_indices", "ngrams")
# Which register their classes under their own names when they are imported.
_PACKAGES = ("keras_hub", "keras_cv", "keras_nlp", "keras_rs")
_NAMES = ("name", "class_name", "module", "registered_name", "keras_history")


@dataclass(frozen=True)
class ModelFile:
    """What the look at a model's file found.

    Attributes:
        path: what Keras is to load; with `config`, the HDF5 file of its weights.
        stored: bytes of weights in it, as they lie on the disk.
        custom: whether the model has objects that the caller has registered.
        loss: what the model was compiled with, as the file writes it, or None.
        extra: what `save_model` put in it: class names and the name of the preprocessing.
        config: the config of a file that Keras does not read as it is, made new.
        made_new: what was changed in it, in plain words.
    """

    path: Path
    stored: int
    custom: bool
    loss: Any = None
    extra: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] | None = None
    made_new: tuple[str, ...] = ()


@contextmanager
def looked_at(path: Path, *, trust: bool) -> Iterator[ModelFile]:
    """Look at a `.keras` or `.h5` file and refuse what is broken or should not be loaded.

    Args:
        path: the file.
        trust: let through what can run code: Lambda and TFSMLayer layers.

    Yields:
        What was found. What is to be loaded is a copy of what was looked at, which is removed
        afterwards.

    Raises:
        ModelError: if the file is missing, broken or refused.
    """
    with tempfile.TemporaryDirectory(prefix="kviz-") as folder:
        yield _look(path, Path(folder), trust)


def _look(path: Path, folder: Path, trust: bool) -> ModelFile:
    name = sanitise(path, 120)
    size = size_of(path)
    try:
        with path.open("rb") as file:  # once: whoever exchanges it afterwards changes nothing
            size = min(size, os.fstat(file.fileno()).st_size)
            head = file.read(formats.HEAD)
            file.seek(0)
            if head[:8] == b"\x89HDF\r\n\x1a\n":
                return _look_at_h5(file, folder / "model.h5", path, size, trust)
            if head[:4] == b"PK\x03\x04":
                return _look_at_zip(file, folder / "model.keras", path, size, trust)
        refuse_other(formats.of_bytes(path, head), path)
        raise ModelError(
            f"{name} is not a Keras model. Expected what model.save('….keras') writes."
        )
    except (ModelError, MemoryError):
        raise
    except zipfile.BadZipFile as error:
        raise ModelError(f"{name} is broken or truncated; copy or save it again.") from error
    except Exception as error:  # zipfile, json and h5py raise many types on broken files
        raise ModelError(f"{name} cannot be read as a model: {sanitise(error, 120)}.") from error


def _look_at_h5(source: IO[bytes], target: Path, path: Path, size: int, trust: bool) -> ModelFile:
    """Look at a copy of an opened `.h5` file, written into `target`."""
    with target.open("wb") as copy:
        left = size  # and no more, should somebody go on writing
        while left and (part := source.read(min(left, MEGABYTE))):
            copy.write(part)
            left -= len(part)
    with h5py.File(target, "r") as file:
        stored = min(size, declared_bytes(file, size, texts=True))
        text, training = text_of(file, "model_config"), text_of(file, "training_config")
        version = text_of(file, "keras_version")
        if text is None:
            raise ModelError(told(formats.of_h5({*file, *file.attrs}), path))
    saw(format="Keras (.h5)")
    if max(len(text), len(training or "")) > CONFIG_SIZE:
        raise ModelError(f"{sanitise(path, 120)} has a config of over 64 MB.")
    compiled = None if training is None else _parsed(training, "training config")
    loss = _loss({"compile_config": compiled})
    config = _parsed(text, "config")
    saw(config=config, metadata={"keras_version": version}, compiled=loss)
    config, changes, custom = _looked_through(config, version, trust, zipped=False)
    return ModelFile(target, stored, custom, loss, config=_untrained(config), made_new=changes)


def _look_at_members(archive: zipfile.ZipFile, path: Path, size: int) -> list[str]:
    """Return the names of what a `.keras` file holds; refuse what it should not, or far too much."""
    name = sanitise(path, 120)
    members = archive.infolist()
    names = [member.filename for member in members]
    saw(
        format="Keras (.keras)",
        members=[(m.filename, m.file_size, m.compress_size) for m in members[:MEMBERS]],
    )
    refuse_other(formats.of_zip(names), path)
    if len(members) > MEMBERS or len(set(names)) < len(names):
        raise ModelError(
            f"{name} has too many members, or two of one name; it is not as Keras saves it."
        )
    for member in members:
        known = member.filename in _KNOWN or member.filename.startswith("assets/")
        if not known or ".." in Path(member.filename).parts:
            refuse(
                f"{name} holds {sanitise(member.filename, 40)!r}. "
                f"Expected {', '.join(_KNOWN)} and assets/ only."
            )
        if member.filename.endswith(".json") and member.file_size > CONFIG_SIZE:
            raise ModelError(f"{name} has a {member.filename} of over 64 MB.")
    # All together, and against the file itself: what a member claims to take in it can be a lie.
    if sum(member.file_size for member in members) > 4 * size + CONFIG_SIZE:
        raise ModelError(f"{name} unpacks to far more than is stored: a decompression bomb.")
    for member_name in ("config.json", _WEIGHTS):
        if member_name not in names:
            raise ModelError(
                f"{name} holds no {member_name}. Expected what model.save('….keras') writes."
            )
    return names


def _look_at_zip(source: IO[bytes], target: Path, path: Path, size: int, trust: bool) -> ModelFile:
    """Look at an opened `.keras` file, and write what was looked at into `target`."""
    name = sanitise(path, 120)
    if directory_length(source) > DIRECTORY:
        raise ModelError(f"{name} has too many members; it is not as Keras saves it.")
    with zipfile.ZipFile(source) as archive:
        names = _look_at_members(archive, path, size)
        config = _parsed(archive.read("config.json"), "config")
        metadata = (
            _parsed(archive.read("metadata.json"), "metadata") if "metadata.json" in names else {}
        )
        metadata = metadata if isinstance(metadata, dict) else {}
        saw(config=config, metadata=metadata, compiled=_loss(config))
        renewed, changes, custom = _looked_through(
            config, metadata.get("keras_version"), trust, zipped=True
        )
        data = archive.read(_WEIGHTS)
        # Zeros take nothing on the disk, whatever they unpack to.
        disk = min(size, len(data), archive.getinfo(_WEIGHTS).compress_size)
        with h5py.File(io.BytesIO(data), "r") as file:
            stored = min(disk, declared_bytes(file, disk))
        old = renewed != config
        if old and any(member.startswith("assets/") for member in names):
            refuse(f"{name} is by Keras 2 and holds vocabularies, which kviz does not read.")
        if old and not only_asked():
            target = target.with_suffix(".weights")
            target.write_bytes(data)
        elif not only_asked():
            _write_copy(archive, target, in_order(_untrained(config)), data)
    extra = metadata.get("kviz", {})
    return ModelFile(
        target,
        stored,
        custom,
        _loss(config),
        extra if isinstance(extra, dict) else {},
        _untrained(renewed) if old else None,
        changes,
    )


def _write_copy(archive: zipfile.ZipFile, target: Path, config: Any, weights: bytes) -> None:
    """Write the members that were looked at into a file of one's own."""
    with zipfile.ZipFile(target, "w") as copy:
        copy.writestr("metadata.json", "{}")
        copy.writestr("config.json", json.dumps(config))
        copy.writestr(_WEIGHTS, weights)
        for member in archive.infolist():
            if member.filename.startswith("assets/"):
                with archive.open(member) as asset, copy.open(member.filename, "w") as place:
                    shutil.copyfileobj(asset, place)


def _untrained(value: Any) -> Any:
    """Return a config without how it was trained, which Keras would make for models inside it too."""
    if isinstance(value, list):
        return [_untrained(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    is_object = "class_name" in value and "config" in value
    return {
        key: _untrained(entry)
        for key, entry in value.items()
        if not (is_object and key == "compile_config")
    }


def _loss(config: Any) -> Any:
    """Return what a model was compiled with, as its file writes it, None where it does not."""
    compiled = config.get("compile_config") if isinstance(config, dict) else None
    return compiled.get("loss") if isinstance(compiled, dict) else None


def count_entries(data: bytes, what: str) -> None:
    """Refuse JSON of too many values, before they are made: they take 30 times their text's memory.

    Args:
        data: the text.
        what: what it is, for the message.

    Raises:
        ModelError: if it holds more.
    """
    # Each value and each key but the first of all has one of these before it.
    if sum(map(data.count, (b"{", b"[", b",", b":"))) > ENTRIES:
        raise ModelError(f"{what} holds more entries than any model needs.")


def _parsed(text: Any, what: str) -> Any:
    data = text.encode() if isinstance(text, str) else text
    if not isinstance(data, bytes):
        raise ModelError(f"The model's {what} is not JSON but {sanitise(type(text).__name__)}.")
    count_entries(data, f"The model's {what}")
    try:
        return json.loads(data)
    except RecursionError:
        raise ModelError(f"The model's {what} is nested more than {DEPTH} deep.") from None
    except ValueError as error:
        raise ModelError(f"The model's {what} is not JSON: {sanitise(error, 120)}.") from error


def _looked_through(
    config: Any, version: Any, trust: bool, *, zipped: bool
) -> tuple[Any, tuple[str, ...], bool]:
    """Return a config made new, what was changed, and whether it has objects that the caller has.

    Args:
        config: the config, as the file holds it.
        version: the Keras that wrote it, as the file says.
        trust: whether only what is unknown matters.
        zipped: whether it is of a `.keras` file, which Keras 3 reads as it is, if it wrote it.

    Raises:
        ModelError: if it holds what it should not.
    """
    _look_at_bounds(config)
    renewed: Any = config
    changes: tuple[str, ...] = ()
    version = version if isinstance(version, str) else ""
    if isinstance(config, dict) and not (zipped and version.startswith("3.")):
        renewed, changes = made_new({**config, "keras_version": version})
        saw(changes=changes)
        _look_at_bounds(renewed)
    objects = Objects(trust)
    objects.look(renewed)
    saw(own=(*objects.unknown, *objects.registered))
    _refuse_unknown(objects.unknown)
    if only_asked():
        in_order(renewed)  # which loading does of what it reads
    return renewed, changes, objects.custom


def _look_at_bounds(config: Any) -> None:
    """Refuse a config that is too deep, too long, of too many layers or too large inputs."""
    layers = entries = 0
    most = layers_allowed()
    stack = [("", config, 1)]
    while stack:
        key, value, depth = stack.pop()
        entries += 1
        if entries > 2 * ENTRIES:  # what a rule has made of it; keys are none here
            raise ModelError("The model's config holds more entries than any model needs.")
        if depth > DEPTH:
            raise ModelError(f"The model's config is nested more than {DEPTH} deep.")
        if isinstance(value, str) and len(value) > (NAME if key in _NAMES else MEGABYTE):
            refuse(f"The model's config holds a {key or 'text'} of {len(value)} characters.")
        if isinstance(value, list):
            stack += [(key, entry, depth + 1) for entry in value]
        if not isinstance(value, dict):
            continue
        for name, entry in value.items():
            if len(name) > NAME:
                refuse(f"The model's config holds a name of {len(name)} characters.")
            stack.append((name, entry, depth + 1))
        layers += _layers_in(value)
        if most is not None and layers > most:
            refuse(
                f"The model has more than {most:,} layers; {spelled('max_layers', '…')} allows more."
            )
        _look_at_shapes(value)
    look_at_work(config)


def _refuse_unknown(unknown: dict[str, str]) -> None:
    """Refuse classes that neither Keras nor the caller has, given by name the registered one."""
    if unknown:
        first, registered = (sanitise(name, 40) for name in next(iter(unknown.items())))
        names = ", ".join(repr(sanitise(name, 20)) for name in list(unknown)[:3])
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        package = registered.partition(">")[0]
        if package in _PACKAGES:
            word = spelled("custom_objects")  # in Python a package is imported by a statement
            how = f"{'import' if word == 'custom_objects' else word} {package}"
            refuse(f"The model uses classes of {package}: {names}{more}. Import it first: {how}.")
            return
        how = spelled("custom_objects", f"{{{registered!r}: {first}}}")
        refuse(
            f"The model uses classes of its own: {names}{more}. Load it with {how}, or import first "
            "what defines them under @keras.saving.register_keras_serializable()."
        )


def _layers_in(value: dict[str, Any]) -> int:
    inside = value.get("layers")
    return len(inside) if isinstance(inside, list) else 0


def _look_at_shapes(value: dict[str, Any]) -> None:
    """Refuse inputs, and counts of parts, that would fill the memory while Keras builds the model."""
    for key in _PARTS:  # Keras makes each of them
        if isinstance(value.get(key), int | float) and value[key] > INPUT_BATCH:
            refuse(
                f"The model asks for {key} of {sanitise(value[key], 20)}, more than any model needs: "
                "it is broken, or made to fill the memory."
            )
    shapes = [value.get(key) for key in _SHAPES]
    build, given = value.get("shapes_dict"), value.get("config")
    shapes += build.values() if isinstance(build, dict) else ()
    if isinstance(given, dict) and str(value.get("class_name")).endswith("InputLayer"):
        shapes.append(given.get("shape"))
    for shape in shapes:
        if not isinstance(shape, list):
            continue
        # One for what is free, and for a 0 that would hide the others.
        sizes = [max(n, 1) if isinstance(n, int | float) else 1 for n in shape[:16]]
        if math.prod(sizes) > INPUT_NUMBERS or sizes[:1] > [INPUT_BATCH]:
            refuse(
                f"The model takes inputs of shape {sanitise(shape)}, more than any image holds: it is "
                "broken, or made to fill the memory."
            )


_RANDOM = tuple(
    getattr(keras.initializers, name)
    for name in (
        "Orthogonal",
        "RandomNormal",
        "RandomUniform",
        "TruncatedNormal",
        "VarianceScaling",
    )
)

_lock = threading.RLock()
_local = threading.local()


def _left_after(left: int, given: dict[str, Any]) -> int:
    """Return what is left of a budget after a variable, refuse one that goes beyond."""
    value = given.get("initializer")  # an array, or what makes one of the shape
    shape = getattr(value, "shape", given.get("shape"))
    if shape is None:
        return left
    dtype = given.get("dtype") or getattr(value, "dtype", "float32")
    size: int = tf.as_dtype(keras.backend.standardize_dtype(dtype)).size
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    for length in lengths:
        size *= length or 1
    if size > left or any(length is not None and length < 0 for length in lengths):
        raise ModelError(
            "The model asks for far more weights than its file holds: it is broken, or made to "
            "fill the memory."
        )
    return left - size


def _with_initializer(
    start: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return ((start, *args[1:]), kwargs) if args else (args, {**kwargs, "initializer": start})


def _raise_first(refusals: list[ModelError]) -> None:
    if refusals:
        raise refusals[0] from None


@contextmanager
def variables_within(budget: int, *, zeros: bool = False) -> Iterator[None]:
    """Refuse, on this thread, to allocate more than `budget` bytes of `keras.Variable`.

    Args:
        budget: bytes.
        zeros: let what would start at random start as zeros, since a file's values come after.

    Raises:
        ModelError: by the first variable that goes beyond or has a negative size, and again at the
            end where somebody has swallowed that.
    """
    with _lock:
        original, build = keras.Variable.__init__, keras.layers.Normalization.build
        outer, _local.left = getattr(_local, "left", None), budget
        refusals: list[ModelError] = []

        def count(given: dict[str, Any]) -> None:
            try:
                _local.left = _left_after(_local.left, given)
            except ModelError as error:
                _local.left = -1  # final, even where Keras goes on
                refusals.append(error)
                raise

        def counted(self: Any, *args: Any, **kwargs: Any) -> None:
            given = dict(zip(("initializer", "shape", "dtype"), args, strict=False)) | kwargs
            if getattr(_local, "left", None) is not None:
                count(given)
                if zeros and isinstance(given.get("initializer"), _RANDOM):
                    start = keras.initializers.Zeros()
                    args, kwargs = _with_initializer(start, args, kwargs)
            original(self, *args, **kwargs)

        def built(self: Any, input_shape: Any) -> None:
            # One mean for all is made a tensor with one for each pixel.
            counts = getattr(_local, "left", None) is not None and input_shape is not None
            if counts and self.input_mean is not None:
                axes = [axis for axis in self.axis if -len(input_shape) <= axis < len(input_shape)]
                count({"shape": (2, *[input_shape[axis] for axis in axes])})
            build(self, input_shape)

        try:
            with (
                replaced(keras.Variable, "__init__", counted),
                replaced(keras.layers.Normalization, "build", built),
            ):
                yield
        except Exception:
            _raise_first(refusals)
            raise
        else:
            _raise_first(refusals)
        finally:
            _local.left = outer


def write_model(model: Any, path: Path, extra: dict[str, Any], *, force: bool = False) -> None:
    """Save a model as `.keras` with `extra` in its metadata, whole or not at all.

    Keras reads such a file as any other: it does not look at the metadata.

    Args:
        model: the `keras.Model`.
        path: a file ending in `.keras`.
        extra: what should travel with the model; plain JSON.
        force: replace a file that kviz did not write too.

    Raises:
        OutputError: if it cannot be written, or Keras does not know how to save the model.
    """
    with whole_file(path, force=force) as part:
        plain = part.with_name("plain.keras")
        try:
            model.save(plain)
        except OSError:
            raise
        except Exception as error:  # a custom layer's own get_config, for one, raises anything
            raise OutputError(f"Keras cannot save the model: {first_line(error)}") from error
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(part, "w") as target:
            for member in source.infolist():
                data = source.read(member)
                if member.filename == "metadata.json":
                    data = json.dumps({**json.loads(data), "kviz": extra}).encode()
                target.writestr(member, data)
            target.comment = ZIP_MARK
        plain.unlink()
