"""Guided Grad-CAM: guided backpropagation where Grad-CAM says that it matters.

R. Selvaraju et al., "Grad-CAM", ICCV 2017, section 3.2: the product of the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from kviz.attribution.method import Found, Method, Reduce, Request
from kviz.attribution.methods.grad_cam import GradCam
from kviz.attribution.methods.guided_backprop import GuidedBackprop
from kviz.engine.backend import keras
from kviz.engine.layers import Selector


@dataclass(frozen=True, kw_only=True)
class GuidedGradCam(Method):
    """Guided backpropagation times Grad-CAM, brought to the image's size bilinearly.

    Args:
        layer_names: Grad-CAM's layer or layers.
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> GuidedGradCam().reduce
    'sum'
    """

    layer_names: Selector = None
    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, H, W, channels)`, as `Method.maps`."""
        guided = GuidedBackprop().maps(request)
        cam = GradCam(layer_names=self.layer_names).maps(request).maps
        wide = keras.ops.image.resize(cam[..., None], request.images.shape[1:3])
        return Found(maps=guided.maps * wide, scores=guided.scores, classes=guided.classes)
