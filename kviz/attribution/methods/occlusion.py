"""Occlusion: how much the score falls when a window of the image is covered.

M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2:
Y(x) - Y(x with a window replaced), given to every pixel of the window; where windows overlap, the mean
(as captum) or the sum (as PAIR's saliency) of theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Found, Method, Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._perturb import each_axis, perturbed_scores, spatial
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.errors import OptionError
from kviz.option_values import validate_baseline


@dataclass(frozen=True, kw_only=True, eq=False)
class Occlusion(Method):
    """Occlusion: how much the score falls when a window of the image is covered.

    A window covers all channels at once, and the last of a row is cut at the border, so that every
    pixel is covered.

    Paper: M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
    section 4.2.

    Equation: Y(x) - Y(x with a window replaced), given to every pixel of the window.

    When: A map that needs no theory, of any model: how far the score falls when this part is
    covered.

    When not: In a hurry; evidence much smaller than the window, or that stands in several places at
    once.

    Args:
        window: a side in pixels, or one for each axis; of a vector, how many features. By default an
            eighth of each side. What is larger than the image covers it whole.
        stride: from window to window, at most a window; by default half of it.
        baseline: what covers: `"black"`, `"white"`, `"grey"`, `"mean"` (each image's own), `"blur"`,
            `"noise"`, a number, or an array like one image.
        overlap: `"mean"` or `"sum"` of the windows over a pixel.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> found = kviz.attribute("models/squeezenet.keras", cat, "occlusion", window=114, stride=113)
    >>> found.maps.shape
    (1, 227, 227)
    """

    display_name: ClassVar[str] = "Occlusion"
    kind: ClassVar[str] = "perturbation"
    forward_passes: ClassVar[str] = "1 + windows"
    backward_passes: ClassVar[str] = "0"

    layer_sized: ClassVar[bool] = True
    fixed_target: ClassVar[bool] = True

    window: int | tuple[int, ...] | None = None
    stride: int | tuple[int, ...] | None = None
    baseline: Any = option("black", check=validate_baseline)
    overlap: Literal["mean", "sum"] = "mean"

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the input's size, as `Method.maps`."""
        size = spatial(request)
        starts, windows = self.placed(size)
        shape = tuple(len(places) for places in starts)

        def drawn(rows: Array, samples: Array) -> list[Array]:  # noqa: ARG001
            grid = np.unravel_index(samples, shape)
            low = [places[at] for places, at in zip(starts, grid, strict=True)]
            first = np.stack(low, axis=1).astype(np.int32)
            return [first, first + np.array(windows, np.int32)]

        scores, classes = request.scores()
        low = baseline_of(self.baseline, request)
        key, count = f"boxes {len(size)}", math.prod(shape)
        covered, _ = perturbed_scores(request, key, _outside, count, drawn, low)
        maps = scores.numpy().astype(np.float64)[:, None] - covered
        maps = maps.reshape(-1, *shape)
        for places, window, side in zip(starts, windows, size, strict=True):
            pixels = np.arange(side)
            within = (pixels >= places[:, None]) & (pixels < places[:, None] + window)
            weights = within / within.sum(0) if self.overlap == "mean" else within
            # The axis in front goes last, so that after all of them their order is as before.
            maps = np.tensordot(maps, weights, axes=(1, 0))
        return Found(maps=maps.astype(np.float32), scores=scores, classes=classes)

    def placed(self, size: tuple[int, ...]) -> tuple[list[Array], list[int]]:
        """Return for each axis where windows begin, and their length."""
        default = tuple(math.ceil(side / 8) for side in size)
        given = default if self.window is None else each_axis("window", self.window, len(size))
        windows = [min(window, side) for window, side in zip(given, size, strict=True)]
        halves = tuple(max(1, window // 2) for window in windows)
        strides = halves if self.stride is None else each_axis("stride", self.stride, len(size))
        starts = []
        for side, window, stride in zip(size, windows, strides, strict=True):
            if stride > window and window < side:
                raise OptionError(
                    f"A stride of {stride} after a window of {window} leaves pixels uncovered; "
                    "take a stride of at most the window."
                )
            starts.append(np.arange(1 + math.ceil((side - window) / stride)) * stride)
        return starts, windows


def _outside(rows: Any, size: Any, first: Any, end: Any) -> Any:  # noqa: ARG001
    """Return 0 inside the boxes from `first` to before `end`, both `(B, axes)`, else 1."""
    inside = None
    axes = int(size.shape[0])
    for axis in range(axes):
        pixels = tf.range(size[axis])
        part = (pixels >= first[:, axis, None]) & (pixels < end[:, axis, None])
        shape = [-1, *[1] * axis, size[axis], *[1] * (axes - axis - 1)]
        part = tf.reshape(part, tf.stack(shape))
        inside = part if inside is None else inside & part
    return tf.cast(tf.logical_not(inside), tf.float32)
