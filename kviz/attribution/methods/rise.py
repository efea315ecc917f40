"""RISE: the mean of random masks, weighted by the score of the image seen through them.

V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
BMVC 2018: 1 / (p n) * sum over masks m of Y(x * m) * m. A mask is a coarse grid of cells, each kept
with probability p, enlarged bilinearly to one cell more than the image, and cut out at a random shift;
at the edges as the authors' program has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Found, Method, Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._perturb import each_axis, perturbed_scores, spatial
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.option_values import validate_baseline


@dataclass(frozen=True, kw_only=True, eq=False)
class Rise(Method):
    """RISE: the mean of random masks, weighted by the score of the image seen through them.

    The paper weighs by the class's probability, 0 or more and often near 0. An unnormalised score is
    neither, and then the sum shows how often a pixel happened to be kept more than what it does; the
    mean taken off, it shows how much more or less the score is where the pixel is kept. The paper's
    sum, of a model that ends in probabilities, is `centred=False` with
    `score=lambda outputs: outputs[:, class_index]`.

    Paper: V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of
    Black-box Models", BMVC 2018.

    Equation: 1 / (p n) * sum over n masks m of (Y(x * m) - mean of Y) * m.

    When: Models without useful gradients: a smooth map of where the score comes from.

    When not: Fine detail; values that have to repeat from seed to seed, which take many more masks.

    Args:
        masks: how many, for each image.
        cells: of a mask's grid, along each axis or one number for each; at most one cell per pixel.
        p: the probability that a cell is kept, between 0 and 1.
        baseline: what is seen instead of the rest, as `Occlusion` takes it.
        centred: whether the scores' mean is taken off.

    >>> Rise(masks=4000).cells
    8
    """

    display_name: ClassVar[str] = "RISE"
    kind: ClassVar[str] = "perturbation"
    forward_passes: ClassVar[str] = "1 + masks"
    backward_passes: ClassVar[str] = "0"

    layer_sized: ClassVar[bool] = True
    fixed_target: ClassVar[bool] = True

    masks: int = 1000
    cells: int | tuple[int, ...] = 8
    p: float = option(0.5, above=0, below=1)
    baseline: Any = option("black", check=validate_baseline)
    centred: bool = True

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the input's size, as `Method.maps`."""
        size = spatial(request)
        cells = each_axis("cells", self.cells, len(size))
        cells = tuple(min(pair) for pair in zip(cells, size, strict=True))
        number = self.masks * math.prod(cells) * len(request.images)
        # Drawn as real numbers, kept as bytes.
        request.passes.engine.memory.ask(5 * number, len(request.images))
        images = range(request.first, request.first + len(request.images))
        grids, shifts = zip(*(self._drawn(cells, (request.seed, at)) for at in images), strict=True)

        def drawn(rows: Array, samples: Array) -> list[Array]:
            pairs = list(zip(rows, samples, strict=True))
            return [
                np.stack([grids[row][sample] for row, sample in pairs]),
                np.stack([shifts[row][sample] for row, sample in pairs]),
            ]

        scores, classes = request.scores()
        low = baseline_of(self.baseline, request)
        key = f"rise {len(size)}"
        seen, (weighted, plain) = perturbed_scores(
            request, key, _masks, self.masks, drawn, low, summed=True
        )
        if self.centred:
            weighted -= plain * seen.mean(axis=1).reshape(-1, *[1] * len(size))
        maps = np.asarray(weighted / (self.p * self.masks), np.float32)
        return Found(maps=maps, scores=scores, classes=classes)

    def _drawn(self, cells: tuple[int, ...], seed: tuple[int, int]) -> tuple[Array, Array]:
        """Return one image's grids `(masks, *cells)`, and shifts `(masks, axes)` in cells."""
        first, second = tf.random.split(seed, 2)
        grids = tf.random.stateless_uniform([self.masks, *cells], first) < self.p
        shifts = tf.random.stateless_uniform([self.masks, len(cells)], second)
        return grids.numpy(), shifts.numpy()


def _masks(rows: Any, size: Any, grids: Any, shifts: Any) -> Any:  # noqa: ARG001
    """Return grids `(B, *cells)` enlarged and cut out at the shifts `(B, axes)`: `(B, *size)`."""
    masks = tf.cast(grids, tf.float32)
    for axis in range(int(size.shape[0])):
        cells = tf.shape(grids)[axis + 1]
        # As the authors' code: a cell is a whole number of pixels, and so is the shift.
        cell = tf.math.floordiv(size[axis] + cells - 1, cells)
        shift = tf.floor(shifts[:, axis, None] * tf.cast(cell, tf.float32))
        pixels = tf.range(tf.cast(size[axis], tf.float32)) + shift + 0.5
        last = tf.cast(cells - 1, tf.float32)
        scale = tf.cast(cells, tf.float32) / tf.cast((cells + 1) * cell, tf.float32)
        # And the mask goes on beyond its outermost cells' centres as in a mirror there.
        where = last - tf.abs(last - tf.abs(pixels * scale - 0.5))
        where = tf.clip_by_value(where, 0.0, last)
        # Bilinear weights of each pixel and cell; the axis in front goes last, as in a rotation.
        distance = tf.abs(where[:, :, None] - tf.range(last + 1))
        weights = tf.nn.relu(1 - distance)
        shape = tf.shape(masks)
        flat = tf.reshape(masks, tf.stack([shape[0], shape[1], -1]))
        masks = tf.einsum("bcr,bpc->brp", flat, weights)
        masks = tf.reshape(masks, tf.concat([shape[:1], shape[2:], size[axis, None]], 0))
    return masks
