"""Grad-CAM++: Grad-CAM with a weight for each position, so that several objects all count.

A. Chattopadhay et al., "Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks", WACV
2018. With g = dY / dA_k, alpha = g^2 / (2 g^2 + sum(A_k) g^3) and the weight of channel k is
sum(alpha * relu(g)). The paper derives it for exp(Y), which only scales the map, and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from kviz.attribution.methods._cam import Cam
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class GradCamPlusPlus(Cam):
    """Grad-CAM++: Grad-CAM with a weight for each position, so that several objects all count.

    The paper derives it for exp(Y), which only scales the map, and is left out.

    Paper: A. Chattopadhay et al., "Grad-CAM++: Improved Visual Explanations for Deep Convolutional
    Networks", WACV 2018.

    Equation: relu(sum over channels k of w_k A_k), where w_k = sum(alpha * relu(g)), g = dY / dA_k
    and alpha = g^2 / (2 g^2 + sum(A_k) g^3).

    When: Several objects of one class, of which `grad_cam` tends to show only the largest.

    When not: Evidence against a class: only positive gradients count.

    Args:
        layer_names: a layer's path, a glob or a list, as `activations` takes them; several are each
            divided by their largest absolute value, brought to the first one's size and averaged. By
            default the last layer between the explained input and the score, of a class map the
            deepest; tokens of a picture are folded to their grid.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only evidence for the class.
        formula: `"common"`: the paper's equation 19 as most libraries have it; `"paper"`: as its
            authors' own program has it, with each channel's alphas made to sum to 1.

    >>> GradCamPlusPlus().formula
    'common'
    """

    display_name: ClassVar[str] = "Grad-CAM++"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    formula: Literal["common", "paper"] = "common"

    def weighted(self, maps: Any, gradients: Any) -> Any:
        """Return one layer's map, as `Cam.weighted`."""
        space = list(range(1, maps.shape.rank - 1))
        total = tf.reduce_sum(maps, space, keepdims=True)
        alphas = tf.math.divide_no_nan(gradients**2, 2 * gradients**2 + total * gradients**3)
        positive = tf.nn.relu(gradients)
        if self.formula == "paper":
            alphas = tf.where(positive > 0, alphas, 0)
            alphas = tf.math.divide_no_nan(alphas, tf.reduce_sum(alphas, space, keepdims=True))
        weights = tf.reduce_sum(alphas * positive, space, keepdims=True)
        return tf.reduce_sum(maps * weights, -1)
