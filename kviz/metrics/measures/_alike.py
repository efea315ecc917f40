"""How alike two maps are, as metrics of randomisation ask."""

from __future__ import annotations

from typing import Literal

import numpy as np

from kviz._types import Array
from kviz.metrics.measures._correlation import spearman
from kviz.metrics.measures._ssim import ssim

# Of a map's largest number, within which two are equal.
NEAR = 1e-6

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
    return rank_correlation(left, right)


def rank_correlation(left: Array, right: Array) -> Array:
    """Return the correlation of the ranks of maps `(N, *size)`, `(N,)`; 0 where one does not vary.

    Numbers within a millionth of the map's largest are equal: which one comes first would be chance, by
    what single precision leaves.

    >>> maps = np.array([[[0.0, 1e-9], [1, 2]]])
    >>> float(rank_correlation(maps, maps.clip(1e-8))[0].round(6))
    1.0
    """
    return spearman(_rounded(left), _rounded(right))


def _rounded(maps: Array) -> Array:
    flat = maps.reshape(len(maps), -1)
    largest = np.abs(flat).max(axis=1, keepdims=True)
    rounded: Array = np.rint(flat / np.where(largest > 0, largest, 1) / NEAR)
    return rounded
