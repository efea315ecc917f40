"""How wide text is before any browser draws it, and text cut in the middle to fit."""

from __future__ import annotations

import unicodedata

# Of DejaVu Sans in hundredths of its size, from the space on: of the fonts that browsers take for a
# page's own the widest, so that what fits here fits in all of them.
_WIDTHS = (
    "32 40 46 84 64 95 78 27 39 39 50 84 32 36 32 34 64 64 64 64 64 64 64 64 64 64 34 34 84 84 84 53 "
    "100 68 69 70 77 63 58 77 75 29 29 66 56 86 75 79 60 79 69 63 61 73 68 99 69 61 69 39 34 39 84 50 "
    "50 61 63 55 63 62 35 63 63 28 28 58 28 97 63 61 63 63 41 52 39 63 59 82 59 59 52 64 34 64 84"
)
_ASCII = {chr(32 + place): int(width) / 100 for place, width in enumerate(_WIDTHS.split())}


def width_of(text: str, size: float) -> float:
    """Return how many pixels a text is wide at most.

    Args:
        text: one line.
        size: of its font, in pixels.

    Returns:
        Its width.

    >>> width_of("conv1", 10) == 10 * (0.55 + 0.61 + 0.63 + 0.59 + 0.64)
    True
    """
    return size * sum(_ASCII.get(sign) or _width(sign) for sign in text)


def _width(sign: str) -> float:
    if unicodedata.combining(sign):
        return 0
    # Wide ones, as Chinese has them and as emojis are, and capitals of other alphabets.
    return 1.4 if unicodedata.east_asian_width(sign) in "WF" else 1.1


def fitted_text(text: str, size: float, room: float) -> str:
    """Return a text that is not wider than its room, cut in the middle, where names differ least.

    Args:
        text: one line.
        size: of its font, in pixels.
        room: pixels.

    Returns:
        The text, or its beginning and its end with an ellipsis between them.

    >>> fitted_text("block_13_expand_relu", 10, 100)
    'block_13…and_relu'
    """
    if width_of(text, size) <= room:
        return text
    kept = len(text) - 1
    while kept > 1:
        end = kept // 2
        cut = f"{text[: kept - end]}…{text[len(text) - end :] if end else ''}"
        if width_of(cut, size) <= room:
            return cut
        kept -= 1
    return "…"
