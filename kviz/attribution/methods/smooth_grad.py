"""SmoothGrad: the mean of a method's maps of an image with noise.

D. Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

from kviz.attribution.methods._noise import Noise


@dataclass(frozen=True, kw_only=True)
class SmoothGrad(Noise):
    """The mean over noisy copies of each image of another method's maps.

    Args, besides those of its base: see `Noise`.

    >>> SmoothGrad(samples=10).noise_level
    0.15
    """
