"""Tiles to pictures: a Matplotlib figure, or a captioned PNG. The only user of Matplotlib."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from kviz._checks import sanitise, suggest
from kviz.arrays import Levels
from kviz.errors import OptionError
from kviz.images import png
from kviz.tiles import Tile, check_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 800
MARGIN = 10
# Inches that a colour bar and its numbers take beside a picture.
BAR = 0.9
# What the names of colours take.
LEGEND = 1.7


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
            f"There is no colour map {sanitise(cmap)!r}. "
            f"{suggest(str(cmap), list(matplotlib.colormaps))}"
        )
    colours = matplotlib.colormaps[cmap].resampled(256)(np.arange(256))
    result: Levels = np.rint(colours[:, :3] * 255).astype(np.uint8)
    result.flags.writeable = False
    return result


@functools.cache
def class_colours() -> Levels:
    """Return colours to tell classes apart, the first ten the most: uint8 `(60, 3)`.

    >>> class_colours()[1].tolist()
    [255, 127, 14]
    """
    import matplotlib

    first, *others = (
        matplotlib.colormaps[name](np.arange(20))[:, :3] for name in ("tab20", "tab20b", "tab20c")
    )
    # Matplotlib's own ten, and then their light sisters.
    order = np.concatenate([first[::2], first[1::2], *others])
    colours: Levels = np.rint(255 * order).astype(np.uint8)
    colours.flags.writeable = False
    return colours


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

    A picture up to 400 pixels wide is enlarged by a whole number, to at most 800, each pixel to a
    square. The file carries the tile's alternative text in its `Description`.

    Args:
        tile: the tile.

    Returns:
        The file's bytes.

    >>> tile_png(Tile(np.zeros((2, 2), np.uint8), "conv1", "1 channel", "A dark square."))[:4]
    b'\x89PNG'
    """
    zoom = max(1, WIDTH // tile.levels.shape[1])
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
    notes = {"Title": sanitise(tile.title, 400), "Description": sanitise(tile.alt, 1000)}
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
        width: the figure's width in inches, at most; small pictures take less.

    Returns:
        A `matplotlib.figure.Figure` that pyplot does not know of: nobody has to close it, and
        `pyplot.show()` does not show it. A notebook shows it, with its alternative text; a script
        writes it with `savefig`.

    Raises:
        OptionError: if there are no tiles, or one has a colour map that is not there.

    >>> figure([Tile(np.zeros((2, 2), np.uint8), "conv1", "", "")]).axes[0].get_title(loc="left")
    'conv1'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.patches import Patch

    if not tiles:
        raise OptionError("There is nothing to draw: no tiles.")
    if columns is not None:
        check_columns(columns)
    else:
        widest = max(tile.levels.shape[1] for tile in tiles)
        columns = min(len(tiles), max(1, min(4, 1024 // widest)))
    rows = math.ceil(len(tiles) / columns)
    sizes = [_drawn_size(tile, width / columns) for tile in tiles]
    bar = max(map(_beside, tiles))
    cell = min(width / columns, max(5.0, max(across for across, _ in sizes) + bar))
    titles = [_lines(tile.title, cell, 11) for tile in tiles]
    details = [_lines(tile.detail, cell, 8) for tile in tiles]
    above_all = [
        down + 0.21 * len(title) + 0.16 * len(detail) + 0.15
        for (_, down), title, detail in zip(sizes, titles, details, strict=True)
    ]
    heights = [max(above_all[row * columns : (row + 1) * columns]) for row in range(rows)]
    drawn = _figure_class()(figsize=(cell * columns, sum(heights)), layout="constrained")
    FigureCanvasAgg(drawn)
    grid = drawn.subplots(rows, columns, squeeze=False, height_ratios=heights)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.set_anchor("NW")
    for axes in grid.flat[len(tiles) :]:
        axes.remove()
    texts = zip(grid.flat, tiles, sizes, titles, details, strict=False)
    for axes, tile, (across, down), title, detail in texts:
        colours = ListedColormap(palette(tile.cmap) / 255)
        # Shrunk pictures are averaged: to pick every n-th pixel would lose lines of the grid.
        axes.imshow(tile.levels, cmap=colours, vmin=0, vmax=255, interpolation="auto")
        axes.set_title("\n".join(title), loc="left", fontsize=11, parse_math=False)
        axes.set_xlabel("\n".join(detail), loc="left", fontsize=8, parse_math=False)
        if tile.legend:
            names = [Patch(color=f"#{bytes(colour).hex()}", label=f" {_in_font(sanitise(name, 24))}")
                     for name, colour in tile.legend]  # fmt: skip
            legend = axes.legend(
                handles=names, loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8,
                labelcolor="black", borderaxespad=0.2,
            )  # fmt: skip
            for entry in legend.get_texts():
                entry.set_parse_math(False)
        if tile.limits is not None:
            tall = min(1.0, 4 / down)
            place = axes.inset_axes((1 + 0.1 / across, 1 - tall, 0.15 / across, tall))
            # Beside a thin strip there is room for two numbers.
            ticks = None if tall * down > 1 else list(tile.limits)
            scale = ScalarMappable(Normalize(*tile.limits), colours)
            drawn.colorbar(scale, cax=place, ticks=ticks, format="%.3g" if ticks else None)
            place.tick_params(labelsize=8)
    drawn.kviz_alt = "\n".join(sanitise(tile.alt, 1000) for tile in tiles)  # type: ignore[attr-defined]
    return drawn


def curves(
    lines: Mapping[str, npt.NDArray[np.floating]],
    title: str,
    across: str,
    up: str,
    *,
    first: float = 0,
    each: float = 1,
    at: npt.NDArray[np.floating] | None = None,
    legend: bool = True,
) -> Tile:
    """Draw lines in one diagram.

    Args:
        lines: values by what a line is called; NaN is left out.
        title: what is shown.
        across: what is counted to the right.
        up: what the values are.
        first: where the lines begin, to the right.
        each: how far it is from value to value.
        at: where each value is, to the right, where these are no counts.
        legend: whether the lines are named; without, all are of one colour.

    Returns:
        A tile in RGB.

    >>> curves({"a": np.arange(2.0)}, "the score", "step", "score").levels.shape[2]
    3
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.ticker import MaxNLocator

    # All that a style sheet of the caller's could change is said here: the picture is the same in each,
    # and to exchange the style for a while would exchange it for other threads too.
    drawn = Figure(figsize=(6, 3.6), dpi=150, layout="constrained", facecolor="white")
    axes = drawn.subplots()
    axes.set_facecolor("white")
    axes.set_axisbelow("line")
    for place, (name, values) in enumerate(lines.items()):
        # Matplotlib leaves out of its legend what begins with a line.
        label = f" {_in_font(sanitise(name, 48))}"
        colour = _COLOURS[place % len(_COLOURS)] if legend else "#4060a0"
        # One point alone would be no line.
        mark = "o" if at is not None or np.isfinite(values).sum() == 1 else ""
        places = first + each * np.arange(len(values)) if at is None else at
        axes.plot(
            places, values, color=colour, alpha=1.0 if legend else 0.4, label=label,
            marker=mark, markersize=6, linewidth=1.6, linestyle="-", solid_capstyle="projecting",
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=at is None))
    axes.minorticks_off()
    axes.tick_params(colors="black", labelsize=10, length=3.5, width=0.8, direction="out")
    for name, said in (("xlabel", across), ("ylabel", up)):
        axes.set(**{name: _in_font(said)})
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color="black", fontsize=10, parse_math=False)
    axes.spines[:].set(edgecolor="black", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color="#b0b0b0", alpha=0.25, linestyle="-", linewidth=0.8)
    if legend:
        for entry in axes.legend(frameon=False, fontsize=8, labelcolor="black").get_texts():
            entry.set_parse_math(False)
    for written in drawn.findobj(Text):
        written.set(fontfamily="DejaVu Sans")
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()  # type: ignore[no-untyped-call]
    levels = np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
    ends = [
        f"{sanitise(name, 48)} from {values[0]:.4g} to {values[-1]:.4g}"
        for name, line in list(lines.items())[:8]
        if len(values := line[np.isfinite(line)])
    ]
    alt = f"{title}: " + "; ".join(ends) + ("; and others." if len(lines) > 8 else ".")
    return Tile(levels, title, "", alt, role="curve")


# Matplotlib's own.
_COLOURS = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
    "#17becf",
)  # fmt: skip


def _in_font(text: str) -> str:
    """Return text with a box for each sign that the font lacks; Matplotlib would warn of them.

    >>> _in_font("x² 猫")
    'x² □'
    """
    known = _signs()
    return "".join(sign if ord(sign) in known else "□" for sign in text)


@functools.cache
def _signs() -> frozenset[int]:
    from matplotlib.font_manager import get_font

    return frozenset(get_font(font_of(10).path).get_charmap())


def _drawn_size(tile: Tile, cell: float) -> tuple[float, float]:
    """Return the inches, across and down, that a tile's picture takes in a cell of that width."""
    height, width = tile.levels.shape[:2]
    across = cell - (_beside(tile) or 0.1)
    tallest = min(max(cell / 2, 0.06 * height), 1.2 * cell)
    down = min(across * height / width, tallest)
    return down * width / height, max(down, 0.1)


def _beside(tile: Tile) -> float:
    """Return the inches that a colour bar or a legend takes beside a picture."""
    return LEGEND if tile.legend else BAR if tile.limits else 0.0


def _lines(text: str, inches: float, points: int) -> list[str]:
    """Return `text` as lines that fit; Matplotlib itself wraps at the figure's edge only."""
    # A point is a 72nd of an inch. On a screen letters are rounded up to whole pixels.
    return wrapped(sanitise(text, 200), font_of(10 * points), int(0.85 * 720 * inches))


# The bytes from which on a notebook shows a figure as a JPEG.
_PNG_IN_A_CELL = 200_000


@functools.cache
def _figure_class() -> type[Figure]:
    from matplotlib.figure import Figure

    class DescribedFigure(Figure):
        """A figure that a notebook shows with alternative text, whatever its backend."""

        kviz_alt = ""

        def _ipython_display_(self) -> None:
            import io

            from IPython.display import display

            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=100)
            kind, data = "image/png", buffer.getvalue()
            # Photos and noise as PNG files would make notebooks too large to open or to keep.
            if len(data) > _PNG_IN_A_CELL:
                kind, buffer = "image/jpeg", io.BytesIO()
                options = {"quality": 90, "subsampling": 0}
                self.savefig(buffer, format="jpeg", dpi=100, pil_kwargs=options)
                data = buffer.getvalue()
            display(
                {kind: data, "text/plain": self.kviz_alt},
                raw=True,
                metadata={kind: {"alt": self.kviz_alt}},
            )

    return DescribedFigure
