"""HiResCAM: a layer's maps times the score's gradient to each position, summed over channels.

R. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
neural networks", 2020: sum over channels k of dY / dA_k * A_k, so that on a net that ends in one linear
layer the map is what the score is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kviz.attribution.methods._cam import Cam
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class HiResCam(Cam):
    """HiResCAM of one layer or the mean of several.

    >>> HiResCam(layer_names="fire9_concat").relu
    True
    """

    def weighted(self, maps: Any, gradients: Any) -> Any:
        """Return one layer's map, as `Cam.weighted`."""
        return tf.reduce_sum(maps * gradients, -1)
