"""A chunk's maps made again: of other weights, of changed images, or of other classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.attribution.attribute import Resize, numbers_of, of_image_size
from kviz.attribution.method import Method, Request, validate_scores
from kviz.engine.backend import tf
from kviz.engine.other_weights import OtherWeights
from kviz.engine.receptive_fields import ReceptiveField


@dataclass(frozen=True, kw_only=True, eq=False)
class Again:
    """How the first map of each image of a chunk was made, to make it again of something else.

    What a method draws at random it draws as it did before: maps that are made of the same are the
    same. In class maps the score stays that of the places where the class was predicted.

    Attributes:
        method: what made the maps.
        request: the images, their classes and the passes of the score, with the method's own seed.
        resizing: how a layer's maps got the image's size.
        nulls: takes images and the first map of each, and returns all maps as `Trial.maps` has them.
    """

    method: Method
    request: Request
    resizing: tuple[Resize, ReceptiveField | None]
    nulls: Callable[[Array, Array], Array]

    def __call__(
        self, *, weights: OtherWeights | None = None, images: Any = None, classes: Any = None
    ) -> Array:
        """Return the first map of each image anew.

        Args:
            weights: what stands in for the network's own.
            images: other values of the input that is explained, `(N, …)`; further inputs stay.
            classes: int32 `(N,)`, other classes.

        Returns:
            Float64 `(N, *size)`.

        Raises:
            ImageError: if a score or a map is not finite.
        """
        request = self.request
        if weights is not None:
            request = replace(request, passes=request.passes.with_weights(weights))
        if images is not None:
            request = replace(request, pixels=request.replaced(self._typed(images)))
        if classes is not None:
            request = replace(request, target=tf.constant(classes, "int32"))
        found = numbers_of(self.method.maps(request), len(request.images))
        validate_scores(found.scores, request.first)
        shape = request.images.shape[1:]
        raw = found.maps.astype(np.float32, copy=False)
        maps = of_image_size(raw, shape, self.method, self.resizing)
        return channels_added(maps.astype(np.float64), shape)

    def beside_nulls(self, images: Array) -> Array:
        """Return all maps of other images: the first anew, and the nulls as they are made of these.

        Args:
            images: as `__call__` takes them.

        Returns:
            Float64 `(maps, N, *size)`, as `Trial.maps`.
        """
        images = self._typed(images)
        return self.nulls(images, self(images=images))

    def _typed(self, images: Array) -> Array:
        passes = self.request.passes
        return np.asarray(images, passes.specs[passes.input_name].dtype.as_numpy_dtype)


def channels_added(maps: Array, shape: Sequence[int]) -> Array:
    """Return maps `(N, …)` without channels, those of an image of this shape added up."""
    positions = len(shape) - 1 if len(shape) > 1 else 1
    return maps.sum(axis=-1) if maps.ndim == positions + 2 else maps
