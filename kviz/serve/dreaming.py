"""What the asks share that synthesise a picture: it arrives step by step, and is told of in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kviz._types import Array, Progress
from kviz.errors import ImageError
from kviz.results import Synthesis
from kviz.serve.ask import Turn
from kviz.serve.message import Message
from kviz.synthesis._ascent import watched


def rgb(levels: Array) -> Array:
    """Return one picture, uint8 `(H, W, 1 or 3)`, as RGB.

    Raises:
        ImageError: if it is none.

    >>> rgb(np.zeros((2, 2, 1), np.uint8)).shape
    (2, 2, 3)
    """
    if levels.ndim != 3 or levels.shape[-1] not in (1, 3):
        raise ImageError(
            "The model takes neither grey nor colour photos, so that what is made for it is no picture."
        )
    return np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3)))


def arriving(turn: Turn, dream: Callable[[Progress], Synthesis]) -> Synthesis:
    """Return what is dreamt, shown on its way.

    Args:
        turn: who is shown it.
        dream: runs the verb, given what it tells how far it is.
    """
    shown: dict[str, Array] = {}

    def show(pictures: Array) -> None:
        if pictures.ndim == 4 and pictures.shape[-1] in (1, 3):
            shown["picture"] = rgb(pictures[0])

    with watched(show):
        return dream(lambda done, total: turn.tell(done, total, shown))


def dreamt(found: Synthesis, **more: Any) -> Message:
    """Return the reply of one picture that was synthesised.

    Args:
        found: the one.
        **more: what else the head has.
    """
    head = {
        "label": found.labels[0],
        "arrived": bool(found.arrived[0]),
        "scores": found.scores[:, 0].tolist(),
        "notes": list(found.notes),
        **more,
    }
    return Message(head, {"picture": rgb(found.pixels[0])})
