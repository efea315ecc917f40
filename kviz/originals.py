"""From which files pixels were read, and what these were before they were made to fit."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from kviz.errors import ImageError
from kviz.files import file_sha256
from kviz.formats.fitting import Box, Fit, Wanted, box_of, fitted_array
from kviz.formats.paths import image_paths
from kviz.formats.photo import read

Pixels = npt.NDArray[np.uint8]


class Original(NamedTuple):
    """A photo before it was made to fit, in RGB, and what of it is seen: padded, more than it is."""

    pixels: Pixels
    box: Box


def original_of(
    pixels: npt.NDArray[Any], original: str | Path | npt.NDArray[Any] | None = None
) -> Original:
    """Return the photo that pixels were made from, at its own size.

    Args:
        pixels: one image `(H, W, channels)`, as `load_images` read it.
        original: the photo, where it is not known from which file the pixels were read: a file, or an
            array uint8 `(H, W, 3)`.

    Raises:
        ImageError: if it is not known, or the pixels are not of this photo.

    >>> import kviz
    >>> original_of(kviz.load_images("notebooks/images/coffee.png", target_size=64)[0]).box
    (100.0, 0.0, 500.0, 400.0)
    """
    if original is None:
        source = source_of(pixels)
        if source is None:
            raise ImageError(
                "It is not known from which file this image was read. Give the photo itself: "
                "original=, a path or an array."
            )
        original = source.path
    size = (pixels.shape[0], pixels.shape[1])
    own = _levels(pixels).reshape(*size, -1)
    if isinstance(original, str | Path):
        path = image_paths(original)[0]
        photo = read(path, Wanted()).pixels
    else:
        path, photo = None, np.asarray(original)
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[-1] != 3:
            raise ImageError(
                "original takes a path, or an array uint8 (H, W, 3). "
                f"Received: {photo.dtype} {photo.shape}"
            )
    for fit in get_args(Fit):
        wanted = Wanted(size, own.shape[-1], fit)
        small = _fitted(photo, wanted) if path is None else read(path, wanted).pixels
        if np.array_equal(small, own):
            return Original(photo, box_of((photo.shape[1], photo.shape[0]), size[::-1], fit))
    raise ImageError(
        f"The image that was explained is not this photo ({photo.shape[1]} x {photo.shape[0]} pixels) "
        f"made to fit {size[1]} x {size[0]}, as kviz.load_images does."
    )


def _fitted(photo: Pixels, wanted: Wanted) -> npt.NDArray[Any]:
    small = fitted_array(photo, wanted)
    if wanted.channels == 1:
        small = np.asarray(Image.fromarray(small).convert("L"))[..., None]
    return small


class Source(NamedTuple):
    """The file that pixels were read from, what was wanted of it, and what to see them with."""

    sha256: str
    path: Path
    wanted: Wanted
    notes: tuple[str, ...]


# By the hash of pixels that were read, their file: kept by value, the newest ones only.
_SOURCES: dict[str, Source] = {}
_MOST_SOURCES = 4096


def remember(pixels: npt.NDArray[Any], path: Path, wanted: Wanted, notes: tuple[str, ...]) -> None:
    """Keep in mind from which file pixels were read, how, and what they should be seen with."""
    if len(_SOURCES) >= _MOST_SOURCES:
        _SOURCES.pop(next(iter(_SOURCES)), None)
    _SOURCES[array_sha256(_levels(pixels))] = Source(
        file_sha256(path), path.absolute(), wanted, notes
    )


def array_sha256(array: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes.

    >>> array_sha256(np.zeros(0))[:8]
    'e3b0c442'
    """
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def source_sha256(pixels: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of the file that pixels were read from, where they are as they were read.

    Args:
        pixels: one image, `(H, W, channels)`.

    Returns:
        The hash of the file; of the array's bytes, where it is not as `load_images` read it. Whole
        numbers 0-255 count as bytes, whatever type they have.

    >>> import kviz
    >>> source_sha256(kviz.load_images("notebooks/images/cat.png")[0])[:8]
    '596aa1e7'
    """
    digest = array_sha256(_levels(pixels))
    source = _SOURCES.get(digest)
    return digest if source is None else source.sha256


def notes_on(pixels: npt.NDArray[Any]) -> tuple[str, ...]:
    """Return what was noted when pixels were read, where they are as they were read.

    Args:
        pixels: one image, `(H, W, channels)`.

    >>> import kviz
    >>> notes_on(kviz.load_images("notebooks/images/cat.png")[0])
    ()
    """
    source = source_of(pixels)
    return () if source is None else source.notes


def source_of(pixels: npt.NDArray[Any]) -> Source | None:
    """Return the file that pixels were read from and what was wanted of it, None where nobody knows.

    Args:
        pixels: one image, `(H, W, channels)`.

    >>> import kviz
    >>> source = source_of(kviz.load_images("notebooks/images/cat.png")[0])
    >>> source.path.name, source.wanted.fit
    ('cat.png', 'crop')
    """
    return _SOURCES.get(array_sha256(_levels(pixels)))


def _levels(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return pixels as bytes, where they are whole numbers 0-255."""
    if pixels.dtype == np.uint8:
        return pixels
    with np.errstate(invalid="ignore"):
        levels = pixels.astype(np.uint8)
    return levels if (levels == pixels).all() else pixels
