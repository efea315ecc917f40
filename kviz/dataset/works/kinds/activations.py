"""activations over a data set: layers' maps, one number per channel of them, or statistics alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz import look, results
from kviz._checks import validate_choice
from kviz._types import Array, Selector
from kviz.dataset.reductions import Seen, states_in_graph
from kviz.dataset.store.slices import Slice
from kviz.dataset.store.states import States
from kviz.dataset.works.work import Batch, Found, Step, Work
from kviz.engine.activation_model import Pooling, maps_of, pooled
from kviz.engine.backend import tf
from kviz.engine.layers import selector_key
from kviz.errors import LayerError
from kviz.network.network import Network


@dataclass(frozen=True, kw_only=True)
class Activations(Work):
    """The feature maps of layers for each image, or what is computed of them.

    Args:
        layer_names: as `kviz.activations` takes it, by default every Conv2D and MaxPooling2D.
        pooling: `"avg"` or `"max"` over space: one number per channel; None for maps.
        statistics: of the maps, computed where they are; then maps are kept only if `pooling` is
            given.
    """

    layer_names: Selector = None
    pooling: Pooling = None

    def __post_init__(self) -> None:
        super().__post_init__()
        validate_choice("pooling", self.pooling, ("avg", "max", None))

    def begin(self, network: Network, batch_size: int) -> Step:
        """Return what looks at a batch."""
        # Their names, so that what is not there is said now; a model of free sizes has none yet.
        if network.input_shapes is not None and not network.engine.needs_sizes:
            network.layers.select(self.layer_names, maps=True)

        def step(batch: Batch) -> Found:
            pixels = network.pixels(batch.pixels)
            function, infos = self._compiled(network, pixels)

            def looked(at_once: int) -> list[tuple[list[Array], States]]:
                parts = []
                for start, stop, chunk in network.engine.chunks(pixels, at_once):
                    seen = _padded(batch, start, stop, len(chunk[0]))
                    maps, states = network.engine.run(function, [*chunk, *seen])
                    parts.append(
                        (
                            [np.asarray(memoryview(one))[: stop - start] for one in maps],
                            tf.nest.map_structure(lambda one: one.numpy(), states),
                        )
                    )
                return parts

            found = network.engine.fitting(batch_size, looked)
            paths = [path for path, _ in infos]
            arrays = {}
            if self._keeps:
                columns = zip(*(maps for maps, _ in found), strict=True)
                arrays = {
                    path: parts[0] if len(parts) == 1 else np.concatenate(parts)
                    for path, parts in zip(paths, columns, strict=True)
                }
                _check_sizes(arrays)
            states: States = found[0][1]
            for _, more in found[1:]:
                states = self.merged(states, more)
            return Found(arrays, {}, states, {"kinds": dict(infos)}, network.notes)

        return step

    @property
    def _keeps(self) -> bool:
        return not self.reductions or self.pooling is not None

    def _compiled(self, network: Network, pixels: Mapping[str, Array]) -> Any:
        """Return a function of an array per input and what is seen, and the layers' paths and kinds."""
        engine, specs = network.engine, network.specs(pixels)
        names = selector_key(self.layer_names)

        def run(*arguments: Any) -> Any:
            given = dict(zip(specs, arguments[: len(specs)], strict=True))
            seen = Seen(*arguments[len(specs) :])
            traced = engine.traced(given)
            infos = engine.table(traced).select(names, maps=True)
            maps = maps_of(traced, infos)
            states = {
                info.path: states_in_graph(self.reductions_of(info.path), one, seen)
                for info, one in zip(infos, maps, strict=True)
                if self.reductions
            }
            kept = [pooled(tf.cast(one, tf.float32), self.pooling) for one in maps if self._keeps]
            return (kept, states), [(info.path, info.kind) for info in infos]

        rows = (engine.fixed_batch,)
        more = [tf.TensorSpec(rows, dtype) for dtype in (tf.int64, tf.int32, tf.int32, tf.bool)]
        reductions = repr((self.reductions, dict(self.settled)))
        key = ("dataset.activations", names, self.pooling, self._keeps, reductions)
        return engine.noted(key, run, [*specs.values(), *more])

    @staticmethod
    def result(rows: Slice) -> results.Activations:
        """Return `Activations`, without the images; what was pooled has one cell."""
        kinds = rows.constants["kinds"]
        one_cell = rows.settings.get("pooling") is not None
        maps = {}
        for path in kinds:
            array = rows.arrays[path].astype(np.float32, copy=False)
            maps[path] = array[:, None, None] if one_cell else array
        return results.Activations(
            maps=maps, kinds=dict(kinds), names=rows.names, made_by=rows.made_by, notes=rows.notes
        )


def _padded(batch: Batch, start: int, stop: int, size: int) -> list[Array]:
    """Return rows, labels, predictions and validity of some images, repeated to fill a fixed batch."""
    places = np.minimum(np.arange(start, start + size), stop - 1)
    return [
        batch.rows[places],
        batch.labels[places],
        np.full(size, -1, np.int32),
        np.arange(start, start + size) < stop,
    ]


def _check_sizes(arrays: Mapping[str, Array]) -> None:
    for path, array in arrays.items():
        if 0 in array.shape:
            raise LayerError(look.too_small(path))
