"""Archives: files that hold many images each, read from any image on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kviz.dataset.sources.source import Fingerprint, Source, counted


class Part(NamedTuple):
    """Part of a file: which one, and its images from one place up to another."""

    file: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Archives(Source):
    """Images that files hold, many each.

    Attributes:
        files: in order, by absolute paths.
        ends: by file, how many images there are up to its end.
    """

    files: tuple[Path, ...]
    ends: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many images there are."""
        return int(self.ends[-1])

    def parts(self, start: int, stop: int) -> Iterator[Part]:
        """Give what of each file is from one place up to another."""
        first = 0
        for file, end in enumerate(self.ends.tolist()):
            low, high = max(start, first), min(stop, end)
            if low < high:
                yield Part(file, low - first, high - first)
            first = end

    def describe(self) -> str:
        """Return a short phrase that says what it is."""
        return f"{self.kind} of {counted(self.count)} in {counted(len(self.files), 'file')}"


def fingerprint_of(kind: str, files: tuple[Path, ...], *said: object) -> str:
    """Return the hash of files by their names, sizes and times, and of how they are read."""
    found = Fingerprint(kind)
    found.add(*said)
    for path, name in zip(files, names_of(files), strict=True):
        found.add_file(os.fsencode(path), name.encode())
    return found.hexdigest()


def names_of(files: tuple[Path, ...]) -> list[str]:
    """Return what files are called, from the folder on that they share.

    >>> names_of((Path("/a/b/c.tar"), Path("/a/d.tar")))
    ['b/c.tar', 'd.tar']
    """
    shared = os.path.commonpath([path.parent for path in files])
    named = (path.relative_to(shared).as_posix() for path in files)
    return [os.fsencode(name).decode("utf-8", "backslashreplace") for name in named]
