"""Arrays in `.npy` and `.npz` files, checked before anything is allocated, and without pickles."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.lib.format
import numpy.typing as npt

from kviz._checks import sanitise
from kviz.errors import ImageError
from kviz.files import directory_length
from kviz.formats.bounds import MEGABYTE, WORKING

Array = npt.NDArray[Any]

SUFFIXES = (".npy", ".npz")
_HEADER = 10_000


def is_array_file(path: Path) -> bool:
    """Return whether a file's name says that it holds arrays.

    >>> is_array_file(Path("images.NPY"))
    True
    """
    return path.suffix.lower() in SUFFIXES


def is_array(data: bytes) -> bool:
    """Return whether a file's bytes are those of a `.npy` or a `.npz`.

    >>> is_array(bytes([0x93]) + b"NUMPY"), is_array(b"GIF89a")
    (True, False)
    """
    return data.startswith((b"\x93NUMPY", b"PK\3\4"))


def read_array(given: Path | bytes, member: str | None = None, name: str | None = None) -> Array:
    """Return the array that a file holds, as it is.

    Of a `.npy` the numbers stay on the disk until they are used; what a `.npz` unpacks to is at most
    256 MB.

    Args:
        given: a `.npy` or `.npz` file, or the bytes of one.
        member: which array of several, None where there is to be one.
        name: what messages call it, by default the file's path.

    Raises:
        ImageError: if it is broken, holds no numbers, says more than it holds, or several arrays.
    """
    name = sanitise(name or ("The file" if isinstance(given, bytes) else given), 120)
    try:
        if isinstance(given, Path) and not given.is_file():
            raise ImageError(f"{name} is not a regular file.")
        opened = given.open("rb") if isinstance(given, Path) else io.BytesIO(given)
        with opened as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if file.read(4) == b"PK\3\4":
                return _zipped(file, name, member)
            file.seek(0)
            shape, order, dtype = _header(file, name)
            start, size = file.tell(), file.seek(0, 2)
            _validate_size(shape, dtype, size - start, name)
            if 0 in shape:
                return np.empty(shape, dtype)
            if isinstance(given, bytes):
                values = np.frombuffer(given, dtype, math.prod(shape), start)
                return values.reshape(shape, order=order)
            return np.memmap(file, dtype, "r", start, shape, order)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # zipfile and zlib raise many
        raise ImageError(f"{name} holds no array: {sanitise(error, 120)}") from error


def members_of(path: Path) -> list[str]:
    """Return the names of the arrays in a `.npz`, none of a file that is none.

    Raises:
        ImageError: if it is broken, or holds far too many.
    """
    name = sanitise(path, 120)
    try:
        if not path.is_file():
            raise ImageError(f"{name} is not a regular file.")
        with path.open("rb") as file:
            if file.read(4) != b"PK\3\4":
                return []
            with _box(file, name) as box:
                return [one.removesuffix(".npy") for one in box.namelist()]
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # zipfile raises many
        raise ImageError(f"{name} holds no array: {sanitise(error, 120)}") from error


def _header(file: Any, name: str) -> tuple[tuple[int, ...], Any, np.dtype[Any]]:
    version = numpy.lib.format.read_magic(file)
    read = {
        (1, 0): numpy.lib.format.read_array_header_1_0,
        (2, 0): numpy.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"its version {version} is not known")
    shape, is_fortran, dtype = read(file, max_header_size=_HEADER)
    if dtype.hasobject or dtype.kind not in "fiub":
        raise ImageError(
            f"{name} holds {'Python objects' if dtype.hasobject else sanitise(dtype)}, not numbers."
        )
    return shape, "F" if is_fortran else "C", dtype


def _validate_size(shape: tuple[int, ...], dtype: np.dtype[Any], size: int, name: str) -> None:
    needed = dtype.itemsize
    for side in shape:
        if side < 0:
            raise ValueError("a side is negative")
        needed *= side
    if needed > size or len(shape) > 32:
        raise ImageError(
            f"{name} says that it holds an array of shape {sanitise(shape)}, and holds less."
        )


def _box(file: BinaryIO, name: str) -> zipfile.ZipFile:
    if directory_length(file) > MEGABYTE:
        raise ImageError(f"{name} holds far more arrays than a model has inputs.")
    return zipfile.ZipFile(file)


def _zipped(file: BinaryIO, name: str, member: str | None) -> Array:
    with _box(file, name) as box:
        infos = {info.filename.removesuffix(".npy"): info for info in box.infolist()}
        if len(infos) == 1 and member not in infos:
            member = next(iter(infos))
        if member not in infos:
            several = ", ".join(sanitise(one, 24) for one in list(infos)[:5]) or "no array"
            wanted = (
                "one array" if member is None else f"one array, or one {sanitise(member, 24)!r}"
            )
            raise ImageError(f"Expected a .npz of {wanted}. {name} holds {several}.")
        info = infos[member]
        if info.file_size > WORKING:
            raise ImageError(
                f"{name} unpacks to {info.file_size // MEGABYTE} MB; kviz unpacks at most "
                f"{WORKING // MEGABYTE}. Save it as .npy, which is read from the disk as it is used."
            )
        with box.open(info) as packed:
            shape, order, dtype = _header(packed, name)
            _validate_size(shape, dtype, info.file_size, name)
            count = int(np.prod(shape, dtype=np.int64))
            data = packed.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise ValueError("it ends early")
    return np.frombuffer(data, dtype, count).reshape(shape, order=order)
