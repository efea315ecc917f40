"""What all results share: showing their tiles and tables, and writing them whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz._checks import sanitise, suggest
from kviz.arrays import Levels, stretched
from kviz.draw.pages import html
from kviz.draw.tables import Table, text
from kviz.errors import LayerError, OutputError
from kviz.files import whole_file
from kviz.tiles import Tile

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]


# Pixels a side to which a notebook's pictures are averaged down, so that it stays small.
_IN_A_CELL = 640


class Result:
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
                    header=np.frombuffer(json.dumps(header, default=_plain).encode(), np.uint8),
                    **{f"array_{index}": array for index, array in enumerate(arrays)},  # type: ignore[arg-type]
                )
            else:
                page = html(title=title, tables=self.tables(), tiles=tiles(), notes=self.notes)
                part.write_text(page, encoding="utf-8")


def _plain(value: Any) -> Any:
    """Return a number or an array of NumPy's as JSON has it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not for JSON")


class Arrays(Result, Mapping[str, Array]):
    """A result that is a mapping from path to array, and equal to itself only."""

    @property
    def _held(self) -> dict[str, Array]:
        raise NotImplementedError

    def __getitem__(self, path: str) -> Array:
        if path not in self._held:
            raise LayerError(
                f"The result holds no {sanitise(path)!r}. {suggest(str(path), self._held)}"
            )
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


def photo_of(photo: Array) -> Levels:
    """Return an image of any type and 1 or 3 channels as RGB."""
    if photo.dtype != np.uint8:
        low, high = (0, 255) if photo.min() >= 0 and photo.max() > 1 else (photo.min(), photo.max())
        photo = stretched(photo, float(low), float(high))
    return np.broadcast_to(photo, (*photo.shape[:2], 3))


def folder_for(path: str | Path) -> Path:
    """Return where a folder of pictures goes, unless the name says that it is no folder."""
    path = Path(path)
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".pdf", ".csv"):
        raise OutputError(
            f"{sanitise(path, 120)} would be a folder of pictures. Expected a folder's name, or a file "
            "ending in .npz or .html."
        )
    return path
