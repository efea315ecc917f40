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
        made = blobs.layers(side.parts(photo, activations=alone), math.inf, bytes)
        if not made.told:
            raise LayerError("Maps of volumes are not drawn on a page.")
        (told,), (section,) = made.told, made.sections
        (data,) = made.texts.values()
        head = {**told, "photo": photo.id, **{key: section[key] for key in ("empty", "bad")}}
        return Message(head, {"maps": np.frombuffer(data, np.uint8)})
