"""Drawings of counts: steps over bins, and a matrix with its rows and columns named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz.arrays import Floats, stretched
from kviz.draw.charts import FAINT, in_one_font, styled
from kviz.draw.colours import palette
from kviz.draw.fonts import in_font

# Up to so many a side have their numbers written into them, and their names beside them.
_WRITTEN, _NAMED = 20, 120


@dataclass(frozen=True)
class Steps:
    """Values over bins, as areas.

    Attributes:
        values: a value a bin.
        edges: where bins begin, and the last one's end.
        across: what is counted to the right.
        up: what the values are.
        log: whether they are counts, and drawn on a logarithmic scale.
    """

    values: Floats
    edges: Floats
    across: str
    up: str
    log: bool = False

    size = (6.0, 3.0)

    def draw(self, axes: Any) -> None:
        """Draw it, as `kviz.tiles.Chart`."""
        styled(axes, self.across, self.up)
        colour = f"#{bytes(palette('viridis')[100]).hex()}"
        some = self.values[self.values > 0]
        # On a logarithmic scale nothing would lie infinitely deep.
        ground = float(some.min()) / 2 if self.log and some.size else 0.0
        axes.stairs(
            np.maximum(self.values, ground), self.edges, baseline=ground, fill=True, color=colour
        )
        if ground:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:,.0f}")
            axes.minorticks_off()
            axes.set_ylim(bottom=ground)
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlim(self.edges[0], self.edges[-1])
        axes.grid(True, color=FAINT, alpha=0.25, linestyle="-", linewidth=0.8)
        in_one_font(axes)


@dataclass(frozen=True)
class Matrix:
    """Values as colours in rows and columns that have names.

    Attributes:
        values: `(rows, columns)`, 0 to 1.
        rows: their names.
        columns: theirs, none for numbers.
        down: what rows are.
        across: what columns are.
        written: what is written into cells where there are few, None for nothing.
    """

    values: Floats
    rows: Sequence[str]
    columns: Sequence[str]
    down: str
    across: str
    written: Any = None

    @property
    def size(self) -> tuple[float, float]:
        """Inches across and down."""
        high, wide = (max(3.2, min(count, _NAMED) * self._each) for count in self.values.shape)
        return wide + 2.0, high + 1.6 * bool(self.columns) + 0.6

    @property
    def _each(self) -> float:
        return 0.42 if self._few else 0.115

    @property
    def _few(self) -> bool:
        return bool(max(self.values.shape) <= _WRITTEN)

    def draw(self, axes: Any) -> None:
        """Draw it, as `kviz.tiles.Chart`."""
        styled(axes, self.across, self.down)
        levels = stretched(self.values, 0, 1)
        axes.imshow(
            palette("viridis")[levels], interpolation="nearest", interpolation_stage="rgba",
            aspect="equal" if self.columns else "auto",
        )  # fmt: skip
        axes.xaxis.get_major_locator().set_params(integer=True)
        points = 8 if self._few else 5.5
        for names, axis, rotation in ((self.rows, axes.yaxis, 0), (self.columns, axes.xaxis, 90)):
            if 0 < len(names) <= _NAMED:
                said = [in_font(sanitise(name, 20)) for name in names]
                axis.set_ticks(range(len(said)), said, fontsize=points, rotation=rotation)
                axis.set_tick_params(length=0)
        if self.written is not None and self._few:
            for (row, column), value in np.ndenumerate(self.written):
                light = levels[row, column] > 150
                axes.text(
                    column, row, f"{value}", ha="center", va="center",
                    fontsize=8 if len(f"{value}") < 5 else 6, color="black" if light else "white",
                )  # fmt: skip
        axes.grid(False)
        axes.spines[:].set_visible(False)
        in_one_font(axes)
