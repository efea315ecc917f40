"""Where a layer's channels, or explanations, are high on average."""

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

_AXES = {1: ("x",), 2: ("y", "x"), 3: ("z", "y", "x")}


@dataclass(frozen=True, kw_only=True)
class MeanMap(ByClass):
    """The mean of all maps cell by cell, of each class or of all images.

    A cell that is not finite is left out of its own mean.

    Attributes:
        by_class: whether each class has its own.
        classes: how many classes there are, None for as many as the model has.

    >>> means = MeanMap()
    >>> state = means.update({}, np.array([[[0.0], [2.0]], [[3.0], [5.0]]]), rows=[0, 1])
    >>> means.result(state).mean[0, :, 0].tolist()
    [1.5, 3.5]
    """

    main: ClassVar[str] = "by_class"

    by_class: bool = False

    @property
    def needs_labels(self) -> bool:  # type: ignore[override]
        """Whether it asks which classes images are of."""
        return self.by_class

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state, as `Reduction` says."""
        finite = tf.math.is_finite(look.maps)
        maps = tf.where(finite, tf.cast(look.maps, tf.float64), 0)
        count = tf.cast(finite, tf.int64)
        unknown = tf.constant(0, tf.int64)
        if self.by_class:
            labels, unknown = self.known(look.labels)
            maps, count = self.summed(maps, labels), self.summed(count, labels)
        else:
            maps, count = (tf.reduce_sum(each, 0, keepdims=True) for each in (maps, count))
        return {"total": maps, "count": count, "size": look.size, "unknown": unknown}

    def joined(self, left: Mapping[str, Array], right: Mapping[str, Array]) -> dict[str, Array]:
        """Return the state of both, as `Reduction` says."""
        return {**super().joined(left, right), "size": left["size"]}

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return `mean` and `count` `(classes or 1, …, channels)`, NaN where there are none."""
        with np.errstate(invalid="ignore"):
            mean = state["total"] / state["count"]
        axes = ("class", *_AXES.get(mean.ndim - 2, ()), "channel")
        values = {"mean": mean, "count": state["count"], "unknown": state["unknown"]}
        return Statistic(
            values,
            {"mean": axes, "count": axes, "unknown": ()},
            {"by_class": self.by_class},
            "maps",
        )
