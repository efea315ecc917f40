"""Feature maps."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kviz._caller import spelled
from kviz._checks import sanitise, validate_choice
from kviz.arrays import Levels, empty_channels, standardised, stretched
from kviz.draw.plots import coloured, figure, palette, tile_png
from kviz.draw.tables import Table
from kviz.errors import OptionError
from kviz.files import slug, whole_folder
from kviz.results.result import Array, Arrays, Progress, folder_for, photo_of
from kviz.tiles import COLUMNS, Tile, check_columns, mosaic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scale = Literal["channel", "layer", "raw"]


Sort = Literal["mean", "deadness"]


@dataclass(frozen=True, eq=False, repr=False)
class Activations(Arrays):
    """Feature maps: a mapping from layer path to array, in order of execution.

    Attributes:
        maps: float32 arrays `(N, H, W, channels)`; `(N, L, channels)` for 1D layers,
            `(N, D, H, W, channels)` for 3D ones.
        kinds: the layers' classes by path, such as `"Conv2D"`.
        images: the pixels they were computed from, or None where these are no pictures.
        names: what the images are called in titles and on disk.
        made_by: versions, model, layers and settings that made it.
        notes: what every picture should be read with.
    """

    maps: dict[str, Array]
    kinds: dict[str, str]
    images: Array | None = None
    names: tuple[str, ...] = ()
    made_by: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def _held(self) -> dict[str, Array]:
        return self.maps

    @property
    def empty_shares(self) -> dict[str, npt.NDArray[np.floating]]:
        """The share of channels that are zero everywhere, by layer path: `(N,)`, 0 to 1."""
        return {path: empty_channels(maps).mean(axis=1) for path, maps in self.maps.items()}

    def tiles(
        self,
        layer_name: str | None = None,
        *,
        image: int = 0,
        columns: int = COLUMNS,
        cmap: str = "viridis",
        scale: Scale = "channel",
        sort: Sort | None = None,
        channel: int | None = None,
        show_image: bool = False,
    ) -> list[Tile]:
        """Return one tile a layer: its channels in a grid.

        Args:
            layer_name: one layer; by default all, in order of execution.
            image: which of the images, from 0.
            columns: channels a row.
            cmap: a Matplotlib colour map.
            scale: `"channel"`: each channel by itself, `(x - mean) / std * 64 + 128` clipped to
                0-255; `"layer"`: from the layer's smallest value to its largest; `"raw"`: no
                shift, from 0 (or the smallest value below it) to the largest.
            sort: `"mean"`: highest mean first; `"deadness"`: most zeros first; by default in
                the layer's order.
            channel: one channel alone.
            show_image: put the image to the left of the grid; the tile is RGB then.

        Returns:
            Tiles.

        Raises:
            LayerError: if there are no maps of that layer.
            OptionError: if an option has a value outside what it takes.
        """
        validate_choice("scale", scale, ("channel", "layer", "raw"))
        validate_choice("sort", sort, (None, "mean", "deadness"))
        palette(cmap)  # an unknown one is the caller's mistake here, not when it is drawn
        check_columns(columns)
        count = len(next(iter(self.maps.values()), ()))
        if not isinstance(image, int | np.integer) or not 0 <= image < count:
            raise OptionError(
                f"image takes a number from 0 to {count - 1}. Received: {sanitise(repr(image))}"
            )
        paths = [layer_name] if layer_name is not None else list(self.maps)
        made = [
            self._tile(path, self[path][image], image, columns, cmap, scale, sort, channel)
            for path in paths
        ]
        return [_beside(self.images, image, tile) for tile in made] if show_image else made

    def _tile(
        self,
        path: str,
        maps: Array,
        image: int,
        columns: int,
        cmap: str,
        scale: Scale,
        sort: Sort | None,
        channel: int | None,
    ) -> Tile:
        *space, channels = maps.shape
        size = " × ".join(map(str, space))
        empty = int(empty_channels(maps[None]).sum())
        share = f"{100 * empty / channels:.0f} %"
        layer = sanitise(path, 120)
        title = f"{layer} · {channels} channel{'s' * (channels > 1)} of {size} · {share} empty"
        if channel is not None:
            if not isinstance(channel, int | np.integer) or not 0 <= channel < channels:
                raise OptionError(
                    f"Layer {sanitise(path)!r} has channels 0 to {channels - 1}. "
                    f"Received: {sanitise(repr(channel))}"
                )
            title = f"{layer} · channel {channel} of 0-{channels - 1} · {size}"
            maps = maps[..., channel : channel + 1]
        order = ""
        if sort is not None and channel is None:
            flat = maps.reshape(-1, channels)
            key = flat.mean(axis=0) if sort == "mean" else (flat == 0).mean(axis=0)
            maps = maps[..., np.argsort(-key, kind="stable")]
            order = ", highest mean first" if sort == "mean" else ", most zeros first"
        plane = maps.reshape(-1, space[-1], maps.shape[-1])
        levels, limits, detail = _levels(plane, scale)
        panels = levels.reshape(-1, space[-2] if len(space) > 1 else 1, space[-1])
        if len(space) == 2:
            # A row that is never filled would look like channels that are empty.
            grid = mosaic(panels, min(columns, len(panels)))
        elif len(space) == 3:
            grid = mosaic(panels, columns=space[0])  # a row of slices for each channel
        else:
            # A band for each channel; one pixel high, few of a long sequence would be a thread.
            high = max(1, space[0] // (4 * len(panels)))
            grid = mosaic(panels.repeat(high, axis=1), columns=1, gap=int(high > 1))
        name = f" for {sanitise(self.names[image], 80)}" if image < len(self.names) else ""
        what = (
            f"channel {channel}" if channel is not None else f"{channels} channels of {size}{order}"
        )
        return Tile(
            levels=grid,
            title=title,
            detail=f"{self.kinds[path]}{name}{order} · {detail}",
            alt=f"Feature maps of layer {layer} ({self.kinds[path]}){name}: {what}; "
            f"{share} of the layer's channels are zero everywhere.",
            cmap=cmap,
            limits=limits,
        )

    def mosaic(self, layer_name: str, **options: Any) -> Levels:
        """Return one layer's grid of channels.

        Args:
            layer_name: the layer's path.
            **options: as `tiles` takes them.

        Returns:
            uint8 array `(H, W)` of levels 0-255, or RGB `(H, W, 3)` with `show_image`.
        """
        return self.tiles(layer_name, **options)[0].levels

    def plot(self, layer_name: str | None = None, **options: Any) -> Figure:
        """Draw one layer's grid, or all layers' below each other, as a Matplotlib figure.

        Args:
            layer_name: the layer's path; by default all layers.
            **options: as `tiles` takes them.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        return figure(self.tiles(layer_name, **options))

    def tables(self) -> list[Table]:
        """Return one table: each layer's shape, range and share of empty channels."""
        shares = self.empty_shares
        rows = [
            (
                path,
                self.kinds[path],
                " × ".join(map(str, maps.shape)),
                f"{maps.min():.4g}",
                f"{maps.max():.4g}",
                f"{100 * float(shares[path].mean()):.0f} %",
            )
            for path, maps in self.maps.items()
        ]
        headers = ("layer", "kind", "shape", "min", "max", "empty channels")
        return [Table("Feature maps", headers, rows)]

    def save(
        self, path: str | Path, *, progress: Progress | None = None, **options: Any
    ) -> list[Path]:
        """Write the maps: numbers (`.npz`), one page (`.html`), or a PNG a layer in a folder.

        Either all is written or nothing. With several images a folder gets one folder an image.

        Args:
            path: a file ending in `.npz` or `.html`, or a folder.
            progress: called with (done, total) as pictures are made.
            **options: as `tiles` takes them, for pictures.

        Returns:
            The files written.

        Raises:
            OutputError: if they cannot be written.

        >>> import tempfile
        >>> maps = Activations({"conv1": np.ones((1, 2, 2, 1), "float32")}, {"conv1": "Conv2D"})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in maps.save(folder)]
        ['001_conv1.png']
        """
        path = folder_for(path)
        count = len(next(iter(self.maps.values())))
        wanted = [options.pop("image")] if "image" in options else list(range(count))
        if path.suffix in (".npz", ".html"):
            self._write(
                path,
                f"Feature maps of {self.made_by.get('model', 'a model')}",
                lambda: [tile for image in wanted for tile in self.tiles(image=image, **options)],
            )
            return [path]
        only = options.pop("layer_name", None)
        work = [
            (image, place, name)
            for image in wanted
            for place, name in enumerate(self.maps, 1)
            if only in (None, name)
        ]
        if not work:
            self[only]  # raises what says which layers there are

        def picture(image: int, place: int, name: str) -> tuple[str, bytes]:
            folder = f"{image + 1:03}_{slug(self._image_name(image))}/" if len(wanted) > 1 else ""
            file = f"{folder}{place:03}_{slug(name)}.png"
            return file, tile_png(self.tiles(name, image=image, **options)[0])

        written = []
        # NumPy and deflate both let go of the interpreter's lock, so threads share the work.
        with whole_folder(path) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            for done, (file, data) in enumerate(pool.map(lambda job: picture(*job), work), 1):
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).write_bytes(data)
                written.append(path / file)
                if progress:
                    progress(done, len(work))
        return written

    def _image_name(self, image: int) -> str:
        return self.names[image] if image < len(self.names) else f"image{image}"

    def _arrays(self) -> tuple[dict[str, Any], list[Array]]:
        header = {
            "paths": list(self.maps),
            "kinds": self.kinds,
            "names": list(self.names),
            "made_by": self.made_by,
            "images": self.images is not None,
        }
        return header, [*self.maps.values(), *([] if self.images is None else [self.images])]

    @classmethod
    def _read(cls, header: dict[str, Any], arrays: list[Array]) -> Activations:
        images = arrays.pop() if header["images"] else None
        return cls(
            maps=dict(zip(header["paths"], arrays, strict=True)),
            kinds=header["kinds"],
            images=images,
            names=tuple(header["names"]),
            made_by=header["made_by"],
            notes=tuple(header["notes"]),
        )


