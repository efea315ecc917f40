"""Tiles to pictures: a Matplotlib figure, or a captioned PNG. The only user of Matplotlib."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kviz.arrays import Levels
from kviz.errors import OptionError, near, shown
from kviz.images import png
from kviz.tiles import Tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 960
MARGIN = 10


@functools.cache
def palette(cmap: str) -> Levels:
    """Return the 256 colours of a Matplotlib colour map.

    Args:
        cmap: a name that Matplotlib knows.

    Returns:
        uint8 array `(256, 3)`.

    Raises:
        OptionError: if there is no colour map of that name.

    >>> palette("viridis")[0].tolist()
    [68, 1, 84]
    """
    import matplotlib

    if cmap not in matplotlib.colormaps:
        raise OptionError(
            f"There is no colour map {shown(cmap)!r}. {near(str(cmap), list(matplotlib.colormaps))}"
        )
    colours = matplotlib.colormaps[cmap].resampled(256)(np.arange(256))
    result: Levels = np.rint(colours[:, :3] * 255).astype(np.uint8)
    result.flags.writeable = False
    return result


def coloured(tile: Tile) -> Levels:
    """Return a tile's picture in RGB.

    Args:
        tile: the tile.

    Returns:
        uint8 array `(H, W, 3)`.

    >>> coloured(Tile(np.zeros((1, 1), np.uint8), "", "", "")).tolist()
    [[[68, 1, 84]]]
    """
    return tile.levels if tile.levels.ndim == 3 else palette(tile.cmap)[tile.levels]


def tile_png(tile: Tile) -> bytes:
    r"""Return a tile as a PNG file with its title and detail above the picture.

    A picture narrower than 960 pixels is enlarged by a whole number, each pixel to a square. The
    file carries the tile's alternative text in its `Description`.

    Args:
        tile: the tile.

    Returns:
        The file's bytes.

    >>> tile_png(Tile(np.zeros((2, 2), np.uint8), "conv1", "1 channel", "A dark square."))[:4]
    b'\x89PNG'
    """
    zoom = max(1, round(WIDTH / tile.levels.shape[1]))
    zoom = max(1, min(zoom, 2 * WIDTH // max(tile.levels.shape[:2])))
    levels = tile.levels
    if zoom > 1:
        levels = levels.repeat(zoom, axis=0).repeat(zoom, axis=1)
    width = max(levels.shape[1], WIDTH // 2)
    colours = palette(tile.cmap) if tile.levels.ndim == 2 else None
    caption = _caption(tile, width, colours)
    picture = np.zeros((len(caption) + len(levels), width, *levels.shape[2:]), np.uint8)
    picture[: len(caption)] = caption
    picture[len(caption) :] = caption[0, 0]
    picture[len(caption) :, : levels.shape[1]] = levels
    notes = {"Title": tile.title, "Description": tile.alt}
    return png(picture, colours, notes)


def _caption(tile: Tile, width: int, colours: Levels | None) -> Levels:
    """Return title and detail in `width` pixels, in RGB or in levels of the tile's own colours.

    With levels, the file needs one byte a pixel and the picture keeps its 256 colours exactly.
    """
    size = 14 if width < 1400 else 24
    fonts = (_font(size + 4), _font(size))
    lines: list[tuple[str, ImageFont.FreeTypeFont]] = []
    for text, font in zip((tile.title, tile.detail), fonts, strict=True):
        line = ""
        text = shown(text, 400)
        # Measuring word by word is slow, and few captions are too long.
        fits = font.getlength(text) <= width - 2 * MARGIN
        for word in [text] if fits else text.split(" "):
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width - 2 * MARGIN:
                lines.append((line, font))
                longer = word
            line = longer
        lines.append((line, font))
    height = sum(int(font.size * 1.35) for _, font in lines) + 2 * MARGIN
    mask = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(mask)
    top = MARGIN
    for line, font in lines:
        draw.text((MARGIN, top), line, fill=255, font=font)
        top += int(font.size * 1.35)
    inks = np.asarray(mask)
    if colours is None:
        return np.broadcast_to((255 - inks)[..., None], (*inks.shape, 3))
    levels: Levels = _ink_levels(tile.cmap)[inks]
    return levels


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return Matplotlib's own font: Pillow's lacks the multiplication sign."""
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


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


def figure(tiles: Sequence[Tile], columns: int | None = None, width: float = 12.0) -> Figure:
    """Draw tiles as a Matplotlib figure, each with its title, detail and colour bar.

    Args:
        tiles: one or more tiles.
        columns: tiles a row; by default one where a tile is a wide mosaic, else up to four.
        width: the figure's width in inches.

    Returns:
        A `matplotlib.figure.Figure`. A script shows it with `matplotlib.pyplot.show()`; a
        notebook shows it once, with its alternative text.

    >>> figure([Tile(np.zeros((2, 2), np.uint8), "conv1", "", "")]).axes[0].get_title(loc="left")
    'conv1'
    """
    import matplotlib.pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    if not tiles:
        raise OptionError("There is nothing to draw: no tiles.")
    if columns is None:
        wide = max(tile.levels.shape[1] for tile in tiles) > 512
        columns = 1 if wide else min(4, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    cell = width / columns
    heights = [
        max(_drawn(tile, cell) for tile in tiles[row * columns : (row + 1) * columns])
        for row in range(rows)
    ]
    with plt.rc_context({"figure.max_open_warning": 0}):
        drawn = plt.figure(
            FigureClass=_figure_class(), figsize=(width, sum(heights)), layout="constrained"
        )
    grid = drawn.subplots(rows, columns, squeeze=False, height_ratios=heights)
    for axes, tile in zip(grid.flat, tiles, strict=False):
        axes.imshow(
            tile.levels, cmap=tile.cmap, vmin=0, vmax=255, interpolation="nearest", aspect="equal"
        )
        title = shown(tile.title, 200).replace("$", r"\$")
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel(tile.detail.replace("$", r"\$"), loc="left", fontsize=8, wrap=True)
        if tile.limits is not None:
            scale = ScalarMappable(Normalize(*tile.limits), tile.cmap)
            drawn.colorbar(scale, ax=axes, shrink=0.8)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
        axes.spines[:].set_visible(False)
    drawn.kviz_alt = "\n".join(tile.alt for tile in tiles)  # type: ignore[attr-defined]
    return drawn


def _drawn(tile: Tile, width: float) -> float:
    height, across = tile.levels.shape[:2]
    return max(0.4, min(2.5 * width, width * float(height) / float(across))) + 0.6


@functools.cache
def _figure_class() -> type[Figure]:
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    class DescribedFigure(Figure):
        """A figure that a notebook shows once, with alternative text, wherever it is made."""

        kviz_alt = ""

        def _ipython_display_(self) -> None:
            import io

            from IPython.display import display

            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=100)
            display(
                {"image/png": buffer.getvalue(), "text/plain": self.kviz_alt},
                raw=True,
                metadata={"image/png": {"alt": self.kviz_alt}},
            )
            # As a cell's value it has been shown now; open, the cell's end would show it again.
            plt.close(self)

    return DescribedFigure
