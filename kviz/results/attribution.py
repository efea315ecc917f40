"""Which pixels decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from kviz._types import Array
from kviz.arrays import Floats, Levels, as_bytes, stretched
from kviz.draw.plots import palette
from kviz.draw.tables import Table
from kviz.files import slug
from kviz.results.made_by import MadeBy
from kviz.results.result import Picture, Result, class_facts, installed, photo_of, validate_image
from kviz.tiles import Tile

# Few values are far larger than all others; colours that reached them would show nothing else.
PERCENTILE = 99


class Explained(NamedTuple):
    """One map, of one image for one class; `gap` is None for methods that have none."""

    map: Array
    class_index: int
    label: str
    score: float
    gap: float | None

    def facts(self) -> dict[str, Any]:
        """Return its numbers, as `Result.facts` has them."""
        return {
            "class": class_facts(self.class_index, self.label, self.score, False),
            "min": self.map.min(),
            "max": self.map.max(),
            "completeness_gap": self.gap,
        }


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
        method: the method's name.
        title: what the method is called for people, where that is not its name.
        images: the pixels, or None where they are no pictures.
        gaps: for path methods, how far the maps' sum is from the score's difference, relative to it;
            where that is 0, to how far the score moves on the way.
        negative: bool like `scores`: ReLU left nothing of a map that was below zero, so that it is
            zero everywhere; None of methods that do not end in ReLU.
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
    title: str = ""
    images: Array | None = None
    gaps: Array | None = None
    negative: Array | None = None
    names: tuple[str, ...] = ()
    made_by: MadeBy = field(default_factory=MadeBy)
    notes: tuple[str, ...] = ()

    verb = "attribute"

    @property
    def _title(self) -> str:
        return self.title or self.method

    def explained(self, image: int) -> list[Explained]:
        """Return the maps of one image, one for each class that was explained.

        Args:
            image: which of the images, from 0.
        """
        image = validate_image(image, len(self.maps))
        many = self.classes.shape[1] if self.classes.ndim > 1 else 1
        # A view `(N, classes, …)`, also of what has one class an image.
        maps = self.maps.reshape(len(self.maps), many, *self.maps.shape[self.classes.ndim :])
        gaps = None if self.gaps is None else self.gaps.reshape(-1, many)
        return [
            Explained(
                maps[image, place],
                int(self.classes.reshape(-1, many)[image, place]),
                self.class_names[image * many + place],
                float(self.scores.reshape(-1, many)[image, place]),
                None if gaps is None else float(gaps[image, place]),
            )
            for place in range(many)
        ]

    def photo(self, image: int) -> Tile | None:
        """Return an image as a tile, None where it is no picture."""
        if self.images is None:
            return None
        name = self._image_name(image)
        levels = photo_of(self.images[image])
        return Tile(levels, name, "the image", f"The image {name}.", role="image")

    def tiles(self, *, image: int | None = None) -> list[Tile]:
        """Return for each image it, its map and both over each other; a map more for each class.

        Colours: viridis from 0 for magnitudes, blue-white-red about 0 for signed maps, up to the 99th
        percentile of the absolute values.

        Args:
            image: which of the images, from 0; by default all.

        Returns:
            Tiles.

        Raises:
            OptionError: if there is no such image.
        """
        made: list[Tile] = []
        for index in range(len(self.maps)) if image is None else [image]:
            maps = self.explained(index)
            photo = self.photo(index)
            made += [photo] if photo else []
            for one in maps:
                made += heat(one, self._title, self._image_name(index), photo)
        return made

    def _across(self, tiles: list[Tile]) -> int:
        # A row an image: the tiles are as many for each.
        photos = sum(tile.role == "image" for tile in tiles)
        return len(tiles) // photos if photos else len(self.class_names) // len(self.maps)

    def tables(self) -> list[Table]:
        """Return one table: each map's class, score, range and gap."""
        rows = [
            (
                self._image_name(image),
                one.label,
                f"{one.score:.4g}",
                f"{one.map.min() + 0.0:.4g}",
                f"{one.map.max():.4g}",
                "" if one.gap is None else f"{one.gap:.2g}",
            )
            for image in range(len(self.maps))
            for one in self.explained(image)
        ]
        headers = ("image", "class", "score", "min", "max", "completeness gap")
        return [Table(f"{self._title}: what decides", headers, rows)]

    def _facts(self) -> dict[str, Any]:
        return {
            "images": [
                {
                    "name": self._image_name(image),
                    "maps": [
                        {"method": self.method, **one.facts()} for one in self.explained(image)
                    ],
                }
                for image in range(len(self.maps))
            ]
        }

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"image": self._image_name(image), "method": self.method, **facts.pop("class"), **facts}
            for image in range(len(self.maps))
            for facts in (one.facts() for one in self.explained(image))
        ]

    def to_xarray(self) -> Any:
        """Return the maps as an `xarray.DataArray` with named axes: image, class, y, x, channel.

        Class and channel are axes where there are several of them.

        Raises:
            OptionError: if xarray is not installed.
        """
        lead = ("image", "class")[: self.classes.ndim]
        rest = self.maps.ndim - len(lead)
        # Only of a picture is it known which axis is which.
        known = ("y", "x", "channel")[:rest]
        axes = known if self.images is not None else [f"axis_{place}" for place in range(rest)]
        return installed("xarray", "to_xarray()").DataArray(
            self.maps,
            dims=(*lead, *axes),
            coords={
                "image": [self._image_name(image) for image in range(len(self.maps))],
                "class_index": (lead, self.classes),
                "score": (lead, self.scores),
            },
            name=self.method,
        )

    def _pictures(self, **options: Any) -> list[Picture]:
        return self._tiles_as_files(slug(self.method), len(self.maps), options)


