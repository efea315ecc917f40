"""Which pixels decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kviz.arrays import Levels, stretched
from kviz.draw.plots import close, figure, palette, tile_png
from kviz.draw.tables import Table
from kviz.files import slug, whole_folder
from kviz.results.result import Array, Progress, Result, folder_for, photo_of
from kviz.tiles import Tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Result):
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
            photo = None if self.images is None else photo_of(self.images[index])
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
        path = folder_for(path)
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
    path = folder_for(path)
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
