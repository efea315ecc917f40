"""One tile as a PNG file with its caption, in the fewest bytes that keep it exact."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw

from kviz._checks import sanitise
from kviz.arrays import Levels
from kviz.draw.colours import coloured, palette
from kviz.draw.fonts import font_of, wrapped
from kviz.images import png
from kviz.tiles import NEUTRAL, Tile

WIDTH = 800
MARGIN = 10


def tile_png(tile: Tile) -> bytes:
    r"""Return a tile as a PNG file with its title and detail above the picture.

    A picture up to 400 pixels wide is enlarged by a whole number, to at most 800, each pixel to a
    square. The file carries the tile's alternative text in its `Description`, and its comment.

    Args:
        tile: the tile.

    Returns:
        The file's bytes.

    >>> tile_png(Tile(np.zeros((2, 2), np.uint8), "conv1", "1 channel", "A dark square."))[:4]
    b'\x89PNG'
    """
    zoom = max(1, WIDTH // tile.levels.shape[1])
    zoom = max(1, min(zoom, 2 * WIDTH // max(tile.levels.shape[:2])))
    colours = palette(tile.cmap) if tile.levels.ndim == 2 else None
    levels = coloured(tile) if colours is None else tile.levels
    if colours is not None and tile.gaps is not None:
        # A file has 256 colours, and the gaps need one: the two brightest levels share theirs.
        colours = np.concatenate([colours[:254], colours[255:], [[NEUTRAL] * 3]]).astype(np.uint8)
        between: Levels = np.negative(tile.gaps.view(np.uint8))  # 255 in gaps, else 0
        levels = np.minimum(levels, np.uint8(254)) | between
    if zoom > 1:
        levels = levels.repeat(zoom, axis=0).repeat(zoom, axis=1)
    width = max(levels.shape[1], WIDTH // 2)
    caption = _caption(tile, width, colours)
    if tile.gaps is not None and colours is not None:
        caption = np.minimum(caption, 254)
    picture = np.zeros((len(caption) + len(levels), width, *levels.shape[2:]), np.uint8)
    picture[: len(caption)] = caption
    picture[len(caption) :] = caption[0, 0]
    picture[len(caption) :, : levels.shape[1]] = levels
    notes = {"Title": sanitise(tile.title, 400), "Description": sanitise(tile.alt, 1000)}
    if tile.comment:
        notes["Comment"] = sanitise(tile.comment, 4000)
    return png(picture, colours, notes, repetitive=zoom > 1)


def _caption(tile: Tile, width: int, colours: Levels | None) -> Levels:
    """Return title and detail in `width` pixels, in RGB or in levels of the tile's own colours.

    With levels, the file needs one byte a pixel and the picture keeps its 256 colours exactly.
    """
    size = 14 if width < 1400 else 24
    fonts = (font_of(size + 4), font_of(size))
    lines = [
        (line, font)
        for text, font in zip((tile.title, tile.detail), fonts, strict=True)
        for line in wrapped(sanitise(text, 400), font, width - 2 * MARGIN)
    ]
    step = int(size * 1.35)
    height = sum(int(font.size * 1.35) for _, font in lines) + len(tile.legend) * step + 2 * MARGIN
    mask = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(mask)
    top = MARGIN
    for line, font in lines:
        draw.text((MARGIN, top), line, fill=255, font=font)
        top += int(font.size * 1.35)
    for place, (name, _) in enumerate(tile.legend):
        line = wrapped(sanitise(name, 100), fonts[1], width - 3 * MARGIN - size)[0]
        draw.text((2 * MARGIN + size, top + place * step), line, fill=255, font=fonts[1])
    inks = np.asarray(mask)
    if colours is None:
        picture = np.repeat((255 - inks)[..., None], 3, axis=2)
        for place, (_, colour) in enumerate(tile.legend):
            high = top + place * step + (step - size) // 2
            picture[high : high + size, MARGIN : MARGIN + size] = colour
        return picture
    levels: Levels = _ink_levels(tile.cmap)[inks]
    return levels


@functools.cache
def _ink_levels(cmap: str) -> Levels:
    """Return for each amount of ink 0-255 the level whose colour comes nearest to it."""
    colours = palette(cmap).astype(float)
    bright = colours @ (0.2126, 0.7152, 0.0722)
    paper, ink = int(bright.argmin()), int(bright.argmax())
    share = np.linspace(0, 1, 256)[:, None]
    wanted = colours[paper] * (1 - share) + colours[ink] * share
    distance = ((wanted[:, None] - colours[None]) ** 2).sum(axis=2)
    levels: Levels = distance.argmin(axis=1).astype(np.uint8)
    return levels
