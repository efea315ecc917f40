"""TFRecord files of `tf.train.Example`, read from any record on.

A record is its length, a checksum of that, the data and a checksum of these: the lengths alone say
where each begins. Those are checked when a file is opened; the data are not checked against theirs,
which would take longer than decoding them.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np
import numpy.typing as npt

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz._types import Array
from kviz.dataset.sources.archives import Archives, fingerprint_of, names_of
from kviz.dataset.sources.columns import IMAGES, LABELS
from kviz.dataset.sources.source import Columns, Item, files_of, no_column, validate_some
from kviz.dataset.sources.texts import Growing, Label, label_of
from kviz.errors import ImageError

_HEAD = struct.Struct("<QI")
_AROUND = 16  # bytes of a record besides its data
_CHECKED_AT_ONCE = 65_536
_GZIP = b"\x1f\x8b"
_NAMES = ("image/filename", "filename", "image/name", "name")
_HEIGHTS, _WIDTHS = ("image/height", "height"), ("image/width", "width")


@dataclass(frozen=True, eq=False)
class TFRecord(Archives):
    """Images in TFRecord files.

    Attributes:
        places: by record where it begins in its file.
        columns: the keys that were asked for.
    """

    places: npt.NDArray[np.int64]
    columns: Columns

    kind: ClassVar[str] = "TFRecord"
    suffixes: ClassVar[tuple[str, ...]] = (".tfrecord", ".tfrecords")
    takes: ClassVar[tuple[str, ...]] = ("image", "label")

    @classmethod
    def matches(cls, given: Any, columns: Columns) -> bool:  # noqa: ARG003
        """Return whether it is called .tfrecord or .tfrecord-00000-of-00010, or is a glob of these."""
        name = str(given).lower() if isinstance(given, str | Path) else ""
        return re.search(r"\.tfrecords?(-[^/]*|\*|\.gz)?$", name) is not None

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:
        """Return the images of a file, or of several by a glob."""
        files = tuple(files_of(given))
        places = [_places(file) for file in files]
        ends = np.cumsum([len(one) for one in places], dtype=np.int64)
        validate_some(int(ends[-1]), sanitise(files[0], 120))
        source = cls(
            fingerprint_of(cls.kind, files, columns.image, columns.label), None, files, ends,
            np.concatenate(places), columns,
        )  # fmt: skip
        source._validate_keys()
        return source

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Give the images from one place up to another, in order."""
        names = names_of(self.files)
        for part in self.parts(start, stop):
            before = int(self.ends[part.file - 1]) if part.file else 0
            with self.files[part.file].open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                for place in range(part.start, part.stop):
                    name = f"{names[part.file]}[{place}]"
                    data = _record(file, int(self.places[before + place]), size, name)
                    yield self._item(_features(data), name)

    def _validate_keys(self) -> None:
        """Raise an OptionError unless the first record has the keys that are needed."""
        file = next(iter(np.flatnonzero(self.ends)))
        name = sanitise(self.files[file], 80)
        with self.files[file].open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            features = _features(_record(opened, int(self.places[0]), size, name))
        if features is None:
            raise ImageError(f"{name} holds records that are no tf.train.Example.")
        if _key(features, self.columns.image, IMAGES) is None:
            wanted = f"key {self.columns.image!r}" if self.columns.image else "key of images"
            raise no_column(spelled("image_column"), wanted, name, sorted(features))
        if self.columns.label is not None and self.columns.label not in features:
            wanted = f"key {self.columns.label!r}"
            raise no_column(spelled("label_column"), wanted, name, sorted(features))

    def _item(self, features: Mapping[str, Any] | None, name: str) -> Item:
        if features is None:
            return Item(name, None, ImageError(f"{name} is no tf.train.Example."))
        own = _bytes(features, next((one for one in _NAMES if one in features), None))
        name = sanitise(own.decode("utf-8", "replace"), 300) if own else name
        key = _key(features, self.columns.image, IMAGES)
        data = _bytes(features, key)
        label: Label = None
        try:
            label = label_of(
                _value(features, _key(features, self.columns.label, LABELS)), f"Labels of {name}"
            )
        except ImageError as error:
            return Item(name, None, error)
        if not data:
            return Item(name, label, ImageError(f"{name} holds no image."))
        return Item(name, label, _unpacked(features, data))


