"""What metrics share that remove random cells: what maps say of these, and how far the score falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._perturb import each_axis, perturbed_scores
from kviz.engine.backend import tf
from kviz.metrics.metric import Trial

# What random numbers are drawn for.
SUBSETS = 2
# So many of a number's 53 are kept that no sum of a million cells is rounded.
BITS = 32

Draw = Callable[[int, int], np.random.Generator]


def drawing(trial: Trial, purpose: int) -> Draw:
    """Return what gives a generator for a copy, by the places of the image and of the copy.

    Each copy has its own, so that what is drawn for it need not be kept, whatever batch it is in.

    Args:
        trial: the images.
        purpose: as `Trial.randoms` takes it.
    """
    seeds: list[Any] = [random.bit_generator.seed_seq for random in trial.randoms(purpose)]

    def draw(row: int, sample: int) -> np.random.Generator:
        seed = np.random.SeedSequence(seeds[row].entropy, spawn_key=(int(sample),))
        return np.random.default_rng(seed)

    return draw


def falls(
    request: Request,
    key: str,
    keep: Callable[..., Any],
    count: int,
    drawn: Callable[[Array, Array], Sequence[Array]],
    low: Any,
) -> Array:
    """Return how far the score falls, of each image's perturbed copies; as `perturbed_scores`.

    Returns:
        Float64 `(N, count)`.
    """
    seen, _ = perturbed_scores(request, key, keep, count, drawn, low)
    whole: Array = request.scores()[0].numpy().astype(np.float64)
    return whole[:, None] - seen


def cells_of(cells: Any, size: Sequence[int]) -> tuple[int, ...]:
    """Return how many cells the grid has along each axis: at most as many as were asked for.

    All cells are of one size: larger ones have larger sums and larger falls, and a map that says
    nothing would seem to know that. Down to two thirds of what was asked for, as many are taken as
    leave out least of the image; what is left lies at its borders.

    >>> cells_of(9, (28, 224)), cells_of(9, (227, 4))
    ((7, 8), (9, 4))
    """
    asked = map(min, each_axis("cells", cells, len(size)), size)
    return tuple(
        max(range(most, most - most // 3 - 1, -1), key=lambda count: side // count * count)
        for most, side in zip(asked, size, strict=True)
    )


def counted(share: float, cells: Sequence[int]) -> int:
    """Return how many cells a share of the grid is: at least one, and not all where there are more.

    >>> counted(0.2, (9, 9)), counted(0.01, (3,)), counted(0.99, (3,))
    (16, 1, 2)
    """
    number = math.prod(cells)
    return min(max(1, round(share * number)), max(1, number - 1))


def without_subsets(
    trial: Trial, request: Request, *, cells: Sequence[int], counts: Array, baseline: Any
) -> tuple[Array, Array]:
    """Return what maps say of random subsets of cells together, and how far the score falls without.

    Args:
        trial: the maps.
        request: the images, with the passes of the score that is looked at.
        cells: how many the grid has along each axis.
        counts: int `(subsets,)`: how many of them each subset has.
        baseline: what stands where cells are removed; None for black.

    Returns:
        Float64 `(maps, N, subsets)` and `(N, subsets)`.
    """
    own, number = _summable(_cell_sums(trial.maps, cells)), math.prod(cells)
    sums = np.empty((*own.shape[:2], len(counts)))
    draw = drawing(trial, SUBSETS)

    def drawn(rows: Array, samples: Array) -> list[Array]:
        chosen = np.zeros((len(rows), number), bool)
        for one, row, sample in zip(chosen, rows, samples, strict=True):
            one[draw(row, sample).permutation(number)[: counts[sample]]] = True
        for row in np.unique(rows):
            at = rows == row
            sums[:, row, samples[at]] = own[:, row] @ chosen[at].T
        return [~chosen.reshape(-1, *cells)]

    low = baseline_of("black" if baseline is None else baseline, request)
    lost = falls(request, f"cells {len(cells)}", _kept, len(counts), drawn, low)
    return sums, lost


def _cell_sums(maps: Array, cells: Sequence[int]) -> Array:
    """Return the sums of maps `(maps, N, *size)` over each cell, `(maps, N, cells)`."""
    for axis, (side, count) in enumerate(zip(maps.shape[2:], cells, strict=True), 2):
        wide = side // count
        border = (side - wide * count) // 2
        inside = maps.take(np.arange(border, border + wide * count), axis=axis)
        shape = (*inside.shape[:axis], count, wide, *inside.shape[axis + 1 :])
        maps = inside.reshape(shape).sum(axis=axis + 1)
    return maps.reshape(*maps.shape[:2], -1)


def _summable(values: Array) -> Array:
    """Return rows of values rounded so far that their sums are exact, in whatever order.

    A map that is 0 in most cells gives many subsets one sum; as a batch would round it, it ranks them.
    """
    _, exponents = np.frexp(np.abs(values).max(axis=-1, keepdims=True))
    units = np.ldexp(1.0, exponents - BITS)
    rounded: Array = np.round(values / units) * units
    return rounded


def _kept(rows: Any, size: Any, grids: Any) -> Any:  # noqa: ARG001
    """Return grids `(B, *cells)` enlarged to `(B, *size)`, each pixel as its cell has it, borders 1."""
    kept, axes = tf.cast(grids, tf.float32), int(size.shape[0])
    for axis in range(axes):
        side, count = size[axis], tf.shape(grids)[axis + 1]
        wide = side // count
        cell = (tf.range(side) - (side - wide * count) // 2) // wide
        inside = tf.reshape(
            (cell >= 0) & (cell < count), [1] * (axis + 1) + [-1] + [1] * (axes - 1 - axis)
        )
        kept = tf.gather(kept, tf.clip_by_value(cell, 0, count - 1), axis=axis + 1)
        kept = tf.where(inside, kept, 1.0)
    return kept
