"""What an image is compared with: black, white, blur, noise, or an image that is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from kviz.attribution.method import Request
from kviz.engine.backend import tf
from kviz.errors import OptionError


def references_of(references: Any, images: Any) -> Any:
    """Return images that others are compared with, in their type.

    Args:
        references: an array.
        images: a tensor `(N, …)`.

    Raises:
        OptionError: if it holds no such images.
    """
    array = np.asarray(references, images.dtype.as_numpy_dtype)
    if array.shape[1:] != tuple(images.shape[1:]) or not len(array):
        raise OptionError(
            f"references holds images of shape {tuple(images.shape[1:])}. Received: {array.shape}"
        )
    return array


def baseline_of(baseline: Any, request: Request) -> Any:
    """Return a baseline for each image of a request.

    Args:
        baseline: `"black"` (0), `"white"` (255), `"grey"` (127.5), `"mean"` (each image's own, a
            channel at a time), `"blur"` (a Gaussian of a tenth of the height), `"noise"` (uniform
            between 0 and 255), a number, or an array like one image.
        request: the images.

    Returns:
        A tensor of the images' shape and dtype.

    Raises:
        OptionError: if it is none of these.
    """
    images = tf.convert_to_tensor(request.images)
    if isinstance(baseline, str):
        levels = {"black": 0.0, "white": 255.0, "grey": 127.5}
        if baseline in levels:
            return tf.fill(images.shape, tf.cast(levels[baseline], images.dtype))
        if baseline == "mean":
            axes = list(range(1, max(2, images.shape.rank - 1)))
            return tf.zeros_like(images) + tf.reduce_mean(images, axes, keepdims=True)
        if baseline == "noise":
            drawn = [
                tf.random.stateless_uniform(images.shape[1:], (request.seed, request.first + place))
                for place in range(images.shape[0])
            ]
            return tf.cast(255 * tf.stack(drawn), images.dtype)
        if baseline == "blur" and images.shape.rank == 4:
            return _blurred(images)
        raise OptionError(f"The baseline {baseline!r} is for images (N, H, W, channels) only.")
    array = np.asarray(baseline, images.dtype.as_numpy_dtype)
    one = array[0] if array.ndim == images.shape.rank and len(array) == 1 else array
    try:
        # One for all: of a baseline per image, which is whose would be the batch's size to say.
        return tf.convert_to_tensor(
            np.broadcast_to(np.broadcast_to(one, images.shape[1:]), images.shape)
        )
    except ValueError:
        raise OptionError(
            f"baseline as an array has the shape of one image, {tuple(images.shape[1:])}. "
            f"Received: {array.shape}"
        ) from None


def _blurred(images: Any) -> Any:
    sigma = max(images.shape[1] / 10, 1.0)
    reach = int(3 * sigma)
    steps = tf.range(-reach, reach + 1, dtype=images.dtype)
    kernel = tf.exp(-(steps**2) / (2 * sigma**2))
    kernel /= tf.reduce_sum(kernel)
    channels = images.shape[3]
    blurred = images
    for axis, shape in ((1, (-1, 1, 1, 1)), (2, (1, -1, 1, 1))):
        pads = [[0, 0], [0, 0], [0, 0], [0, 0]]
        pads[axis] = [reach, reach]
        filters = tf.tile(tf.reshape(kernel, shape), [1, 1, channels, 1])
        # The border's own pixels continue it, so that it does not darken.
        wide = tf.concat(
            [
                tf.repeat(tf.gather(blurred, [0], axis=axis), reach, axis=axis),
                blurred,
                tf.repeat(
                    tf.gather(blurred, [blurred.shape[axis] - 1], axis=axis), reach, axis=axis
                ),
            ],
            axis,
        )
        blurred = tf.nn.depthwise_conv2d(wide, filters, [1, 1, 1, 1], "VALID")
    return blurred
