"""Files: a source whose images are files each, whatever listed them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kviz.dataset.sources.source import Fingerprint, Item, Source, counted
from kviz.dataset.sources.texts import PackedLabels, Texts

# Of more files than this, the fingerprint holds names only: a look at each would take minutes here and
# hours on a file server. Names take some 50 bytes a file: of a hundred million, 5 GB.
_MOST_LOOKED_AT = 1_000_000


@dataclass(frozen=True, eq=False)
class Files(Source):
    """Images that are files each.

    Attributes:
        folder: what the paths are relative to.
        paths: by image, as the file system has them; absolute ones too.
        labels: by image, None where there is none.
    """

    folder: Path
    paths: Texts
    labels: PackedLabels | None

    @classmethod
    def listed(
        cls,
        folder: Path,
        paths: Iterable[str | bytes],
        labels: PackedLabels | None = None,
        label_names: tuple[str, ...] | None = None,
    ) -> Self:
        """Return files by their paths, which are looked at for the fingerprint."""
        folder = folder.absolute()  # another process need not work in the same one
        texts = paths if isinstance(paths, Texts) else Texts.of(paths)
        return cls(
            _fingerprint(cls.kind, folder, texts, labels), label_names, folder, texts, labels
        )

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self.paths)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Give the files from one place up to another, in order."""
        for place in range(start, stop):
            path = self.paths[place]
            label = None if self.labels is None else self.labels[place]
            yield Item(_text(path), label, self.folder / os.fsdecode(path))

    def describe(self) -> str:
        """Return a short phrase that says what it is."""
        classes = 0 if self.labels is None else len(self.label_names or self.labels.values)
        inside = f" in {counted(classes, 'class')}" if classes else ""
        return f"{self.kind} of {counted(self.count, 'photo')}{inside}"


def _text(path: bytes) -> str:
    """Return a path as text that can be written anywhere."""
    text = path.decode("utf-8", "backslashreplace")
    return text.replace("\\", "/") if os.sep == "\\" else text


def _shared(paths: Iterable[bytes]) -> bytes:
    """Return the folder that absolute paths share, b"" where there are none; they are not all held."""
    folders = map(os.path.dirname, paths)
    shared = next(folders, b"")
    for folder in folders:
        if folder != shared and not folder.startswith(shared + b"/"):
            shared = os.path.commonpath([shared, folder])
    return shared


def _fingerprint(kind: str, folder: Path, paths: Texts, labels: PackedLabels | None) -> str:
    """Return the hash of names, labels, sizes, times; what absolute paths share is left out."""
    found = Fingerprint(kind)
    shared = _shared(path for path in paths if path.startswith(b"/"))
    base = os.fsencode(folder) + b"/"
    looked_at = len(paths) <= _MOST_LOOKED_AT
    if labels is not None:
        found.add(labels.codes.tobytes(), labels.values)
    for path in paths:
        is_absolute = path.startswith(b"/")
        name = path[len(shared) :] if is_absolute else path
        found.add_file(path if is_absolute else base + path, name, looked_at=looked_at)
    return found.hexdigest()
