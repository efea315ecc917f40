"""VarGrad: the variance of a method's maps of an image with noise.

J. Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter
Values", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

from kviz.attribution._noise import Noise


@dataclass(frozen=True, kw_only=True)
class VarGrad(Noise):
    """The variance over noisy copies of each image of another method's maps.

    Args, besides those of its base: see `Noise`.

    >>> VarGrad(samples=10).noise_level
    0.15
    """

    statistic = "variance"
