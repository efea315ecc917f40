"""Look: a batch of one layer's maps as reductions see them, gone over once for all of them.

A layer's maps are the largest arrays of a run. To read them from memory costs more than to add them up,
and to write as much again, as a difference or a copy in double precision would, costs most. So all
reductions of a layer share one `Look`. On a CPU it goes over the maps piece by piece, a few images that
fit the cache, and makes all that is asked for of a piece while it is there: sums, norms, peaks, lows
and zeros of each block, a few dozen cells of one image. Within a block numbers are added in single
precision, from block to block in double precision, so that errors average out. Where a channel's mean
is large beside its deviation, sums of squares say too little of it; then all is gone over once more,
means taken away.

What is not finite is counted and left out. Whether there is any is read off the sums, which are then
not finite either; only where there is, the maps are gone over once more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple

from kviz.engine.backend import tf

# Cells a block, and the most: a byte counts no more.
_BLOCK, _LONGEST = 32, 127
# Bytes of a piece: a processor's cache holds it, and to start on it costs little beside.
_PIECE = 4_000_000
# By what part of a sum of squares the mean may at most make it larger than the deviations do.
_LARGE_MEAN = 0.75


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
        passes: what reductions will ask for of `"sums"`, `"norms"`, `"peaks"`, `"lows"`, `"zeros"`, so
            that it is made at once.

    Attributes:
        maps: float32 or float64 `(N, …, channels)`, those rows alone that count.
        rows: as `Seen` has them, those that count; so the others.
    """

    def __init__(self, maps: Any, seen: Seen, passes: Iterable[str] = ()) -> None:
        self._wanted = {"sums", *passes}
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
    def _across(self) -> Any:
        """How many cells make a block."""
        size = self.maps.shape[1:-1]
        if size.is_fully_defined():
            return block_of(math.prod(size))
        return tf.cast(self.cells, tf.int32)

    @property
    def _short(self) -> bool:
        """Whether the cells of a block may be added up in single precision."""
        return isinstance(self._across, int) and self._across <= _LONGEST

    @cached_property
    def blocks(self) -> Any:
        """The maps as `(N, blocks, cells of one, channels)`."""
        down = tf.cast(self.cells, tf.int32) // self._across
        channels = self.maps.shape[-1] or self.channels
        return tf.reshape(self.maps, (-1, down, self._across, channels))

    @cached_property
    def _made(self) -> dict[str, Any]:
        """What passes give of each block: `(N, blocks, channels)` each."""
        names = sorted(self._wanted)
        made = dict(
            zip(names, self._in_pieces(lambda part: self._passed(names, part)), strict=True)
        )
        blocks = self.blocks
        self.finite = tf.reduce_all(tf.math.is_finite(made["sums"]))

        def anew() -> list[Any]:
            finite = tf.math.is_finite(blocks)
            return [_PASSES[name](tf.where(finite, blocks, _FILLS[name]), False) for name in names]

        kept = tf.cond(self.finite, lambda: [made[name] for name in names], anew)
        return dict(zip(names, kept, strict=True))

    def _passed(self, names: Iterable[str], part: Any) -> list[Any]:
        return [_PASSES[name](part, self._short) for name in names]

    def _in_pieces(self, of: Callable[[Any], list[Any]]) -> list[Any]:
        """Return what a function gives of the blocks, made of a few images after the other."""
        blocks = self.blocks
        if on_gpu() or not blocks.shape[1:].is_fully_defined():
            return of(blocks)
        each = max(1, _PIECE // (math.prod(blocks.shape[1:]) * blocks.dtype.size))
        count = tf.shape(blocks)[0]
        like = of(blocks[:0])

        def step(start: Any, *kept: Any) -> tuple[Any, ...]:
            made = of(blocks[start : start + each])
            return (
                start + each,
                *(one.write(start // each, new) for one, new in zip(kept, made, strict=True)),
            )

        def looped() -> list[Any]:
            first = [
                tf.TensorArray(
                    one.dtype, -(-count // each), infer_shape=False,
                    element_shape=(None, *one.shape[1:]),
                )
                for one in like
            ]  # fmt: skip
            _, *kept = tf.while_loop(
                lambda start, *_: start < count, step, (0, *first), parallel_iterations=1
            )
            return [one.concat() for one in kept]

        made: list[Any] = tf.cond(count > each, looped, lambda: of(blocks))
        return made

    def _of(self, name: str) -> Any:
        if name not in self._wanted:
            return Look(self.maps, self._all_valid, [name])._of(name)
        return self._made[name]

    @property
    def _all_valid(self) -> Seen:
        return Seen(self.rows, self.labels, self.predictions, tf.ones_like(self.rows, tf.bool))

    @cached_property
    def unfinite(self) -> Any:
        """How many cells are not finite: int64 `(N, channels)`."""
        sums, blocks = self._of("sums"), self.blocks
        return tf.cond(
            self.finite,
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
        return tf.reduce_sum(self._of("sums"), 1)

    @cached_property
    def moments(self) -> tuple[Any, Any]:
        """The mean of each channel's finite cells, and the sum of squared differences from it.

        Both are float64 `(channels,)`, and 0 where nothing is finite.
        """
        counts = tf.cast(self.counts, tf.float64)
        sums = tf.reduce_sum(self.sums, 0)
        squares = tf.reduce_sum(tf.square(self._of("norms")), (0, 1))
        means = tf.math.divide_no_nan(sums, counts)
        # Of values beyond 1e19 squares are no single-precision numbers.
        told = tf.math.is_finite(squares) & (sums * means <= _LARGE_MEAN * squares)
        careful = ~told

        # Differences from a number that single precision has are as exact as they are small.
        pivots = tf.cast(means, self.maps.dtype)
        wide = tf.cast(pivots, tf.float64)

        def short(part: Any) -> list[Any]:
            apart = part - pivots
            return [_sums(apart, True), tf.square(_norms(apart, True))]

        def long(part: Any) -> list[Any]:
            apart = tf.cast(part, tf.float64)
            apart = tf.where(tf.math.is_finite(apart), apart - wide, 0)
            return [tf.reduce_sum(apart, 2), tf.reduce_sum(tf.square(apart), 2)]

        def again() -> tuple[Any, Any]:
            plain = self.finite & tf.reduce_all(tf.math.is_finite(squares)) & self._short
            made = tf.cond(plain, lambda: self._in_pieces(short), lambda: self._in_pieces(long))
            off, square = (tf.reduce_sum(each, (0, 1)) for each in made)
            share = tf.math.divide_no_nan(off, counts)
            return wide + share, tf.maximum(square - off * share, 0)

        found: tuple[Any, Any] = tf.cond(
            tf.reduce_any(careful), again, lambda: (means, squares - sums * means)
        )
        return found

    @cached_property
    def peaks(self) -> Any:
        """The largest finite value of each image and channel, -inf for none: `(N, channels)`."""
        return tf.reduce_max(self._of("peaks"), 1)

    @cached_property
    def peak_cells(self) -> Any:
        """The first cell that has it, counted as the map is laid out: int64 `(N, channels)`."""
        block = _first(self._of("peaks"), 1)
        # Of each image and channel, the one block that has its peak.
        inside = _picked(self.blocks, block)
        inside = tf.where(tf.math.is_finite(inside), inside, _FILLS["peaks"])
        return block * tf.cast(self._across, tf.int64) + _first(inside, 2)

    @cached_property
    def lows(self) -> Any:
        """The smallest finite value of each image and channel, inf for none: `(N, channels)`."""
        return tf.reduce_min(self._of("lows"), 1)

    @cached_property
    def zeros(self) -> Any:
        """How many cells are zero: int64 `(N, channels)`."""
        return tf.reduce_sum(self._of("zeros"), 1)


def block_of(cells: int) -> int:
    """Return how many cells make a block: a divisor, near 32 where there is one, or all.

    >>> block_of(56 * 56), block_of(113 * 113), block_of(1), block_of(10007)
    (32, 113, 1, 10007)
    """
    fitting = [n for n in range(8, _LONGEST + 1) if cells % n == 0]
    return min(fitting, key=lambda n: abs(math.log(n / _BLOCK)), default=cells)


def on_gpu() -> bool:
    """Return whether maps lie on a GPU, which needs no cache and waits for each turn of a loop."""
    return bool(tf.config.list_logical_devices("GPU"))


def _sums(blocks: Any, short: bool) -> Any:
    return tf.cast(tf.reduce_sum(blocks if short else tf.cast(blocks, tf.float64), 2), tf.float64)


def _norms(blocks: Any, short: bool) -> Any:
    blocks = blocks if short else tf.cast(blocks, tf.float64)
    return tf.cast(tf.raw_ops.EuclideanNorm(input=blocks, axis=[2]), tf.float64)


def _zeros(blocks: Any, short: bool) -> Any:
    # Bytes are the cheapest to write and to add up.
    zero = tf.cast(tf.equal(blocks, 0), tf.int8 if short else tf.int32)
    return tf.cast(tf.reduce_sum(zero, 2), tf.int64)


# What is made of blocks `(N, blocks, cells, channels)`, told whether single precision will do, and what
# stands there for a value that is not finite.
_PASSES: dict[str, Callable[[Any, bool], Any]] = {
    "sums": _sums,
    "norms": _norms,
    "peaks": lambda blocks, _: tf.reduce_max(blocks, 2),
    "lows": lambda blocks, _: tf.reduce_min(blocks, 2),
    "zeros": _zeros,
}
_FILLS = {"sums": 0.0, "norms": 0.0, "peaks": -math.inf, "lows": math.inf, "zeros": 1.0}


def _first(values: Any, axis: int) -> Any:
    """Return the lowest place of the largest value, which `tf.argmax` does not promise: int64."""
    largest = tf.reduce_max(values, axis, keepdims=True)
    places = tf.range(tf.shape(values, tf.int64)[axis])
    places = tf.reshape(places, (-1,) + (1,) * (values.shape.rank - 1 - axis))
    return tf.reduce_min(tf.where(values == largest, places, places.dtype.max), axis)


def _picked(blocks: Any, block: Any) -> Any:
    """Return the cells of one block an image and channel: `(N, channels, cells of one)`."""
    count, _, across, channels = (tf.shape(blocks, tf.int64)[axis] for axis in range(4))
    image = tf.range(count)[:, None, None]
    channel = tf.range(channels)[None, :, None]
    cell = tf.range(across)[None, None, :]
    total = tf.shape(blocks, tf.int64)[1]
    flat = ((image * total + block[:, :, None]) * across + cell) * channels + channel
    return tf.gather(tf.reshape(blocks, (-1,)), flat)
