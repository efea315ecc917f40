"""What metrics of where things are share: the region of each image, and the relevance that counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from kviz._types import Array
from kviz.metrics.metric import Trial

Sign = Literal["positive", "absolute"]


def counted(trial: Trial, sign: Sign) -> Trial:
    """Return the same with what counts of the maps: their values as they are, or without a sign."""
    return trial if sign == "positive" else replace(trial, maps=np.abs(trial.maps))


def regions_of(trial: Trial) -> Array:
    """Return where things are in each image, bool `(N, *size)`."""
    if trial.regions is None:
        raise ValueError("A metric of regions has to be given some.")
    return trial.regions


def told(values: Array, regions: Array) -> Array:
    """Return values `(maps, N)`, NaN of images that have no region.

    >>> told(np.ones((1, 2)), np.array([[True, False], [False, False]]))
    array([[ 1., nan]])
    """
    found: Array = np.where(regions.reshape(len(regions), -1).any(axis=1), values, np.nan)
    return found
