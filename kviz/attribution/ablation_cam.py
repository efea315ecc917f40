"""Ablation-CAM: a layer's maps, weighted by how much the score falls without each.

S. Desai, H. Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via
Gradient-free Localization", WACV 2020: the weight of channel k is (Y - Y without A_k) / Y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution._cam import Cam, repeated
from kviz.attribution._method import Found, Request
from kviz.backend import tf
from kviz.errors import OptionError
from kviz.gradients import layers_for
from kviz.layers import selector_key
from kviz.tracing import Call


@dataclass(frozen=True, kw_only=True)
class AblationCam(Cam):
    """Ablation-CAM of one layer; needs no gradient, but a forward pass a channel.

    >>> AblationCam(layer_names="fire9_concat").relu
    True
    """

    fixed_target: ClassVar[bool] = True

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the layer's size, as `Method.maps`."""
        passes = request.passes
        (scores, classes), layers = passes.layer_maps(
            request.pixels, request.target, self.layer_names
        )
        if len(layers) != 1:
            raise OptionError(f"ablation_cam takes one layer. Received: {len(layers)}")
        maps = layers[0]

        def run(*arguments: Any) -> Any:
            *images, gone = arguments
            value, traced, table = passes.forward(images)
            info = layers_for(value[0], traced, table, self.layer_names)[0]
            axis = 1 if info.data_format == "channels_first" else len(info.output_shape) - 1
            count = tf.shape(gone)[0]

            def without(call: Call) -> Any:
                output = call.outputs
                kept = 1 - tf.one_hot(gone, tf.shape(output)[axis], dtype=output.dtype)
                kept = tf.tile(kept, [tf.shape(output)[0] // count, 1])
                shape = [-1 if place in (0, axis) else 1 for place in range(output.shape.rank)]
                shape = [tf.shape(kept)[0], *shape[1:]]
                return output * tf.reshape(kept, shape)

            ablated, _, _ = passes.forward(repeated(images, count), {info.order: without})
            return tf.reshape(ablated[0], [-1, count])

        compiled = passes.compiled(
            ("ablation", selector_key(self.layer_names)), run, [tf.TensorSpec((None,), "int32")]
        )
        together = max(1, request.batch_size // len(request.images))
        left = tf.concat(
            [
                compiled(
                    *request.pixels,
                    request.target,
                    tf.range(first, min(first + together, maps.shape[-1])),
                )
                for first in range(0, maps.shape[-1], together)
            ],
            axis=1,
        )
        weights = tf.math.divide_no_nan(scores[:, None] - left, scores[:, None])
        shape = [len(maps), *[1] * (maps.shape.rank - 2), maps.shape[-1]]
        weighted = tf.reduce_sum(maps * tf.reshape(weights, shape), -1)
        return Found(maps=self.fused([weighted]), scores=scores, classes=classes)
