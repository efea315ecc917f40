"""Average stability: how far a map moves on average when the image moves a little.

U. Bhatt, A. Weller, J. Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI
2020, average sensitivity, which Xplique calls average stability. Their distance is in the map's own
units; here it is a share of the map, so that methods can be compared. By ranks: A. Ghorbani, A. Abid,
J. Zou, "Interpretation of Neural Networks is Fragile", AAAI 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kviz.attribution.options import option
from kviz.metrics.measures._noisy import Distance, moves
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.results.evaluation import Better


@dataclass(frozen=True, kw_only=True, eq=False)
class AverageStability(Metric):
    """Average stability: how far a map moves on average when a little noise is added to the image.

    That a map is stable alone shows nothing, and it is not ranked: one of the middle, which knows
    nothing of the image, stands perfectly still. The explained class stays, and all samples count,
    whatever is predicted for them.

    Paper: U. Bhatt, A. Weller, J. Moura, "Evaluating and Aggregating Feature-based Model
    Explanations", IJCAI 2020, average sensitivity.

    Equation: The mean of D(M(x + e), M(x)) over noise e as `MaxSensitivity` draws it. The nearer 0,
    the more stable.

    When: How much of a map stays as it is when the image hardly changes.

    When not: Whether a map is true: one that ignores the image is perfectly stable.

    Args:
        samples: how often noise is drawn; each takes a map anew.
        radius: of the noise, as a share of the image's range.
        distance: `"l2"`: ||M(x + e) - M(x)|| / ||M(x)||; `"spearman"`: one less the correlation of
            ranks, 1 for maps that have nothing in common.

    >>> import kviz
    >>> bag = "notebooks/images/fashion/8_bag.png"
    >>> few = AverageStability(samples=2, distance="spearman")
    >>> found = kviz.evaluate("models/fashion_cnn.keras", bag, "grad_cam", few, nulls=1)
    >>> float(found.chance(0, 0)["random"][0, 0].round()), bool(found.values[0, 0, 0] < 1)
    (1.0, True)
    """

    display_name: ClassVar[str] = "Average stability"
    kind: ClassVar[str] = "robustness"
    forward_passes: ClassVar[str] = "0"
    maps_again: ClassVar[str] = "samples"
    needs_method: ClassVar[bool] = True

    samples: int = 10
    radius: float = option(0.02, above=0)
    distance: Distance = "l2"

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "near 0"

    def measure(self, trial: Trial) -> Measured:
        """Return mean distances, as `Metric.measure`."""
        found = moves(trial, self.samples, self.radius, self.distance)
        return Measured(values=found.mean(axis=0))
