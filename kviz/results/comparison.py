"""What several methods, or several models, say of the same images, side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kviz._checks import validate_choice
from kviz.draw.heat import PERCENTILE, Heat, Sign
from kviz.draw.plots import figure
from kviz.draw.tables import Table
from kviz.marks import MARK
from kviz.results.attribution import SCALES, Attribution, Shared
from kviz.results.made_by import MadeBy
from kviz.results.result import Picture, Result, validate_image
from kviz.tiles import Tile


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Attributions of the same images, side by side.

    Attributes:
        attributions: what is compared, in order.
        names: what the images are called.
        made_by: versions and what was compared; each attribution says what made it.
        notes: what every picture should be read with.
    """

    attributions: tuple[Attribution, ...]
    names: tuple[str, ...] = ()
    made_by: MadeBy = field(default_factory=MadeBy)
    notes: tuple[str, ...] = ()

    verb = "compare"
    _title = "What decides, compared"
    # A figure draws each picture, and Matplotlib draws one at a time.
    _workers = 1

    @property
    def _count(self) -> int:
        return len(self.attributions[0].maps)

    def tiles(
        self,
        *,
        image: int | None = None,
        scale: Shared = "each",
        cmap: str | None = None,
        alpha: float | None = None,
        percentile: float = PERCENTILE,
        sign: Sign = "all",
        feature_names: Sequence[str] = (),
    ) -> list[Tile]:
        """Return for each image it, and over it what each attribution has, a tile for each class.

        Args:
            image: which of the images, from 0; by default all.
            scale: `"each"`: a colour scale for each map; `"shared"`: one for all that are compared.
            cmap: as `Attribution.tiles` takes it; so the others.
            alpha: how opaque maps are over the image.
            percentile: of the absolute values, where colours end.
            sign: which values are drawn.
            feature_names: what the features of a table are called.

        Returns:
            Tiles; each map's has a colour bar.

        Raises:
            OptionError: if there is no such image or scale.
        """
        validate_choice("scale", scale, SCALES)
        how = Heat(cmap, alpha, percentile, sign)
        limits = None
        if scale == "shared":
            maps = [how.taken(found.maps).reshape(-1) for found in self.attributions]
            limits = how.limits(np.concatenate(maps))
        made: list[Tile] = []
        for index in range(self._count) if image is None else [validate_image(image, self._count)]:
            first = self.attributions[0].photo(index)
            made += [first] if first else []
            for found, title in zip(self.attributions, self._titles(), strict=True):
                for one in found.explained(index):
                    drawn = found.heat(
                        index, one, how, limits, title=title, feature_names=feature_names
                    )
                    made.append(replace(drawn[-1], limits=drawn[0].limits))
        return made

    def _titles(self) -> list[str]:
        """Return what each is called: its method, with its model where there are several."""
        models = [found.made_by.model for found in self.attributions]
        titles = [found.title or found.method for found in self.attributions]
        if len(set(models)) == 1:
            return titles
        return [f"{title} of {model}" for title, model in zip(titles, models, strict=True)]

    def _main(self, tiles: list[Tile]) -> list[Tile]:
        return [tile for tile in tiles if tile.role != "image"]

    def _across(self, tiles: list[Tile]) -> int:
        if tiles[0].chart is not None and tiles[0].role == "overlay":
            return 1  # below each other, position by position
        maps = sum(len(found.explained(0)) for found in self.attributions)
        return maps + (tiles[0].role == "image")

    def tables(self) -> list[Table]:
        """Return the tables of each attribution."""
        return [
            table
            for found, title in zip(self.attributions, self._titles(), strict=True)
            for table in found.titled(title)
        ]

    def _facts(self) -> dict[str, Any]:
        several = [found._facts()["images"] for found in self.attributions]
        return {
            "images": [
                {
                    "name": self._image_name(image),
                    "maps": [
                        {"model": found.made_by.model, **one}
                        for found, images in zip(self.attributions, several, strict=True)
                        for one in images[image]["maps"]
                    ],
                }
                for image in range(self._count)
            ]
        }

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {**row, "model": found.made_by.model}
            for found in self.attributions
            for row in found._rows()
        ]

    def _pictures(self, **options: Any) -> list[Picture]:
        images = self._wanted(options, self._count)

        def picture(image: int) -> Picture:
            tiles = self.tiles(image=image, **options)
            name = f"{image + 1:03}_{self._image_slug(image)}_compared.png"
            return name, lambda: _row(self._noted(tiles), self._across(tiles))

        return [picture(image) for image in images]


def _row(tiles: list[Tile], columns: int) -> bytes:
    """Return a PNG file with tiles beside each other, signals below each other."""
    drawn = figure(tiles, columns=columns, width=None if columns == 1 else 3.2 * columns)
    buffer = io.BytesIO()
    about = {"Software": MARK, "Description": "\n".join(tile.alt for tile in tiles)}
    if comments := [f"{tile.title}. {tile.comment}" for tile in tiles if tile.comment]:
        about["Comment"] = "\n".join(comments)
    drawn.savefig(buffer, format="png", dpi=120, metadata=about)
    return buffer.getvalue()
