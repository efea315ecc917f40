"""Where things are: masks in files, and boxes, polygons and run lengths as COCO has them, as masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kviz._checks import sanitise
from kviz.errors import ImageError
from kviz.formats import pillow
from kviz.formats.bounds import validate_sides, validate_working
from kviz.formats.headers import header_of

Array = npt.NDArray[Any]

# JPEG's black is not quite black: the lightest of its 255 levels that means nothing.
_DARK = 127
# Crossings of a polygon's edges with rows that are worked out in one go, 8 bytes each a few times over.
_AT_ONCE = 2**18


def read_mask(path: Path) -> Array:
    """Return where a picture is not black, bool `(H, W)`, as it lies.

    A picture's numbers are taken as they are, so that those of classes or things count, and index 0 of
    a palette does not; what is transparent does not count either. Of a JPEG the lighter half does.

    Args:
        path: a file.

    Raises:
        ImageError: if it is no picture that Pillow reads, too large, broken, or holds numbers below 0.

    >>> bool(read_mask(Path("notebooks/images/cat.png")).all())
    True
    """
    name = sanitise(path, 120)
    try:
        if not path.is_file():
            raise ImageError(f"{name} is not a regular file.")
        with path.open("rb") as file:
            header = header_of(file, name) if path.stat().st_size else None
            if header is None or header.kind not in pillow.FORMATS:
                raise ImageError(f"{name} is no mask. Expected a picture, such as a PNG file.")
            if error := pillow.missing_reader(header.kind, name):
                raise error
            with Image.open(file, formats=(header.kind,)) as image:
                validate_sides(name, image.width, image.height)
                size = image.width * image.height
                validate_working(name, size * (header.held + 8) + header.piece)
                return _marked(image, name, _DARK if header.kind == "JPEG" else 0)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise over a dozen types on broken files.
        raise ImageError(f"{name} cannot be read as a mask: {sanitise(error, 100)}.") from error


def _marked(image: Image.Image, name: str, dark: int) -> Array:
    if "transparency" in image.info or image.mode in ("PA", "La", "RGBa"):
        image = image.convert("RGBA")
    levels = np.asarray(image)
    if levels.dtype == bool or levels.ndim == 2:
        return mask_of_numbers(levels, name, dark)
    colours, seen = levels, np.ones(levels.shape[:2], bool)
    if image.mode in ("RGBA", "LA"):
        colours, seen = levels[..., :-1], levels[..., -1] > 0
    found: Array = (colours > dark).any(axis=-1) & seen
    return found


def mask_of_numbers(numbers: Array, said: str, dark: int = 0) -> Array:
    """Return where a mask's numbers mean something, bool.

    Args:
        numbers: bool, or numbers from 0 up.
        said: what messages call it.
        dark: the largest number that means nothing.

    Raises:
        ImageError: if there are numbers below 0, or NaN.

    >>> mask_of_numbers(np.array([0, 0.5, 3]), "m.npy")
    array([False,  True,  True])
    """
    if not (numbers >= 0).all():
        what = "NaN" if np.isnan(numbers).any() else "numbers below 0"
        raise ImageError(f"{said} holds {what}. A mask is bool, or numbers from 0 up.")
    found: Array = numbers > dark
    return found


def mask_of_box(box: Sequence[float], size: tuple[int, int]) -> Array:
    """Return the pixels whose middles are in a box, bool `(H, W)`; of a thin one those that it touches.

    Args:
        box: x and y of its left upper corner, its width and its height, in pixels.
        size: height and width.

    >>> mask_of_box((1, 0, 2, 1), (2, 4)).astype(int)
    array([[0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    mask = np.zeros(size, bool)
    spans = []
    for start, length, side in ((box[1], box[3], size[0]), (box[0], box[2], size[1])):
        low, high = max(0.0, start), min(float(side), start + length)
        first, last = math.ceil(low - 0.5), math.ceil(high - 0.5)
        if first >= last and low < high:
            first = min(math.floor(low), side - 1)
            last = first + 1
        spans.append(slice(first, max(first, last)))
    mask[spans[0], spans[1]] = True
    return mask


def mask_of_polygon(points: Sequence[float], size: tuple[int, int]) -> Array:
    """Return the pixels whose middles are within a polygon, bool `(H, W)`.

    Args:
        points: x and y of each corner, one after another.
        size: height and width.

    >>> mask_of_polygon([0, 0, 3, 0, 0, 3], (3, 4)).astype(int)
    array([[1, 1, 0, 0],
           [1, 0, 0, 0],
           [0, 0, 0, 0]])
    """
    # What is far outside of every photo does not matter, and must not overflow.
    corners = np.clip(np.asarray(points, np.float64).reshape(-1, 2), -1e9, 1e9)
    edges = np.concatenate([corners, np.roll(corners, -1, axis=0)], axis=1)
    crossed = np.zeros((size[0], size[1] + 1), bool)
    several = max(1, _AT_ONCE // size[0])
    for start in range(0, len(edges), several):
        _cross(crossed, edges[start : start + several])
    # Behind an odd number of edges a pixel is inside.
    found: Array = np.logical_xor.accumulate(crossed, axis=1)[:, :-1]
    return found


def _cross(crossed: Array, edges: Array) -> None:
    """Turn over, in each row, the first pixel behind each edge `(x, y, to_x, to_y)`."""
    ends = np.clip(np.ceil(edges[:, 1::2] - 0.5), 0, len(crossed)).astype(int)
    first, many = ends.min(axis=1), np.ptp(ends, axis=1)
    x, y, to_x, to_y = np.repeat(edges, many, axis=0).T
    rows = np.arange(many.sum()) + np.repeat(first - np.cumsum(many) + many, many)
    at = x + (rows + 0.5 - y) * ((to_x - x) / (to_y - y))
    columns = np.clip(np.ceil(at - 0.5), 0, crossed.shape[1] - 1).astype(int)
    np.logical_xor.at(crossed, (rows, columns), True)


def mask_of_runs(counts: str | Sequence[int], size: tuple[int, int]) -> Array:
    """Return the mask that COCO's run lengths say, bool `(H, W)`.

    Args:
        counts: how many pixels down the columns are outside, then inside, and so on; or the same as the
            text that pycocotools makes of it.
        size: height and width.

    Raises:
        ValueError: if they do not add up to the size.

    >>> mask_of_runs([1, 2, 1], (2, 2)).astype(int)
    array([[0, 1],
           [1, 0]])
    """
    runs = _unpacked(counts) if isinstance(counts, str) else list(counts)
    if any(not isinstance(run, int) or run < 0 for run in runs) or sum(runs) != math.prod(size):
        raise ValueError("its run lengths do not add up to its size")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(size[::-1]).T


def _unpacked(text: str) -> list[int]:
    """Return the numbers in a text of six bits a character, five of them the number's, low ones first.

    From the fourth one on each is told as its distance from the one before the last.
    """
    runs: list[int] = []
    number = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("its run lengths are no text of COCO's")
        number |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            number -= (bits & 0x10) << (shift - 4)  # the highest bit is the sign
            runs.append(number + (runs[-2] if len(runs) > 2 else 0))
            number = shift = 0
    if shift:
        raise ValueError("its run lengths end early")
    return runs
