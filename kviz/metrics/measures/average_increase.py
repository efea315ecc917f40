"""Average increase: of how many images the probability rises where the map hides the rest.

A. Chattopadhay, A. Sarkar, P. Howlader, V. N. Balasubramanian, "Grad-CAM++: Generalized Gradient-based
Visual Explanations for Deep Convolutional Networks", WACV 2018, section 4.1, "increase in confidence".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.options import option
from kviz.metrics.measures._masked import ROUNDING, probabilities
from kviz.metrics.metric import Measured, Metric, Trial, validate_cover


@dataclass(frozen=True, kw_only=True, eq=False)
class AverageIncrease(Metric):
    """Average increase: whether the probability rises when the map is laid over the image.

    Each pixel is let through as far as its value says, the smallest not at all, the largest whole.

    Paper: A. Chattopadhay, A. Sarkar, P. Howlader, V. N. Balasubramanian, "Grad-CAM++: Generalized
    Gradient-based Visual Explanations for Deep Convolutional Networks", WACV 2018, section 4.1.

    Equation: 1 where Y < O, else 0, with Y the probability of the image and O that of map × image, the
    map scaled to 0-1; the paper's is a percentage, of how many images. Higher is better.

    When: Many images: for how many of them the map hides only what disturbs.

    When not: Single images, of which it is 0 or 1.

    Args:
        baseline: what stands where nothing is let through, as `Deletion` takes it; black in the paper.

    >>> import kviz
    >>> cat, increase = "notebooks/images/cat.png", AverageIncrease(baseline="black")
    >>> found = kviz.evaluate("models/squeezenet.keras", cat, "grad_cam", increase, nulls=1)
    >>> found.values[0, 0, 0] in (0, 1)
    True
    """

    display_name: ClassVar[str] = "Average increase"
    kind: ClassVar[str] = "faithfulness"
    forward_passes: ClassVar[str] = "1"
    map_passes: ClassVar[str] = "1"

    baseline: Any = option(None, check=validate_cover)

    def measure(self, trial: Trial) -> Measured:
        """Return which images' probability rises, as `Metric.measure`."""
        before, after = probabilities(trial, "average_increase", self.baseline)
        return Measured(values=(after > before + ROUNDING).astype(float))
