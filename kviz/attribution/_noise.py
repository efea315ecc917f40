"""What SmoothGrad, SquareGrad and VarGrad share: a statistic over noisy copies, never stacked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from kviz.attribution._method import Found, Method, Reduce, Request
from kviz.attribution.gradient import Gradient
from kviz.backend import tf
from kviz.errors import OptionError


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
    statistic: ClassVar[Literal["mean", "square", "variance"]]

    base: Method = field(default_factory=Gradient)
    samples: int = 50
    noise_level: float = 0.15
    reduce: Reduce = "max_abs"

    def __post_init__(self) -> None:
        if self.samples < 1 or self.noise_level < 0:
            raise OptionError("samples is 1 or more, and noise_level 0 or more.")

    def maps(self, request: Request) -> Found:
        """Return maps like the base's, as `Method.maps`."""
        images = tf.convert_to_tensor(request.images)
        scores, classes = request.passes.scores(request.pixels, request.target)
        axes = list(range(1, images.shape.rank))
        width = tf.reduce_max(images, axes, keepdims=True) - tf.reduce_min(
            images, axes, keepdims=True
        )
        deviation = self.noise_level * width
        together = max(1, min(request.batch_size, 16) // len(images))
        first = square = None
        for start in range(0, self.samples, together):
            count = min(together, self.samples - start)
            noise = [
                tf.random.stateless_normal(
                    images.shape[1:],
                    tf.random.experimental.stateless_fold_in(
                        (request.seed, request.first + place), start + sample
                    ),
                    dtype=images.dtype,
                )
                for sample in range(count)
                for place in range(len(images))
            ]  # fmt: skip
            noisy = tf.tile(images, [count, *[1] * len(axes)]) + tf.stack(noise) * tf.tile(
                deviation, [count, *[1] * len(axes)]
            )
            several = replace(
                request,
                pixels=[
                    noisy if p == request.passes.place else tf.repeat(x[None], count, 0)
                    if count == 1 else tf.concat([x] * count, 0)
                    for p, x in enumerate(request.pixels)
                ],
                target=tf.tile(request.target, [count]),
            )  # fmt: skip
            maps = self.base.maps(several).maps
            maps = tf.reshape(maps, [count, len(images), *maps.shape[1:]])
            total, squares = tf.reduce_sum(maps, 0), tf.reduce_sum(maps**2, 0)
            first = total if first is None else first + total
            square = squares if square is None else square + squares
        return Found(maps=self._statistic(first, square), scores=scores, classes=classes)

    def _statistic(self, first: Any, square: Any) -> Any:
        mean, mean_square = first / self.samples, square / self.samples
        if self.statistic == "mean":
            return mean
        if self.statistic == "square":
            return mean_square
        return tf.nn.relu(mean_square - mean**2)
