"""Numbers of any type to levels 0-255: by the bits that a file declares, or the scale that fits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz.arrays import stretched
from kviz.errors import ImageError

Array = npt.NDArray[Any]


class Span:
    """The smallest and the largest of numbers that are seen part by part.

    >>> span = Span("a.tif")
    >>> span.sees(np.array([3.0, 8.0])), span.low, span.high
    (None, 3.0, 8.0)
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.low = np.inf
        self.high = -np.inf

    def sees(self, values: Array) -> None:
        """Take note of numbers.

        Raises:
            ImageError: if one of them is not finite.
        """
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            raise ImageError(
                f"{self.name} holds pixels that are not finite numbers (NaN or infinite)."
            )
        self.low, self.high = min(self.low, low), max(self.high, high)


def ceiling_of(parts: Iterable[Array], kind: str, bits: int, name: str) -> float:
    """Return the number that is white.

    Of 8 to 16 bits it is the largest that they can hold. Of others, where nothing in the file tells the
    scale, the smallest usual one that fits is meant.

    Args:
        parts: all of the numbers, part by part; unsigned ones of up to 16 bits are not looked at.
        kind: `"u"`, `"i"` or `"f"`, as NumPy calls them.
        bits: how many a number has.
        name: what messages call the file.

    Raises:
        ImageError: if no usual scale holds them, or they are not finite.

    >>> ceiling_of([], "u", 12, "a.tif"), ceiling_of([np.array([0.0, 0.5])], "f", 32, "a.tif")
    (4095, 1.0)
    """
    if kind == "u" and bits <= 16:
        return (1 << bits) - 1
    span = Span(name)
    for part in parts:
        span.sees(part)
    usual = (1.0, 255.0, 65535.0) if kind == "f" else (65535.0,)
    ceiling: float | None = next((c for c in usual if span.high <= c), None)
    if span.low < 0 or ceiling is None:
        raise ImageError(
            f"{name} holds values from {span.low:g} to {span.high:g}. "
            "Expected 0-1 or 0-255 (float) or 0-65535 (16 bits)."
        )
    return ceiling


def levels_of(values: Array, ceiling: float) -> npt.NDArray[np.uint8]:
    """Return numbers as levels, 0 as 0 and the ceiling as 255.

    >>> levels_of(np.array([0, 819, 4095], np.uint16), 4095).tolist()
    [0, 51, 255]
    """
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        numbers = np.arange(min(ceiling, np.iinfo(values.dtype).max) + 1)
        table = stretched(numbers, 0, ceiling)
        return table[np.minimum(values, len(table) - 1)]
    return stretched(values, 0, ceiling)


def over_white(levels: Array, opaque: Array) -> npt.NDArray[np.uint8]:
    """Return levels `(..., bands)` laid over white; opaque is 0-255.

    >>> over_white(np.array([[0, 200]]), np.array([51])).tolist()
    [[204, 244]]
    """
    alpha = opaque[..., None].astype(np.float32)
    laid: npt.NDArray[np.uint8] = np.rint((levels * alpha + 255 * (255 - alpha)) / 255).astype(
        np.uint8
    )
    return laid
