"""Relevance mass: how much of what a map says lies on the thing that it explains.

L. Arras, A. Osman, W. Samek, "CLEVR-XAI: A benchmark dataset for the ground truth evaluation of neural
network explanations", Information Fusion, 2022. A large region gets much from any map: by chance it is
the region's share of the pixels, and more where things are in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kviz.metrics.measures._regions import Sign, counted, regions_of, told
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.results.null_names import INVERTED


@dataclass(frozen=True, kw_only=True, eq=False)
class RelevanceMass(Metric):
    """Relevance mass: what share of the map's positive values, added up, lies in the region.

    Evidence against the class does not count, wherever it lies; a map without a positive value
    gets 0. It needs regions, as `evaluate` takes them, and is NaN of an image that has none.

    Paper: L. Arras, A. Osman, W. Samek, "CLEVR-XAI: A benchmark dataset for the ground truth evaluation
    of neural network explanations", Information Fusion, 2022, section 3.2: relevance mass accuracy.

    Equation: sum over the region of max(0, map) / sum over all of max(0, map). Higher is better.

    When: Images with masks: how much of the positive evidence is on the object.

    When not: Whether the model looks at the object: a true map of a model that looks elsewhere
    fails, too.

    Args:
        sign: `"positive"`: values above 0 count; `"absolute"`: the size of all.

    >>> import kviz
    >>> cat, eye = "notebooks/images/cat.png", {"cat.png": (135, 85, 70, 62)}
    >>> found = kviz.evaluate(
    ...     "models/squeezenet.keras", cat, "grad_cam", "relevance_mass", regions=eye)
    >>> bool(0 <= found.values[0, 0, 0] <= 1)
    True
    """

    display_name: ClassVar[str] = "Relevance mass"
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
        maps = np.maximum(counted(trial, self.sign).maps, 0)
        axes = tuple(range(2, maps.ndim))
        totals, inside = maps.sum(axis=axes), (maps * regions).sum(axis=axes)
        return Measured(values=told(inside / np.where(totals == 0, 1, totals), regions))
