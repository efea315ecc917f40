"""The frozen results: what they hold, how they show themselves, their round trip to disk."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kviz.arrays import Levels, empty_channels, standardised, stretched
from kviz.errors import LayerError, OptionError, OutputError, choose, near, shown
from kviz.files import slug, whole_file, whole_folder
from kviz.pages import html
from kviz.plots import close, coloured, figure, palette, tile_png
from kviz.tables import Table, text
from kviz.tiles import COLUMNS, Tile, check_columns, mosaic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]
Scale = Literal["channel", "layer", "raw"]
KernelForm = Literal["rgb", "grid", "depthwise", "transposed"]
Sort = Literal["mean", "deadness"]

# Pixels a side to which a notebook's pictures are thinned out, so that it stays small.
_IN_A_CELL = 720


class _Result:
    """What all results share: showing their tiles and tables, and writing them whole."""

    notes: tuple[str, ...]

    def tiles(self) -> list[Tile]:
        """Return the result's pictures."""
        raise NotImplementedError

    def tables(self) -> list[Table]:
        """Return the result's numbers as tables."""
        raise NotImplementedError

    def _arrays(self) -> tuple[dict[str, Any], list[Array]]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return "\n\n".join(text(table) for table in self.tables())

    def _repr_html_(self) -> str:
        return html(tables=self.tables(), tiles=self.tiles(), notes=self.notes, max_side=_IN_A_CELL)

    def _write(self, path: Path, title: str, tiles: Callable[[], list[Tile]]) -> None:
        with whole_file(path) as part:
            if path.suffix == ".npz":
                header, arrays = self._arrays()
                header = {"result": type(self).__name__, "notes": list(self.notes), **header}
                np.savez_compressed(
                    part,
                    header=np.frombuffer(json.dumps(header).encode(), np.uint8),
                    **{f"array_{index}": array for index, array in enumerate(arrays)},  # type: ignore[arg-type]
                )
            else:
                page = html(title=title, tables=self.tables(), tiles=tiles(), notes=self.notes)
                part.write_text(page, encoding="utf-8")


class _Arrays(_Result, Mapping[str, Array]):
    """A result that is a mapping from path to array, and equal to itself only."""

    @property
    def _held(self) -> dict[str, Array]:
        raise NotImplementedError

    def __getitem__(self, path: str) -> Array:
        if path not in self._held:
            raise LayerError(f"The result holds no {shown(path)!r}. {near(str(path), self._held)}")
        return self._held[path]

    def __contains__(self, path: object) -> bool:
        return path in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


