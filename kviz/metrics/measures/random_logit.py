"""Random logit: how alike a map is to that of another class.

L. Sixt, M. Granz, T. Landgraf, "When Explanations Lie: Why Many Modified BP Attributions Fail", ICML
2020: a map that stays as it was when another class is explained does not say why this one was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kviz.errors import OptionError
from kviz.metrics.measures._alike import Similarity, alike, compared
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.results.evaluation import Better

# What random numbers are drawn for.
CLASS = 11


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomLogit(Metric):
    """Random logit: how alike a map is to that of another class, drawn at random for each image.

    The null maps stay as they are: what the other class's map shares with the middle, with edges or
    with another photo's map, it shares without knowing the class. Far below 0 is as bad as far above
    it: a map that is inverted for the other class shows the same places for both.

    Paper: L. Sixt, M. Granz, T. Landgraf, "When Explanations Lie: Why Many Modified BP Attributions
    Fail", ICML 2020.

    Equation: The similarity of M(x, c) and M(x, d), where d is any class but c. The nearer 0, the
    better. In class maps, d's score is taken at the places where c was explained.

    When: Whether a map tells one class from another.

    When not: Models of two classes, in which one class's evidence is the other's turned round.

    Args:
        similarity: `"spearman"`, the correlation of ranks, or `"ssim"`, structural similarity, as in
            the paper.
        absolute: whether the maps' absolute values are compared.

    >>> import kviz
    >>> bag = "notebooks/images/fashion/8_bag.png"
    >>> found = kviz.evaluate("models/fashion_cnn.keras", bag, "grad_cam", RandomLogit(), nulls=1)
    >>> bool(-1 <= found.values[0, 0, 0] < 1)
    True
    """

    display_name: ClassVar[str] = "Random logit"
    kind: ClassVar[str] = "randomisation"
    forward_passes: ClassVar[str] = "0"
    maps_again: ClassVar[str] = "1"
    needs_method: ClassVar[bool] = True

    similarity: Similarity = "spearman"
    absolute: bool = False

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "near 0"

    def measure(self, trial: Trial) -> Measured:
        """Return similarities, as `Metric.measure`."""
        if trial.again is None:
            raise ValueError("A map has to be made again.")
        head, own = trial.head, np.asarray(trial.request.target)
        count = head.classes if head is not None and not head.is_unit else None
        if count is None or count < 2:
            raise OptionError(
                "random_logit explains another class, and the score is of none, or of one number that "
                "tells two classes apart, whose maps are each other's inverted. Choose another metric."
            )
        drawn = np.array([random.integers(count - 1) for random in trial.randoms(CLASS)])
        other, *maps = (
            compared(each, self.similarity, absolute=self.absolute)
            for each in (trial.again(classes=drawn + (drawn >= own)), *trial.maps)
        )
        return Measured(values=np.stack([alike(each, other, self.similarity) for each in maps]))