def peak_of(values: Floats) -> float:
    """Return the size of value at which colours end: the 99th percentile, or else the largest.

    >>> peak_of(np.array([-100.0, *range(100)])), peak_of(np.array([0.0] * 999 + [2.0]))
    (99.0, 2.0)
    """
    sizes = np.abs(values)
    return float(np.percentile(sizes, PERCENTILE)) or float(sizes.max())


def heat(
    one: Explained,
    method: str,
    image: str,
    photo: Tile | None,
    limits: tuple[float, float] | None = None,
) -> list[Tile]:
    """Return a map's tile, and where there is a photo of its size, the map over it.

    Args:
        one: the map.
        method: what the method is called.
        image: what the image is called.
        photo: the image.
        limits: the values at which colours begin and end; by default the map's own.
    """
    array = one.map if one.map.ndim == 2 else one.map.reshape(one.map.shape[0], -1)
    if limits is None:
        peak = peak_of(array)
        limits = (-peak if array.min() < 0 else 0.0, peak)
    low, peak = limits
    cmap = "bwr" if low < 0 else "viridis"
    title = f"{method} · {one.label}"
    detail = f"{image} · score {one.score:.4g}"
    alt = f"{method} for {one.label} on {image}: "
    levels = stretched(array, low, peak) if peak > low else np.zeros(array.shape, np.uint8)
    if array.any():
        detail += f" · colours from {low:.3g} to {peak:.3g}, {PERCENTILE}th percentile"
        alt += "which pixels decide."
    else:
        detail += " · every value is zero"
        alt += "no pixel does, every value is zero."
    made = [Tile(levels, title, detail, alt, cmap, limits if peak > low else None)]
    if photo is not None and photo.levels.shape[:2] == array.shape:
        over = _over(photo.levels, palette(cmap)[levels], np.abs(array) / (peak or 1))
        detail += ", over the image in grey, faint where it is small"
        alt += " Over the image."
        made.append(Tile(over, title, detail, alt, cmap, role="overlay"))
    return made


def _over(photo: Levels, colours: Levels, opacity: Floats) -> Levels:
    """Return colours over a photo in grey, as opaque as `opacity` says, 0 to 1."""
    grey = (photo.astype(float) @ (0.299, 0.587, 0.114))[..., None]
    share = np.clip(opacity, 0, 1)[..., None]
    return as_bytes(grey * (1 - share) + colours * share)
