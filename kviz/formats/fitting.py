"""How a photo gets a model's size: cropped, stretched or padded, and turned upright on the way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Fit = Literal["crop", "stretch", "pad"]
Array = npt.NDArray[Any]
# Left, top, right and bottom, in a photo's own pixels.
Box = tuple[float, float, float, float]

# Rows of at most so many bytes are converted at once.
STRIP = 4_000_000


class Wanted(NamedTuple):
    """What a file's pixels are to become.

    Attributes:
        size: height and width, None for the photo's own.
        channels: how many, None for any.
        fit: how the photo gets the size.
        bands: which of the file's bands, from 1; None for those that fit the channels.
    """

    size: tuple[int | None, int | None] = (None, None)
    channels: int | None = 3
    fit: Fit = "crop"
    bands: tuple[int, ...] | None = None

    @property
    def shows_colours(self) -> bool:
        """Whether a picture is wanted, grey or RGB, and no bands."""
        return self.bands is None and self.channels in (1, 3, None)


# By EXIF's number, what of an upright picture's rows and columns a file holds as its own.
_TURNS = {
    1: lambda out: out,
    2: lambda out: out[:, ::-1],
    3: lambda out: out[::-1, ::-1],
    4: lambda out: out[::-1],
    5: lambda out: out.swapaxes(0, 1),
    6: lambda out: out[:, ::-1].swapaxes(0, 1),
    7: lambda out: out[::-1, ::-1].swapaxes(0, 1),
    8: lambda out: out[::-1].swapaxes(0, 1),
}


def lying(size: tuple[int, int], turn: int) -> tuple[int, int]:
    """Return height and width of an upright picture as a file holds it, or the other way round.

    >>> lying((2, 3), 6)
    (3, 2)
    """
    return (size[1], size[0]) if turn >= 5 else size


def fitted(parts: Iterable[Image.Image], bands: int, wanted: Wanted, turn: int = 1) -> Array:
    """Return a photo as an upright array of the wanted size.

    Resized first and turned then, both without a second copy of the photo.

    Args:
        parts: its bands as the file holds them, one or several an image; they are taken one by one.
        bands: how many they are.
        wanted: the size, and how it is got.
        turn: EXIF's orientation.

    Returns:
        Array `(H, W, bands)`, uint8 or float32.
    """
    out: Array = np.empty(0)
    place = 0
    for part in parts:
        own = lying((part.height, part.width), turn)
        size = (wanted.size[0] or own[0], wanted.size[1] or own[1])
        if place == 0:
            out = np.zeros((*size, bands), np.float32 if part.mode == "F" else np.uint8)
        small = _resized(part, lying(size, turn)[::-1], wanted.fit)
        inside = lying((small.height, small.width), turn)
        top, left = (round((n - m) * 0.5) for n, m in zip(size, inside, strict=True))
        count = len(part.getbands())
        view = out[top : top + inside[0], left : left + inside[1], place : place + count]
        _fill(_TURNS[turn](view), small)
        place += count
        del part, small  # before the next one is made
    return out


def _resized(image: Image.Image, size: tuple[int, int], fit: str) -> Image.Image:
    if image.size == size:
        return image
    how = Image.Resampling.BICUBIC
    if fit == "crop":
        return ImageOps.fit(image, size, how)
    if fit == "stretch":
        return image.resize(size, how)
    return image.resize(_inside(image.size, size), how)


def _inside(own: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    # As ImageOps.contain rounds; but a side that would vanish keeps a pixel.
    if own[0] * size[1] > own[1] * size[0]:
        return (size[0], max(1, round(own[1] / own[0] * size[0])))
    return (max(1, round(own[0] / own[1] * size[1])), size[1])


def strips(width: int, height: int, bytes_a_pixel: int) -> list[tuple[int, int]]:
    """Return first and last row of parts of a picture that are small.

    >>> strips(1_000_000, 5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    rows = max(1, STRIP // max(1, width * bytes_a_pixel))
    return [(start, min(start + rows, height)) for start in range(0, height, rows)]


def _fill(out: Array, image: Image.Image) -> None:
    for start, stop in strips(image.width, image.height, 4 * out.shape[2]):
        rows = np.asarray(image.crop((0, start, image.width, stop)))
        out[start:stop] = rows.reshape(stop - start, image.width, -1)


def fitted_array(array: Array, wanted: Wanted, turn: int = 1) -> Array:
    """Return a photo that is an array `(H, W, bands)` of the wanted size, as `fitted` does.

    >>> fitted_array(np.zeros((2, 3, 2), np.uint8), Wanted((4, 6))).shape
    (4, 6, 2)
    """
    kind = np.uint8 if array.dtype == np.uint8 else np.float32
    bands = array.shape[2]
    parts = (Image.fromarray(np.ascontiguousarray(array[..., band], kind)) for band in range(bands))
    return fitted(parts, bands, wanted, turn)


def box_of(photo: tuple[int, int], size: tuple[int, int], fit: Fit) -> Box:
    """Return what of a photo `fitted` shows.

    Args:
        photo: its width and height.
        size: width and height of what was made of it.
        fit: how.

    >>> box_of((600, 400), (64, 64), "crop")
    (100.0, 0.0, 500.0, 400.0)
    """
    if fit == "stretch" or photo[0] * size[1] == photo[1] * size[0]:
        return (0.0, 0.0, float(photo[0]), float(photo[1]))
    if fit == "crop":
        scale = max(size[0] / photo[0], size[1] / photo[1])
        half = [side / scale / 2 for side in size]
        return (
            photo[0] / 2 - half[0], photo[1] / 2 - half[1],
            photo[0] / 2 + half[0], photo[1] / 2 + half[1],
        )  # fmt: skip
    inside = _inside(photo, size)
    starts = [round((side - own) * 0.5) for side, own in zip(size, inside, strict=True)]
    scales = [whole / own for whole, own in zip(photo, inside, strict=True)]
    first = [-start * scale for start, scale in zip(starts, scales, strict=True)]
    last = [at + side * scale for at, side, scale in zip(first, size, scales, strict=True)]
    return (first[0], first[1], last[0], last[1])
