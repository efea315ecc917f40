"""fool: the photo, changed until it is classified as something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.options import option
from kviz.serve.ask import Ask, Turn, validate_class, validate_steps
from kviz.serve.dreaming import arriving, dreamt
from kviz.serve.message import Message
from kviz.serve.photos import Photo
from kviz.synthesis.fooling import fool


@dataclass(frozen=True, kw_only=True)
class Fool(Ask):
    """A photo that is classified as something else."""

    slow: ClassVar[bool] = True

    photo: str
    class_index: Any = option(check=validate_class)
    epsilon: float | None = option(None, least=1)
    steps: int = option(100, check=validate_steps)
    seed: int = option(0, least=0)

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        side, photo = turn.side, turn.photo(self.photo)
        index = side.class_index(self.class_index)
        within: dict[str, Any] = (
            {} if self.epsilon is None else {"max_norm": self.epsilon, "norm": "linf"}
        )
        found = arriving(
            turn,
            lambda tell: fool(
                side.network, side.fitted(photo).pixels, index, steps=self.steps, seed=self.seed,
                names=[photo.name], progress=tell, **within,
            ),
        )  # fmt: skip
        assert found.originals is not None  # noqa: S101 - a fooling image has one
        assert found.norms is not None  # noqa: S101
        assert found.classes is not None  # noqa: S101
        assert found.confidences is not None  # noqa: S101
        pixels = found.pixels if found.bounds == (0, 255) else found.images
        changed = Photo(name=f"{photo.name}, changed", array=pixels, transient=photo.transient)
        turn.session.keep(changed)
        before, after = (
            {
                "index": int(found.classes[0, when]),
                "name": found.predictions[0][when],
                "score": float(found.confidences[0, when]),
            }
            for when in (0, 1)
        )
        change = (found.images - found.originals)[0]
        largest = np.take_along_axis(change, np.abs(change).argmax(-1)[..., None], -1)[..., 0]
        made = dreamt(
            found,
            photo=changed.id,
            of=photo.id,
            max_change=float(found.norms[0, 1]),
            l2=float(found.norms[0, 0]),
            before=before,
            after=after,
            quantity="probability" if found.is_probability else "score",
        )
        arrays = {**made.arrays, "change": largest.astype(np.float32)}
        # The changed photo may be forgotten before this is.
        return Message(made.head, arrays, lasting=False)
