"""What SmoothGrad, SquareGrad and VarGrad share: a statistic over noisy copies, never stacked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kviz.attribution.method import Found, Method, Reduce, Request
from kviz.attribution.methods._copies import GRADIENTS, added, copies, gathered
from kviz.attribution.methods.gradient import Gradient
from kviz.attribution.options import option
from kviz.attribution.registry import as_method
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class Noise(Method):
    """A statistic of another method's maps over copies of each image with Gaussian noise.

    Args:
        base: the method, such as `IntegratedGradients()`; by default the signed gradient.
        samples: copies, 1 or more.
        noise_level: the noise's standard deviation as a share of each image's range.
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.
    """

    fixed_target: ClassVar[bool] = True
    powers: ClassVar[tuple[int, ...]] = (1,)

    base: Method | str = option(default_factory=Gradient, check=as_method)
    samples: int = 50
    noise_level: float = option(0.15, least=0)
    reduce: Reduce = "max_abs"

    def maps(self, request: Request) -> Found:
        """Return maps like the base's, as `Method.maps`."""
        passes, total = request.passes, len(request.images)
        place, fixed = passes.place, passes.fixed_batch
        scores, classes = passes.scores(request.pixels, request.target)

        def run(*arguments: Any) -> Any:
            *inputs, rows, numbers, seed, first = arguments
            images = inputs[place]
            axes = list(range(1, images.shape.rank))
            high, low = (
                edge(images, axes, keepdims=True) for edge in (tf.reduce_max, tf.reduce_min)
            )

            def normal(which: Any) -> Any:
                # Of its own seed, an image's noise does not depend on the chunk that it is in.
                own = tf.random.fold_in(tf.stack([seed, first + which[0]]), which[1])
                return tf.random.stateless_normal(tf.shape(images)[1:], own, dtype=images.dtype)

            noise = tf.map_fn(
                normal, tf.stack([rows, numbers], 1), fn_output_signature=images.dtype
            )
            *several, wide = gathered([*inputs, self.noise_level * (high - low)], rows, fixed)
            several[place] += wide * noise
            return several

        whole = tf.TensorSpec((), "int32")
        rows_of = tf.TensorSpec((fixed,), "int32")
        noisy = passes.compiled(("noise", self.noise_level), run, [rows_of, rows_of, whole, whole])
        sums: dict[int, Any] = {}
        base = as_method("base", self.base)
        for rows, numbers, owners in copies(request, self.samples, GRADIENTS):
            *pixels, target = noisy(
                *request.pixels, request.target, rows, numbers, request.seed, request.first
            )
            found = base.maps(replace(request, pixels=pixels, target=target))
            maps = found.maps
            for power in self.powers:
                values = maps if power == 1 else tf.square(maps)
                sums[power] = added(sums.get(power), values, owners, total)
        means = [sums[power] / self.samples for power in self.powers]
        maps = self.statistic(*means)
        return Found(maps=maps, scores=scores, classes=classes, layers=found.layers)

    def statistic(self, *means: Any) -> Any:
        """Return the statistic, given the mean of each of the `powers` of the maps."""
        return means[0]
