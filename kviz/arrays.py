"""Arithmetic on arrays, with NumPy alone: numbers to grey levels, kernels to colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Levels = npt.NDArray[np.uint8]


def standardised(maps: Floats) -> Levels:
    """Return each channel of a layer as grey levels, `(x - mean) / std * 64 + 128`.

    The normalisation of the mosaic in the Keras documentation and in F. Chollet, "Deep Learning
    with Python". A channel that is zero everywhere stays 0; one that is constant becomes 128.

    Args:
        maps: float array `(H, W, channels)`, any range; it is not changed.

    Returns:
        uint8 array `(channels, H, W)`.

    >>> standardised(np.array([[[0.0, 5.0, 0.0], [0.0, 5.0, 2.0]]])).tolist()
    [[[0, 0]], [[128, 128]], [[64, 192]]]
    """
    height, width, channels = maps.shape
    values = maps.reshape(-1, channels)
    ones = np.ones(len(values), values.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        # Sums over the long axis as products: three times as fast as `.mean` on a strided axis.
        centred = values - (ones @ values / len(values)).astype(values.dtype)
        deviation = np.sqrt(np.einsum("ij,ij->j", centred, centred) / len(values))
        # A constant's mean can be off by a rounding, which its deviation would blow up.
        constant = values.max(axis=0) == values.min(axis=0)
        centred *= np.where(constant, 0, 64 / np.where(constant, 1, deviation)).astype(values.dtype)
        centred += 128
    if not np.isfinite(deviation).all():
        np.nan_to_num(centred, copy=False)
    np.clip(centred, 0, 255, out=centred)
    levels = centred.astype(np.uint8)
    levels[:, constant & (values[0] == 0)] = 0
    return levels.T.reshape(channels, height, width)


def stretched(values: Floats, low: float, high: float) -> Levels:
    """Return `values` as grey levels, `low` as 0 and `high` as 255; both equal gives 128.

    Args:
        values: float array of any shape, any range.
        low: the value drawn as 0.
        high: the value drawn as 255.

    Returns:
        uint8 array of the same shape; NaN is drawn as 0.

    >>> stretched(np.array([-1.0, 0.0, 1.0]), -1, 1).tolist()
    [0, 128, 255]
    """
    if not high > low:
        return np.full(values.shape, 128, np.uint8)
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.clip(np.rint(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)


def empty_channels(maps: Floats) -> npt.NDArray[np.bool_]:
    """Return, for each image and channel, whether the channel is zero everywhere.

    Args:
        maps: float array `(N, ..., channels)`.

    Returns:
        bool array `(N, channels)`.

    >>> empty_channels(np.array([[[[0.0, 1.0]]]])).tolist()
    [[True, False]]
    """
    return np.logical_not(maps.any(axis=tuple(range(1, maps.ndim - 1))))
