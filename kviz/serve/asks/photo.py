"""photo: a photo is sent, or asked for again: what the model is given of it, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from kviz._checks import sanitise
from kviz.attribution.options import option
from kviz.errors import OptionError
from kviz.serve.ask import Ask, Turn, validate_size_option
from kviz.serve.message import Message, as_bytes
from kviz.serve.photos import NAME_LENGTH, Photo, photo_from

# Smaller photos are enlarged without smoothing.
_TINY = 128


def _name(_: str, value: Any) -> str:
    if not isinstance(value, str):
        raise OptionError(f"name takes a text. Received: {sanitise(repr(value))}")
    # Some browsers tell the folder too.
    return sanitise(value.replace("\\", "/").rpartition("/")[2], NAME_LENGTH) or "photo"


def _box(_: str, value: Any) -> Any:
    if value is None:
        return None
    fits = isinstance(value, list | tuple) and len(value) == 4
    if not fits or not all(type(x) in (int, float) and abs(x) < 1e6 for x in value):
        raise OptionError(
            f"box takes left, top, right and bottom in pixels. Received: {sanitise(repr(value))}"
        )
    return tuple(map(float, value))


@dataclass(frozen=True, kw_only=True)
class AskPhoto(Ask):
    """A photo and what the model answers."""

    photo: str | None = None
    name: str | None = option(None, check=lambda name, value: value and _name(name, value))
    box: Any = option(None, check=_box)
    fit: Literal["crop", "pad", "stretch"] | None = None
    size: Any = option(None, check=validate_size_option)
    transient: bool = False

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        photo = self._photo(turn)
        side = turn.side
        fitted = side.fitted(photo)
        # What cannot be looked at is not kept either.
        turn.session.keep(photo)
        predictions = side.predictions(photo, turn.progress)
        scores = predictions.scores[0]
        arrays = {"scores": scores}
        picture = fitted.picture
        if picture is not None:
            arrays["pixels"] = np.ascontiguousarray(picture)
        if fitted.is_part and not photo.transient:
            arrays["original"] = np.ascontiguousarray(photo.preview())
        height, width = fitted.size
        told = side.answer(photo)
        arrays["card"] = as_bytes(told.card)
        head = {
            "photo": photo.id,
            "name": photo.name,
            "width": width,
            "height": height,
            "tiny": max(height, width) < _TINY,
            "original": dict(zip(("width", "height"), fitted.extent, strict=True)),
            "box": fitted.box and list(fitted.box),
            "transient": photo.transient,
            "predictions": {"classes": told.classes, "quantity": predictions.quantity},
            "answer": told.answer,
            "notes": list(dict.fromkeys([*fitted.notes, *predictions.notes])),
        }
        return Message(head, arrays)

    def _photo(self, turn: Turn) -> Photo:
        cut: dict[str, Any] = {"box": self.box, "size": self.size}
        cut |= {"name": self.name, "fit": self.fit}
        given = {key: value for key, value in cut.items() if value is not None}
        if self.photo is None:
            return photo_from(
                {"name": "photo", **given, "transient": self.transient}, dict(turn.arrays)
            )
        known = turn.photo(self.photo)
        # Another fit is one of the whole photo.
        if self.fit is not None:
            given = {"box": None, **given}
        return replace(known, **given) if given else known
