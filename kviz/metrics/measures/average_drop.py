"""Average drop: how much of the probability is lost where the map hides what it says does not count.

A. Chattopadhay, A. Sarkar, P. Howlader, V. N. Balasubramanian, "Grad-CAM++: Generalized Gradient-based
Visual Explanations for Deep Convolutional Networks", WACV 2018, section 4.1. A map that lets all
through loses nothing: it is read beside `average_gain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.options import option
from kviz.metrics.measures._masked import probabilities
from kviz.metrics.metric import Measured, Metric, Trial, validate_cover
from kviz.results.evaluation import Better


@dataclass(frozen=True, kw_only=True, eq=False)
class AverageDrop(Metric):
    """Average drop: the share of the probability that is lost when the map is laid over the image.

    Each pixel is let through as far as its value says, the smallest not at all, the largest whole.

    Paper: A. Chattopadhay, A. Sarkar, P. Howlader, V. N. Balasubramanian, "Grad-CAM++: Generalized
    Gradient-based Visual Explanations for Deep Convolutional Networks", WACV 2018, section 4.1.

    Equation: max(0, Y - O) / Y, with Y the probability of the image and O that of map × image, the map
    scaled to 0-1; the paper's is a percentage, the mean over images. Lower is better.

    When: Maps that are shown as a mask over the image, such as class activation maps, compared as
    their papers do.

    When not: Judging alone: a map that lets everything through loses nothing. Look at
    `average_gain` beside it.

    Args:
        baseline: what stands where nothing is let through, as `Deletion` takes it; black in the paper.

    >>> import kviz
    >>> cat, drop = "notebooks/images/cat.png", AverageDrop(baseline="black")
    >>> found = kviz.evaluate("models/squeezenet.keras", cat, "grad_cam", drop, nulls=1)
    >>> bool(0 <= found.values[0, 0, 0] <= 1)
    True
    """

    display_name: ClassVar[str] = "Average drop"
    kind: ClassVar[str] = "faithfulness"
    forward_passes: ClassVar[str] = "1"
    map_passes: ClassVar[str] = "1"

    baseline: Any = option(None, check=validate_cover)

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "lower"

    def measure(self, trial: Trial) -> Measured:
        """Return each image's drop, as `Metric.measure`."""
        before, after = probabilities(trial, "average_drop", self.baseline)
        return Measured(values=(before - after).clip(min=0) / np.where(before > 0, before, 1))
