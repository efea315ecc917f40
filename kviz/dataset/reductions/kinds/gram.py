"""Which channels fire together: the Gram matrix of a layer, its style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.dataset.reductions.look import Look
from kviz.dataset.reductions.reduction import Reduction
from kviz.engine.backend import tf
from kviz.results.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class Gram(Reduction):
    """The mean over all cells of the products of each two channels.

    L. Gatys, A. Ecker, M. Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016, eq.
    3, over all images, and per cell. A cell of which some channel is not finite is left out whole.

    >>> gram = Gram()
    >>> found = gram.result(gram.update({}, np.array([[[1.0, 2.0], [3.0, 0.0]]]), rows=[0]))
    >>> found.gram.tolist()
    [[5.0, 1.0], [1.0, 2.0]]
    """

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state, as `Reduction` says."""
        cells = tf.cast(tf.reshape(look.maps, (-1, look.channels)), tf.float64)
        finite = tf.reduce_all(tf.math.is_finite(cells), 1)
        clean = tf.cond(
            tf.reduce_all(finite), lambda: cells, lambda: tf.boolean_mask(cells, finite)
        )
        return {
            "products": tf.matmul(clean, clean, transpose_a=True),
            "cells": tf.math.count_nonzero(finite),
            "not_finite": tf.math.count_nonzero(~finite),
        }

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return `gram` `(channels, channels)`, and of how many cells it is; NaN for none."""
        with np.errstate(invalid="ignore"):
            gram = state["products"] / state["cells"]
        values = {"gram": gram, "cells": state["cells"], "not_finite": state["not_finite"]}
        axes: dict[str, tuple[str, ...]] = {
            "gram": ("channel", "with channel"), "cells": (), "not_finite": (),
        }  # fmt: skip
        return Statistic(values, axes, drawn="matrix")
