"""attribution: which pixels decide, by a method, for one class or several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.attribution import method_named
from kviz.attribution.options import option
from kviz.errors import LayerError, OptionError
from kviz.reports import blobs
from kviz.serve.ask import Ask, Turn, validate_class
from kviz.serve.message import Message, as_bytes
from kviz.shelf import METHODS

# A method of more passes than these is a job.
_FEW = 4


def _options(_: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OptionError(f"options takes names and values. Received: {sanitise(repr(value))}")
    return value


def takes_many_passes(method: str) -> bool:
    """Return whether a method takes many passes of one photo, or nobody knows how many.

    Args:
        method: its name.

    Raises:
        OptionError: if there is no such method.

    >>> takes_many_passes("grad_cam"), takes_many_passes("rise")
    (False, True)
    """
    card = METHODS.card(method)
    forward, backward = card.count(card.forward), card.count(card.backward)
    return forward is None or backward is None or forward + backward > _FEW


@dataclass(frozen=True, kw_only=True)
class AskAttribution(Ask):
    """A method's map of a photo."""

    photo: str
    method: str
    class_index: Any = option(None, check=validate_class)
    options: Any = option(default_factory=dict, check=_options)
    seed: int = option(0, least=0)

    @property
    def takes_long(self) -> bool:
        """Whether the method takes many passes."""
        return takes_many_passes(self.method)

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        side, photo = turn.side, turn.photo(self.photo)
        method = method_named(self.method, **self.options)
        found, classes, explained = side.attribution(
            photo, method, self.class_index, seed=self.seed, progress=turn.progress
        )
        parts = side.parts(
            photo,
            attributions={self.method: found},
            predictions=side.predictions(photo),
            classes=[classes],
            explained=explained,
        )
        made = blobs.attributions(parts, math.inf, bytes)
        if not made.told:
            raise LayerError("The method's maps are no pictures.")
        (told,) = made.told
        data = made.texts[told.pop("blob")]
        shape = found.maps.shape[1:]
        head = {**told, "photo": photo.id, "title": found.title, "notes": list(found.notes)}
        arrays: dict[str, Array] = {"maps": np.frombuffer(data, "<f4").reshape(shape)}
        if self.class_index is None:
            # Where the evidence is, is known now.
            answered = side.answer(photo, {self.method: found})
            head |= {"answer": answered.answer}
            arrays["card"] = as_bytes(answered.card)
        return Message(head, arrays)
