"""Sparseness: whether a map names few pixels, measured as incomes are.

P. Chalasani, J. Chen, A. Chowdhury, S. Jha, X. Wu, "Concise Explanations of Neural Networks using
Adversarial Training", ICML 2020, take the Gini index for it, which of the measures that N. Hurley and
S. Rickard, "Comparing Measures of Sparsity", 2009, looked at has all that one wants of such. It says
nothing of whether the few are the right ones: one pixel that is named by chance has the best value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kviz._types import Array
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.results.null_names import ANOTHER, INVERTED


@dataclass(frozen=True, kw_only=True, eq=False)
class Sparseness(Metric):
    """Sparseness: how unevenly a map is shared out among the pixels, the Gini index of its sizes.

    It tells how little there is to read, and not whether it is true.

    Paper: P. Chalasani, J. Chen, A. Chowdhury, S. Jha, X. Wu, "Concise Explanations of Neural Networks
    using Adversarial Training", ICML 2020, section 5; N. Hurley, S. Rickard, "Comparing Measures of
    Sparsity", IEEE Transactions on Information Theory, 2009, equation 17.

    Equation: 1 - 2 sum over k of c(k) / |c| · (n - k + 1/2) / n, c the n absolute values of the map,
    the smallest first. 0 of an even map and of one of zeros, 1 - 1/n where one pixel has all. Higher
    is better.

    When: How few places a reader has to look at.

    When not: Whether a map is true.

    Args:
        None: it has no options.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> found = kviz.evaluate("models/squeezenet.keras", cat, "saliency", "sparseness", nulls=1)
    >>> bool(0 < found.values[0, 0, 0] < 1)
    True
    """

    display_name: ClassVar[str] = "Sparseness"
    kind: ClassVar[str] = "complexity"
    forward_passes: ClassVar[str] = "0"

    @property
    def void_nulls(self) -> tuple[str, ...]:
        """Which nulls are none, as `Metric.void_nulls`: neither the sign nor the photo matters."""
        return (INVERTED, ANOTHER)

    def measure(self, trial: Trial) -> Measured:
        """Return Gini indices, as `Metric.measure`."""
        maps = np.abs(trial.maps).reshape(*trial.maps.shape[:2], -1)
        return Measured(values=np.stack([gini(own) for own in maps]))


def gini(values: Array) -> Array:
    """Return the Gini index of each row of numbers that are none below 0.

    >>> gini(np.array([[1.0, 1, 1, 1], [0, 4, 0, 0], [0, 0, 0, 0]]))
    array([0.  , 0.75, 0.  ])
    """
    ordered, count = np.sort(values, axis=-1), values.shape[-1]
    totals = ordered.sum(axis=-1)
    # As (2 k - n - 1) / n, which is the equation's, an even row gives 0 but for rounding.
    weights = (2 * np.arange(1, count + 1) - count - 1) / count
    found: Array = (ordered @ weights) / np.where(totals == 0, 1, totals)
    return found.clip(min=0)
