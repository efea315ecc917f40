"""What all results share: tiles, a figure, tables, facts, and their way to disk."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kviz._checks import sanitise, shown, suggest, validate_bool, validate_number
from kviz._types import Array, Progress
from kviz.arrays import read_only
from kviz.draw.colours import coloured
from kviz.draw.figures import DRAWN, write_figure
from kviz.draw.pages import html
from kviz.draw.plots import draw_into, figure
from kviz.draw.tables import Table, text
from kviz.draw.tile_png import tile_png
from kviz.errors import LayerError, OptionError, OutputError
from kviz.extras import installed
from kviz.files import slug, whole_file, whole_folder
from kviz.results.made_by import MadeBy
from kviz.results.npz import write_npz
from kviz.tiles import Tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A file's name in a folder, and what makes its bytes.
Picture = tuple[str, Callable[[], bytes]]

# Pixels a side to which a notebook's pictures are averaged down, so that it stays small.
_IN_A_CELL = 640


class Result:
    """What all results share; each is a frozen dataclass whose arrays cannot be written to.

    `tiles` are its pictures, `plot` draws them as a figure, `tables` are its numbers for people, `save`
    writes it, `to_frame` gives it to pandas. Where a result takes options, one item (a layer, a weight)
    comes first and all others by keyword, `image=` being the image's number; `plot` and `save` take
    what `tiles` takes.

    `facts` are its numbers for scripts: what the command line prints with `--json`. They have one shape
    for every verb, of plain dicts and lists that JSON can hold, with None for what is not finite:

    - `"verb"`, `"made_by"` (a `MadeBy` as a dict) and `"notes"`;
    - `"images"`, an entry an image in order, each with its `"name"`; missing for weights;
    - `"layers"`, an entry a layer in order, each with its `"path"`, `"kind"` and `"shape"`; only where
      the result is about layers;
    - `"measures"`, an entry a metric with a baseline and a method; only of an evaluation;
    - `"count"`, how many images there are, and `"predicted"`, what was found of predictions, by name;
      only of statistics, which name no images.

    A class is `{"class_index", "name", "score", "is_probability"}` everywhere, alone or in a list named
    `"classes"`; `class_index` is None for a score that is no class's.
    """

    verb: str
    names: tuple[str, ...] = ()
    made_by: MadeBy
    notes: tuple[str, ...]

    # How many of a folder's pictures are made at once; None for as many as there are processors.
    _workers: int | None = None

    def __post_init__(self) -> None:
        for name, value in list(vars(self).items()):
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, read_only(value))
            elif isinstance(value, dict):
                kept = {
                    k: read_only(v) if isinstance(v, np.ndarray) else v for k, v in value.items()
                }
                object.__setattr__(self, name, kept)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # NumPy forgets what is read-only when it is pickled or copied.
        vars(self).update(state)
        Result.__post_init__(self)

    def tiles(self, *_: Any, **options: Any) -> list[Tile]:
        """Return the result's pictures."""
        raise NotImplementedError

    def tables(self) -> list[Table]:
        """Return the result's numbers as tables."""
        raise NotImplementedError

    def _facts(self) -> dict[str, Any]:
        """Return what `facts` says beside the verb, what made it and the notes."""
        raise NotImplementedError

    def _rows(self) -> list[dict[str, Any]]:
        """Return the rows of `to_frame`."""
        raise NotImplementedError

    @property
    def _title(self) -> str:
        raise NotImplementedError

    def _page(self, **options: Any) -> list[Tile]:
        """Return what an HTML page shows."""
        return self.tiles(**options)

    def _pictures(self, **options: Any) -> list[Picture]:
        """Return what a folder holds."""
        raise NotImplementedError

    def _wanted(self, options: dict[str, Any], count: int) -> Sequence[int]:
        """Return the images that options mean, all by default, and take `image` out of these."""
        image = options.pop("image", None)
        return range(count) if image is None else [validate_image(image, count)]

    def _tiles_as_files(self, what: str, count: int, options: dict[str, Any]) -> list[Picture]:
        """Return the tiles of each image, less the image itself, as files named after it."""

        def picture(image: int, place: int, tile: Tile) -> Picture:
            file = f"{image + 1:03}_{self._image_slug(image)}_{what}_{place:02}.png"
            return file, lambda: self._png(tile)

        return [
            picture(image, place, tile)
            for image in self._wanted(options, count)
            for place, tile in enumerate(
                (tile for tile in self.tiles(image=image, **options) if tile.role != "image"), 1
            )
        ]

    def _across(self, tiles: list[Tile]) -> int | None:  # noqa: ARG002 - of those that need it
        """Return how many tiles a figure has in a row, None for as many as have room."""
        return None

    def _image_name(self, image: int) -> str:
        return self.names[image] if image < len(self.names) else f"image {image}"

    def _image_slug(self, image: int) -> str:
        return slug(self.names[image]) if image < len(self.names) else f"image{image}"

    def plot(
        self,
        *item: Any,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
        width: float | None = None,
        caption: bool = True,
        **options: Any,
    ) -> Figure:
        """Draw the tiles as a Matplotlib figure, which a notebook shows and `savefig` writes.

        Args:
            *item: as `tiles` takes it.
            ax: axes of your own to draw into: one for the one picture that matters, as a map over its
                image, or a list of one for each tile.
            figsize: the figure's width and height in inches; by default as the pictures need.
            width: its width alone.
            caption: whether titles and details are written.
            **options: as `tiles` takes them.

        Returns:
            A `matplotlib.figure.Figure` that pyplot does not know of, so that nothing has to be closed
            and the caller's own figures stay as they are; with `ax` the figure that it belongs to.

        Raises:
            OptionError: if there are more or fewer axes than pictures, or an option is wrong.
        """
        validate_bool("caption", caption)
        tiles = self.tiles(*item, **options)
        if ax is None:
            across = self._across(tiles)
            return figure(
                self._noted(tiles), across, width, figsize=_size(figsize), caption=caption
            )
        several = isinstance(ax, list | tuple | np.ndarray)
        axes = list(np.ravel(np.array(ax, object))) if several else [ax]
        if len(axes) != len(tiles):
            tiles = self._main(tiles)
        return draw_into(axes, self._noted(tiles), caption=caption)

    def image(self, *item: Any, **options: Any) -> Any:
        """Return the one picture that matters as a Pillow image, without title, bar or margin.

        Args:
            *item: as `tiles` takes it.
            **options: as `tiles` takes them.

        Returns:
            A `PIL.Image.Image`.

        Raises:
            OptionError: if there are several, or none.
        """
        tiles = self._main(self.tiles(*item, **options))
        if len(tiles) != 1:
            raise OptionError(
                f"image() gives one picture, and there are {len(tiles)} here. Say which: a layer, or "
                "image=0, as tiles() takes it."
            )
        return Image.fromarray(coloured(tiles[0]))

    def _noted(self, tiles: Sequence[Tile]) -> list[Tile]:
        """Return tiles that tell the notes too: the first one in its detail, all to who cannot see."""
        if not self.notes or not tiles:
            return list(tiles)
        told = " ".join(self.notes)
        first, *others = (replace(tile, alt=f"{tile.alt} {told}") for tile in tiles)
        return [replace(first, detail=" · ".join(filter(None, [first.detail, told]))), *others]

    def _png(self, tile: Tile) -> bytes:
        return tile_png(self._noted([tile])[0])

    def _main(self, tiles: list[Tile]) -> list[Tile]:
        """Return the tiles that matter most, the others being there to compare them with."""
        return tiles

    def facts(self) -> dict[str, Any]:
        """Return the result's numbers as dicts and lists that JSON can hold, as `Result` says."""
        facts = {
            "verb": self.verb,
            "made_by": self.made_by.facts(),
            **self._facts(),
            "notes": self.notes,
        }
        plain: dict[str, Any] = json_plain(facts)
        return plain

    def to_frame(self) -> Any:
        """Return the result's numbers as a `pandas.DataFrame`, a row for each thing told of an image.

        Raises:
            OptionError: if pandas is not installed.
        """
        return installed("pandas", "to_frame()").DataFrame(self._rows())

    def save(
        self,
        path: str | Path,
        *,
        progress: Progress | None = None,
        force: bool = False,
        **options: Any,
    ) -> list[Path]:
        """Write numbers, a page, a figure, or pictures in a folder; all of it or nothing.

        Files that kviz wrote are replaced, others only with `force`.

        Args:
            path: a file ending in `.npz`, which `kviz.load_result` reads, in `.html`, or in `.pdf` or
                `.svg` for the figure that `plot` draws, its text as text; or a folder.
            progress: called with (done, total) as a folder's pictures are made.
            force: replace files that kviz did not write too.
            **options: as `tiles` takes them, for pictures, and as `plot` for a figure.

        Returns:
            The files written.

        Raises:
            OutputError: if they cannot be written, or would replace what kviz did not write.
        """
        path = folder_for(path)
        if path.suffix.lower() in DRAWN:
            write_figure(self.plot(**options), path, force=force)
            return [path]
        if path.suffix in (".npz", ".html"):
            with whole_file(path, force=force) as part:
                if path.suffix == ".npz":
                    write_npz(part, self)
                else:
                    part.write_text(self._whole_page(**options), encoding="utf-8")
            return [path]
        work = self._pictures(**options)
        written = []
        # NumPy and deflate both let go of the interpreter's lock, so threads share the work.
        workers = self._workers or os.cpu_count()
        with whole_folder(path, force=force) as folder, ThreadPoolExecutor(workers) as pool:
            made = pool.map(lambda picture: picture[1](), work)
            for done, ((file, _), data) in enumerate(zip(work, made, strict=True), 1):
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).write_bytes(data)
                written.append(path / file)
                if progress:
                    progress(done, len(work))
        return written

    def _whole_page(self, **options: Any) -> str:
        title = f"{self._title} of {self.made_by.model or 'a model'}"
        tiles = self._page(**options)
        return html(title=title, tables=self.tables(), tiles=tiles, notes=self.notes)

    def __repr__(self) -> str:
        return "\n\n".join([self.text(), *(f"Note: {note}" for note in self.notes)])

    def text(self) -> str:
        """Return the tables as text, as the command line prints them."""
        return "\n\n".join(text(table) for table in self.tables())

    def _repr_html_(self) -> str:
        return html(tables=self.tables(), tiles=self.tiles(), notes=self.notes, max_side=_IN_A_CELL)


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


