"""DeepLIFT: how far each pixel's difference to a baseline makes the score differ from the baseline's.

A. Shrikumar, P. Greenside, A. Kundaje, "Learning Important Features Through Propagating Activation
Differences", ICML 2017, by the rescale rule. `_rescale` says what a layer hands back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Found, Method, Reduce, Request, gaps_of
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._rescale import rescaled
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.engine.devices import Share
from kviz.option_values import validate_baseline


@dataclass(frozen=True, kw_only=True, eq=False)
class DeepLift(Method):
    """DeepLIFT: what each pixel's difference to a baseline contributes, by one backward pass.

    Its sum is Y(x) - Y(b): the result's `gaps` say how far from it the sum is.

    Paper: A. Shrikumar, P. Greenside, A. Kundaje, "Learning Important Features Through Propagating
    Activation Differences", ICML 2017.

    Equation: (x - b) * dY / dx, in which each activation function f has the slope
    (f(z) - f(z')) / (z - z'), where z' is what z is for the baseline (the rescale rule).

    When: Evidence for and against a class in each pixel that adds up to the score's difference to a
    baseline, in one backward pass.

    When not: Nets with layers that it has no rule for, which it refuses; pixels that have the
    baseline's colour, which always get 0.

    Args:
        baseline: what the image is compared with: `"black"`, `"white"`, `"grey"`, `"mean"` (each
            image's own), `"blur"`, `"noise"`, a number, or an array like one image.
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> kviz.attribute("models/squeezenet.keras", cat, "deep_lift").gaps.round(2)
    array([0.], dtype=float32)
    """

    display_name: ClassVar[str] = "DeepLIFT"
    kind: ClassVar[str] = "modified backpropagation"
    forward_passes: ClassVar[str] = "2"
    backward_passes: ClassVar[str] = "1"

    fixed_target: ClassVar[bool] = True

    baseline: Any = option("black", check=validate_baseline)
    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)` and the gaps; a `LayerError` where a layer has no rule."""
        passes = request.passes
        run = passes.compiled(
            "deep_lift",
            lambda *arguments: rescaled(passes, arguments[:-1], arguments[-1], "deep_lift"),
            [passes.specs[passes.input_name]],
            Share(cut=[True] * (len(passes.specs) + 2)),
        )
        baseline = baseline_of(self.baseline, request)
        (scores, classes), low, maps = run(*request.pixels, request.target, baseline)
        size = tf.reduce_sum(tf.abs(maps), list(range(1, maps.shape.rank)))
        gaps = gaps_of(maps, size, scores, low)
        return Found(maps=maps, scores=scores, classes=classes, gaps=gaps)
