"""HiResCAM: a layer's maps times the score's gradient to each position, summed over channels.

R. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
neural networks", 2020: sum over channels k of dY / dA_k * A_k, so that on a net that ends in one linear
layer the map is what the score is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.methods._cam import Cam
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class HiResCam(Cam):
    """HiResCAM: a layer's maps times the score's gradient to each position, summed over channels.

    On a net that ends in one linear layer the map is what the score is made of.

    Paper: R. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of
    convolutional neural networks", 2020.

    Equation: relu(sum over channels k of dY / dA_k * A_k).

    When: Values that account for the score: of a net that ends in one linear layer the map shows
    exactly what it adds up.

    When not: Early layers, where the map is noisy: take `layer_cam`.

    Args:
        layer_names: a layer's path, a glob or a list, as `activations` takes them; several are each
            divided by their largest absolute value, brought to the first one's size and averaged. By
            default the last layer between the explained input and the score, of a class map the
            deepest; tokens of a picture are folded to their grid.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only evidence for the class.

    >>> HiResCam(layer_names="fire9_concat").relu
    True
    """

    display_name: ClassVar[str] = "HiResCAM"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    def weighted(self, maps: Any, gradients: Any) -> Any:
        """Return one layer's map, as `Cam.weighted`."""
        return tf.reduce_sum(maps * gradients, -1)
