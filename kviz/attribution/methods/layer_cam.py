"""LayerCAM: like HiResCAM, but only where the score wants more of the map.

P.-T. Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE TIP
2021: sum over channels k of relu(dY / dA_k) * A_k; sharp in early layers too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kviz.attribution.methods._cam import Cam
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class LayerCam(Cam):
    """LayerCAM of one layer or the mean of several.

    >>> LayerCam(layer_names="fire9_concat").relu
    True
    """

    def weighted(self, maps: Any, gradients: Any) -> Any:
        """Return one layer's map, as `Cam.weighted`."""
        return tf.reduce_sum(maps * tf.nn.relu(gradients), -1)
