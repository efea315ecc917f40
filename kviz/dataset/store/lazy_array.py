"""LazyArray: an array of a store, of which only what is asked for is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz import _process
from kviz._checks import sanitise
from kviz._types import Array
from kviz.dataset.store import zarr_arrays
from kviz.dataset.store.places import reading
from kviz.errors import OutputError

# Of fewer bytes it is not asked whether there is memory for them.
_LARGE = 100_000_000


class LazyArray:
    """An array on disk that is indexed as NumPy's are, row by row of the source.

    Attributes:
        path: the layer's path, or what else it was written under.
        shape: rows first.
        dtype: of its numbers.

    Args:
        path: what it was written under.
        folder: where it lies.
    """

    def __init__(self, path: str, folder: Path) -> None:
        self.path = path
        self._folder = folder
        with reading(folder):
            self._array = zarr_arrays.read(folder)
        self.shape: tuple[int, ...] = tuple(self._array.shape)
        self.dtype: np.dtype[Any] = np.dtype(self._array.dtype.numpy_dtype)
        chunk = self._array.chunk_layout.read_chunk.shape
        self._chunk_bytes = math.prod(chunk) * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of its numbers in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        """Return what NumPy would; only the rows that are meant are read.

        Raises:
            IndexError: as NumPy does.
            OutputError: if it cannot be read.
        """
        first, *others = key if isinstance(key, tuple) else (key,)
        if first is None or first is Ellipsis:
            return np.asarray(self._rows(slice(None))[key])
        if isinstance(first, slice):
            start, stop, step = first.indices(len(self))
            if step == 1:
                return np.asarray(
                    self._rows(slice(start, max(start, stop)))[(slice(None), *others)]
                )
            first = np.arange(start, stop, step)
            return np.asarray(self._rows(first)[(slice(None), *others)])
        places = _places(first, len(self))
        if places is None:
            return np.asarray(self._rows(slice(None))[key])
        wanted, found = np.unique(places, return_inverse=True)
        at = found.reshape(places.shape) if places.ndim else 0
        return np.asarray(self._rows(wanted)[(at, *others)])

    def _rows(self, which: slice | Array) -> Array:
        rows = range(len(self))[which] if isinstance(which, slice) else which
        count = len(rows)
        size = max(self.nbytes // max(1, len(self)) * count, self._chunk_bytes)
        free = _process.free() if size > _LARGE else None
        # Where there is too little, the process would be ended by the system, without a word.
        if free is not None and size > free:
            raise OutputError(
                f"{count} rows of {sanitise(self.path, 60)!r} take {_process.in_words(size)}, and "
                f"{_process.in_words(free)} of memory are free. Take fewer rows at once."
            )
        with reading(self._folder):
            found: Array = self._array[which].read().result()
        return found

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("An array on disk is copied into memory.")
        return np.asarray(self[:], dtype)

    def __repr__(self) -> str:
        return f"<LazyArray {self.path!r} {self.shape} {self.dtype}>"


def _places(index: Any, count: int) -> Array | None:
    """Return the rows that an index of rows alone means, None of one that is of more axes.

    Raises:
        IndexError: as NumPy does.
    """
    given = np.asarray(index)
    if given.dtype.kind == "b":
        # NumPy says whether it is as long as there are rows.
        return np.arange(count)[given] if given.ndim == 1 else None
    if not given.size and isinstance(index, list):
        given = given.astype(np.int64)
    if given.dtype.kind not in "iu":
        raise IndexError("Rows are told by whole numbers, slices, or True and False a row.")
    for one in (given.min(), given.max()) if given.size else ():
        if not -count <= one < count:
            raise IndexError(f"Row {one} is none of {count}.")
    given = given.astype(np.int64)
    return np.where(given < 0, given + count, given)
