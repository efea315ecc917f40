"""The smallest and the largest value of each channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.dataset.reductions.look import Look
from kviz.dataset.reductions.reduction import Reduction, State
from kviz.engine.backend import tf
from kviz.results.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class Extremes(Reduction):
    """The smallest and the largest value of a channel over all images and cells.

    >>> extremes = Extremes()
    >>> found = extremes.result(extremes.update({}, np.array([[[1.0], [np.inf]], [[-3.0], [6.0]]]),
    ...     rows=[0, 1]))
    >>> found.min.tolist(), found.max.tolist(), found.not_finite.tolist()
    ([-3.0], [6.0], [1])
    """

    passes: ClassVar[tuple[str, ...]] = ("peaks", "lows")

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state, as `Reduction` says."""
        return {
            # Zero has one sign, whichever of equal zeros was first.
            "min": tf.reduce_min(look.lows, 0) + 0,
            "max": tf.reduce_max(look.peaks, 0) + 0,
            "not_finite": look.unfinite_cells,
        }

    def joined(self, left: Mapping[str, Array], right: Mapping[str, Array]) -> State:
        """Return the state of both, as `Reduction` says."""
        return {
            "min": np.minimum(left["min"], right["min"]),
            "max": np.maximum(left["max"], right["max"]),
            "not_finite": left["not_finite"] + right["not_finite"],
        }

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return both of each channel, NaN where nothing is finite."""
        none = np.where(state["min"] <= state["max"], 0, np.nan).astype(state["min"].dtype)
        with np.errstate(invalid="ignore"):
            values = {
                "min": state["min"] + none,
                "max": state["max"] + none,
                "not_finite": state["not_finite"],
            }
        return Statistic(values, dict.fromkeys(values, ("channel",)))
