"""Relevance rank: how many of the pixels that a map puts first lie on the thing that it explains.

L. Arras, A. Osman, W. Samek, "CLEVR-XAI: A benchmark dataset for the ground truth evaluation of neural
network explanations", Information Fusion, 2022. Unlike relevance mass it does not depend on how large
values are, and one outlier does not decide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kviz.metrics.measures._ranked import ranks_of
from kviz.metrics.measures._regions import Sign, counted, regions_of, told
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.results.null_names import INVERTED


@dataclass(frozen=True, kw_only=True, eq=False)
class RelevanceRank(Metric):
    """Relevance rank: what share of the map's first pixels, as many as the region has, lies in it.

    Values are ranked with their sign, equal ones in an order of the seed: what a map that is 0 nearly
    everywhere ranks by chance hits by chance. It needs regions, as `evaluate` takes them, and is NaN of
    an image that has none.

    Paper: L. Arras, A. Osman, W. Samek, "CLEVR-XAI: A benchmark dataset for the ground truth evaluation
    of neural network explanations", Information Fusion, 2022, section 3.2: relevance rank accuracy.

    Equation: |the K first pixels ∩ the region| / K, K the number of the region's pixels. Higher is
    better.

    When: Images with masks: how many of the first pixels are on the object, whatever the map's
    scale.

    When not: Whether the model looks at the object: a true map of a model that looks elsewhere
    fails, too.

    Args:
        sign: `"positive"`: the largest values are first; `"absolute"`: the largest sizes.

    >>> import kviz
    >>> cat, eye = "notebooks/images/cat.png", {"cat.png": (135, 85, 70, 62)}
    >>> found = kviz.evaluate(
    ...     "models/squeezenet.keras", cat, "grad_cam", "relevance_rank", regions=eye)
    >>> bool(0 <= found.values[0, 0, 0] <= 1)
    True
    """

    display_name: ClassVar[str] = "Relevance rank"
    kind: ClassVar[str] = "localisation"
    forward_passes: ClassVar[str] = "0"
    needs_regions: ClassVar[bool] = True

    sign: Sign = "positive"

    @property
    def void_nulls(self) -> tuple[str, ...]:
        """Which nulls are none, as `Metric.void_nulls`: of sizes the inverted map's."""
        return (INVERTED,) if self.sign == "absolute" else ()

    def measure(self, trial: Trial) -> Measured:
        """Return shares, as `Metric.measure`."""
        regions = regions_of(trial)
        ranks = ranks_of(counted(trial, self.sign))
        axes = tuple(range(1, regions.ndim))
        counts = regions.sum(axis=axes)
        first = ranks < counts.reshape(-1, *[1] * len(axes))
        hits = (first & regions).sum(axis=tuple(axis + 1 for axis in axes))
        return Measured(values=told(hits / np.maximum(counts, 1), regions))
