"""The one font of all pictures, and text in lines that fit."""

from __future__ import annotations

import functools

from PIL import ImageFont


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Return `text` as lines of at most `width` pixels; a word longer than that is broken.

    >>> wrapped("of a layer", font_of(12), 40)
    ['of a', 'layer']
    """
    # Measuring word by word is slow, and few captions are too long.
    if font.getlength(text) <= width:
        return [text]
    lines, line = [], ""
    for word in text.replace(" %", "\N{NO-BREAK SPACE}%").split(" "):
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            lines.append(line)
            longer = word
        line = longer
        while font.getlength(line) > width:
            fits = next(n for n in range(len(line), 0, -1) if font.getlength(line[:n]) <= width)
            lines.append(line[:fits])
            line = line[fits:]
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in (*lines, line)]


@functools.cache
def font_of(size: int) -> ImageFont.FreeTypeFont:
    """Return Matplotlib's own font, in pixels: Pillow's lacks the multiplication sign.

    >>> font_of(12).size
    12
    """
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def in_font(text: str) -> str:
    """Return text with a box for each sign that the font lacks; Matplotlib would warn of them.

    >>> in_font("x² 猫")
    'x² □'
    """
    known = _signs()
    return "".join(sign if ord(sign) in known else "□" for sign in text)


@functools.cache
def _signs() -> frozenset[int]:
    from matplotlib.font_manager import get_font

    return frozenset(get_font(font_of(10).path).get_charmap())
