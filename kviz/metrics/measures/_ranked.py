"""What deletion and insertion share: pixels by rank, and the score as ever more of them are kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._perturb import perturbed_scores
from kviz.engine.backend import tf
from kviz.metrics.metric import Measured, On, Trial

# What random numbers are drawn for.
TIES = 1


def ranks_of(trial: Trial) -> Array:
    """Return each pixel's rank by its value, the largest first; equal ones in an order of the seed.

    Args:
        trial: the maps.

    Returns:
        Int32 like `trial.maps`, from 0.
    """
    maps = trial.maps
    flat = maps.reshape(*maps.shape[:2], -1)
    ranks = np.empty(flat.shape, np.int32)
    for image, random in enumerate(trial.randoms(TIES)):
        ties = random.permutation(flat.shape[2])
        for own, values in zip(ranks[:, image], flat[:, image], strict=True):
            # The last key counts first.
            own[np.lexsort((ties, -values))] = np.arange(values.size, dtype=np.int32)
    return ranks.reshape(maps.shape)


def kept_by_rank(trial: Trial, *, steps: int, baseline: Any, on: On, deleting: bool) -> Measured:
    """Return the curves of the score as pixels go or come by their ranks, and the areas under them.

    Args:
        trial: the images and maps.
        steps: how many parts the pixels are taken in.
        baseline: what stands where pixels are not.
        on: the score that is looked at.
        deleting: whether the first ranks go; else they come.
    """
    request = trial.on(on)
    pixels = math.prod(trial.maps.shape[2:])
    counts = np.round(np.linspace(0, pixels, steps + 1)).astype(np.int32)
    low = baseline_of("black" if baseline is None else baseline, request)
    ranks = ranks_of(trial)
    if deleting:
        # What is kept are the last ones: one compiled function serves both.
        ranks, shown = pixels - 1 - ranks, pixels - counts
    else:
        shown = counts
    at = counts / pixels

    # All maps of an image in one go, so that batches are full.
    which, point = np.divmod(np.arange(len(ranks) * (steps + 1), dtype=np.int32), steps + 1)
    scores = scores_by_rank(request, ranks.swapaxes(0, 1), which, shown[point], low)
    curves = scores.reshape(len(scores), len(ranks), steps + 1).swapaxes(0, 1)
    return Measured(values=np.trapezoid(curves, at, axis=-1), curves=curves, at=at)


def scores_by_rank(request: Request, ranks: Array, which: Array, shown: Array, low: Any) -> Array:
    """Return the scores of images of which the pixels of the first ranks alone are shown.

    Args:
        request: the images and the score.
        ranks: int32 `(N, maps, *size)`.
        which: int32 `(samples,)`, whose ranks of the maps count.
        shown: int32 `(samples,)`, how many pixels are shown.
        low: what stands where pixels are not.

    Returns:
        Float64 `(N, samples)`.
    """

    def drawn(_: Array, samples: Array) -> list[Array]:
        return [which[samples], shown[samples]]

    scores, _ = perturbed_scores(request, "ranks", _first, len(which), drawn, low, shared=[ranks])
    return scores


def _first(rows: Any, size: Any, ranks: Any, which: Any, counts: Any) -> Any:  # noqa: ARG001
    """Return 1 for the `counts` `(B,)` first of the ranks `(N, maps, *size)` of rows, else 0."""
    own = tf.gather_nd(ranks, tf.stack([rows, which], axis=1))
    shape = tf.concat([tf.shape(counts), tf.ones_like(tf.shape(own)[1:])], 0)
    return tf.cast(own < tf.reshape(counts, shape), tf.float32)
