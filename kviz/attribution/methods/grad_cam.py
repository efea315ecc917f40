"""Grad-CAM: a layer's maps, weighted by how much the score wants more of each.

R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017: relu(sum over channels k of mean(dY / dA_k) * A_k).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.methods._cam import Cam
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class GradCam(Cam):
    """Grad-CAM: a layer's maps, weighted by how much the score wants more of each.

    Paper: R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV 2017.

    Equation: relu(sum over channels k of w_k A_k), where w_k is the mean of dY / dA_k over the map.

    When: A first look at any convnet: roughly where in the image the evidence for a class lies.

    When not: Fine detail, since the map has the layer's resolution (7 × 7 in many nets); several
    objects of the class (`grad_cam_plus_plus`); values that account for the score (`hires_cam`).

    Args:
        layer_names: a layer's path, a glob or a list, as `activations` takes them; several are each
            divided by their largest absolute value, brought to the first one's size and averaged. By
            default the last layer between the explained input and the score, of a class map the
            deepest; tokens of a picture are folded to their grid.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only evidence for the class.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> found = kviz.attribute("models/squeezenet.keras", cat, "grad_cam", layer_names="fire9_concat")
    >>> found.method, found.maps.shape
    ('grad_cam', (1, 227, 227))
    """

    display_name: ClassVar[str] = "Grad-CAM"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    def weighted(self, maps: Any, gradients: Any) -> Any:
        """Return one layer's map, as `Cam.weighted`."""
        space = list(range(1, maps.shape.rank - 1))
        return tf.reduce_sum(maps * tf.reduce_mean(gradients, space, keepdims=True), -1)
