"""Arithmetic on arrays, with NumPy alone: numbers to grey levels, kernels to colours."""

from __future__ import annotations

from typing import Any

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
    # In half precision the squares would overflow.
    values = maps.astype(np.result_type(maps, np.float32), copy=False).reshape(-1, channels)
    with np.errstate(invalid="ignore", over="ignore"):
        # einsum walks the rows once; products by BLAS would start threads that fight with ours.
        mean = np.einsum("ij->j", values) / len(values)
        centred = values - mean
        deviation = np.sqrt(np.einsum("ij,ij->j", centred, centred) / len(values))
        if (np.abs(mean) > 100 * deviation).any():
            # Far from zero a float32 sum is off by a part of the deviation; once more, close to it.
            centred -= np.einsum("ij->j", centred, dtype=np.float64) / len(values)
            deviation = np.sqrt(np.einsum("ij,ij->j", centred, centred) / len(values))
        constant = _constant(values, np.flatnonzero(~(deviation > 1e-3 * np.abs(values[0]))))
        # Squares of values below 1e-23 vanish in float32: too flat to draw, not zero.
        flat = constant | (deviation == 0)
        centred *= np.where(flat, 0, 64 / np.where(flat, 1, deviation))
        centred += 128
    if not np.isfinite(deviation).all():
        np.nan_to_num(centred, copy=False)
    levels = np.empty(centred.shape, np.uint8)
    np.clip(centred, 0, 255, out=levels, casting="unsafe")
    levels[:, constant & (values[0] == 0)] = 0
    return levels.T.reshape(channels, height, width)


def _constant(values: Floats, candidates: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Return which columns hold one value only.

    A constant's mean can be off by a rounding, so its deviation need not be 0; where it is small, the
    values themselves decide. To compare them in every column would take as long as all the rest.
    """
    constant = np.zeros(values.shape[1], bool)
    constant[candidates] = (values[:, candidates] == values[0, candidates]).all(axis=0)
    return constant


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
    with np.errstate(invalid="ignore", over="ignore"):
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


def as_bytes(pixels: npt.NDArray[Any]) -> Levels:
    """Return pixels 0-255 as the nearest whole numbers; what is no number is black.

    >>> as_bytes(np.array([-3.0, 7.6, np.nan, 300.0])).tolist()
    [0, 8, 0, 255]
    """
    levels: Levels = np.rint(np.clip(np.nan_to_num(pixels), 0, 255)).astype(np.uint8)
    return levels


def is_picture(images: npt.NDArray[Any] | None) -> bool:
    """Return whether images `(N, …)` can be shown as pictures: grey or RGB.

    >>> is_picture(np.zeros((1, 28, 28, 1))), is_picture(np.zeros((1, 1000, 2)))
    (True, False)
    """
    return images is not None and images.ndim == 4 and images.shape[-1] in (1, 3)


def pixel_span(images: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the values that are black and white, for all of these images alike.

    Whole numbers are levels 0-255. Of others the smallest usual scale is taken that holds all: 0 to 1,
    -1 to 1, 0 to 255, or else from the smallest to the largest.

    >>> pixel_span(np.zeros((2, 2))), pixel_span(np.array([-1.0, 0.5])), pixel_span(np.array([0, 1]))
    ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
    """
    low, high = float(images.min()), float(images.max())
    if images.dtype.kind in "ui" and low >= 0 and high <= 255:
        return 0.0, 255.0
    usual = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
    return next(((a, b) for a, b in usual if a <= low and high <= b), (low, high))


def photo_of(photo: npt.NDArray[Any], span: tuple[float, float] | None = None) -> Levels:
    """Return an image of any type and 1 or 3 channels as RGB.

    Args:
        photo: the image.
        span: the values that are black and white; by default as `pixel_span` finds them.

    >>> photo_of(np.zeros((1, 1, 1))).tolist()
    [[[0, 0, 0]]]
    """
    if photo.dtype != np.uint8:
        photo = stretched(photo, *(span or pixel_span(photo)))
    return np.broadcast_to(photo, (*photo.shape[:2], 3))


def grey_of(photo: Levels) -> Floats:
    """Return the brightness of RGB levels, 0 to 255: `(H, W)`.

    >>> grey_of(np.full((1, 1, 3), 100, np.uint8)).tolist()
    [[100.0]]
    """
    # Weights in thousands and one division: white stays exactly white.
    red, green, blue = np.moveaxis(photo.astype(np.float32), -1, 0)
    grey: Floats = (299 * red + 587 * green + 114 * blue) / 1000
    return grey


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array, or a view of it, that cannot be written to.

    >>> read_only(np.ones(2)).flags.writeable
    False
    """
    if array.flags.writeable:
        # A view: the array itself may be the caller's.
        array = array.view()
        array.flags.writeable = False
    return array
