"""Deletion: the area under the probability as the pixels that count most are removed first.

V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
BMVC 2018, section 4.1. What is put in a pixel's place moves the value as much as the map does, so that
it is measured with several baselines, and beside what maps by chance give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.options import option
from kviz.metrics.measures._ranked import kept_by_rank
from kviz.metrics.metric import Measured, Metric, On, Trial, validate_cover
from kviz.results.evaluation import Better


@dataclass(frozen=True, kw_only=True, eq=False)
class Deletion(Metric):
    """Deletion: how soon the probability falls when the pixels that count most are removed first.

    Paper: V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of
    Black-box Models", BMVC 2018, section 4.1.

    Equation: the area under p(k), the probability without the share k of the pixels, those with the
    largest values first, from 0 to 1 by the trapezoid rule. Lower is better.

    When: A first test of any map: does the probability fall when its best pixels go?

    When not: A single baseline: what covers the pixels is itself new to the model. Compare two, or
    take `road`.

    Args:
        steps: how many parts the pixels are removed in, each a forward pass per image.
        baseline: what stands in their place, as `kviz.attribution.Occlusion` takes it, without
            `"noise"`; None for each that `evaluate` was given.
        on: `"probability"` of the class, or the `"score"` that was explained.

    >>> import kviz
    >>> cat, halves = "notebooks/images/cat.png", Deletion(steps=2, baseline="black")
    >>> kviz.evaluate("models/squeezenet.keras", cat, "saliency", halves, nulls=1).values.shape
    (1, 1, 1)
    """

    display_name: ClassVar[str] = "Deletion"
    kind: ClassVar[str] = "faithfulness"
    forward_passes: ClassVar[str] = "0"
    map_passes: ClassVar[str] = "1 + steps"
    across: ClassVar[str] = "share of the pixels removed"
    up: ClassVar[str] = "probability"

    steps: int = 16
    baseline: Any = option(None, check=validate_cover)
    on: On = "probability"

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "lower"

    def measure(self, trial: Trial) -> Measured:
        """Return areas and curves, as `Metric.measure`."""
        return kept_by_rank(
            trial, steps=self.steps, baseline=self.baseline, on=self.on, deleting=True
        )
