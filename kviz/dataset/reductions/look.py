"""Look: a batch of one layer's maps as reductions see them, each pass over them made once.

A layer's maps are the largest arrays of a run, and to read them costs more than to add them up. So all
reductions of a layer share one `Look`: they ask it for sums, peaks and zeros a block of cells, and it
goes over the maps once for each. A block is a few dozen cells of one image. Within a block numbers are
added in single precision, from block to block in double precision: that is as exact as double precision
throughout, and the maps are not copied to twice their size.

What is not finite is counted and left out. Whether there is any is read off the sums, which are then
not finite either; only where there is, the maps are gone over once more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

from kviz.engine.backend import tf

# Cells a block: so many single-precision numbers add up with an error that averages out.
_BLOCK, _LONGEST = 32, 128


class Seen(NamedTuple):
    """What is known of a batch's images.

    Attributes:
        rows: int64 `(N,)`: their places in the source.
        labels: int32 `(N,)`: their classes, -1 for unknown.
        predictions: int32 `(N,)`: what the model takes them for, -1 for unknown.
        valid: bool `(N,)`: whether a row counts; it does not where it pads a batch or is a bad image.
    """

    rows: Any
    labels: Any
    predictions: Any
    valid: Any


class Look:
    """A batch of one layer's maps, with what several reductions need of them.

    Args:
        maps: real `(N, …, channels)`, or None for reductions that need predictions alone.
        seen: what is known of the images.

    Attributes:
        maps: float32 or float64 `(N, …, channels)`, those rows alone that count.
        rows: as `Seen` has them, those that count; so the others.
    """

    def __init__(self, maps: Any, seen: Seen) -> None:
        valid = tf.convert_to_tensor(seen.valid)
        self.rows = tf.boolean_mask(tf.cast(seen.rows, tf.int64), valid)
        self.labels = tf.boolean_mask(tf.cast(seen.labels, tf.int32), valid)
        self.predictions = tf.boolean_mask(tf.cast(seen.predictions, tf.int32), valid)
        if maps is not None:
            maps = tf.convert_to_tensor(maps)
            if maps.dtype not in (tf.float32, tf.float64):
                maps = tf.cast(maps, tf.float32)
            # A batch without padding, which most are, is not copied.
            maps = tf.cond(tf.reduce_all(valid), lambda: maps, lambda: tf.boolean_mask(maps, valid))
            self.maps = maps

    @cached_property
    def count(self) -> Any:
        """How many images count, int64."""
        return tf.shape(self.rows, tf.int64)[0]

    @cached_property
    def size(self) -> Any:
        """The size of a map, int64 `(rank,)`; empty for a layer that is pooled or has no cells."""
        return tf.shape(self.maps, tf.int64)[1:-1]

    @cached_property
    def cells(self) -> Any:
        """How many cells a map has, int64."""
        return tf.reduce_prod(self.size)

    @cached_property
    def channels(self) -> Any:
        """How many channels there are, int32."""
        return tf.shape(self.maps)[-1]

    @cached_property
    def blocks(self) -> Any:
        """The maps as `(N, blocks, cells of one, channels)`."""
        return self._blocked(self.maps)

    def _blocked(self, maps: Any) -> Any:
        size, channels = self.maps.shape[1:-1], self.maps.shape[-1]
        across = _across(math.prod(size)) if size.is_fully_defined() else tf.shape(maps)[-2]
        return tf.reshape(maps, (-1, *self._down(across), across, channels or self.channels))

    def _down(self, across: Any) -> tuple[Any]:
        return (tf.cast(self.cells, tf.int32) // across,)

    @cached_property
    def exact(self) -> Any:
        """Whether blocks may be added up in single precision: all is finite, and no block is long."""
        across = tf.shape(self.blocks)[2]
        short = tf.less_equal(across, _LONGEST) if self.maps.dtype == tf.float32 else True
        return tf.logical_and(self.finite, short)

    @cached_property
    def _sums(self) -> Any:
        return tf.reduce_sum(self.blocks, 2)

    @cached_property
    def finite(self) -> Any:
        """Whether all is finite; False also where sums are not."""
        return tf.reduce_all(tf.math.is_finite(self._sums))

    def _where_finite(self, clean: Callable[[], Any], other: Callable[[], Any]) -> Any:
        return tf.cond(self.finite, clean, other)

    def filled(self, value: Any) -> Any:
        """Return the blocks with a value in the place of what is not finite.

        Args:
            value: a number, or a tensor `(channels,)`.
        """
        blocks = self.blocks
        value = tf.cast(value, blocks.dtype)
        return self._where_finite(
            lambda: blocks, lambda: tf.where(tf.math.is_finite(blocks), blocks, value)
        )

    @cached_property
    def unfinite(self) -> Any:
        """How many cells are not finite: int64 `(N, channels)`."""
        blocks, sums = self.blocks, self._sums
        return self._where_finite(
            lambda: tf.zeros_like(sums[:, 0], tf.int64),
            lambda: tf.math.count_nonzero(~tf.math.is_finite(blocks), (1, 2)),
        )

    @cached_property
    def unfinite_cells(self) -> Any:
        """How many cells of all images are not finite: int64 `(channels,)`."""
        return tf.reduce_sum(self.unfinite, 0)

    @cached_property
    def counts(self) -> Any:
        """How many cells are finite: int64 `(channels,)`."""
        return self.count * self.cells - self.unfinite_cells

    @cached_property
    def sums(self) -> Any:
        """The sum of the finite cells of each image and channel: float64 `(N, channels)`."""
        blocks, sums = self.blocks, self._sums
        return tf.cond(
            self.exact,
            lambda: tf.reduce_sum(tf.cast(sums, tf.float64), 1),
            lambda: tf.reduce_sum(_finite64(blocks), (1, 2)),
        )

    @cached_property
    def moments(self) -> tuple[Any, Any]:
        """The mean of each channel's finite cells, and the sum of squared differences from it.

        Both are float64 `(channels,)`, and 0 where nothing is finite.
        """
        counts = tf.cast(self.counts, tf.float64)
        about = tf.math.divide_no_nan(tf.reduce_sum(self.sums, 0), counts)
        # Differences from a number that single precision has are as exact as they are small.
        pivot = tf.cast(about, self.maps.dtype)
        blocks, wide = self.blocks, tf.cast(pivot, tf.float64)

        def short() -> tuple[Any, Any]:
            apart = blocks - pivot
            norms = tf.raw_ops.EuclideanNorm(input=apart, axis=[2])
            sums = tf.cast(tf.reduce_sum(apart, 2), tf.float64)
            return tf.reduce_sum(sums, (0, 1)), _square_sum(norms, (0, 1))

        def long() -> tuple[Any, Any]:
            apart = _finite64(blocks, wide) - wide
            return tf.reduce_sum(apart, (0, 1, 2)), _square_sum(apart, (0, 1, 2))

        sums, squares = tf.cond(self.exact, short, long)
        # Squares have twice the range.
        overflown = ~tf.reduce_all(tf.math.is_finite(squares))
        sums, squares = tf.cond(overflown, long, lambda: (sums, squares))
        off = tf.math.divide_no_nan(sums, counts)
        return wide + off, tf.maximum(squares - sums * off, 0)

    @cached_property
    def _block_peaks(self) -> Any:
        return tf.reduce_max(self.filled(-math.inf), 2)

    @cached_property
    def peaks(self) -> Any:
        """The largest finite value of each image and channel, -inf for none: `(N, channels)`."""
        return tf.reduce_max(self._block_peaks, 1)

    @cached_property
    def peak_cells(self) -> Any:
        """The first cell that has it, counted as the map is laid out: int64 `(N, channels)`."""
        block = tf.argmax(self._block_peaks, 1)
        # Of each image and channel, the one block that has its peak.
        inside = _picked(self.filled(-math.inf), block)
        return block * tf.shape(self.blocks, tf.int64)[2] + tf.argmax(inside, 2)

    @cached_property
    def lows(self) -> Any:
        """The smallest finite value of each image and channel, inf for none: `(N, channels)`."""
        return tf.reduce_min(tf.reduce_min(self.filled(math.inf), 2), 1)

    @cached_property
    def zeros(self) -> Any:
        """How many cells are zero: int64 `(N, channels)`."""
        # A block is short, so bytes would hold the count of most; these are the cheapest sums of all.
        zero = tf.cast(tf.equal(self.blocks, 0), tf.int32)
        return tf.cast(tf.reduce_sum(zero, (1, 2)), tf.int64)


def _across(cells: int) -> int:
    """Return how many cells make a block: a divisor, near `_BLOCK` where there is one.

    >>> _across(56 * 56), _across(113 * 113), _across(1)
    (32, 113, 1)
    """
    fitting = [n for n in range(1, min(cells, _LONGEST) + 1) if cells % n == 0]
    return min(fitting, key=lambda n: abs(math.log(n / _BLOCK)), default=1)


def _finite64(blocks: Any, value: Any = 0) -> Any:
    """Return blocks in double precision with a value in the place of what is not finite."""
    wide = tf.cast(blocks, tf.float64)
    return tf.where(tf.math.is_finite(wide), wide, tf.cast(value, tf.float64))


def _square_sum(values: Any, axes: tuple[int, ...]) -> Any:
    return tf.reduce_sum(tf.square(tf.cast(values, tf.float64)), axes)


def _picked(blocks: Any, block: Any) -> Any:
    """Return the cells of one block an image and channel: `(N, channels, cells of one)`."""
    count, _, across, channels = (tf.shape(blocks, tf.int64)[axis] for axis in range(4))
    image = tf.range(count)[:, None, None]
    channel = tf.range(channels)[None, :, None]
    cell = tf.range(across)[None, None, :]
    total = tf.shape(blocks, tf.int64)[1]
    flat = ((image * total + block[:, :, None]) * across + cell) * channels + channel
    return tf.gather(tf.reshape(blocks, (-1,)), flat)
