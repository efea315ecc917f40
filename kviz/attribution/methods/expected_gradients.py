"""Expected gradients: integrated gradients averaged over many baselines.

G. Erion et al., "Improving performance of deep learning models with axiomatic attribution priors and
expected gradients", Nature Machine Intelligence 2021: the mean over baselines b and shares a, both
drawn at random, of (x - b) * dY / dx at b + a (x - b).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.method import Found, Method, Reduce, Request, gaps_of
from kviz.attribution.methods._baselines import references_of
from kviz.attribution.methods._copies import GRADIENTS, added, copies
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.option_values import validate_references


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpectedGradients(Method):
    """Expected gradients: integrated gradients averaged over images that stand for what is usual.

    Its sum nears Y(x) less the mean of Y(b): the result's `gaps` say how far from it the sum is, for
    those b that were drawn.

    Paper: G. Erion et al., "Improving performance of deep learning models with axiomatic
    attribution priors and expected gradients", Nature Machine Intelligence 2021.

    Equation: The mean over baselines b and shares a, both drawn at random, of (x - b) * dY / dx at
    b + a (x - b).

    When: As `integrated_gradients`, where no single baseline is right and you have images that
    stand for what is usual.

    When not: Few samples: the map is noisy, and its sum is off by as much as `gaps` says.

    Args:
        references: an array of such images `(M, …)`; by default uniform noise between 0 and 255.
        samples: how many pairs of baseline and share are drawn for each image.
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> ExpectedGradients(samples=10).reduce
    'sum'
    """

    display_name: ClassVar[str] = "Expected gradients"
    kind: ClassVar[str] = "path integral"
    forward_passes: ClassVar[str] = "1 + 2 * samples"
    backward_passes: ClassVar[str] = "samples"

    fixed_target: ClassVar[bool] = True

    references: Any = option(None, check=validate_references)
    samples: int = 100
    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)` and the gaps, as `Method.maps`."""
        images = tf.convert_to_tensor(request.images)
        references = None
        if self.references is not None:
            references = references_of(self.references, images)
        scores, classes = request.scores()
        total: Any = None
        low: Any = None
        for rows, numbers, owners in copies(request, self.samples, GRADIENTS):
            drawn = []
            shares = []
            for row, number in zip(rows, numbers, strict=True):
                # Of its own seed, an image's draws do not depend on the chunk that it is in.
                random = np.random.default_rng((request.seed, number, request.first + row))
                shares.append(random.random())
                if references is None:
                    drawn.append(random.uniform(0, 255, images.shape[1:]))
                else:
                    drawn.append(references[random.integers(len(references))])
            baseline = tf.constant(np.stack(drawn), images.dtype)
            share = tf.reshape(
                tf.constant(shares, images.dtype), [-1, *[1] * (images.shape.rank - 1)]
            )
            several = [tf.gather(array, rows) for array in request.pixels]
            way = several[request.passes.place] - baseline
            target = tf.gather(request.target, rows)
            several[request.passes.place] = baseline
            low = added(low, request.passes.scores(several, target)[0], owners, len(images))
            several[request.passes.place] = baseline + share * way
            _, gradient = request.passes.gradient(several, target)
            total = added(total, way * gradient, owners, len(images))
        maps = total / self.samples
        size = tf.reduce_sum(tf.abs(maps), list(range(1, maps.shape.rank)))
        gaps = gaps_of(maps, size, scores, low / self.samples)
        return Found(maps=maps, scores=scores, classes=classes, gaps=gaps)
