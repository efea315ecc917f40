"""How much a file may ask for before it is read, and the sentences of those that ask for more."""

from __future__ import annotations

from kviz.errors import ImageError

MEGAPIXELS = 50
# Of a picture's sides: what JPEG, GIF and WebP can have at most is the most of all others too.
SIDE = 65_535
MEGABYTE = 1_000_000
# What is decoded, and what decoding and converting take besides; what is returned is not counted.
WORKING = 256 * MEGABYTE
# Passes over a progressive JPEG, each of which takes as long as the picture is large.
SCANS = 100


def validate_sides(name: str, width: int, height: int) -> None:
    """Raise an ImageError if a picture has too many pixels, or is longer than any picture.

    Args:
        name: what the message calls the file.
        width: pixels in a row.
        height: rows.

    >>> validate_sides("cat.png", 600, 400)
    """
    if width * height > MEGAPIXELS * 1_000_000:
        raise ImageError(
            f"{name} has {width} x {height} pixels; kviz reads at most {MEGAPIXELS} megapixels. "
            "Make it smaller first."
        )
    if max(width, height) > SIDE:
        raise ImageError(
            f"{name} has {width} x {height} pixels; kviz reads sides of at most {SIDE:,} pixels."
        )


def validate_working(name: str, needed: float) -> None:
    """Raise an ImageError if decoding takes more bytes than it may.

    >>> validate_working("cat.png", 4 * 600 * 400)
    """
    if needed > WORKING:
        raise ImageError(
            f"{name} takes {needed / MEGABYTE:.0f} MB of memory to decode; kviz gives an image at "
            f"most {WORKING // MEGABYTE}. Make it smaller first, or save it as an ordinary JPEG."
        )
