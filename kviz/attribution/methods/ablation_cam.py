"""Ablation-CAM: a layer's maps, weighted by how much the score falls without each.

S. Desai, H. Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via
Gradient-free Localization", WACV 2020: the weight of channel k is (Y - Y without A_k) / Y. Of a score
below 0 it therefore shows the evidence against the class; of a score of 0 it shows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Found, Request
from kviz.attribution.methods._cam import Cam, left_nothing
from kviz.attribution.methods._copies import copies, gathered
from kviz.engine.backend import tf
from kviz.engine.layers import selector_key
from kviz.engine.tracing import Call


@dataclass(frozen=True, kw_only=True)
class AblationCam(Cam):
    """Ablation-CAM: a layer's maps, weighted by how much the score falls without each.

    It needs no gradient, but one forward pass per channel. It follows its paper in dividing by Y: of
    a score below 0 it shows the evidence against the class, and of one of 0 nothing.

    Paper: S. Desai, H. Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network
    via Gradient-free Localization", WACV 2020.

    Equation: relu(sum over channels k of w_k A_k), where w_k = (Y - Y without A_k) / Y.

    When: Gradients that are flat or noisy, as those of saturated scores: the score itself is asked,
    without each channel.

    When not: Layers of hundreds of channels without a GPU, since each channel is a forward pass;
    scores of 0 or below, of which the map shows nothing or the opposite.

    Args:
        layer_names: a layer's path or a glob that means one layer; by default the last
            between the explained input and the score, of a class map the deepest.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only evidence for the class.

    >>> AblationCam(layer_names="fire9_concat").relu
    True
    """

    display_name: ClassVar[str] = "Ablation-CAM"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1 + channels"
    backward_passes: ClassVar[str] = "0"

    fixed_target: ClassVar[bool] = True

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the layer's size, as `Method.maps`."""
        passes = request.passes
        fixed = passes.fixed_batch
        (scores, classes), maps, layers = self.one_layer(request)

        def run(*arguments: Any) -> Any:
            *inputs, rows, gone = arguments
            value, seen = passes.forward(inputs)
            info = passes.layers_for(value[0], seen, inputs, self.layer_names, self.grid)[0].info
            axis = 1 if info.data_format == "channels_first" else len(info.output_shape) - 1

            def without(call: Call) -> Any:
                output = call.outputs
                kept = 1 - tf.one_hot(gone, tf.shape(output)[axis], dtype=output.dtype)
                shape = [-1 if at in (0, axis) else 1 for at in range(output.shape.rank)]
                return output * tf.reshape(kept, [tf.shape(kept)[0], *shape[1:]])

            return passes.forward(gathered(inputs, rows, fixed), {info.order: without})[0][0]

        rows_of = tf.TensorSpec((fixed,), "int32")
        compiled = passes.compiled(
            ("ablation", selector_key(self.layer_names), self.grid),
            run,
            [rows_of, rows_of],
            passes.by_copies([True, True]),
        )
        left = [
            compiled(*request.pixels, request.target, rows, channels)[: (owners >= 0).sum()]
            for rows, channels, owners in copies(request, maps.shape[-1])
        ]
        left = tf.reshape(tf.concat(left, 0), [len(maps), -1])
        weights = tf.math.divide_no_nan(scores[:, None] - left, scores[:, None])
        shape = [len(maps), *[1] * (maps.shape.rank - 2), maps.shape[-1]]
        weighted = tf.reduce_sum(maps * tf.reshape(weights, shape), -1)
        return Found(
            maps=self.fused([weighted]), scores=scores, classes=classes, layers=layers,
            negative=left_nothing(self.relu, [weighted]),
        )  # fmt: skip
