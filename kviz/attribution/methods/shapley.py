"""Shapley values: each player's mean contribution over all orders of joining, exactly.

L. Shapley, "A Value for n-Person Games", 1953: player i of n gets the sum over coalitions S without i
of |S|! (n - |S| - 1)! / n! * (Y(S and i) - Y(S)), where Y(S) is the score of the image with the
others' pixels replaced by the baseline. Their sum is Y(x) - Y(baseline).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Found, Method, Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._superpixels import (
    coalition_scores,
    gaps_from,
    players,
    segmented,
    spread,
    validate_superpixels,
)
from kviz.attribution.options import option
from kviz.errors import OptionError
from kviz.option_values import validate_baseline, validate_segments

MOST = 14


@dataclass(frozen=True, kw_only=True, eq=False)
class Shapley(Method):
    """Shapley values: each player's mean contribution over all orders of joining, exactly.

    Of few players: 2 to the power of their number passes per image. The players' values add up to
    Y(x) - Y(baseline): the result's `gaps` say how nearly.

    Paper: L. Shapley, "A Value for n-Person Games", 1953.

    Equation: The sum over coalitions S without i of |S|! (n - |S| - 1)! / n! * (Y(S and i) - Y(S)),
    where Y(S) is the score of the image with the others' pixels replaced by the baseline.

    When: Exact Shapley values of a few parts of an image, or of a table's features; a check of
    `kernel_shap`.

    When not: More than some 15 players: each one more doubles the passes.

    Args:
        segments: which pixels or features are one player: an integer array of a map's size, or about
            how many superpixels (these need the extra `superpixels`); by default each pixel or
            feature is its own. Every pixel of a player has the player's value.
        baseline: what replaces those who have not joined, as `Occlusion` takes it.

    >>> import numpy as np
    >>> Shapley(segments=np.array([0, 0, 1])).baseline
    'black'
    """

    display_name: ClassVar[str] = "Shapley values"
    kind: ClassVar[str] = "perturbation"
    forward_passes: ClassVar[str] = "1 + 2 ** players"
    backward_passes: ClassVar[str] = "0"

    layer_sized: ClassVar[bool] = True
    fixed_target: ClassVar[bool] = True

    segments: Any = option(None, check=validate_segments)
    baseline: Any = option("black", check=validate_baseline)

    def validate_installed(self, rank: int) -> None:
        """Import what finds superpixels, as `Method.validate_installed`."""
        validate_superpixels(self.segments, rank, self.display_name)

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the input's size, as `Method.maps`."""
        labels = segmented(self.segments, request, self.display_name)
        counts = players(labels)
        if max(counts) > MOST:
            raise OptionError(
                f"Exact Shapley values of {max(counts)} players need 2 ** {max(counts)} passes; "
                f"expected at most {MOST}. Give fewer segments, or take kernel_shap."
            )
        # Fewer players than another image's are filled up with dummies, whose value is 0.
        all_of_them = subsets(max(counts))
        scores, classes = request.scores()
        low = baseline_of(self.baseline, request)
        taken = [all_of_them] * len(counts)
        worth = coalition_scores(request, labels, taken, low)
        values = [shapley_values(row) for row in worth]
        gaps = gaps_from(values, scores, worth[:, 0])
        return Found(maps=spread(values, labels), scores=scores, classes=classes, gaps=gaps)


def subsets(count: int) -> Array:
    """Return all coalitions of players, bool `(2 ** count, count)`; bit i of the row is player i.

    >>> subsets(2).astype(int).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)


def shapley_values(worth: Array) -> Array:
    """Return each player's value from what the coalitions are worth, in the order of `subsets`.

    >>> shapley_values(np.array([0.0, 1.0, 2.0, 5.0])).tolist()
    [2.0, 3.0]
    """
    count = len(worth).bit_length() - 1
    members = subsets(count)
    sizes = members.sum(1)
    values = []
    for player in range(count):
        without = np.flatnonzero(~members[:, player])
        weights = [1 / (count * comb(count - 1, size)) for size in sizes[without]]
        values.append(float(weights @ (worth[without + 2**player] - worth[without])))
    return np.array(values)
