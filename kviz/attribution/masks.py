"""Where in class maps the explained class is, in the images as they are given.

What is done to an image (a window over it, noise, a path from black) moves the prediction; what is
asked about stays where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kviz.engine.backend import tf
from kviz.engine.passes import Passes
from kviz.errors import OptionError
from kviz.scores import ClassScore


class Masks:
    """A mask for each image: its score's own, or where its class is predicted.

    Args:
        score: whose mask is taken where it has one.
        passes: of the images, for this score.
        total: how many images there are.
        axes: how many axes a class map has.

    Attributes:
        passes: of images with their masks.
        empty: the images whose class is predicted nowhere.

    Raises:
        OptionError: if a mask does not fit.
    """

    def __init__(self, score: ClassScore, passes: Passes, total: int, axes: int) -> None:
        self._score, self._unmasked, self._total = score, passes, total
        self._given = None
        if score.mask is not None:
            given = np.asarray(score.mask, bool)
            if given.ndim not in (axes, axes + 1) or (given.ndim > axes and len(given) != total):
                raise OptionError(
                    f"mask has the {axes} axes of a class map, or before them one for {total} images. "
                    f"Received: {given.shape}"
                )
            one = given[None] if given.ndim == axes else given
            self._given = np.broadcast_to(one, (total, *one.shape[1:]))
        self.passes = passes.with_masks(replace(score, mask=None), axes)
        self.empty: set[int] = set()

    def of(self, chunk: Sequence[Any], target: Any, first: int) -> tuple[Any, Any]:
        """Return masks of a chunk's images, bool `(N, …)`, and their classes.

        Args:
            chunk: an array per input.
            target: int32 `(N,)`, -1 for the class that is predicted most.
            first: the place of the chunk's first image among all.
        """

        def run(*arguments: Any) -> Any:
            return self._score.where(self._unmasked.seen(arguments[:-1]), arguments[-1])

        mask, target = self._unmasked.compiled("mask", run)(*chunk, target)
        if self._given is not None:
            if self._given.shape[1:] != mask.shape[1:]:
                raise OptionError(
                    f"mask has the size of the class map, {tuple(mask.shape[1:])}. "
                    f"Received: {self._given.shape[1:]}"
                )
            mask = tf.constant(self._given[self._places(first, mask)])
        somewhere = tf.reduce_any(mask, list(range(1, len(mask.shape)))).numpy()
        self.empty |= {*self._places(first, mask)[~somewhere].tolist()}
        return mask, target.numpy()

    def _places(self, first: int, mask: Any) -> Any:
        """Return the place of each image of a chunk, the last one's for what only fills it up."""
        return np.arange(first, first + len(mask)).clip(max=self._total - 1)