def _places(path: Path) -> Array:
    """Return where each record begins, by their lengths alone."""
    name = sanitise(path, 120)
    places, heads, at = Growing(), bytearray(), 0
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        while at < size:
            file.seek(at)
            head = file.read(_HEAD.size)
            if at == 0 and head.startswith(_GZIP):
                raise ImageError(
                    f"{name} is packed as a whole, so that no record can be read alone. Unpack it."
                )
            places.append(at)
            heads += head
            ends = len(head) < _HEAD.size
            at += _AROUND + (0 if ends else _HEAD.unpack(head)[0])
            if ends or at > size or len(heads) >= _CHECKED_AT_ONCE * _HEAD.size:
                _validate_lengths(bytes(heads[: len(heads) - len(heads) % _HEAD.size]), name)
                heads.clear()
            if ends or at > size:
                raise ImageError(f"{name} ends within record {len(places) - 1}.")
    _validate_lengths(bytes(heads), name)
    return places.array()


def _validate_lengths(heads: bytes, name: str) -> None:
    """Raise an ImageError unless records' lengths have their checksums."""
    read = np.frombuffer(heads, np.dtype([("length", "u1", 8), ("sum", "<u4")]))
    crc = np.full(len(read), 0xFFFFFFFF, np.uint32)
    for byte in read["length"].T:
        crc = _CRC32C[(crc ^ byte) & 0xFF] ^ (crc >> np.uint32(8))
    crc = ~crc
    masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)
    if not np.array_equal(masked, read["sum"]):
        raise ImageError(f"{name} is broken, or no TFRecord file: a length has not its checksum.")


def _table() -> Array:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(0x82F63B78), values >> 1)
    return values


_CRC32C = _table()


def _record(file: BinaryIO, at: int, size: int, name: str) -> bytes:
    file.seek(at)
    head = file.read(_HEAD.size)
    length = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else size
    if at + _AROUND + length > size:
        raise ImageError(f"{name} has changed while it was read.")
    return file.read(length)


def _features(data: bytes) -> Mapping[str, Any] | None:
    """Return a record's features by key, None if it is no example."""
    from google.protobuf.message import DecodeError

    from kviz.engine.backend import tf

    try:
        features: Mapping[str, Any] = tf.train.Example.FromString(data).features.feature
    except DecodeError:
        return None
    return features


def _key(features: Mapping[str, Any], given: str | None, usual: tuple[str, ...]) -> str | None:
    names = usual if given is None else (given,)
    return next((name for name in names if name in features), None)


def _value(features: Mapping[str, Any], key: str | None) -> Any:
    """Return the value of a key, a list of several, None where there is none."""
    if key is None:
        return None
    feature = features[key]
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    return values[0] if len(values) == 1 else values or None


def _bytes(features: Mapping[str, Any], key: str | None) -> bytes | None:
    value = _value(features, key)
    return value if isinstance(value, bytes) else None


def _unpacked(features: Mapping[str, Any], data: bytes) -> bytes | Array:
    """Return pixels where bytes are as many as a picture of the size that is told, else the bytes."""
    high, wide = (_value(features, _key(features, None, keys)) for keys in (_HEIGHTS, _WIDTHS))
    if not (isinstance(high, int) and isinstance(wide, int) and high > 0 and wide > 0):
        return data
    channels = len(data) // (high * wide)
    if channels not in (1, 3, 4) or channels * high * wide != len(data):
        return data
    return np.frombuffer(data, np.uint8).reshape(high, wide, channels)
