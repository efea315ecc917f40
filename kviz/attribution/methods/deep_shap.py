"""Deep SHAP: DeepLIFT averaged over many baselines.

S. Lundberg, S. Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017: the mean over
references b of DeepLIFT's contributions approximates Shapley values, of which the sum is Y(x) less the
mean of Y(b).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.method import Found, Method, Reduce, Request, gaps_of
from kviz.attribution.methods._baselines import references_of
from kviz.attribution.methods._copies import GRADIENTS, added, copies, gathered
from kviz.attribution.methods._rescale import rescaled
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.option_values import validate_references


@dataclass(frozen=True, kw_only=True, eq=False)
class DeepShap(Method):
    """Deep SHAP: DeepLIFT averaged over images that stand for what is usual.

    Its sum is Y(x) less the mean of Y(b): the result's `gaps` say how far from it the sum is.

    Paper: S. Lundberg, S. Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.

    Equation: The mean over references b of (x - b) * dY / dx, in which each activation function f has
    the slope (f(z) - f(z')) / (z - z'), where z' is what z is for b.

    When: As `deep_lift`, where no single baseline is right and you have images that stand for what
    is usual.

    When not: Without such images: the uniform noise that is taken then is like no photo. Nets that
    `deep_lift` refuses.

    Args:
        references: an array of such images `(M, …)`, all of which are taken; by default `samples`
            images of uniform noise between 0 and 255.
        samples: how many images of noise.
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> DeepShap(samples=10).reduce
    'sum'
    """

    display_name: ClassVar[str] = "Deep SHAP"
    kind: ClassVar[str] = "modified backpropagation"
    forward_passes: ClassVar[str] = "1 + 2 * samples"
    backward_passes: ClassVar[str] = "samples"

    fixed_target: ClassVar[bool] = True

    references: Any = option(None, check=validate_references)
    samples: int = 16
    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)` and the gaps; a `LayerError` where a layer has no rule."""
        images = tf.convert_to_tensor(request.images)
        if self.references is None:
            random = np.random.default_rng(request.seed)
            references = random.uniform(0, 255, (self.samples, *images.shape[1:]))
            references = references.astype(images.dtype.as_numpy_dtype)
        else:
            references = references_of(self.references, images)
        passes = request.passes

        def run(*arguments: Any) -> Any:
            *several, held, rows, numbers, owners = arguments
            count = tf.shape(several[passes.place])[0]
            several = gathered(several, rows, passes.fixed_batch)
            (baseline,) = gathered([held], numbers, passes.fixed_batch)
            _, low, maps = rescaled(passes, several, baseline, "deep_shap")
            return added(None, maps, owners, count), added(None, low, owners, count)

        image = passes.specs[passes.input_name]
        places = tf.TensorSpec((passes.fixed_batch,), "int32")
        extra = [tf.TensorSpec((None, *image.shape[1:]), image.dtype), *[places] * 3]
        share = passes.by_copies([False, True, True, True], added=(True, True))
        compiled = passes.compiled("deep_shap", run, extra, share)
        sums = [
            compiled(*request.pixels, request.target, references, *drawn)
            for drawn in copies(request, len(references), GRADIENTS)
        ]
        maps, low = (sum(parts) / len(references) for parts in zip(*sums, strict=True))
        scores, classes = request.scores()
        size = tf.reduce_sum(tf.abs(maps), list(range(1, maps.shape.rank)))
        gaps = gaps_of(maps, size, scores, low)
        return Found(maps=maps, scores=scores, classes=classes, gaps=gaps)
