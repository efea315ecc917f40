"""Internal influence: how much the score wants more of a layer's maps, on the way to the image.

K. Leino et al., "Influence-Directed Explanations for Deep Convolutional Networks", ITC 2018: the
integral of dY / dA over a distribution of interest; here, as captum has it, over the images on the
straight way from a baseline, and summed over channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Found, Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._layer_path import LayerPath, between, gradient_to
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True, eq=False)
class InternalInfluence(LayerPath):
    """Internal influence: how much the score wants more of a layer's maps, on the way to the image.

    Paper: K. Leino et al., "Influence-Directed Explanations for Deep Convolutional Networks", ITC 2018.

    Equation: The sum over channels of the integral over a in 0..1 of dY / dA, where A are the layer's
    maps of the image b + a (x - b).

    When: Which places of a layer the score depends on all along the way from the baseline, not at
    the image alone.

    When not: How much a place adds to the score, for which `layer_integrated_gradients` is made;
    detail finer than the layer.

    Args:
        layer_names: a layer's path or a glob that means one layer; by default the last
            between the explained input and the score, of a class map the deepest.
        grid: rows and columns of tokens, where the model does not tell them.
        baseline: the image b, as `IntegratedGradients` takes it.
        steps: points on the way, by Gauss and Legendre.

    >>> InternalInfluence(layer_names="fire9_concat").steps
    64
    """

    display_name: ClassVar[str] = "Internal influence"
    kind: ClassVar[str] = "path integral"
    forward_passes: ClassVar[str] = "3 + steps"
    backward_passes: ClassVar[str] = "steps"

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the layer's size, as `Method.maps`."""
        passes = request.passes
        scores, classes = request.scores()
        baseline = baseline_of(self.baseline, request)

        def run(*arguments: Any) -> Any:
            *inputs, low, shares = arguments
            images = inputs[passes.place]
            inputs[passes.place] = between(low, images, shares, images.shape)
            value, seen = passes.forward(inputs)
            laid = self.one(passes, value, seen, inputs)
            return tf.reduce_sum(laid.map(gradient_to(value[0], seen.map_of(laid.info), laid)), -1)

        _, _, said = self.ends(request, baseline)
        maps = self.mean(request, run, tf.convert_to_tensor(baseline))
        return Found(maps=maps, scores=scores, classes=classes, layers=said)
