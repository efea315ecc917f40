"""Statistics of a data set, a layer each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kviz._checks import sanitise, suggest, validate_int
from kviz._types import Array
from kviz.arrays import stretched
from kviz.draw.charts import charted
from kviz.draw.counts import Matrix, Steps
from kviz.draw.numbers import told_number, told_range
from kviz.draw.tables import Table
from kviz.errors import LayerError, OptionError
from kviz.files import slug
from kviz.results.activations import Activations, Scale
from kviz.results.made_by import MadeBy
from kviz.results.result import Picture, Result
from kviz.results.statistic import Statistic
from kviz.tiles import Tile

# What has an axis of these is a picture, and too many numbers to tell.
_PICTURED = {"x", "y", "z", "with channel"}


@dataclass(frozen=True, eq=False, repr=False)
class Statistics(Result, Mapping[str, Mapping[str, Statistic]]):
    """What reductions found of a data set: a mapping from layer path to statistics by name.

    Attributes:
        layers: statistics by name, by layer path.
        kinds: the layers' classes by path, such as `"Conv2D"`; of what is no layer, nothing.
        predicted: statistics of what the model predicts, by name: `"confusion"`.
        count: how many images they are of.
        class_names: what classes are called, in order; may be empty.
        made_by: versions, model, layers and settings that made it.
        notes: what every picture should be read with.

    >>> mean = Statistic({"mean": np.zeros(2)}, {"mean": ("channel",)})
    >>> Statistics({"conv1": {"moments": mean}})["conv1"]["moments"].mean.tolist()
    [0.0, 0.0]
    """

    layers: dict[str, dict[str, Statistic]]
    kinds: dict[str, str] = field(default_factory=dict)
    predicted: dict[str, Statistic] = field(default_factory=dict)
    count: int = 0
    class_names: tuple[str, ...] = ()
    made_by: MadeBy = field(default_factory=MadeBy)
    notes: tuple[str, ...] = ()

    verb = "activations"
    _title = "Statistics"

    def __getitem__(self, path: str) -> dict[str, Statistic]:
        if path not in self.layers:
            raise LayerError(
                f"There are no statistics of {sanitise(repr(path))}. {suggest(str(path), self.layers)}"
            )
        return self.layers[path]

    def __contains__(self, path: object) -> bool:
        return path in self.layers

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def _class(self, index: int) -> str:
        return self.class_names[index] if index < len(self.class_names) else f"class {index}"

    def tiles(
        self,
        layer_name: str | None = None,
        *,
        statistic: str | None = None,
        channel: int | None = None,
    ) -> list[Tile]:
        """Return a picture of each statistic that is clearer as one.

        A layer's histogram is of all its channels together. Mean maps are a mosaic of channels for each
        class; where there is one channel, a mosaic of classes.

        Args:
            layer_name: one layer; by default all, and what there is of predictions.
            statistic: one statistic's name; by default all.
            channel: one channel's histogram alone.

        Returns:
            Tiles; none where all are numbers without a picture, as moments are.

        Raises:
            LayerError: if there are no statistics of that layer.
            OptionError: if there is no such statistic or channel.
        """
        names = {name for found in (*self.layers.values(), self.predicted) for name in found}
        if statistic is not None and statistic not in names:
            raise OptionError(
                f"There is no statistic {sanitise(repr(statistic))} here. {suggest(statistic, names)}"
            )
        paths = list(self.layers) if layer_name is None else [layer_name]
        found = [(path, name, one) for path in paths for name, one in self[path].items()]
        if layer_name is None:
            found += [("", name, one) for name, one in self.predicted.items()]
        return [
            tile
            for path, name, one in found
            if statistic in (None, name)
            for tile in self._drawn(path, name, one, channel)
        ]

    def _drawn(self, path: str, name: str, one: Statistic, channel: int | None) -> list[Tile]:
        title = " · ".join(filter(None, [sanitise(path, 120), name.replace("_", " ")]))
        if one.drawn == "histogram":
            return [_histogram(one, title, channel)]
        if one.drawn == "bars":
            return [_shares(one, title)]
        if one.drawn == "maps":
            return self._maps(one, path, title)
        if one.drawn == "matrix":
            return [self._matrix(one, title)]
        return []

    def _maps(self, one: Statistic, path: str, title: str) -> list[Tile]:
        _, maps = one.main
        names = tuple(map(self._class, range(len(maps)))) if len(maps) > 1 else ("all images",)
        if maps.shape[-1] == 1 and len(maps) > 1:
            # Of one channel each, classes are what is compared.
            maps, names = np.moveaxis(maps, 0, -1)[..., 0, :][None], ("a panel a class",)
        kinds = {path: self.kinds.get(path) or "maps"}
        drawn = Activations({path: maps.astype(np.float32)}, kinds)
        scale: Scale = "layer" if names == ("a panel a class",) else "channel"
        tiles = [drawn.tiles(path, image=place, scale=scale)[0] for place in range(len(maps))]
        return [
            replace(tile, title=f"{title} · {sanitise(name, 40)}")
            for tile, name in zip(tiles, names, strict=True)
        ]

    def _matrix(self, one: Statistic, title: str) -> Tile:
        value, matrix = one.main
        axes = one.axes[value]
        if "class" not in axes:
            return _plain(matrix, title, axes)
        classes = [self._class(index) for index in range(len(matrix))]
        if "prediction" in axes:
            share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
            right = int(np.trace(matrix))
            whole = int(matrix.sum())
            told = f"{right} of {whole} on the diagonal ({100 * right / max(whole, 1):.2f} %)"
            detail = f"{told} · colours: the share of its class"
            chart = Matrix(share, classes, classes, "class", "prediction", matrix)
            alt = f"{title}: {len(matrix)} true classes down, predicted classes across; {told}."
            return charted(chart, title, detail, alt, limits=(0.0, 1.0))
        low, high = _range(matrix)
        # NaN, a class without images, is drawn as the smallest.
        span = high - low if high > low else 1.0
        chart = Matrix((matrix - low) / span, classes, (), "class", "channel")
        alt = f"{title}: {' by '.join(axes)}, from {told_range(low, high)}."
        detail = f"colours from {told_range(low, high)}"
        return charted(chart, title, detail, alt, limits=(low, low + span))

    def tables(self) -> list[Table]:
        """Return a table a reduction, a row per layer: ranges over channels, and sums of counts."""
        made = []
        for name in dict.fromkeys(name for found in self.layers.values() for name in found):
            rows = [
                (path, self.kinds.get(path, ""), *_cells(found[name]).values())
                for path, found in self.layers.items()
                if name in found
            ]
            told = next(found[name] for found in self.layers.values() if name in found)
            headers = ("layer", "kind", *_cells(told))
            caption = self._caption(name)
            made.append(Table(caption, headers, rows))
        return made + [self._class_table(name, one) for name, one in self.predicted.items()]

    def _class_table(self, name: str, one: Statistic) -> Table:
        _, counts = one.main
        rows: list[tuple[Any, ...]] = []
        for index, row in enumerate(counts):
            others = np.where(np.arange(len(row)) == index, -1, row)
            taken = int(others.argmax()) if others.max() > 0 else None
            share = f"{100 * row[index] / row.sum():.2f} %" if row.sum() else ""
            wrong = "" if taken is None else f"{self._class(taken)} ({row[taken]})"
            rows.append((self._class(index), row.sum(), row[index], share, wrong))
        headers = ("class", "images", "right", "share", "most often classified as")
        return Table(self._caption(name), headers, rows)

    def _caption(self, name: str) -> str:
        images = f"{self.count} image{'s' * (self.count != 1)}"
        return f"{name.replace('_', ' ').capitalize()} of {images}"

    def _facts(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "layers": [
                {"path": path, "kind": self.kinds.get(path, ""), "statistics": _told(found)}
                for path, found in self.layers.items()
            ],
            "predicted": _told(self.predicted),
        }

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"layer": path, "kind": self.kinds.get(path, ""), "channel": channel}
            | {key: values[channel] for key, values in columns.items()}
            for path, found in self.layers.items()
            for columns in [_columns(found)]
            for channel in range(max(map(len, columns.values()), default=0))
        ]

    def to_frame(self) -> Any:
        """Return what is told of each channel as a `pandas.DataFrame`, a row per layer and channel.

        A column is named after a statistic and its value, as `moments_mean`; of what is ranked, the
        first is told.

        Raises:
            OptionError: if pandas is not installed.
        """
        return super().to_frame()

    def _pictures(self, **options: Any) -> list[Picture]:
        tiles = self.tiles(**options)
        if not tiles:
            raise OptionError(
                "None of these statistics has a picture. Save them as numbers, to a file ending "
                "in .npz."
            )

        def picture(place: int, tile: Tile) -> Picture:
            return f"{place:03}_{slug(tile.title)}.png", lambda: self._png(tile)

        return [picture(place, tile) for place, tile in enumerate(tiles, 1)]


def _cells(one: Statistic) -> dict[str, str]:
    """Return what a table tells of a statistic, by header."""
    cells = {}
    main, _ = one.main
    for name, array in one.values.items():
        if "axis" in one.axes[name] or ("rank" in one.axes[name] and name != main):
            continue  # where the best ones are is told one by one
        kept = array[:, :1] if one.axes[name] == ("channel", "rank") else array
        if not _PICTURED.isdisjoint(one.axes[name]) or "edge" in one.axes[name]:
            cells[name] = " × ".join(map(str, array.shape))
        elif name == "not_finite" or one.axes[name] == ():
            cells[name] = f"{array.sum()}"
        else:
            low, high = _range(kept)
            cells[name] = told_number(low) if low == high else told_range(low, high)
    return {name.replace("_", " "): cell for name, cell in cells.items()}


def _told(found: Mapping[str, Statistic]) -> dict[str, Any]:
    return {
        name: {
            "settings": one.settings,
            **{
                key: array
                for key, array in one.values.items()
                if _PICTURED.isdisjoint(one.axes[key])
            },
        }
        for name, one in found.items()
    }


def _columns(found: Mapping[str, Statistic]) -> dict[str, Array]:
    """Return what there is of each channel: `(channels,)` each."""
    columns = {}
    for name, one in found.items():
        for key, array in one.values.items():
            if one.axes[key] == ("channel",):
                columns[f"{name}_{key}"] = array
            elif one.axes[key] == ("channel", "rank") and array.shape[1]:
                columns[f"{name}_{key}"] = array[:, 0]
    return columns


def _range(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _histogram(one: Statistic, title: str, channel: int | None) -> Tile:
    _, counts = one.main
    outside = sum(one.values[side] for side in ("below", "above") if side in one.values)
    outside = np.broadcast_to(outside, len(counts))
    if channel is not None:
        channel = validate_int("channel", channel, 0)
        if channel >= len(counts):
            raise OptionError(f"There are channels 0 to {len(counts) - 1}. Received: {channel}")
        counts, outside = counts[channel : channel + 1], outside[channel : channel + 1]
        title += f" · channel {channel}"
    whole, edges = counts.sum(0).astype(float), one.values["edges"]
    detail = f"{whole.sum():.0f} values"
    if outside.any():
        detail += f" · {outside.sum()} lie outside"
    alt = (
        f"{title}: {len(whole)} bins from {told_range(edges[0], edges[-1])}, most of it in "
        f"the one from {told_number(edges[whole.argmax()])}; {detail}."
    )
    chart = Steps(whole, edges, "value", "count", log=True)
    return charted(chart, title, detail, alt)


def _shares(one: Statistic, title: str) -> Tile:
    name, shares = one.main
    shares = np.sort(np.nan_to_num(shares.astype(float)))[::-1]
    whole = int((shares >= 1).sum())
    detail = f"mean {100 * shares.mean():.1f} % · {whole} of {len(shares)} channels are always zero"
    chart = Steps(100 * shares, np.arange(len(shares) + 1.0), "channels, most first", f"{name}, %")
    alt = f"{title}, channels sorted: from {told_range(shares[0], shares[-1], 3)}; {detail}."
    return charted(chart, title, detail, alt)


def _plain(matrix: Array, title: str, axes: tuple[str, ...]) -> Tile:
    low, high = _range(matrix)
    signed = low < 0
    if signed:
        low, high = -max(-low, high), max(-low, high)
    return Tile(
        levels=stretched(matrix, low, high),
        title=title,
        detail=f"{' × '.join(map(str, matrix.shape))} · colours from {told_range(low, high)}",
        alt=f"{title}: {' by '.join(axes)}, from {told_range(low, high)}.",
        cmap="bwr" if signed else "viridis",
        limits=(low, high) if high > low else None,
    )
