"""The judge: methods' maps of images and their nulls, put to one metric after another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from kviz._caller import spelled
from kviz._checks import sanitise, validate_choice, validate_int
from kviz._types import Array
from kviz.attribution.attribute import RESIZES, field_of
from kviz.attribution.masks import Masks
from kviz.attribution.method import Method, Request
from kviz.attribution.registry import as_method, method_class, method_named
from kviz.engine.backend import tf
from kviz.engine.heads import Head
from kviz.engine.other_weights import OtherWeights
from kviz.engine.passes import Passes
from kviz.errors import ImageError, KvizError, OptionError
from kviz.inputs import answering_head, head_for, looked_at
from kviz.metrics.again import Again, channels_added
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.metrics.nulls import others_of, own_names, own_nulls, shared_names, shared_nulls
from kviz.metrics.regions import Known
from kviz.metrics.registry import metric_name
from kviz.network.network import Network
from kviz.results.attribution import Attribution
from kviz.scores import ClassScore, ProbabilityScore, as_score

# So many bytes of maps are held at once.
HELD = 1 << 29


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What one measure found for all images and methods.

    Attributes:
        values: `(methods, N)`.
        nulls: `(methods, nulls, N)`.
        curves: `(methods, N, points)`, or None.
        null_curves: `(methods, nulls, N, points)`, or None.
        like: a chunk's own finding, for what is the same in all.
    """

    values: Array
    nulls: Array
    curves: Array | None
    null_curves: Array | None
    like: Measured


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Methods' maps of images, to be measured.

    Attributes:
        network: the network.
        passes: its passes for the score that is explained.
        probability: those of the class's probability.
        masks: of a class map, where each image's class counts; else None.
        pixels: an array per input.
        found: the attributions.
        methods: what made each, None where that is not known.
        maps: of each attribution, float64 `(N, *size)`.
        options: as `attribute` takes them.
        draws: how many null maps of random numbers.
        head: the output that the score is of, None where it is of no class.
        regions: where things are in the images, None where nobody said.
    """

    network: Network
    passes: Passes
    probability: Passes
    masks: Masks | None
    pixels: Mapping[str, Array]
    found: Sequence[Attribution]
    methods: Sequence[Method | None]
    maps: Sequence[Array]
    options: Mapping[str, Any]
    draws: int
    head: Head | None
    regions: Known | None = None

    @classmethod
    def of(
        cls,
        network: Network,
        pixels: dict[str, Array],
        found: Sequence[Attribution],
        options: Mapping[str, Any],
        draws: int,
        asked: Sequence[Any] = (),
        regions: Known | None = None,
    ) -> Judge:
        """Return what measures attributions, once these are known to fit the images.

        Args:
            network: the network.
            pixels: as `Network.pixels` gives them.
            found: the attributions.
            options: as `attribute` takes them.
            draws: how many null maps of random numbers.
            asked: what each was asked for by: a method, or the attribution itself.
            regions: where things are in the images, None where nobody said.
        """
        specs = network.specs(pixels)
        explained = looked_at(pixels, specs, options["input_name"])
        wanted = as_score(options["score"], options["output"])
        head = head_for(network, wanted, specs)
        passes = Passes(network.engine, wanted, pixels, explained)
        typed = {
            name: array.astype(passes.specs[name].dtype.as_numpy_dtype, copy=False)
            for name, array in pixels.items()
        }
        probable = ProbabilityScore(wanted.output) if isinstance(wanted, ClassScore) else wanted
        masks = None
        if isinstance(wanted, ClassScore) and head is not None and head.is_map:
            masks = Masks(wanted, passes, len(typed[explained]), head.axes)
        for each in found:
            if isinstance(wanted, ClassScore) and (each.classes < 0).any():
                raise OptionError(
                    f"The attribution by {sanitise(each.method, 40)} is of a score that is no class's. "
                    "Say which: score= takes it."
                )
            if head is not None:
                _validate_head(each, network, head, specs)
        return cls(
            network=network, passes=passes, probability=passes.with_score(probable), masks=masks,
            pixels=typed, found=found, maps=[_maps_of(each, typed[explained]) for each in found],
            options=options, draws=draws, regions=regions,
            methods=[
                method_of(each) or (None if each is one else as_method("methods", one))
                for each, one in zip(found, asked or found, strict=True)
            ],
            head=head,
        )  # fmt: skip

    @property
    def images(self) -> Array:
        """The input that is looked at."""
        return self.pixels[self.passes.input_name]

    @property
    def _own(self) -> tuple[str, ...]:
        """The nulls that each method has of its own."""
        return own_names(self._others[0])

    @cached_property
    def _others(self) -> list[Array | None]:
        """For each method, the place of another photo for each."""
        return [others_of(self.images, maps) for maps in self.maps]

    @property
    def _shared(self) -> tuple[str, ...]:
        """The nulls that methods share."""
        return shared_names(self.images, self.draws)

    @property
    def null_names(self) -> tuple[str, ...]:
        """What the nulls are called, in their order."""
        return (*self._shared, *self._own)

    @property
    def tells_probability(self) -> bool:
        """Whether what is explained is a class, which has a probability."""
        probable = isinstance(self.probability.score, ProbabilityScore)
        return probable and self.head is not None and self.head.has_classes

    def up(self, metric: Metric) -> str:
        """Return what a metric's curve has to the top."""
        on_score = getattr(metric, "on", None) == "score" or not self.tells_probability
        return "score" if metric.up == "probability" and on_score else metric.up

    def measured(self, metric: Metric) -> Judged:
        """Return what a metric says of all maps."""
        engine = self.network.engine
        return engine.fitting(
            self.options["batch_size"], lambda batch_size: self._measured(metric, batch_size)
        )

    def _measured(self, metric: Metric, batch_size: int) -> Judged:
        total, many = len(self.images), len(self.null_names)
        values = np.full((len(self.found), 1 + many, total), np.nan)
        curves, like = None, None
        for group in self._groups(alone=metric.needs_method or not metric.has_nulls):
            at_once = self._at_once(len(group), batch_size, nulls=metric.has_nulls)
            for start, stop, chunk in self.network.engine.chunks(self.pixels, at_once):
                maps = self._together(metric, group, slice(start, stop))
                trial = self._trial(group[0], maps, start, chunk, batch_size)
                if not metric.judges(trial):
                    break
                like = metric.measure(trial)
                if not np.isfinite(like.values[:, _measurable(metric, trial)]).all():
                    raise _not_finite(metric)
                rows = self._rows(len(group), nulls=metric.has_nulls)
                into = values if metric.has_nulls else values[:, :1]
                into[group, :, start:stop] = like.values[rows, : stop - start]
                if like.curves is not None:
                    if curves is None:
                        curves = np.full((*values.shape, like.curves.shape[2]), np.nan)
                    part = curves if metric.has_nulls else curves[:, :1]
                    part[group, :, start:stop] = like.curves[rows, : stop - start]
        void = [name in metric.void_nulls for name in self.null_names]
        values[:, 1:][:, void] = np.nan
        return Judged(
            values=values[:, 0], nulls=values[:, 1:], like=like or Measured(values=values),
            curves=None if curves is None else curves[:, 0],
            null_curves=None if curves is None else curves[:, 1:],
        )  # fmt: skip

    def trials(self, place: int, batch_size: int) -> Iterator[tuple[int, int, Trial]]:
        """Give (start, stop, trial), a chunk of images at a time, of one attribution's maps alone."""
        for start, stop, chunk in self.network.engine.chunks(self.pixels, batch_size):
            maps = self.maps[place][None, start:stop]
            yield start, stop, self._trial(place, maps, start, chunk, batch_size)

    def _groups(self, *, alone: bool) -> Iterator[list[int]]:
        """Give the places of methods that explain the same classes, which share nulls."""
        groups: dict[Any, list[int]] = {}
        for place, each in enumerate(self.found):
            groups.setdefault(place if alone else each.classes.tobytes(), []).append(place)
        yield from groups.values()

    def _at_once(self, methods: int, batch_size: int, *, nulls: bool) -> int:
        """Return how many images are measured at once, however many maps each has."""
        maps = methods * (1 + nulls * len(self._own)) + nulls * len(self._shared)
        # Their ranks, and those in the order of images, are as large again.
        each = 3 * 8 * maps * math.prod(self.maps[0].shape[1:])
        return max(1, min(batch_size, HELD // each))

    def _together(self, metric: Metric, group: Sequence[int], part: slice) -> Array:
        """Return the maps of a group for some images: each method's, its own nulls, the shared ones."""
        size = self.maps[0].shape[1:]
        own = []
        for place in group:
            own.append(self.maps[place][None, part])
            if metric.has_nulls:
                own.append(own_nulls(self.maps[place], self._others[place], part))
        if metric.has_nulls:
            own.append(shared_nulls(self.images[part], size, self.draws, self.options["seed"]))
        return np.concatenate(own)

    def _rows(self, methods: int, *, nulls: bool) -> Array:
        """Return where each method's map and its nulls are in what `_together` gives."""
        own = len(self._own) if nulls else 0
        firsts = np.arange(methods)[:, None] * (1 + own)
        shared = methods * (1 + own) + np.arange(len(self._shared) * nulls)
        behind = firsts + 1 + np.arange(own)
        return np.hstack([firsts, np.broadcast_to(shared, (methods, shared.size)), behind])

    def _trial(
        self, place: int, maps: Array, start: int, chunk: Sequence[Any], batch_size: int
    ) -> Trial:
        count, more = maps.shape[1], len(chunk[0]) - maps.shape[1]
        classes = self.found[place].classes.reshape(-1)[start : start + count].astype(np.int32)
        raw = self.found[place].raw[start : start + count]
        totals = raw.astype(np.float64).reshape(count, -1).sum(axis=1)
        regions = self._regions(place, slice(start, start + count))
        gaps = self.found[place].gaps
        gaps = None if gaps is None else gaps.reshape(-1)[start : start + count]
        if more:  # what only fills up the batch of a model that was built for a fixed one
            maps, classes, totals = (
                np.concatenate([array, array[at].repeat(more, axis=axis)], axis=axis)
                for array, axis, at in (
                    (maps, 1, np.s_[:, -1:]), (classes, 0, np.s_[-1:]), (totals, 0, np.s_[-1:]),
                )
            )  # fmt: skip
            if gaps is not None:
                gaps = np.append(gaps, gaps[-1:].repeat(more))
            if regions is not None:
                regions = np.concatenate([regions, regions[-1:].repeat(more, axis=0)])
        inputs, passes, probability = list(chunk), self.passes, self.probability
        if self.masks is not None:
            mask, _ = self.masks.of(chunk, classes, start)
            inputs, passes = [*chunk, mask], self.masks.passes
            probability = passes.with_score(probability.score)
        request = Request(
            passes=passes, pixels=inputs, target=tf.constant(classes, "int32"),
            batch_size=batch_size, seed=self.options["seed"], first=start,
        )  # fmt: skip
        return Trial(
            request=request, probability=probability, maps=maps, totals=totals,
            network=self.network, method=self.methods[place], gaps=gaps,
            again=self._again(place, request, maps), head=self.head,
            other_weights=lambda: self._other_weights, regions=regions,
        )  # fmt: skip

    def _regions(self, place: int, part: slice) -> Array | None:
        """Return where the things are that a method explains in some images."""
        if self.regions is None:
            return None
        return self.regions.of(self.found[place].class_names, part)

    @cached_property
    def _other_weights(self) -> OtherWeights:
        """Numbers that stand in for the network's weights, one set for all metrics."""
        model = self.network.model
        self.network.engine.memory.ask(
            sum(math.prod(each.shape) * tf.as_dtype(each.dtype).size for each in model.weights)
        )
        return OtherWeights(model)

    def _again(self, place: int, request: Request, maps: Array) -> Again | None:
        found = self.found[place]
        method, settings = self.methods[place], found.made_by.settings
        seed, resize = settings.get("seed", request.seed), settings.get("resize", "bilinear")
        try:
            validate_choice("resize", resize, RESIZES)
            seed = validate_int("seed", seed, 0)
        except KvizError:
            method = None
        if method is None:
            return None
        aligning = resize == "aligned" and method.gives_layer_maps
        field = field_of(self.network, self.pixels, found.layers) if aligning else None
        seeded = replace(request, seed=seed)

        def nulls(images: Array, first: Array) -> Array:
            if len(maps) == 1:
                return first[None]
            shared = shared_nulls(images, first.shape[1:], self.draws, request.seed)
            # That of another photo has nothing to do with this one.
            others = maps[2 : len(maps) - len(shared)]
            return np.concatenate([first[None], -first[None], others, shared])

        return Again(method=method, request=seeded, resizing=(resize, field), nulls=nulls)


def _validate_head(
    found: Attribution, network: Network, head: Head, specs: Mapping[str, Any]
) -> None:
    """Raise an `OptionError` if an attribution is of another output, or of a class that is none."""
    said = f"The attribution by {sanitise(found.method, 40)} is of"
    if "output" in found.made_by.settings:
        own = answering_head(network, as_score(None, found.made_by.settings["output"]), specs)
        if own.place != head.place:
            raise OptionError(
                f"{said} output {sanitise(repr(own.name), 40)}, and {sanitise(repr(head.name), 40)} is "
                f"looked at. Say which: {spelled('output', repr(own.name))}."
            )
    try:
        network.class_index(int(found.classes.max()), head)
    except OptionError as error:
        raise OptionError(f"{said} class {int(found.classes.max())}. {error}") from error


def _maps_of(found: Attribution, images: Array) -> Array:
    """Return an attribution's maps of images, float64 `(N, *size)`, channels added up.

    Raises:
        OptionError: if there are several classes an image, or maps have another size than the images.
        ImageError: if they are of other images.
    """
    said = f"The attribution by {sanitise(found.method, 40)}"
    maps = found.maps.astype(np.float64)
    if found.classes.ndim > 1:
        if found.classes.shape[1] > 1:
            raise OptionError(
                f"{said} is of {found.classes.shape[1]} classes an image. Give one of each class."
            )
        maps = maps[:, 0]
    size = images.shape[1:] if images.ndim == 2 else images.shape[1:-1]
    if len(maps) != len(images):
        raise ImageError(f"{said} is of {len(maps)} images. Received: {len(images)} images")
    if not np.isfinite(maps).all():
        raise ImageError(f"{said} holds values that are not finite (NaN or infinite).")
    maps = channels_added(maps, images.shape[1:])
    if maps.shape[1:] != size:
        raise OptionError(
            f"{said} has maps of size {maps.shape[1:]}, and the images have {size}. "
            "Make it with resize='bilinear'."
        )
    own = found.images
    if own is not None and own.shape == images.shape and not np.array_equal(own, images):
        raise ImageError(f"{said} is of other images than those that are given.")
    return maps


def method_of(found: Attribution) -> Method | None:
    """Return the method that made an attribution, None where what it says does not tell enough."""
    settings = found.made_by.settings
    try:
        known = {field.name for field in fields(method_class(found.method))}
        return method_named(found.method, **{key: settings[key] for key in known & settings.keys()})
    except KvizError:
        return None


def _measurable(metric: Metric, trial: Trial) -> Any:
    """Return which images have a value: of metrics of regions those that have one."""
    if not metric.needs_regions or trial.regions is None:
        return slice(None)
    return trial.regions.reshape(len(trial.regions), -1).any(axis=1)


def _not_finite(metric: Metric) -> ImageError:
    return ImageError(
        f"{metric.display_name or metric_name(metric)} gives values that are not finite (NaN or "
        "infinite): the score is none for images that are partly covered. Look at another baseline."
    )
