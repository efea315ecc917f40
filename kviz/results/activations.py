"""Feature maps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kviz._caller import spelled
from kviz._checks import sanitise, shown, validate_choice
from kviz._types import Array
from kviz.arrays import (
    Levels,
    empty_channels,
    is_picture,
    photo_of,
    pixel_span,
    standardised,
    stretched,
)
from kviz.draw.colours import coloured, palette
from kviz.draw.numbers import told_number, told_range
from kviz.draw.tables import Table
from kviz.errors import OptionError
from kviz.extras import installed
from kviz.files import slug
from kviz.results.made_by import MadeBy
from kviz.results.result import Arrays, Picture, validate_image
from kviz.tiles import COLUMNS, Tile, check_columns, laid_out

Scale = Literal["channel", "layer", "raw"]
Sort = Literal["mean", "deadness"]

# What the axes of maps are called, by how many there are.
_AXES = {3: ("x",), 4: ("y", "x"), 5: ("z", "y", "x")}


@dataclass(frozen=True)
class _Drawing:
    """How maps are drawn, as `Activations.tiles` takes it."""

    columns: int
    cmap: str | None
    scale: Scale
    sort: Sort | None
    channel: int | None

    def __post_init__(self) -> None:
        validate_choice("scale", self.scale, ("channel", "layer", "raw"))
        validate_choice("sort", self.sort, (None, "mean", "deadness"))
        palette(
            "viridis" if self.cmap is None else self.cmap
        )  # an unknown one is the caller's mistake here, not when it is drawn
        check_columns(self.columns)


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

    >>> import tempfile
    >>> maps = Activations({"conv1": np.ones((1, 2, 2, 1), "float32")}, {"conv1": "Conv2D"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in maps.save(folder)]
    ['001_conv1.png']
    """

    maps: dict[str, Array]
    kinds: dict[str, str]
    images: Array | None = None
    names: tuple[str, ...] = ()
    made_by: MadeBy = field(default_factory=MadeBy)
    notes: tuple[str, ...] = ()

    verb = "activations"
    _title = "Feature maps"

    @property
    def _held(self) -> dict[str, Array]:
        return self.maps

    @property
    def _count(self) -> int:
        return len(next(iter(self.maps.values()), ()))

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
        cmap: str | None = None,
        scale: Scale = "channel",
        sort: Sort | None = None,
        channel: int | None = None,
        show_image: bool = False,
    ) -> list[Tile]:
        """Return one tile a layer: its channels in a grid.

        Args:
            layer_name: one layer; by default all, in order of execution.
            image: which of the images, from 0.
            columns: channels per row.
            cmap: a Matplotlib colour map; by default viridis, and blue-white-red about 0 for one
                channel alone that has values below zero.
            scale: `"channel"`: each channel by itself, `(x - mean) / std * 64 + 128` clipped to
                0-255, and one channel alone on a linear scale; `"layer"`: from the layer's smallest
                value to its largest; `"raw"`: no shift, from 0 (or the smallest value below it) to the
                largest.
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
        how = _Drawing(columns, cmap, scale, sort, channel)
        image = validate_image(image, self._count)
        paths = [layer_name] if layer_name is not None else list(self.maps)
        made = [self._tile(path, image, how) for path in paths]
        return [_beside(self.images, image, tile) for tile in made] if show_image else made

    def _tile(self, path: str, image: int, how: _Drawing) -> Tile:
        maps = self[path][image]
        *space, channels = maps.shape
        size = " × ".join(map(str, space))
        empty = int(empty_channels(maps[None]).sum())
        share = f"{100 * empty / channels:.0f} %"
        layer = sanitise(path, 120)
        title = f"{layer} · {channels} channel{'s' * (channels > 1)} of {size} · {share} empty"
        what, order = f"{channels} channels of {size}", ""
        if how.channel is not None:
            maps = _channel(maps, how.channel, path)
            what = f"channel {how.channel}"
            title = f"{layer} · {what} of 0-{channels - 1} · {size}"
        elif how.sort is not None:
            maps = _sorted(maps, how.sort)
            order = ", highest mean first" if how.sort == "mean" else ", most zeros first"
        plane = maps.reshape(-1, space[-1], maps.shape[-1])
        alone = plane.shape[-1] == 1 and how.scale == "channel"
        signed = alone and how.cmap is None and bool((plane < 0).any())
        scale = "signed" if signed else "layer" if alone else how.scale
        levels, limits, detail = _levels(plane, scale)
        grid, gaps = _grid(levels, space, how.columns)
        name = f" for {sanitise(self.names[image], 80)}" if image < len(self.names) else ""
        return Tile(
            levels=grid,
            title=title,
            detail=f"{self.kinds[path]}{name}{order} · {detail}",
            alt=f"Feature maps of layer {layer} ({self.kinds[path]}){name}: {what}{order}; "
            f"{share} of the layer's channels are zero everywhere.",
            cmap=("bwr" if signed else "viridis") if how.cmap is None else how.cmap,
            limits=limits,
            gaps=gaps,
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

    def tables(self) -> list[Table]:
        """Return one table: each layer's shape, range and share of empty channels."""
        shares = self.empty_shares
        rows = [
            (
                path,
                self.kinds[path],
                " × ".join(map(str, maps.shape)),
                told_number(maps.min()),
                told_number(maps.max()),
                f"{100 * float(shares[path].mean()):.0f} %",
            )
            for path, maps in self.maps.items()
        ]
        headers = ("layer", "kind", "shape", "min", "max", "empty channels")
        return [Table("Feature maps", headers, rows)]

    def _facts(self) -> dict[str, Any]:
        return {
            "images": [{"name": self._image_name(image)} for image in range(self._count)],
            "layers": [
                {
                    "path": path,
                    "kind": self.kinds[path],
                    "shape": maps.shape[1:],
                    "images": [_range(one) for one in maps],
                }
                for path, maps in self.maps.items()
            ],
        }

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "image": self._image_name(image),
                "layer": path,
                "kind": self.kinds[path],
                "channels": one.shape[-1],
                **{key: value for key, value in _range(one).items() if key != "empty_channels"},
            }
            for path, maps in self.maps.items()
            for image, one in enumerate(maps)
        ]

    def to_xarray(self, layer_name: str | None = None) -> Any:
        """Return maps as an `xarray.DataArray` with named axes: image, y, x, channel.

        Args:
            layer_name: the layer; by default all, as a dict by path.

        Raises:
            LayerError: if there are no maps of that layer.
            OptionError: if xarray is not installed.
        """
        if layer_name is None:
            return {path: self.to_xarray(path) for path in self.maps}
        maps = self[layer_name]
        return installed("xarray", "to_xarray()").DataArray(
            maps,
            dims=("image", *_AXES[maps.ndim], "channel"),
            coords={"image": [self._image_name(image) for image in range(len(maps))]},
            name=layer_name,
            attrs={"kind": self.kinds[layer_name]},
        )

    def _page(self, **options: Any) -> list[Tile]:
        images = [options.pop("image")] if "image" in options else range(self._count)
        return [tile for image in images for tile in self.tiles(image=image, **options)]

    def _pictures(self, **options: Any) -> list[Picture]:
        images = [options.pop("image")] if "image" in options else range(self._count)
        only = options.pop("layer_name", None)
        if only is not None:
            self[only]  # raises what says which layers there are

        def picture(image: int, place: int, path: str) -> Picture:
            folder = f"{image + 1:03}_{self._image_slug(image)}/" if len(images) > 1 else ""
            file = f"{folder}{place:03}_{slug(path)}.png"
            return file, lambda: self._png(self.tiles(path, image=image, **options)[0])

        return [
            picture(image, place, path)
            for image in images
            for place, path in enumerate(self.maps, 1)
            if only in (None, path)
        ]


