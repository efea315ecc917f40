"""SquareGrad: the mean square of a method's maps of an image with noise.

S. Hooker et al., "A Benchmark for Interpretability Methods in Deep Neural Networks", NeurIPS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

from kviz.attribution.methods._noise import Noise


@dataclass(frozen=True, kw_only=True)
class SquareGrad(Noise):
    """The mean square over noisy copies of each image of another method's maps.

    Args, besides those of its base: see `Noise`.

    >>> SquareGrad(samples=10).noise_level
    0.15
    """

    powers = (2,)
