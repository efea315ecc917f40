"""Kernels and all other weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kviz._checks import sanitise
from kviz.arrays import Levels, stretched
from kviz.draw.plots import figure, palette, tile_png
from kviz.draw.tables import Table
from kviz.errors import LayerError
from kviz.files import slug, whole_folder
from kviz.results.result import Array, Arrays, Progress, folder_for
from kviz.tiles import COLUMNS, Tile, check_columns, mosaic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KernelForm = Literal["rgb", "grid", "depthwise", "transposed"]


@dataclass(frozen=True, eq=False, repr=False)
class Weights(Arrays):
    """Weights of layers: a mapping from weight path to array, as the model holds them.

    Attributes:
        values_by_path: arrays by weight path, such as `conv1/kernel`.
        layers: the path of the layer that each belongs to.
        forms: how to draw them, where the shape does not tell: `"rgb"`, `"grid"`, `"depthwise"` or
            `"transposed"` (a kernel `(H, W, filters, channels)`).
        made_by: versions and model that made it.
        notes: what every picture should be read with.
    """

    values_by_path: dict[str, Array]
    layers: dict[str, str]
    forms: dict[str, KernelForm] = field(default_factory=dict)
    made_by: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def _held(self) -> dict[str, Array]:
        return self.values_by_path

    def tiles(self, weight_name: str | None = None, *, columns: int = COLUMNS) -> list[Tile]:
        """Return one tile a kernel; biases and other vectors have none.

        A kernel that reads 3 channels is drawn in RGB, one panel a filter, zero as mid-grey;
        any other as a grid with a row a filter and a column an input channel, blue below zero
        and red above. Where there is one filter only, as of a depthwise kernel, its channels
        fill rows. A dense kernel is one panel, outputs down and inputs across.

        Args:
            weight_name: one weight; by default every kernel.
            columns: filters a row, for RGB; channels a row, for one filter.

        Returns:
            Tiles.

        Raises:
            LayerError: if there is no such weight.
        """
        check_columns(columns)
        paths = [weight_name] if weight_name is not None else list(self.values_by_path)
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

    def plot(self, weight_name: str | None = None, **options: Any) -> Figure:
        """Draw kernels as a Matplotlib figure.

        Args:
            weight_name: one weight; by default every kernel.
            **options: as `tiles` takes them.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        return figure(self.tiles(weight_name, **options))

    def tables(self) -> list[Table]:
        """Return one table: each weight's layer, shape and range."""
        rows = [
            (
                path,
                self.layers[path],
                " × ".join(map(str, value.shape)),
                f"{value.min():.4g}",
                f"{value.mean():.4g}",
                f"{value.max():.4g}",
            )
            for path, value in self.values_by_path.items()
        ]
        return [Table("Weights", ("weight", "layer", "shape", "min", "mean", "max"), rows)]

    def save(
        self, path: str | Path, *, progress: Progress | None = None, **options: Any
    ) -> list[Path]:
        """Write the weights: numbers (`.npz`), one page (`.html`), or a PNG a kernel in a folder.

        Args:
            path: a file ending in `.npz` or `.html`, or a folder.
            progress: called with (done, total) as pictures are made.
            **options: as `tiles` takes them, for pictures.

        Returns:
            The files written.

        Raises:
            OutputError: if they cannot be written.
            LayerError: if pictures are asked for and none of the weights is a kernel.
        """
        path = folder_for(path)
        if path.suffix in (".npz", ".html"):
            title = f"Weights of {self.made_by.get('model', 'a model')}"
            self._write(path, title, lambda: self.tiles(**options))
            return [path]
        only = options.pop("weight_name", None)
        kernels = [
            name
            for name in ([only] if only is not None else self.values_by_path)
            if self[name].ndim >= 2
        ]
        if not kernels:
            raise LayerError(
                "None of these weights is a kernel, and a vector has no picture. "
                "Save them as numbers, to a file ending in .npz."
            )
        tiles = [self.tiles(name, **options)[0] for name in kernels]
        written = []
        with whole_folder(path) as folder:
            for place, (name, tile) in enumerate(zip(kernels, tiles, strict=True), 1):
                file = f"{place:03}_{slug(name)}.png"
                (folder / file).write_bytes(tile_png(tile))
                written.append(path / file)
                if progress:
                    progress(place, len(tiles))
        return written

    def _arrays(self) -> tuple[dict[str, Any], list[Array]]:
        header = {
            "paths": list(self),
            "layers": self.layers,
            "forms": self.forms,
            "made_by": self.made_by,
        }
        return header, list(self.values_by_path.values())

    @classmethod
    def _read(cls, header: dict[str, Any], arrays: list[Array]) -> Weights:
        values = dict(zip(header["paths"], arrays, strict=True))
        notes = tuple(header["notes"])
        return cls(values, header["layers"], header["forms"], header["made_by"], notes)


