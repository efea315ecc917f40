"""What is moved in an ascent and how it becomes what a network takes.

Pixels 0-255 are moved themselves, as a spectrum, or as phases alone; what is no photo, in units of its
data's own deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from kviz._types import Array
from kviz.engine.backend import tf

# Colours of ImageNet's photos in 0-1: their mean, and the square root of their covariance (each row a
# channel), as tensorflow/lucid has them in lucid/optvis/param/color.py (Apache 2.0).
_MEAN = np.array([0.48, 0.46, 0.41])
_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


@dataclass(frozen=True)
class Canvas:
    """What is made.

    Args:
        size: how long it is along each axis: a photo's height and width, a signal's length, a volume's
            three; none of them where it is features.
        channels: how many, or how many features.
    """

    size: tuple[int, ...]
    channels: int

    @property
    def is_photo(self) -> bool:
        """Whether it is one: pixels 0-255."""
        return len(self.size) == 2

    @property
    def shape(self) -> tuple[int, ...]:
        """One's shape."""
        return (*self.size, self.channels)


class Parametrization(Protocol):
    """How parameters become pixels."""

    name: ClassVar[str]

    def start(self, seeds: Sequence[Any], canvas: Canvas, contrast: float = 1.0) -> Array:
        """Return float32 parameters to begin with, one image a seed; 1 is a low contrast."""

    def pixels(self, params: Any) -> Any:
        """Return what is on the canvas, `(N, …, channels)`, of a photo in 0-255; while tracing."""


@dataclass(frozen=True)
class Pixels:
    """The pixels themselves.

    Args:
        level: about which noise begins.
        noise: its standard deviation.
    """

    name: ClassVar[str] = "pixel"
    level: float = 127.5
    noise: float = 10.0

    def start(self, seeds: Sequence[Any], canvas: Canvas, contrast: float = 1.0) -> Array:
        """Return noise, as `Parametrization.start`."""
        drawn = [np.random.default_rng(seed).normal(size=canvas.shape) for seed in seeds]
        noise = self.level + contrast * self.noise * np.stack(drawn)
        return np.clip(noise, 0, 255).astype(np.float32)

    def pixels(self, params: Any) -> Any:
        """Return them, as `Parametrization.pixels`."""
        return params


@dataclass(frozen=True, eq=False)
class Values:
    """What is no photo, each channel in units of its own deviation from its own mean.

    Args:
        mean: of each channel, `(channels,)`.
        deviation: the same; a channel of 0 stays what it is.
        noise: the standard deviation of what it begins with, in these units.
    """

    name: ClassVar[str] = "values"
    mean: Array
    deviation: Array
    noise: float = 0.1

    def start(self, seeds: Sequence[Any], canvas: Canvas, contrast: float = 1.0) -> Array:
        """Return noise about the mean, as `Parametrization.start`."""
        drawn = [np.random.default_rng(seed).normal(size=canvas.shape) for seed in seeds]
        return (contrast * self.noise * np.stack(drawn)).astype(np.float32)

    def pixels(self, params: Any) -> Any:
        """Return the values, as `Parametrization.pixels`."""
        mean, deviation = (tf.cast(each, params.dtype) for each in (self.mean, self.deviation))
        return mean + deviation * params


@dataclass(frozen=True, eq=False)
class Colours:
    """How numbers that do not hang together become colours that do.

    Args:
        mean: of each channel, in 0-1.
        root: a square root of the channels' covariance, `(channels, channels)`, up to a factor.
    """

    mean: Array
    root: Array

    def pixels(self, numbers: Any) -> Any:
        """Return colours 0-255 of numbers about 0, the last axis the channels'."""
        mean, root = tf.cast(self.mean, numbers.dtype), tf.cast(self.root, numbers.dtype)
        # As Lucid: the strongest of the directions has the length 1.
        root /= tf.reduce_max(tf.norm(root, axis=0))
        colours = tf.linalg.matmul(numbers, root, transpose_b=True) + tf.math.log(mean / (1 - mean))
        return 255 * tf.sigmoid(tf.ensure_shape(colours, numbers.shape))


def usual_colours(channels: int) -> Colours:
    """Return the colours of ImageNet's photos; of another number of channels, plain ones."""
    if channels != len(_MEAN):
        return Colours(np.full(channels, 0.5), np.eye(channels))
    return Colours(_MEAN, _ROOT)


