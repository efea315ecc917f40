"""A text file with a path a line, and a label behind it where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from kviz._checks import sanitise
from kviz.dataset.sources.files import Files
from kviz.dataset.sources.source import Columns, validate_some
from kviz.dataset.sources.texts import LabelPacker, Texts
from kviz.errors import ImageError
from kviz.formats.paths import SUFFIXES

_SUFFIX = b"(?:" + "|".join(map(re.escape, SUFFIXES)).encode() + b")"
# Without a tab: the name of a photo, which may hold spaces, and a label behind it, which may too.
_SPACED = re.compile(rb"(.*" + _SUFFIX + rb")[ ]+(\S.*)", re.IGNORECASE | re.DOTALL)
_PHOTO = re.compile(rb".*" + _SUFFIX, re.IGNORECASE | re.DOTALL)


class ListFile(Files):
    """A list of files: `path`, `path<tab>label` or `path label` a line, from the list's folder on."""

    kind: ClassVar[str] = "list"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".lst")

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:  # noqa: ARG003 - a list has none
        """Return the files that are listed."""
        path = Path(given)
        name = sanitise(path, 120)
        if not path.is_file():
            said = "is no file" if path.exists() else "is not there"
            raise ImageError(f"The list {name} {said}.")
        labels = LabelPacker(f"Labels of {name}")
        texts = Texts.of(_files(path, labels))
        validate_some(len(texts), f"The list {name}")
        return cls.listed(path.parent, texts, labels.packed())


def _files(path: Path, labels: LabelPacker) -> Iterator[bytes]:
    """Give paths, and take in their labels; lines that are empty are left out."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
            text = text.strip(b" \r\n")
            if text:
                file_name, label = _split(text)
                labels.append(label)
                yield file_name


def _split(line: bytes) -> tuple[bytes, bytes]:
    if b"\t" in line:
        file, _, label = line.partition(b"\t")
        return file.strip(), label.strip()
    found = _SPACED.fullmatch(line)
    if found is None or _PHOTO.fullmatch(found[2]):
        return line, b""
    return found[1], found[2]
