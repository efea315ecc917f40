"""Whether an image is classified as wanted: in the ascent, and as the PNG file that is written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from kviz._types import Array
from kviz.engine.backend import tf
from kviz.engine.passes import Passes, Seen
from kviz.images import png
from kviz.scores import rivals
from kviz.synthesis._ascent import Climbed

# By how much a probability is larger than another for more than rounding: 16 times a float's.
_AHEAD = 1 + 2e-6


@dataclass(frozen=True)
class Taken:
    """Whether the predicted class is the target, or, not targeted, is not.

    Args:
        targeted: whether it is to be.
        confidence: the least probability, or None.
        output: which output has the classes.
        margin: by how much it has to be ahead of the runner-up.
    """

    targeted: bool
    confidence: float | None
    output: int | str | None
    margin: float = 0.0

    def __call__(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return whether and how nearly, as `Verdict`."""
        logits, independent = self._logits(seen)
        own, rival = rivals(logits, target)
        near = own - rival if self.targeted else rival - own
        arrived = near > tf.cast(self.margin, near.dtype)
        if independent:
            # Of two sigmoids that are both 1, or nearly so, none is ahead, whatever their logits say:
            # in another batch it can be the other way round.
            probabilities = seen.head(self.output).output(seen.outputs)
            one, other = rivals(probabilities, target)
            arrived &= one > _AHEAD * other if self.targeted else other > _AHEAD * one
        if self.confidence is not None:
            best = own if self.targeted else rival
            log = best - tf.reduce_logsumexp(logits, 1)
            sure = tf.sigmoid(best) if independent else tf.exp(log)
            arrived &= sure >= tf.cast(self.confidence, sure.dtype)
        return arrived, tf.cast(near, tf.float32)

    def predicted(self, passes: Passes, chunk: Sequence[Any]) -> Array:
        """Return the predicted classes of images, as the model itself has them in its precision."""

        def run(self: Taken, *arguments: Any) -> Any:
            seen = passes.seen(arguments[:-1], as_it_is=True)
            head = seen.head(self.output)
            logits, _ = self._logits(seen)
            # Probabilities can be level where logits are not.
            return tf.argmax(logits if head.is_unit else head.output(seen.outputs), 1, tf.int32)

        target = tf.zeros(len(chunk[0]), "int32")
        found: Array = passes.compiled("predicted", run, settings=self)(*chunk, target).numpy()
        return found

    def _logits(self, seen: Seen) -> tuple[Any, bool]:
        """Return unnormalised scores `(N, classes)`, and whether each is a probability's own."""
        head = seen.head(self.output)
        logits = head.logits(seen.outputs)
        # Of a pair of numbers that differ by a unit's own, the softmax is its sigmoid.
        return logits / 2 if head.is_unit else logits, head.independent


def hold_as_files(
    passes: Passes, verdict: Taken, went: Climbed, chunk: Sequence[Array], target: Array
) -> Array:
    """Return which of an ascent's images hold, written as PNG files and read back."""
    files = np.stack([_as_file(image) for image in went.images])
    inputs = [files if place == passes.place else x for place, x in enumerate(chunk)]
    holds: Array = (verdict.predicted(passes, inputs) == target) == verdict.targeted
    return went.arrived & holds


def _as_file(image: Array) -> Array:
    """Return an image written as PNG and read back; as it is where PNG has no such colours."""
    if image.shape[-1] not in (1, 3):
        return image
    levels = np.squeeze(image, -1) if image.shape[-1] == 1 else image
    with Image.open(io.BytesIO(png(levels.astype(np.uint8)))) as file:
        read: Array = np.asarray(file, np.float32).reshape(image.shape)
    return read
