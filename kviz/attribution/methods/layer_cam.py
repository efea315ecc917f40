"""LayerCAM: like HiResCAM, but only where the score wants more of the map.

P.-T. Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE TIP
2021: sum over channels k of relu(dY / dA_k) * A_k; sharp in early layers too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.methods._cam import Cam
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class LayerCam(Cam):
    """LayerCAM: like HiResCAM, but only where the score wants more of the map.

    It is sharp in early layers too. Several layers are fused as in the paper.

    Paper: P.-T. Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for
    Localization", IEEE TIP 2021.

    Equation: relu(sum over channels k of relu(dY / dA_k) * A_k); of several layers' maps M the largest
    tanh(2 M / max M).

    When: Finer maps than `grad_cam` has: of early layers, or of several layers together.

    When not: Evidence against a class: only positive gradients count.

    Args:
        layer_names: a layer's path, a glob or a list, as `activations` takes them; several are brought
            to the first one's size and fused. By default the last layer between the explained input
            and the score, of a class map the deepest; tokens of a picture are folded to their grid.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only evidence for the class.

    >>> LayerCam(layer_names="fire9_concat").relu
    True
    """

    display_name: ClassVar[str] = "LayerCAM"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    def weighted(self, maps: Any, gradients: Any) -> Any:
        """Return one layer's map, as `Cam.weighted`."""
        return tf.reduce_sum(maps * tf.nn.relu(gradients), -1)

    def scaled(self, part: Any) -> Any:
        """Return a layer's map as the paper scales it, as `Cam.scaled`."""
        return tf.tanh(2 * part)

    def united(self, parts: list[Any]) -> Any:
        """Return the largest of several maps, as `Cam.united`."""
        return tf.reduce_max(tf.stack(parts), 0)
