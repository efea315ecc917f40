"""Small pieces of an ascent: what the network sees, what counts against a picture, what holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kviz._types import Array
from kviz.engine.backend import tf
from kviz.engine.lifting import static

# Their numbers may be tensors: they are cast to what they are used with.

# Transforms: all images of a step go through the same one, so that a batch's size does not matter.


@dataclass(frozen=True)
class Jitter:
    """Shift by up to so many whole pixels an axis; what leaves on one side comes in on the other."""

    pixels: float

    def __call__(self, pixels: Any, seed: Any) -> Any:
        """Return shifted pixels."""
        most = tf.cast(self.pixels, tf.int32)
        axes = list(range(1, pixels.shape.rank - 1))
        by = tf.random.stateless_uniform([len(axes)], seed, -most, most + 1, tf.int32)
        return tf.roll(pixels, by, axes)


@dataclass(frozen=True)
class Turn:
    """Turn by up to so many degrees, and enlarge or shrink, about the middle; edges are mirrored."""

    degrees: float
    low: float = 1.0
    high: float = 1.0

    def __call__(self, pixels: Any, seed: Any) -> Any:
        """Return turned pixels."""
        drawn = tf.random.stateless_uniform([2], seed)
        degrees, low, high = (tf.cast(x, drawn.dtype) for x in (self.degrees, self.low, self.high))
        angle = (2 * drawn[0] - 1) * degrees * np.pi / 180
        scale = low + drawn[1] * (high - low)
        cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
        shape = tf.shape(pixels)
        y, x = (tf.cast(shape[axis] - 1, tf.float32) / 2 for axis in (1, 2))
        matrix = [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y, 0.0, 0.0]
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=pixels, transforms=tf.stack(matrix)[None], output_shape=shape[1:3],
            fill_value=0.0, interpolation="BILINEAR", fill_mode="REFLECT",
        )  # fmt: skip


@dataclass(frozen=True)
class Crop:
    """Look at a random part only, enlarged to the whole; its sides are a share between two."""

    low: float
    high: float

    def __call__(self, pixels: Any, seed: Any) -> Any:
        """Return the part."""
        drawn = tf.random.stateless_uniform([3], seed)
        low, high = tf.cast(self.low, drawn.dtype), tf.cast(self.high, drawn.dtype)
        side = low + drawn[0] * (high - low)
        first = drawn[1:] * (1 - side)
        count, shape = tf.shape(pixels)[0], tf.shape(pixels)[1:3]
        boxes = tf.tile(tf.concat([first, first + side], 0)[None], [count, 1])
        return tf.image.crop_and_resize(pixels, boxes, tf.range(count), shape)


@dataclass(frozen=True)
class Noise:
    """Add Gaussian noise of this standard deviation, in units of pixels."""

    deviation: float

    def __call__(self, pixels: Any, seed: Any) -> Any:
        """Return noisy pixels."""
        drawn = tf.random.stateless_normal(tf.shape(pixels)[1:], seed)
        return pixels + tf.cast(self.deviation, drawn.dtype) * drawn


@dataclass(frozen=True)
class Resized:
    """Bring pixels to the size that the network takes, bilinearly."""

    size: tuple[int, int]

    def __call__(self, pixels: Any, seed: Any) -> Any:  # noqa: ARG002 - as every transform
        """Return resized pixels."""
        return tf.image.resize(pixels, self.size)


# Penalties.


@dataclass(frozen=True)
class Bright:
    """The mean squared distance from middle grey, in units of 255: Simonyan's L2.

    Args:
        weight: what it is multiplied with.
        middle: of what is no photo, another one for each channel.
        unit: likewise.
    """

    weight: float
    middle: Array | None = None
    unit: Array | None = None

    def __call__(self, pixels: Any) -> Any:
        """Return `(N,)`."""
        middle = 127.5 if self.middle is None else tf.cast(self.middle, pixels.dtype)
        way = _measured(pixels - middle, self.unit)
        mean = tf.reduce_mean(tf.square(way), list(range(1, len(pixels.shape))))
        return tf.cast(self.weight, mean.dtype) * mean


@dataclass(frozen=True)
class Rough:
    """The mean total variation, in units of 255.

    A. Mahendran, A. Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015,
    with beta = 2.

    Args:
        weight: what it is multiplied with.
        unit: of what is no photo, another one for each channel.
    """

    weight: float
    unit: Array | None = None

    def __call__(self, pixels: Any) -> Any:
        """Return `(N,)`."""
        axes = list(range(1, len(pixels.shape)))
        total = 0.0
        for axis in axes[:-1]:
            before = (slice(None),) * axis
            step = _measured(pixels[*before, 1:] - pixels[*before, :-1], self.unit)
            # Along an axis of one there are no steps.
            if 0 not in step.shape:
                total += tf.reduce_mean(tf.square(step), axes)
        return tf.cast(self.weight, pixels.dtype) * total


def _measured(numbers: Any, unit: Any) -> Any:
    """Return numbers in units of 255, or of a number each channel."""
    return numbers / (255 if unit is None else tf.cast(unit, numbers.dtype))


# What holds after each step.


@dataclass(frozen=True)
class Between:
    """Each number lies between two."""

    low: float = 0.0
    high: float = 255.0

    def __call__(self, params: Any, originals: Any, step: Any) -> Any:  # noqa: ARG002
        """Return clipped parameters."""
        low, high = tf.cast(self.low, params.dtype), tf.cast(self.high, params.dtype)
        return tf.clip_by_value(params, low, high)


@dataclass(frozen=True)
class Near:
    """No image is further from its original than a radius."""

    radius: float
    norm: Literal["l2", "linf"]

    def __call__(self, params: Any, originals: Any, step: Any) -> Any:  # noqa: ARG002
        """Return projected parameters."""
        way = params - originals
        radius = tf.cast(self.radius, way.dtype)
        if self.norm == "linf":
            return originals + tf.clip_by_value(way, -radius, radius)
        axes = list(range(1, way.shape.rank))
        size = tf.sqrt(tf.reduce_sum(way * way, axes, keepdims=True))
        return originals + way * tf.minimum(1.0, tf.math.divide_no_nan(radius, size))


@dataclass(frozen=True)
class Whole:
    """Pixels are whole numbers and, where there is a radius, no further than it from the originals."""

    radius: float | None = None
    norm: Literal["l2", "linf"] = "l2"

    def __call__(self, pixels: Any, originals: Any) -> Any:
        """Return whole numbers."""
        way = tf.round(pixels) - originals
        if self.radius is None:
            return originals + way
        radius = tf.cast(self.radius, way.dtype)
        if self.norm == "linf":
            return originals + tf.clip_by_value(way, -tf.floor(radius), tf.floor(radius))
        axes = list(range(1, way.shape.rank))

        def far(way: Any) -> Any:
            return tf.sqrt(tf.reduce_sum(way * way, axes, keepdims=True))

        # Rounding can lead out of the ball: then a shorter way is rounded, or cut off if need be.
        shorter = (pixels - originals) * tf.math.divide_no_nan(radius, far(way))
        again, cut = tf.round(shorter), tf.sign(shorter) * tf.floor(tf.abs(shorter))
        again = tf.where(far(again) <= radius, again, cut)
        return originals + tf.where(far(way) <= radius, way, again)


@dataclass(frozen=True)
class Blur:
    """Every so many steps the image is blurred, which no network asks for: J. Yosinski et al., 2015."""

    every: int = 4
    # It says how large the kernel is.
    sigma: float = field(default=0.5, metadata=static())

    def __call__(self, params: Any, originals: Any, step: Any) -> Any:  # noqa: ARG002
        """Return parameters, blurred where it is their turn."""
        reach = max(1, round(3 * self.sigma))
        line = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * self.sigma**2))
        kernel = np.outer(line, line) / line.sum() ** 2
        channels = params.shape[-1]
        kernel = np.repeat(kernel[..., None, None], channels, axis=2).astype("float32")
        pads = [[0, 0], [reach, reach], [reach, reach], [0, 0]]
        padded = tf.pad(params, pads, "SYMMETRIC")
        due = tf.equal((step + 1) % self.every, 0)
        return tf.cond(
            due, lambda: tf.nn.depthwise_conv2d(padded, kernel, [1] * 4, "VALID"), lambda: params
        )
