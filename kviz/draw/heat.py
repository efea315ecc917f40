"""Maps as colours: alone, over photos, under signals, beside slices, under frames, as bars.

Magnitudes are viridis from 0, signed values blue-white-red about 0. Over something else the opacity
follows the magnitude, up to a limit: what counts most should still be seen in the photo below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kviz._checks import sanitise, validate_choice, validate_number
from kviz._types import Array
from kviz.arrays import Floats, Levels, as_bytes, grey_of, photo_of, stretched
from kviz.draw.charts import Bars, Signal, charted
from kviz.draw.colours import palette
from kviz.draw.numbers import told_number, told_range
from kviz.errors import OptionError
from kviz.formats.fitting import Box
from kviz.tiles import NEUTRAL, Tile, laid_out, mosaic

# How opaque the largest values are over a photo.
MOST_OPAQUE = 0.8
# Few values are far larger than all others; colours that reached them would show nothing else.
PERCENTILE = 99
# Of a long film or a large volume so many are drawn, evenly spaced; so many features have a bar.
MOST_SLICES, MOST_BARS = 32, 24
# A signal of more channels is drawn without lines.
LANES = 12
# More features than this, without names, are drawn as a signal.
MOST_FEATURES = 64

Limits = tuple[float, float]
Sign = Literal["all", "positive", "negative", "absolute"]
SIGNS = ("all", "positive", "negative", "absolute")
Kind = Literal["photo", "channels", "signal", "slices", "frames", "table"]

_TAKEN = {
    "all": "",
    "positive": "positive values only, ",
    "negative": "the size of negative values only, ",
    "absolute": "the size of values, ",
}


@dataclass(frozen=True)
class Heat:
    """How maps become colours.

    Attributes:
        cmap: a Matplotlib colour map; by default viridis, and blue-white-red for signed values.
        alpha: how opaque a map is over something else, 0 to 1; by default as its values are large, over
            a photo at most `MOST_OPAQUE`.
        percentile: of the sizes of the values, where colours end; 100 for the largest.
        sign: `"all"` values, the `"positive"` or the `"negative"` ones alone, or `"absolute"` ones.
    """

    cmap: str | None = None
    alpha: float | None = None
    percentile: float = PERCENTILE
    sign: Sign = "all"

    def __post_init__(self) -> None:
        validate_choice("sign", self.sign, SIGNS)
        if self.cmap is not None:
            palette(self.cmap)
        if self.alpha is not None and not 0 <= validate_number("alpha", self.alpha) <= 1:
            raise OptionError(f"alpha takes a number from 0 to 1. Received: {self.alpha:g}")
        if not 0 < validate_number("percentile", self.percentile) <= 100:
            raise OptionError(
                f"percentile takes a number above 0 and up to 100. Received: {self.percentile:g}"
            )

    def taken(self, values: Floats) -> Floats:
        """Return what is drawn of values."""
        if self.sign == "absolute":
            return np.abs(values)
        if self.sign == "all":
            return values
        return np.maximum(values if self.sign == "positive" else -values, 0)

    def limits(self, values: Floats) -> Limits:
        """Return the values at which colours begin and end, of what `taken` returns."""
        peak = peak_of(values, self.percentile)
        return -peak if values.min() < 0 else 0.0, peak

    def colours(self, limits: Limits) -> str:
        """Return the colour map of a scale."""
        return self.cmap or ("bwr" if limits[0] < 0 else "viridis")

    def opacity(self, values: Floats, limits: Limits) -> Floats:
        """Return how opaque values are over something else, 0 to 1; those that are NaN not at all."""
        if self.alpha is not None:
            return np.where(np.isnan(values), 0, self.alpha)
        return np.nan_to_num(np.clip(np.abs(values) / (limits[1] or 1), 0, 1))

    def over(self, photo: Levels, values: Floats, limits: Limits) -> Levels:
        """Return values over a photo of their size."""
        colours = palette(self.colours(limits))[scaled(values, limits)]
        most = MOST_OPAQUE if self.alpha is None else 1
        return laid_over(photo, colours, most * self.opacity(values, limits))


def scaled(values: Floats, limits: Limits) -> Levels:
    """Return values as levels 0-255 between limits; where these are alike all is 0.

    >>> scaled(np.array([-1.0, 1.0]), (-1, 1)).tolist(), scaled(np.array([3.0]), (0, 0)).tolist()
    ([0, 255], [0])
    """
    low, high = limits
    return stretched(values, low, high) if high > low else np.zeros(values.shape, np.uint8)


def peak_of(values: Floats, percentile: float = PERCENTILE) -> float:
    """Return the size of value at which colours end: the 99th percentile, or else the largest.

    >>> peak_of(np.array([-100.0, *range(100)])), peak_of(np.array([0.0] * 999 + [2.0]))
    (99.0, 2.0)
    """
    sizes = np.abs(values)
    return float(np.percentile(sizes, percentile)) or float(sizes.max())


def kind_of(shape: tuple[int, ...] | None, rank: int) -> Kind:
    """Return how a map is drawn.

    Args:
        shape: of one input, None where it is not known.
        rank: how many axes the map has.

    >>> kind_of((224, 224, 3), 2), kind_of((1000, 2), 1), kind_of((8, 64, 64, 1), 3)
    ('photo', 'signal', 'slices')
    """
    inputs = 0 if shape is None else len(shape)
    if rank <= 1:
        return "table" if inputs == 1 else "signal"
    if rank == 2:
        # Of a signal of few channels that were kept; more are drawn as a plane.
        return "signal" if shape is not None and inputs == 2 and shape[-1] <= LANES else "photo"
    if rank == 3 and shape is not None and inputs == 4:
        return "frames" if shape[-1] == 3 else "slices"
    return "channels"


@dataclass(frozen=True)
class Caption:
    """What is written of a map.

    Attributes:
        title: above it.
        detail: what comes first below it.
        alt: what comes first in its alternative text.
        nothing: what is said of a map that is zero everywhere.
    """

    title: str
    detail: str
    alt: str
    nothing: str = "every value is zero"


@dataclass(frozen=True)
class Seen:
    """What a map is of.

    Attributes:
        pixels: `(H, W, channels)`, `(L, channels)`, `(D, H, W, channels)` or `(F,)`; None where it is
            not known.
        span: the values that are black and white in it.
        names: what features are called.
    """

    pixels: Array | None = None
    span: Limits | None = None
    names: Sequence[str] = ()

    @property
    def photo(self) -> Levels | None:
        """The photo as RGB, None where it is none."""
        pixels = self.pixels
        if pixels is None or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
            return None
        return photo_of(pixels, self.span)


def heat(
    values: Floats, caption: Caption, how: Heat, seen: Seen, limits: Limits | None = None
) -> list[Tile]:
    """Return a map's tiles: of a photo the map and the map over it, of anything else one.

    Args:
        values: the map.
        caption: what is written of it.
        how: how values become colours.
        seen: what it is of.
        limits: the values at which colours begin and end; by default the map's own.
    """
    values = how.taken(values)
    limits = limits or how.limits(values)
    drawing = _Drawing(values, caption, how, seen, limits)
    shape = None if seen.pixels is None else seen.pixels.shape
    kind = kind_of(shape, values.ndim)
    if kind == "table" and values.size > MOST_FEATURES and not seen.names:
        kind = "signal"
    made: list[Tile] = {
        "photo": drawing.photo,
        "channels": drawing.channels,
        "signal": drawing.signal,
        "slices": lambda: drawing.slices(below=False),
        "frames": lambda: drawing.slices(below=True),
        "table": drawing.table,
    }[kind]()
    return made


@dataclass(frozen=True)
class _Drawing:
    values: Floats
    caption: Caption
    how: Heat
    seen: Seen
    limits: Limits

    @property
    def cmap(self) -> str:
        return self.how.colours(self.limits)

    @property
    def bar(self) -> Limits | None:
        return self.limits if self.limits[1] > self.limits[0] else None

    @property
    def levels(self) -> Levels:
        return scaled(self.values, self.limits)

    def scale(self) -> str:
        """Return in words how values became colours, or that there is nothing to see."""
        if not self.values.any():
            left = {"positive": "no value is positive", "negative": "no value is negative"}
            return left.get(self.how.sign, self.caption.nothing)
        low, high = self.limits
        said = f"{_TAKEN[self.how.sign]}colours from {told_range(low, high, 3)}"
        return said + (
            f", {_ordinal(self.how.percentile)} percentile" * (self.how.percentile < 100)
        )

    def told(self, how: str = "") -> tuple[str, str, str]:
        """Return title, detail and alternative text."""
        if not self.values.any():
            detail = f"{self.caption.detail} · {self.scale()}"
            return self.caption.title, detail, f"{self.caption.alt}nothing, {self.scale()}."
        detail = f"{self.caption.detail} · {self.scale()}" + (f", {how}" if how else "")
        where = f" {how[0].upper()}{how[1:]}." if how else ""
        return self.caption.title, detail, f"{self.caption.alt}attribution.{where}"

    def faint(self) -> str:
        return ", faint where it is small" if self.how.alpha is None else ""

    def photo(self) -> list[Tile]:
        levels = self.levels
        made = [Tile(levels, *self.told(), self.cmap, self.bar)]
        photo = self.seen.photo
        if photo is not None and photo.shape[:2] == levels.shape:
            over = self.how.over(photo, self.values, self.limits)
            most = f", at most {100 * MOST_OPAQUE:.0f} % opaque" if self.how.alpha is None else ""
            told = self.told(f"over the image in grey{self.faint()}{most}")
            made.append(Tile(over, *told, self.cmap, role="overlay"))
        return made

    def channels(self) -> list[Tile]:
        """Draw a panel a channel; of a volume a row per channel."""
        *_, high, wide, channels = self.values.shape
        panels = np.moveaxis(self.levels, -1, 0).reshape(-1, high, wide)
        each = len(panels) // channels
        columns = each if each > 1 else min(channels, 16)
        grid, gaps = laid_out(panels, columns, max(1, wide // 48))
        rgb = channels == 3 and self.seen.photo is not None
        said = "a panel each for red, green and blue" if rgb else "a panel each channel"
        said = "a row each channel" if each > 1 else said
        return [Tile(grid, *self.told(said), self.cmap, self.bar, gaps=gaps)]

    def signal(self) -> list[Tile]:
        pixels = self.seen.pixels
        values = None if pixels is None else pixels.reshape(len(pixels), -1)
        colours = palette(self.cmap)[self.levels] / 255
        opacity = self.how.opacity(self.values, self.limits)
        rgba = np.concatenate([colours, opacity[..., None]], axis=-1).reshape(
            len(self.values), -1, 4
        )
        length = len(self.values) if values is None else len(values)
        drawn = values is not None and values.shape[1] <= LANES
        said = f"under the signal{self.faint()}" if drawn else ""
        chart = Signal(values if drawn else None, rgba, length=length)
        told = self.told(said)
        return [charted(chart, *told, cmap=self.cmap, limits=self.bar, role="overlay")]

    def slices(self, *, below: bool) -> list[Tile]:
        """Draw each slice with its heat beside it, each frame with its heat over it below."""
        pixels, count = self.seen.pixels, len(self.values)
        wanted = np.unique(np.linspace(0, count - 1, min(count, MOST_SLICES)).round().astype(int))
        some = f", {len(wanted)} of {count}" if len(wanted) < count else ""
        colours = palette(self.cmap)[self.levels[wanted]]
        fits = pixels is not None and pixels.shape[-1] in (1, 3)
        if pixels is None or not fits or pixels.shape[:-1] != self.values.shape:
            grid = mosaic(colours, _across(*colours.shape[:3]), 1, NEUTRAL)
            return [Tile(grid, *self.told(f"slice by slice{some}"), self.cmap, self.bar)]
        photos = np.stack([photo_of(one, self.seen.span) for one in pixels[wanted]])
        if below:
            frames = zip(photos, self.values[wanted], strict=True)
            colours = np.stack([self.how.over(*one, self.limits) for one in frames])
        gap = max(1, colours.shape[1 if below else 2] // 48)
        couples = np.stack([photos, colours], axis=1)
        pairs = np.stack([mosaic(pair, 1 if below else 2, gap, NEUTRAL) for pair in couples])
        grid = mosaic(pairs, _across(*pairs.shape[:3]), max(3, 3 * gap), 255)
        what = (
            "frames, below each its heat over it in grey" if below else "slices, each with its heat"
        )
        return [Tile(grid, *self.told(f"{what}{some}"), self.cmap, self.bar, role="overlay")]

    def table(self) -> list[Tile]:
        """Draw a bar a feature, the largest ones where there are many."""
        values, pixels = self.values.reshape(-1), self.seen.pixels
        order = np.argsort(-np.abs(values), kind="stable")[:MOST_BARS]
        some = f", the {MOST_BARS} largest of {values.size}" if values.size > MOST_BARS else ""
        names = self.seen.names or [f"feature {place}" for place in range(values.size)]
        if len(names) != values.size:
            raise OptionError(
                f"feature_names takes a name for each of {values.size} features. Received: {len(names)}"
            )
        labels = [
            sanitise(names[place], 28)
            + ("" if pixels is None else f" = {told_number(pixels[place])}")
            for place in order.tolist()
        ]
        title, _, alt = self.told()
        said = _TAKEN[self.how.sign].removesuffix(", ") or "a bar each feature"
        said = said if self.values.any() else self.scale()
        pairs = zip(labels[:5], values[order[:5]], strict=True)
        first = ", ".join(f"{label}: {told_number(value, 3)}" for label, value in pairs)
        return [
            charted(
                Bars(values[order], labels, "attribution"),
                title, f"{self.caption.detail} · {said}{some}", f"{alt} {first}.", role="map",
            )
        ]  # fmt: skip


def laid_over(photo: Levels, colours: Levels, opacity: Floats) -> Levels:
    """Return colours over a photo in grey, as opaque as `opacity` says, 0 to 1.

    Args:
        photo: RGB `(H, W, 3)`.
        colours: RGB `(H, W, 3)`.
        opacity: `(H, W)`.

    >>> grey, red = np.full((1, 1, 3), 100, np.uint8), np.array([[[200, 0, 0]]], np.uint8)
    >>> laid_over(grey, red, np.array([[0.5]])).tolist()
    [[[150, 50, 50]]]
    """
    made = np.empty(photo.shape, np.uint8)
    # In bands: a photo of 50 megapixels would take gigabytes as floats.
    for start in range(0, len(photo), 512):
        band = slice(start, start + 512)
        share = opacity[band, ..., None]
        made[band] = as_bytes(grey_of(photo[band])[..., None] * (1 - share) + colours[band] * share)
    return made


def _across(count: int, height: int, width: int) -> int:
    """Return how many panels stand in a row, so that all together are about twice as wide as high."""
    return int(min(count, max(1, round(np.sqrt(2 * count * height / width)))))


def _ordinal(number: float) -> str:
    """Return a number as an ordinal.

    >>> _ordinal(99), _ordinal(92), _ordinal(11), _ordinal(99.5)
    ('99th', '92nd', '11th', '99.5th')
    """
    ends: dict[float, str] = {1: "st", 2: "nd", 3: "rd"}
    teen = 10 <= number % 100 < 20
    return f"{number:g}" + ("th" if teen else ends.get(number % 10, "th"))


def enlarged(values: Floats, box: Box, size: tuple[int, int]) -> Floats:
    """Return a map as it lies over a larger photo, NaN where it says nothing.

    Args:
        values: `(H, W)`.
        box: left, top, right and bottom of what the map covers, in the photo's pixels.
        size: the photo's height and width.
    """
    left, top, right, bottom = box
    rows, in_y = _places(size[0], top, bottom, values.shape[0])
    cells, in_x = _places(size[1], left, right, values.shape[1])
    low = np.floor(rows).astype(int)
    part = (rows - low).astype(np.float32)[:, None]
    tall = values[low] * (1 - part) + values[np.minimum(low + 1, len(values) - 1)] * part
    low = np.floor(cells).astype(int)
    part = (cells - low).astype(np.float32)
    wide = tall[:, low] * (1 - part) + tall[:, np.minimum(low + 1, values.shape[1] - 1)] * part
    return np.where(in_y[:, None] & in_x, wide, np.nan)


def _places(length: int, start: float, stop: float, cells: int) -> tuple[Floats, Any]:
    """Return where each pixel's middle lies among the cells' middles, and whether it is covered."""
    middles = np.arange(length) + 0.5
    places = (middles - start) / (stop - start) * cells - 0.5
    return np.clip(places, 0, cells - 1), (middles > start) & (middles < stop)
