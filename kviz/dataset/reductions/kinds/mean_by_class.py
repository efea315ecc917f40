"""How strongly each channel answers to each class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.dataset.reductions.look import Look
from kviz.dataset.reductions.reduction import ByClass
from kviz.engine.backend import tf
from kviz.results.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class MeanByClass(ByClass):
    """The mean over a class's images of each channel's mean over cells.

    An image of which a channel is not finite everywhere is left out of that channel's mean.

    Attributes:
        classes: how many classes there are, None for as many as the model has.

    >>> means = MeanByClass(classes=2)
    >>> maps = np.array([[[0.0], [2.0]], [[3.0], [5.0]], [[5.0], [7.0]]])
    >>> means.result(means.update({}, maps, rows=range(3), labels=[0, 1, 1])).mean.tolist()
    [[1.0], [5.0]]
    """

    needs_labels: ClassVar[bool] = True

    passes: ClassVar[tuple[str, ...]] = ("sums",)

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state, as `Reduction` says."""
        labels, unknown = self.known(look.labels)
        whole = look.unfinite == 0
        means = tf.where(whole, look.sums / tf.cast(look.cells, tf.float64), 0)
        return {
            "total": self.summed(means, labels),
            "count": self.summed(tf.cast(whole, tf.int64), labels),
            "unknown": unknown,
            "not_finite": look.unfinite_cells,
        }

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return `mean` and `count` `(classes, channels)`, NaN where a class has no images."""
        with np.errstate(invalid="ignore"):
            mean = state["total"] / state["count"]
        values = {
            "mean": mean, "count": state["count"], "unknown": state["unknown"],
            "not_finite": state["not_finite"],
        }  # fmt: skip
        by_class = ("class", "channel")
        axes = {"mean": by_class, "count": by_class, "unknown": (), "not_finite": ("channel",)}
        return Statistic(values, axes, drawn="matrix")
