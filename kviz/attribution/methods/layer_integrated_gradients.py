"""Integrated gradients of a layer: the gradient along the way that the layer's own maps go.

M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, with a layer's
maps A in place of the image, as captum has it: (A(x) - A(b)) * integral over a in 0..1 of dY / dA at
A(b) + a (A(x) - A(b)), summed over channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Found, Request, gaps_of
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._layer_path import LayerPath, between, gradient_to
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerIntegratedGradients(LayerPath):
    """Integrated gradients of a layer: the gradient along the way that the layer's maps go.

    Its sum is Y(x) - Y(b) where the image has no other way to the score than through the layer: the
    result's `gaps` say how far from it the sum is, relative to it, and where it is 0 to the sum of
    what the map's values are without their signs.

    Paper: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, with
    a layer's maps A in place of the image.

    Equation: The sum over channels of (A(x) - A(b)) * integral over a in 0..1 of dY / dA at
    A(b) + a (A(x) - A(b)).

    When: How much each place of a layer adds to the score's difference to a baseline.

    When not: Nets in which the score has a way around the layer, since the sum is then incomplete;
    detail finer than the layer.

    Args:
        layer_names: a layer's path or a glob that means one layer; by default the last
            between the explained input and the score, of a class map the deepest.
        grid: rows and columns of tokens, where the model does not tell them.
        baseline: the image b, as `IntegratedGradients` takes it.
        steps: points on the way, by Gauss and Legendre.

    >>> LayerIntegratedGradients(layer_names="fire9_concat").steps
    64
    """

    display_name: ClassVar[str] = "Layer integrated gradients"
    kind: ClassVar[str] = "path integral"
    forward_passes: ClassVar[str] = "2 + steps"
    backward_passes: ClassVar[str] = "steps"

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the layer's size and the gaps, as `Method.maps`."""
        passes = request.passes
        scores, classes = request.scores()
        baseline = baseline_of(self.baseline, request)
        start, _ = passes.scores(request.replaced(baseline), request.target)
        high, low, said = self.ends(request, baseline)

        def run(*arguments: Any) -> Any:
            *inputs, high, low, shares = arguments
            value, seen = passes.forward(inputs)
            laid = self.one(passes, value, seen, inputs)
            point = between(low, high, shares, seen.map_of(laid.info).shape)
            value, _ = passes.forward(inputs, {laid.info.order: lambda _: point})
            moved = gradient_to(value[0], point, laid) * (high - low)
            return tf.reduce_sum(laid.map(moved), -1)

        maps = self.mean(request, run, high, low)
        size = tf.reduce_sum(tf.abs(maps), list(range(1, maps.shape.rank)))
        gaps = gaps_of(maps, size, scores, start)
        return Found(maps=maps, scores=scores, classes=classes, gaps=gaps, layers=said)
