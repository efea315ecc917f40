"""Score-CAM: a layer's maps, weighted by the score of the image seen through each.

H. Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR
2020 workshop: each map, enlarged and scaled to 0-1, masks the image; the weights are the softmax over
the channels of the scores of what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Found, Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._cam import Cam, left_nothing
from kviz.attribution.methods._perturb import perturbed_scores
from kviz.attribution.methods._resized import resized
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.option_values import validate_baseline


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreCam(Cam):
    """Score-CAM: a layer's maps, weighted by the score of the image seen through each.

    It needs no gradient, but one forward pass per channel. What a mask hides is black: pixels are
    multiplied by it as they are given. In the paper they are those that preprocessing has made, where 0
    is often the mean colour; `baseline=` takes such a colour.

    Paper: H. Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural
    Networks", CVPR 2020 workshop.

    Equation: relu(sum over channels k of w_k A_k), where w is the softmax over the channels of the
    scores of the image times A_k, enlarged and then brought to 0-1.

    When: Gradients that are flat or noisy: the score is asked of the image seen through each
    channel.

    When not: Layers of hundreds of channels without a GPU, since each is a forward pass;
    `max_channels` bounds it.

    Args:
        layer_names: a layer's path or a glob that means one layer; by default the last
            between the explained input and the score, of a class map the deepest.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only evidence for the class.
        max_channels: look only through so many channels of each image, those whose maps vary most (by
            their standard deviation), and leave the others out; None for all.
        baseline: what is seen instead of the rest, as `Occlusion` takes it.

    >>> ScoreCam(layer_names="fire9_concat", max_channels=64).relu
    True
    """

    display_name: ClassVar[str] = "Score-CAM"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1 + channels"
    backward_passes: ClassVar[str] = "0"

    fixed_target: ClassVar[bool] = True

    max_channels: int | None = None
    baseline: Any = option("black", check=validate_baseline)

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the layer's size, as `Method.maps`."""
        (scores, classes), maps, layers = self.one_layer(request)
        channels = self._channels(maps)
        axes = maps.shape.rank - 2

        def drawn(rows: Array, samples: Array) -> list[Array]:
            return [channels[rows, samples]]

        seen, _ = perturbed_scores(
            request, f"score cam {axes}", _masks, channels.shape[1], drawn,
            baseline_of(self.baseline, request),
            shared=[tf.transpose(maps, [0, axes + 1, *range(1, axes + 1)])],
        )  # fmt: skip
        weights = tf.cast(tf.nn.softmax(seen), maps.dtype)
        taken = tf.gather(maps, channels, axis=axes + 1, batch_dims=1)
        weighted = tf.einsum("n...k,nk->n...", taken, weights)
        return Found(
            maps=self.fused([weighted]), scores=scores, classes=classes, layers=layers,
            negative=left_nothing(self.relu, [weighted]),
        )  # fmt: skip

    def _channels(self, maps: Any) -> Array:
        """Return the channels of each image that are looked through, int32 `(N, count)`."""
        total, every = len(maps), maps.shape[-1]
        if self.max_channels is None or self.max_channels >= every:
            return np.tile(np.arange(every, dtype=np.int32), (total, 1))
        varied = tf.math.reduce_std(tf.reshape(maps, [total, -1, every]), 1).numpy()
        most = np.argsort(-varied, axis=1, kind="stable")[:, : self.max_channels]
        return np.sort(most, axis=1).astype(np.int32)


def _masks(rows: Any, size: Any, maps: Any, channels: Any) -> Any:
    """Return single channels of maps `(N, channels, …)`, enlarged and then brought to 0-1."""
    small = tf.gather_nd(maps, tf.stack([rows, channels], 1))
    large = resized(small, tf.unstack(size, num=maps.shape.rank - 2))
    space = list(range(1, large.shape.rank))
    low = tf.reduce_min(large, space, keepdims=True)
    width = tf.reduce_max(large, space, keepdims=True) - low
    return tf.math.divide_no_nan(large - low, width)
