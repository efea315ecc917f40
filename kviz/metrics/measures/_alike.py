"""How alike two maps are, as metrics of randomisation ask."""

from __future__ import annotations

from typing import Literal

import numpy as np

from kviz._types import Array
from kviz.metrics.measures._correlation import pearson, ranks
from kviz.metrics.measures._ssim import ssim

# Of a map's largest number, within which two are equal.
NEAR = 1e-6

Similarity = Literal["spearman", "ssim"]


def compared(maps: Array, similarity: Similarity, *, absolute: bool) -> Array:
    """Return what `alike` compares of maps, once for all that they are compared with.

    Args:
        maps: `(N, *size)`.
        similarity: as `alike` takes it.
        absolute: whether their absolute values are compared.

    Returns:
        Their ranks `(N, pixels)`, or for `"ssim"` the maps.
    """
    if absolute:
        maps = np.abs(maps)
    return maps if similarity == "ssim" else ranked(maps)


def alike(left: Array, right: Array, similarity: Similarity) -> Array:
    """Return how alike maps are, `(N,)`.

    Args:
        left: the maps, as `compared` gives them.
        right: others.
        similarity: `"spearman"`, the correlation of ranks, or `"ssim"`, structural similarity.

    >>> maps = np.random.default_rng(0).random((1, 9, 9))
    >>> pair = (compared(one, "spearman", absolute=True) for one in (maps, -maps))
    >>> float(alike(*pair, "spearman")[0].round(6))
    1.0
    """
    return ssim(left, right) if similarity == "ssim" else pearson(left, right)


def rank_correlation(left: Array, right: Array) -> Array:
    """Return the correlation of the ranks of maps `(N, *size)`, `(N,)`; 0 where one does not vary.

    >>> maps = np.array([[[0.0, 1e-9], [1, 2]]])
    >>> float(rank_correlation(maps, maps.clip(1e-8))[0].round(6))
    1.0
    """
    return pearson(ranked(left), ranked(right))


def ranked(maps: Array) -> Array:
    """Return the ranks of the numbers of maps `(N, *size)`, `(N, pixels)`.

    Numbers within a millionth of the map's largest are equal: which one comes first would be chance, by
    what single precision leaves.

    >>> ranked(np.array([[[0.0, 1e-9], [1, 2]]]))
    array([[0.5, 0.5, 2. , 3. ]])
    """
    flat = maps.reshape(len(maps), -1)
    largest = np.abs(flat).max(axis=1, keepdims=True)
    return ranks(np.rint(flat / np.where(largest > 0, largest, 1) / NEAR))
