"""CAM: where a net ends in convolution, global average and logits, the logits before the average.

B. Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016: sum over channels k
of w_k A_k, where w_k are the class's weights behind the average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Found, Method, Request
from kviz.attribution.methods._cam import left_nothing
from kviz.engine.backend import keras, tf
from kviz.engine.graph import same_tensor, unnormalise
from kviz.engine.model_inputs import to_channels_last
from kviz.engine.tracing import Trace, tensors_of
from kviz.errors import LayerError
from kviz.scores import ClassScore


@dataclass(frozen=True, kw_only=True)
class Cam(Method):
    """CAM: the logits before the global average that a net ends in.

    For nets that end in convolution, global average and at most one dense layer. The map's mean is the
    class's unnormalised score, less the bias.

    Paper: B. Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016.

    Equation: relu(sum over channels k of w_k A_k), where w_k are the class's weights behind the
    average.

    When: Nets that end in a convolution, a global average and at most one dense layer: there it is
    exact.

    When not: Any other net, which it refuses: take `grad_cam`.

    Args:
        relu: keep only evidence for the class.

    >>> Cam().relu
    True
    """

    display_name: ClassVar[str] = "CAM"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "0"

    layer_sized: ClassVar[bool] = True

    relu: bool = True

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the last convolution's size, as `Method.maps`."""
        passes = request.passes
        if not isinstance(passes.score, ClassScore):
            raise LayerError("cam needs a class; it takes no score= of another kind.")
        score = passes.score

        def run(*arguments: Any) -> Any:
            (scores, classes), seen = passes.forward(arguments)
            traced, table, head = seen.traced, seen.table, seen.head(score.output)
            formats = {info.path: info.data_format for info in table}
            pools = [call for call in traced.calls if isinstance(call.layer, _AVERAGES)]
            logits = unnormalise(keras.tree.flatten(traced.outputs)[head.place])
            for pool in reversed(pools):
                maps = pool.inputs[0]
                layer = _made_by(maps, traced)
                if formats[pool.path] == "channels_first":
                    maps = to_channels_last(maps)
                pooled = keras.tree.flatten(pool.outputs)[0]
                if same_tensor(pooled, logits):
                    if head.is_unit:
                        maps = tf.concat([-maps, maps], -1)
                    last = maps.shape.rank - 1
                    return scores, classes, tf.gather(maps, classes, axis=last, batch_dims=1), layer
                for call in traced.calls:
                    if (
                        isinstance(call.layer, keras.layers.Dense)
                        and same_tensor(pooled, call.inputs[0])
                        and _ends_in(call, logits)
                    ):
                        kernel = tf.convert_to_tensor(call.layer.kernel)
                        if head.is_unit:
                            kernel = tf.concat([-kernel, kernel], 1)
                        weights = tf.gather(tf.transpose(kernel), classes)
                        # A net of half precision is traced in single, but not its weights.
                        weights = tf.cast(weights, maps.dtype)
                        return scores, classes, tf.einsum("n...c,nc->n...", maps, weights), layer
            raise LayerError(
                "cam needs a net that ends in convolution, global average pooling and one Dense layer "
                "(or none). This one does not; use grad_cam."
            )

        scores, classes, maps, layers = passes.compiled("cam", run)(*request.pixels, request.target)
        return Found(
            maps=tf.nn.relu(maps) if self.relu else maps, scores=scores, classes=classes, layers=layers,
            negative=left_nothing(self.relu, [maps]),
        )  # fmt: skip


_AVERAGES = (
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
)


def _made_by(tensor: Any, traced: Trace) -> Any:
    """Return the layer that gave a tensor, as `Found.layers`; none where an operation did."""
    paths = [
        call.path
        for call in traced.calls
        if not call.children and any(made is tensor for made in tensors_of(call.outputs))
    ]
    return tf.constant([[path, ""] for path in paths[:1]], "string", [len(paths[:1]), 2])


def _ends_in(call: Any, logits: Any) -> bool:
    """Return whether a dense layer's output, its own activation undone, is the logits."""
    return same_tensor(unnormalise(keras.tree.flatten(call.outputs)[0]), logits)
