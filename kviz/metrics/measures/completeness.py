"""Completeness: whether what a map says adds up to what the score rose by.

M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, section 3, of
path methods, where it is an identity; DeepLIFT and Shapley values keep it too. Chance never does, so
that there is nothing to compare with but 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.methods._baselines import baseline_of, validate_baseline
from kviz.attribution.options import option
from kviz.errors import OptionError
from kviz.metrics.metric import Measured, Metric, Trial, validate_cover
from kviz.results.evaluation import Better


@dataclass(frozen=True, kw_only=True, eq=False)
class Completeness(Metric):
    """Completeness: how far what a map says is from adding up to what the score rose by.

    It is an identity of `integrated_gradients` (up to its steps), of `deep_lift`, of `shapley` and
    `kernel_shap` where each pixel is a player, of `deep_shap` with references that were given, and of
    `input_x_gradient` and `lrp` in a ReLU net without biases; of a class activation map nobody says
    that it holds.

    Paper: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017,
    section 3.

    Equation: |sum of the map - (f(x) - f(x'))| / |f(x) - f(x')|, and where the score is the same for
    both, the sum's distance itself. 0 is complete. Of a method that was given several references,
    f(x') is the mean of theirs.

    Args:
        reference: x', as `Deletion` takes a baseline; None for the method's own baseline or references
            where it was given some, else black.

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
        request = trial.request
        here, *there = (
            np.asarray(request.passes.scores(pixels, request.target)[0], np.float64)
            for pixels in (
                request.pixels,
                *(request.replaced(baseline_of(one, request)) for one in self._references(trial)),
            )
        )
        rise = here - np.mean(there, axis=0)
        gaps = np.abs(trial.totals - rise)
        return Measured(values=(gaps / np.where(rise == 0, 1, np.abs(rise)))[None])

    def _references(self, trial: Trial) -> Sequence[Any]:
        """Return what an image is compared with, each as a baseline."""
        if self.reference is not None:
            return [self.reference]
        given = getattr(trial.method, "references", None)
        if given is not None:
            return list(given)
        try:
            return [validate_baseline("baseline", getattr(trial.method, "baseline", "black"))]
        except OptionError:  # what is no image, such as each segment's own mean
            return ["black"]
