"""What an attribution method is: a frozen dataclass with one function, in a file named after it.

A method's file is found by its name; nothing else has to be told. `methods/grad_cam.py` holds the class
`GradCam`, which `attribute(..., method="grad_cam")` and `kviz attribute --method grad_cam` make with
their options as its fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from kviz.attribution.options import validate_fields
from kviz.engine.backend import tf
from kviz.engine.passes import Passes
from kviz.errors import ImageError

Reduce = Literal["max_abs", "sum"] | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a method works on: a chunk of images with a class for each.

    Attributes:
        passes: the network's passes for the score.
        pixels: a float array per input `(N, …)`, in the network's order.
        target: int32 `(N,)`, the class of each image; -1 for the predicted one, but only where the
            method does not say `fixed_target`.
        batch_size: how many images may be processed at once, whatever the method multiplies them by.
        seed: for randomness.
        first: the place of the chunk's first image among all, so that what is drawn for an image does
            not depend on the chunk that it is in.
    """

    passes: Passes
    pixels: Sequence[Any]
    target: Any
    batch_size: int
    seed: int = 0
    first: int = 0

    @property
    def images(self) -> Any:
        """The input that is looked at, `(N, …)`."""
        return self.pixels[self.passes.place]

    def scores(self) -> tuple[Any, Any]:
        """Return the scores and the classes of the images as they are, both `(N,)`.

        Raises:
            ImageError: if a score is not finite.
        """
        scores, classes = self.passes.scores(self.pixels, self.target)
        validate_scores(scores, self.first)
        return scores, classes

    def replaced(self, images: Any) -> list[Any]:
        """Return the inputs with other values for the one that is looked at."""
        return [
            images if place == self.passes.place else array
            for place, array in enumerate(self.pixels)
        ]


def validate_scores(scores: Any, first: int = 0) -> None:
    """Raise an `ImageError` if a score is not finite.

    Args:
        scores: `(N,)`.
        first: the place of the first one's image among all.

    >>> validate_scores([1.0, 2.0])
    """
    bad = np.flatnonzero(~np.isfinite(np.asarray(scores, np.float64)))
    if bad.size:
        raise ImageError(
            f"The score of image {first + bad[0]} is not finite (NaN or infinite), so that no method "
            "can explain it. Look at the model's weights, or at smaller inputs."
        )


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a method found for a chunk of images.

    Attributes:
        maps: float `(N, …, channels)` like the input, or `(N, …)` of a layer's size.
        scores: the scores `(N,)`.
        classes: int32 `(N,)`, their classes, -1 where there are none.
        gaps: for methods whose sum means something `(N,)`: how far it is from what it should be, the
            score's difference to the baseline's or the score itself, relative to that; where it is 0,
            to how far the score moves on the way.
        layers: for methods that look at layers, strings `(layers, 2)`: the paths of those that they
            looked at, and what is to be said of each.
        notes: what `attribute` read of these.
        negative: for methods that end in ReLU bool `(N,)`: it left nothing of a map below zero.
    """

    maps: Any
    scores: Any
    classes: Any
    gaps: Any = None
    layers: Any = None
    notes: tuple[str, ...] = ()
    negative: Any = None


def gaps_of(maps: Any, moved: Any, scores: Any, start: Any) -> Any:
    """Return how far maps are from adding up to a difference of scores, relative to it, `(N,)`.

    Args:
        maps: a tensor `(N, …)`.
        moved: `(N,)`, what the distance is relative to where the difference is 0.
        scores: `(N,)`, of the images.
        start: `(N,)`, of what these are compared with.
    """
    scores, start, moved = (tf.cast(each, maps.dtype) for each in (scores, start, moved))
    rise = scores - start
    missing = tf.reduce_sum(maps, list(range(1, maps.shape.rank))) - rise
    rounding = 4 * np.finfo(maps.dtype.as_numpy_dtype).eps
    level = tf.abs(rise) <= rounding * tf.maximum(tf.abs(scores), tf.abs(start))
    return tf.math.divide_no_nan(tf.abs(missing), tf.where(level, moved, tf.abs(rise)))


@dataclass(frozen=True, kw_only=True)
class Method:
    """An attribution method; its fields are its options.

    A method either gives values for each number of the input, of which its option `reduce` makes one
    map, or (`layer_sized`) maps of a layer's size, which are then brought to the image's.
    """

    # What people call it, in titles; by default its name.
    display_name: ClassVar[str] = ""
    # What sort it is, and the passes of the whole network an image costs: sums and products of numbers,
    # its options, and `channels`, `windows` or `players`, which the image and the network decide. The
    # card of a method (`kviz.cards`) is read from its file, so these stand there as literals.
    kind: ClassVar[str] = ""
    forward_passes: ClassVar[str] = ""
    backward_passes: ClassVar[str] = ""
    # The extra of kviz without which it does not run as it is by default.
    extra: ClassVar[str] = ""
    # What its scores are called, where they are none of the class's own.
    score_name: ClassVar[str] = ""
    layer_sized: ClassVar[bool] = False
    # Where the score is computed for other images too, a class has to be chosen before.
    fixed_target: ClassVar[bool] = False
    # Whether its sum is the score, in nets that keep it: the result's `gaps` say how far it is.
    sums_to_score: ClassVar[bool] = False

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def reduction(self) -> Reduce:
        """What is made of the channels; without an option `reduce` they are added up."""
        reduce: Reduce = getattr(self, "reduce", "sum")
        return reduce

    @property
    def gives_layer_maps(self) -> bool:
        """Whether the maps are of a layer's size."""
        return self.layer_sized

    def validate_installed(self, rank: int) -> None:
        """Import what it needs of kviz's extras; by default what the methods need that it builds on.

        Args:
            rank: how many axes the images have, 4 for photos.

        Raises:
            OptionError: if something is not installed.
        """
        for value in vars(self).values():
            if isinstance(value, Method):
                value.validate_installed(rank)

    def maps(self, request: Request) -> Found:
        """Return the attribution of a chunk of images; by default as `traced` computes it.

        Args:
            request: the images, their targets and the network's passes.

        Returns:
            What was found.
        """
        passes = request.passes
        # Which map is made of the channels is decided afterwards.
        settings = replace(self, reduce=None) if hasattr(self, "reduce") else self  # type: ignore[call-arg]
        run = passes.compiled(
            "traced", lambda method, *arguments: method.traced(passes, arguments), settings=settings
        )
        (scores, classes), maps = run(*request.pixels, request.target)
        gaps = None
        if self.sums_to_score:
            size = tf.reduce_sum(tf.abs(maps), list(range(1, maps.shape.rank)))
            gaps = gaps_of(maps, size, scores, tf.zeros_like(scores))
        return Found(maps=maps, scores=scores, classes=classes, gaps=gaps)

    def traced(self, passes: Passes, arguments: Sequence[Any]) -> Any:
        """Return the attribution while a function is traced, for methods that are one such function.

        Others that look at many copies of an image then need no more than one either. Floats among the
        options are tensors, so that another number needs no other function.

        Args:
            passes: the network's passes.
            arguments: a tensor per input, and the targets.

        Returns:
            (Scores, classes), both `(N,)`, and maps as `Found` has them.
        """
        raise NotImplementedError