def _size(figsize: Any) -> tuple[float, float] | None:
    if figsize is None:
        return None
    if not isinstance(figsize, list | tuple) or len(figsize) != 2:
        raise OptionError(
            f"figsize takes a width and a height in inches. Received: {shown(figsize)}"
        )
    width, height = (validate_number("figsize", side, above=0, below=200) for side in figsize)
    return width, height


def class_facts(index: int, name: str, score: float, is_probability: bool) -> dict[str, Any]:
    """Return a class as `facts` tells of it.

    >>> class_facts(-1, "score", 2.5, False)
    {'class_index': None, 'name': 'score', 'score': 2.5, 'is_probability': False}
    """
    return {
        "class_index": None if index < 0 else int(index),
        "name": name,
        "score": float(score),
        "is_probability": bool(is_probability),
    }


def json_plain(value: Any) -> Any:
    """Return what JSON can hold: no NumPy, no tuples, no numbers that are not finite.

    >>> json_plain({"shape": (1, 2), "score": np.float32("nan"), 285: np.int64(3)})
    {'shape': [1, 2], 'score': None, '285': 3}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): json_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def validate_image(image: Any, count: int) -> int:
    """Return an image's number, or raise an OptionError where there is no such image.

    >>> validate_image(1, 2)
    1
    """
    whole = isinstance(image, int | np.integer) and not isinstance(image, bool)
    if not whole or not 0 <= image < count:
        raise OptionError(f"image takes a number from 0 to {count - 1}. Received: {shown(image)}")
    return int(image)


def folder_for(path: str | Path) -> Path:
    """Return where a folder of pictures goes, unless the name says that it is no folder."""
    if not str(path):
        raise OutputError("Expected a folder, or a file to write. Received an empty name.")
    path = Path(path)
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif", ".webp", ".csv"):
        raise OutputError(
            f"{sanitise(path, 120)} would be a folder of pictures. Expected a folder's name, or a file "
            "ending in .npz, .html, .pdf or .svg."
        )
    return path
