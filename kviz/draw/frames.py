"""One frame of a film: columns of labelled pictures, and charts beside them, drawn with Pillow.

A Matplotlib figure takes a third of a second; a film needs a frame each epoch.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kviz._checks import sanitise
from kviz.arrays import Levels
from kviz.draw.fonts import font_of, wrapped

WIDTH, HEIGHT = 1280, 820
SMALLEST, LARGEST = 64, 236
MARGIN, GAP = 24, 16
HEADER, TITLE, CAPTION = 52, 40, 22
CHART, CHART_HEIGHT = 300, 190

INK, FAINT, RULE = (26, 28, 32), (98, 102, 110), (222, 224, 228)
# Blue and orange differ in brightness too, for those who do not see the colours apart.
COLOURS = ((31, 95, 168), (214, 118, 16), (90, 90, 90))


@dataclass(frozen=True)
class Cell:
    """One picture, RGB `(H, W, 3)`, or None with a caption that says why; and its caption."""

    picture: Levels | None
    caption: str = ""


@dataclass(frozen=True)
class Column:
    """Pictures below each other under one title, with a line on what they are.

    `given` says that they are what the network is given, which no epoch changes.
    """

    title: str
    detail: str
    cells: Sequence[Cell]
    given: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over epochs, in one diagram.

    Attributes:
        name: what is drawn.
        lines: values by epoch, by what a line is called.
        low: the value at the bottom.
        high: the value at the top.
        log: whether the axis is logarithmic.
        first: the epoch at the left edge.
        last: the epoch at the right edge.
    """

    name: str
    lines: Mapping[str, Mapping[int, float]]
    low: float
    high: float
    log: bool
    first: int
    last: int


