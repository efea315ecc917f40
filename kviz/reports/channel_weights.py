"""What each channel of each layer weighs for a class: the mean of the score's gradient to its map.

R. Selvaraju et al., "Grad-CAM", ICCV 2017, call it alpha: how much the class's logit rises where the
whole channel does. One backward pass for a class goes through all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array, Images, Progress
from kviz.attribution.attribute import explain
from kviz.attribution.method import Found, Method, Request
from kviz.engine.backend import tf
from kviz.engine.explained_layers import Laid
from kviz.network.network import Network


@dataclass(frozen=True, kw_only=True)
class ChannelWeights(Method):
    """The weights of the channels of several layers, behind one another in one row an image.

    A method as others are, so that class maps, several classes and memory are dealt with as theirs;
    but no picture comes of it, and it has no name.

    Args:
        paths: the layers.
    """

    layer_sized: ClassVar[bool] = True

    paths: tuple[str, ...]

    def maps(self, request: Request) -> Found:
        """Return `(N, channels of all layers)`, as `Method.maps`."""
        passes = request.passes

        def run(*arguments: Any) -> Any:
            value, seen = passes.forward(arguments)
            layers = [Laid(seen.table[path]) for path in self.paths]
            maps = [seen.map_of(laid.info) for laid in layers]
            # Where the score does not depend on a layer its channels weigh nothing.
            slopes = tf.gradients(value[0], maps, unconnected_gradients="zero")
            return value, tf.concat(
                [_weights(laid, slope) for laid, slope in zip(layers, slopes, strict=True)], 1
            )

        (scores, classes), weights = passes.compiled(("channel weights", self.paths), run)(
            *request.pixels, request.target
        )
        return Found(maps=weights, scores=scores, classes=classes)


def _weights(laid: Laid, slope: Any) -> Any:
    slope = tf.cast(laid.map(tf.convert_to_tensor(slope)), "float32")
    return tf.reduce_mean(slope, list(range(1, slope.shape.rank - 1)))


def channel_weights(
    network: Network,
    images: Images,
    channels: dict[str, int],
    class_index: Sequence[Sequence[int]],
    *,
    output: int | str | None = None,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Return what each channel of each layer weighs for each class of each image.

    Args:
        network: the network.
        images: as `attribute` takes them.
        channels: how many each layer has, by its path.
        class_index: for each image the classes, as many for each.
        output: which output of a model that has several.
        batch_size: images processed at once.
        progress: called with (images done, images in all).

    Returns:
        By layer float32 `(N, classes, channels)`: the mean over the layer's cells of the derivative of
        the class's logit; of a class map, of its mean where the class is predicted.

    Raises:
        ImageError: if a weight is not finite.
    """
    method = ChannelWeights(paths=tuple(channels))
    found = explain(
        network, images, method, class_index=[list(some) for some in class_index], output=output,
        batch_size=batch_size, progress=progress,
    )  # fmt: skip
    ends = np.cumsum(list(channels.values()))[:-1]
    parts = np.split(found.raw, ends, axis=-1)
    return dict(zip(channels, parts, strict=True))
