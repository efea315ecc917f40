"""A film as GIF or WebP, of frames that are encoded once each as they come.

Pillow encodes a still picture; here stills are joined into one file, as the GIF89a specification and
the WebP container specification lay it out. So a film of many frames can be written again whenever one
is added, for the price of copying bytes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kviz._checks import sanitise
from kviz.arrays import Levels
from kviz.errors import OutputError
from kviz.files import whole_file
from kviz.marks import MARK, WEBP_MARK

ENDINGS = (".gif", ".webp")


def film_ending(path: str | Path) -> str:
    """Return which of `ENDINGS` a film's path has.

    Args:
        path: a file's path.

    Returns:
        The ending, in small letters.

    Raises:
        OutputError: if it has another.

    >>> film_ending("Film.GIF")
    '.gif'
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise OutputError(
            f"A film is a file ending in {' or '.join(ENDINGS)}. Received: {sanitise(path, 120)}"
        )
    return ending


def still(picture: Levels, ending: str) -> bytes:
    r"""Return one frame, encoded: WebP without loss, GIF in its best 256 colours.

    Args:
        picture: uint8 `(H, W, 3)`.
        ending: one of `ENDINGS`.

    Returns:
        A whole file's bytes.

    >>> still(np.zeros((2, 2, 3), np.uint8), ".gif")[:6]
    b'GIF87a'
    """
    image, buffer = Image.fromarray(picture), io.BytesIO()
    if ending == ".webp":
        image.save(buffer, "WEBP", lossless=True, method=0, quality=50)
    else:
        # Of Pillow's ways the one that keeps rare colours: the red of one weight, the greys of a photo.
        few = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(buffer, "GIF", optimize=False, interlace=0)
    return buffer.getvalue()


def picture_of(encoded: bytes) -> Levels:
    """Return a still's pixels.

    Args:
        encoded: as `still` gives it.

    Returns:
        uint8 `(H, W, 3)`.

    >>> picture_of(still(np.full((1, 1, 3), 9, np.uint8), ".webp")).tolist()
    [[[9, 9, 9]]]
    """
    with Image.open(io.BytesIO(encoded)) as image:
        return np.array(image.convert("RGB"))


def write_film(
    path: str | Path,
    stills: Sequence[bytes],
    durations: Sequence[int],
    comment: str = "",
    *,
    force: bool = False,
) -> None:
    """Write stills as one film that runs for ever, whole or not at all.

    Args:
        path: a file ending in `.gif` or `.webp`.
        stills: as `still` gives them, all for this ending and of one size.
        durations: milliseconds that each is shown.
        comment: what travels inside a GIF as its comment, behind kviz's mark.
        force: replace a file that kviz did not write too.

    Raises:
        OutputError: if it cannot be written, or would replace what kviz did not write.
    """
    ending = film_ending(path)
    with Image.open(io.BytesIO(stills[0])) as image:
        size = image.size
    join = _gif if ending == ".gif" else _webp
    with whole_file(path, force=force) as part:
        part.write_bytes(join(stills, durations, size, comment))


def _gif(
    stills: Sequence[bytes], durations: Sequence[int], size: tuple[int, int], comment: str
) -> bytes:
    """Return one GIF; each still's table of colours becomes its frame's own."""
    parts = [b"GIF89a", struct.pack("<HHBBB", *size, 0, 0, 0)]
    parts.append(b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
    text = f"{MARK}: {comment}".encode()
    blocks = [text[start : start + 255] for start in range(0, len(text), 255)]
    parts += [b"!\xfe", *(bytes([len(block)]) + block for block in blocks), b"\0"]
    for data, duration in zip(stills, durations, strict=True):
        bits = data[10] & 7
        table = data[13 : 13 + 3 * 2 ** (bits + 1)]
        at = 13 + len(table)
        while data[at : at + 1] == b"!":  # a still needs no extension, but may have one
            at += 2
            while data[at]:
                at += data[at] + 1
            at += 1
        descriptor = data[at : at + 9] + bytes([data[at + 9] | 0x80 | bits])
        parts += [b"!\xf9\x04\x00", struct.pack("<H", duration // 10), b"\0\0"]
        parts += [descriptor, table, data[at + 10 : -1]]
    return b"".join([*parts, b";"])


def _webp(
    stills: Sequence[bytes], durations: Sequence[int], size: tuple[int, int], _comment: str
) -> bytes:
    """Return one WebP: each still's chunk of pixels inside a frame's chunk."""
    across, down = (struct.pack("<I", length - 1)[:3] for length in size)
    parts = [_chunk(b"VP8X", b"\x02\0\0\0" + across + down), _chunk(b"ANIM", b"\xff" * 4 + b"\0\0")]
    for data, duration in zip(stills, durations, strict=True):
        # Nothing is blended: each frame covers the one before.
        head = b"\0" * 6 + across + down + struct.pack("<I", duration)[:3] + b"\x02"
        parts.append(_chunk(b"ANMF", head + data[12:]))
    return _chunk(b"RIFF", b"WEBP" + b"".join([*parts, WEBP_MARK]))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
