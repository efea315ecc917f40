"""Which classes are classified as which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from kviz._types import Array
from kviz.dataset.reductions.look import Look
from kviz.dataset.reductions.reduction import ByClass
from kviz.engine.backend import tf
from kviz.results.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class Confusion(ByClass):
    """How many images of each class, down, the model takes for each, across.

    Images whose class or prediction is unknown are counted apart.

    Attributes:
        classes: how many classes there are, None for as many as the model has.

    >>> confusion = Confusion(classes=2)
    >>> state = confusion.update({}, rows=range(3), labels=[0, 1, 1], predictions=[0, 1, 0])
    >>> confusion.result(state).counts.tolist()
    [[1, 0], [1, 1]]
    """

    of: ClassVar[Literal["maps", "predictions"]] = "predictions"
    needs_labels: ClassVar[bool] = True

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state, as `Reduction` says."""
        classes = self.needed()
        known = tf.logical_and(
            *((each >= 0) & (each < classes) for each in (look.labels, look.predictions))
        )
        pairs = tf.boolean_mask(look.labels * classes + look.predictions, known)
        ones = tf.ones_like(pairs, tf.int64)
        counts = tf.math.unsorted_segment_sum(ones, pairs, classes * classes)
        return {
            "counts": tf.reshape(counts, (classes, classes)),
            "unknown": tf.math.count_nonzero(~known),
        }

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return `counts` `(classes, classes)`, whole numbers, labels down and predictions across."""
        axes = {"counts": ("class", "prediction"), "unknown": ()}
        return Statistic(dict(state), axes, drawn="matrix")
