"""Costs: the passes that a verb makes, counted before it makes them.

Those of a method or metric are known from its card (`kviz.cards`), those of an ascent from its steps.
Where neither these nor the images and the network tell, a cost is not known; it is not guessed.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kviz._checks import sanitise
from kviz.errors import ImageError, LayerError
from kviz.shelf import METHODS, METRICS

if TYPE_CHECKING:
    from kviz.attribution import Method
    from kviz.dataset.sources import Source
    from kviz.engine.layers import LayerInfo
    from kviz.formats.fitting import Wanted
    from kviz.metrics import Metric
    from kviz.network.network import Network


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one verb costs, or a part of it.

    Attributes:
        what: what is computed, in words.
        forward: forward passes of single images; None where they cannot be known beforehand.
        backward: backward passes, likewise.
        at_most: whether there can be fewer.
    """

    what: str
    forward: int | None
    backward: int | None
    at_most: bool = False

    def __mul__(self, times: int) -> Cost:
        """Return the cost of doing it so many times."""
        return replace(
            self,
            forward=None if self.forward is None else self.forward * times,
            backward=None if self.backward is None else self.backward * times,
        )


def costs_of(
    verb: str, network: Network, pixels: Any, given: Sequence[Any], options: Mapping[str, Any]
) -> list[Cost]:
    """Return what a verb costs, part by part.

    Args:
        verb: its name.
        network: the model.
        pixels: the photos as the model takes them, None for a verb that takes none.
        given: the verb's positional arguments after these.
        options: its options.
    """
    count = 0 if pixels is None else len(first_of(pixels))
    if verb == "activations":
        return [Cost(what="feature maps", forward=count, backward=0)]
    if verb == "attribute":
        given[0].validate_installed(first_of(pixels).ndim)
        wanted = options["class_index"]
        classes = len(wanted[0]) if wanted and isinstance(wanted[0], list) else 1
        maps = _maps(network, pixels, given[0], options["output"])
        return [maps * (count * classes), *_predicted([given[0]] if not wanted else [], count)]
    if verb == "evaluate":
        several = len({image.tobytes() for image in first_of(pixels)}) > 1
        return _of_evaluation(network, pixels, given[0], options, [(count, several)])
    if verb == "report":
        return _of_report(network, pixels, options)
    steps = options["steps"]
    if verb == "class_image":
        return [_class_images(len(options["class_index"]), steps)]
    if verb == "filter_patterns":
        many = len(options["filter_indices"] or range(_channels(network, options["layer_names"])))
        return [_patterns(many, steps)]
    if verb == "deep_dream":
        runs = count * options["octaves"]
        return [
            Cost(what="dreams", forward=runs * (steps + 1), backward=runs * steps, at_most=True)
        ]
    norms = options["max_norm"]
    return [_fooled(count * (len(norms) if isinstance(norms, list) else 1), steps)]


