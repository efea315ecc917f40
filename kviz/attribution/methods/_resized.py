"""Maps of another size: of signals, pictures and volumes, between the centres of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kviz.engine.backend import keras, tf


def resized(maps: Any, size: Sequence[int], interpolation: str = "bilinear") -> Any:
    """Return maps of another size, axis by axis.

    Args:
        maps: `(N, …)` with one to three axes, whose sizes are known.
        size: those that they get.
        interpolation: `"bilinear"`, of half-pixel centres, or `"nearest"`.

    Returns:
        A tensor `(N, *size)`.

    >>> resized(tf.constant([[0.0, 4.0]]), [4]).numpy().tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    own = maps.shape[1:]
    if len(size) == 2:
        wide = keras.ops.image.resize(maps[..., None], tuple(size), interpolation=interpolation)
        return wide[..., 0]
    if len(size) == 1:
        return resized(maps[:, :, None], (size[0], 1), interpolation)[..., 0]
    depth, *plane = size
    slices = resized(tf.reshape(maps, [-1, *own[1:]]), plane, interpolation)
    flat = tf.reshape(slices, [-1, own[0], plane[0] * plane[1]])
    flat = resized(flat, (depth, plane[0] * plane[1]), interpolation)
    return tf.reshape(flat, [-1, *size])
