"""Pictures that are in a page as files, each with its caption and what it shows in words."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kviz._checks import sanitise
from kviz.arrays import Levels
from kviz.images import png
from kviz.reports.evidence import first_method, sizes_only
from kviz.reports.regions import hot_spots, placed
from kviz.results import Attribution

# Smaller photos are enlarged without smoothing, and JPEG would be seen in them.
_TINY = 128
# Larger overlays are made so small: on a card nobody sees more.
_LONGEST = 640
_QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """A picture that is in the page as a file: its data URI, size, caption and alternative text.

    Its legend is names with the colours, `#rrggbb`, that mean them.
    """

    src: str
    width: int
    height: int
    title: str
    detail: str
    alt: str
    legend: tuple[tuple[str, str], ...] = ()

    @property
    def tiny(self) -> bool:
        """Whether its pixels are to be seen as squares."""
        return max(self.width, self.height) < _TINY


def as_picture(
    levels: Levels, title: str, detail: str, alt: str, *, photo: bool = False
) -> Picture:
    """Return a picture as a page carries it.

    Args:
        levels: uint8 `(H, W)` or `(H, W, 3)`.
        title: its caption.
        detail: what is said below that.
        alt: what it shows, in words.
        photo: whether JPEG is good enough, of pictures that are not tiny.
    """
    levels = np.ascontiguousarray(levels)
    as_jpeg = photo and max(levels.shape[:2]) >= _TINY
    data, kind = (_jpeg(levels), "jpeg") if as_jpeg else (png(levels), "png")
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Picture(source, levels.shape[1], levels.shape[0], title, detail, alt)


def _jpeg(levels: Levels) -> bytes:
    held = io.BytesIO()
    Image.fromarray(levels).save(held, "JPEG", quality=_QUALITY, optimize=True)
    return held.getvalue()


def overlay(attributions: Mapping[str, Attribution], image: int, photo: Picture) -> Picture:
    """Return a photo with the evidence for the first class explained over it.

    Args:
        attributions: maps by method; the first whose map is not zero is taken.
        image: which of the photos, from 0.
        photo: that photo.

    Returns:
        The photo in grey, under colours as opaque as the map is large; the photo itself where there is
        no such map, or it does not lie over the photo.
    """
    method = first_method(attributions, image)
    if method is None:
        return photo
    found = attributions[method]
    one = found.explained(image)[0]
    if found.images is None or one.map.shape != (photo.height, photo.width):
        return photo
    levels = Image.fromarray(found.overlay(image=image, class_index=one.class_index))
    levels.thumbnail((_LONGEST, _LONGEST))
    title, label = found.title or method, sanitise(one.label, 60)
    what = f"{title}'s evidence for {label}"
    if sizes_only(found):
        what = f"{title}, how sensitive {label} is to each pixel,"
    where = placed(hot_spots(one.map))
    alt = f"{sanitise(photo.title, 120)} in grey with {what} over it: {where}."
    detail = f"{title} for {label}"
    return as_picture(np.asarray(levels), photo.title, detail, alt, photo=True)
