"""Score-CAM: a layer's maps, weighted by the score of the image seen through each.

H. Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR
2020 workshop: each map, enlarged and scaled to 0-1, masks the image; the weights are the softmax over
the channels of the scores of what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution._cam import Cam, repeated
from kviz.attribution._method import Found, Request
from kviz.backend import keras, tf
from kviz.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class ScoreCam(Cam):
    """Score-CAM of one layer; needs no gradient, but a forward pass a channel.

    >>> ScoreCam(layer_names="fire9_concat").relu
    True
    """

    fixed_target: ClassVar[bool] = True

    def maps(self, request: Request) -> Found:
        """Return `(N, H, W)` of the layer's size, as `Method.maps`."""
        passes = request.passes
        (scores, classes), layers = passes.layer_maps(
            request.pixels, request.target, self.layer_names
        )
        if len(layers) != 1 or len(request.images.shape) != 4:
            raise OptionError("score_cam takes one layer, and images (N, H, W, channels).")
        maps = layers[0]
        low = tf.reduce_min(maps, [1, 2], keepdims=True)
        width = tf.reduce_max(maps, [1, 2], keepdims=True) - low
        masks = tf.math.divide_no_nan(maps - low, width)

        def run(*arguments: Any) -> Any:
            *images, target, seen = arguments
            count = tf.shape(seen)[3]
            size = tf.shape(images[passes.place])[1:3]
            wide = tf.transpose(tf.image.resize(seen, size), [0, 3, 1, 2])
            wide = tf.reshape(wide, tf.concat([[-1], size, [1]], 0))
            several = repeated([*images, target], count)
            through = several[passes.place] * tf.cast(wide, several[passes.place].dtype)
            through.set_shape(several[passes.place].shape)
            several[passes.place] = through
            return tf.reshape(passes.forward(several)[0][0], [-1, count])

        compiled = passes.compiled(
            "score cam", run, [tf.TensorSpec((None, None, None, None), masks.dtype)]
        )
        together = max(1, request.batch_size // len(request.images))
        seen = tf.concat(
            [
                compiled(*request.pixels, request.target, masks[..., first : first + together])
                for first in range(0, maps.shape[-1], together)
            ],
            axis=1,
        )
        weights = keras.ops.softmax(seen, axis=1)[:, None, None]
        return Found(
            maps=self.fused([tf.reduce_sum(maps * weights, -1)]), scores=scores, classes=classes
        )
