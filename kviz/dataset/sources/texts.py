"""Millions of names and labels in little memory: texts end to end, labels as numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz._checks import sanitise
from kviz.errors import ImageError

Label = int | str | None

_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")
_MOST = 2**63


@dataclass(frozen=True, eq=False, repr=False)
class Texts:
    """Texts as a file system has them, end to end.

    Attributes:
        data: all of them.
        ends: where each one ends.
    """

    data: bytes
    ends: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: Iterable[str | bytes]) -> Texts:
        """Return texts packed; none of them is kept besides."""
        packer = TextPacker()
        for text in texts:
            packer.append(text)
        return packer.packed()

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> bytes:
        start = int(self.ends[place - 1]) if place else 0
        return self.data[start : int(self.ends[place])]

    def __iter__(self) -> Iterator[bytes]:
        return (self[place] for place in range(len(self)))


class Growing:
    """A list of numbers of one type, packed as they come."""

    def __init__(self, dtype: Any = np.int64) -> None:
        self._data = np.empty(1024, dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, value: int) -> None:
        """Take in the next number."""
        if self._count == len(self._data):
            self._data = np.concatenate([self._data, np.empty_like(self._data)])
        self._data[self._count] = value
        self._count += 1

    def array(self) -> npt.NDArray[Any]:
        """Return all of them."""
        return self._data[: self._count].copy()


class TextPacker:
    """Texts that come one by one, packed as they come."""

    def __init__(self) -> None:
        self._data, self._ends = bytearray(), Growing()

    def append(self, text: str | bytes) -> None:
        """Take in the next text."""
        self._data += text if isinstance(text, bytes) else os.fsencode(text)
        self._ends.append(len(self._data))

    def packed(self) -> Texts:
        """Return all of them."""
        return Texts(bytes(self._data), self._ends.array())


@dataclass(frozen=True, eq=False, repr=False)
class PackedLabels:
    """Labels as numbers of a list of those that differ.

    Attributes:
        codes: by image the place of its label in `values`, -1 where it has none.
        values: the labels that there are.
    """

    codes: npt.NDArray[np.int32]
    values: tuple[int | str, ...]

    @classmethod
    def of(cls, labels: Iterable[Any], what: str = "The labels") -> PackedLabels | None:
        """Return labels packed, or None if there is none at all.

        Raises:
            ImageError: if one is no class's name or number.
        """
        packer = LabelPacker(what)
        for label in labels:
            packer.append(label)
        return packer.packed()

    def __getitem__(self, place: int) -> Label:
        code = int(self.codes[place])
        return None if code < 0 else self.values[code]


class LabelPacker:
    """Labels that come one by one, packed as they come."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._places: dict[int | str, int] = {}
        self._codes = Growing(np.int32)

    def append(self, label: Any) -> None:
        """Take in the label of the next image."""
        one = label_of(label, self._what)
        new = len(self._places)
        self._codes.append(-1 if one is None else self._places.setdefault(one, new))

    def packed(self) -> PackedLabels | None:
        """Return the labels, None if there was none; texts that all are whole numbers become these."""
        codes, values = self._codes.array(), list(self._places)
        if not values:
            return None
        if all(isinstance(one, int) or _WHOLE.fullmatch(one) for one in values):
            values = [int(str(one).partition(".")[0]) for one in values]
        elif any(isinstance(one, int) for one in values):
            values = [str(one) for one in values]
        known = tuple(dict.fromkeys(values))  # of which some may have become the same: 7 and "07"
        places = {value: place for place, value in enumerate(known)}
        return PackedLabels(np.array([*map(places.get, values), -1], np.int32)[codes], known)


def _one_of(array: npt.NDArray[Any]) -> Any:
    """Return the only value of an array, or the class of which it holds 1 and of others 0."""
    flat = array.reshape(-1)
    if flat.size == 1:
        return flat[0]
    is_one_hot = flat.size > 1 and flat.dtype.kind in "fiub" and array.ndim == 1
    if is_one_hot and (flat == 1).sum() == 1 and (flat == 0).sum() == flat.size - 1:
        return int(flat.argmax())
    return array


def label_of(given: Any, what: str = "The labels") -> Label:
    """Return a label as it is kept: a text, a whole number, or None where there is none.

    Raises:
        ImageError: if it is none of these.

    >>> label_of(b"cat"), label_of(3.0), label_of(""), label_of(np.array([0, 1, 0]))
    ('cat', 3, None, 1)
    """
    if isinstance(given, np.ndarray):
        given = _one_of(given)
    if isinstance(given, np.generic):
        given = given.item()
    if isinstance(given, bytes):
        given = given.decode("utf-8", "backslashreplace")
    if given is None or (isinstance(given, float) and given != given):
        return None
    if isinstance(given, str):
        if not given:
            return None
        return given.encode("utf-8", "backslashreplace").decode()
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if isinstance(given, int) and -_MOST <= given < _MOST:
        return int(given)
    raise ImageError(
        f"{what} hold {sanitise(repr(given), 40)}. Expected a class's name or its number."
    )
