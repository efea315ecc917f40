"""What a network answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array, Progress
from kviz.draw.tables import Table
from kviz.errors import OutputError
from kviz.results.made_by import MadeBy
from kviz.results.result import Result, class_facts
from kviz.tiles import Tile


class Answer(NamedTuple):
    """A class and its score."""

    class_index: int
    name: str
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(Result):
    """What a network answers: the best classes of each image.

    Attributes:
        scores: float32 array `(N, classes)`, the model's outputs, probabilities where it gives their
            logarithms.
        top: how many classes a row shows.
        class_names: the classes' names, or None.
        is_probability: whether the outputs are probabilities.
        names: what the images are called.
        asked: classes shown besides the best ones.
        made_by: versions, model and settings that made it.
        notes: what the numbers should be read with.

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

    verb = "predict"
    _title = "Predictions"

    @property
    def rows(self) -> list[list[Answer]]:
        """For each image the best classes, best first: (class index, name, score)."""
        found = []
        for scores in self.scores:
            best = np.argsort(-scores, kind="stable")[: self.top].tolist()
            best += [index for index in self.asked if index not in best]
            found.append([Answer(index, self._name(index), float(scores[index])) for index in best])
        return found

    def _name(self, index: int) -> str:
        return self.class_names[index] if self.class_names else f"class {index}"

    def tiles(self) -> list[Tile]:
        """Return no tiles: predictions are numbers."""
        return []

    def tables(self) -> list[Table]:
        """Return a table an image: rank, class, name and score."""
        what = "probability" if self.is_probability else "score"
        tables = []
        for image, (row, scores) in enumerate(zip(self.rows, self.scores, strict=True)):
            cells = [
                (_rank(score, scores), number, label, f"{score:.4f}")
                for number, label, score in row
            ]
            tables.append(Table(self._image_name(image), ("rank", "class", "name", what), cells))
        return tables

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
        self, path: str | Path, *, progress: Progress | None = None, **options: Any
    ) -> list[Path]:
        """Write all scores (`.npz`) or the tables as one page (`.html`).

        Args:
            path: a file ending in `.npz` or `.html`.
            progress: is not called: there are no pictures.
            **options: none.

        Returns:
            The file written.

        Raises:
            OutputError: if it cannot be written, or ends otherwise.
        """
        if Path(path).suffix not in (".npz", ".html"):
            raise OutputError(
                f"Expected a file ending in .npz or .html. Received: {sanitise(path)}"
            )
        return super().save(path, progress=progress, **options)


def _rank(score: float, scores: Array) -> int:
    return int((scores > score).sum()) + 1
