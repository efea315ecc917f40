"""What SmoothGrad, SquareGrad and VarGrad share: a statistic over noisy copies, never stacked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from kviz.attribution.method import Found, Method, Reduce, Request
from kviz.attribution.methods._copies import GRADIENTS, added, copies, gathered
from kviz.attribution.methods.gradient import Gradient
from kviz.attribution.options import option
from kviz.attribution.registry import as_method
from kviz.engine.backend import tf
from kviz.engine.passes import Passes

# TensorFlow's number for the algorithm that every device has.
_PHILOX = 1


@dataclass(frozen=True, kw_only=True)
class Noise(Method):
    """A statistic of another method's maps over copies of each image with Gaussian noise.

    Args:
        base: the method, such as `IntegratedGradients()`; by default the signed gradient.
        samples: copies, 1 or more.
        noise_level: the noise's standard deviation as a share of each image's range.
        reduce: `"base"` as the base has it, `"sum"` of the channels, `"max_abs"` or None to keep them.
    """

    fixed_target: ClassVar[bool] = True

    base: Method | str = option(default_factory=lambda: Gradient(reduce="max_abs"), check=as_method)
    samples: int = 50
    noise_level: float = option(0.15, least=0)
    reduce: Literal["base", "max_abs", "sum"] | None = "base"

    @property
    def reduction(self) -> Reduce:
        """What is made of the channels."""
        return self._base.reduction if self.reduce == "base" else self.reduce

    @property
    def gives_layer_maps(self) -> bool:
        """Whether the maps are of a layer's size: the base's are."""
        return self._base.gives_layer_maps

    @property
    def _base(self) -> Method:
        return as_method("base", self.base)

    def maps(self, request: Request) -> Found:
        """Return maps like the base's, as `Method.maps`."""
        base = self._base
        # A base that is one traced function is called inside that which draws the noise.
        inside = type(base).maps is Method.maps
        state: Any = None
        layers: Any = None
        scores, classes = request.scores()
        for rows, numbers, owners in copies(request, self.samples, GRADIENTS):
            if inside:
                maps = self._explained(request, base, rows, numbers)
            else:
                *pixels, target = self._noisy(request, rows, numbers)
                found = base.maps(replace(request, pixels=pixels, target=target))
                maps, layers = found.maps, found.layers
            state = self.joined(state, tf.convert_to_tensor(maps), owners, len(request.images))
        return Found(maps=self.statistic(state), scores=scores, classes=classes, layers=layers)

    def joined(self, state: Any, maps: Any, owners: Any, count: int) -> Any:
        """Return what is known of all copies so far; here the sum of their maps.

        Args:
            state: the same of the copies before, or None.
            maps: `(B, …)`, of further copies.
            owners: as `copies` gives them.
            count: how many images there are.
        """
        return added(state, maps, owners, count)

    def statistic(self, state: Any) -> Any:
        """Return the maps `(N, …)` of what is known of all copies; here their mean."""
        return state / self.samples

    def _explained(self, request: Request, base: Method, rows: Any, numbers: Any) -> Any:
        """Return a base's maps of copies with noise, in one call."""
        passes = request.passes

        def run(settings: Any, *arguments: Any) -> Any:
            level, base = settings
            *inputs, rows, numbers, place = arguments
            return base.traced(passes, _with_noise(passes, level, inputs, rows, numbers, place))[1]

        explained = passes.compiled(
            "noise", run, self._extra(request), passes.by_copies([True, True, False]),
            settings=(self.noise_level, base),
        )  # fmt: skip
        return explained(*request.pixels, request.target, rows, numbers, self._place(request))

    def _noisy(self, request: Request, rows: Any, numbers: Any) -> Any:
        """Return copies of the pixels with noise, and their targets."""
        passes = request.passes

        def run(level: Any, *arguments: Any) -> Any:
            *inputs, rows, numbers, place = arguments
            return _with_noise(passes, level, inputs, rows, numbers, place)

        noisy = passes.compiled("noisy", run, self._extra(request), settings=self.noise_level)
        return noisy(*request.pixels, request.target, rows, numbers, self._place(request))

    def _extra(self, request: Request) -> list[Any]:
        rows_of = tf.TensorSpec((request.passes.fixed_batch,), "int32")
        return [rows_of, rows_of, tf.TensorSpec((3,), "int32")]

    def _place(self, request: Request) -> Any:
        return np.array([request.seed, request.first, self.samples], np.int32)


def _with_noise(
    passes: Passes, level: Any, inputs: Any, rows: Any, numbers: Any, place: Any
) -> list[Any]:
    """Return the rows of inputs and targets, with noise in the input that is looked at, while tracing.

    A copy's noise is a stretch of one stream of random numbers, at a place of its own: it depends on
    the seed, the image and the copy, not on what is drawn beside it. Copies in flight follow each
    other, so that theirs is drawn at once.

    Args:
        passes: the network's passes.
        level: the noise's standard deviation as a share of an image's range.
        inputs: a tensor per input, and the targets.
        rows: int32 `(B,)`, the image of each copy.
        numbers: int32 `(B,)`, which of the image's copies it is.
        place: the seed, the place of the first image among all, and how many copies each has.
    """
    seed, first, count = tf.unstack(place)
    images = inputs[passes.place]
    axes = list(range(1, images.shape.rank))
    ranges = tf.reduce_max(images, axes, keepdims=True) - tf.reduce_min(images, axes, keepdims=True)
    *several, wide = gathered(
        [*inputs, tf.cast(level, images.dtype) * ranges], rows, passes.fixed_batch
    )
    # Philox makes four numbers of 32 bits at each place of its stream.
    kind = tf.float64 if images.dtype == tf.float64 else tf.float32
    at_once = 2 if kind == tf.float64 else 4
    size = tf.reduce_prod(tf.shape(images)[1:])
    places = (size + at_once - 1) // at_once
    begin = tf.cast(tf.reduce_min((first + rows) * count + numbers), "int64")
    counter = tf.cast(tf.stack([begin * tf.cast(places, "int64"), 0]), "uint64")
    key, _ = tf.raw_ops.StatelessRandomGetKeyCounter(seed=tf.stack([seed, 0]))
    shape = tf.stack([tf.shape(rows)[0], places * at_once])
    drawn = tf.raw_ops.StatelessRandomNormalV2(
        shape=shape, key=key, counter=counter, alg=_PHILOX, dtype=kind
    )
    noise = tf.reshape(drawn[:, :size], tf.shape(several[passes.place]))
    several[passes.place] += wide * tf.cast(noise, images.dtype)
    return several
