"""What a report holds: every verb is run once, timed, and may fail without taking the others along."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kviz._checks import first_line
from kviz._types import Progress, Selector
from kviz.attribution import attribute, method_named
from kviz.engine.layers import LayerTable
from kviz.errors import KvizError
from kviz.look import activations, predict, weights
from kviz.network.network import Network
from kviz.results import Activations, Attribution, Predictions, Synthesis, Weights
from kviz.synthesis.class_image import class_image
from kviz.synthesis.filter_patterns import filter_patterns
from kviz.synthesis.fooling import fool

METHODS = ("grad_cam", "saliency", "integrated_gradients", "occlusion")
QUICK_METHODS = ("grad_cam", "saliency")
TOP = 5
PATTERNS = 8
PATTERN_STEPS = 32
CLASS_STEPS = 128

# Called with a part's name, and how much of it is done of how much.
PartProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """What a reader can choose.

    Attributes:
        class_index: the classes explained, () for each photo's predicted one and its strongest rival.
        output: which of the model's outputs, None for the one that gives probabilities.
        methods: names of attribution methods.
        layer_names: whose feature maps are shown.
        pattern_layer_names: whose filters' patterns are drawn, None for one in the middle.
        quick: leave out what takes long.
        certify: test the maps of what decides.
        seed: for what is drawn at random.
        batch_size: images in flight at once.
    """

    class_index: tuple[int, ...]
    output: int | str | None
    methods: tuple[str, ...]
    layer_names: Selector
    pattern_layer_names: Selector
    quick: bool
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
        classes: for each photo the classes explained and, of one alone, its strongest rival.
        explained: how many of these are explained; what is behind them is the rival.
        activations: feature maps.
        attributions: maps by method, of the shape `(N, classes, H, W)`.
        weights: kernels of the layers that have feature maps, and of the first convolution.
        patterns: of the strongest filters of one layer.
        class_images: of the first photo's classes.
        fooled: the photos, changed until they are taken for the least likely class.
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
    weights: Weights | None = None
    patterns: Synthesis | None = None
    class_images: Synthesis | None = None
    fooled: Synthesis | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


class _Clock:
    """Runs parts one after another: times them, and notes why one could not be made."""

    def __init__(self, progress: PartProgress | None) -> None:
        self.seconds: dict[str, float] = {}
        self.skipped: list[Skipped] = []
        self.progress = progress

    def run(
        self,
        part: str,
        work: Callable[[Progress], Any],
        *,
        item: str | None = None,
        unless: str | None = None,
    ) -> Any:
        """Return what a part's work gives, None where it fails or `unless` says why it cannot be."""
        if unless is not None:
            self.skipped.append(Skipped(part, unless, item))
            return None
        name = f"{part}: {item}" if item else part
        begun = time.perf_counter()
        self._tell(name, 0, 1)
        found = None
        try:
            found = work(lambda done, total: self._tell(name, done, total))
        except Exception as error:  # a part may fail in a way of its own; the page says so
            self.skipped.append(Skipped(part, _why(error), item))
        # The verbs that dream give back what they have when they are interrupted; half a page is
        # none, so that here an interrupt goes on.
        if isinstance(found, Synthesis) and found.stopped:
            raise KeyboardInterrupt
        self.seconds[name] = time.perf_counter() - begun
        self._tell(name, 1, 1)
        return found

    def _tell(self, part: str, done: int, total: int) -> None:
        if self.progress:
            self.progress(part, done, total)


def _why(error: Exception) -> str:
    if isinstance(error, KvizError):
        return str(error)
    if isinstance(error, MemoryError):
        return "The memory is used up. Try fewer layers, images or a smaller one."
    return f"It failed with {type(error).__name__}: {first_line(error)}"


