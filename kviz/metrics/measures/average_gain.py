"""Average gain: how much of what the probability lacks is gained where the map hides the rest.

H. Zhang, F. Torres, R. Sicre, Y. Avrithis, S. Ayache, "Opti-CAM: Optimizing saliency maps for
interpretability", Computer Vision and Image Understanding 248, 2024: beside a drop that does not see
by how much a probability rises, and an increase that counts a rise by next to nothing as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.options import option
from kviz.metrics.measures._masked import ROUNDING, probabilities
from kviz.metrics.metric import Measured, Metric, Trial, validate_cover


@dataclass(frozen=True, kw_only=True, eq=False)
class AverageGain(Metric):
    """Average gain: the share of what the probability lacks that is gained under the map.

    Each pixel is let through as far as its value says, the smallest not at all, the largest whole.

    Paper: H. Zhang, F. Torres, R. Sicre, Y. Avrithis, S. Ayache, "Opti-CAM: Optimizing saliency maps
    for interpretability", Computer Vision and Image Understanding 248, 2024.

    Equation: max(0, O - Y) / (1 - Y), with Y the probability of the image and O that of map × image,
    the map scaled to 0-1; the paper's is a percentage, the mean over images. Higher is better.

    When: The other side of `average_drop`: whether the map hides what only disturbs.

    When not: Images whose probability is near 1, which have nothing to gain.

    Args:
        baseline: what stands where nothing is let through, as `Deletion` takes it; black in the paper.

    >>> import kviz
    >>> cat, gain = "notebooks/images/cat.png", AverageGain(baseline="black")
    >>> found = kviz.evaluate("models/squeezenet.keras", cat, "grad_cam", gain, nulls=1)
    >>> bool(0 <= found.values[0, 0, 0] <= 1)
    True
    """

    display_name: ClassVar[str] = "Average gain"
    kind: ClassVar[str] = "faithfulness"
    forward_passes: ClassVar[str] = "1"
    map_passes: ClassVar[str] = "1"

    baseline: Any = option(None, check=validate_cover)

    def measure(self, trial: Trial) -> Measured:
        """Return each image's gain, as `Metric.measure`."""
        before, after = probabilities(trial, "average_gain", self.baseline)
        lacks = 1 - before
        gained = (after - before).clip(min=0) / np.where(lacks > ROUNDING, lacks, np.inf)
        return Measured(values=gained)
