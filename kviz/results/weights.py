"""Kernels and all other weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.arrays import Levels, stretched
from kviz.draw.colours import palette
from kviz.draw.numbers import told_number
from kviz.draw.tables import Table
from kviz.errors import LayerError
from kviz.files import slug
from kviz.results.made_by import MadeBy
from kviz.results.result import Arrays, Picture
from kviz.tiles import COLUMNS, NEUTRAL, Tile, check_columns, mosaic

KernelForm = Literal["rgb", "grid", "depthwise", "transposed"]


@dataclass(frozen=True, eq=False, repr=False)
class Weights(Arrays):
    """Weights of layers: a mapping from weight path to array, as the model holds them.

    Attributes:
        weights: arrays by weight path, such as `conv1/kernel`.
        layers: the path of the layer that each belongs to.
        forms: how to draw them, where the shape does not tell: `"rgb"`, `"grid"`, `"depthwise"` or
            `"transposed"` (a kernel `(H, W, filters, channels)`).
        made_by: versions and model that made it.
        notes: what every picture should be read with.

    >>> found = Weights({"conv1/kernel": np.ones((3, 3, 3, 8))}, {"conv1/kernel": "conv1"})
    >>> found.tiles()[0].title
    'conv1/kernel · 8 filters of 3 × 3'
    """

    weights: dict[str, Array]
    layers: dict[str, str]
    forms: dict[str, KernelForm] = field(default_factory=dict)
    made_by: MadeBy = field(default_factory=MadeBy)
    notes: tuple[str, ...] = ()

    verb = "weights"
    _title = "Weights"

    @property
    def _held(self) -> dict[str, Array]:
        return self.weights

    def tiles(self, weight_name: str | None = None, *, columns: int = COLUMNS) -> list[Tile]:
        """Return one tile a kernel; biases and other vectors have none.

        A kernel that reads 3 channels is drawn in RGB, one panel a filter, zero as mid-grey;
        any other as a grid with a row per filter and a column an input channel, blue below zero
        and red above. Where there is one filter only, as of a depthwise kernel, its channels
        fill rows. A dense kernel is one panel, outputs down and inputs across.

        Args:
            weight_name: one weight; by default every kernel.
            columns: filters a row, for RGB; channels per row, for one filter.

        Returns:
            Tiles.

        Raises:
            LayerError: if there is no such weight.
        """
        check_columns(columns)
        paths = [weight_name] if weight_name is not None else list(self.weights)
        return [
            _kernel_tile(path, self[path], columns, self.forms.get(path))
            for path in paths
            if self[path].ndim >= 2
        ]

    def mosaic(self, weight_name: str, **options: Any) -> Levels:
        """Return one kernel's picture.

        Args:
            weight_name: the weight's path.
            **options: as `tiles` takes them.

        Returns:
            uint8 array `(H, W)` of levels 0-255, or RGB `(H, W, 3)`.

        Raises:
            LayerError: if there is no such weight, or it is a vector.
        """
        tiles = self.tiles(weight_name, **options)
        if not tiles:
            raise LayerError(
                f"The weight {sanitise(weight_name)!r} is a vector and has no picture."
            )
        return tiles[0].levels

    def tables(self) -> list[Table]:
        """Return one table: each weight's layer, shape and range."""
        rows = [
            (
                path,
                self.layers[path],
                " × ".join(map(str, value.shape)),
                told_number(value.min()),
                told_number(value.mean()),
                told_number(value.max()),
            )
            for path, value in self.weights.items()
        ]
        return [Table("Weights", ("weight", "layer", "shape", "min", "mean", "max"), rows)]

    def _facts(self) -> dict[str, Any]:
        layers: dict[str, list[dict[str, Any]]] = {}
        for row in self._rows():
            layers.setdefault(row.pop("layer"), []).append(row)
        return {"layers": [{"path": path, "weights": rows} for path, rows in layers.items()]}

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "layer": self.layers[path],
                "path": path,
                "shape": value.shape,
                "min": value.min(),
                "mean": value.mean(),
                "max": value.max(),
            }
            for path, value in self.weights.items()
        ]

    def _pictures(self, **options: Any) -> list[Picture]:
        only = options.pop("weight_name", None)
        kernels = [
            path for path in ([only] if only is not None else self.weights) if self[path].ndim >= 2
        ]
        if not kernels:
            raise LayerError(
                "None of these weights is a kernel, and a vector has no picture. "
                "Save them as numbers, to a file ending in .npz."
            )

        def picture(place: int, path: str) -> Picture:
            return f"{place:03}_{slug(path)}.png", lambda: self._png(self.tiles(path, **options)[0])

        return [picture(place, path) for place, path in enumerate(kernels, 1)]


