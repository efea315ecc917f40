"""kernels: a layer's kernels, as the report packs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz.errors import LayerError
from kviz.look import weights
from kviz.reports import blobs
from kviz.reports.parts import Parts
from kviz.serve.ask import Ask, Turn
from kviz.serve.message import Message


@dataclass(frozen=True, kw_only=True)
class Kernels(Ask):
    """A layer's kernels."""

    layer: Any

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        side = turn.side
        info = side.info(self.layer)
        parts = Parts(
            network=side.network,
            names=(),
            layers=side.table,
            weights=weights(side.network, info.path),
        )
        made = [one for one in blobs.kernels(parts, bytes) if one.layer == info.path]
        if not made:
            raise LayerError(f"Layer {sanitise(info.path)!r} has no kernels that are drawn.")
        # Of several the last makes its channels, as in a page.
        told = {key: value for key, value in made[-1].told.items() if key != "blob"}
        head = {**told, "layer": info.path}
        return Message(head, {"kernels": np.frombuffer(made[-1].text, np.uint8)})
