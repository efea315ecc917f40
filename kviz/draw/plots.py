"""Tiles as a Matplotlib figure, in a grid of its own or in axes of the caller's."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kviz._checks import sanitise
from kviz.draw.colours import coloured, palette
from kviz.draw.fonts import font_of, in_font, wrapped
from kviz.errors import OptionError
from kviz.tiles import Tile, check_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches that a colour bar and its numbers take beside a picture.
BAR = 0.9
# What the names of colours take.
LEGEND = 1.7
# Inches of a column in a row of many.
NARROWEST = 2.4
# Of the picture that a tile has of a chart.
CHART_DPI = 150


def figure(
    tiles: Sequence[Tile],
    columns: int | None = None,
    width: float | None = None,
    *,
    figsize: tuple[float, float] | None = None,
    caption: bool = True,
) -> Figure:
    """Draw tiles as a Matplotlib figure, each with its title, detail and colour bar.

    Args:
        tiles: one or more tiles.
        columns: tiles per row; by default one where a tile is a wide mosaic, else up to four.
        width: the figure's width in inches; by default as the pictures need, and at most 12 for up to
            five in a row.
        figsize: its width and height in inches, whatever the pictures need.
        caption: whether titles and details are written.

    Returns:
        A `matplotlib.figure.Figure` that pyplot does not know of: nobody has to close it, and
        `pyplot.show()` does not show it. A notebook shows it, with its alternative text; a script
        writes it with `savefig`.

    Raises:
        OptionError: if there are no tiles, or one has a colour map that is not there.

    >>> import numpy as np
    >>> tile = Tile(np.zeros((2, 2), np.uint8), "conv1", "", "")
    >>> figure([tile]).axes[0].get_title(loc="left")
    'conv1'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if not tiles:
        raise OptionError("There is nothing to draw: no tiles.")
    shares = [1.0]
    if columns is not None:
        check_columns(columns)
        shares = [_share(tiles[place::columns]) for place in range(min(columns, len(tiles)))]
    else:
        widest = max(tile.levels.shape[1] for tile in tiles)
        columns = min(len(tiles), max(1, min(4, 1024 // widest)))
    shares += [1.0] * (columns - len(shares))
    rows = math.ceil(len(tiles) / columns)
    cell = (figsize[0] if figsize else width or max(12.0, NARROWEST * columns)) / columns
    places = _places(tiles, cell, shares)
    if width is None and figsize is None:
        needed = max(place.across + place.beside for place in places)
        cell = min(cell, max(5.0, needed))
        places = _places(tiles, cell, shares)
    small = _smaller(cell)
    written = [
        _written(tile, place.room, small) if caption else ([], [])
        for tile, place in zip(tiles, places, strict=True)
    ]
    above_all = [
        place.down + small * (0.21 * len(title) + 0.16 * len(detail) + 0.25)
        for place, (title, detail) in zip(places, written, strict=True)
    ]
    heights = [max(above_all[row * columns : (row + 1) * columns]) for row in range(rows)]
    size = figsize or (cell * columns, sum(heights))
    drawn = _figure_class()(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08))
    FigureCanvasAgg(drawn)
    grid = drawn.subplots(rows, columns, squeeze=False, height_ratios=heights, width_ratios=shares)
    for axes in grid.flat[len(tiles) :]:
        axes.remove()
    for axes, tile, place, texts in zip(grid.flat, tiles, places, written, strict=False):
        _draw(axes, tile, texts, small, place)
    drawn.kviz_alt = _alternative(tiles)  # type: ignore[attr-defined]
    return drawn


def draw_into(axes: Sequence[Any], tiles: Sequence[Tile], *, caption: bool = True) -> Figure:
    """Draw tiles into the caller's own axes.

    Args:
        axes: Matplotlib's axes, as many as there are tiles.
        tiles: the tiles.
        caption: whether titles and details are written.

    Returns:
        The figure of the axes.

    Raises:
        OptionError: if there are fewer or more tiles than axes.
    """
    if len(axes) != len(tiles):
        raise OptionError(
            f"ax takes as many axes as there are pictures, which is {len(tiles)}. "
            f"Received: {len(axes)}. image=0 draws one image alone."
        )
    for one, tile in zip(axes, tiles, strict=True):
        drawn = one.get_figure(root=True)
        box = one.get_window_extent().transformed(drawn.dpi_scale_trans.inverted())
        small = _smaller(box.width)
        texts = _written(tile, box.width, small) if caption else ([], [])
        _draw(one, tile, texts, small)
    drawn.kviz_alt = _alternative(tiles)
    figure_of: Figure = drawn
    return figure_of


def _smaller(inches: float) -> float:
    """Return by what words and bars are made smaller in a narrow column, as on paper."""
    return min(1.0, max(0.6, inches / NARROWEST))


def _alternative(tiles: Sequence[Tile]) -> str:
    return "\n".join(sanitise(tile.alt, 1000) for tile in tiles)


def _written(tile: Tile, inches: float, small: float) -> tuple[list[str], list[str]]:
    """Return a tile's title and detail as lines that fit."""
    return _lines(tile.title, inches, 11 * small), _lines(tile.detail, inches, 8 * small)


def _draw(
    axes: Any,
    tile: Tile,
    texts: tuple[list[str], list[str]],
    small: float,
    place: _Place | None = None,
) -> None:
    """Draw a tile into axes: its picture or chart, its words, and what its colours mean.

    In axes of the caller's, which have no place, the bar takes its room from them.
    """
    title, detail = texts
    axes.set_anchor("NW")
    if tile.chart is not None and tile.role == "curve":
        # What is written on it has its place inside, so that pictures in its column keep theirs.
        axes.set_axis_off()
        inner = axes.inset_axes((0.16, 0.2, 0.84, 0.78))
        tile.chart.draw(inner)
        if place is not None and (legend := inner.get_legend()):
            for entry in legend.get_texts():
                entry.set_fontsize(8 * min(1.0, max(0.75, place.across / 6)))
    elif tile.chart is not None:
        tile.chart.draw(axes)
        detail = [axes.get_xlabel(), *detail] if axes.get_xlabel() else detail
    else:
        _draw_levels(axes, tile)
    words = {"loc": "left", "parse_math": False}
    if title:
        axes.set_title("\n".join(title), fontsize=11 * small, **words)
    if detail:
        axes.set_xlabel("\n".join(detail), fontsize=8 * small, **words)
    if tile.legend:
        _draw_legend(axes, tile, small)
    if tile.limits is not None:
        _draw_bar(axes, tile, tile.limits, small, place)


def _draw_levels(axes: Any, tile: Tile) -> None:
    from matplotlib.colors import ListedColormap

    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    levels = tile.levels if tile.gaps is None else coloured(tile)
    colours = ListedColormap(palette(tile.cmap) / 255)
    # Shrunk pictures are averaged: to pick every n-th pixel would lose lines of the grid.
    axes.imshow(levels, cmap=colours, vmin=0, vmax=255, interpolation="auto")


def _draw_legend(axes: Any, tile: Tile, small: float) -> None:
    from matplotlib.patches import Patch

    names = [
        Patch(color=f"#{bytes(colour).hex()}", label=f" {in_font(sanitise(name, 24))}")
        for name, colour in tile.legend
    ]
    legend = axes.legend(
        handles=names, loc="upper left", bbox_to_anchor=(1, 1), frameon=False,
        fontsize=8 * small, labelcolor="black", borderaxespad=0.2,
    )  # fmt: skip
    for entry in legend.get_texts():
        entry.set_parse_math(False)


def _draw_bar(
    axes: Any, tile: Tile, limits: tuple[float, float], small: float, place: _Place | None
) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    ticks, room = None, {"ax": axes, "fraction": 0.046, "pad": 0.04}
    if place is not None:
        tall, unit = min(1.0, 4 / place.down), small / place.across
        room = {"cax": axes.inset_axes((1 + 0.1 * unit, 1 - tall, 0.15 * unit, tall))}
        # Beside a thin strip there is room for two numbers.
        ticks = None if tall * place.down > 1 else list(limits)
    scale = ScalarMappable(Normalize(*limits), ListedColormap(palette(tile.cmap) / 255))
    bar = axes.get_figure(root=True).colorbar(
        scale, ticks=ticks, format="%.3g" if ticks else None, **room
    )
    bar.ax.tick_params(labelsize=8 * small)


@dataclass(frozen=True)
class _Place:
    """Inches that a tile has in a figure.

    Attributes:
        across: of its picture.
        down: of its picture.
        beside: of its colour bar or legend, and a margin.
        room: across, for what is written.
    """

    across: float
    down: float
    beside: float
    room: float


def _places(tiles: Sequence[Tile], cell: float, shares: Sequence[float]) -> list[_Place]:
    """Return each tile's place in rows of columns, `cell` inches on average.

    Axes of one grid share the width that bars and legends leave to them.
    """
    columns = len(shares)
    beside = [
        (_smaller(cell) * max(map(_beside, tiles[place::columns]), default=0.0) or 0.1)
        for place in range(columns)
    ]
    left = max(cell * columns - sum(beside), 0.3 * columns)
    made = []
    for place, tile in enumerate(tiles):
        high, wide = tile.levels.shape[:2]
        column = place % columns
        across = left * shares[column] / sum(shares)
        room = across + beside[column]
        if tile.chart is not None:
            # Lines do not become clearer by being larger.
            across = min(across, wide / CHART_DPI)
        tallest = min(max(cell / 2, 0.06 * high), 1.2 * cell)
        down = min(across * high / wide, tallest)
        made.append(_Place(down * wide / high, max(down, 0.1), beside[column], room))
    return made


def _share(tiles: Sequence[Tile]) -> float:
    """Return how wide a column is beside others, so that pictures in a row are equally high."""
    shapes = [tile.levels.shape for tile in tiles if tile.chart is None]
    return min(4.0, max((shape[1] / shape[0] for shape in shapes), default=1.0))


def _beside(tile: Tile) -> float:
    """Return the inches that a colour bar or a legend takes beside a picture."""
    return LEGEND if tile.legend else BAR if tile.limits else 0.0


def _lines(text: str, inches: float, points: float) -> list[str]:
    """Return `text` as lines that fit; Matplotlib itself wraps at the figure's edge only."""
    # A point is a 72nd of an inch. On a screen letters are rounded up to whole pixels.
    return wrapped(sanitise(text, 200), font_of(round(10 * points)), int(0.85 * 720 * inches))


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
