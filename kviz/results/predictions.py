"""What a network answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array, Progress
from kviz.arrays import as_bytes, grey_of, is_picture, photo_of, pixel_span
from kviz.draw.colours import class_colours
from kviz.draw.numbers import told_number, told_range
from kviz.draw.tables import Table
from kviz.errors import OutputError
from kviz.results.made_by import MadeBy
from kviz.results.result import (
    Picture,
    Result,
    class_facts,
    validate_image,
)
from kviz.tiles import Tile

# Classes that a map's legend names.
MOST_NAMED = 8


class Answer(NamedTuple):
    """A class and its score."""

    class_index: int
    name: str
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(Result):
    """What a network answers: the best classes of each image, or a class map, values, or an image.

    Attributes:
        scores: float32 array `(N, classes)`: the model's outputs, probabilities where it gives their
            logarithms; of a class map each class's share of the positions; of an image none.
        top: how many classes a row shows.
        class_names: the classes' names, or None.
        is_probability: whether the scores are probabilities.
        names: what the images are called.
        asked: classes shown besides the best ones.
        made_by: versions, model and settings that made it.
        notes: what the numbers should be read with.
        kind: what the output is: `"classes"`, `"labels"` (any number of classes at once), `"unit"` (one
            number for two classes), `"values"` (of a regression), `"class map"`, `"label map"`, `"unit
            map"` or `"image"`.
        maps: of a class map int32 `(N, …)`, the class of each position, -1 for none; of an image the
            image, float32 `(N, H, W, channels)`; else None.
        images: the images, where there are maps.

    >>> Predictions(np.array([[0.25, 0.75]]), top=1, class_names=("cat", "dog")).rows
    [[Answer(class_index=1, name='dog', score=0.75)]]
    """

    scores: Array
    top: int
    class_names: tuple[str, ...] | None = None
    is_probability: bool = True
    names: tuple[str, ...] = ()
    asked: tuple[int, ...] = ()
    made_by: MadeBy = field(default_factory=MadeBy)
    notes: tuple[str, ...] = ()
    kind: str = "classes"
    maps: Array | None = None
    images: Array | None = None

    verb = "predict"
    _title = "Predictions"

    @property
    def rows(self) -> list[list[Answer]]:
        """For each image the best classes, best first: (class index, name, score)."""
        found = []
        for scores in self.scores:
            best = np.argsort(-scores, kind="stable")[: self.top].tolist()
            best += [index for index in self.asked if index not in best]
            found.append([Answer(index, self.label(index), float(scores[index])) for index in best])
        return found

    def label(self, index: int) -> str:
        """Return what a class or value is called."""
        # As `kviz.engine.heads.label_of`, which stands on a higher floor.
        if self.kind == "values":
            return f"output {index}"
        return self.class_names[index] if self.class_names else f"class {index}"

    @property
    def quantity(self) -> str:
        """What the scores are: `"probability"`, `"share"` (of positions), `"value"` or `"score"`."""
        if self.kind.endswith("map"):
            return "share"
        if self.kind == "values":
            return "value"
        return "probability" if self.is_probability else "score"

    def tiles(self, *, image: int | None = None) -> list[Tile]:
        """Return an image and its class map, or the image that the model made of it.

        Where the answer is numbers only there are none.

        Args:
            image: which of the images, from 0; by default all.

        Returns:
            Tiles.

        Raises:
            OptionError: if there is no such image.
        """
        if self.maps is None or self.maps.ndim != (4 if self.kind == "image" else 3):
            return []
        places = range(len(self.maps)) if image is None else [validate_image(image, len(self.maps))]
        return [tile for place in places for tile in self._of_image(place)]

    def _of_image(self, image: int) -> list[Tile]:
        name = self._image_name(image)
        photo = None
        if self.images is not None and is_picture(self.images):
            photo = photo_of(self.images[image], pixel_span(self.images))
        made: list[Tile] = []
        if photo is not None:
            made.append(Tile(photo, name, "the image", f"The image {name}.", role="image"))
        assert self.maps is not None  # noqa: S101 - tiles() looked
        answer = self.maps[image]
        if self.kind == "image":
            if answer.shape[-1] in (1, 3):
                span = f"values from {told_range(answer.min(), answer.max())}"
                alt = f"What the model makes of {name}."
                made.append(Tile(photo_of(answer), "Output", f"{name} · {span}", alt, role="made"))
            return made
        colours = class_colours()
        levels = np.where((answer < 0)[..., None], 0, colours[answer % len(colours)]).astype(
            np.uint8
        )
        order = np.argsort(-self.scores[image], kind="stable").tolist()
        seen = [index for index in order if (answer == index).any()]
        legend = tuple(
            (
                f"{self.label(i)} {self.scores[image][i]:.1%}",
                tuple(colours[i % len(colours)].tolist()),
            )
            for i in seen[:MOST_NAMED]
        )
        more = "" if len(seen) <= MOST_NAMED else f" · {len(seen) - MOST_NAMED} classes more"
        alt = f"Class map of {name}: " + ", ".join(said for said, _ in legend) + "."
        detail = f"{name} · the predicted class of each pixel{more}"
        made.append(Tile(levels, "Class map", detail, alt, legend=legend))
        if photo is not None and photo.shape == levels.shape:
            grey = grey_of(photo)[..., None]
            over = as_bytes(np.where((answer < 0)[..., None], grey, 0.4 * grey + 0.6 * levels))
            made.append(
                Tile(over, "Class map", f"{detail}, over the image in grey", f"{alt} Over the image.",
                     legend=legend, role="overlay")
            )  # fmt: skip
        return made

    def _across(self, tiles: list[Tile]) -> int | None:
        photos = sum(tile.role == "image" for tile in tiles)
        return len(tiles) // photos if photos else None

    def _pictures(self, **options: Any) -> list[Picture]:
        return self._tiles_as_files("predict", len(self.scores), options)

    def tables(self) -> list[Table]:
        """Return a table per image: rank, class, name and score; of images their ranges."""
        if self.kind == "image":
            rows = [
                (
                    self._image_name(image),
                    told_number(one.min()),
                    told_number(one.mean()),
                    told_number(one.max()),
                )
                for image, one in enumerate(self.maps if self.maps is not None else ())
            ]
            return [Table("The image that the model makes", ("image", "min", "mean", "max"), rows)]
        what = self.quantity
        tables = []
        for image, (row, scores) in enumerate(zip(self.rows, self.scores, strict=True)):
            cells = [
                (_rank(score, scores), number, label, self._told(score))
                for number, label, score in row
            ]
            tables.append(Table(self._image_name(image), ("rank", "class", "name", what), cells))
        return tables

    def _told(self, score: float) -> str:
        """Return a score as it stands in the table: probabilities below each other, tiny ones too."""
        if self.is_probability and not 0 < score < 0.001:
            return f"{score:.4f}"
        return told_number(score, 2 if self.is_probability else 4)

    def _facts(self) -> dict[str, Any]:
        return {
            "images": [
                {
                    "name": self._image_name(image),
                    "classes": [class_facts(*answer, self.is_probability) for answer in row],
                }
                for image, row in enumerate(self.rows)
            ]
        }

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "image": self._image_name(image),
                "rank": _rank(answer.score, scores),
                **class_facts(*answer, self.is_probability),
            }
            for image, (row, scores) in enumerate(zip(self.rows, self.scores, strict=True))
            for answer in row
        ]

    def save(
        self,
        path: str | Path,
        *,
        progress: Progress | None = None,
        force: bool = False,
        **options: Any,
    ) -> list[Path]:
        """Write all scores (`.npz`) or the tables as one page (`.html`).

        Args:
            path: a file ending in `.npz` or `.html`; of class maps and images a folder too.
            progress: called with (done, total) as a folder's pictures are made.
            force: replace files that kviz did not write too.
            **options: as `tiles` takes them, for pictures.

        Returns:
            The files written.

        Raises:
            OutputError: if it cannot be written, or ends otherwise.
        """
        if self.maps is None and Path(path).suffix not in (".npz", ".html"):
            raise OutputError(
                f"Expected a file ending in .npz or .html. Received: {sanitise(path)}"
            )
        return super().save(path, progress=progress, force=force, **options)


def _rank(score: float, scores: Array) -> int:
    return int((scores > score).sum()) + 1
