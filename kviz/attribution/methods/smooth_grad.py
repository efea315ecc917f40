"""SmoothGrad: the mean of a method's maps of an image with noise.

D. Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kviz.attribution.methods._noise import Noise


@dataclass(frozen=True, kw_only=True)
class SmoothGrad(Noise):
    """SmoothGrad: the mean of another method's maps over copies of the image with noise.

    Paper: D. Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.

    Equation: The mean over noise e of M(x + e), where M is the base.

    When: Less noise in the map of a gradient method.

    When not: Values that add up to the image's score: those of its noisy copies are averaged.

    Args:
        base: the method, by its name or an instance such as `IntegratedGradients()`; by default
            `Gradient(reduce="max_abs")`. Of one with maps of a layer's size, such as `GradCam()`, the
            result is of that size too.
        samples: copies of each image.
        noise_level: the noise's standard deviation as a share of each image's range.
        reduce: `"base"` as the base has it, `"sum"` of the channels, `"max_abs"`: the channel's value
            that is furthest from 0, or None to keep them.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> kviz.attribute("models/squeezenet.keras", cat, "smooth_grad", samples=2, base="saliency").method
    'smooth_grad'
    """

    display_name: ClassVar[str] = "SmoothGrad"
    kind: ClassVar[str] = "noisy copies"
    forward_passes: ClassVar[str] = "1 + samples"
    backward_passes: ClassVar[str] = "samples"
