"""gather: each verb that a report needs is run once, timed, and may fail without any other failing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz._checks import first_line
from kviz._types import Array, Progress, Selector
from kviz.attribution import attribute, method_named
from kviz.engine.class_layers import class_layers
from kviz.engine.heads import choose_head
from kviz.engine.layers import LayerTable
from kviz.errors import KvizError
from kviz.look import activations, predict, weights
from kviz.network.network import Network
from kviz.reports.channel_weights import channel_weights
from kviz.reports.parts import PATTERNS, TOP, Parts, Settings, Skipped, with_runner_up
from kviz.reports.planned import DREAMS
from kviz.results import Activations, Attribution, Predictions, Synthesis, Weights
from kviz.synthesis.class_image import class_image
from kviz.synthesis.filter_patterns import filter_patterns
from kviz.synthesis.fooling import fool

PATTERN_STEPS = 32
CLASS_STEPS = 128

# Called with a part's name, and how much of it is done of how much.
PartProgress = Callable[[str, int, int], None]


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


@dataclass(frozen=True)
class _Asked:
    """What every part works on.

    Attributes:
        clock: what runs and times it.
        network: the network.
        images: as `kviz.activations` takes them, read.
        settings: what was chosen.
        names: what the images are called.
    """

    clock: _Clock
    network: Network
    images: Any
    settings: Settings
    names: tuple[str, ...]

    @property
    def shared(self) -> dict[str, Any]:
        """Options that most verbs take."""
        return {"batch_size": self.settings.batch_size, "names": self.names}

    def predicted(self) -> Predictions | None:
        found: Predictions | None = self.clock.run(
            "predictions",
            lambda tell: predict(
                self.network, self.images, TOP, output=self.settings.output, **self.shared,
                progress=tell,
            ),
        )  # fmt: skip
        return found

    def mapped(self) -> Activations | None:
        found: Activations | None = self.clock.run(
            "feature maps",
            lambda tell: activations(
                self.network, self.images, self.settings.layer_names, **self.shared, progress=tell
            ),
        )
        return found

    def attributed(self, classes: list[list[int]], no_class: str | None) -> dict[str, Attribution]:
        """Return maps by method, with certificates where they are wanted."""
        found = {}
        for method in self.settings.methods:

            def explain(tell: Progress, method: str = method) -> Attribution:
                return attribute(
                    self.network, self.images, method_named(method), class_index=classes,
                    output=self.settings.output, seed=self.settings.seed, progress=tell,
                    **self.shared,
                )  # fmt: skip

            made = self.clock.run("attribution", explain, item=method, unless=no_class)
            if made is not None and self.settings.certify:
                made = self._certified(made)
            if made is not None:
                found[method] = made
        return found

    def _certified(self, made: Attribution) -> Attribution:
        """Return maps with their certificates, or without where they cannot be tested."""
        settings = self.settings
        certified: Attribution | None = self.clock.run(
            "certificates",
            lambda tell: made.certify(
                self.network, self.images, batch_size=settings.batch_size, seed=settings.seed,
                progress=tell,
            ),
            item=made.method,
        )  # fmt: skip
        return made if certified is None else certified

    def weighed(
        self, maps: Activations | None, classes: list[list[int]]
    ) -> tuple[dict[str, Array], list[str]]:
        """Return what channels weigh for classes, and the layers whose channels are the classes."""
        if maps is None or not classes:
            return {}, []
        channels = {path: array.shape[-1] for path, array in maps.items()}
        weights = self.clock.run(
            "channel weights",
            lambda tell: channel_weights(
                self.network, self.images, channels, classes, output=self.settings.output,
                batch_size=self.settings.batch_size, progress=tell,
            ),
        )  # fmt: skip
        layers = self.clock.run(
            "class layers",
            lambda _: class_layers_of(self.network, self.images, self.settings.output),
        )
        return weights or {}, layers or []

    def dreamed(
        self,
        maps: Activations | None,
        predictions: Predictions | None,
        classes: list[list[int]],
        no_class: str | None,
    ) -> dict[str, Any]:
        """Return what takes long, by its name in `Parts`; nothing for a quick report."""
        clock, settings = self.clock, self.settings
        if settings.quick:
            clock.skipped += [
                Skipped(part, "Left out of a quick report.", reason="quick") for part in DREAMS
            ]
            return {}

        def imagined(tell: Progress) -> Synthesis:
            return class_image(
                self.network, classes[0], output=settings.output, steps=CLASS_STEPS,
                seed=settings.seed, progress=tell,
            )  # fmt: skip

        def fooled(tell: Progress) -> Synthesis:
            return fool(
                self.network, self.images, _farthest(predictions), output=settings.output,
                seed=settings.seed, progress=tell, **self.shared,
            )  # fmt: skip

        patterns, class_images, fooling = DREAMS
        return {
            "patterns": clock.run(
                patterns, lambda tell: _patterns(self.network, maps, settings, tell)
            ),
            "class_images": clock.run(class_images, imagined, unless=no_class),
            "fooled": clock.run(fooling, fooled, unless=no_class),
        }


def class_layers_of(network: Network, images: Any, output: int | str | None) -> list[str]:
    """Return the paths of the layers whose channels are the classes of an output, one to one.

    Args:
        network: the network.
        images: as `kviz.activations` takes them, read.
        output: which of its outputs, None for the one that gives probabilities.
    """
    engine, specs = network.engine, network.specs(network.pixels(images))

    def run(*pixels: Any) -> Any:
        traced = engine.traced(dict(zip(specs, pixels, strict=True)))
        head = choose_head(engine.heads(traced), output)
        return (), class_layers(traced, engine.table(traced), head)

    key = ("class layers", engine.meaning, output)
    found: list[str] = engine.noted(key, run, list(specs.values()))[1]
    return found


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
        KeyboardInterrupt: also from a verb that by itself would return what it has so far.
    """
    clock = _Clock(progress)
    asked = _Asked(clock, network, images, settings, names)
    # First, since a subclassed model has no layers to list before it has seen a photo.
    predictions = asked.predicted()
    table = clock.run("layers", lambda _: network.layers)
    maps = asked.mapped()
    kernels = clock.run("kernels", lambda _: _kernels(network, table, maps))
    classes = _classes(predictions, settings.class_index)
    no_class = None
    if not classes:
        why = clock.skipped[0].why if predictions is None else "The model answers with an image."
        no_class = f"It needs a predicted class. {why}"
    found = asked.attributed(classes, no_class)
    weighed, of_classes = asked.weighed(maps, classes)
    dreams = asked.dreamed(maps, predictions, classes, no_class)
    return Parts(
        network=network,
        names=names,
        layers=table,
        predictions=predictions,
        classes=classes,
        explained=max(len(settings.class_index), 1),
        activations=maps,
        attributions=found,
        channel_weights=weighed,
        class_layers=of_classes,
        weights=kernels,
        seconds=clock.seconds,
        skipped=clock.skipped,
        **dreams,
    )


