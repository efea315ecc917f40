"""Tile, one labelled picture, and mosaic, the grid of equal panels that it may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from kviz._checks import validate_int
from kviz.arrays import Levels

COLUMNS = 16

# The grey between panels: no colour of a map, so that no gap is taken for a value.
NEUTRAL = 205

Gaps = npt.NDArray[np.bool_]
Role = Literal["image", "map", "overlay", "made", "curve"]


class Chart(Protocol):
    """A drawing of lines and words, which a figure draws as such."""

    def draw(self, axes: Any) -> None:
        """Draw it into Matplotlib's axes, whatever style these have."""


@dataclass(frozen=True)
class Tile:
    """One picture with what a reader needs to read it.

    Attributes:
        levels: uint8 `(H, W)`, to be coloured by `cmap`, or RGB `(H, W, 3)`.
        title: what is shown: a layer's path, a file's name.
        detail: one line on shape, range and how numbers became levels.
        alt: alternative text, for those who cannot see the picture.
        cmap: the Matplotlib colour map for `(H, W)` levels.
        limits: the values drawn as level 0 and 255, in raw units; None where each panel has
            a scale of its own, or for RGB.
        legend: what colours mean, where they stand for things and not for values: names, and RGB 0-255.
        gaps: bool `(H, W)`: what lies between panels and is drawn in grey; None for nothing.
        chart: the drawing of which `levels` are a picture, where it is one.
        role: what it shows: an image that the network was given, numbers as colours, these over the
            image, an image that was made, or lines in a diagram.
        comment: what else travels in a file of it.
    """

    levels: Levels
    title: str
    detail: str
    alt: str
    cmap: str = "viridis"
    limits: tuple[float, float] | None = None
    legend: tuple[tuple[str, tuple[int, int, int]], ...] = ()
    gaps: Gaps | None = None
    chart: Chart | None = None
    role: Role = "map"
    comment: str = ""


def check_columns(columns: object) -> None:
    """Raise an OptionError unless `columns` is a whole number from 1.

    >>> check_columns(16)
    """
    validate_int("columns", columns)


def mosaic(
    panels: npt.NDArray[Any], columns: int = COLUMNS, gap: int = 1, fill: int = 0
) -> npt.NDArray[Any]:
    """Lay equal panels out in rows, with a gap between them.

    Args:
        panels: array `(count, H, W)` or `(count, H, W, 3)`.
        columns: panels per row, 1 or more; places left over in the last row are filled.
        gap: pixels between panels.
        fill: the value of the gap.

    Returns:
        Array of the same dtype, `(rows * (H + gap) - gap, columns * (W + gap) - gap)`, then 3
        where the panels have colours.

    Raises:
        OptionError: if `columns` is not a whole number from 1.

    >>> mosaic(np.array([[[1]], [[2]], [[3]]]), columns=2).tolist()
    [[1, 0, 2], [0, 0, 0], [3, 0, 0]]
    """
    check_columns(columns)
    count, height, width, *colours = panels.shape
    rows = -(-count // columns)
    grid = np.full((rows, height + gap, columns, width + gap, *colours), fill, panels.dtype)
    full = rows - (count % columns > 0)
    cells = grid[:, :height, :, :width].swapaxes(1, 2)
    cells[:full] = panels[: full * columns].reshape(full, columns, height, width, *colours)
    if full < rows:
        cells[full, : count % columns] = panels[full * columns :]
    grid = grid.reshape(rows * (height + gap), columns * (width + gap), *colours)
    return grid[: rows * (height + gap) - gap, : columns * (width + gap) - gap]


def laid_out(
    panels: npt.NDArray[Any], columns: int = COLUMNS, gap: int = 1
) -> tuple[npt.NDArray[Any], Gaps | None]:
    """Return a mosaic, and where its gaps and places left over are, None for nowhere.

    >>> grid, gaps = laid_out(np.array([[[1]], [[0]]]), columns=2)
    >>> grid.tolist(), gaps.tolist()
    ([[1, 0, 0]], [[False, True, False]])
    """
    gaps = ~mosaic(np.broadcast_to(np.True_, panels.shape[:3]), columns, gap)
    return mosaic(panels, columns, gap), gaps if gaps.any() else None
