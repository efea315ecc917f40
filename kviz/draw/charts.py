"""Drawings of lines and words: curves, a signal over its heat, bars. A figure draws them as such."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kviz._checks import sanitise
from kviz.arrays import Floats
from kviz.draw.colours import palette
from kviz.draw.fonts import in_font
from kviz.draw.numbers import told_number, told_range
from kviz.draw.plots import CHART_DPI
from kviz.tiles import Role, Tile

INK, FAINT = "#1a1c20", "#b0b0b0"
# Matplotlib's own.
_COLOURS = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
    "#17becf",
)  # fmt: skip
# Of what others are compared with.
_BESIDE = "#7f7f7f"


class Sized(Protocol):
    """A chart with the size that it takes alone."""

    @property
    def size(self) -> tuple[float, float]:
        """Inches across and down."""

    def draw(self, axes: Any) -> None:
        """Draw it, as `kviz.tiles.Chart`."""


def charted(
    chart: Sized,
    title: str,
    detail: str,
    alt: str,
    *,
    cmap: str = "viridis",
    limits: tuple[float, float] | None = None,
    role: Role = "map",
) -> Tile:
    """Return a chart as a tile, which holds it and a picture of it.

    Args:
        chart: the chart.
        title: as `Tile` has it; so the others.
        detail: one line on what is drawn.
        alt: alternative text.
        cmap: the colour map of heat.
        limits: the values at which colours begin and end.
        role: what it shows.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=chart.size, dpi=CHART_DPI, layout="constrained", facecolor="white")
    chart.draw(drawn.subplots())
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()  # type: ignore[no-untyped-call]
    levels = np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
    return Tile(levels, title, detail, alt, cmap, limits, chart=chart, role=role)


