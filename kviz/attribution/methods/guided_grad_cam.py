"""Guided Grad-CAM: guided backpropagation where Grad-CAM says that it matters.

R. Selvaraju et al., "Grad-CAM", ICCV 2017, section 3.2: the product of the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from kviz._types import Selector
from kviz.attribution.method import Found, Method, Reduce, Request
from kviz.attribution.methods._resized import resized
from kviz.attribution.methods.grad_cam import GradCam
from kviz.attribution.methods.guided_backprop import GuidedBackprop
from kviz.attribution.options import option, validate_layers
from kviz.engine.backend import tf
from kviz.option_values import validate_grid


@dataclass(frozen=True, kw_only=True)
class GuidedGradCam(Method):
    """Guided Grad-CAM: guided backpropagation where Grad-CAM says that it matters.

    Paper: R. Selvaraju et al., "Grad-CAM", ICCV 2017, section 3.2.

    Equation: Guided backpropagation times Grad-CAM.

    When: Sharp lines within the region that `grad_cam` finds.

    When not: Trusting the detail: it is that of `guided_backprop`, which hardly depends on the
    class.

    Args:
        layer_names: a layer's path, a glob or a list, as `activations` takes them; several are each
            divided by their largest absolute value, brought to the first one's size and averaged. By
            default the last layer between the explained input and the score, of a class map the
            deepest; tokens of a picture are folded to their grid.
        grid: rows and columns of tokens, where the model does not tell them.
        interpolation: how Grad-CAM's map is brought to the input's size: `"bilinear"` (half-pixel) or
            `"nearest"`, as captum does; `attribute`'s `resize` is for results of a layer's size.
        reduce: `"sum"` of the channels, `"max_abs"`: the channel's value that is furthest from 0, or
            None to keep them.

    >>> GuidedGradCam().reduce
    'sum'
    """

    display_name: ClassVar[str] = "Guided Grad-CAM"
    kind: ClassVar[str] = "modified backpropagation"
    forward_passes: ClassVar[str] = "2"
    backward_passes: ClassVar[str] = "2"

    layer_names: Selector = option(None, check=validate_layers)
    grid: tuple[int, int] | None = option(None, check=validate_grid)
    interpolation: Literal["bilinear", "nearest"] = "bilinear"
    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)`, as `Method.maps`."""
        guided = GuidedBackprop().maps(request)
        cam = GradCam(layer_names=self.layer_names, grid=self.grid).maps(request)
        wide = resized(cam.maps, request.images.shape[1:-1], self.interpolation)
        wide = tf.cast(wide, guided.maps.dtype)
        return replace(guided, maps=guided.maps * wide[..., None], layers=cam.layers)
