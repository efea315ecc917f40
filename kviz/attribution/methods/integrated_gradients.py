"""Integrated gradients: the gradient along the way from a baseline to the image.

M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017:
(x - b) * integral over a in 0..1 of dY / dx at b + a (x - b). Its sum is Y(x) - Y(b): completeness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kviz.attribution.method import Found, Method, Reduce, Request, gaps_of
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._copies import GRADIENTS, added, copies, gathered
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.option_values import validate_baseline

LIMIT = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegratedGradients(Method):
    """Integrated gradients: the gradient along the way from a baseline to the image.

    Its sum is Y(x) - Y(b): the result's `gaps` say how far from it the sum is, as the measure of
    its error, relative to that difference; where it is 0, to how far the score goes up and down on the
    way.

    Paper: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.

    Equation: (x - b) * integral over a in 0..1 of dY / dx at b + a (x - b).

    When: Evidence for and against a class in each pixel that adds up to the score's difference to a
    baseline, with a known error.

    When not: In a hurry; images in which the baseline's colour matters, since pixels of that colour
    always get 0 (another baseline, or `expected_gradients`).

    Args:
        baseline: where the way begins: `"black"`, `"white"`, `"grey"`, `"mean"` (each image's own),
            `"blur"`, `"noise"`, a number, or an array like one image.
        steps: points on the way, 1 or more.
        rule: `"gauss_legendre"`, or `"midpoint"`, whose points are reused when it is refined.
        tolerance: refine the way until the relative gap of every image is at most this (or 1,024
            steps are reached; the result's `gaps` say what was): midpoints by thirds, which reuse
            what is computed, Gauss-Legendre by doubling.
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> found = kviz.attribute("models/squeezenet.keras", cat, "integrated_gradients", steps=8)
    >>> found.gaps.shape
    (1,)
    """

    display_name: ClassVar[str] = "Integrated gradients"
    kind: ClassVar[str] = "path integral"
    forward_passes: ClassVar[str] = "2 + steps"
    backward_passes: ClassVar[str] = "steps"

    fixed_target: ClassVar[bool] = True

    baseline: Any = option("black", check=validate_baseline)
    steps: int = 64
    rule: Literal["gauss_legendre", "midpoint"] = "gauss_legendre"
    tolerance: float | None = option(None, above=0)
    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)` and the gaps, as `Method.maps`."""
        images = tf.convert_to_tensor(request.images)
        baseline = baseline_of(self.baseline, request)
        scores, classes = request.scores()
        start, _ = request.passes.scores(request.replaced(baseline), request.target)
        points, weights = points_of(self.rule, self.steps)
        mean, moved = _path(request, baseline, points, weights)
        steps = self.steps
        while True:
            maps = (images - baseline) * mean
            gaps = gaps_of(maps, moved, scores, start)
            worst = float(tf.reduce_max(gaps))
            factor = 3 if self.rule == "midpoint" else 2
            if self.tolerance is None or worst <= self.tolerance or steps * factor > LIMIT:
                return Found(maps=maps, scores=scores, classes=classes, gaps=gaps)
            steps *= factor
            points, weights = points_of(self.rule, steps)
            if self.rule == "midpoint":
                # Every third midpoint of three times as many is one of those before.
                new = np.arange(steps) % 3 != 1
                more, further = _path(request, baseline, points[new], weights[new])
                mean, moved = mean / 3 + more, moved / 3 + further
            else:
                mean, moved = _path(request, baseline, points, weights)


def points_of(rule: str, steps: int) -> tuple[Any, Any]:
    """Return points in 0..1 and their weights, which sum to 1."""
    if rule == "midpoint":
        return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)
    # Newton's method from where the roots nearly are: NumPy's function needs steps ** 2 numbers.
    roots = np.cos(np.pi * (np.arange(steps, 0, -1) - 0.25) / (steps + 0.5))
    for _ in range(5):
        value, slope = _legendre(steps, roots)
        roots -= value / slope
    _, slope = _legendre(steps, roots)
    weights = 1 / ((1 - roots**2) * slope**2)
    return (roots + 1) / 2, weights / weights.sum()


def _legendre(degree: int, x: Any) -> tuple[Any, Any]:
    """Return a Legendre polynomial and its slope at points between -1 and 1."""
    before, value = np.ones_like(x), x
    for n in range(2, degree + 1):
        before, value = value, ((2 * n - 1) * x * value - (n - 1) * before) / n
    return value, degree * (before - x * value) / (1 - x**2)


def _path(request: Request, baseline: Any, points: Any, weights: Any) -> tuple[Any, Any]:
    """Return weighted sums over points between baseline and image.

    Returns:
        Of the gradients, `(N, …)`; of how steep the way is there, up or down, `(N,)`.
    """
    passes = request.passes
    place, fixed = passes.place, passes.fixed_batch

    def run(*arguments: Any) -> Any:
        *inputs, low, rows, owners, shares, factors = arguments
        *several, begin = gathered([*inputs, low], rows, fixed)
        way = several[place] - begin
        ones = [1] * (begin.shape.rank - 1)
        several[place] = begin + tf.reshape(shares, [-1, *ones]) * way
        _, gradient = passes.differentiated(several)
        steep = tf.abs(tf.reduce_sum(gradient * way, list(range(1, way.shape.rank))))
        count = tf.shape(low)[0]
        return (
            added(None, gradient * tf.reshape(factors, [-1, *ones]), owners, count),
            added(None, steep * factors, owners, count),
        )

    image = passes.specs[passes.input_name]
    places, reals = (tf.TensorSpec((fixed,), kind) for kind in ("int32", image.dtype))
    share = passes.by_copies([False, True, True, True, True], added=(True, True))
    compiled = passes.compiled("path", run, [image, places, places, reals, reals], share)
    points, weights = (array.astype(image.dtype.as_numpy_dtype) for array in (points, weights))
    gradients, steep = tf.zeros_like(baseline), tf.zeros([len(baseline)], baseline.dtype)
    for rows, numbers, owners in copies(request, len(points), GRADIENTS):
        more, further = compiled(
            *request.pixels,
            request.target,
            baseline,
            rows,
            owners,
            points[numbers],
            weights[numbers],
        )
        gradients, steep = gradients + more, steep + further
    return gradients, steep
