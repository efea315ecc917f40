"""LazyArray: an array of a store, of which only what is asked for is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz._types import Array
from kviz.dataset import zarr_arrays
from kviz.dataset.places import reading


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

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of its numbers in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

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
        # NumPy says what an index means, and which is wrong: it is asked of the rows' numbers.
        places = np.arange(len(self))[np.asarray(first)] if _is_plain(first) else None
        if places is None:
            return np.asarray(self._rows(slice(None))[key])
        wanted, found = np.unique(places, return_inverse=True)
        at = found.reshape(places.shape) if places.ndim else 0
        return np.asarray(self._rows(wanted)[(at, *others)])

    def _rows(self, which: slice | Array) -> Array:
        with reading(self._folder):
            found: Array = self._array[which].read().result()
        return found

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("An array on disk is copied into memory.")
        return np.asarray(self[:], dtype)

    def __repr__(self) -> str:
        return f"<LazyArray {self.path!r} {self.shape} {self.dtype}>"


def _is_plain(index: Any) -> bool:
    """Return whether an index is of rows alone: a number, numbers, or True and False a row."""
    given = np.asarray(index)
    return given.dtype.kind in "iu" or (given.dtype.kind == "b" and given.ndim == 1)
