"""The k images that excite each channel most, each with the cell that does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.attribution.options import option
from kviz.dataset.reductions.look import Look
from kviz.dataset.reductions.reduction import Reduction, State
from kviz.engine.backend import tf
from kviz.results.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class TopK(Reduction):
    """The k images of the highest values per channel: value, row and cell.

    An image counts once, with its highest cell. Of equal values the lower row comes first, and within
    an image the lower cell.

    Attributes:
        k: how many images per channel.

    >>> top = TopK(k=2)
    >>> maps = np.array([[[1.0], [2.0]], [[5.0], [5.0]], [[2.0], [0.0]]])
    >>> state = top.update({}, maps, rows=range(3))
    >>> found = top.result(state)
    >>> found.value.tolist(), found.row.tolist(), found.cell.tolist()
    ([[5.0, 2.0]], [[1, 0]], [[0, 1]])
    """

    main: ClassVar[str] = "k"
    passes: ClassVar[tuple[str, ...]] = ("peaks",)
    ragged: ClassVar[tuple[str, ...]] = ("value", "row", "cell")

    k: int = option(9, least=1)

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state, as `Reduction` says."""
        # The first of equal values is taken, so lower rows have to come first.
        order = tf.argsort(look.rows, stable=True)
        peaks, cells = (
            tf.transpose(tf.gather(each, order)) for each in (look.peaks, look.peak_cells)
        )
        value, found = tf.math.top_k(peaks, tf.minimum(self.k, tf.shape(peaks)[1]))
        some = value > value.dtype.min
        return {
            # Zero has one sign, whichever of equal zeros was first.
            "value": value + 0,
            "row": tf.where(some, tf.gather(tf.gather(look.rows, order), found), -1),
            "cell": tf.where(some, tf.gather(cells, found, batch_dims=1), -1),
            "size": look.size,
            "not_finite": look.unfinite_cells,
        }

    def joined(self, left: Mapping[str, Array], right: Mapping[str, Array]) -> State:
        """Return the state of both, as `Reduction` says."""
        both = {
            name: np.concatenate([left[name], right[name]], 1) for name in ("value", "row", "cell")
        }
        order = np.lexsort((both["row"], -both["value"]))[:, : self.k]
        return {
            **{name: np.take_along_axis(array, order, 1) for name, array in both.items()},
            "size": left["size"],
            "not_finite": left["not_finite"] + right["not_finite"],
        }

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return what was found.

        Its `value`, `row` and `cell` are `(channels, k)`, best first, and `place` `(channels, k, axes)`
        is where in the map per cell lies, from 0. Where there are fewer images, or none with a finite
        value, rows are -1 and values NaN.
        """
        row, cell = state["row"], state["cell"]
        size = tuple(map(int, state["size"]))
        place = np.stack(np.unravel_index(np.maximum(cell, 0), size), -1) if size else cell[..., :0]
        values = {
            "value": np.where(row >= 0, state["value"], np.nan),
            "row": row,
            "cell": cell,
            "place": np.where(row[..., None] >= 0, place.reshape(*row.shape, len(size)), -1),
            "size": state["size"],
            "not_finite": state["not_finite"],
        }
        ranked = ("channel", "rank")
        axes = {
            "value": ranked, "row": ranked, "cell": ranked, "place": (*ranked, "axis"),
            "size": ("axis",), "not_finite": ("channel",),
        }  # fmt: skip
        return Statistic(values, axes, {"k": self.k})
