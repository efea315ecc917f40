"""How much of each channel is zero: cells, and images of which it shows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.dataset.reductions.look import Look
from kviz.dataset.reductions.reduction import Reduction
from kviz.engine.backend import tf
from kviz.results.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class ZeroShare(Reduction):
    """The share of zeros a channel, and of images in which the channel is zero everywhere.

    >>> zeros = ZeroShare()
    >>> state = zeros.update({}, np.array([[[0.0], [0.0]], [[0.0], [6.0]]]), rows=[0, 1])
    >>> found = zeros.result(state)
    >>> found.share.tolist(), found.dead_share.tolist()
    ([0.75], [0.5])
    """

    passes: ClassVar[tuple[str, ...]] = ("zeros",)

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state, as `Reduction` says."""
        return {
            "zeros": tf.reduce_sum(look.zeros, 0),
            "cells": tf.fill([look.channels], look.count * look.cells),
            "dead": tf.math.count_nonzero(look.zeros == look.cells, 0),
            "images": tf.fill([look.channels], look.count),
            "not_finite": look.unfinite_cells,
        }

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return both shares, 0 to 1, and what they are shares of; NaN where nothing was seen."""
        with np.errstate(invalid="ignore"):
            values = {
                "share": state["zeros"] / state["cells"],
                "dead_share": state["dead"] / state["images"],
                **state,
            }
        return Statistic(values, dict.fromkeys(values, ("channel",)), drawn="bars")
