"""weights: what each channel of a layer counts for a class: Grad-CAM's weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz.attribution.options import option
from kviz.engine.passes import Passes
from kviz.inputs import looked_at
from kviz.scores import ClassScore
from kviz.serve.ask import Ask, Turn, validate_class
from kviz.serve.message import Message


@dataclass(frozen=True, kw_only=True)
class ChannelWeights(Ask):
    """The weights of a layer's channels."""

    photo: str
    layer: Any
    class_index: Any = option(None, check=validate_class)

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        side, photo = turn.side, turn.photo(self.photo)
        info = side.info(self.layer)
        classes, explained = side.explained(photo, self.class_index)
        network = side.network
        pixels = network.pixels(side.fitted(photo).pixels)
        specs = network.specs(pixels)
        passes = Passes(network.engine, ClassScore(None), pixels, looked_at(pixels, specs, None))
        _, _, chunk = next(network.engine.chunks(pixels, 1))
        rows = []
        for index in classes:
            target = np.full(len(chunk[0]), index, np.int32)
            _, ((_, gradient),), _ = passes.layer_gradient(chunk, target, info.path)
            array = np.asarray(gradient, np.float64)[0]
            rows.append(array.reshape(-1, array.shape[-1]).mean(axis=0))
        label = side.predictions(photo).label
        head = {
            "photo": photo.id,
            "layer": info.path,
            "classes": [
                {"index": index, "name": label(index), "rival": place >= explained}
                for place, index in enumerate(classes)
            ],
        }
        return Message(head, {"weights": np.array(rows, np.float32)})
