"""Grad-CAM: a layer's maps, weighted by how much the score wants more of each.

R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017: relu(sum over channels k of mean(dY / dA_k) * A_k).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kviz.attribution.methods._cam import Cam
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class GradCam(Cam):
    """Grad-CAM of one layer or the mean of several, by default the last that feeds the score.

    >>> GradCam(layer_names="fire9_concat").relu
    True
    """

    def weighted(self, maps: Any, gradients: Any) -> Any:
        """Return one layer's map, as `Cam.weighted`."""
        space = list(range(1, maps.shape.rank - 1))
        return tf.reduce_sum(maps * tf.reduce_mean(gradients, space, keepdims=True), -1)
