"""Eigen-CAM: the first principal component of a layer's maps, whatever the class.

M. Muhammad, M. Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020: with
A = U S V^T of the maps (positions x channels), the map is A V_1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kviz.attribution.method import Found, Request
from kviz.attribution.methods._cam import Cam
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class EigenCam(Cam):
    """Eigen-CAM: the first principal component of a layer's maps, whatever the class.

    It needs no gradient. As in the paper the maps are taken as they are; pytorch-grad-cam takes off
    each channel's mean first. The sign of a component is free; it is chosen so that the map's sum is
    not below 0.

    Paper: M. Muhammad, M. Yeasin, "Eigen-CAM: Class Activation Map using Principal Components",
    IJCNN 2020.

    Equation: relu(A V_1), with A = U S V^T of the maps (positions x channels).

    When: What a layer responds to most, whatever the class; models without gradients.

    When not: Asking about a class: every class has the same map.

    Args:
        layer_names: a layer's path, a glob or a list, as `activations` takes them; several are each
            divided by their largest absolute value, brought to the first one's size and averaged. By
            default the last layer between the explained input and the score, of a class map the
            deepest; tokens of a picture are folded to their grid.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only evidence for the class.

    >>> EigenCam(layer_names="fire9_concat").relu
    True
    """

    display_name: ClassVar[str] = "Eigen-CAM"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "0"

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the layer's size, as `Method.maps`."""
        (scores, classes), maps_of_layers, layers = request.passes.layer_maps(
            request.pixels, request.target, self.layer_names, self.grid
        )
        projected = []
        for maps in maps_of_layers:
            flat = tf.reshape(maps, [maps.shape[0], -1, maps.shape[-1]])
            _, _, right = tf.linalg.svd(flat)
            first = tf.linalg.matvec(flat, right[..., 0])
            turned = tf.reduce_sum(first, 1, keepdims=True) < 0
            first = tf.where(turned, -first, first)
            projected.append(tf.reshape(first, maps.shape[:-1]))
        return Found(maps=self.fused(projected), scores=scores, classes=classes, layers=layers)
