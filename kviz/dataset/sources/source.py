"""Source: an ordered list of images with labels, read from any place on; and what it is told by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from kviz._checks import sanitise
from kviz._types import Array
from kviz.errors import ImageError, OptionError


class Item(NamedTuple):
    """One image of a data set, before it is decoded.

    Attributes:
        name: what it is called; never an absolute path, unless that is what was given.
        label: a class's name, or its number, or None where nobody said.
        data: a file, the bytes of one, pixels, or why there are none.
    """

    name: str
    label: int | str | None
    data: Path | bytes | Array | ImageError


class Columns(NamedTuple):
    """Where images and labels are, where the user said so.

    Attributes:
        path: the column of a table that holds paths.
        image: the column, key or array that holds images.
        label: the column, key or array that holds labels.
    """

    path: str | None = None
    image: str | None = None
    label: str | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """An ordered list of images: item i is always the same.

    Subclasses hold paths, places in files and labels in compact arrays, and no open file, so that one
    is cheap to send to another process.

    Attributes:
        fingerprint: SHA-256 of what it consists of: names, sizes, times of change, labels; where it
            lies does not count, so that a data set that was moved is the same.
        label_names: the classes in order, where that is known: a label that is a whole number counts in
            them, one that is a text is one of them.
    """

    fingerprint: str
    label_names: tuple[str, ...] | None

    kind: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    # Which of `Columns` a kind takes.
    takes: ClassVar[tuple[str, ...]] = ()
    # Whether its images are arrays, which have the size that a model takes.
    of_arrays: ClassVar[bool] = False
    # Whether it is small to send to another process: it says where images are, and does not hold them.
    travels: ClassVar[bool] = True
    # Of the kinds that match, the lowest is taken: a glob is for what no other kind is for.
    rank: ClassVar[int] = 0

    @classmethod
    def matches(cls, given: Any, columns: Columns) -> bool:  # noqa: ARG003
        """Return whether this kind is made from what was given, by default a file's name or a glob."""
        return isinstance(given, str | Path) and str(given).lower().endswith(cls.suffixes)

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:
        """Return the source that was given.

        Raises:
            ImageError: if it cannot be read, or holds no image.
            OptionError: if it has not the columns that were asked for.
        """
        raise NotImplementedError

    @property
    def count(self) -> int:
        """How many images there are."""
        raise NotImplementedError

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Give the images from one place up to another, in order.

        Args:
            start: the first one, from 0.
            stop: the one behind the last, at most `count`.

        Raises:
            OSError, ImageError: if what holds them cannot be read any more. What is wrong with one
                image is found where it is decoded.
        """
        raise NotImplementedError

    def describe(self) -> str:
        """Return a short phrase that says what it is."""
        raise NotImplementedError


def counted(count: int, what: str = "image") -> str:
    """Return a number of things in words.

    >>> counted(2000), counted(1), counted(10, "class")
    ('2,000 images', '1 image', '10 classes')
    """
    plural = "es" if what.endswith("s") else "s"
    return f"{count:,} {what}{'' if count == 1 else plural}"


class Fingerprint:
    """SHA-256 over the parts that a source consists of, each told from the next."""

    def __init__(self, kind: str) -> None:
        self._sha256 = hashlib.sha256()
        self.add(kind)

    def add(self, *parts: object) -> None:
        """Take in texts, bytes, numbers and arrays, in this order."""
        for part in parts:
            data = bytes(part) if isinstance(part, bytes | memoryview) else os.fsencode(str(part))
            self._sha256.update(b"%d:" % len(data))
            self._sha256.update(data)

    def add_file(self, path: bytes, name: bytes, *, looked_at: bool = True) -> None:
        """Take in a file by its name and, if it is looked at, its size and time of change."""
        size = time = -1
        if looked_at:
            try:
                status = os.stat(path)  # noqa: PTH116 - of a million files, a Path each is slow
                size, time = status.st_size, status.st_mtime_ns
            except (OSError, ValueError):
                size = -2  # it is not there
        self._sha256.update(b"%d,%d,%d:%b" % (len(name), size, time, name))

    def hexdigest(self) -> str:
        """Return the hash of all that was taken in."""
        return self._sha256.hexdigest()


def files_of(given: str | Path) -> list[Path]:
    """Return the files that a file's name or a glob stands for, sorted, by absolute paths.

    Raises:
        ImageError: if there is none.
    """
    if Path(given).exists() or not has_magic(str(given)):
        files = [Path(given)]
    else:
        files = [Path(one) for one in sorted(glob(str(given), recursive=True))]  # noqa: PTH207
        if not files:
            raise ImageError(f"No file matches {sanitise(given, 120)}.")
    for file in files:
        if not file.is_file():
            said = "is not a file" if file.exists() else "is not there"
            raise ImageError(f"{sanitise(file, 120)} {said}.")
    return [file.absolute() for file in files]


def validate_some(count: int, what: str) -> None:
    """Raise an ImageError if a source holds no image."""
    if not count:
        raise ImageError(f"{what} holds no image.")


def unreadable(path: object, error: BaseException) -> ImageError:
    """Return what to say of a file that cannot be read."""
    why = getattr(error, "strerror", None) or sanitise(error, 120) or type(error).__name__
    return ImageError(f"{sanitise(path, 120)} cannot be read: {why}.")


def no_column(option: str, wanted: str, what: str, known: list[str]) -> OptionError:
    """Return what to say where there is no such column, and which there are."""
    shown = ", ".join(repr(sanitise(one, 24)) for one in known[:8]) or "none"
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return OptionError(f"{what} has no {wanted}. It has: {shown}{more}. Give {option}.")
