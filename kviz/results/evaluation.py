"""Whether maps can be trusted: what metrics say of them, beside what chance gives."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from kviz._checks import sanitise, validate_choice
from kviz._types import Array
from kviz.draw.charts import Dot, curves, dots
from kviz.draw.numbers import told_number
from kviz.draw.tables import Table
from kviz.files import slug
from kviz.results.made_by import MadeBy
from kviz.results.null_names import ANOTHER, INVERTED
from kviz.results.result import Picture, Result, class_facts
from kviz.tiles import Tile

Better = Literal["lower", "higher", "near 0"]

# From so many images on a mean has an interval.
FEW = 5
DRAWS = 2000
LEVEL = 0.95


def each_by_another_name(names: Iterable[str]) -> tuple[str, ...]:
    """Return names, of which a second one of a kind says that it is.

    >>> each_by_another_name(["lrp", "lrp", "lime"])
    ('lrp', 'lrp #2', 'lime')
    """
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return tuple(found)


class Rank(NamedTuple):
    """The place of a method among its nulls: 1 is before all of them, and behind those that are equal.

    `equal` is how many of them are.
    """

    place: int
    of: int
    equal: int = 0

    def __str__(self) -> str:
        return f"{self.place} of {self.of}" + f" ({self.equal} equal)" * (self.equal > 0)


def interval_of(values: Array, seed: int = 0) -> tuple[float, float] | None:
    """Return where the mean of so many images lies, by the bootstrap; None of fewer than five.

    B. Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979: the images are drawn anew with
    replacement, 2,000 times, and the middle 95 % of the means are the interval.

    Args:
        values: `(N,)`, an image each.
        seed: for what is drawn.

    >>> interval_of(np.array([1.0, 1, 1, 1, 1])), interval_of(np.ones(4))
    ((1.0, 1.0), None)
    """
    values = values[np.isfinite(values)]
    if len(values) < FEW:
        return None
    drawn = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    outside = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(values[drawn].mean(axis=1), [outside, 100 - outside])
    return float(low), float(high)


def mean_of(values: Array) -> Array:
    """Return the mean over images, the last axis, of those that have a value; NaN of none.

    >>> mean_of(np.array([[1, np.nan, 3], [np.nan, np.nan, np.nan]]))
    array([ 2., nan])
    """
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0).sum(axis=-1)
    found: Array = np.where(count, total / np.maximum(count, 1), np.nan)
    return found


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Result):
    """What metrics say of methods' maps, beside what maps by chance get.

    A measure is a metric with one baseline. The nulls are, in the order of `nulls`: maps of random
    numbers, of the middle, of the photo's edges, and of each method its map inverted and its map of
    another photo.

    Attributes:
        values: float64 `(measures, methods, N)`; NaN where a metric says nothing of a method, or of an
            image, which means leave out.
        null_values: float64 `(measures, methods, nulls, N)`, NaN of metrics that chance has no part in.
        metrics: the metrics' names, a measure each.
        titles: what the measures are called for people.
        baselines: what stood in the place of pixels, a measure each, "" for none.
        better: a measure each: whether `"lower"` values are the better ones, `"higher"` ones, or those
            `"near 0"`.
        methods: what the methods are called, each by another name.
        nulls: what the nulls are called.
        curves: float64 `(methods, N, points)` by a measure's place as text, of those that have curves.
        null_curves: float64 `(methods, nulls, N, points)`, the same.
        curve_at: float64 `(points,)`, the same: where the points are.
        curve_axes: what the curve has to the right and up, the same.
        curve_points: what the points are called, where they are no numbers.
        classes: int32 `(methods, N)`: the classes that were explained, -1 where there are none.
        class_names: their names, flat.
        scores: float32 `(methods, N)`: the scores that were explained.
        names: what the images are called.
        made_by: versions, model, settings of every metric and method that made it.
        notes: what every number should be read with.
    """

    values: Array
    null_values: Array
    metrics: tuple[str, ...]
    titles: tuple[str, ...]
    baselines: tuple[str, ...]
    better: tuple[Better, ...]
    methods: tuple[str, ...]
    nulls: tuple[str, ...]
    curves: dict[str, Array]
    null_curves: dict[str, Array]
    curve_at: dict[str, Array]
    curve_axes: dict[str, tuple[str, str]]
    curve_points: dict[str, tuple[str, ...]]
    classes: Array
    class_names: tuple[str, ...]
    scores: Array
    names: tuple[str, ...] = ()
    made_by: MadeBy = field(default_factory=MadeBy)
    notes: tuple[str, ...] = ()

    verb = "evaluate"
    _title = "Can it be trusted"
    _workers = 1

    @property
    def _count(self) -> int:
        return int(self.values.shape[2])

    def measures(self) -> list[str]:
        """Return what the measures are called: a metric's name, and its baseline where it has one."""
        pairs = zip(self.metrics, self.baselines, strict=True)
        return list(each_by_another_name(f"{name} {cover}".rstrip() for name, cover in pairs))

    def mean(self, measure: str | int, method: str | int) -> float:
        """Return the mean over the images.

        Args:
            measure: one of `measures()`, or its place.
            method: one of `methods`, or its place.
        """
        return float(mean_of(self.values[self._place(measure, method)]))

    def interval(self, measure: str | int, method: str | int) -> tuple[float, float] | None:
        """Return the bootstrap's 95 % interval of the mean, None of fewer than five images.

        Args:
            measure: as `mean` takes it.
            method: as `mean` takes it.
        """
        return interval_of(self.values[self._place(measure, method)])

    def chance(self, measure: str | int, method: str | int) -> dict[str, Array]:
        """Return what each null got, `(draws, N)` by its name; nothing where chance has no part.

        Args:
            measure: as `mean` takes it.
            method: as `mean` takes it.
        """
        values = self.null_values[self._place(measure, method)]
        kinds = dict.fromkeys(self.nulls)
        found = {kind: values[[name == kind for name in self.nulls]] for kind in kinds}
        return {kind: rows for kind, rows in found.items() if np.isfinite(rows).any()}

    def rank(self, measure: str | int, method: str | int) -> Rank | None:
        """Return a method's place among all nulls by the mean, None where there is no better or worse.

        Args:
            measure: as `mean` takes it.
            method: as `mean` takes it.
        """
        place = self._place(measure, method)
        nulls = [row for rows in self.chance(*place).values() for row in mean_of(rows)]
        ranked = nulls and self.better[place[0]] != "near 0"
        own = self.mean(*place)
        if not ranked or np.isnan(own):
            return None
        lower = self.better[place[0]] == "lower"
        before = sum(bool(null <= own) if lower else bool(null >= own) for null in nulls)
        return Rank(1 + before, 1 + len(nulls), sum(bool(null == own) for null in nulls))

    def _place(self, measure: str | int, method: str | int) -> tuple[int, int]:
        known = self.measures()
        if isinstance(measure, str):
            validate_choice("measure", measure, known)
            measure = known.index(measure)
        if isinstance(method, str):
            validate_choice("method", method, self.methods)
            method = self.methods.index(method)
        validate_choice("measure", measure, range(len(known)))
        validate_choice("method", method, range(len(self.methods)))
        return measure, method

    def tiles(self, *, image: int | None = None) -> list[Tile]:
        """Return for each measure its curves, where it has some, and its values beside the nulls'.

        Args:
            image: which of the images, from 0; by default the mean of all.

        Returns:
            Tiles.

        Raises:
            OptionError: if there is no such image.
        """
        images = list(self._wanted({"image": image}, self._count))
        return [tile for one in self._drawn(images) for tile in one]

    def _drawn(self, images: Sequence[int]) -> Iterator[list[Tile]]:
        for place, said in enumerate(self.titles):
            key = str(place)
            of = self._image_name(images[0]) if len(images) == 1 else self._counted(place, images)
            title = f"{self._called(place)} · {of}"
            made = []
            if key in self.curves:
                across, up = self.curve_axes[key]
                lines = self._lines(place, images)
                made.append(curves(
                    lines, title, across, up, at=self.curve_at[key], points=self.curve_points[key],
                    beside={*lines} - {*self.methods},
                ))  # fmt: skip
            if np.isfinite(self.values[place][:, images]).any():
                made.append(
                    dots(
                        self._dots(place, images), title, f"{said}: {self.better[place]} is better"
                    )
                )
            yield made

    def _counted(self, place: int, images: Sequence[int]) -> str:
        """Return of how many images a measure says something."""
        known = int(np.isfinite(self.values[place][:, images]).sum(axis=1).max())
        some = f"{known} of " if 0 < known < len(images) else ""
        return f"{some}{len(images)} image" + "s" * (len(images) > 1)

    def _called(self, place: int) -> str:
        baseline = self.baselines[place]
        return f"{self.titles[place]}{baseline and f', {baseline}'}"

    def _lines(self, place: int, images: Sequence[int]) -> dict[str, Array]:
        key = str(place)
        found = self.curves[key][:, images].mean(axis=1)
        lines = {
            name: line
            for name, line in zip(self.methods, found, strict=True)
            if np.isfinite(line).all()
        }
        nulls = self.null_curves.get(key)
        random = [at for at, name in enumerate(self.nulls) if name == self.nulls[0]]
        if nulls is not None and random:
            rows = nulls[:, random][:, :, images].mean(axis=(1, 2))
            lines.update(self._shared(f"{self.nulls[0]} maps", rows))
        return lines

    def _shared(self, said: str, rows: Array) -> list[tuple[str, Array]]:
        """Return what a null got by what it is called, each value once: of other classes it differs.

        Args:
            said: what the null is called.
            rows: `(methods, …)`, not finite where it has no part.
        """
        groups: dict[bytes, int] = {}
        for method, row in enumerate(rows):
            if np.isfinite(row).any():
                groups.setdefault(row.tobytes(), method)
        alone = len(groups) == 1
        return [
            (said if alone else f"{said}: {self.methods[method]}", rows[method])
            for method in groups.values()
        ]

    def _dots(self, place: int, images: Sequence[int]) -> list[Dot]:
        found = []
        for method, name in enumerate(self.methods):
            values = self.values[place, method, images]
            if np.isfinite(values).any():
                found.append(_dot(name, values[None]))
        for kind in dict.fromkeys(self.nulls):
            rows = self.null_values[place][:, [name == kind for name in self.nulls]][..., images]
            if not _is_own(kind):
                found += [_dot(said, row, null=True) for said, row in self._shared(kind, rows)]
        for method, name in enumerate(self.methods):
            for kind, rows in self.chance(place, method).items():
                if _is_own(kind):
                    said = f"{kind}: {name}" if len(self.methods) > 1 else kind
                    found.append(_dot(said, rows[:, images], null=True))
        return found

    def _across(self, tiles: list[Tile]) -> int:
        return 2 if any(tile.role == "curve" for tile in tiles[1:]) else 1

    def tables(self) -> list[Table]:
        """Return a table a measure: a method's mean, its interval, what the nulls got, its rank."""
        return [self._table(place) for place in range(len(self.metrics))]

    def _table(self, place: int) -> Table:
        kinds = list(
            dict.fromkeys(kind for m in range(len(self.methods)) for kind in self.chance(place, m))
        )
        rows = []
        for method, name in enumerate(self.methods):
            chance = self.chance(place, method)
            nulls = [_range(chance[kind]) if kind in chance else "" for kind in kinds]
            interval, rank = self.interval(place, method), self.rank(place, method)
            rows.append(
                (
                    name, _number(self.mean(place, method)),
                    f"{_number(interval[0])} to {_number(interval[1])}" if interval else "", *nulls,
                    str(rank) if rank else "",
                )
            )  # fmt: skip
        count = self._counted(place, range(self._count))
        caption = f"{self._called(place)}: {self.better[place]} is better; {count}"
        return Table(caption, ("method", "mean", "95 % interval", *kinds, "rank"), rows)

    def _facts(self) -> dict[str, Any]:
        names = np.array(self.class_names, object).reshape(self.classes.shape)
        return {
            "images": [
                {
                    "name": self._image_name(image),
                    "values": [
                        {
                            "metric": self.metrics[place], "baseline": self.baselines[place] or None,
                            "method": name,
                            "class": class_facts(
                                self.classes[method, image], names[method, image],
                                self.scores[method, image], False,
                            ),
                            "value": self.values[place, method, image],
                            "nulls": {
                                kind: rows[:, image]
                                for kind, rows in self.chance(place, method).items()
                            },
                        }
                        for place in range(len(self.metrics))
                        for method, name in enumerate(self.methods)
                    ],
                }
                for image in range(self._count)
            ],
            "measures": [
                {
                    "metric": self.metrics[place], "baseline": self.baselines[place] or None,
                    "method": name, "better": self.better[place],
                    "images": int(np.isfinite(self.values[place, method]).sum()),
                    "mean": self.mean(place, method),
                    "interval": self.interval(place, method), "rank": self.rank(place, method),
                    "nulls": {
                        kind: mean_of(rows) for kind, rows in self.chance(place, method).items()
                    },
                }
                for place in range(len(self.metrics))
                for method, name in enumerate(self.methods)
            ],
        }  # fmt: skip

    def _rows(self) -> list[dict[str, Any]]:
        rows = []
        for place in range(len(self.metrics)):
            for method, name in enumerate(self.methods):
                what = {
                    "metric": self.metrics[place], "baseline": self.baselines[place], "method": name,
                }  # fmt: skip
                every = {"": self.values[place, method][None], **self.chance(place, method)}
                for kind, found in every.items():
                    rows += [
                        {
                            "image": self._image_name(image),
                            **what,
                            "null": kind,
                            "draw": draw,
                            "value": value,
                        }
                        for draw, row in enumerate(found)
                        for image, value in enumerate(row.tolist())
                    ]
        return rows

    def _pictures(self, **options: Any) -> list[Picture]:
        images = list(self._wanted(options, self._count))
        pictures: list[Picture] = []
        measures = [measure.replace(" ", "_") for measure in self.measures()]
        for place, tiles in enumerate(self._drawn(images)):
            # The last of a measure's pictures are its values; one that says nothing has none.
            for what, tile in zip(("curves", "values")[2 - len(tiles) :], tiles, strict=True):
                file = f"{place + 1:02}_{slug(measures[place])}_{what}.png"
                pictures.append((file, functools.partial(self._png, tile)))
        return pictures


def _is_own(kind: str) -> bool:
    """Return whether a null is made of a method's own map."""
    return kind in (INVERTED, ANOTHER)


def _dot(name: str, values: Array, *, null: bool = False) -> Dot:
    interval, means = interval_of(values.mean(axis=0)), mean_of(values)
    if interval is None and len(values) > 1:
        interval = float(means.min()), float(means.max())
    return Dot(sanitise(name, 48), float(means.mean()), interval, null)


def _number(value: float) -> str:
    return told_number(value) if np.isfinite(value) else ""


def _range(values: Array) -> str:
    """Return the mean of a null, and from which draw to which it went."""
    means = mean_of(values)
    if len(means) == 1:
        return _number(means[0])
    return f"{_number(means.mean())} ({_number(means.min())} to {_number(means.max())})"
