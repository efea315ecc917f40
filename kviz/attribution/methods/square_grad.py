"""SquareGrad: the mean square of a method's maps of an image with noise.

S. Hooker et al., "A Benchmark for Interpretability Methods in Deep Neural Networks", NeurIPS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.methods._noise import Noise
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class SquareGrad(Noise):
    """SquareGrad: the mean square of another method's maps over copies of the image with noise.

    Paper: S. Hooker et al., "A Benchmark for Interpretability Methods in Deep Neural Networks",
    NeurIPS 2019.

    Equation: The mean over noise e of M(x + e)^2, where M is the base.

    When: Pixels to which the score reacts strongly, whatever the direction.

    When not: Signs; proportions, since values are squares.

    Args:
        base: the method, by its name or an instance such as `IntegratedGradients()`; by default
            `Gradient(reduce="max_abs")`. Of one with maps of a layer's size, such as `GradCam()`, the
            result is of that size too.
        samples: copies of each image.
        noise_level: the noise's standard deviation as a share of each image's range.
        reduce: `"base"` as the base has it, `"sum"` of the channels, `"max_abs"`: the channel's value
            that is furthest from 0, or None to keep them.

    >>> SquareGrad(samples=10).noise_level
    0.15
    """

    display_name: ClassVar[str] = "SquareGrad"
    kind: ClassVar[str] = "noisy copies"
    forward_passes: ClassVar[str] = "1 + samples"
    backward_passes: ClassVar[str] = "samples"

    def joined(self, state: Any, maps: Any, owners: Any, count: int) -> Any:
        """Return the sum of the maps' squares, as `Noise.joined`."""
        return super().joined(state, tf.square(maps), owners, count)