def _range(maps: Array) -> dict[str, Any]:
    """Return the facts of one image's maps `(…, channels)`."""
    empty = empty_channels(maps[None])[0]
    return {
        "min": float(maps.min()),
        "mean": float(maps.mean(dtype=np.float64)),
        "max": float(maps.max()),
        "empty_share": float(empty.mean()),
        "empty_channels": np.flatnonzero(empty),
    }


def _channel(maps: Array, channel: int, path: str) -> Array:
    channels = maps.shape[-1]
    if not isinstance(channel, int | np.integer) or not 0 <= channel < channels:
        raise OptionError(
            f"Layer {sanitise(path)!r} has channels 0 to {channels - 1}. Received: {shown(channel)}"
        )
    return maps[..., channel : channel + 1]


def _sorted(maps: Array, sort: Sort) -> Array:
    flat = maps.reshape(-1, maps.shape[-1])
    key = flat.mean(axis=0) if sort == "mean" else (flat == 0).mean(axis=0)
    return maps[..., np.argsort(-key, kind="stable")]


def _grid(levels: Levels, space: list[int], columns: int) -> tuple[Levels, Any]:
    """Return the panels of channels, one below the other in each, as one picture, and its gaps."""
    panels = levels.reshape(-1, space[-2] if len(space) > 1 else 1, space[-1])
    if len(space) == 2:
        # A row that is never filled would look like channels that are empty.
        return laid_out(panels, min(columns, len(panels)))
    if len(space) == 3:
        return laid_out(panels, columns=space[0])  # a row of slices for each channel
    # A band for each channel; one pixel high, few of a long sequence would be a thread.
    high = max(1, space[0] // (4 * len(panels)))
    return laid_out(panels.repeat(high, axis=1), columns=1, gap=int(high > 1))


def _levels(
    plane: Array, scale: Scale | Literal["signed"]
) -> tuple[Levels, tuple[float, float] | None, str]:
    """Return `(channels, H, W)` levels of `(H, W, channels)`, their limits, and how it was done.

    A scale of signed values has 0 in its middle.
    """
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
        value = "zero" if low == 0 else told_number(low)
        if scale == "channel":
            return standardised(plane), None, f"every value is {value}"
        flat = np.zeros(plane.shape, np.uint8) if low == 0 else stretched(plane, low, high)
        return np.moveaxis(flat, -1, 0), None, f"every value is {value}"
    if scale == "channel":
        return standardised(plane), None, "each channel (x − mean) / std × 64 + 128"
    if scale == "signed":
        low, high = -max(-low, high), max(-low, high)
    if scale == "raw":
        low, high = min(low, 0.0), max(high, 0.0)
    levels = np.moveaxis(stretched(plane, low, high), -1, 0)
    return levels, (low, high), f"colours from {told_range(low, high)}"


def _beside(images: Array | None, image: int, tile: Tile) -> Tile:
    if images is None or not is_picture(images):
        raise OptionError(
            f"{spelled('show_image')} needs images of 1 or 3 channels; these are no pictures."
        )
    photo = photo_of(images[image], pixel_span(images))
    grid = coloured(tile)
    height = max(len(photo), len(grid))
    canvas = np.full((height, photo.shape[1] + 8 + grid.shape[1], 3), 255, np.uint8)
    canvas[: len(photo), : photo.shape[1]] = photo
    canvas[: len(grid), photo.shape[1] + 8 :] = grid
    alt = f"Left: the image. Right: {tile.alt}"
    return replace(tile, levels=canvas, alt=alt, limits=None, gaps=None)