@dataclass(frozen=True)
class Layout:
    """Where things are in a frame, alike for all frames of a film.

    Attributes:
        cell: the width of a column, and the height of a row's pictures.
        rows: how many rows of pictures there are in a band.
        columns: how many columns there are in a band.
        bands: how many times columns begin anew at the left, below.
        charts: how many charts have room.
        footer: lines of small print.
    """

    cell: int
    rows: int
    columns: int
    bands: int
    charts: int
    footer: tuple[str, ...] = ()

    @property
    def band(self) -> int:
        """How high a band is, with its titles and captions."""
        return TITLE + self.rows * (self.cell + CAPTION)

    @property
    def bottom(self) -> int:
        """Where pictures and charts end."""
        return HEADER + max(self.bands * self.band, self.charts * CHART_HEIGHT)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame."""
        width = MARGIN + self.columns * (self.cell + GAP) + MARGIN
        width += CHART if self.charts else 0
        return max(width, 480), self.bottom + 16 * len(self.footer) + MARGIN


def layout(columns: Sequence[Column], charts: int, footer: str) -> Layout:
    """Return where a frame's things go: the pictures as large as they can be.

    Args:
        columns: what is shown; the one with the most cells says how many rows there are.
        charts: how many charts stand beside.
        footer: small print below.

    Returns:
        The layout.
    """
    rows = max((len(column.cells) for column in columns), default=0)
    places = []
    for bands in range(1, max(len(columns), 1) + 1):
        across = math.ceil(len(columns) / bands)
        room = WIDTH - 2 * MARGIN - (CHART if charts else 0) - GAP * across
        high = ((HEIGHT - HEADER) // bands - TITLE) // max(rows, 1) - CAPTION
        cell = min(max(min(room // max(across, 1), high), SMALLEST), LARGEST)
        places.append(Layout(cell, rows, across, bands, charts))
    best = max(places, key=lambda place: (place.cell, -place.bands))
    lines = wrapped(footer, font_of(11), best.size[0] - 2 * MARGIN) if footer else []
    return replace(best, footer=tuple(lines))


def drawn(place: Layout, title: str, detail: str, columns: Sequence[Column]) -> Levels:
    """Draw a frame without its charts.

    Args:
        place: where things are.
        title: large, above all.
        detail: small, beside the title.
        columns: what is shown.

    Returns:
        uint8 `(H, W, 3)`.
    """
    frame = Image.new("RGB", place.size, "white")
    draw = ImageDraw.Draw(frame)
    draw.text((MARGIN, 14), sanitise(title, 80), INK, font_of(22))
    after = MARGIN + int(font_of(22).getlength(sanitise(title, 80))) + 18
    draw.text((after, 22), cut(detail, 13, place.size[0] - after - MARGIN), FAINT, font_of(13))
    for number, column in enumerate(columns):
        band, along = divmod(number, place.columns)
        left, above = MARGIN + along * (place.cell + GAP), HEADER + band * place.band
        draw.text((left, above), cut(column.title, 13, place.cell), INK, font_of(13))
        draw.text((left, above + 18), cut(column.detail, 11, place.cell), FAINT, font_of(11))
        high = place.rows * (place.cell + CAPTION) // max(len(column.cells), 1)
        for row, cell in enumerate(column.cells):
            top = above + TITLE + row * high
            if cell.picture is None:
                for line, text in enumerate(
                    wrapped(sanitise(cell.caption, 120), font_of(11), place.cell)
                ):
                    draw.text((left, top + 15 * line), text, FAINT, font_of(11))
                continue
            picture = fitted(cell.picture, place.cell, high - CAPTION)
            frame.paste(Image.fromarray(picture), (left, top))
            caption = cut(cell.caption, 11, place.cell)
            draw.text((left, top + len(picture) + 3), caption, FAINT, font_of(11))
    for line, text in enumerate(place.footer):
        draw.text((MARGIN, place.bottom + 6 + 16 * line), text, FAINT, font_of(11))
    return np.asarray(frame)


def charted(frame: Levels, place: Layout, charts: Sequence[Chart]) -> Levels:
    """Return a frame with charts in the place that it has for them.

    Args:
        frame: as `drawn` gives it, or with other charts.
        place: where things are.
        charts: at most as many as there is room for.

    Returns:
        uint8 `(H, W, 3)`.
    """
    frame = frame.copy()
    left, top = place.size[0] - MARGIN - CHART + 8, HEADER
    frame[top : top + place.charts * CHART_HEIGHT, left:-MARGIN] = 255
    for number, chart in enumerate(charts[: place.charts]):
        at = top + number * CHART_HEIGHT
        picture = _chart(chart, CHART - 8, CHART_HEIGHT)
        frame[at : at + CHART_HEIGHT, left : left + CHART - 8] = picture
    return frame


def _chart(chart: Chart, width: int, height: int) -> Levels:
    left, right, top, bottom = 44, 10, 26, 34
    across, down = width - left - right, height - top - bottom
    sharp = 3  # lines are drawn larger and made smaller: Pillow draws no smooth ones
    large = Image.new("RGB", (sharp * width, sharp * height), "white")
    draw = ImageDraw.Draw(large)

    def place(epoch: float, value: float) -> tuple[float, float]:
        along = (epoch - chart.first) / max(chart.last - chart.first, 1)
        low, high = (math.log10(x) if chart.log else x for x in (chart.low, chart.high))
        value = math.log10(value) if chart.log else value
        if math.isinf(high - low):
            low, high, value = low / 2, high / 2, value / 2
        up = (value - low) / (high - low)
        return left + along * across, top + (1 - min(max(up, 0.0), 1.0)) * down

    ticks = _ticks(chart)
    for tick in ticks:
        y = place(chart.first, tick)[1] * sharp
        draw.line([(left * sharp, y), ((left + across) * sharp, y)], RULE, sharp)
    for values, colour in reversed(list(zip(chart.lines.values(), COLOURS, strict=False))):
        points = [
            tuple(sharp * x for x in place(epoch, value))
            for epoch, value in sorted(values.items())
            if math.isfinite(value) and (value > 0 or not chart.log)
        ]
        if len(points) > 1:
            draw.line(points, colour, 2 * sharp, joint="curve")
        if points:
            (x, y), size = points[-1], 3.5 * sharp
            draw.ellipse((x - size, y - size, x + size, y + size), colour)
    small = large.reduce(sharp)
    draw = ImageDraw.Draw(small)
    at = 0.0
    draw.text((at, 2), cut(chart.name, 13, width // 2), INK, font_of(13))
    at += font_of(13).getlength(cut(chart.name, 13, width // 2)) + 14
    for (name, values), colour in zip(chart.lines.items(), COLOURS, strict=False):
        last = values[max(values)] if values else math.nan
        label = (
            f"{name} {last:.3g}" if math.isfinite(last) else f"{name} is not finite" * bool(values)
        )
        draw.text((at, 4), label, colour, font_of(11))
        at += font_of(11).getlength(label) + 12
    for tick in ticks:
        text = f"{tick:.3g}"
        y = place(chart.first, tick)[1]
        draw.text((left - 6, y), text, FAINT, font_of(10), anchor="rm")
    for epoch in dict.fromkeys((chart.first, chart.last)):
        x, _ = place(epoch, chart.high)
        draw.text((x, top + down + 6), str(epoch), FAINT, font_of(10), anchor="mt")
    draw.text((left + across / 2, top + down + 6), "epoch", FAINT, font_of(10), anchor="mt")
    return np.asarray(small)


def _ticks(chart: Chart) -> list[float]:
    if chart.log:
        first, last = round(math.log10(chart.low)), round(math.log10(chart.high))
        step = max(1, math.ceil((last - first) / 4))
        return [10.0**power for power in range(first, last + 1, step)]
    return [chart.low, (chart.low + chart.high) / 2, chart.high]


def axis(values: Sequence[float]) -> tuple[float, float, bool]:
    """Return a chart's bottom and top for values, and whether its axis is logarithmic.

    Args:
        values: all that is drawn; what is not finite does not count.

    Returns:
        Low and high, which change by large steps only as values are added; a logarithmic axis where
        positive values differ by more than a hundred times.

    >>> axis([0.3, 0.42]), axis([90.0, 0.5])
    ((0.0, 0.5, False), (0.1, 100.0, True))
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0, False
    low, high = min(finite), max(finite)
    if low > 0 and high > 100 * low:
        # Powers of ten end before the numbers do.
        return (
            min(_power(math.floor(math.log10(low))), low),
            max(_power(math.ceil(math.log10(high))), high),
            True,
        )
    bottom, top = (-_round_up(-low) if low < 0 else 0.0), (_round_up(high) if high > 0 else 0.0)
    return bottom, top if top > bottom else 1.0, False


