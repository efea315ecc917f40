"""XGrad-CAM: Grad-CAM with gradients weighted by the map's share at each position.

R. Fu et al., "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs", BMVC 2020:
the weight of channel k is sum(A_k * dY / dA_k) / sum(A_k).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.methods._cam import Cam
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class XGradCam(Cam):
    """XGrad-CAM: Grad-CAM with gradients weighted by the map's share at each position.

    The paper has maps behind a ReLU. Of others, whose sum can be near 0, weights can be huge; of a map
    that sums to 0 the weight is 0.

    Paper: R. Fu et al., "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of
    CNNs", BMVC 2020.

    Equation: relu(sum over channels k of w_k A_k), where w_k = sum(A_k * dY / dA_k) / sum(A_k).

    When: As `grad_cam`, with weights that nearly add up to the score; layers that end in a ReLU.

    When not: Layers without a ReLU, whose sums can be near 0 and whose weights are then huge.

    Args:
        layer_names: a layer's path, a glob or a list, as `activations` takes them; several are each
            divided by their largest absolute value, brought to the first one's size and averaged. By
            default the last layer between the explained input and the score, of a class map the
            deepest; tokens of a picture are folded to their grid.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only evidence for the class.

    >>> XGradCam(layer_names="fire9_concat").relu
    True
    """

    display_name: ClassVar[str] = "XGrad-CAM"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    def weighted(self, maps: Any, gradients: Any) -> Any:
        """Return one layer's map, as `Cam.weighted`."""
        space = list(range(1, maps.shape.rank - 1))
        moved = tf.reduce_sum(maps * gradients, space, keepdims=True)
        weights = tf.math.divide_no_nan(moved, tf.reduce_sum(maps, space, keepdims=True))
        return tf.reduce_sum(maps * weights, -1)
