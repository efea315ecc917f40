"""Photos that Pillow decodes, to levels 0-255, with no second copy of what is large."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, features

from kviz._caller import spelled
from kviz.errors import ImageError
from kviz.formats.bounds import MEGABYTE, validate_sides, validate_working
from kviz.formats.fitting import Wanted, fitted, strips
from kviz.formats.headers import Header
from kviz.formats.levels import ceiling_of, levels_of

Array = npt.NDArray[Any]
Note = Callable[[str], None]
# Bands of a picture, and how many they are.
Parts = tuple[Iterable[Image.Image], int]

# Those that a build of Pillow need not have, by Pillow's name of what reads them.
_OPTIONAL = {"AVIF": "avif", "JPEG2000": "jpg_2000"}
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *_OPTIONAL)

_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
# Bytes a pixel as Pillow holds it, and of the three levels that some are made into besides.
_HELD = {
    "1": 1, "L": 1, "P": 5, "LA": 5, "PA": 8, "La": 8, "I;16": 3, "I;16B": 3,
    "I": 5, "F": 5, "CMYK": 8, "YCbCr": 8, "LAB": 8, "RGBa": 8,
}  # fmt: skip
# From so many bytes on a JPEG is decoded at a half, a quarter or an eighth, which is still so many
# times as large as what is made of it.
_LARGE = 64 * MEGABYTE
_STILL = 4

_MOST_EXIF = 4 * MEGABYTE


def missing_reader(kind: str, name: str) -> ImageError | None:
    """Return what to say where this Pillow does not read a kind of photo, else None."""
    if kind == "HEIC":
        return ImageError(
            f"{name} is a HEIC photo, which kviz does not read. Save it as JPEG or PNG."
        )
    if kind in _OPTIONAL and not features.check(_OPTIONAL[kind]):
        return ImageError(
            f"{name} is an {kind.replace('2000', ' 2000')} photo, which this Pillow was built without. "
            "Save it as JPEG or PNG, or install Pillow's own wheel: pip install --upgrade pillow"
        )
    return None


def read_photo(file: BinaryIO, header: Header, wanted: Wanted, name: str, note: Note) -> Array:
    """Return a photo's first frame as levels of the wanted size and bands, upright.

    Args:
        file: the open file.
        header: what it says of itself.
        wanted: what it is to become.
        name: what messages call it.
        note: told what the picture should be seen with.

    Returns:
        uint8 array `(H, W, bands)`.

    Raises:
        ImageError: if it is too large, or has not the bands that are wanted.
    """
    with Image.open(file, formats=(header.kind,)) as image:
        validate_sides(name, image.width, image.height)
        if header.is_scaled:
            _draft(image, wanted)
        pixels = image.width * image.height
        held = header.held * (header.size[0] * header.size[1] if header.size else pixels)
        held += header.piece
        validate_working(name, held + pixels * _HELD.get(image.mode, 4))
        image.load()
        # Behind it, since Pillow turns a TIFF itself, and a PNG's EXIF data may come last.
        turn = orientation_of(image)
        if turn is None:
            note(f"{name} has damaged EXIF data: it is read as it lies, not turned.")
            turn = 1
        if wanted.shows_colours:
            parts, bands = _opaque(image, name, note)
        else:
            parts, bands = _bands(image, wanted, name, note)
        return fitted(parts, bands, wanted, turn)


def frames_of(file: BinaryIO, header: Header) -> int:
    """Return how many frames a moving picture has, 1 of one that does not move."""
    if header.kind in ("WEBP", "PNG", "AVIF"):
        with Image.open(file, formats=(header.kind,)) as image:
            return int(getattr(image, "n_frames", 1))
    return header.frames


def _draft(image: Image.Image, wanted: Wanted) -> None:
    """Let a large JPEG be decoded near the wanted size, if there is one."""
    sides = [side for side in wanted.size if side]
    if 4 * image.width * image.height > _LARGE and len(sides) == 2:
        # It may lie on its side.
        image.draft(image.mode, (_STILL * max(sides), _STILL * max(sides)))


def orientation_of(image: Image.Image) -> int | None:
    """Return EXIF's number of how a picture lies, 1 where it says nothing, None where it is damaged."""
    try:
        if len(image.info.get("exif") or b"") > _MOST_EXIF:
            raise ValueError("too large")
        turn = image.getexif().get(0x0112, 1)
    except (Exception, RecursionError):  # Pillow has many types for broken EXIF data
        return None
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _opaque(image: Image.Image, name: str, note: Note) -> Parts:
    """Return a picture's RGB or grey bands, what is transparent laid over white."""
    if image.mode.startswith("I") or image.mode == "F":
        return [_levelled(image, name)], 1
    if image.mode in _ALPHA or image.info.get("transparency") is not None:
        laid = _laid_over_white(image)
        if np.min(np.ravel(laid.getextrema())[:6]) == 255:
            note(f"{name} comes out white: it is transparent, or white where it is not.")
        if laid.mode == "L":
            return [laid], 1
        return (laid.getchannel(band) for band in "RGB"), 3
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return [image], len(image.getbands())