def _levels(plane: Array, scale: Scale) -> tuple[Levels, tuple[float, float] | None, str]:
    """Return `(channels, H, W)` levels of `(H, W, channels)`, their limits, and how it was done."""
    low, high = float(plane.min()), float(plane.max())
    if not np.isfinite((low, high)).all():
        finite = np.isfinite(plane)
        if not finite.any():
            return standardised(np.zeros_like(plane)), None, "no value is finite"
        # Any finite value may stand in for the others: it moves no limit, and they are drawn dark.
        levels, limits, detail = _levels(np.where(finite, plane, plane[finite][0]), scale)
        levels[~np.moveaxis(finite, -1, 0)] = 0
        return levels, limits, f"{detail} · {(~finite).sum()} values are not finite, drawn dark"
    if low == high:
        value = "zero" if low == 0 else f"{low:.4g}"
        if scale == "channel":
            return standardised(plane), None, f"every value is {value}"
        flat = np.zeros(plane.shape, np.uint8) if low == 0 else stretched(plane, low, high)
        return np.moveaxis(flat, -1, 0), None, f"every value is {value}"
    if scale == "channel":
        levels = standardised(plane)
        note = "each channel (x − mean) / std × 64 + 128"
        if len(levels) > 1:
            return levels, None, note
        mean, deviation = float(plane.mean()), float(plane.std())
        return levels, (mean - 2 * deviation, mean + 127 / 64 * deviation), note
    if scale == "raw":
        low, high = min(low, 0.0), max(high, 0.0)
    levels = np.moveaxis(stretched(plane, low, high), -1, 0)
    return levels, (low, high), f"colours from {low:.4g} to {high:.4g}"


def _beside(images: Array | None, image: int, tile: Tile) -> Tile:
    if images is None or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise OptionError(
            f"{spelled('show_image')} needs images of 1 or 3 channels; these are no pictures."
        )
    photo = photo_of(images[image])
    grid = coloured(tile)
    height = max(len(photo), len(grid))
    canvas = np.full((height, photo.shape[1] + 8 + grid.shape[1], 3), 255, np.uint8)
    canvas[: len(photo), : photo.shape[1]] = photo
    canvas[: len(grid), photo.shape[1] + 8 :] = grid
    return replace(tile, levels=canvas, alt=f"Left: the image. Right: {tile.alt}", limits=None)
