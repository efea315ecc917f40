"""Completeness: whether what a map says adds up to what the score rose by.

M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, section 3, of
path methods, where it is an identity; DeepLIFT and Shapley values keep it too. Chance never does, so
that there is nothing to compare with but 0.
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

    It is an identity of `integrated_gradients` (up to its steps), `deep_lift` and `shapley`, and of
    `input_x_gradient` in a linear net; of a class activation map nobody says that it holds.

    Paper: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017,
    section 3.

    Equation: |sum of the map - (f(x) - f(x'))| / |f(x) - f(x')|, and where the score is the same for
    both, the sum's distance itself. 0 is complete.

    Args:
        reference: x', as `Deletion` takes a baseline; None for the method's own baseline where it has
            one, else black.

    >>> import kviz
    >>> cat, steps = "notebooks/images/cat.png", kviz.attribution.IntegratedGradients(steps=16)
    >>> found = kviz.evaluate("models/squeezenet.keras", cat, steps, "completeness")
    >>> bool(found.values[0, 0, 0] < 0.2)
    True
    """

    display_name: ClassVar[str] = "Completeness gap"
    has_nulls: ClassVar[bool] = False

    reference: Any = option(None, check=validate_cover)

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "lower"

    def measure(self, trial: Trial) -> Measured:
        """Return gaps, as `Metric.measure`."""
        request, reference = trial.request, self.reference
        if reference is None:
            reference = getattr(trial.method, "baseline", "black")
        low = baseline_of(reference, request)
        here, there = (
            np.asarray(request.passes.scores(pixels, request.target)[0], np.float64)
            for pixels in (request.pixels, request.replaced(low))
        )
        rise = here - there
        gaps = np.abs(trial.totals - rise)
        return Measured(values=(gaps / np.where(rise == 0, 1, np.abs(rise)))[None])
