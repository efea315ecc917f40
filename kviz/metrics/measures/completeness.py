"""Completeness: whether what a map says adds up to what the score rose by.

M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, section 3, of
path methods, where it is an identity; DeepLIFT and Shapley values keep it too. Chance never does, so
that there is nothing to compare with but 0. What the sum should be only the method knows: which
baseline, references or players it drew, or that it is the score itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.options import option
from kviz.metrics.metric import Measured, Metric, Trial, validate_cover
from kviz.results.evaluation import Better


@dataclass(frozen=True, kw_only=True, eq=False)
class Completeness(Metric):
    """Completeness: how far what a map says is from adding up to what the score rose by.

    It is an identity of `integrated_gradients` and `expected_gradients` (up to their steps and
    samples), of `deep_lift`, `deep_shap`, `shapley` and `kernel_shap`, of `full_grad` in nets that it
    knows, and of `input_x_gradient` and `lrp` in a ReLU net without biases. Of other methods nobody
    says what their maps add up to, and there is no value (NaN) but with a `reference`.

    Paper: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017,
    section 3.

    Equation: |sum - (f(x) - f(x'))| / |f(x) - f(x')|, as the attribution's `gaps` say it: f(x') is
    what the method compares with, 0 for `full_grad`, `input_x_gradient` and `lrp`, and the sum is that
    of all that it found, of players where it looks at these. 0 is complete.

    When: Methods whose values should add up to the score: whether they do.

    When not: Class activation maps, occlusion and others that add up to nothing.

    Args:
        reference: x', as `Deletion` takes a baseline, for the sum of any map; of a score that is the
            same for both the sum's distance itself. None for what the method says.

    >>> import kviz
    >>> cat, steps = "notebooks/images/cat.png", kviz.attribution.IntegratedGradients(steps=16)
    >>> found = kviz.evaluate("models/squeezenet.keras", cat, steps, "completeness")
    >>> bool(found.values[0, 0, 0] < 0.2)
    True
    """

    display_name: ClassVar[str] = "Completeness gap"
    kind: ClassVar[str] = "completeness"
    forward_passes: ClassVar[str] = "0"
    has_nulls: ClassVar[bool] = False
    silence: ClassVar[str] = "nobody says what its maps add up to."

    reference: Any = option(None, check=validate_cover)

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "lower"

    def judges(self, trial: Trial) -> bool:
        """Whether it is known what maps add up to, as `Metric.judges`."""
        return self.reference is not None or trial.gaps is not None

    def measure(self, trial: Trial) -> Measured:
        """Return gaps, as `Metric.measure`."""
        if self.reference is None:
            return Measured(values=np.abs(np.asarray(trial.gaps, np.float64))[None])
        request = trial.request
        here, there = (
            np.asarray(request.passes.scores(pixels, request.target)[0], np.float64)
            for pixels in (
                request.pixels, request.replaced(baseline_of(self.reference, request)),
            )
        )  # fmt: skip
        rise = here - there
        gaps = np.abs(trial.totals - rise)
        return Measured(values=(gaps / np.where(rise == 0, 1, np.abs(rise)))[None])
