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
        data, sizes = bytearray(), _Growing(np.int64)
        for text in texts:
            packed = text if isinstance(text, bytes) else os.fsencode(text)
            data += packed
            sizes.append(len(packed))
        return cls(bytes(data), np.cumsum(sizes.array(), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> bytes:
        start = int(self.ends[place - 1]) if place else 0
        return self.data[start : int(self.ends[place])]

    def __iter__(self) -> Iterator[bytes]:
        return (self[place] for place in range(len(self)))


class _Growing:
    """A list of numbers, eight bytes each."""

    def __init__(self, dtype: Any) -> None:
        self._data = np.empty(1024, dtype)
        self._count = 0

    def append(self, value: int) -> None:
        if self._count == len(self._data):
            self._data = np.concatenate([self._data, np.empty_like(self._data)])
        self._data[self._count] = value
        self._count += 1

    def array(self) -> npt.NDArray[Any]:
        return self._data[: self._count].copy()


@dataclass(frozen=True, eq=False, repr=False)
class Labels:
    """Labels as numbers of a list of those that differ.

    Attributes:
        codes: by image the place of its label in `values`, -1 where it has none.
        values: the labels that there are.
    """

    codes: npt.NDArray[np.int32]
    values: tuple[int | str, ...]

    @classmethod
    def of(cls, labels: Iterable[Any], what: str = "The labels") -> Labels | None:
        """Return labels packed, or None if there is none at all.

        Texts that all are whole numbers become these.

        Raises:
            ImageError: if one is no class's name or number.
        """
        places: dict[int | str, int] = {}
        codes = _Growing(np.int32)
        for label in labels:
            one = label_of(label, what)
            codes.append(-1 if one is None else places.setdefault(one, len(places)))
        values: tuple[int | str, ...] = tuple(places)
        if not values:
            return None
        if all(isinstance(one, int) or _WHOLE.fullmatch(one) for one in values):
            return cls._merged(codes.array(), [int(str(one).partition(".")[0]) for one in values])
        if not all(isinstance(one, str) for one in values):
            return cls._merged(codes.array(), [str(one) for one in values])
        return cls(codes.array(), values)

    @classmethod
    def _merged(cls, codes: npt.NDArray[Any], values: list[Any]) -> Labels:
        """Return labels of which some have become the same: 7 and "07"."""
        known = tuple(dict.fromkeys(values))
        places = {value: place for place, value in enumerate(known)}
        new = np.array([*(places[value] for value in values), -1], np.int32)
        return cls(new[codes], known)

    def __getitem__(self, place: int) -> Label:
        code = int(self.codes[place])
        return None if code < 0 else self.values[code]


def label_of(given: Any, what: str = "The labels") -> Label:
    """Return a label as it is kept: a text, a whole number, or None where there is none.

    Raises:
        ImageError: if it is none of these.

    >>> label_of(b"cat"), label_of(3.0), label_of(""), label_of(float("nan"))
    ('cat', 3, None, None)
    """
    if isinstance(given, np.ndarray) and given.size == 1:
        given = given.reshape(-1)[0]
    if isinstance(given, np.generic):
        given = given.item()
    if isinstance(given, bytes):
        given = given.decode("utf-8", "backslashreplace")
    if given is None or given == "" or (isinstance(given, float) and given != given):
        return None
    if isinstance(given, str):
        return given.encode("utf-8", "backslashreplace").decode()
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if isinstance(given, int) and -_MOST <= given < _MOST:
        return int(given)
    raise ImageError(
        f"{what} hold {sanitise(repr(given), 40)}. Expected a class's name or its number."
    )
