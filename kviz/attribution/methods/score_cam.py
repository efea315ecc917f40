"""Score-CAM: a layer's maps, weighted by the score of the image seen through each.

H. Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR
2020 workshop: each map, enlarged and scaled to 0-1, masks the image; the weights are the softmax over
the channels of the scores of what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Found, Request
from kviz.attribution.methods._cam import Cam
from kviz.attribution.methods._copies import copies, gathered
from kviz.engine.backend import tf
from kviz.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class ScoreCam(Cam):
    """Score-CAM: a layer's maps, weighted by the score of the image seen through each.

    It needs no gradient, but a forward pass a channel.

    Paper: H. Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural
    Networks", CVPR 2020 workshop.

    Equation: relu(sum over channels k of w_k A_k), where w is the softmax over the channels of the
    scores of the image times A_k, enlarged and brought to 0-1.

    Args:
        layer_names: a layer's path or a glob that means one layer; by default the last
            between the explained input and the score, of a class map the deepest.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only what speaks for the class.

    >>> ScoreCam(layer_names="fire9_concat").relu
    True
    """

    display_name: ClassVar[str] = "Score-CAM"

    fixed_target: ClassVar[bool] = True

    def maps(self, request: Request) -> Found:
        """Return `(N, H, W)` of the layer's size, as `Method.maps`."""
        passes = request.passes
        place, fixed = passes.place, passes.fixed_batch
        if len(request.images.shape) != 4:
            raise OptionError("score_cam takes images (N, H, W, channels).")
        (scores, classes), maps, layers = self.one_layer(request)
        low = tf.reduce_min(maps, [1, 2], keepdims=True)
        width = tf.reduce_max(maps, [1, 2], keepdims=True) - low
        masks = tf.transpose(tf.math.divide_no_nan(maps - low, width), [0, 3, 1, 2])

        def run(*arguments: Any) -> Any:
            *inputs, small, rows, channels = arguments
            several = gathered(inputs, rows, fixed)
            seen = tf.gather_nd(small, tf.stack([rows, channels], 1))[..., None]
            seen = tf.image.resize(seen, tf.shape(several[place])[1:3])
            # Where pixels are whole numbers, a mask of them would be nothing but 0 and 1.
            masked = tf.cast(several[place], seen.dtype) * seen
            several[place] = tf.cast(masked, several[place].dtype)
            return passes.forward(several)[0][0]

        rows_of = tf.TensorSpec((fixed,), "int32")
        compiled = passes.compiled(
            "score cam",
            run,
            [tf.TensorSpec([None] * 4, masks.dtype), rows_of, rows_of],
            passes.by_copies([False, True, True]),
        )
        seen = [
            compiled(*request.pixels, request.target, masks, rows, channels)[: (owners >= 0).sum()]
            for rows, channels, owners in copies(request, maps.shape[-1])
        ]
        weights = tf.nn.softmax(tf.reshape(tf.concat(seen, 0), [len(maps), 1, 1, -1]))
        weighted = self.fused([tf.reduce_sum(maps * weights, -1)])
        return Found(maps=weighted, scores=scores, classes=classes, layers=layers)
