"""What a file says of itself before any decoder sees it: its kind, and how much work it asks for.

Decoders do not bound it: a JPEG of 400 KB can ask for thousands of passes over its picture, a GIF or a
PNG for millions of blocks, each of which is looked at in Python. Here they are counted, and no more.
"""

from __future__ import annotations

import io
import mmap
import re
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO

from kviz.errors import ImageError
from kviz.formats import tiff
from kviz.formats.bounds import MEGABYTE, SCANS, validate_sides

# Blocks of a file, each of which Pillow reads in Python.
_BLOCKS = 50_000
# Those that a decoder unpacks one by one, such as profiles and texts.
_EXTRAS = 500
# Pixels of all passes over a JPEG together: 30 passes over the largest picture, some seconds.
_PASSED = 1_500 * 1_000_000
# Pillow decodes a BMP's runs in Python, a million a second.
_RUNS = 4 * MEGABYTE
_TILES = 4_096

Data = tiff.Data


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        kind: `"JPEG"`, `"PNG"`, `"WEBP"`, `"GIF"`, `"BMP"`, `"TIFF"`, `"AVIF"`, `"JPEG2000"`, `"HEIC"`,
            `"DICOM"`, `"NPY"`, `"NPZ"`, or `""`.
        frames: pictures in it, where that is known without decoding.
        size: width and height, where they are told here.
        held: bytes that a decoder holds for each pixel besides the picture.
        piece: bytes that it unpacks at once.
        is_scaled: whether the picture can be decoded at a half, a quarter or an eighth.
    """

    kind: str
    frames: int = 1
    size: tuple[int, int] | None = None
    held: float = 0
    piece: int = 0
    is_scaled: bool = False


def whole(file: BinaryIO) -> AbstractContextManager[Data]:
    """Return all bytes of an open file, which are read from the disk as they are used.

    >>> with whole(io.BytesIO(b"abc")) as data:
    ...     data[:2]
    b'ab'
    """
    if isinstance(file, io.BytesIO):
        return nullcontext(file.getvalue())  # no copy, as nobody has written to it
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def header_of(file: BinaryIO, name: str) -> Header:
    """Return what a file says of itself.

    Args:
        file: an open file, or bytes as one; not empty.
        name: what messages call it.

    Raises:
        ImageError: if it asks for more than kviz gives.
    """
    with whole(file) as data:
        kind = _kind(data)
        look = _LOOKS.get(kind)
        if look is None:
            return Header(kind, held=_HELD.get(kind, 0))
        try:
            return look(data, name)
        except (struct.error, IndexError, ValueError, OverflowError):
            return Header(kind, held=_HELD.get(kind, 0))  # broken, as the decoder says better


# What decoders were seen to hold besides Pillow's picture, in bytes a pixel.
_HELD = {"WEBP": 16, "AVIF": 10, "JPEG2000": 17}


def _kind(data: Data) -> str:
    head = data[:132]
    for kind, start in _STARTS.items():
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, 64, 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        return "HEIC" if brands & {b"heic", b"heix", b"hevc", b"mif1", b"msf1"} else ""
    return "DICOM" if head[128:] == b"DICM" else ""


_STARTS: dict[str, bytes | tuple[bytes, ...]] = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": b"BM",
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JPEG2000": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "NPY": b"\x93NUMPY",
    "NPZ": (b"PK\3\4", b"PK\5\6"),
}

_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")


def _jpeg(data: Data, name: str) -> Header:
    """Walk from marker to marker, as libjpeg does: what it skips is skipped here too."""
    at, scans, blocks = 2, 0, 0
    size, coefficients, progressive = None, 3.0, False
    while (found := _MARKER.search(data, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == 0xD9:
            break
        if marker in (0x01, 0xD8):
            continue
        blocks += 1
        if blocks > _BLOCKS:
            raise _many(name, "parts", _BLOCKS)
        (length,) = struct.unpack_from(">H", data, at)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            high, wide, count = struct.unpack_from(">HHB", data, at + 3)
            size, progressive = (wide, high), marker in (0xC2, 0xC6, 0xCA, 0xCE)
            factors = [data[at + 9 + 3 * place] for place in range(count)]
            areas = [(one >> 4) * (one & 15) for one in factors]
            coefficients = sum(areas) / max(areas, default=1) if any(areas) else 3.0
        elif marker == 0xDA:
            scans += 1
            if scans > SCANS or (size and scans * size[0] * size[1] > _PASSED):
                raise ImageError(
                    f"{name} is a JPEG of {'over ' * (scans > SCANS)}{min(scans, SCANS)} or more "
                    f"passes over its picture, more than kviz decodes (at most {SCANS}, fewer of "
                    "large pictures). Save it anew as an ordinary JPEG."
                )
        at += length
    # Of several passes libjpeg holds all coefficients, two bytes each.
    held = 2 * coefficients if progressive or scans > 1 else 0
    return Header("JPEG", size=size, held=held, is_scaled=True)


def _many(name: str, what: str, most: int) -> ImageError:
    return ImageError(
        f"{name} has more than {most:,} {what}, which no photo needs. Save it anew, as PNG or JPEG."
    )


def _png(data: Data, name: str) -> Header:
    at, blocks, extras = 8, 0, 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        blocks += 1
        extras += kind not in (b"IDAT", b"fdAT", b"fcTL")
        if blocks > _BLOCKS or extras > _EXTRAS:
            raise _many(name, "parts", _EXTRAS if extras > _EXTRAS else _BLOCKS)
        at += 12 + length
        if kind == b"IEND":
            break
    return Header(
        "PNG",
    )


def _gif(data: Data, name: str) -> Header:
    """Count frames, and the small blocks that all of them consist of."""
    flags = data[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 128 else 0)
    frames = blocks = extras = 0
    while at < len(data):
        kind, at = data[at], at + 1
        if kind == 0x3B:
            break
        if kind == 0x2C:
            frames += 1
            flags = data[at + 8]
            at += 10 + (3 << (flags & 7) + 1 if flags & 128 else 0)
        elif kind == 0x21:
            extras += frames == 0
            at += 1
        else:
            continue
        while at < len(data) and data[at]:
            at += 1 + data[at]
            blocks += 1
        at += 1
        if extras > _EXTRAS:
            raise _many(name, "parts", _EXTRAS)
        if frames > _BLOCKS or blocks > 40 * _BLOCKS:
            raise _many(name, "frames" if frames > _BLOCKS else "parts", _BLOCKS)
    return Header("GIF", frames=frames)


def _bmp(data: Data, name: str) -> Header:
    (length,) = struct.unpack_from("<I", data, 14)
    packed = length >= 40 and struct.unpack_from("<I", data, 30)[0] in (1, 2)
    if packed and len(data) > _RUNS:
        raise ImageError(
            f"{name} is a packed BMP of over {_RUNS // MEGABYTE} MB, which takes long to decode. "
            "Save it as PNG."
        )
    return Header("BMP", held=1 if packed else 0)


def _webp(data: Data, name: str) -> Header:
    """Read the size: Pillow makes room for the picture as soon as it opens the file."""
    kind = data[12:16]
    if kind == b"VP8X":
        wide, high = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        wide, high = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        wide, high = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    validate_sides(name, wide, high)
    return Header("WEBP", size=(wide, high), held=_HELD["WEBP"])


def _jpeg2000(data: Data, name: str) -> Header:
    at = data.find(b"\xff\x4f\xff\x51", 0, MEGABYTE)
    if at < 0:
        raise ImageError(f"{name} cannot be read as an image: it holds no JPEG 2000 picture.")
    right, low, left, top, wide, high, x, y = struct.unpack_from(">8I", data, at + 8)
    tiles = -(-(right - x) // max(1, wide)) * -(-(low - y) // max(1, high))
    if tiles > _TILES:
        raise _many(name, "tiles", _TILES)
    size = (max(0, right - left), max(0, low - top))
    return Header("JPEG2000", size=size, held=_HELD["JPEG2000"])


def _tiff(data: Data, name: str) -> Header:
    frames = tiff.count_frames(data, name)
    return Header("TIFF", frames=frames, piece=tiff.piece_bytes(data))


_LOOKS: dict[str, Callable[[Data, str], Header]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "BMP": _bmp,
    "WEBP": _webp,
    "JPEG2000": _jpeg2000,
    "TIFF": _tiff,
}
