"""Where in a photo the evidence lies, as a table of three rows by three columns and in words.

For those who cannot see a map, and for sentences. A region is called by its place in the picture and by
nothing that may be in it: what is there, a map does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from kviz._types import Array

SIDE = 3
ROWS = ("upper", "centre", "lower")
COLUMNS = ("left", "centre", "right")
# The part of all pixels that a sentence is about. In a tenth of Grad-CAM's pixels over a photo of a
# cat, the wide slope of one peak outweighs a second peak that is as high.
STRONGEST = 0.05
# More regions than these, and the evidence is spread.
MOST_NAMED = 3
# The strongest region's share, below which it is not set apart from the others.
EVEN = 0.12
# The largest value against the mean, below which no part of a map stands out.
FLAT = 1.25


@dataclass(frozen=True)
class Region:
    """One of the nine parts of a photo.

    Attributes:
        row: from the top, 0 to 2.
        column: from the left, 0 to 2.
        share: its share of all evidence for the class, 0 to 1.
    """

    row: int
    column: int
    share: float

    @property
    def name(self) -> str:
        """What it is called, such as `"upper left"`.

        >>> Region(1, 0, 0.5).name, Region(1, 1, 0.5).name
        ('centre left', 'centre')
        """
        return (
            "centre" if self.row == self.column == 1 else f"{ROWS[self.row]} {COLUMNS[self.column]}"
        )

    def facts(self) -> dict[str, Any]:
        """Return the same as a dict."""
        return {"name": self.name, "row": self.row, "column": self.column, "share": self.share}


@dataclass(frozen=True)
class Regions:
    """How the values of a map are shared out over nine parts of the photo.

    All shares are of the sum of the sizes of all values, so that those of `positive` and `negative`
    together are 1, or all 0 of a map that is zero everywhere.

    Attributes:
        positive: float64 `(3, 3)`, of what is for the class.
        negative: float64 `(3, 3)`, of what is against it.
    """

    positive: Array
    negative: Array

    def facts(self) -> dict[str, Any]:
        """Return the same as lists."""
        return {"for": self.positive.round(6).tolist(), "against": self.negative.round(6).tolist()}

    def strongest(self) -> list[Region]:
        """Return the fewest regions that hold more than half of the evidence for the class.

        The strongest first; none where there is no evidence for it.
        """
        total = float(self.positive.sum())
        if not total:
            return []
        shares = self.positive.reshape(-1) / total
        order = np.argsort(-shares, kind="stable")
        # A little over a half: of two equal regions both are needed, however their sum is rounded.
        count = int(np.searchsorted(np.cumsum(shares[order]), 0.5 + 1e-9)) + 1
        return [Region(*divmod(int(at), SIDE), float(shares[at])) for at in order[:count]]


def edges_of(length: int) -> list[int]:
    """Return where the three parts of a side begin, and where the last one ends.

    >>> edges_of(227)
    [0, 76, 151, 227]
    """
    return [round(part * length / SIDE) for part in range(SIDE + 1)]


def regions_of(values: Array) -> Regions:
    """Return how a map's values are shared out.

    Args:
        values: float `(H, W)`, signed.

    >>> regions_of(np.array([[3.0, 0, 0], [0, 0, 0], [0, 0, -1]])).facts()["against"][2]
    [0.0, 0.0, 0.25]
    """
    values = np.nan_to_num(values.astype(np.float64))
    rows, columns = map(edges_of, values.shape)
    total = float(np.abs(values).sum()) or 1.0
    shares = [
        np.array(
            [
                [part[top:bottom, left:right].sum() for left, right in pairwise(columns)]
                for top, bottom in pairwise(rows)
            ]
        )
        for part in (np.maximum(values, 0), np.maximum(-values, 0))
    ]
    return Regions(*(part / total for part in shares))


def hot_spots(values: Array) -> list[Region]:
    """Return where a map is strongest: the fewest regions with most of its strongest twentieth.

    What a sentence is about is what one sees first. A map that is weak nearly everywhere has most of
    its sum where nobody looks, which the table of all shares tells.

    Args:
        values: float `(H, W)`, signed: what is for the class counts.

    Returns:
        Regions that together hold more than half of the sum of the largest twentieth of the values,
        the strongest first; none where nothing is for the class. Of a map that is nearly the same
        everywhere, all values count.

    >>> spot = np.ones((30, 30))
    >>> spot[3:9, 3:9] = 5
    >>> [region.name for region in hot_spots(spot)]
    ['upper left']
    """
    positive = np.maximum(np.nan_to_num(values.astype(np.float64)), 0)
    least = np.quantile(positive, 1 - STRONGEST)
    kept = positive > (least if positive.max() >= FLAT * positive.mean() else np.inf)
    # Of equal values none counts for more than the others.
    return regions_of(np.where(kept, positive, 0) if kept.any() else positive).strongest()


def placed(regions: list[Region]) -> str:
    """Return where regions are, in words that follow "evidence".

    Args:
        regions: as `Regions.strongest` gives them.

    >>> placed([])
    'nowhere, all is against it'
    >>> placed([Region(1, 0, 0.4), Region(1, 1, 0.2)])
    'in the centre left and the centre'
    >>> placed([Region(0, column, 0.2) for column in (0, 1, 2)] + [Region(1, 1, 0.1)])
    'spread over the photo, strongest in the upper left'
    """
    if not regions:
        return "nowhere, all is against it"
    if len(regions) > MOST_NAMED:
        # Parts of a side that cannot be divided by three differ by a pixel.
        if regions[0].share < EVEN:
            return "spread evenly over the photo"
        return f"spread over the photo, strongest in the {regions[0].name}"
    *first, last = [f"the {region.name}" for region in regions]
    return f"in {', '.join(first)} and {last}" if first else f"in {last}"