def styled(axes: Any, across: str, up: str) -> None:
    """Say all that a style sheet of the caller's could change.

    So the picture is the same in each; to exchange the style for a while would exchange it for other
    threads too.
    """
    axes.set_facecolor("white")
    axes.set_axisbelow("line")
    axes.minorticks_off()
    axes.tick_params(colors="black", labelsize=9, length=3.5, width=0.8, direction="out")
    axes.set_xlabel(in_font(across), color="black", fontsize=10, parse_math=False)
    axes.set_ylabel(in_font(up), color="black", fontsize=10, parse_math=False)
    axes.spines[:].set(edgecolor="black", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def in_one_font(axes: Any) -> None:
    """Write all that is written in axes in the font that comes with Matplotlib, as it stands."""
    from matplotlib.text import Text

    for written in axes.findobj(Text):
        written.set(fontfamily="DejaVu Sans", parse_math=False)


@dataclass(frozen=True)
class Curves:
    """Lines in one diagram.

    Attributes:
        lines: values by what a line is called; NaN is left out.
        across: what is counted to the right.
        up: what the values are.
        first: where the lines begin, to the right.
        each: how far it is from value to value.
        at: where each value is, to the right, where these are no counts.
        legend: whether the lines are named; without, all are of one colour.
        points: what the places to the right are called, where they are no numbers.
        beside: which lines the others are compared with: they are grey, and behind.
    """

    lines: Mapping[str, Floats]
    across: str
    up: str
    first: float = 0
    each: float = 1
    at: Floats | None = None
    legend: bool = True
    points: Sequence[str] = ()
    beside: Collection[str] = ()

    size = (6.0, 3.6)

    def draw(self, axes: Any) -> None:
        """Draw it, as `kviz.tiles.Chart`."""
        from matplotlib.ticker import MaxNLocator

        styled(axes, self.across, self.up)
        for place, (name, values) in enumerate(self.lines.items()):
            # Matplotlib leaves out of its legend what begins with a line.
            label = f" {in_font(sanitise(name, 48))}"
            colour = _COLOURS[place % len(_COLOURS)] if self.legend else "#4060a0"
            behind = name in self.beside
            colour = _BESIDE if behind else colour
            # One point alone would be no line.
            mark = "o" if self.at is not None or np.isfinite(values).sum() == 1 else ""
            counted = self.first + self.each * np.arange(len(values))
            axes.plot(
                counted if self.at is None else self.at, values, color=colour,
                alpha=1.0 if self.legend else 0.4, label=label, marker=mark, markersize=6,
                linewidth=1.6, linestyle="-", solid_capstyle="projecting", clip_on=False,
                markerfacecolor="white" if behind else colour, zorder=2 if behind else 2.5,
            )  # fmt: skip
        axes.xaxis.set_major_locator(
            MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=self.at is None)
        )
        if self.at is not None and not self.points and self.at[-1] > self.at[0]:
            # A share has no more than 1; its outer marks are drawn over the border.
            axes.set_xlim(self.at[0], self.at[-1])
        if self.points and self.at is not None:
            names = [in_font(sanitise(name, 20)) for name in self.points]
            axes.set_xticks(self.at, names, rotation=90, fontsize=max(4, 9 - len(names) // 10))
        axes.grid(True, color=FAINT, alpha=0.25, linestyle="-", linewidth=0.8)
        if self.legend:
            axes.legend(
                fontsize=8, labelcolor="black", facecolor="white", framealpha=0.7, edgecolor="none",
                fancybox=False, handlelength=1.2, labelspacing=0.3,
            )  # fmt: skip
        in_one_font(axes)


def curves(  # noqa: PLR0913 - what a chart is
    lines: Mapping[str, Floats],
    title: str,
    across: str,
    up: str,
    *,
    first: float = 0,
    each: float = 1,
    at: Floats | None = None,
    legend: bool = True,
    points: Sequence[str] = (),
    beside: Collection[str] = (),
) -> Tile:
    """Draw lines in one diagram, as `Curves` takes them.

    Args:
        lines: values by what a line is called; NaN is left out.
        title: what is shown.
        across: what is counted to the right.
        up: what the values are.
        first: where the lines begin, to the right.
        each: how far it is from value to value.
        at: where each value is, to the right, where these are no counts.
        legend: whether the lines are named; without, all are of one colour.
        points: what the places to the right are called, where they are no numbers.
        beside: which lines the others are compared with.

    Returns:
        A tile in RGB.

    >>> curves({"a": np.arange(2.0)}, "the score", "step", "score").levels.shape[2]
    3
    """
    ends = [
        f"{sanitise(name, 48)} from {told_range(values[0], values[-1])}"
        for name, line in list(lines.items())[:8]
        if len(values := line[np.isfinite(line)])
    ]
    alt = f"{title}: " + "; ".join(ends) + ("; and others." if len(lines) > 8 else ".")
    chart = Curves(dict(lines), across, up, first, each, at, legend, points, beside)
    return charted(chart, title, "", alt, role="curve")


@dataclass(frozen=True)
class Signal:
    """A signal as a line a channel, and under each the heat of its positions.

    Attributes:
        values: `(L, channels)`, or None for heat alone; the channels lie below each other.
        heat: RGBA 0-1 `(M, lanes, 4)`, a lane for all channels or one for each; M cells over the whole
            length. None for lines alone.
        across: what is counted to the right.
        length: L, where there are no lines.
    """

    values: Floats | None
    heat: Floats | None = None
    across: str = "position"
    length: int = 0

    @property
    def size(self) -> tuple[float, float]:
        """Inches across and down."""
        return 9.0, 1.0 + max(1.4, 0.7 * self._lanes)

    @property
    def _lanes(self) -> int:
        lines = 0 if self.values is None else self.values.shape[1]
        return max(1, lines, 0 if self.heat is None else self.heat.shape[1])

    def draw(self, axes: Any) -> None:
        """Draw it, as `kviz.tiles.Chart`."""
        from matplotlib.ticker import AutoLocator, MaxNLocator, NullLocator

        alone = self.values is not None and self.values.shape[1] == 1
        styled(axes, self.across, "value" if alone else "")
        length = len(self.values) if self.values is not None else self.length
        low, high = 0.0, float(self._lanes)
        if alone and self.values is not None:
            low, high = _roomy(self.values)
        if self.heat is not None:
            lanes = self.heat.shape[1]
            for lane in range(lanes):
                top = high - lane * (high - low) / lanes
                axes.imshow(
                    self.heat[None, :, lane], aspect="auto", interpolation="auto", zorder=0,
                    extent=(-0.5, length - 0.5, top - (high - low) / lanes, top),
                )  # fmt: skip
        line = {"color": INK, "linewidth": 1.1, "linestyle": "-", "marker": "", "zorder": 2}
        if alone and self.values is not None:
            axes.plot(self.values[:, 0], **line)
            axes.yaxis.set_major_locator(MaxNLocator(4))
        elif self.values is not None:
            names = []
            for lane, values in enumerate(np.moveaxis(self.values, 1, 0)):
                bottom, top = _roomy(values)
                place = self._lanes - 1 - lane
                axes.plot(place + (values - bottom) / (top - bottom), **line)
                axes.axhline(place, color=FAINT, linewidth=0.6, linestyle="-", zorder=1)
                names.append(f"channel {lane}\n{told_range(_least(values), _most(values), 3)}")
            axes.set_yticks(self._lanes - 0.5 - np.arange(self._lanes), names)
            axes.tick_params(axis="y", length=0, labelsize=8)
        else:
            axes.yaxis.set_major_locator(NullLocator())
        axes.xaxis.set_major_locator(AutoLocator())
        axes.grid(False)
        axes.set_xlim(-0.5, length - 0.5)
        axes.set_ylim(low, high)
        in_one_font(axes)


def _least(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.min()) if finite.size else 0.0


def _most(values: Floats) -> float:
    return -_least(-values)


def _roomy(values: Floats) -> tuple[float, float]:
    """Return where a line's axis begins and ends: a little beyond its values, and never alike."""
    low, high = _least(values), _most(values)
    room = 0.08 * (high - low) or max(1.0, abs(high))
    return low - room, high + room


@dataclass(frozen=True)
class Bars:
    """A bar a value, with its name; those below zero to the left in blue.

    Attributes:
        values: the values, first on top.
        names: what each is called.
        across: what the values are.
    """

    values: Floats
    names: Sequence[str]
    across: str

    @property
    def size(self) -> tuple[float, float]:
        """Inches across and down."""
        return 6.0, 0.9 + 0.24 * len(self.values)

    def draw(self, axes: Any) -> None:
        """Draw it, as `kviz.tiles.Chart`."""
        from matplotlib.ticker import AutoLocator

        styled(axes, self.across, "")
        places = np.arange(len(self.values))[::-1]
        # The ends of the signed palette; where nothing is below zero, a colour of the other one.
        signed = palette("bwr")[[0, 255]]
        above, below = (
            (palette("viridis")[100], signed[0]) if self.values.min() >= 0 else signed[::-1]
        )
        colours = [f"#{bytes(above if value >= 0 else below).hex()}" for value in self.values]
        axes.barh(places, self.values, height=0.7, color=colours, linewidth=0)
        axes.axvline(0, color="black", linewidth=0.8, linestyle="-")
        axes.set_yticks(places, [in_font(sanitise(name, 40)) for name in self.names])
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(AutoLocator())
        axes.spines["left"].set_visible(False)
        axes.grid(True, axis="x", color=FAINT, alpha=0.25, linestyle="-", linewidth=0.8)
        axes.grid(False, axis="y")
        axes.set_ylim(-0.6, len(self.values) - 0.4)
        in_one_font(axes)


@dataclass(frozen=True)
class Dot:
    """One value in a row of its own.

    Attributes:
        name: what it is called.
        value: the value.
        interval: from where to where it may lie, or None.
        null: whether it is there to be compared with.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    null: bool = False


@dataclass(frozen=True)
class Dots:
    """Values below each other, each a dot on a line of its own with its interval.

    Attributes:
        rows: the values, first on top; those to be compared with are hollow and grey.
        across: what the values are.
    """

    rows: Sequence[Dot]
    across: str

    @property
    def size(self) -> tuple[float, float]:
        """Inches across and down."""
        return 6.0, 0.9 + 0.26 * len(self.rows)

    def draw(self, axes: Any) -> None:
        """Draw it, as `kviz.tiles.Chart`."""
        from matplotlib.ticker import AutoLocator

        styled(axes, self.across, "")
        places = np.arange(len(self.rows))[::-1]
        for place, row in zip(places, self.rows, strict=True):
            colour = _BESIDE if row.null else _COLOURS[0]
            if row.interval is not None:
                axes.plot(
                    row.interval, (place, place), color=colour, linewidth=1.6, linestyle="-",
                    marker="", solid_capstyle="butt",
                )  # fmt: skip
            axes.plot(
                row.value, place, color=colour, marker="o", markersize=6, linestyle="",
                markerfacecolor="white" if row.null else colour, markeredgewidth=1.4,
            )  # fmt: skip
        axes.set_yticks(places, [in_font(sanitise(row.name, 40)) for row in self.rows])
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(AutoLocator())
        axes.spines["left"].set_visible(False)
        axes.grid(True, color=FAINT, alpha=0.25, linestyle="-", linewidth=0.8)
        axes.set_ylim(-0.6, len(self.rows) - 0.4)
        in_one_font(axes)


def dots(rows: Sequence[Dot], title: str, across: str) -> Tile:
    """Draw values below each other with their intervals, as `Dots` takes them.

    Args:
        rows: the values; what is not finite is left out.
        title: what is shown.
        across: what the values are.

    Returns:
        A tile in RGB.

    >>> dots([Dot("a", 1.0), Dot("by chance", 0.5, (0.4, 0.6), null=True)], "how well", "share").role
    'curve'
    """
    rows = [row for row in rows if np.isfinite(row.value)]
    told = "; ".join(
        f"{sanitise(row.name, 48)} {told_number(row.value)}"
        + (f" ({told_range(row.interval[0], row.interval[1])})" if row.interval else "")
        for row in rows[:12]
    )
    alt = f"{title}, {across}: {told}" + ("; and others." if len(rows) > 12 else ".")
    return charted(Dots(tuple(rows), across), title, "", alt, role="curve")
