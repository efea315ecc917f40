"""One item of a data set to pixels, by the code that reads photos everywhere else in kviz.

Nothing of it is kept: `kviz.originals`, which says from which file pixels came, would hash each photo
and its pixels, and forget it 4096 photos later. Several threads may decode at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.dataset.sources.source import Item
from kviz.errors import ImageError
from kviz.formats.fitting import Wanted
from kviz.formats.photo import Photo, read
from kviz.images import checked_pixels

Shape = tuple[int | None, ...]


def decode(item: Item, wanted: Wanted, shape: Shape | None = None) -> Array:
    """Return an item's pixels.

    Args:
        item: of a source.
        wanted: size, channels and bands of a photo, and how it gets them.
        shape: of the model's input, batch first, by which arrays are checked; None where any will do.

    Returns:
        Array `(H, W, channels)`, uint8 with values 0-255, or the numbers of an array or of bands as
            they are.

    Raises:
        ImageError: if it is not there, broken, too large, or does not fit.

    >>> from kviz.dataset.sources import as_source
    >>> item = next(as_source("notebooks/images").items(0, 1))
    >>> decode(item, Wanted((64, 96))).shape
    (64, 96, 3)
    """
    return decode_noted(item, wanted, shape).pixels


def decode_noted(item: Item, wanted: Wanted, shape: Shape | None = None) -> Photo:
    """Return an item's pixels as `decode` does, and what they should be seen with."""
    data: Any = item.data
    if isinstance(data, ImageError):
        raise ImageError(str(data))
    if isinstance(data, np.ndarray):
        return Photo(_checked(data, item.name, wanted, shape), ())
    if shape is not None and len(shape) != 4:
        raise ImageError(
            f"{sanitise(item.name, 80)} is a photo; the model takes numbers of another shape. "
            "Give arrays, such as a .npy file."
        )
    return read(data, wanted, item.name)


def _checked(array: Array, name: str, wanted: Wanted, shape: Shape | None) -> Array:
    """Return one image that is an array, or say in what it does not fit; it is not resized."""
    what = f"{sanitise(name, 80)} to be an image"
    if wanted.bands is not None:
        raise ImageError(f"{sanitise(name, 80)} is an array: bands are taken from photos only.")
    if shape is None:
        if array.ndim == 2:
            array = array[..., None]
        if array.ndim != 3:
            raise ImageError(f"Expected {what} (H, W, channels). Received: shape {array.shape}")
        shape = (None, *wanted.size, wanted.channels)
    pixels = checked_pixels(array[None] if array.ndim == len(shape) - 1 else array, shape, what)
    if len(pixels) != 1:
        raise ImageError(f"Expected {what}. Received: {len(pixels)} of them")
    sides = wanted.size if len(shape) == 4 else ()
    own = pixels.shape[1:3]
    if any(side not in (None, mine) for side, mine in zip(sides, own, strict=False)):
        raise ImageError(
            f"{sanitise(name, 80)} is an array of {own[0]} x {own[1]}; arrays are not resized. "
            f"Expected: {' x '.join('any' if side is None else str(side) for side in sides)}"
        )
    return np.asarray(pixels[0])
