"""What several methods, or several models, say of the same images, side by side."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from kviz._checks import validate_choice
from kviz.draw.plots import figure
from kviz.draw.tables import Table
from kviz.results.attribution import Attribution, heat, peak_of
from kviz.results.made_by import MadeBy
from kviz.results.result import Picture, Result, validate_image
from kviz.tiles import Tile

Shared = Literal["each", "shared"]


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

    def tiles(self, *, image: int | None = None, scale: Shared = "each") -> list[Tile]:
        """Return for each image it, and over it what each attribution has, a tile for each class.

        Args:
            image: which of the images, from 0; by default all.
            scale: `"each"`: a colour scale for each map; `"shared"`: one for all that are compared, up
                to the 99th percentile of all their values.

        Returns:
            Tiles; each map's has a colour bar.

        Raises:
            OptionError: if there is no such image or scale.
        """
        validate_choice("scale", scale, ("each", "shared"))
        limits = self._limits() if scale == "shared" else None
        made: list[Tile] = []
        for index in range(self._count) if image is None else [validate_image(image, self._count)]:
            first = self.attributions[0].photo(index)
            made += [first] if first else []
            for found, title in zip(self.attributions, self._titles(), strict=True):
                photo = found.photo(index)  # another model may take it in another size
                for one in found.explained(index):
                    drawn = heat(one, title, self._image_name(index), photo, limits)
                    made.append(replace(drawn[-1], limits=drawn[0].limits))
        return made

    def _limits(self) -> tuple[float, float]:
        values = np.concatenate([found.maps.reshape(-1) for found in self.attributions])
        peak = peak_of(values)
        return -peak if values.min() < 0 else 0.0, peak

    def _titles(self) -> list[str]:
        """Return what each is called: its method, with its model where there are several."""
        models = [found.made_by.model for found in self.attributions]
        titles = [found.title or found.method for found in self.attributions]
        if len(set(models)) == 1:
            return titles
        return [f"{title} of {model}" for title, model in zip(titles, models, strict=True)]

    def _across(self, tiles: list[Tile]) -> int:
        maps = sum(len(found.explained(0)) for found in self.attributions)
        return maps + (tiles[0].role == "image")

    def tables(self) -> list[Table]:
        """Return a table an attribution."""
        return [
            replace(table, caption=f"{title}: what decides")
            for found, title in zip(self.attributions, self._titles(), strict=True)
            for table in found.tables()
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
            return name, lambda: _row(tiles)

        return [picture(image) for image in images]


def _row(tiles: list[Tile]) -> bytes:
    """Return a PNG file with tiles beside each other."""
    drawn = figure(tiles, columns=len(tiles), width=3.2 * len(tiles))
    buffer = io.BytesIO()
    alt = "\n".join(tile.alt for tile in tiles)
    drawn.savefig(buffer, format="png", dpi=120, metadata={"Description": alt})
    return buffer.getvalue()
