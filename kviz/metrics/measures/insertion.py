"""Insertion: the area under the probability as the pixels that count most come first.

V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
BMVC 2018, section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.options import option
from kviz.metrics.measures._ranked import kept_by_rank
from kviz.metrics.metric import Measured, Metric, On, Trial, validate_cover


@dataclass(frozen=True, kw_only=True, eq=False)
class Insertion(Metric):
    """Insertion: how soon the probability rises when the pixels that count most come first.

    Paper: V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of
    Black-box Models", BMVC 2018, section 4.1.

    Equation: the area under p(k), the probability with the share k of the pixels alone, those with the
    largest values first, from 0 to 1 by the trapezoid rule. Higher is better.

    When: The counterpart of `deletion`: does the probability rise with the best pixels alone?

    When not: A single baseline: the blurred image still shows the object. Compare two.

    Args:
        steps: how many parts the pixels come in, each a forward pass per image.
        baseline: what stands where none has come yet, as `Deletion` takes it.
        on: `"probability"` of the class, or the `"score"` that was explained.

    >>> import kviz
    >>> cat, halves = "notebooks/images/cat.png", Insertion(steps=2, baseline="blur")
    >>> kviz.evaluate("models/squeezenet.keras", cat, "saliency", halves, nulls=1).better
    ('higher',)
    """

    display_name: ClassVar[str] = "Insertion"
    kind: ClassVar[str] = "faithfulness"
    forward_passes: ClassVar[str] = "0"
    map_passes: ClassVar[str] = "1 + steps"
    across: ClassVar[str] = "share of the pixels shown"
    up: ClassVar[str] = "probability"

    steps: int = 16
    baseline: Any = option(None, check=validate_cover)
    on: On = "probability"

    def measure(self, trial: Trial) -> Measured:
        """Return areas and curves, as `Metric.measure`."""
        return kept_by_rank(
            trial, steps=self.steps, baseline=self.baseline, on=self.on, deleting=False
        )