def _kernel_tile(path: str, kernel: Array, columns: int, form: KernelForm | None) -> Tile:
    path = sanitise(path, 120)
    values = kernel.astype(np.float64)
    if form is None:
        form = "rgb" if kernel.ndim == 4 and kernel.shape[2] == 3 else "grid"
    if form == "transposed":
        values = values.swapaxes(-1, -2)
    elif form == "depthwise":
        # (…, channels, multiplier): each channel has filters of its own.
        values = values.reshape(*values.shape[:-2], 1, -1)
    bad = ~np.isfinite(values)
    remark = f" · {bad.sum()} weights are not finite, drawn as zero" if bad.any() else ""
    values = np.where(bad, 0.0, values)
    if form == "rgb":
        tile = _rgb(path, values, columns)
    else:
        shape = " × ".join(map(str, kernel.shape))
        tile = _signed(path, shape, values, columns, depthwise=form == "depthwise")
    return replace(tile, detail=tile.detail + remark)


def _rgb(path: str, values: Array, columns: int) -> Tile:
    """Return filters that read colours, in these."""
    high, wide, _, count = values.shape
    filters = np.moveaxis(values, -1, 0)
    peaks = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    panels = stretched(filters / np.where(peaks > 0, peaks, 1), -1, 1)
    return Tile(
        levels=mosaic(panels, min(columns, count), fill=255),
        title=f"{path} · {count} filters of {high} × {wide}",
        detail="RGB, each filter by its largest weight, zero is mid-grey",
        alt=f"The {count} RGB filters of {path}, each a panel of {high} × {wide} pixels.",
    )


def _signed(path: str, shape: str, values: Array, columns: int, *, depthwise: bool) -> Tile:
    """Return filters from blue to red."""
    if values.ndim >= 4:
        # A 3D kernel's depth lies side by side with its channels.
        flat = values.reshape(*values.shape[:2], -1, values.shape[-1])
        planes = np.moveaxis(flat, (3, 2), (0, 1))
    else:
        planes = values.transpose(2, 1, 0)[:, :, None] if values.ndim == 3 else values.T[None, None]
    filters, channels, height, width = planes.shape
    across = min(max(filters, channels), columns) if 1 in (filters, channels) else channels
    if values.ndim == 2:
        detail, across = "rows are outputs, columns are inputs", 1
    elif depthwise or (filters == 1 and channels > 1):
        detail = "one panel for each input channel"
    elif channels == 1:
        detail = "one panel for each filter"
    else:
        detail = "each row is a filter, each column one of its input channels"
    peak = float(np.abs(values).max(initial=0.0))
    levels = stretched(planes.reshape(-1, height, width), -peak, peak)
    scale = f"{detail} · from {told_number(-peak, 3)} (blue) to {told_number(peak, 3)} (red)"
    return Tile(
        levels=mosaic(palette("bwr")[levels], across, gap=int(height * width > 1), fill=NEUTRAL),
        title=f"{path} · {shape}",
        detail=scale if peak else "every weight is zero",
        alt=f"The kernel {path} of shape {shape}: {detail}.",
        cmap="bwr",
        limits=(-peak, peak) if peak else None,
    )
