"""best_patches: what of a data set excites a channel most, cut out of its images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.arrays import is_picture, photo_of, pixel_span
from kviz.attribution.options import option
from kviz.errors import KvizError, OptionError
from kviz.serve.ask import Ask, Turn
from kviz.serve.message import Message
from kviz.serve.patches import field_of

_MOST = 32


@dataclass(frozen=True, kw_only=True)
class BestPatches(Ask):
    """The best patches of a channel."""

    layer: Any
    channel: int = option(least=0)
    count: int = 9

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        data, info = turn.session.data, turn.side.info(self.layer)
        if data is None:
            raise OptionError("There is no data set: kviz serve --data STORE has one.")
        best = data.best(info.path, self.channel)[: min(self.count, _MOST)]
        patches, arrays = [], {}
        for place, (name, value, row, column, item) in enumerate(best):
            seen = field_of(info, row, column)
            told = {"value": value, "name": sanitise(name, 120), "row": row, "column": column}
            pixels = None if item is None or seen is None else _pixels(turn, item)
            if pixels is not None and seen is not None:
                cut = _cut(pixels, seen)
                told |= {"height": cut.shape[0], "width": cut.shape[1]}
                arrays[f"patch-{place}"] = cut
            patches.append(told)
        return Message({"layer": info.path, "channel": self.channel, "patches": patches}, arrays)


def _pixels(turn: Turn, item: Any) -> Array | None:
    """Return an image as the model is given it, RGB; None where it cannot be had any more."""
    try:
        pixels = turn.session.data.pixels(item, turn.side.network)[None]
    except (KvizError, OSError):
        return None
    return photo_of(pixels[0], pixel_span(pixels)) if is_picture(pixels) else None


def _cut(pixels: Array, seen: dict[str, Any]) -> Array:
    """Return what a unit sees, as far as it lies within the image."""
    spans = []
    for key, size, length in (("top", "height", 0), ("left", "width", 1)):
        first = int(np.floor(seen[key]))
        most = pixels.shape[length]
        start = min(max(first, 0), most - 1)
        spans.append(slice(start, max(start + 1, min(first + seen[size], most))))
    return np.ascontiguousarray(pixels[tuple(spans)])