def gather(
    network: Network,
    images: Any,
    names: tuple[str, ...],
    settings: Settings,
    progress: PartProgress | None = None,
) -> Parts:
    """Run the verbs.

    Args:
        network: the network.
        images: as `kviz.activations` takes them, read.
        names: what they are called.
        settings: what was chosen.
        progress: called with a part's name, how much of it is done, and of how much.

    Returns:
        What they found.

    Raises:
        KeyboardInterrupt: also where it came while a verb was at work that would give what it has.
    """
    clock = _Clock(progress)
    batch: dict[str, Any] = {"batch_size": settings.batch_size}
    shared: dict[str, Any] = {**batch, "names": names}
    # First, since a subclassed model has no layers to list before it has seen a photo.
    predictions = clock.run(
        "predictions",
        lambda tell: predict(network, images, TOP, output=settings.output, **shared, progress=tell),
    )
    table = clock.run("layers", lambda _: network.layers)
    maps = clock.run(
        "feature maps",
        lambda tell: activations(network, images, settings.layer_names, **shared, progress=tell),
    )
    kernels = clock.run("kernels", lambda _: _kernels(network, table, maps))
    classes = _classes(predictions, settings.class_index)
    no_class = None
    if not classes:
        why = clock.skipped[0].why if predictions is None else "The model answers with an image."
        no_class = f"It needs a predicted class. {why}"
    found: dict[str, Attribution] = {}
    for method in settings.methods:

        def explain(tell: Progress, method: str = method) -> Attribution:
            return attribute(
                network, images, method_named(method), class_index=classes, output=settings.output,
                seed=settings.seed,                progress=tell, **shared,
            )  # fmt: skip

        made = clock.run("attribution", explain, item=method, unless=no_class)
        if made is not None and settings.certify:
            made = _certified(clock, network, images, made, settings)
        if made is not None:
            found[method] = made
    patterns = class_images = fooled = None
    if settings.quick:
        clock.skipped += [
            Skipped(part, "Left out of a quick report.", reason="quick")
            for part in ("filter patterns", "class images", "fooling image")
        ]
    else:
        patterns = clock.run(
            "filter patterns", lambda tell: _patterns(network, maps, settings, tell)
        )
        class_images = clock.run(
            "class images",
            lambda tell: class_image(
                network,
                classes[0],
                output=settings.output,
                steps=CLASS_STEPS,
                seed=settings.seed,
                progress=tell,
            ),
            unless=no_class,
        )
        fooled = clock.run(
            "fooling image",
            lambda tell: fool(
                network,
                images,
                _farthest(predictions),
                output=settings.output,
                seed=settings.seed,
                progress=tell,
                **shared,
            ),
            unless=no_class,
        )
    return Parts(
        network=network,
        names=names,
        layers=table,
        predictions=predictions,
        classes=classes,
        explained=max(len(settings.class_index), 1),
        activations=maps,
        attributions=found,
        weights=kernels,
        patterns=patterns,
        class_images=class_images,
        fooled=fooled,
        seconds=clock.seconds,
        skipped=clock.skipped,
    )


def _certified(
    clock: _Clock, network: Network, images: Any, made: Attribution, settings: Settings
) -> Attribution:
    """Return maps with their certificates, or without where they cannot be tested."""
    certified: Attribution | None = clock.run(
        "certificates",
        lambda tell: made.certify(
            network, images, batch_size=settings.batch_size, seed=settings.seed, progress=tell
        ),
        item=made.method,
    )
    return made if certified is None else certified


def _classes(predictions: Predictions | None, chosen: tuple[int, ...]) -> list[list[int]]:
    """Return for each photo the classes explained; to one alone the strongest of the others."""
    if predictions is None or not predictions.scores.shape[1]:
        return []
    if len(chosen) > 1:
        return [list(chosen) for _ in predictions.scores]
    pairs = []
    for scores in predictions.scores:
        order = np.argsort(-scores, kind="stable").tolist()
        (first,) = chosen or order[:1]
        pairs.append([first, *[index for index in order if index != first][:1]])
    return pairs


def _farthest(predictions: Predictions) -> list[int]:
    """Return each photo's least likely class, as in A. Kurakin et al., 2017."""
    if predictions.scores.shape[1] < 2:
        raise KvizError("The model has one class only, so that there is no other to be taken for.")
    least: list[int] = predictions.scores.argmin(axis=1).tolist()
    return least


def _kernels(network: Network, table: LayerTable | None, maps: Activations | None) -> Weights:
    """Return the kernels of the layers shown and of the first convolution."""
    kinds = [info for info in table or () if info.window is not None and info.weight_names]
    wanted = [info for info in kinds if maps is not None and info.path in maps]
    first = [info for info in kinds if info.reached][:1]
    paths = list(dict.fromkeys(info.path for info in [*first, *wanted]))
    return weights(network, paths or None)


def strongest(maps: Activations, path: str, count: int) -> list[int]:
    """Return the channels of the first photo with the highest means, best first."""
    flat = maps[path][0].reshape(-1, maps[path].shape[-1])
    means = np.nan_to_num(flat.mean(axis=0, dtype=np.float64), nan=-np.inf)
    order: list[int] = np.argsort(-means, kind="stable")[:count].tolist()
    return order


def _patterns(
    network: Network, maps: Activations | None, settings: Settings, progress: Progress
) -> Synthesis:
    if maps is None:
        raise KvizError("It needs feature maps, to tell which filters are the strongest.")
    path = settings.pattern_layer_names
    if path is None:
        kernels = {info.path for info in network.layers if info.window and info.weight_names}
        convolutions = [name for name in maps if name in kernels] or list(maps)
        path = convolutions[len(convolutions) // 2]
    else:
        path = network.layers.select(path, maps=True)[0].path
    if path not in maps:
        maps = activations(network, np.asarray(maps.images), path, settings.batch_size)
    filters: Sequence[int] = strongest(maps, path, PATTERNS)
    return filter_patterns(
        network, path, filters, steps=PATTERN_STEPS, seed=settings.seed, progress=progress
    )
