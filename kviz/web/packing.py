"""Numbers as a page carries them: one byte a value where that is enough, deflated, as Base64 text."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz._checks import sanitise
from kviz._types import Array

# The longest names that a page shows whole.
NAME_LENGTH = 200
# The longest sentences that facts tell whole.
TEXT_LENGTH = 500


@dataclass(frozen=True)
class Channels:
    """One photo's maps of one layer, a byte a value: `low + code * (high - low) / 255`.

    Attributes:
        codes: uint8 `(channels, H, W)`.
        low: float32 `(channels,)`, the value of code 0.
        high: float32 `(channels,)`, of code 255.
        mean: float32 `(channels,)`, of the values before anything was lost.
        deviation: float32 `(channels,)`, their standard deviation.
    """

    codes: npt.NDArray[np.uint8]
    low: Array
    high: Array
    mean: Array
    deviation: Array

    @property
    def values(self) -> Array:
        """What a reader of the page gets back: float64 `(channels, H, W)`."""
        step = (self.high.astype(np.float64) - self.low) / 255
        return self.low[:, None, None] + self.codes * step[:, None, None]

    def bytes(self) -> bytes:
        """Return numbers in the order in which the page's script reads them, little-endian."""
        numbers = np.stack([self.low, self.high, self.mean, self.deviation]).astype("<f4")
        return numbers.tobytes() + self.codes.tobytes()


def quantised(maps: Array, factor: int = 1) -> Channels:
    """Return maps with a byte a value and a scale of its own for each channel.

    Args:
        maps: float `(H, W, channels)`; what is not finite is carried as zero.
        factor: values a side to be averaged to one.

    Returns:
        The channels. Each value is off by at most half of `(high - low) / 255`.

    >>> quantised(np.array([[[0.0], [51.0], [255.0]]])).codes.tolist()
    [[[0, 51, 255]]]
    """
    finite = np.isfinite(maps)
    planes = maps if finite.all() else np.where(finite, maps, 0)
    planes = np.ascontiguousarray(np.moveaxis(planes, -1, 0))
    flat = planes.reshape(len(planes), -1)
    mean = flat.mean(axis=1, dtype=np.float64)
    deviation = flat.std(axis=1, dtype=np.float64)
    low, high = flat.min(axis=1), flat.max(axis=1)
    deviation[low == high] = 0
    if factor > 1:
        planes = averaged(planes, factor)
        flat = planes.reshape(len(planes), -1)
        low, high = flat.min(axis=1), flat.max(axis=1)
    low, high = low.astype(np.float32), high.astype(np.float32)
    span = high.astype(np.float64) - low
    return Channels(
        codes=coded(planes, low, span),
        low=low,
        high=high,
        mean=mean.astype(np.float32),
        deviation=deviation.astype(np.float32),
    )


def coded(planes: Array, low: Array, span: Array) -> npt.NDArray[np.uint8]:
    """Return planes as codes 0-255, from `low` to `low + span` of each.

    >>> coded(np.array([[[0.0, 1e-40]]], np.float32), np.zeros(1), np.array([1e-40])).tolist()
    [[[0, 255]]]
    """
    span = span.astype(np.float64)
    scale = np.divide(255, span, out=np.zeros_like(span), where=span > 0)
    # In float32, which is twice as fast, codes a unit would be infinite where next to nothing is there,
    # and so would be the way from the lowest number to the highest.
    most = np.finfo(np.float32).max
    if scale.max(initial=0) < most and span.max(initial=0) < most:
        scale = scale.astype(np.float32)
    else:
        planes = planes.astype(np.float64)
    levels = planes - low[:, None, None]
    levels *= scale[:, None, None]
    np.rint(levels, out=levels)
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)


def averaged(planes: Array, factor: int) -> Array:
    """Return planes in which each block of `factor` by `factor` is its mean, less at the edges.

    >>> averaged(np.array([[[1.0, 3.0, 8.0]]]), 2).tolist()
    [[[2.0, 8.0]]]
    """
    if factor == 1:
        return planes
    _, height, width = planes.shape
    rows, columns = np.arange(0, height, factor), np.arange(0, width, factor)
    sums = np.add.reduceat(np.add.reduceat(planes, rows, axis=1), columns, axis=2)
    sizes = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    means: Array = (sums / sizes).astype(planes.dtype)
    return means


def packed(data: bytes) -> str:
    """Return bytes as a page carries them: gzip, in Base64.

    >>> len(packed(bytes(1000))) < 60
    True
    """
    # The first level is four times as fast as the usual one, and a tenth larger.
    return base64.b64encode(gzip.compress(data, compresslevel=1, mtime=0)).decode()


def as_planes(maps: Array) -> Array | None:
    """Return one photo's maps as `(H, W, channels)`: a sequence as one row; None for volumes."""
    if maps.ndim == 2:
        return maps[None]
    return maps if maps.ndim == 3 else None


def fitted(
    layers: Mapping[str, list[Array]], limit: float, pack: Callable[[bytes], Any] = packed
) -> tuple[dict[str, list[Any]], int]:
    """Return maps packed so that all of them take at most `limit` characters.

    How small they have to be is told from the first photo's, so that little is packed twice.

    Args:
        layers: `(H, W, channels)` arrays by layer, one a photo.
        limit: characters; infinite leaves every map as it is.
        pack: what they are carried as.

    Returns:
        Texts by layer, one a photo; and the longest side, in values, of a map that is carried: longer
        ones were averaged down to it. 0 where none was. At the smallest side it may be over the limit.
    """
    first = {path: pack(quantised(found[0]).bytes()) for path, found in layers.items()}
    made: dict[str, list[Any]] = {}
    for side in (0, *SIDES):
        expected = 0.0
        for path, found in layers.items():
            # Four float32 a channel are there at any size.
            fixed = min(16 * found[0].shape[-1] * 4 / 3, len(first[path]))
            shrunk = (len(first[path]) - fixed) / factor_for(found[0].shape, side) ** 2
            expected += len(found) * (fixed + shrunk)
        if expected > limit and side != SIDES[-1]:
            continue
        for path, found in layers.items():
            factor = factor_for(found[0].shape, side)
            known = [first[path]] if factor == 1 else []
            rest = found[len(known) :]
            made[path] = known + [pack(quantised(maps, factor).bytes()) for maps in rest]
        if sum(len(text) for texts in made.values() for text in texts) <= limit:
            break
    return made, side


SIDES = (128, 112, 75, 56, 38, 28, 19, 14, 7)


def factor_for(shape: tuple[int, ...], side: int) -> int:
    """Return how many values are averaged to one for a map to be at most `side` long."""
    return math.ceil(max(shape[:2]) / side) if side else 1


def plainly(value: Any) -> Any:
    """Return facts as JSON has them: names as lists of signs that show, no NaN, NumPy's as Python's."""
    if isinstance(value, str):
        return sanitise(value, TEXT_LENGTH)
    if isinstance(value, Mapping):
        return {sanitise(key, NAME_LENGTH): plainly(item) for key, item in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plainly(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | float) else sanitise(value)


def script_json(value: Any) -> str:
    r"""Return JSON that can stand in a script element: nothing in it ends it or begins a tag.

    >>> script_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(plainly(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    # Signs beyond ASCII, U+2028 among them, are escaped already.
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
