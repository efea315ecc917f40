"""Images that a network dreams."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kviz._checks import sanitise
from kviz.arrays import Levels, as_bytes
from kviz.draw.plots import curves, figure, tile_png
from kviz.draw.tables import Table
from kviz.errors import OptionError, OutputError
from kviz.files import slug, whole_file, whole_folder
from kviz.images import png
from kviz.results.result import Array, Progress, Result, folder_for
from kviz.tiles import Tile, mosaic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# More pictures than this are shown as one grid.
_APART = 8


@dataclass(frozen=True, eq=False, repr=False)
class Synthesis(Result):
    """Images that were made to raise a score.

    Attributes:
        images: float32 `(N, H, W, channels)` in 0-255; whole numbers where they were made to fool.
        scores: float32 `(steps + 1, N)`: before each step and after the last, of the view that the
            network had (turned, cropped …); NaN where an image had arrived.
        labels: for each image what was to be seen in it: a class, a filter, layers.
        verb: what made it.
        arrived: bool `(N,)`: whether it came to what it was made for; a filter that nothing moves is
            dead and has not.
        originals: float32 like `images`, where it began with images.
        norms: float32 `(N, 2)`: the change's L2 and its largest part, for fooling images.
        predictions: the predicted class's name before and after, for each fooling image.
        confidences: float32 `(N, 2)`: their probability or score.
        frames: uint8 `(frames, N, H, W, channels)` of the way, or None.
        names: what the originals are called.
        made_by: versions, model, settings and seed that made it.
        notes: what should be known of them.
    """

    images: Array
    scores: Array
    labels: tuple[str, ...]
    verb: str
    arrived: Array
    originals: Array | None = None
    norms: Array | None = None
    predictions: tuple[tuple[str, str], ...] = ()
    confidences: Array | None = None
    frames: Array | None = None
    names: tuple[str, ...] = ()
    made_by: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def pixels(self) -> Levels:
        """The images as uint8."""
        return as_bytes(self.images)

    def tiles(self, image: int | None = None) -> list[Tile]:
        """Return pictures: the images, what they were, ten times the change, and the score's way.

        More than eight images without originals are one grid, without those that are dead.

        Args:
            image: one of them, from 0; by default all.

        Returns:
            Tiles.
        """
        count = len(self.images)
        if image is not None and not 0 <= image < count:
            raise OptionError(f"image takes a number from 0 to {count - 1}. Received: {image}")
        if self.images.ndim != 4 or self.images.shape[-1] not in (1, 3):
            return [self._curve(image)]
        wanted = range(count) if image is None else [image]
        if self.originals is None and len(wanted) > _APART:
            dead = self.verb == "filter_patterns" and not self.arrived.any()
            return [*([] if dead else [self._grid()]), self._curve(None)]
        made = [tile for index in wanted for tile in self._tiles(index)]
        return [*made, self._curve(image)]

    def _name(self, index: int) -> str:
        return self.names[index] if index < len(self.names) else f"image {index}"

    def _last(self, index: int) -> float:
        values = self.scores[:, index]
        values = values[np.isfinite(values)]
        return float(values[-1]) if len(values) else float("nan")

    def _tiles(self, index: int) -> list[Tile]:
        label, name = sanitise(self.labels[index], 80), self._name(index)
        picture = _rgb(as_bytes(self.images[index]))
        if self.originals is None:
            if not self.arrived[index] and self.verb == "filter_patterns":
                return []
            detail = f"score {self._last(index):.4g}"
            if self.predictions and self.confidences is not None:
                sure = f"{self.confidences[index, -1]:.3g}"
                detail += f"; taken for {sanitise(self.predictions[index][1], 60)}"
                detail += f", {sure}" if self.arrived[index] else f", not for its class ({sure})"
            alt = f"An image made for {label}: {detail}."
            return [Tile(picture, label, detail, alt)]
        before = _rgb(as_bytes(self.originals[index]))
        made = [Tile(before, name, self._said(index, 0) or "the original", f"The image {name}.")]
        if self.norms is None:
            title = f"{name} · {label}"
            return [*made, Tile(picture, title, f"score {self._last(index):.4g}", f"{title}.")]
        size, peak = self.norms[index]
        change = self.images[index] - self.originals[index]
        tenfold = _rgb(as_bytes(127.5 + 10 * change))
        said = self._said(index, 1)
        norms = f"L2 {size:.4g}, largest change {peak:.4g} of 255"
        arrived = "taken" if self.arrived[index] else "not taken"
        return [
            *made,
            Tile(
                picture, f"{arrived} for {label}", said, f"{name}, changed, {arrived} for {label}."
            ),
            Tile(tenfold, "the change × 10", norms, f"Ten times the change, about grey: {norms}."),
        ]

    def _said(self, index: int, when: int) -> str:
        if not self.predictions or self.confidences is None:
            return ""
        return f"{self.predictions[index][when]}, {self.confidences[index, when]:.3g}"

    def _grid(self) -> Tile:
        alive = [index for index in range(len(self.images)) if self.arrived[index]]
        if self.verb != "filter_patterns":
            alive = list(range(len(self.images)))
        pictures = np.stack([_rgb(picture) for picture in as_bytes(self.images[alive])])
        columns = int(np.ceil(np.sqrt(len(pictures) * 1.6)))
        dead = len(self.images) - len(alive)
        title = f"{len(alive)} images from {sanitise(self.labels[0], 60)}"
        title += f" to {sanitise(self.labels[-1], 60)}"
        detail = "in the order of the table, row by row"
        detail += f"; {dead} without a gradient, not drawn" if dead else ""
        names = ", ".join(sanitise(self.labels[index], 40) for index in alive[:20])
        alt = f"A grid of images made for {names}" + (" and others." if len(alive) > 20 else ".")
        return Tile(mosaic(pictures, columns, 2), title, detail, alt)

    def _curve(self, image: int | None) -> Tile:
        wanted = range(len(self.images)) if image is None else [image]
        few = len(wanted) <= _APART
        lines: dict[str, Array] = {}
        for at in wanted:
            name = self.labels[at]
            if self.originals is not None:
                name = f"{self._name(at)}: {name}"
            # Two images may be made for one class.
            lines[f"{name}, image {at}" if name in lines else name] = self.scores[:, at]
        return curves(lines, "the score at each step", "step", "score", legend=few)

    def plot(self, image: int | None = None) -> Figure:
        """Draw the images and the score's way as a Matplotlib figure.

        Args:
            image: one of them, from 0; by default all.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        tiles = self.tiles(image)
        columns = 3 if self.norms is not None else 2 if self.originals is not None else 4
        return figure(tiles, columns=min(columns, len(tiles)))

    def tables(self) -> list[Table]:
        """Return one table: each image, its score at first and at last, and what it is taken for."""
        rows: list[tuple[str, ...]] = []
        for index, label in enumerate(self.labels):
            finite = self.scores[:, index][np.isfinite(self.scores[:, index])]
            first = f"{finite[0]:.4g}" if len(finite) else ""
            row = [
                self._name(index) if self.originals is not None else str(index),
                label,
                first,
                f"{self._last(index):.4g}",
                str(max(len(finite) - 1, 0)),
                self._outcome(index),
            ]
            if self.norms is not None:
                row += [self._said(index, 1), *(f"{norm:.4g}" for norm in self.norms[index])]
            rows.append(tuple(row))
        headers: tuple[str, ...] = (
            "image",
            "made for",
            "first score",
            "last score",
            "steps",
            "outcome",
        )
        if self.norms is not None:
            headers += ("taken for", "L2", "largest change")
        return [Table(f"{self.verb}: what came of it", headers, rows)]

    def _outcome(self, index: int) -> str:
        if self.verb == "filter_patterns":
            return "drawn" if self.arrived[index] else "dead"
        return "arrived" if self.arrived[index] else "not arrived"

    def save(self, path: str | Path, *, progress: Progress | None = None) -> list[Path]:
        """Write numbers (`.npz`), one page (`.html`), the way (`.gif`), or pictures in a folder.

        In a folder, `pixels/` holds each image as it is, without a caption.

        Args:
            path: a file ending in `.npz`, `.html` or `.gif`, or a folder.
            progress: called with (done, total) as pictures are made.

        Returns:
            The files written.

        Raises:
            OutputError: if they cannot be written, or no frames were kept for an animation.
        """
        path = Path(path)
        if path.suffix == ".gif":
            self._write_film(path)
            return [path]
        path = folder_for(path)
        if path.suffix in (".npz", ".html"):
            title = f"{self.verb} of {self.made_by.get('model', 'a model')}"
            self._write(path, title, self.tiles)
            return [path]
        tiles = self.tiles()
        plain = self.images.ndim == 4 and self.images.shape[-1] in (1, 3)
        written = []
        with whole_folder(path) as folder:
            for place, tile in enumerate(tiles, 1):
                file = f"{place:03}_{slug(tile.title)}.png"
                (folder / file).write_bytes(tile_png(tile))
                written.append(path / file)
                if progress:
                    progress(place, len(tiles))
            (folder / "pixels").mkdir()
            for index, picture in enumerate(self.pixels if plain else []):
                if self.verb == "filter_patterns" and not self.arrived[index]:
                    continue
                file = f"pixels/{index + 1:03}_{slug(self.labels[index])}.png"
                (folder / file).write_bytes(
                    png(picture[..., 0] if picture.shape[-1] == 1 else picture)
                )
                written.append(path / file)
        return written

    def _write_film(self, path: Path) -> None:
        if self.images.ndim != 4 or self.images.shape[-1] not in (1, 3):
            raise OutputError(f"{sanitise(path, 100)}: only grey and RGB images make an animation.")
        if self.frames is None:
            raise OutputError(
                f"{sanitise(path, 100)}: no frames of the way were kept. Ask for them with film=True."
            )
        pictures = []
        for frame in self.frames:
            panels = np.stack([_rgb(panel) for panel in frame])
            columns = int(np.ceil(np.sqrt(len(panels))))
            pictures.append(Image.fromarray(mosaic(panels, columns, 2)))
        with whole_file(path) as part:
            times = [120] * (len(pictures) - 1) + [2000]
            pictures[0].save(
                part,
                format="GIF",
                save_all=True,
                append_images=pictures[1:],
                duration=times,
                loop=0,
            )

    def _arrays(self) -> tuple[dict[str, Any], list[Array]]:
        optional = {key: getattr(self, key) for key in _OPTIONAL}
        header = {
            "labels": self.labels,
            "verb": self.verb,
            "predictions": self.predictions,
            "names": self.names,
            "made_by": self.made_by,
            "held": [key for key, array in optional.items() if array is not None],
        }
        more = [array for array in optional.values() if array is not None]
        return header, [self.images, self.scores, self.arrived, *more]

    @classmethod
    def _read(cls, header: dict[str, Any], arrays: list[Array]) -> Synthesis:
        images, scores, arrived, *more = arrays
        return cls(
            images=images,
            scores=scores,
            labels=tuple(header["labels"]),
            verb=header["verb"],
            arrived=arrived,
            predictions=tuple((one, two) for one, two in header["predictions"]),
            names=tuple(header["names"]),
            made_by=header["made_by"],
            notes=tuple(header["notes"]),
            **dict(zip(header["held"], more, strict=True)),
        )


_OPTIONAL = ("originals", "norms", "confidences", "frames")


def _rgb(picture: Levels) -> Levels:
    return picture if picture.shape[-1] == 3 else np.broadcast_to(picture, (*picture.shape[:2], 3))