def _laid_over_white(image: Image.Image) -> Image.Image:
    # In place where that is possible: an RGBA of 50 megapixels takes 200 MB.
    grey = image.mode == "LA"
    into = image if image.mode == "RGBA" else Image.new("L" if grey else "RGB", image.size)
    for start, stop in strips(image.width, image.height, 16):
        strip = image.crop((0, start, image.width, stop)).convert("RGBA")
        laid = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
        into.paste(laid.convert(into.mode), (0, start))
    return into


def _levelled(image: Image.Image, name: str) -> Image.Image:
    """Return a picture of 16 or 32 bits, or of real numbers, as grey levels."""
    places = strips(image.width, image.height, 16)

    def rows() -> Any:
        for start, stop in places:
            yield np.asarray(image.crop((0, start, image.width, stop)))

    if image.mode.startswith("I;16"):
        ceiling = ceiling_of((), "u", _bits(image), name)
    else:
        ceiling = ceiling_of(rows(), "f" if image.mode == "F" else "i", 32, name)
    grey = Image.new("L", image.size)
    transparent = image.info.get("transparency")
    for (start, _), values in zip(places, rows(), strict=True):
        levels = levels_of(values, ceiling)
        if isinstance(transparent, int):
            levels[values == transparent] = 255
        grey.paste(Image.fromarray(levels), (0, start))
    return grey


def _bits(image: Image.Image) -> int:
    """Return how many bits a TIFF says that its numbers have."""
    bits = getattr(image, "tag_v2", {}).get(258, (16,))[0]
    return bits if 8 < bits < 16 else 16


def _bands(image: Image.Image, wanted: Wanted, name: str, note: Note) -> Parts:
    """Return the bands that are wanted: those that are named, or all; alpha is one."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _levelled(image, name)
    has_alpha = image.mode in _ALPHA or "transparency" in image.info
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGBA" if has_alpha else "RGB")
    elif "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    if wanted.bands is None and wanted.channels == 4 and len(image.getbands()) != 4:
        if not has_alpha:
            note(f"{name} has no alpha: the model's fourth channel is 255 everywhere.")
        image = image.convert("RGBA")
    places = validate_bands(len(image.getbands()), wanted, name)
    if wanted.bands is None and image.mode == "RGBA":
        return [image], 4  # as a whole, so that colours are weighed by alpha
    return (image.getchannel(place) for place in places), len(places)


def validate_bands(count: int, wanted: Wanted, name: str) -> tuple[int, ...]:
    """Return which of a file's bands are wanted, from 0.

    Raises:
        ImageError: if the file has not those, or more or fewer than the model takes, as its `bands`
            says.

    >>> validate_bands(13, Wanted(bands=(4, 3, 2)), "a.tif")
    (3, 2, 1)
    """
    if wanted.bands is None:
        if wanted.channels not in (None, count):
            said = f" {spelled('bands', '…')} says which, from 1." if count > 1 else ""
            error = ImageError(
                f"{name} has {count} band{'s' * (count > 1)}, and {wanted.channels} are wanted.{said}"
            )
            error.bands = count
            raise error
        return tuple(range(count))
    if max(wanted.bands) > count:
        raise ImageError(f"{name} has {count} bands, from 1. Received: band {max(wanted.bands)}")
    return tuple(band - 1 for band in wanted.bands)
