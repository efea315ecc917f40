"""Complexity: over how many pixels a map is spread.

U. Bhatt, A. Weller, J. Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI
2020. It says nothing of whether a map is right: one pixel that is named by chance has the best value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kviz._types import Array
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.results.evaluation import Better
from kviz.results.null_names import ANOTHER, INVERTED


@dataclass(frozen=True, kw_only=True, eq=False)
class Complexity(Metric):
    """Complexity: over how many pixels a map is spread, the entropy of their shares in it.

    It tells how much there is to read, and not whether it is true.

    Paper: U. Bhatt, A. Weller, J. Moura, "Evaluating and Aggregating Feature-based Model
    Explanations", IJCAI 2020, definition 4.

    Equation: - sum over i of p(i) ln p(i), p(i) = |map(i)| / sum of |map|. 0 where one pixel has all,
    ln n where n pixels are even, and of a map of zeros, which names none before others. Lower is
    better.

    When: How many places a reader has to look at.

    When not: Whether a map is true.

    Args:
        None: it has no options.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> found = kviz.evaluate("models/squeezenet.keras", cat, "saliency", "complexity", nulls=1)
    >>> bool(0 < found.values[0, 0, 0] < np.log(227 * 227))
    True
    """

    display_name: ClassVar[str] = "Complexity"
    kind: ClassVar[str] = "complexity"
    forward_passes: ClassVar[str] = "0"

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "lower"

    @property
    def void_nulls(self) -> tuple[str, ...]:
        """Which nulls are none, as `Metric.void_nulls`: neither the sign nor the photo matters."""
        return (INVERTED, ANOTHER)

    def measure(self, trial: Trial) -> Measured:
        """Return entropies in nats, as `Metric.measure`."""
        maps = np.abs(trial.maps).reshape(*trial.maps.shape[:2], -1)
        return Measured(values=np.stack([entropy(own) for own in maps]))


def entropy(values: Array) -> Array:
    """Return the entropy of each row's shares, in nats.

    >>> entropy(np.array([[2.0, 2], [0, 3], [0, 0]])) / np.log(2)
    array([1., 0., 1.])
    """
    totals = values.sum(axis=-1, keepdims=True)
    shares = np.where(totals == 0, 1 / values.shape[-1], values / np.where(totals == 0, 1, totals))
    found: Array = (shares * np.log(1 / np.where(shares == 0, 1, shares))).sum(axis=-1)
    return found
