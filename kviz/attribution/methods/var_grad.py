"""VarGrad: the variance of a method's maps of an image with noise.

J. Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter
Values", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.methods._noise import Noise
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class VarGrad(Noise):
    """VarGrad: the variance of another method's maps over copies of the image with noise.

    Paper: J. Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity
    to Parameter Values", 2018.

    Equation: The variance over noise e of M(x + e), where M is the base.

    Args:
        base: the method, by its name or an instance such as `IntegratedGradients()`; by default the
            signed gradient.
        samples: copies of each image.
        noise_level: the noise's standard deviation as a share of each image's range.
        reduce: `"sum"` of the channels, `"max_abs"`: the channel's value that is furthest from 0, or
            None to keep them.

    >>> VarGrad(samples=10).noise_level
    0.15
    """

    display_name: ClassVar[str] = "VarGrad"

    powers = (1, 2)

    def statistic(self, *means: Any) -> Any:
        """Return the mean square less the squared mean, which rounding could put below 0."""
        mean, mean_square = means
        return tf.nn.relu(mean_square - mean**2)