def _kernel_tile(path: str, kernel: Array, columns: int, form: KernelForm | None) -> Tile:
    path, shape = sanitise(path, 120), " × ".join(map(str, kernel.shape))
    values = kernel.astype(np.float64)
    if form is None:
        form = "rgb" if kernel.ndim == 4 and kernel.shape[2] == 3 else "grid"
    if form == "transposed":
        values = values.swapaxes(-1, -2)
    elif form == "depthwise":
        # (…, channels, multiplier): each channel has filters of its own.
        values = values.reshape(*values.shape[:-2], 1, -1)
    bad = int((~np.isfinite(values)).sum())
    remark = f" · {bad} weights are not finite, drawn as zero" if bad else ""
    if bad:
        values = np.where(np.isfinite(values), values, 0.0)
    peak = float(np.abs(values).max(initial=0.0))
    if form == "rgb":
        filters = np.moveaxis(values, -1, 0)
        peaks = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
        panels = stretched(filters / np.where(peaks > 0, peaks, 1), -1, 1)
        return Tile(
            levels=mosaic(panels, min(columns, len(panels)), fill=255),
            title=f"{path} · {len(panels)} filters of {kernel.shape[0]} × {kernel.shape[1]}",
            detail="RGB, each filter by its largest weight, zero is mid-grey" + remark,
            alt=f"The {len(panels)} RGB filters of {path}, each a panel of "
            f"{kernel.shape[0]} by {kernel.shape[1]} pixels.",
        )
    if kernel.ndim >= 4:
        # A 3D kernel's depth lies side by side with its channels.
        planes = np.moveaxis(
            values.reshape(*values.shape[:2], -1, values.shape[-1]), (3, 2), (0, 1)
        )
    elif kernel.ndim == 3:
        planes = values.transpose(2, 1, 0)[:, :, None]
    else:
        planes = values.T[None, None]
    filters, channels, height, width = planes.shape
    levels = stretched(planes.reshape(-1, height, width), -peak, peak)
    if kernel.ndim == 2:
        detail = "rows are outputs, columns are inputs"
    elif form == "depthwise":
        detail, channels = "one panel for each input channel", min(filters, columns)
    elif channels == 1:
        detail, channels = "one panel for each filter", min(filters, columns)
    elif filters > 1:
        detail = "each row is a filter, each column one of its input channels"
    else:
        detail, channels = "one panel for each input channel", min(channels, columns)
    return Tile(
        levels=mosaic(palette("bwr")[levels], channels, gap=int(height * width > 1), fill=205),
        title=f"{path} · {shape}",
        detail=(
            f"{detail} · from {-peak:.3g} (blue) to {peak:.3g} (red)"
            if peak
            else "every weight is zero"
        )
        + remark,
        alt=f"The kernel {path} of shape {shape}: {detail}.",
        cmap="bwr",
        limits=(-peak, peak) if peak else None,
    )
