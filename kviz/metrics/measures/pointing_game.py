"""Pointing game: whether a map is largest on the thing that it explains.

J. Zhang, Z. Lin, J. Brandt, X. Shen, S. Sclaroff, "Top-down Neural Attention by Excitation Backprop",
ECCV 2016. Photographers put things in the middle, so that a blob there, which knows nothing, hits most
of them; it is among the nulls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kviz.attribution.options import option
from kviz.metrics.measures._ranked import ranks_of
from kviz.metrics.measures._regions import Sign, counted, regions_of, told
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.results.null_names import INVERTED


@dataclass(frozen=True, kw_only=True, eq=False)
class PointingGame(Metric):
    """Pointing game: whether the map's largest value lies in the region; the mean is the share of hits.

    Where several pixels have the largest value, the seed chooses one. It needs regions, as `evaluate`
    takes them, and is NaN of an image that has none.

    Paper: J. Zhang, Z. Lin, J. Brandt, X. Shen, S. Sclaroff, "Top-down Neural Attention by Excitation
    Backprop", ECCV 2016, section 4.1.

    Equation: 1 if the distance from the place of the largest value to the region is at most the
    tolerance, else 0. Higher is better.

    When: Images with boxes or masks: whether the map's maximum is on the object.

    When not: Whether the model looks at the object: a true map of a model that looks elsewhere
    fails, too.

    Args:
        tolerance: in pixels of the model's input. The paper takes 15, of photos some 500 pixels wide.
        sign: `"positive"`: the largest value; `"absolute"`: the largest size, whatever its sign.

    >>> import kviz
    >>> cat, eye = "notebooks/images/cat.png", {"cat.png": (135, 85, 70, 62)}
    >>> found = kviz.evaluate(
    ...     "models/squeezenet.keras", cat, "grad_cam", "pointing_game", regions=eye)
    >>> found.values[0, 0, 0] in (0, 1)
    True
    """

    display_name: ClassVar[str] = "Pointing game"
    kind: ClassVar[str] = "localisation"
    forward_passes: ClassVar[str] = "0"
    needs_regions: ClassVar[bool] = True

    tolerance: float = option(0.0, least=0)
    sign: Sign = "positive"

    @property
    def void_nulls(self) -> tuple[str, ...]:
        """Which nulls are none, as `Metric.void_nulls`: of sizes the inverted map's."""
        return (INVERTED,) if self.sign == "absolute" else ()

    def measure(self, trial: Trial) -> Measured:
        """Return hits, as `Metric.measure`."""
        regions, trial = regions_of(trial), counted(trial, self.sign)
        size = regions.shape[1:]
        ranks = ranks_of(trial).reshape(*trial.maps.shape[:2], -1)
        values = np.zeros(ranks.shape[:2])
        for image, region in enumerate(regions):
            inside = np.argwhere(region)
            points = np.array(np.unravel_index(ranks[:, image].argmin(axis=1), size)).T
            for own, point in enumerate(points):
                away = ((inside - point) ** 2).sum(axis=1).min(initial=np.iinfo(int).max)
                values[own, image] = away <= self.tolerance**2
        return Measured(values=told(values, regions))
