"""What a metric is: a frozen dataclass with one function, in a file named after it.

A metric's file is found by its name; nothing else has to be told. `measures/mu_fidelity.py` holds the
class `MuFidelity`, which `evaluate(..., metrics=["mu_fidelity"])` and `kviz evaluate --metric
mu_fidelity` make. Its options are its fields, checked as a method's are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from kviz._checks import validate_choice
from kviz._types import Array
from kviz.attribution.method import Method, Request
from kviz.attribution.options import validate_fields
from kviz.engine.heads import Head
from kviz.engine.other_weights import OtherWeights
from kviz.engine.passes import Passes
from kviz.metrics.again import Again
from kviz.option_values import validate_baseline
from kviz.results.evaluation import Better
from kviz.shelf import BASELINES

On = Literal["probability", "score"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a metric judges: maps of a chunk of images, each for one score.

    Attributes:
        request: the images, their classes, and the passes of the score that was explained.
        probability: the passes of the class's probability; of a score that is no class's, those of it.
        maps: float64 `(maps, N, *size)`: several maps of each image, of the image's size.
        totals: float64 `(N,)`: what the method of the first map gave each image, all added up.
        network: the network that is explained.
        other_weights: gives numbers that stand in for the network's weights, for `again`.
        head: the output that the score is of, None where it is of no class.
        method: what made the first map of each image, None where that is not known.
        gaps: float `(N,)`: how far the method says that each image's first map is from adding up, None
            where nobody says what it adds up to.
        again: makes the first map of each image anew, with other weights, of other images or classes;
            None where it is not known how they were made.
        regions: bool `(N, *size)`: where in each image the thing is, nowhere where nobody said; None
            where no regions were given.
    """

    request: Request
    probability: Passes
    maps: Array
    totals: Array
    network: Any
    other_weights: Callable[[], OtherWeights]
    head: Head | None = None
    method: Method | None = None
    gaps: Array | None = None
    again: Again | None = None
    regions: Array | None = None

    def on(self, on: On) -> Request:
        """Return the images with the passes of the probability, or of the score that was explained."""
        return self.request if on == "score" else replace(self.request, passes=self.probability)

    def randoms(self, purpose: int) -> Iterator[np.random.Generator]:
        """Give a generator of random numbers per image.

        What it draws follows from the seed and from what is in the image, so that neither the order of
        images nor the chunk that one is in changes it.

        Args:
            purpose: tells what is drawn for one thing from what is drawn for another.
        """
        for image in np.asarray(self.request.images):
            yield random_of(image, self.request.seed, purpose)


def random_of(image: Array, seed: int, purpose: int) -> np.random.Generator:
    """Return a generator that follows from an image's numbers, a seed and what it is for.

    >>> black = np.zeros((2, 2))
    >>> random_of(black, 0, 1).random() == random_of(black, 0, 1).random()
    True
    """
    return np.random.default_rng([seed, purpose, *fingerprint(image)])


def fingerprint(image: Array) -> tuple[int, ...]:
    """Return whole numbers that tell an image from others.

    >>> fingerprint(np.zeros(2)) == fingerprint(np.ones(2))
    False
    """
    digest = hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()
    return tuple(np.frombuffer(digest, "<u4").tolist())


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a metric found for a chunk of images.

    Attributes:
        values: float64 `(maps, N)`.
        curves: float64 `(maps, N, points)`, or None for a metric that is no curve's.
        at: where the points are, to the right, `(points,)`.
        points: what they are called, where they are no numbers.
    """

    values: Array
    curves: Array | None = None
    at: Array | None = None
    points: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric; its fields are its options.

    One that has an option `baseline` is measured once with each baseline that `evaluate` is given,
    unless it was given its own.
    """

    # What people call it, in titles.
    display_name: ClassVar[str] = ""
    # What sort it is, the forward passes that an image costs and those that each of its maps costs
    # besides, and how often the method makes a map again; by its options, as a method's passes.
    kind: ClassVar[str] = ""
    forward_passes: ClassVar[str] = ""
    map_passes: ClassVar[str] = "0"
    maps_again: ClassVar[str] = "0"
    # What its curve has to the right and up.
    across: ClassVar[str] = ""
    up: ClassVar[str] = ""
    # Whether it asks how maps were made, and not for maps alone.
    needs_method: ClassVar[bool] = False
    # Why it says nothing of a method that it does not judge.
    silence: ClassVar[str] = "it is not known how its maps were made."
    # Whether it asks where things are in images.
    needs_regions: ClassVar[bool] = False
    # Whether chance gives a value to compare with.
    has_nulls: ClassVar[bool] = True

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def better(self) -> Better:
        """Which values are the better ones; where they are those near 0, nulls are not ranked."""
        return "higher"

    @property
    def void_nulls(self) -> tuple[str, ...]:
        """Which of a method's own nulls are none here, since they get what its maps get."""
        return ()

    @property
    def takes_baselines(self) -> bool:
        """Whether it is measured with each baseline that `evaluate` is given."""
        return "baseline" in vars(self) and vars(self)["baseline"] is None

    def validate_installed(self) -> None:
        """Import what it needs of kviz's extras; by default nothing.

        Raises:
            OptionError: if something is not installed.
        """

    def judges(self, trial: Trial) -> bool:
        """Whether it can say something of a method's maps; values are NaN where it cannot."""
        return not self.needs_method or trial.again is not None

    def measure(self, trial: Trial) -> Measured:
        """Return the values of all maps of a chunk of images.

        Args:
            trial: the images, the maps and the network's passes.

        Returns:
            What was found.
        """
        raise NotImplementedError


def validate_cover(name: str, value: Any) -> Any:
    """Return what covers pixels while a metric looks, None for what `evaluate` says.

    >>> validate_cover("baseline", "blur")
    'blur'
    """
    if value is None:
        return None
    if isinstance(value, str):
        # Noise would give an image another value in another place.
        validate_choice(name, value, [cover for cover in BASELINES if cover != "noise"])
        return value
    return validate_baseline(name, value)
