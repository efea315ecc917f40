"""Maps of another size: of signals, pictures and volumes, between the centres of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.engine.backend import tf
from kviz.engine.receptive_fields import ReceptiveField


def resized(maps: Any, size: Sequence[int], interpolation: str = "bilinear") -> Any:
    """Return maps of another size, axis by axis.

    Args:
        maps: `(N, …)` with one to three axes.
        size: those that they get, numbers or scalar tensors.
        interpolation: `"bilinear"`, of half-pixel centres, or `"nearest"`.

    Returns:
        A tensor `(N, *size)`.

    >>> resized(tf.constant([[0.0, 4.0]]), [4]).numpy().tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    if len(size) == 2:
        wide = tf.image.resize(maps[..., None], tf.stack(size), interpolation)[..., 0]
        return tf.cast(wide, maps.dtype)
    if len(size) == 1:
        return resized(maps[:, :, None], (size[0], 1), interpolation)[..., 0]
    depth, *plane = size
    own = tf.shape(maps)
    slices = resized(tf.reshape(maps, [-1, own[2], own[3]]), plane, interpolation)
    flat = tf.reshape(slices, [-1, own[1], plane[0] * plane[1]])
    flat = resized(flat, (depth, plane[0] * plane[1]), interpolation)
    return tf.reshape(flat, [-1, *size])


def aligned(maps: Array, size: Sequence[int], field: ReceptiveField) -> Array:
    """Return maps of another size, each cell where its layer looks.

    Args:
        maps: `(N, …)`.
        size: one entry an axis.
        field: the layer's: cell i lies at `centre + i * stride`.

    Returns:
        `(N, *size)`: linear between the cells' centres, and beyond the last of them as there.

    >>> field = ReceptiveField(size=(1,), stride=(2,), offset=(0,), centre=(0,))
    >>> aligned(np.array([[0.0, 4.0]]), [4], field).tolist()
    [[0.0, 2.0, 4.0, 4.0]]
    """
    for axis, length in enumerate(size):
        last = maps.shape[axis + 1] - 1
        centre, stride = float(field.centre[axis]), float(field.stride[axis])
        if stride < 1:
            maps = _gathered(maps, axis + 1, length, centre + np.arange(last + 1) * stride)
            continue
        cells = np.clip((np.arange(length) - centre) / stride, 0, last)
        below = np.floor(cells).astype(int)
        share = (cells - below).reshape(-1, *[1] * (len(size) - axis - 1)).astype(maps.dtype)
        low = maps.take(below, axis + 1)
        maps = low + (maps.take(np.minimum(below + 1, last), axis + 1) - low) * share
    return maps


def _gathered(maps: Array, axis: int, length: int, places: Array) -> Array:
    """Return maps with fewer pixels than cells along an axis: the mean of those that lie in each.

    Args:
        maps: any array.
        axis: which axis.
        length: how many pixels.
        places: where the cells lie, one each.
    """
    owners = np.rint(places).clip(0, length - 1).astype(int)
    shares = np.zeros((length, len(places)), maps.dtype)
    shares[owners, np.arange(len(places))] = 1
    empty = np.flatnonzero(~shares.any(axis=1))
    shares[empty, np.abs(places - empty[:, None]).argmin(axis=1)] = 1
    shares /= shares.sum(axis=1, keepdims=True)
    return np.moveaxis(np.moveaxis(maps, axis, -1) @ shares.T, -1, axis)
