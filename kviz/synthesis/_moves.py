"""How a gradient moves parameters: by a step of a given length, or by Adam's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kviz.engine.backend import tf

Norm = Literal["l2", "linf"]


@dataclass(frozen=True)
class Step:
    """A step of a given length, whatever the gradient's.

    Args:
        length: of the first step, in pixels' units.
        norm: `"l2"`: along the gradient; `"linf"`: so far in each pixel, by its sign.
        growth: what the length is multiplied with from step to step.
        down: go down instead.
    """

    length: float
    norm: Norm = "l2"
    growth: float = 1.0
    down: bool = False
    slots: int = 0

    def __call__(self, gradient: Any, slots: Sequence[Any], step: Any) -> tuple[Any, list[Any]]:
        """Return the move, as `Move`."""
        length, growth = (tf.cast(number, gradient.dtype) for number in (self.length, self.growth))
        length *= growth ** tf.cast(step, gradient.dtype)
        if self.norm == "linf":
            way = tf.sign(gradient)
        else:
            axes = list(range(1, gradient.shape.rank))
            # Squares of what is far from 1 could overflow.
            peak = tf.reduce_max(tf.abs(gradient), axes, keepdims=True)
            way = tf.math.divide_no_nan(gradient, peak)
            size = tf.sqrt(tf.reduce_sum(way * way, axes, keepdims=True))
            way = tf.math.divide_no_nan(way, size)
        return (-length if self.down else length) * way, list(slots)


@dataclass(frozen=True)
class Adam:
    """Adam's step.

    D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.

    Args:
        rate: the learning rate, in the parameters' units.
    """

    rate: float = 0.05
    slots: int = 2

    def __call__(self, gradient: Any, slots: Sequence[Any], step: Any) -> tuple[Any, list[Any]]:
        """Return the move, as `Move`."""
        mean, square = slots
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient * gradient - square)
        count = tf.cast(step + 1, gradient.dtype)
        even = mean / (1 - 0.9**count)
        width = tf.sqrt(square / (1 - 0.999**count))
        return tf.cast(self.rate, even.dtype) * even / (width + 1e-8), [mean, square]
