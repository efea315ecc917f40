"""How alike two maps are, as metrics of randomisation ask."""

from __future__ import annotations

from typing import Literal

import numpy as np

from kviz._types import Array
from kviz.metrics.measures._correlation import spearman
from kviz.metrics.measures._ssim import ssim

Similarity = Literal["spearman", "ssim"]


def alike(left: Array, right: Array, similarity: Similarity, *, absolute: bool) -> Array:
    """Return how alike maps `(N, *size)` are, `(N,)`.

    Args:
        left: the maps.
        right: others.
        similarity: `"spearman"`, the correlation of ranks, or `"ssim"`, structural similarity.
        absolute: whether their absolute values are compared.

    >>> maps = np.random.default_rng(0).random((1, 9, 9))
    >>> float(alike(maps, -maps, "spearman", absolute=True)[0].round(6))
    1.0
    """
    if absolute:
        left, right = np.abs(left), np.abs(right)
    if similarity == "ssim":
        return ssim(left, right)
    return spearman(*(maps.reshape(len(maps), -1) for maps in (left, right)))
