"""WebDataset: tar archives in which files of one name are one sample, read from any sample on."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np
import numpy.typing as npt

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz.dataset.sources.archives import Archives, fingerprint_of, names_of
from kviz.dataset.sources.columns import LABELS
from kviz.dataset.sources.source import Columns, Item, files_of, no_column, unreadable
from kviz.dataset.sources.texts import Growing, Label, TextPacker, Texts, label_of
from kviz.errors import ImageError
from kviz.formats.paths import SUFFIXES

# What a label is in, the likeliest first.
_LABELS = ("cls", "json", "txt")
_MOST_LABEL = 1_000_000
_IMAGES = tuple(suffix[1:] for suffix in SUFFIXES)


@dataclass(frozen=True, eq=False)
class WebDataset(Archives):
    """Images in tar archives; links, devices and what is packed sparsely are left out.

    Attributes:
        keys: by image the name of its sample.
        spans: by image where its bytes begin and how many they are, and where its label's, -1 if none.
        is_json: by image whether its label is in JSON.
        label_key: what a label is called in JSON.
    """

    keys: Texts
    spans: npt.NDArray[np.int64]
    is_json: npt.NDArray[np.bool_]
    label_key: str | None

    kind: ClassVar[str] = "WebDataset"
    suffixes: ClassVar[tuple[str, ...]] = (".tar", ".tar.gz", ".tgz")
    takes: ClassVar[tuple[str, ...]] = ("image", "label")

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:
        """Return the images of an archive, or of several by a glob."""
        files = tuple(files_of(given))
        found, ends = _Found(columns), []
        for file in files:
            found.read(file)
            ends.append(len(found.is_json))
        if not ends[-1]:
            raise no_column(
                spelled("image_column"), f"member {columns.image!r}" if columns.image else "image",
                sanitise(files[0], 80), sorted(found.endings),
            )  # fmt: skip
        if columns.label in found.endings or columns.label is None:
            label_key = None
        elif found.endings & {"json"}:
            label_key = columns.label
        else:
            raise no_column(
                spelled("label_column"), f"member {columns.label!r}", sanitise(files[0], 80),
                sorted(found.endings),
            )  # fmt: skip
        return cls(
            fingerprint_of(cls.kind, files, columns.image, columns.label), None, files,
            np.array(ends, np.int64), found.keys.packed(), found.spans.array().reshape(-1, 4),
            found.is_json.array(), label_key,
        )  # fmt: skip

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Give the images from one place up to another, in order."""
        names = names_of(self.files)
        for part in self.parts(start, stop):
            before = int(self.ends[part.file - 1]) if part.file else 0
            with self.files[part.file].open("rb") as file:
                for place in range(before + part.start, before + part.stop):
                    name = (
                        f"{names[part.file]}/{self.keys[place].decode('utf-8', 'backslashreplace')}"
                    )
                    yield self._item(file, place, name)

    def _item(self, file: BinaryIO, place: int, name: str) -> Item:
        at, size, label_at, label_size = self.spans[place].tolist()
        label: Label = None
        try:
            if label_size > _MOST_LABEL:
                raise ImageError(f"Labels of {name} take {label_size // 1_000_000} MB.")
            if label_at >= 0:
                said = _bytes(file, label_at, label_size, name)
                label = self._label(said, bool(self.is_json[place]), name)
        except ImageError as error:
            return Item(name, None, error)
        return Item(name, label, _bytes(file, at, size, name))

    def _label(self, said: bytes, is_json: bool, name: str) -> Label:
        what = f"Labels of {name}"
        if not is_json:
            text = said.decode("utf-8", "backslashreplace").strip()
            is_whole = text.removeprefix("-").isdecimal() and len(text) <= 18
            return label_of(int(text) if is_whole else text, what)
        try:
            values = json.loads(said)
        except (ValueError, RecursionError) as error:
            raise ImageError(f"{what} are no JSON: {sanitise(error, 80)}") from error
        if isinstance(values, dict):
            names = LABELS if self.label_key is None else (self.label_key,)
            values = next((values[one] for one in names if one in values), None)
        return label_of(values, what)


def _bytes(file: BinaryIO, at: int, size: int, name: str) -> bytes:
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise ImageError(f"{sanitise(name, 120)} ends early: its archive has changed.")
    return data


@dataclass
class _Sample:
    """Members of one name: by ending where their bytes are."""

    key: str = ""
    members: dict[str, tuple[int, int]] = field(default_factory=dict)


class _Within:
    """A file of which no more is asked for than there is, whatever a header says."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        return self._file.read(max(0, min(count, self._size - self._file.tell())))


def _members(path: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Give names of an archive's files, and where their bytes are."""
    size = path.stat().st_size
    with path.open("rb") as file:
        within: Any = _Within(file, size)
        with tarfile.open(fileobj=within, mode="r:") as archive:
            kept: Any = archive
            for member in archive:
                kept.members = []  # or it would keep them all
                if member.offset_data + member.size > size:
                    raise ImageError(f"{sanitise(path, 120)} ends early.")
                if member.isreg() and not member.issparse():
                    yield member.name, (member.offset_data, member.size)


def _packed(path: Path) -> ImageError | None:
    """Return what to say of an archive that is packed as a whole, else None."""
    with path.open("rb") as file:
        if not file.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")):
            return None
    return ImageError(
        f"{sanitise(path, 120)} is packed as a whole, so that no image can be read alone. Unpack it to "
        "a .tar."
    )


class _Found:
    """What archives hold, packed as they are read."""

    def __init__(self, columns: Columns) -> None:
        self._images = _IMAGES if columns.image is None else (columns.image.lower().lstrip("."),)
        asked = None if columns.label is None else columns.label.lower().lstrip(".")
        self._labels = _LABELS if asked is None else (asked, "json")
        self.keys = TextPacker()
        self.spans, self.is_json = Growing(), Growing(np.bool_)
        self.endings: set[str] = set()

    def read(self, path: Path) -> None:
        """Take in the samples of an archive."""
        sample = _Sample()
        try:
            for name, span in _members(path):
                folder, slash, file = name.rpartition("/")
                stem, _, ending = file.partition(".")
                if not stem:
                    continue  # it is hidden
                if folder + slash + stem != sample.key:
                    self._take(sample)
                    sample = _Sample(folder + slash + stem)
                sample.members.setdefault(ending.lower(), span)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise _packed(path) or unreadable(path, error) from error
        self._take(sample)

    def _take(self, sample: _Sample) -> None:
        if len(self.endings) < 100:
            self.endings.update(sample.members)
        image = next((one for one in self._images if one in sample.members), None)
        if image is None:
            return
        label = next((one for one in self._labels if one in sample.members), None)
        at, size = sample.members[label] if label is not None else (-1, 0)
        self.keys.append(sample.key.encode("utf-8", "surrogateescape"))
        for value in (*sample.members[image], at, size):
            self.spans.append(value)
        self.is_json.append(label == "json")
