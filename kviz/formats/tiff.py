"""TIFFs that Pillow cannot read or reads wrongly: many bits, many bands, planes apart, signed numbers.

The layout is that of TIFF 6.0 and BigTIFF. Strips and tiles come row by row, so that a picture is never
held besides what is made of it. What they are packed with is undone by zlib, or by Pillow's libtiff,
which is given each of them as a grey picture of its bytes.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from kviz.errors import ImageError
from kviz.formats.bounds import MEGABYTE

Array = npt.NDArray[Any]
Data = mmap | bytes

# Of the values of a tag: more than the tiles of the largest picture.
_VALUES = 400_000
_FRAMES = 50_000
# What is unpacked at once where it cannot be row by row.
_STRIP = 64 * MEGABYTE
_ROWS = 1 * MEGABYTE

# A value's bytes, and how they are read, by the number of its type.
_BYTES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8,
    18: 8,
}  # fmt: skip
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_TEXTS = (1, 2, 6, 7)  # read as bytes, at once

# Tags by number, as TIFF 6.0 calls them.
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 274, 277, 278, 279
_PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS = 284, 317, 322, 323, 324
_TILE_BYTES, _EXTRA, _FORMAT = 325, 338, 339

_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 8, 32946, 32773


def _many(name: str, what: str) -> ImageError:
    return ImageError(f"{name} has far more {what} than a picture needs. Save it anew, as PNG.")


class _Directories:
    """A file's directories, each a picture's tags: (type, count, where the values are)."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.order: Literal["<", ">"] = "<" if data[:2] == b"II" else ">"
        self.big = self.unpack("H", 2)[0] == 43
        self.first = self.unpack("Q" if self.big else "I", 8 if self.big else 4)[0]

    def unpack(self, code: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(self.order + code, self.data, at)

    def read(self, at: int) -> tuple[dict[int, tuple[int, int, int]], int]:
        """Return a directory, and where the next one is, 0 after the last."""
        step, entry = (8, 20) if self.big else (2, 12)
        (count,) = self.unpack("Q" if self.big else "H", at)
        if count > 4096:
            raise ValueError("too many tags")
        tags = {}
        for place in range(count):
            start = at + step + place * entry
            tag, kind, number = self.unpack("HHQ" if self.big else "HHI", start)
            room = 8 if self.big else 4
            inside = start + entry - room
            if number * _BYTES.get(kind, 1) > room:
                inside = self.unpack("Q" if self.big else "I", inside)[0]
            tags[tag] = (kind, number, inside)
        (following,) = self.unpack("Q" if self.big else "I", at + step + count * entry)
        return tags, following

    def values(self, tags: dict[int, tuple[int, int, int]], tag: int) -> tuple[int, ...]:
        """Return a tag's whole numbers, none where it is not there or holds others."""
        kind, count, at = tags.get(tag, (0, 0, 0))
        if kind not in _CODES or count > _VALUES:
            return ()
        return self.unpack(f"{count}{_CODES[kind]}", at)


def count_frames(data: Data, name: str) -> int:
    """Return how many pictures a file holds.

    Raises:
        ImageError: if there are far more of them, or of a tag's values, than a photo has.
        ValueError, struct.error: if it is broken.
    """
    directories = _Directories(data)
    seen: set[int] = set()
    at = directories.first
    while at and at not in seen:
        seen.add(at)
        if len(seen) > _FRAMES:
            raise _many(name, "frames")
        try:
            tags, at = directories.read(at)
        except (struct.error, ValueError):
            if len(seen) == 1:
                raise
            break  # the first picture is all that is used
        if any(kind not in _TEXTS and count > _VALUES for kind, count, _ in tags.values()):
            raise _many(name, "entries")
    return len(seen)


def piece_bytes(data: Data) -> int:
    """Return how large the first picture's strips or tiles are that have to be unpacked, 0 where none.

    Raises:
        ValueError, struct.error: if it is broken.
    """
    directories = _Directories(data)
    tags, _ = directories.read(directories.first)

    def one(tag: int, default: int) -> int:
        return (directories.values(tags, tag) or (default,))[0]

    if one(_COMPRESSION, _NONE) == _NONE:
        return 0
    height = one(_LENGTH, 0)
    rows = one(_TILE_LENGTH, min(one(_ROWS_PER_STRIP, height), height))
    bits = one(_SAMPLES, 1) * one(_BITS, 8)
    return rows * one(_TILE_WIDTH, one(_WIDTH, 0)) * bits // 8


class _Bytes(Protocol):
    def read(self, count: int, /) -> bytes: ...


class _Deflated:
    """Bytes that are unpacked as they are read."""

    def __init__(self, packed: bytes) -> None:
        self.left = packed
        self.zlib = zlib.decompressobj()

    def read(self, count: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        parts = []
        while count and not self.zlib.eof:
            part = self.zlib.decompress(self.left, count)
            if not part and not self.zlib.unconsumed_tail:
                break
            self.left = self.zlib.unconsumed_tail
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


@dataclass(frozen=True)
class Tiff:
    """The first picture of a file: numbers in rows, strips or tiles.

    Attributes:
        width: pixels in a row.
        height: rows.
        samples: numbers per pixel.
        bits: of each number.
        kind: `"u"`, `"i"` or `"f"`, as NumPy calls them.
        photometric: 0 where white is 0, 1 where black is, 2 of RGB.
        extra: what the samples behind the colours are: 1 and 2 for alpha.
        orientation: as EXIF has it.
    """

    width: int
    height: int
    samples: int
    bits: int
    kind: str
    photometric: int
    extra: tuple[int, ...]
    orientation: int
    data: Data
    order: Literal["<", ">"]
    compression: int
    predictor: int
    fill_order: int
    apart: bool
    part: tuple[int, int]
    offsets: Sequence[int]
    counts: Sequence[int]
    name: str

    @property
    def colours(self) -> int:
        """How many of the samples are a picture's: 1 or 3; 0 where it is no such picture."""
        colours = 3 if self.photometric == 2 else 1
        beside = self.samples - colours
        if self.photometric == 2:
            return colours if beside >= 0 else 0
        return colours if beside == 0 or (beside == 1 and self.has_alpha) else 0

    @property
    def is_one_piece(self) -> bool:
        """Whether it is packed in so large a piece that it is better read row by row."""
        return self.compression != _NONE and self._row_bytes * self.part[0] > _STRIP

    @property
    def has_alpha(self) -> bool:
        """Whether the sample behind the colours says how opaque a pixel is."""
        return self.extra[:1] in ((1,), (2,))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers, as they are read."""
        if self.bits in (8, 16, 32, 64):
            return np.dtype(f"{self.kind}{self.bits // 8}")
        return np.dtype(np.uint16)

    def rows(self, bands: Sequence[int] | None = None) -> Iterator[tuple[int, Array]]:
        """Give the place of the first, and rows `(rows, W, bands)`, few at a time.

        Args:
            bands: which samples, from 0; by default all.

        Raises:
            ImageError: if the file ends early, or is broken.
        """
        high, wide = self.part
        across, down = -(-self.width // wide), -(-self.height // high)
        taken = tuple(range(self.samples)) if bands is None else tuple(bands)
        planes = taken if self.apart else (None,)
        for part_row in range(down):
            streams = [
                [self._stream((plane or 0) * across * down + part_row * across + column)
                 for column in range(across)]
                for plane in planes
            ]  # fmt: skip
            start = part_row * high
            stop = min(start + high, self.height)
            step = max(1, _ROWS // max(1, self._row_bytes * across * len(planes)))
            for first in range(start, stop, step):
                count = min(step, stop - first)
                read = [
                    np.concatenate([self._read(one, count) for one in line], axis=1)
                    for line in streams
                ]
                found = np.concatenate(read, axis=2)[:, : self.width]
                yield first, found if self.apart or bands is None else found[..., taken]

    @property
    def _together(self) -> int:
        return 1 if self.apart else self.samples

    @property
    def _row_bytes(self) -> int:
        return -(-self.part[1] * self._together * self.bits // 8)

    def _stream(self, place: int) -> _Bytes:
        start, count = self.offsets[place], self.counts[place]
        if self.compression == _NONE:
            count = max(count, self._row_bytes * self.part[0])
        if start >= len(self.data):
            raise self._ends()
        if self.compression == _NONE:
            return _Slice(self.data, start, count)
        packed = self.data[start : start + count]
        if self.compression in (_DEFLATE, _OLD_DEFLATE):
            return _Deflated(packed)
        return io.BytesIO(self._unpacked(packed, place))

    def _ends(self) -> ImageError:
        return ImageError(f"{self.name} cannot be read as an image: it ends early.")

    def _unpacked(self, packed: bytes, place: int) -> bytes:
        """Return a strip or a tile, which libtiff takes for a grey picture of 8 bits."""
        rows = self.part[0]
        if not self._is_tiled:
            down = -(-self.height // rows)
            rows = min(rows, self.height - place % down * rows)
        if rows * self._row_bytes > _STRIP:
            raise ImageError(
                f"{self.name} is packed in one piece of {rows * self._row_bytes // MEGABYTE} MB; kviz "
                f"unpacks at most {_STRIP // MEGABYTE}. Save it anew, in strips or unpacked."
            )
        entries = [
            (_WIDTH, self._row_bytes), (_LENGTH, rows), (_BITS, 8), (_COMPRESSION, self.compression),
            (_PHOTOMETRIC, 1), (_FILL_ORDER, self.fill_order), (_STRIP_OFFSETS, 0), (_SAMPLES, 1),
            (_ROWS_PER_STRIP, rows), (_STRIP_BYTES, len(packed)),
        ]  # fmt: skip
        start = 8 + 2 + 12 * len(entries) + 4
        head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
        for tag, value in entries:
            head += struct.pack("<HHII", tag, 4, 1, start if tag == _STRIP_OFFSETS else value)
        with Image.open(io.BytesIO(head + bytes(4) + packed), formats=("TIFF",)) as image:
            return image.tobytes()

    @property
    def _is_tiled(self) -> bool:
        return self.part[1] != self.width

    def _read(self, stream: _Bytes, count: int) -> Array:
        """Return the next rows of a strip or a tile, `(count, width, samples)`."""
        size = count * self._row_bytes
        read = stream.read(size)
        if len(read) < size:
            raise self._ends()
        raw = np.frombuffer(read, np.uint8).reshape(count, self._row_bytes)
        shape = (count, self.part[1], self._together)
        if self.bits not in (8, 16, 32, 64):
            return _numbers(raw, self.bits, shape)
        native = self.dtype.newbyteorder(self.order)
        if self.predictor == 3:
            whole = np.cumsum(raw.reshape(count, -1, self._together), axis=1, dtype=np.uint8)
            parts = whole.reshape(count, self.bits // 8, -1).swapaxes(1, 2)
            return np.ascontiguousarray(parts).view(f">f{self.bits // 8}").reshape(shape).astype(
                self.dtype
            )  # fmt: skip
        values = raw.view(native).reshape(shape).astype(self.dtype, copy=False)
        if self.predictor == 2:
            whole_numbers = f"u{self.bits // 8}"
            summed = np.cumsum(values.view(whole_numbers), axis=1, dtype=whole_numbers)
            return summed.view(self.dtype)
        return values


class _Slice:
    """Part of a file, read on and on."""

    def __init__(self, data: Data, start: int, count: int) -> None:
        self.data, self.at, self.stop = data, start, start + count

    def read(self, count: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        stop = min(self.at + count, self.stop)
        found, self.at = self.data[self.at : stop], stop
        return found


def _numbers(raw: Array, bits: int, shape: tuple[int, ...]) -> Array:
    """Return numbers of any few bits, packed from the left of each row on."""
    rows, wide, together = shape
    digits = np.unpackbits(raw, axis=1)[:, : wide * together * bits].reshape(rows, -1, bits)
    return (digits @ (1 << np.arange(bits - 1, -1, -1))).astype(np.uint16).reshape(shape)


def picture_of(data: Data, name: str) -> Tiff | None:
    """Return the first picture, None where it is packed in a way that is not read here.

    Args:
        data: the file.
        name: what messages call it.

    Raises:
        ValueError, struct.error: if it is broken.
    """
    directories = _Directories(data)
    tags, _ = directories.read(directories.first)

    def one(tag: int, default: int = 0) -> int:
        return (directories.values(tags, tag) or (default,))[0]

    width, height, samples = one(_WIDTH), one(_LENGTH), one(_SAMPLES, 1)
    bits = set(directories.values(tags, _BITS) or (1,))
    formats = set(directories.values(tags, _FORMAT) or (1,))
    compression, photometric, predictor = (
        one(_COMPRESSION, 1),
        one(_PHOTOMETRIC),
        one(_PREDICTOR, 1),
    )
    is_tiled = _TILE_OFFSETS in tags
    offsets = directories.values(tags, _TILE_OFFSETS if is_tiled else _STRIP_OFFSETS)
    counts = directories.values(tags, _TILE_BYTES if is_tiled else _STRIP_BYTES)
    rows = min(one(_ROWS_PER_STRIP, height) or height, height)
    part = (one(_TILE_LENGTH), one(_TILE_WIDTH)) if is_tiled else (rows, width)
    apart = one(_PLANAR, 1) == 2 and samples > 1
    if len(bits) != 1 or len(formats) != 1 or min(width, height, samples, *part) < 1:
        return None
    kind = {1: "u", 2: "i", 3: "f"}.get(formats.pop(), "")
    found = Tiff(
        width=width, height=height, samples=samples, bits=bits.pop(), kind=kind,
        photometric=photometric, extra=directories.values(tags, _EXTRA),
        orientation=one(_ORIENTATION, 1), data=data, order=directories.order,
        compression=compression, predictor=predictor, fill_order=one(_FILL_ORDER, 1), apart=apart,
        part=part, offsets=offsets, counts=counts or (len(data),) * len(offsets), name=name,
    )  # fmt: skip
    parts = -(-height // part[0]) * -(-width // part[1]) * (samples if apart else 1)
    is_whole = len(offsets) >= parts and len(found.counts) >= parts
    return found if is_whole and _is_known(found) else None


def _is_known(tiff: Tiff) -> bool:
    sizes = {"u": (*range(1, 17), 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}
    predictors = {1: True, 2: tiff.bits in (8, 16, 32, 64), 3: tiff.kind == "f"}
    return (
        tiff.bits in sizes.get(tiff.kind, ())
        and tiff.compression in (_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS)
        and predictors.get(tiff.predictor, False)
        and tiff.photometric in (0, 1, 2)
        and (tiff.fill_order == 1 or tiff.compression in (_LZW, _PACKBITS))
        and tiff.samples <= 1024
    )
