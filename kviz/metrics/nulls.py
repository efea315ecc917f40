"""Nulls: maps that know nothing of the network, or nothing of the photo, and what they would score.

A value alone says little: with blur in place of pixels the mean of random maps' insertion is four times
what it is with black. What a map has to beat is what these get.
"""

from __future__ import annotations

import numpy as np

from kviz._types import Array
from kviz.metrics.metric import fingerprint, random_of
from kviz.results.null_names import ANOTHER, EDGES, INVERTED, MIDDLE, RANDOM

# What random numbers are drawn for; each further draw counts on from here.
UNIFORM = 100
# Of the sides, how wide the map is that knows photographers put things in the middle.
CENTRE = 4


def shared_names(images: Array, draws: int) -> tuple[str, ...]:
    """Return the names of the nulls that are the same for every method, in their order.

    Args:
        images: `(N, …)`; what has no positions has no edges and no middle.
        draws: how many maps of random numbers.
    """
    return (*[RANDOM] * draws, *((MIDDLE, EDGES) if images.ndim > 2 else ()))


def shared_nulls(images: Array, size: tuple[int, ...], draws: int, seed: int) -> Array:
    """Return maps of an image that no network made: of random numbers, of the middle, of edges.

    Args:
        images: `(N, …)`.
        size: a map's size.
        draws: how many of random numbers, uniform from 0 to 1.
        seed: for these.

    Returns:
        Float64 `(maps, N, *size)`, as `shared_names` names them.
    """
    maps = [
        np.stack([random_of(image, seed, UNIFORM + draw).random(size) for image in images])
        for draw in range(draws)
    ]
    if images.ndim > 2:
        maps += [np.broadcast_to(_middle(size), (len(images), *size)), _edges(images)]
    return np.stack(maps) if maps else np.empty((0, len(images), *size))


def own_names(others: Array | None) -> tuple[str, ...]:
    """Return the names of the nulls that each method has of its own, in their order."""
    return (INVERTED,) if others is None else (INVERTED, ANOTHER)


def own_nulls(maps: Array, others: Array | None, part: slice) -> Array:
    """Return the nulls that a method has of its own: its maps inverted, and those of another photo.

    Args:
        maps: `(N, *size)`.
        others: as `others_of` returns it.
        part: which images are wanted.

    Returns:
        Float64 `(maps, n, *size)`, as `own_names` names them.
    """
    return np.stack([-maps[part], *([] if others is None else [maps[others[part]]])])


def others_of(images: Array, maps: Array) -> Array | None:
    """Return the place of another photo for each, None where all are one photo.

    Which one it is follows from what is in photos and maps, so that their order does not matter.

    Args:
        images: `(N, …)`.
        maps: `(N, *size)`, by which those of one photo are told apart.
    """
    photos = [fingerprint(image) for image in images]
    ranked = sorted(range(len(images)), key=lambda place: (photos[place], fingerprint(maps[place])))
    firsts = {photos[place]: place for place in reversed(ranked)}
    kinds = sorted(firsts)
    if len(kinds) < 2:
        return None
    after = dict(zip(kinds, kinds[1:] + kinds[:1], strict=True))
    return np.array([firsts[after[photo]] for photo in photos])


def _middle(size: tuple[int, ...]) -> Array:
    """Return a Gaussian about the middle."""
    total = np.zeros(size)
    for axis, side in enumerate(size):
        away = (np.arange(side) - (side - 1) / 2) / (side / CENTRE)
        total += (away**2).reshape(-1, *[1] * (len(size) - axis - 1))
    middle: Array = np.exp(-total / 2)
    return middle


def _edges(images: Array) -> Array:
    """Return how steep each image is, its channels' mean."""
    grey = images.astype(np.float64).mean(axis=-1)
    axes = [axis for axis in range(1, grey.ndim) if grey.shape[axis] > 1]
    slopes = [np.gradient(grey, axis=axis) for axis in axes]
    steep: Array = np.sqrt(sum(slope**2 for slope in slopes)) if slopes else 0 * grey
    return steep
