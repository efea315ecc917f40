"""What a report holds: what a reader chose, what the verbs found, and what is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kviz._types import Array, Selector
from kviz.engine.layers import LayerTable
from kviz.network.network import Network
from kviz.results import Activations, Attribution, Predictions, Synthesis, Weights

# How many classes are told of a photo.
TOP = 5
# How many filters' patterns are drawn, by edition.
PATTERNS = {"page": 8, "mail": 4}

Edition = Literal["page", "mail"]


@dataclass(frozen=True)
class Settings:
    """What a reader can choose.

    Attributes:
        class_index: the classes explained, () for each photo's predicted one and the runner-up.
        output: which of the model's outputs, None for the one that gives probabilities.
        methods: names of attribution methods.
        layer_names: whose feature maps are shown.
        pattern_layer_names: whose filters' patterns are drawn, None for one in the middle.
        quick: leave out what takes long.
        edition: `"page"`, or `"mail"` for one that can be sent: fewer dreams are made for it.
        max_mb: how large the page may get, None for any size.
        certify: test the attributions.
        seed: for what is drawn at random.
        batch_size: batch size: images processed at once.
    """

    class_index: tuple[int, ...]
    output: int | str | None
    methods: tuple[str, ...]
    layer_names: Selector
    pattern_layer_names: Selector
    quick: bool
    edition: Edition
    max_mb: float | None
    certify: bool
    seed: int
    batch_size: int


@dataclass(frozen=True)
class Skipped:
    """A part of the page that is not there.

    Attributes:
        part: which.
        why: a sentence for readers.
        item: the method or the layer, where it is only this one.
        reason: whether it was left out of a quick report, or could not be made.
    """

    part: str
    why: str
    item: str | None = None
    reason: Literal["quick", "failed"] = "failed"


@dataclass(frozen=True)
class Parts:
    """What the verbs found; what could not be made is None or missing, and `skipped` says why.

    Attributes:
        network: the network.
        names: the photos' names.
        layers: the table of its layers.
        predictions: the best classes.
        classes: for each photo the classes explained and, of one alone, the runner-up.
        explained: how many of these are explained; what is behind them is the rival.
        activations: feature maps.
        attributions: maps by method, of the shape `(N, classes, H, W)`.
        channel_weights: by layer float32 `(N, classes, channels)`, what each channel weighs for each
            class; none where there are no classes or no feature maps.
        class_layers: paths of the layers whose channels are the classes, one to one.
        weights: kernels of the layers that have feature maps, and of the first convolution.
        patterns: of the strongest filters of one layer.
        class_images: of the first photo's classes.
        fooled: the photos, changed until they are classified as the least likely class.
        seconds: how long each part took.
        skipped: what is not there.
    """

    network: Network
    names: tuple[str, ...]
    layers: LayerTable | None = None
    predictions: Predictions | None = None
    classes: list[list[int]] = field(default_factory=list)
    explained: int = 1
    activations: Activations | None = None
    attributions: dict[str, Attribution] = field(default_factory=dict)
    channel_weights: dict[str, Array] = field(default_factory=dict)
    class_layers: list[str] = field(default_factory=list)
    weights: Weights | None = None
    patterns: Synthesis | None = None
    class_images: Synthesis | None = None
    fooled: Synthesis | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


def with_runner_up(scores: Array, chosen: Sequence[int] = ()) -> list[int]:
    """Return the class of a photo that is explained, and the strongest of the others behind it.

    Args:
        scores: `(classes,)`.
        chosen: the class, as the only one; none for the predicted one.

    >>> with_runner_up(np.array([0.1, 0.2, 0.7])), with_runner_up(np.array([0.1, 0.2, 0.7]), [0])
    ([2, 1], [0, 2])
    """
    order: list[int] = np.argsort(-scores, kind="stable").tolist()
    (first,) = chosen or order[:1]
    return [first, *[index for index in order if index != first][:1]]
