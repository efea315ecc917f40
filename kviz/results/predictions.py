"""What a network answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz.draw.tables import Table
from kviz.errors import OutputError
from kviz.results.result import Array, Result
from kviz.tiles import Tile


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(Result):
    """What a network answers: the best classes of each image.

    Attributes:
        scores: float32 array `(N, classes)`, the model's outputs, probabilities where it gives their
            logarithms.
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
            raise OutputError(
                f"Expected a file ending in .npz or .html. Received: {sanitise(path)}"
            )
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