def _power(exponent: int) -> float:
    return float(10.0 ** min(max(exponent, -323), 308))


def _round_up(value: float) -> float:
    power = _power(math.floor(math.log10(value)))
    step = next(step for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))
    rounded = float(f"{step * power:.6g}")
    return rounded if math.isfinite(rounded) else sys.float_info.max


def fitted(picture: Levels, width: int, height: int) -> Levels:
    """Return a picture as large as a box allows, its pixels squares where it is enlarged.

    Args:
        picture: uint8 `(H, W, 3)`.
        width: of the box.
        height: of the box.

    Returns:
        uint8 `(H, W, 3)`.

    >>> fitted(np.zeros((2, 4, 3), np.uint8), 8, 8).shape
    (4, 8, 3)
    """
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    # Enlarged by a whole number first: then each pixel is as large as its neighbour, to a fraction.
    whole = max(1, math.ceil(scale))
    image = Image.fromarray(np.ascontiguousarray(picture))
    if whole > 1:
        grown = (image.width * whole, image.height * whole)
        image = image.resize(grown, Image.Resampling.NEAREST)
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def cut(text: str, size: int, width: int) -> str:
    """Return `text` in one line of at most `width` pixels, its end left out where it is too long.

    >>> cut("a long name", 13, 60)
    'a long…'
    """
    text, font = sanitise(text, 200), font_of(size)
    if _length(text, font) <= width:
        return text
    while text and _length(text + "…", font) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _length(text: str, font: ImageFont.FreeTypeFont) -> float:
    return font.getlength(text)