@dataclass(frozen=True, eq=False, repr=False)
class Activations(_Arrays):
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
        choose("scale", scale, ("channel", "layer", "raw"))
        choose("sort", sort, (None, "mean", "deadness"))
        palette(cmap)  # an unknown one is the caller's mistake here, not when it is drawn
        check_columns(columns)
        count = len(next(iter(self.maps.values()), ()))
        if not isinstance(image, int | np.integer) or not 0 <= image < count:
            raise OptionError(
                f"image takes a number from 0 to {count - 1}. Received: {shown(repr(image))}"
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
        layer = shown(path, 120)
        title = f"{layer} · {channels} channel{'s' * (channels > 1)} of {size} · {share} empty"
        if channel is not None:
            if not isinstance(channel, int | np.integer) or not 0 <= channel < channels:
                raise OptionError(
                    f"Layer {shown(path)!r} has channels 0 to {channels - 1}. "
                    f"Received: {shown(repr(channel))}"
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
        name = f" for {shown(self.names[image], 80)}" if image < len(self.names) else ""
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
        path = _folder(path)
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


def _photo(photo: Array) -> Levels:
    """Return an image of any type and 1 or 3 channels as RGB."""
    if photo.dtype != np.uint8:
        low, high = (0, 255) if photo.min() >= 0 and photo.max() > 1 else (photo.min(), photo.max())
        photo = stretched(photo, float(low), float(high))
    return np.broadcast_to(photo, (*photo.shape[:2], 3))


def _beside(images: Array | None, image: int, tile: Tile) -> Tile:
    if images is None or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise OptionError("show_image needs images of 1 or 3 channels; these are no pictures.")
    photo = _photo(images[image])
    grid = coloured(tile)
    height = max(len(photo), len(grid))
    canvas = np.full((height, photo.shape[1] + 8 + grid.shape[1], 3), 255, np.uint8)
    canvas[: len(photo), : photo.shape[1]] = photo
    canvas[: len(grid), photo.shape[1] + 8 :] = grid
    return replace(tile, levels=canvas, alt=f"Left: the image. Right: {tile.alt}", limits=None)


@dataclass(frozen=True, eq=False, repr=False)
class Weights(_Arrays):
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
            raise LayerError(f"The weight {shown(weight_name)!r} is a vector and has no picture.")
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
        path = _folder(path)
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
    path, shape = shown(path, 120), " × ".join(map(str, kernel.shape))
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


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(_Result):
    """What a network answers: the best classes of each image.

    Attributes:
        scores: float32 array `(N, classes)`, the model's outputs.
        top: how many classes a row shows.
        class_names: the classes' names, or None.
        probability: whether the outputs are probabilities.
        names: what the images are called.
        asked: classes shown besides the best ones.
        made_by: versions, model and settings that made it.
        notes: what the numbers should be read with.
    """

    scores: Array
    top: int
    class_names: tuple[str, ...] | None = None
    probability: bool = True
    names: tuple[str, ...] = ()
    asked: tuple[int, ...] = ()
    made_by: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[list[tuple[int, str, float]]]:
        """For each image the best classes, best first: (class index, name, score)."""
        found = []
        for scores in self.scores:
            best = np.argsort(-scores, kind="stable")[: self.top].tolist()
            best += [index for index in self.asked if index not in best]
            found.append([(index, self._name(index), float(scores[index])) for index in best])
        return found

    def _name(self, index: int) -> str:
        return self.class_names[index] if self.class_names else f"class {index}"

    def tiles(self) -> list[Tile]:
        """Return no tiles: predictions are numbers."""
        return []

    def tables(self) -> list[Table]:
        """Return a table an image: rank, class, name and score."""
        what = "probability" if self.probability else "score"
        tables = []
        for index, (row, scores) in enumerate(zip(self.rows, self.scores, strict=True)):
            name = self.names[index] if index < len(self.names) else f"image {index}"
            cells = [
                (int((scores > score).sum()) + 1, number, label, f"{score:.4f}")
                for number, label, score in row
            ]
            tables.append(Table(name, ("rank", "class", "name", what), cells))
        return tables

    def save(self, path: str | Path) -> list[Path]:
        """Write all scores (`.npz`) or the tables as one page (`.html`).

        Args:
            path: a file ending in `.npz` or `.html`.

        Returns:
            The file written.

        Raises:
            OutputError: if it cannot be written, or ends otherwise.
        """
        path = Path(path)
        if path.suffix not in (".npz", ".html"):
            raise OutputError(f"Expected a file ending in .npz or .html. Received: {shown(path)}")
        self._write(path, f"Predictions of {self.made_by.get('model', 'a model')}", list)
        return [path]

    def _arrays(self) -> tuple[dict[str, Any], list[Array]]:
        header = {
            "top": self.top,
            "class_names": self.class_names,
            "probability": self.probability,
            "names": self.names,
            "asked": self.asked,
            "made_by": self.made_by,
        }
        return header, [self.scores]

    @classmethod
    def _read(cls, header: dict[str, Any], arrays: list[Array]) -> Predictions:
        return cls(
            scores=arrays[0],
            top=header["top"],
            class_names=tuple(header["class_names"]) if header["class_names"] else None,
            probability=header["probability"],
            names=tuple(header["names"]),
            asked=tuple(header["asked"]),
            made_by=header["made_by"],
            notes=tuple(header["notes"]),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(_Result):
    """Which pixels decide: a map for each image, and for each of several classes.

    Attributes:
        maps: float32 `(N, H, W)`, signed where the method is; `(N, classes, H, W)` for several
            classes; with a last axis of channels where they were kept.
        raw: what the method gave: of the layer's size, or with channels.
        scores: float32 `(N,)` or `(N, classes)`: the scores explained.
        classes: int32 like `scores`, -1 where the score is not a class's.
        class_names: the classes' names, flat.
        method: the method's class.
        images: the pixels, or None where they are no pictures.
        gaps: for path methods, how far the maps' sum is from the score's difference, relative.
        names: what the images are called.
        made_by: versions, model, method and settings that made it.
        notes: what every picture should be read with.
    """

    maps: Array
    raw: Array
    scores: Array
    classes: Array
    class_names: tuple[str, ...]
    method: str
    images: Array | None = None
    gaps: Array | None = None
    names: tuple[str, ...] = ()
    made_by: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def tiles(self, image: int | None = None) -> list[Tile]:
        """Return for each image it, its map and both over each other; a map more for each class.

        Colours: viridis from 0 for magnitudes, blue-white-red about 0 for signed maps, up to the 99th
        percentile of the absolute values.

        Args:
            image: which of the images, from 0; by default all.

        Returns:
            Tiles.
        """
        made: list[Tile] = []
        for index in range(len(self.maps)) if image is None else [image]:
            name = self.names[index] if index < len(self.names) else f"image {index}"
            photo = None if self.images is None else _photo(self.images[index])
            if photo is not None:
                made.append(Tile(photo, name, "the image", f"The image {name}."))
            many = self.classes.ndim > 1
            maps = self.maps[index] if many else self.maps[index][None]
            scores, classes = np.atleast_1d(self.scores[index]), np.atleast_1d(self.classes[index])
            first = index * len(classes)
            for place, (array, score) in enumerate(zip(maps, scores, strict=True)):
                label = self.class_names[first + place]
                made += _heat(array, photo, self.method, name, label, float(score))
        return made

    def plot(self, image: int | None = None) -> Figure:
        """Draw image, map with colour bar, and overlay, a row an image.

        Args:
            image: which of the images, from 0; by default all.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        tiles = self.tiles(image)
        count = len(self.maps) if image is None else 1
        return figure(tiles, columns=len(tiles) // count)

    def tables(self) -> list[Table]:
        """Return one table: each map's class, score, range and gap."""
        rows = []
        many = self.classes.shape[1] if self.classes.ndim > 1 else 1
        flat = self.maps.reshape(-1, *self.maps.shape[self.classes.ndim :])
        gaps = None if self.gaps is None else self.gaps.reshape(-1)
        for place, (array, score) in enumerate(zip(flat, self.scores.reshape(-1), strict=True)):
            index = place // many
            name = self.names[index] if index < len(self.names) else f"image {index}"
            gap = "" if gaps is None else f"{gaps[place]:.2g}"
            rows.append(
                (name, self.class_names[place], f"{score:.4g}", f"{array.min():.4g}",
                 f"{array.max():.4g}", gap)
            )  # fmt: skip
        headers = ("image", "class", "score", "min", "max", "completeness gap")
        return [Table(f"{self.method}: what decides", headers, rows)]

    def save(self, path: str | Path, *, progress: Progress | None = None) -> list[Path]:
        """Write the maps: numbers (`.npz`), one page (`.html`), or pictures in a folder.

        Args:
            path: a file ending in `.npz` or `.html`, or a folder.
            progress: called with (done, total) as pictures are made.

        Returns:
            The files written.

        Raises:
            OutputError: if they cannot be written.
        """
        path = _folder(path)
        if path.suffix in (".npz", ".html"):
            self._write(
                path, f"{self.method} of {self.made_by.get('model', 'a model')}", self.tiles
            )
            return [path]
        written = []
        with whole_folder(path) as folder:
            for index in range(len(self.maps)):
                name = self.names[index] if index < len(self.names) else f"image{index}"
                tiles = [tile for tile in self.tiles(index) if tile.detail != "the image"]
                for place, tile in enumerate(tiles, 1):
                    file = f"{index + 1:03}_{slug(name)}_{slug(self.method)}_{place:02}.png"
                    (folder / file).write_bytes(tile_png(tile))
                    written.append(path / file)
                if progress:
                    progress(index + 1, len(self.maps))
        return written

    def _arrays(self) -> tuple[dict[str, Any], list[Array]]:
        header = {
            "class_names": self.class_names,
            "method": self.method,
            "images": self.images is not None,
            "gaps": self.gaps is not None,
            "names": self.names,
            "made_by": self.made_by,
        }
        more = [array for array in (self.images, self.gaps) if array is not None]
        return header, [self.maps, self.raw, self.scores, self.classes, *more]

    @classmethod
    def _read(cls, header: dict[str, Any], arrays: list[Array]) -> Attribution:
        maps, raw, scores, classes, *more = arrays
        return cls(
            maps=maps,
            raw=raw,
            scores=scores,
            classes=classes,
            class_names=tuple(header["class_names"]),
            method=header["method"],
            images=more[0] if header["images"] else None,
            gaps=more[-1] if header["gaps"] else None,
            names=tuple(header["names"]),
            made_by=header["made_by"],
            notes=tuple(header["notes"]),
        )


def save_compared(found: Sequence[Attribution], path: str | Path) -> list[Path]:
    """Write a picture an image: it, and each method's map over it, side by side.

    Args:
        found: what several methods found for the same images.
        path: a folder.

    Returns:
        The files written.

    Raises:
        OutputError: if they cannot be written.
    """
    path = _folder(path)
    written = []
    with whole_folder(path) as folder:
        for index in range(len(found[0].maps)):
            first, *_ = found[0].tiles(index)
            tiles = [first, *(attribution.tiles(index)[-1] for attribution in found)]
            drawn = figure(tiles, columns=len(tiles), width=3.2 * len(tiles))
            names = found[0].names
            name = names[index] if index < len(names) else f"image{index}"
            file = f"{index + 1:03}_{slug(name)}_compared.png"
            drawn.savefig(folder / file, dpi=120, metadata={"Description": vars(drawn)["kviz_alt"]})
            close(drawn)
            written.append(path / file)
    return written


def _heat(
    array: Array, photo: Levels | None, method: str, name: str, label: str, score: float
) -> list[Tile]:
    """Return a map's tile, and where there is a photo of its size, the map over it."""
    array = array if array.ndim == 2 else array.reshape(array.shape[0], -1)
    peak = float(np.percentile(np.abs(array), 99)) or float(np.abs(array).max())
    signed = bool(array.min() < 0)
    cmap, low = ("bwr", -peak) if signed else ("viridis", 0.0)
    title = f"{method} · {label}"
    if peak == 0:
        detail = f"{name} · score {score:.4g} · every value is zero"
        return [Tile(np.zeros(array.shape, np.uint8), title, detail, f"{title}: empty.", cmap)]
    levels = stretched(array, low, peak)
    detail = f"{name} · score {score:.4g} · colours from {low:.3g} to {peak:.3g}, 99th percentile"
    alt = f"{method} for {label} on {name}: which pixels decide."
    made = [Tile(levels, title, detail, alt, cmap, (low, peak))]
    if photo is not None and photo.shape[:2] == array.shape:
        grey = photo.astype(float) @ (0.299, 0.587, 0.114)
        over = (grey[..., None] + palette(cmap)[levels]) / 2
        overlay = f"{detail}, over the image in grey"
        made.append(Tile(over.astype(np.uint8), title, overlay, f"{alt} Over the image.", cmap))
    return made


def _folder(path: str | Path) -> Path:
    """Return where a folder of pictures goes, unless the name says that it is no folder."""
    path = Path(path)
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".pdf", ".csv"):
        raise OutputError(
            f"{shown(path, 120)} would be a folder of pictures. Expected a folder's name, or a file "
            "ending in .npz or .html."
        )
    return path


_READERS: dict[str, Callable[[dict[str, Any], list[Array]], Any]] = {
    result.__name__: result._read for result in (Activations, Weights, Predictions, Attribution)
}


def load_result(path: str | Path) -> Any:
    """Read back what a result's `save("….npz")` wrote.

    Args:
        path: the `.npz` file.

    Returns:
        An `Activations`, `Weights` or `Predictions`, equal to the one that was saved.

    Raises:
        OutputError: if the file is missing, not a result, or broken.

    >>> import tempfile
    >>> maps = Activations({"conv1": np.ones((1, 2, 2, 1), "float32")}, {"conv1": "Conv2D"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_result(maps.save(folder + "/maps.npz")[0])["conv1"].shape
    (1, 2, 2, 1)
    """
    path = Path(path)
    if not path.is_file():
        raise OutputError(f"There is no file {shown(path, 120)}.")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            arrays = [file[f"array_{index}"] for index in range(len(file.files) - 1)]
        return _READERS[header["result"]](header, arrays)
    except Exception as error:  # zip, deflate, npy and JSON raise a dozen types on broken files
        raise OutputError(
            f"{shown(path, 120)} is not a result that kviz saved as .npz, or it is broken."
        ) from error
