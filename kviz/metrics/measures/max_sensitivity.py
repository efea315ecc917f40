"""Max sensitivity: how far a map moves at most when the image moves a little.

C.-K. Yeh, C.-Y. Hsieh, A. S. Suggala, D. I. Inouye, P. Ravikumar, "On the (In)fidelity and Sensitivity
of Explanations", NeurIPS 2019, definition 2. The largest is sought among samples, as the authors and
captum do, so that more samples give more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kviz.attribution.options import option
from kviz.metrics.measures._noisy import moves
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.results.evaluation import Better


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxSensitivity(Metric):
    """Max sensitivity: how far a map moves at most when a little noise is added to the image.

    That a map is stable alone shows nothing, and it is not ranked: one of the middle, which knows
    nothing of the image, stands perfectly still. What moves about as far as random numbers that are
    drawn anew, .71 on average, cannot be read. The explained class stays.

    Paper: C.-K. Yeh, C.-Y. Hsieh, A. S. Suggala, D. I. Inouye, P. Ravikumar, "On the (In)fidelity and
    Sensitivity of Explanations", NeurIPS 2019, definition 2.

    Equation: The largest ||M(x + e) - M(x)|| / ||M(x)||, where each number of e is uniform between -r
    and r, r being the radius times the image's range, and pixels stay within their scale. Of a map that
    is 0 the distance itself. The nearer 0, the more stable; an image of one value alone gets no noise.

    When: The worst case: how far a map moves when the image hardly changes.

    When not: Whether a map is true: one that ignores the image is perfectly stable.

    Args:
        samples: how often noise is drawn; each takes a map anew.
        radius: of the noise, as a share of the image's range.

    >>> import kviz
    >>> bag = "notebooks/images/fashion/8_bag.png"
    >>> few = MaxSensitivity(samples=2)
    >>> found = kviz.evaluate("models/fashion_cnn.keras", bag, "grad_cam", few, nulls=1)
    >>> float(found.chance(0, 0)["centre"][0, 0]), bool(found.values[0, 0, 0] > 0)
    (0.0, True)
    """

    display_name: ClassVar[str] = "Max sensitivity"
    kind: ClassVar[str] = "robustness"
    forward_passes: ClassVar[str] = "0"
    maps_again: ClassVar[str] = "samples"
    needs_method: ClassVar[bool] = True

    samples: int = 10
    radius: float = option(0.02, above=0)

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "near 0"

    def measure(self, trial: Trial) -> Measured:
        """Return the largest distances, as `Metric.measure`."""
        return Measured(values=moves(trial, self.samples, self.radius).max(axis=0))
