"""VarGrad: the variance of a method's maps of an image with noise.

J. Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter
Values", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kviz.attribution.methods._noise import Noise
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class VarGrad(Noise):
    """The variance over noisy copies of each image of another method's maps.

    Args, besides those of its base: see `Noise`.

    >>> VarGrad(samples=10).noise_level
    0.15
    """

    powers = (1, 2)

    def statistic(self, *means: Any) -> Any:
        """Return the mean square less the squared mean, which rounding could put below 0."""
        mean, mean_square = means
        return tf.nn.relu(mean_square - mean**2)
