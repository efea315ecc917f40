"""Images that a network dreams."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kviz._checks import sanitise
from kviz._types import Array, Progress
from kviz.arrays import Levels, as_bytes, is_picture, stretched
from kviz.draw.charts import Signal, charted, curves
from kviz.draw.numbers import told_number
from kviz.draw.tables import Table
from kviz.errors import OutputError
from kviz.files import slug, whole_file
from kviz.images import png
from kviz.marks import MARK
from kviz.results.made_by import MadeBy
from kviz.results.result import Picture, Result, class_facts, validate_image
from kviz.tiles import NEUTRAL, Role, Tile, mosaic

# More pictures than this are shown as one grid.
_APART = 8


@dataclass(frozen=True, eq=False, repr=False)
class Synthesis(Result):
    """Images that were made to raise a score.

    Attributes:
        images: float32 `(N, H, W, channels)` in 0-255, or in `bounds`; signals `(N, L, channels)`,
            volumes and features in the values that the model takes; whole numbers where photos were
            made to fool in 0-255.
        scores: float32 `(steps + 1, N)`: before each step and after the last, of the view that the
            network had (turned, cropped …); NaN where an image had arrived.
        score_name: what the scores are called, such as `"logit"`.
        labels: for each image what was to be seen in it: a class, a filter, layers.
        verb: what made it.
        arrived: bool `(N,)`: whether it came to what it was made for; a filter that nothing moves is
            dead and has not.
        originals: float32 like `images`, where it began with images.
        bounds: the values that are drawn as black and white.
        max_norms: float32 `(radii,)`: how far fooling images were allowed to go, the nearest first,
            where several were asked for; each image is the one of the nearest that let it arrive.
        arrived_within: bool `(radii, N)`: whether it arrived within each.
        norms: float32 `(N, 2)`: the change's L2 and its largest part, for fooling images.
        predictions: the predicted class's name before and after, for each image that was predicted; ""
            where there was none before.
        confidences: float32 `(N, 2)`: their probability or score, NaN where there was none before.
        target_scores: float32 `(N,)`: the same of the class that each was made for, at the end.
        classes: int32 `(N, 2)`: their indices, -1 where there is none.
        is_probability: whether confidences are probabilities.
        stopped: whether it was interrupted; the images are those so far.
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
    score_name: str = "score"
    originals: Array | None = None
    bounds: tuple[float, float] = (0.0, 255.0)
    max_norms: Array | None = None
    arrived_within: Array | None = None
    norms: Array | None = None
    predictions: tuple[tuple[str, str], ...] = ()
    confidences: Array | None = None
    target_scores: Array | None = None
    classes: Array | None = None
    is_probability: bool = True
    stopped: bool = False
    frames: Array | None = None
    names: tuple[str, ...] = ()
    made_by: MadeBy = field(default_factory=MadeBy)
    notes: tuple[str, ...] = ()

    @property
    def pixels(self) -> Levels:
        """The images as uint8."""
        return self._levels(self.images)

    def _levels(self, images: Array) -> Levels:
        return as_bytes(images) if self.bounds == (0, 255) else stretched(images, *self.bounds)

    @property
    def _title(self) -> str:
        return self.verb

    def tiles(self, *, image: int | None = None) -> list[Tile]:
        """Return pictures: the images, what they were, ten times the change, and the score's way.

        More than eight images without originals are one grid, without those that are dead; fewer have
        each its place, a dead filter's being grey. What is no picture is drawn as lines or slices.

        Args:
            image: one of them, from 0; by default all.

        Returns:
            Tiles.
        """
        return self._shown(image, places=image is None)

    def _shown(self, image: int | None, *, places: bool) -> list[Tile]:
        """Return the tiles, with or without a place for what is dead."""
        count = len(self.images)
        if image is not None:
            image = validate_image(image, count)
        wanted = range(count) if image is None else [image]
        grid = is_picture(self.images) and self.originals is None
        if grid and len(wanted) > _APART:
            dead = self.verb == "filter_patterns" and not self.arrived.any()
            return [*([] if dead else [self._grid()]), self._curve(None)]
        made = [tile for index in wanted for tile in self._tiles(index, places=places)]
        return [*made, *self._success(image), self._curve(image)]

    def _last(self, index: int) -> float:
        values = self.scores[:, index]
        values = values[np.isfinite(values)]
        return float(values[-1]) if len(values) else float("nan")

    def _tiles(self, index: int, *, places: bool) -> list[Tile]:
        label, name = sanitise(self.labels[index], 80), self._image_name(index)
        image = self.images[index]
        if self.originals is None:
            if not self.arrived[index] and self.verb == "filter_patterns":
                return [_nothing(image, label)] if places else []
            detail = f"{self.score_name} {told_number(self._last(index))}"
            if self.predictions and self.target_scores is not None:
                sure = told_number(self.target_scores[index], 3)
                detail += f"; classified as {sanitise(self.predictions[index][1], 60)}"
                detail += f", {sure}" if self.arrived[index] else f", not as its class ({sure})"
            return [
                self._drawn(image, label, detail, f"An image made for {label}: {detail}.", "made")
            ]
        original = self.originals[index]
        said = self._said(index, 0) or "the original"
        made = [self._drawn(original, name, said, f"The image {name}.", "image")]
        if self.norms is None:
            title = f"{name} · {label}"
            detail = f"{self.score_name} {told_number(self._last(index))}"
            return [*made, self._drawn(image, title, detail, f"{title}.", "made")]
        size, peak = self.norms[index]
        low, high = self.bounds
        tenfold = 10 * (image - original)
        if image.ndim > 2:  # lines have an axis of their own, and pictures a grey that stands for 0
            tenfold = (low + high) / 2 + tenfold
        said = self._said(index, 1)
        norms = f"L2 {told_number(size)}, largest change {told_number(peak)} of {high - low:g}"
        # Got away from a class, it is what it was not to be.
        taken = bool(self.arrived[index]) == self._targeted
        title = f"{'classified' if taken else 'not classified'} as {label}"
        alt = f"Ten times the change, about grey: {norms}."
        return [
            *made,
            self._drawn(image, title, said, f"{name}, changed, {title}.", "made"),
            self._drawn(tenfold, "the change × 10", norms, alt, "map"),
        ]

    def _drawn(self, image: Array, title: str, detail: str, alt: str, role: Role) -> Tile:
        """Return an image as a tile, a signal as one of lines, a volume slice by slice."""
        if is_picture(image[None]):
            return Tile(_rgb(self._levels(image)), title, detail, alt, role=role)
        if image.ndim > 2:
            by_slice = image.ndim == 4 and image.shape[-1] in (1, 3)
            panels = (
                image if by_slice else np.moveaxis(image, -1, 0).reshape(-1, *image.shape[-3:-1], 1)
            )
            levels = np.stack([_rgb(one) for one in self._levels(panels)])
            columns = int(np.ceil(np.sqrt(2 * len(levels))))
            grid = mosaic(levels, columns, max(1, levels.shape[2] // 48), NEUTRAL)
            what = f"{detail}; {'slice by slice' if by_slice else 'a panel each channel'}"
            return Tile(grid, title, what, alt, role=role)
        return charted(Signal(image.reshape(len(image), -1)), title, detail, alt, role=role)

    @property
    def _targeted(self) -> bool:
        return self.made_by.settings.get("targeted") is not False

    def _said(self, index: int, when: int) -> str:
        if not self.predictions or self.confidences is None:
            return ""
        return f"{self.predictions[index][when]}, {told_number(self.confidences[index, when], 3)}"

    def _grid(self) -> Tile:
        alive = [index for index in range(len(self.images)) if self.arrived[index]]
        if self.verb != "filter_patterns":
            alive = list(range(len(self.images)))
        pictures = np.stack([_rgb(picture) for picture in self._levels(self.images[alive])])
        columns = int(np.ceil(np.sqrt(len(pictures) * 1.6)))
        dead = len(self.images) - len(alive)
        title = f"{len(alive)} images from {sanitise(self.labels[0], 60)}"
        title += f" to {sanitise(self.labels[-1], 60)}"
        detail = "in the order of the table, row by row"
        detail += f"; {dead} without a gradient, not drawn" if dead else ""
        names = ", ".join(sanitise(self.labels[index], 40) for index in alive[:20])
        alt = f"A grid of images made for {names}" + (" and others." if len(alive) > 20 else ".")
        return Tile(mosaic(pictures, columns, 2), title, detail, alt, role="made")

    def _curve(self, image: int | None) -> Tile:
        wanted = range(len(self.images)) if image is None else [image]
        few = len(wanted) <= _APART
        lines: dict[str, Array] = {}
        for at in wanted:
            name = self.labels[at]
            if self.originals is not None:
                name = f"{self._image_name(at)}: {name}"
            # Two images may be made for one class.
            lines[f"{name}, image {at}" if name in lines else name] = self.scores[:, at]
        name = sanitise(self.score_name, 40)
        return curves(lines, f"the {name} at each step", "step", name, legend=few)

    def _success(self, image: int | None) -> list[Tile]:
        """Return the curve of how many images are fooled within each norm, where several were given."""
        if self.max_norms is None or self.arrived_within is None or image is not None:
            return []
        share = self.arrived_within.mean(axis=1)
        title, count = "fooled within each norm", len(self.images)
        up = f"share of {count} images" if count > 1 else "share of one image"
        return [curves({"fooled": share}, title, "norm", up, at=self.max_norms, legend=False)]

    def _main(self, tiles: list[Tile]) -> list[Tile]:
        return [tile for tile in tiles if tile.role == "made"] or tiles

    def _across(self, tiles: list[Tile]) -> int:
        if any(isinstance(tile.chart, Signal) for tile in tiles):
            return 1
        columns = 3 if self.norms is not None else 2 if self.originals is not None else 4
        return min(columns, len(tiles))

    def tables(self) -> list[Table]:
        """Return one table: each image, its score at first and at last, and its predicted class."""
        rows: list[tuple[str, ...]] = []
        for index, label in enumerate(self.labels):
            finite = self.scores[:, index][np.isfinite(self.scores[:, index])]
            first = told_number(finite[0]) if len(finite) else ""
            row = [
                self._image_name(index) if self.originals is not None else str(index),
                label if self._targeted else f"anything but {label}",
                first,
                told_number(self._last(index)),
                str(max(len(finite) - 1, 0)),
                self._outcome(index),
            ]
            if self.norms is not None:
                row += [
                    self._said(index, 1),
                    *(told_number(norm) for norm in self.norms[index]),
                ]
            rows.append(tuple(row))
        headers: tuple[str, ...] = (
            "image",
            "made for",
            f"first {self.score_name}",
            f"last {self.score_name}",
            "steps",
            "outcome",
        )
        if self.norms is not None:
            headers += ("classified as", "L2", "largest change")
        return [Table(f"{self.verb}: what came of it", headers, rows), *self._success_table()]

    def _success_table(self) -> list[Table]:
        if self.max_norms is None or self.arrived_within is None:
            return []
        rows = [
            (told_number(norm), f"{arrived.sum()} of {len(arrived)}")
            for norm, arrived in zip(self.max_norms, self.arrived_within, strict=True)
        ]
        return [Table("fooled within each norm", ("norm", "images"), rows)]

    def _outcome(self, index: int) -> str:
        if self.verb == "filter_patterns":
            return "drawn" if self.arrived[index] else "dead"
        return "arrived" if self.arrived[index] else "not arrived"

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"images": [self._fact(index) for index in range(len(self.images))]}
        if self.max_norms is not None and self.arrived_within is not None:
            facts["max_norms"] = self.max_norms
            facts["arrived_within"] = self.arrived_within
        return facts

    def _fact(self, index: int) -> dict[str, Any]:
        finite = self.scores[:, index][np.isfinite(self.scores[:, index])]
        before, after = self._answers(index)
        size, peak = (None, None) if self.norms is None else self.norms[index]
        return {
            "name": self._image_name(index),
            "made_for": self.labels[index],
            "made_for_score": None if self.target_scores is None else self.target_scores[index],
            "arrived": self.arrived[index],
            "first_score": finite[0] if len(finite) else None,
            "last_score": finite[-1] if len(finite) else None,
            "steps": max(len(finite) - 1, 0),
            "before": before,
            "after": after,
            "l2": size,
            "largest_change": peak,
        }

    def _answers(self, index: int) -> list[dict[str, Any] | None]:
        """Return the predicted class before and after, None where it is not known."""
        if not self.predictions or self.confidences is None:
            return [None, None]
        numbers = (-1, -1) if self.classes is None else self.classes[index].tolist()
        scores = self.confidences[index].tolist()
        return [
            None if math.isnan(score) else class_facts(number, name, score, self.is_probability)
            for number, name, score in zip(numbers, self.predictions[index], scores, strict=True)
        ]

    def _rows(self) -> list[dict[str, Any]]:
        rows = []
        for index in range(len(self.images)):
            fact = self._fact(index)
            for when in ("before", "after"):
                answer = fact.pop(when) or {}
                fact |= {f"{when}_{key}": value for key, value in answer.items()}
            rows.append({"image": fact.pop("name"), **fact})
        return rows

    def save(
        self,
        path: str | Path,
        *,
        progress: Progress | None = None,
        force: bool = False,
        **options: Any,
    ) -> list[Path]:
        """Write numbers (`.npz`), one page (`.html`), the way (`.gif`), or pictures in a folder.

        In a folder, `pixels/` holds each image as it is, without a caption.

        Args:
            path: a file ending in `.npz`, `.html` or `.gif`, or a folder.
            progress: called with (done, total) as pictures are made.
            force: replace files that kviz did not write too.
            **options: as `tiles` takes them, for pictures.

        Returns:
            The files written.

        Raises:
            OutputError: if they cannot be written, or no frames were kept for an animation.
        """
        if Path(path).suffix == ".gif":
            self._write_film(Path(path), force)
            return [Path(path)]
        return super().save(path, progress=progress, force=force, **options)

    def _pictures(self, **options: Any) -> list[Picture]:
        def picture(place: int, tile: Tile) -> Picture:
            return f"{place:03}_{slug(tile.title)}.png", lambda: self._png(tile)

        def plain(index: int) -> Picture:
            levels = self._levels(self.images[index])
            levels = levels[..., 0] if levels.shape[-1] == 1 else levels
            told = {"Description": sanitise(" ".join(self.notes), 1000)} if self.notes else None
            return f"pixels/{index + 1:03}_{slug(self.labels[index])}.png", lambda: png(
                levels, text=told
            )

        image = options.pop("image", None)
        shown = self._shown(image, places=False, **options)
        wanted = range(len(self.images)) if image is None else [image]
        tiles = [picture(place, tile) for place, tile in enumerate(shown, 1)]
        dead = self.verb == "filter_patterns"
        return tiles + [
            plain(index)
            for index in wanted
            if is_picture(self.images) and not (dead and not self.arrived[index])
        ]

    def _write_film(self, path: Path, force: bool) -> None:
        if not is_picture(self.images):
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
        with whole_file(path, force=force) as part:
            times = [120] * (len(pictures) - 1) + [2000]
            pictures[0].save(
                part,
                format="GIF",
                save_all=True,
                append_images=pictures[1:],
                duration=times,
                loop=0,
                comment=f"{MARK}: {self.verb}",
            )


def _nothing(image: Array, label: str) -> Tile:
    """Return the place of a dead filter, so that the others keep theirs."""
    high, wide = image.shape[:2] if is_picture(image[None]) else (3, 12)
    grey = np.full((high, wide, 3), NEUTRAL, np.uint8)
    why = "dead: no gradient reaches it, so that nothing was drawn"
    return Tile(grey, label, why, f"{label} is {why}.", role="made")


def _rgb(picture: Levels) -> Levels:
    return picture if picture.shape[-1] == 3 else np.broadcast_to(picture, (*picture.shape[:2], 3))