def _class_images(many: int, steps: int) -> Cost:
    # A quarter more where another class has won, and predictions after both.
    steps += max(1, steps // 4)
    return Cost(what=f"images of {many} classes", forward=many * (steps + 4), backward=many * steps,
                at_most=True)  # fmt: skip


def _patterns(many: int, steps: int) -> Cost:
    return Cost(what=f"{many} filters, and more for those that stay silent",
                forward=many * (steps + 1), backward=many * steps)  # fmt: skip


def _fooled(runs: int, steps: int) -> Cost:
    return Cost(
        what="fooling images", forward=runs * (steps + 4), backward=runs * steps, at_most=True
    )


def _predicted(methods: Sequence[Method], count: int) -> list[Cost]:
    """Return what it costs to predict the class, for methods that have to know it first."""
    many = count * sum(method.fixed_target for method in methods)
    return [Cost(what="the predicted class", forward=many, backward=0)] if many else []


def _maps(network: Network, pixels: Any, method: Method, output: Any) -> Cost:
    """Return what a method's map of one image for one class costs."""
    from kviz.attribution import method_name

    name = method_name(method)
    card = METHODS.card(name)
    if _head(network, pixels, output).is_map:  # further passes find where the class is predicted
        return unknown(name)
    settings = {key: getattr(method, key) for key in card.options}
    settings |= _decided(network, pixels, method, card.forward + card.backward)
    return Cost(
        what=name,
        forward=card.count(card.forward, **settings),
        backward=card.count(card.backward, **settings),
        at_most=card.kind == "perturbation" and "segments" in card.options,
    )


def _head(network: Network, pixels: Any, output: Any) -> Any:
    from kviz.engine.heads import choose_head

    specs = network.specs(network.pixels(copies(pixels, 1)))
    return choose_head(network.engine.heads_for(specs), output)


def _decided(network: Network, pixels: Any, method: Any, formula: str) -> dict[str, int]:
    """Return the terms of a method's formula that follow from the image and the network."""
    import kviz

    first = first_of(pixels)
    if "channels" in formula:
        one = copies(pixels, 1)
        found = kviz.attribute(network, one, "eigen_cam", layer_names=method.layer_names)
        channels = _channels(network, found.layers[0])
        return {"channels": min(channels, getattr(method, "max_channels", None) or channels)}
    if "windows" in formula:
        starts, _ = method.placed(first.shape[1:-1])
        return {"windows": math.prod(map(len, starts))}
    if "players" in formula and method.segments is not None:
        segments = method.segments
        return {"players": segments if isinstance(segments, int) else len(np.unique(segments))}
    return {}


def unknown(what: str) -> Cost:
    """Return a cost that cannot be known beforehand."""
    return Cost(what=what, forward=None, backward=None)


def _channels(network: Network, layer_names: Any) -> int:
    """Return how many channels one layer has."""
    (info,) = network.layers.select(layer_names)
    return int(info.output_shape[-1] or 0)


def _of_evaluation(
    network: Network,
    pixels: Any,
    names: Sequence[Any],
    options: Mapping[str, Any],
    groups: Sequence[tuple[int, bool]],
) -> list[Cost]:
    """Return what an evaluation costs: the maps, and each metric with each baseline.

    Args:
        network: the model.
        pixels: the photos, or one like them.
        names: the methods.
        options: the verb's options.
        groups: for each group of images that are evaluated together, how many they are, and whether
            they are different photos, so that one's map is a null for another.
    """
    from kviz.attribution.registry import as_method
    from kviz.metrics.evaluate import METRICS as BY_DEFAULT
    from kviz.metrics.evaluate import measures_of
    from kviz.metrics.nulls import shared_names

    methods = [as_method("methods", one) for one in names]
    count = sum(many for many, _ in groups)
    for method in methods:
        method.validate_installed(first_of(pixels).ndim)
    maps = [_maps(network, pixels, method, options["output"]) for method in methods]
    found = [one * count for one in maps]
    found += _predicted(methods if options["class_index"] is None else [], count)
    shared = len(shared_names(first_of(pixels), options["nulls"]))
    measures = measures_of(
        options["metrics"] or BY_DEFAULT,
        options.get("baselines") or ("black", "blur"),
        options.get("regions"),
    )
    for one in measures:
        one.validate_installed()
    found_by = [_of_metric(one, maps, shared, groups) for one in measures]
    if _head(network, pixels, options["output"]).is_map:
        found_by = [unknown(one.what) for one in found_by]
    return found + found_by


def _of_metric(
    metric: Metric, maps: Sequence[Cost], shared: int, groups: Sequence[tuple[int, bool]]
) -> Cost:
    from kviz.metrics import metric_name

    card = METRICS.card(metric_name(metric))
    settings = {key: getattr(metric, key) for key in card.options}
    each, per_map, again = (
        card.count(text or "0", **settings) for text in (card.forward, card.per_map, card.again)
    )
    baseline = getattr(metric, "baseline", None)
    what = f"{card.name}, {sanitise(baseline, 24)}" if baseline is not None else card.name
    repeated = None not in (again, *(one.forward for one in maps), *(one.backward for one in maps))
    if each is None or per_map is None or (again != 0 and not repeated):
        return unknown(what)
    if not card.forward:  # another package's, which tells nothing of its passes
        return unknown(what)
    alone = metric.needs_method or not metric.has_nulls
    forward = backward = 0
    count = sum(many for many, _ in groups)
    for images, several in groups:
        # Beside a method's map stand the same map inverted, and that of another photo.
        own = 1 + (1 + several) * metric.has_nulls
        held = len(maps) * own + shared * metric.has_nulls * (len(maps) if alone else 1)
        forward += images * (each * (len(maps) if alone else 1) + per_map * held)
    for one in maps if again else ():
        forward += count * (again or 0) * (one.forward or 0)
        backward += count * (again or 0) * (one.backward or 0)
    return Cost(what=what, forward=forward, backward=backward)


def _of_report(network: Network, pixels: Any, options: Mapping[str, Any]) -> list[Cost]:
    """Return the costs of those parts of a report that make passes."""
    from kviz.attribution import method_named
    from kviz.reports.default_methods import default_methods
    from kviz.reports.gather import CLASS_STEPS
    from kviz.synthesis.fooling import fool

    count = len(first_of(pixels))
    classes = _classes_in_report(network, pixels, options)
    names = options["methods"]
    if names is None:
        names = default_methods(network.layers, options["quick"])
    try:
        shown = network.layers.select(options["layer_names"], maps=True)
    except LayerError:  # none is convolutional, and none was asked for
        shown = []
    found = [Cost(what="predictions", forward=count, backward=0)]
    if shown:
        found.append(Cost(what="feature maps", forward=count, backward=0))
    many = None if classes is None else count * classes
    for name in dict.fromkeys(names):
        one = _maps(network, pixels, method_named(name), options["output"])
        found.append(unknown(name) if many is None else one * many)
        found += [unknown(f"certificates, {name}")] * options["certify"]
    if shown:
        found.append(Cost(what="channel weights", forward=many, backward=many))
    if options["quick"]:
        return found
    dreamt = unknown("class images") if classes is None else _class_images(classes, CLASS_STEPS)
    steps = inspect.signature(fool).parameters["steps"].default
    return [
        *found,
        *_patterns_in_report(network, shown, count, options),
        dreamt,
        _fooled(count, steps),
    ]


def _classes_in_report(network: Network, pixels: Any, options: Mapping[str, Any]) -> int | None:
    """Return how many classes of each photo are explained, None where it follows from the answer."""
    head = _head(network, pixels, options["output"])
    wanted = {network.class_index(one, head) for one in options["class_index"] or ()}
    if head.is_map or not head.has_classes:
        return None
    # With one class, the strongest of the others is explained too.
    return len(wanted) if len(wanted) > 1 else min(2, 2 if head.is_unit else head.classes or 2)


def _patterns_in_report(
    network: Network, shown: Sequence[LayerInfo], count: int, options: Mapping[str, Any]
) -> list[Cost]:
    from kviz.reports.gather import PATTERN_STEPS, pattern_layer
    from kviz.reports.parts import PATTERNS

    if not shown:
        return []
    paths = [info.path for info in shown]
    path = pattern_layer(network, paths, options["pattern_layer_names"])
    many = min(PATTERNS[options["edition"]], _channels(network, path))
    more = [Cost(what="maps of the patterns' layer", forward=count, backward=0)]
    return [*(more if path not in paths else ()), _patterns(many, PATTERN_STEPS)]


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What a verb over a data set would cost.

    Attributes:
        pixels: one image, as the model takes it.
        costs: what it costs.
        images: how many images, shards and batches there are.
    """

    pixels: Any
    costs: list[Cost]
    images: dict[str, int]


def plan_run(
    verb: str, network: Network, source: Any, store: str, options: Mapping[str, Any], **own: Any
) -> RunPlan:
    """Return what a verb over a data set would cost.

    Args:
        verb: its name.
        network: the model.
        source: the data set.
        store: where its results would go.
        options: of `kviz.dataset.run`, the verb's own among them.
        **own: further ones of the verb.
    """
    from kviz.dataset.engines.ray import validate_ray
    from kviz.dataset.reductions.first_pass import firsts
    from kviz.dataset.run_verb import wanted_of
    from kviz.dataset.sources import as_source
    from kviz.dataset.store.extra import validate_store_packages
    from kviz.dataset.works.registry import work_class, work_named

    validate_store_packages()
    if options["engine"] == "ray":
        validate_ray()
    columns = ("path_column", "image_column", "label_column")
    images = as_source(source, **{key: options.get(key) for key in columns})
    known = {each.name for each in fields(work_class(verb))}
    work = work_named(verb, **{key: options[key] for key in known & options.keys()}, **own)
    wanted = wanted_of(
        network, images, options["fit"], options.get("target_size"), options.get("bands")
    )
    pixels = _first_image(images, wanted, network)
    rows = _shards(images.count, store, options)
    size = options["batch_size"]
    batches = [min(size, many - start) for many in rows for start in range(0, many, size)]
    # What settles a statistic is found by a run of its own over all images.
    times = 2 if firsts(work.reductions) else 1
    costs = [one * times for one in _of_work(verb, network, pixels, work, batches)]
    told = {"count": sum(rows), "shards": len(rows), "batches": len(batches)}
    return RunPlan(pixels=pixels, costs=costs, images=told)


def _shards(count: int, store: str, options: Mapping[str, Any]) -> list[int]:
    """Return how many images each shard has that this run would compute."""
    from kviz import dataset

    size = options["shard_size"]
    part, parts = options.get("shard") or (1, 1)
    done: set[int] = set()
    if options.get("resume") and Path(store).exists():
        done = set(dataset.open(store).done)
    places = range(part - 1, math.ceil(count / size), parts)
    return [min(size, count - place * size) for place in places if place not in done]


def _first_image(source: Source, wanted: Wanted, network: Network) -> Any:
    """Return the first image that can be read, as the model takes it."""
    from kviz.dataset.sources.read_ahead import read_ahead

    shapes = network.input_shapes
    shape = tuple(shapes[0]) if shapes else None
    for one in read_ahead(source, wanted, shape, (0, source.count), 1, 1):
        if one.pixels is not None:
            return one.pixels[None]
    raise ImageError(f"None of the {source.count:,} images can be read.")


def _of_work(
    verb: str, network: Network, pixels: Any, work: Any, batches: Sequence[int]
) -> list[Cost]:
    """Return what a verb costs over batches of so many images."""
    count = sum(batches)
    if verb == "predict":
        return [Cost(what="predictions", forward=count, backward=0)]
    if verb == "activations":
        return [Cost(what="feature maps", forward=count, backward=0)]
    if verb == "attribute":
        work.method.validate_installed(first_of(pixels).ndim)
        maps = _maps(network, pixels, work.method, work.output)
        return [maps * count, *_predicted([work.method] if work.class_index is None else [], count)]
    if verb == "evaluate":
        groups = [(many, many > 1) for many in batches]
        return _of_evaluation(network, pixels, work.methods, vars(work), groups)
    if verb == "fool":
        return [_fooled(count, work.steps)]
    return [unknown(verb)]


def first_of(pixels: Any) -> Any:
    """Return the array of the model's first input."""
    return next(iter(pixels.values())) if isinstance(pixels, dict) else pixels


def copies(pixels: Any, count: int) -> Any:
    """Return so many images, repeated from the first where there are fewer."""
    if isinstance(pixels, dict):
        return {name: copies(array, count) for name, array in pixels.items()}
    return np.resize(pixels, (count, *pixels.shape[1:]))
