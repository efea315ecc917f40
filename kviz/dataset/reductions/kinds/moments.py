"""Count, mean and variance of each channel.

Parts are joined as in T. Chan, G. Golub, R. LeVeque, "Updating Formulae and a Pairwise Algorithm for
Computing Sample Variances", 1979: `M2 = M2a + M2b + d² · na · nb / (na + nb)`, d being the difference
of the means. It loses nothing where a mean is large beside the deviation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.dataset.reductions.look import Look
from kviz.dataset.reductions.reduction import Reduction, State
from kviz.results.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class Moments(Reduction):
    """Mean and variance of a channel over all images and cells.

    Deviations below about 1e-18 are lost: their squares are no single-precision numbers.

    >>> moments = Moments()
    >>> state = moments.update({}, np.array([[[1.0], [2.0]], [[3.0], [6.0]]]), rows=[0, 1])
    >>> found = moments.result(state)
    >>> found.mean.tolist(), found.variance.round(6).tolist()
    ([3.0], [3.5])
    """

    passes: ClassVar[tuple[str, ...]] = ("sums", "norms")

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state, as `Reduction` says."""
        mean, squares = look.moments
        return {
            "count": look.counts,
            "mean": mean,
            "squares": squares,
            "not_finite": look.unfinite_cells,
        }

    def joined(self, left: Mapping[str, Array], right: Mapping[str, Array]) -> State:
        """Return the state of both, as `Reduction` says."""
        count = left["count"] + right["count"]
        share = right["count"] / np.maximum(count, 1)
        apart = np.where(
            (left["count"] > 0) & (right["count"] > 0), right["mean"] - left["mean"], 0
        )
        mean = np.where(left["count"] > 0, left["mean"] + apart * share, right["mean"])
        return {
            "count": count,
            "mean": mean,
            "squares": left["squares"] + right["squares"] + apart**2 * left["count"] * share,
            "not_finite": left["not_finite"] + right["not_finite"],
        }

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return count, mean and variance of each channel, NaN where nothing is finite."""
        some = np.maximum(state["count"], 1)
        none = np.where(state["count"] > 0, 0.0, np.nan)
        values = {
            "count": state["count"],
            "mean": state["mean"] + none,
            "variance": state["squares"] / some + none,
            "not_finite": state["not_finite"],
        }
        return Statistic(values, dict.fromkeys(values, ("channel",)))