def colours_of(images: Array) -> Colours:
    """Return the colours of photos.

    Args:
        images: `(N, H, W, channels)` in 0-255.
    """
    flat = images.reshape(-1, images.shape[-1]) / 255
    mean = flat.mean(0).clip(0.02, 0.98)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(flat, rowvar=False)))
    root = vectors * np.sqrt(values.clip(1e-6))
    return Colours(mean, root)


def _frequencies(size: tuple[int, ...]) -> Array:
    """Return how often a wave goes by in a pixel, `(H, W // 2 + 1)`."""
    found: Array = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None])
    return found


@dataclass(frozen=True)
class Fourier:
    """A spectrum, in which neighbouring pixels do not have to be found one by one.

    C. Olah, A. Mordvintsev, L. Schubert, "Feature Visualization", Distill 2017: a picture's Fourier
    coefficients, divided by their frequency, in decorrelated colours.

    Args:
        size: height and width.
        colours: those of photos.
    """

    name: ClassVar[str] = "fourier"
    size: tuple[int, ...]
    colours: Colours

    def start(self, seeds: Sequence[Any], canvas: Canvas, contrast: float = 1.0) -> Array:
        """Return coefficients near 0, as `Parametrization.start`: `(N, channels, H, W//2+1, 2)`."""
        shape = (canvas.channels, canvas.size[0], canvas.size[1] // 2 + 1, 2)
        drawn = [0.01 * contrast * np.random.default_rng(seed).normal(size=shape) for seed in seeds]
        return np.stack(drawn).astype(np.float32)

    def pixels(self, params: Any) -> Any:
        """Return their picture, as `Parametrization.pixels`."""
        high, wide = self.size
        scale = np.sqrt(high * wide) / np.maximum(_frequencies(self.size), 1 / max(self.size))
        spectrum = tf.complex(params[..., 0], params[..., 1]) * scale.astype(np.complex64)
        numbers = tf.signal.irfft2d(spectrum, [high, wide]) / 4
        return self.colours.pixels(tf.transpose(numbers, [0, 2, 3, 1]))


@dataclass(frozen=True)
class Maco:
    """The phases of a spectrum whose magnitudes are those of photos, and stay so.

    T. Fel et al., "Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained
    Optimization", NeurIPS 2023. The magnitudes of natural images fall as 1 / f (D. Field, 1987).

    Args:
        size: height and width.
        colours: those of photos.
    """

    name: ClassVar[str] = "maco"
    size: tuple[int, ...]
    colours: Colours

    def start(
        self,
        seeds: Sequence[Any],
        canvas: Canvas,
        contrast: float = 1.0,  # noqa: ARG002 - the spectrum's own
    ) -> Array:
        """Return random phases, as `Parametrization.start`: `(N, channels, H, W // 2 + 1)`."""
        shape = (canvas.channels, canvas.size[0], canvas.size[1] // 2 + 1)
        drawn = [np.random.default_rng(seed).uniform(-np.pi, np.pi, shape) for seed in seeds]
        return np.stack(drawn).astype(np.float32)

    def pixels(self, params: Any) -> Any:
        """Return their picture, as `Parametrization.pixels`."""
        high, wide = self.size
        magnitude = 1 / np.maximum(_frequencies(self.size), 1 / max(self.size))
        magnitude[0, 0] = 0
        magnitude = magnitude.astype(np.float32)
        # In these columns a real picture has each wave twice, with phases of opposite sign: what else
        # is there a transform back would leave out, and with it a part of the magnitude.
        twice = np.isin(np.arange(wide // 2 + 1), [0, wide / 2])
        opposite = params - tf.gather(params, -np.arange(high) % high, axis=2)
        phase = tf.where(twice, opposite, params)
        spectrum = tf.complex(magnitude * tf.cos(phase), magnitude * tf.sin(phase))
        numbers = tf.transpose(tf.signal.irfft2d(spectrum, [high, wide]), [0, 2, 3, 1])
        width = tf.math.reduce_std(numbers, [1, 2, 3], keepdims=True)
        return self.colours.pixels(numbers / (width + 1e-6))
