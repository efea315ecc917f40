"""A data set behind a session: a store's best cells of each channel, and the images they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz._types import Array
from kviz.dataset import open as open_store
from kviz.dataset.sources import as_source
from kviz.dataset.sources.decode import decode
from kviz.errors import LayerError, OptionError
from kviz.images import wanted_by
from kviz.network.network import Network


class Data:
    """A store with the statistic `top_k`, and its source where it is known.

    Args:
        store: its folder.
        source: the data set that it is of, as `kviz.dataset.run` takes it, or None.

    Raises:
        OutputError: if the store cannot be read.
        OptionError: if it holds no best cells, or is of another data set.
    """

    def __init__(self, store: str | Path, source: Any = None) -> None:
        self._store = open_store(store)
        statistics = self._store.statistics()
        self._best = {
            path: next(
                one for one in found.values() if {"value", "row", "place"} <= set(one.values)
            )
            for path, found in statistics.items()
            if any({"value", "row", "place"} <= set(one.values) for one in found.values())
        }
        if not self._best:
            raise OptionError(
                f"{sanitise(Path(store).name, 80)} holds no best cells: kviz run activations … "
                "--statistic top_k keeps them."
            )
        self._source = None if source is None else as_source(source)
        plan = self._store.plan.get("source", {})
        if self._source is not None and self._source.fingerprint != plan.get("fingerprint"):
            raise OptionError(
                f"The store is of another data set, or its files have changed. "
                f"{spelled('source')} takes the one that it was made of."
            )

    def best(self, path: str, channel: int) -> list[tuple[str, float, int, int, Any]]:
        """Return name, value, row and column of a channel's best cells, and the image, best first.

        Args:
            path: the layer's.
            channel: which.

        Raises:
            LayerError: if nothing is known of the layer.
            OptionError: if it has no such channel.
        """
        if path not in self._best:
            raise LayerError(f"The data set's store knows nothing of layer {sanitise(path)!r}.")
        found = self._best[path]
        if channel >= len(found.row):
            raise OptionError(f"There are channels 0 to {len(found.row) - 1}. Received: {channel}")
        made = []
        for rank, row in enumerate(found.row[channel].tolist()):
            if row < 0:
                continue
            place = found.place[channel, rank].tolist()
            # A signal is one row; what has no positions, one cell.
            across = [0, 0, *place][-2:]
            (name,) = self._store.slice([row]).names
            item = None
            if self._source is not None:
                item = next(iter(self._source.items(row, row + 1)))
            made.append((name, float(found.value[channel, rank]), *across, item))
        return made

    def pixels(self, item: Any, network: Network) -> Array:
        """Return an image as the model was given it.

        Args:
            item: as `best` gives it.
            network: the model.
        """
        settings = self._store.plan.get("settings", {})
        size = settings.get("target_size") or (None, None)
        wanted = wanted_by(
            network,
            fit=settings.get("fit", "crop"),
            target_size=None if None in size else tuple(size),
            bands=settings.get("bands"),
        )
        shapes = network.input_shapes
        return decode(item, wanted, tuple(shapes[0]) if shapes else None)
