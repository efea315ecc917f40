"""What `fool` was asked for, checked: how far images may go, between which values, from where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kviz._caller import spelled
from kviz._checks import sanitise, validate_bool, validate_choice, validate_number
from kviz._types import Array
from kviz.errors import ImageError, OptionError
from kviz.images import is_small
from kviz.synthesis._moves import Norm


@dataclass(frozen=True, kw_only=True)
class Attack:
    """What was asked for, as `fool` takes it.

    Args:
        targeted: whether the class is to be reached, or left.
        step_size: a step's length, or None.
        max_norm: how far an image may go, or None.
        norm: how that is measured.
        random_start: whether to begin at a random place within it.
        confidence: the least probability, or None.
        bounds: the values that an image may have, or None.
        rounded: whether pixels are whole numbers.
        low: the least of all values.
        span: how far values lie apart.

    Raises:
        OptionError: if one of the options is not what it takes.
    """

    targeted: bool
    step_size: float | None
    max_norm: float | None
    norm: Norm
    random_start: bool
    confidence: float | None
    bounds: tuple[float, float] | None
    rounded: bool = False
    low: float = 0.0
    span: float = 1.0

    def __post_init__(self) -> None:
        validate_choice("norm", self.norm, ("l2", "linf"))
        validate_bool("targeted", self.targeted)
        for option, below in (("step_size", np.inf), ("max_norm", np.inf), ("confidence", 1)):
            if (value := getattr(self, option)) is not None:
                object.__setattr__(self, option, validate_number(option, value, 0, below))
        if validate_bool("random_start", self.random_start) and self.max_norm is None:
            raise OptionError(
                f"{spelled('random_start')} needs {spelled('max_norm')}: the place is drawn within it."
            )
        if self.bounds is not None:
            object.__setattr__(self, "bounds", _between(self.bounds))

    def settings(self) -> dict[str, Any]:
        """Return the options, with the bounds of the images that it is on."""
        own = ("rounded", "low", "span")
        return {key: value for key, value in vars(self).items() if key not in own}

    @property
    def drawn_between(self) -> tuple[float, float]:
        """The values that are drawn as black and white."""
        return self.low, self.low + self.span

    def on(self, originals: Array) -> Attack:
        """Return the attack on images: with their bounds.

        Args:
            originals: as they were given.

        Raises:
            ImageError: if they lie outside the bounds, or are in 0-1 without any.
            OptionError: if whole numbers cannot be as near as they may go.
        """
        photo = originals.ndim == 4
        low, high = float(originals.min()), float(originals.max())
        if photo and self.bounds is None and is_small(originals):
            raise ImageError(
                f"Expected pixels 0-255, or {spelled('bounds', '(0, 1)')} for a model that takes "
                f"values of 0-1. Received: values from {low:g} to {high:g}."
            )
        bounds = self.bounds or ((0.0, 255.0) if photo else None)
        if bounds and (low < bounds[0] or high > bounds[1]):
            raise ImageError(
                f"Expected images between {bounds[0]:g} and {bounds[1]:g}. Received: values from "
                f"{low:g} to {high:g}. What a model takes instead of 0-255 is told by preprocess= of "
                "kviz.Network, or by bounds=."
            )
        rounded = photo and bounds == (0.0, 255.0)
        if rounded and self.norm == "linf" and (self.max_norm or 1) < 1:
            raise OptionError(
                f"Pixels are whole numbers, so {spelled('max_norm')} is 1 or more. "
                f"Received: {self.max_norm:g}"
            )
        low, high = bounds or (low, max(high, low + 1))
        return replace(self, bounds=bounds, rounded=rounded, low=low, span=high - low)

    @property
    def radius(self) -> float | None:
        """How far an image may go; pixels are as many whole numbers apart."""
        if self.max_norm and self.rounded and self.norm == "linf":
            return float(np.floor(self.max_norm))
        return self.max_norm

    def start(self, originals: Array, seed: tuple[int, int]) -> Array:
        """Return where images begin.

        Args:
            originals: the images.
            seed: the first one's; the next have the numbers behind it.
        """
        radius = self.radius
        if not self.random_start or radius is None:
            return originals
        drawn = [
            _random(image, radius, self.norm, (seed[0], seed[1] + at))
            for at, image in enumerate(originals)
        ]
        start = np.stack(drawn)
        return start.clip(*self.bounds) if self.bounds else start


def radii_of(max_norm: Any) -> tuple[float | None, ...]:
    """Return how far images may go, the nearest first; one None for anywhere.

    Args:
        max_norm: a number, several, or None.

    Raises:
        OptionError: if they are no numbers above 0.

    >>> radii_of([30, 10]), radii_of(None)
    ((10.0, 30.0), (None,))
    """
    if not isinstance(max_norm, list | tuple | np.ndarray):
        return (max_norm,)
    radii = sorted({validate_number("max_norm", each, 0) for each in np.ravel(max_norm).tolist()})
    if not radii or np.ndim(max_norm) != 1:
        raise OptionError(
            f"{spelled('max_norm')} takes a number or a list of them. "
            f"Received: {sanitise(repr(max_norm))}"
        )
    return tuple(radii)


def _between(bounds: Any) -> tuple[float, float]:
    try:
        low, high = (validate_number("bounds", bound) for bound in bounds)
    except (TypeError, ValueError, OptionError):
        low = high = 0.0
    if not low < high:
        raise OptionError(f"bounds takes a lower and an upper value. Received: {sanitise(bounds)}")
    return low, high


def _random(image: Array, radius: float, norm: Norm, seed: tuple[int, int]) -> Array:
    """Return an image at a random place within a radius."""
    random = np.random.default_rng(seed)
    if norm == "linf":
        way = random.uniform(-radius, radius, image.shape)
    else:
        way = random.normal(size=image.shape)
        way *= radius * random.random() ** (1 / image.size) / np.linalg.norm(way)
    moved: Array = (image + way).astype(np.float32)
    return moved
