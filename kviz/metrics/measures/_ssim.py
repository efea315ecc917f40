"""How alike two maps look: structural similarity."""

from __future__ import annotations

import numpy as np

from kviz._types import Array

# A side of the window, and what keeps quotients finite, of values in 0-1.
WINDOW, SMALL, SMALLER = 7, 0.01**2, 0.03**2


def ssim(left: Array, right: Array) -> Array:
    """Return the structural similarity of maps, each scaled to 0-1.

    Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004,
    with a window of 7 and equal weights.

    Args:
        left: `(N, *size)`.
        right: the same.

    Returns:
        `(N,)`, 1 for equal maps.

    >>> maps = np.random.default_rng(0).random((1, 9, 9))
    >>> ssim(maps, 2 * maps + 1).round(6)
    array([1.])
    """
    left, right = _scaled(left), _scaled(right)
    count = np.prod([min(WINDOW, side) for side in left.shape[1:]])
    sample = count / max(count - 1, 1)
    means = [_windowed(maps) for maps in (left, right)]
    squares = [_windowed(maps**2) for maps in (left, right)]
    left_var, right_var = (
        sample * (square - mean**2) for square, mean in zip(squares, means, strict=True)
    )
    both = sample * (_windowed(left * right) - means[0] * means[1])
    over = (2 * means[0] * means[1] + SMALL) * (2 * both + SMALLER)
    under = (means[0] ** 2 + means[1] ** 2 + SMALL) * (left_var + right_var + SMALLER)
    alike: Array = (over / under).reshape(len(left), -1).mean(axis=1)
    return alike


def _scaled(maps: Array) -> Array:
    axes = tuple(range(1, maps.ndim))
    low, high = maps.min(axis=axes, keepdims=True), maps.max(axis=axes, keepdims=True)
    scaled: Array = (maps - low) / np.where(high > low, high - low, 1)
    return scaled


def _windowed(maps: Array) -> Array:
    """Return the mean of each window that lies within."""
    for axis in range(1, maps.ndim):
        window = min(WINDOW, maps.shape[axis])
        maps = np.lib.stride_tricks.sliding_window_view(maps, window, axis).mean(axis=-1)
    return maps
