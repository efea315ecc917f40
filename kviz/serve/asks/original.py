"""original: the photo itself, as small as it can be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kviz.errors import ImageError
from kviz.serve.ask import Ask, Turn
from kviz.serve.message import Message


@dataclass(frozen=True, kw_only=True)
class Original(Ask):
    """A photo before it was made to fit."""

    photo: str

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        photo = turn.photo(self.photo)
        preview = photo.preview()
        if preview is None:
            raise ImageError("What the model is given here is no photo.")
        return Message({"photo": photo.id}, {"original": np.ascontiguousarray(preview)})
