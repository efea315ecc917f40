"""maps: a layer's maps of a photo, a byte a value, as the report packs them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kviz.errors import LayerError
from kviz.reports import blobs
from kviz.serve.ask import Ask, Turn
from kviz.serve.message import Message


@dataclass(frozen=True, kw_only=True)
class Maps(Ask):
    """A layer's maps."""

    photo: str
    layer: Any

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        side = turn.side
        info = side.info(self.layer)
        photo = turn.photo(self.photo)
        found = side.maps(photo, info.path, turn.progress)
        alone = replace(found, maps={info.path: found[info.path]})
        parts = side.parts(
            photo,
            activations=alone,
            predictions=side.predictions(photo),
            class_layers=side.class_layers(photo),
        )
        made = blobs.layers(parts, math.inf, bytes)
        if not made.told:
            raise LayerError("Maps of volumes are not drawn on a page.")
        (told,), (data,) = made.told, made.texts.values()
        head = {**told, "photo": photo.id}
        return Message(head, {"maps": np.frombuffer(data, np.uint8)})
