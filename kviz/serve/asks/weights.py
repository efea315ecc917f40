"""weights: what each channel of a layer weighs for a class: Grad-CAM's weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz.attribution.options import option
from kviz.errors import LayerError
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
        found = side.channel_weights(photo, self.class_index)
        if info.path not in found:
            raise LayerError(f"Layer {sanitise(info.path)!r} has no channels that are shown.")
        label = side.predictions(photo).label
        head = {
            "photo": photo.id,
            "layer": info.path,
            "classes": [
                {"index": index, "name": label(index), "rival": place >= explained}
                for place, index in enumerate(classes)
            ],
        }
        return Message(head, {"weights": np.ascontiguousarray(found[info.path], np.float32)})
