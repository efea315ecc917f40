"""Arrays of a store: Zarr v3 through TensorStore, row i of each being row i of the source.

A Zarr shard is a file, written once and whole, of rows of one work unit only, so that nothing is ever
read to be written again. In it an inner chunk is a row, or some where rows are small: what one random
row costs to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz._checks import validate_choice
from kviz.dataset.store.extra import store_package
from kviz.dataset.store.places import read_json

# Bytes of a Zarr shard, of all arrays' together, and of an inner chunk, before they are compressed.
_SHARD, _SHARDS, _INNER = 64_000_000, 512_000_000, 256_000
# Where TensorStore keeps what it writes until it is whole.
_UNFINISHED = ".__lock"
_CODECS: dict[str, tuple[str, int] | None] = {"lz4": ("lz4", 5), "zstd": ("zstd", 3), "none": None}
DTYPES = (None, "float16", "float32")


@dataclass(frozen=True)
class Packing:
    """How arrays are kept.

    Attributes:
        dtype: what numbers with a fraction are rounded to, `"float16"` or `"float32"`; by default they
            stay as they are. What float16 has no room for, beyond 65504, becomes infinite.
        compression: `"lz4"`; `"zstd"`, which takes less room and more time; both of shuffled bits; or
            `"none"`.

    >>> Packing(compression="zstd")
    Packing(dtype=None, compression='zstd')
    """

    dtype: str | None = None
    compression: str = "lz4"

    def __post_init__(self) -> None:
        validate_choice("dtype", self.dtype, DTYPES)
        validate_choice("compression", self.compression, _CODECS)

    def kept(self, dtype: npt.DTypeLike) -> np.dtype[Any]:
        """Return the type in which arrays of a type are kept."""
        given = np.dtype(dtype)
        if given.kind == "V":  # bfloat16, which NumPy and Zarr do not know
            given = np.dtype(np.float32)
        return np.dtype(self.dtype) if self.dtype and given.kind == "f" else given


def rows_a_file(shard_size: int, row_bytes: int, arrays: int) -> int:
    """Return how many rows a Zarr shard holds: what divides a work unit, and has room in memory.

    Args:
        shard_size: rows of a work unit.
        row_bytes: bytes of one row.
        arrays: how many arrays are written at once.

    >>> rows_a_file(1000, 802_816, 1), rows_a_file(1000, 100_000_000, 1)
    (50, 1)
    """
    return _largest_divisor(shard_size, min(_SHARD, _SHARDS // arrays) // max(row_bytes, 1))


def _largest_divisor(number: int, most: int) -> int:
    return next(each for each in range(min(number, max(most, 1)), 0, -1) if number % each == 0)


def fill_of(dtype: np.dtype[Any]) -> Any:
    """Return what stands in rows that have no answer.

    >>> fill_of(np.dtype("float32")), fill_of(np.dtype("int32"))
    (nan, 0)
    """
    return float("nan") if dtype.kind == "f" else dtype.type(0).item()


def create(
    folder: Path, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int, packing: Packing,
    attributes: Mapping[str, Any],
) -> Any:  # fmt: skip
    """Return an array of a store to write to, made where it is not there yet.

    Args:
        folder: where it lies.
        shape: rows first.
        dtype: of its numbers.
        rows: how many a Zarr shard holds, as `rows_a_file` returns them.
        packing: how it is compressed.
        attributes: what readers are told.

    Returns:
        A `tensorstore.TensorStore`.

    Raises:
        ValueError: if another array is there, or it cannot be written.
    """
    row = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
    inner = _largest_divisor(rows, _INNER // max(row, 1))
    fill = fill_of(dtype)
    codec = _CODECS[packing.compression]
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    packed: list[dict[str, Any]] = [little]
    if codec is not None:
        blosc = {
            "cname": codec[0],
            "clevel": codec[1],
            "shuffle": "bitshuffle",
            "typesize": dtype.itemsize,
            "blocksize": 0,
        }
        packed.append({"name": "blosc", "configuration": blosc})
    sharding = {
        "chunk_shape": [inner, *shape[1:]],
        "codecs": packed,
        "index_codecs": [little, {"name": "crc32c"}],
        "index_location": "end",
    }
    metadata = {
        "shape": list(shape),
        "data_type": dtype.name,
        "fill_value": "NaN" if fill != fill else fill,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [rows, *shape[1:]]},
        },
        # One name a file: the default makes a folder a file and axis.
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": dict(attributes),
    }
    return _opened(folder, metadata=metadata, create=True, open=True)


def read(folder: Path) -> Any:
    """Return an array of a store to read from, as a `tensorstore.TensorStore`."""
    return _opened(folder, open=True, read=True)


def _opened(folder: Path, *, metadata: Mapping[str, Any] | None = None, **how: bool) -> Any:
    spec: dict[str, Any] = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(folder.absolute())},
    }
    if metadata is not None:
        spec["metadata"] = metadata
    return store_package("tensorstore").open(spec, **how).result()


def metadata_of(folder: Path) -> dict[str, Any] | None:
    """Return what an array's `zarr.json` says, None where there is none yet."""
    try:
        return read_json(folder / "zarr.json")
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_rows(arrays: Path, start: int, stop: int) -> None:
    """Remove what a killed process has written of a work unit, whole or not.

    Args:
        arrays: the folder of arrays.
        start: the work unit's first row.
        stop: the row behind its last one.
    """
    for folder in arrays.iterdir() if arrays.is_dir() else ():
        metadata = metadata_of(folder)
        for name in _files(metadata, start, stop) if metadata else ():
            for ending in ("", _UNFINISHED):
                with suppress(FileNotFoundError):
                    (folder / f"{name}{ending}").unlink()


def _files(metadata: Mapping[str, Any], start: int, stop: int) -> Iterator[str]:
    rows, *others = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    for file in range(start // rows, -(-stop // rows)):
        yield ".".join(["c", str(file), *["0"] * len(others)])


def remove_unfinished(arrays: Path) -> None:
    """Remove what killed processes have left beside arrays that others made."""
    for folder in arrays.iterdir() if arrays.is_dir() else ():
        with suppress(FileNotFoundError):
            (folder / f"zarr.json{_UNFINISHED}").unlink()
