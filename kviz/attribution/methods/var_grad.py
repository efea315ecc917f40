"""VarGrad: the variance of a method's maps of an image with noise.

J. Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter
Values", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.methods._copies import added
from kviz.attribution.methods._noise import Noise
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class VarGrad(Noise):
    """VarGrad: the variance of another method's maps over copies of the image with noise.

    Paper: J. Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity
    to Parameter Values", 2018.

    Equation: The variance over noise e of M(x + e), where M is the base.

    When: How much a map changes under noise: where not to trust it.

    When not: How large the gradient is: where it is large but steady, the map is 0.

    Args:
        base: the method, by its name or an instance such as `IntegratedGradients()`; by default
            `Gradient(reduce="max_abs")`. Of one with maps of a layer's size, such as `GradCam()`, the
            result is of that size too.
        samples: copies of each image.
        noise_level: the noise's standard deviation as a share of each image's range.
        reduce: `"base"` as the base has it, `"sum"` of the channels, `"max_abs"`: the channel's value
            that is furthest from 0, or None to keep them.

    >>> VarGrad(samples=10).noise_level
    0.15
    """

    display_name: ClassVar[str] = "VarGrad"
    kind: ClassVar[str] = "noisy copies"
    forward_passes: ClassVar[str] = "1 + samples"
    backward_passes: ClassVar[str] = "samples"

    def joined(self, state: Any, maps: Any, owners: Any, count: int) -> Any:
        """Return how many copies each image has, their mean, and the sum of squares about it.

        T. Chan, G. Golub, R. LeVeque, "Algorithms for Computing the Sample Variance", 1983: squares
        about 0, less the squared mean, would be nothing but rounding where all maps are alike.
        """
        ones = [1] * (maps.shape.rank - 1)
        number = tf.cast(np.bincount(owners[owners >= 0], minlength=count), maps.dtype)
        number = tf.reshape(number, [-1, *ones])
        mean = tf.math.divide_no_nan(added(None, maps, owners, count), number)
        apart = maps - tf.gather(mean, owners.clip(min=0))
        square = added(None, tf.square(apart), owners, count)
        if state is None:
            return number, mean, square
        before, mean_before, square_before = state
        moved, whole = mean - mean_before, before + number
        share = tf.math.divide_no_nan(number, whole)
        square += square_before + tf.square(moved) * before * share
        return whole, mean_before + moved * share, square

    def statistic(self, state: Any) -> Any:
        """Return the variance, 0 where it is nothing but the rounding of a map's largest value."""
        number, mean, square = state
        variance = square / number
        space = list(range(1, mean.shape.rank))
        largest = tf.reduce_max(tf.abs(mean), space, keepdims=True)
        rounding = 4 * np.finfo(mean.dtype.as_numpy_dtype).eps * largest
        return tf.where(variance > tf.square(rounding), variance, 0)