def _classes(predictions: Predictions | None, chosen: tuple[int, ...]) -> list[list[int]]:
    """Return the classes explained for each photo; beside one alone, the strongest of the others."""
    if predictions is None or not predictions.scores.shape[1]:
        return []
    if len(chosen) > 1:
        return [list(chosen) for _ in predictions.scores]
    return [with_runner_up(scores, chosen) for scores in predictions.scores]


def _farthest(predictions: Predictions | None) -> list[int]:
    """Return each photo's least likely class, as in A. Kurakin et al., 2017."""
    assert predictions is not None  # noqa: S101 - without them there are no classes
    if predictions.scores.shape[1] < 2:
        raise KvizError(
            "The model has one class only, so that there is no other to be classified as."
        )
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


def pattern_layer(network: Network, shown: Sequence[str], wanted: Selector) -> str:
    """Return the path of the layer whose filters' patterns are drawn.

    Args:
        network: the network.
        shown: the paths of the layers whose feature maps are shown.
        wanted: which was asked for, None for one in the middle.
    """
    if wanted is not None:
        return network.layers.select(wanted, maps=True)[0].path
    kernels = {info.path for info in network.layers if info.window and info.weight_names}
    convolutions = [name for name in shown if name in kernels] or list(shown)
    return convolutions[len(convolutions) // 2]


def _patterns(
    network: Network, maps: Activations | None, settings: Settings, progress: Progress
) -> Synthesis:
    if maps is None:
        raise KvizError("It needs feature maps, to tell which filters are the strongest.")
    path = pattern_layer(network, list(maps), settings.pattern_layer_names)
    if path not in maps:
        maps = activations(network, np.asarray(maps.images), path, settings.batch_size)
    filters: Sequence[int] = strongest(maps, path, PATTERNS[settings.edition])
    return filter_patterns(
        network, path, filters, steps=PATTERN_STEPS, seed=settings.seed, progress=progress
    )
