"""evaluate: what metrics say of methods' maps, and of maps by chance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from kviz._caller import spelled, warning_once
from kviz._checks import sanitise, validate_int
from kviz._types import Array, ClassIndex, Images, ModelLike, Progress, Regions, ScoreLike
from kviz.attribution.attribute import attribute, settings_of
from kviz.attribution.method import Method
from kviz.attribution.registry import as_method, method_name
from kviz.errors import KvizError, OptionError
from kviz.given import read_images
from kviz.inputs import looked_at
from kviz.metrics.judge import Judge, Judged
from kviz.metrics.metric import Metric, validate_cover
from kviz.metrics.regions import Known, read_regions
from kviz.metrics.registry import as_metric, metric_name
from kviz.network.loading import as_network
from kviz.results.attribution import Attribution
from kviz.results.evaluation import Evaluation, each_by_another_name
from kviz.results.made_by import made_by

Explains: TypeAlias = str | Method | Attribution

_NOWHERE = "no image has a region of the class that it explains."

METRICS = ("deletion", "insertion", "mu_fidelity")


def evaluate(  # noqa: PLR0913 - a verb's options
    model: ModelLike,
    images: Images,
    methods: Explains | Iterable[Explains],
    metrics: str | Metric | Iterable[str | Metric] | None = None,
    *,
    baselines: str | float | Array | Sequence[str | float | Array] = ("black", "blur"),
    nulls: int = 4,
    regions: Regions | None = None,
    class_index: ClassIndex | None = None,
    score: ScoreLike | None = None,
    output: int | str | None = None,
    input_name: str | None = None,
    batch_size: int = 32,
    seed: int = 0,
    names: Sequence[str] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Return what metrics say of methods' maps, beside what maps get that know nothing.

    Beside each method are measured: maps of random numbers, a map of the middle, the photo's edges, the
    method's map inverted, and its map of another photo. A value that does not beat these says nothing
    for the method.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: as `activations` takes them; from five on a mean has an interval.
        methods: a method's name or an instance, an `Attribution` of these images, also one that was
            loaded, or several of these.
        metrics: a metric's name (`kviz.metrics.metric_names()`) or an instance, or several; by default
            deletion, insertion and μ-fidelity.
        baselines: what stands in the place of pixels that a metric removes, as
            `kviz.attribution.Occlusion` takes it; each is measured, since it alone moves values.
        nulls: how many maps of random numbers.
        regions: where the thing is in each image, for metrics that ask: one box `(x, y, width, height)`
            for all images; an entry each, which is a box, a list of boxes, a mask, its file, or None
            for an image without; the same by the images' names; masks `(N, H, W)`; a folder of masks
            that are named like the photos; a COCO JSON file, of which a class that is called as a
            category has that category's annotations. Boxes, and masks of a photo's size, count in the
            photo's own pixels, where the images were read from files, and are carried to the model's.
            Images without a region are left out, and a note says so.
        class_index: one class for all images or one for each, as `attribute` takes it; by default the
            predicted one. An `Attribution` has its own.
        score: what is explained and measured, as `attribute` takes it.
        output: which output of a model that has several, as `attribute` takes it.
        input_name: the input that is explained, of a model that has several.
        batch_size: images processed at once.
        seed: for what is drawn at random: null maps, subsets, the order of equal values.
        names: what the images are called; by default the files' names.
        progress: called with (done, in all), of methods and measures.

    Returns:
        `Evaluation`: `.values` float64 `(measures, methods, N)`, a measure being a metric with a
        baseline.

    Raises:
        OptionError: on an unknown method, metric, baseline or class, or an attribution of several
            classes an image.
        ImageError: if the images do not fit the model or an attribution, or a value is not finite.

    >>> network, cat = "models/squeezenet.keras", "notebooks/images/cat.png"
    >>> found = evaluate(network, cat, "grad_cam", "deletion", baselines=["black"])
    >>> found.measures(), found.nulls[-3:], found.rank("deletion black", "grad_cam").of
    (['deletion black'], ('centre', 'edges', 'inverted'), 8)
    """
    seed, batch_size = validate_int("seed", seed, 0), validate_int("batch_size", batch_size)
    nulls = validate_int("nulls", nulls)
    asked = _several(methods, "methods", (str, Method, Attribution, Mapping))
    asked = [one if isinstance(one, Attribution) else as_method("methods", one) for one in asked]
    measures = measures_of(METRICS if metrics is None else metrics, baselines, regions)
    network = as_network(model)
    told = _Told(len(asked) + len(measures), progress)
    options: dict[str, Any] = {
        "class_index": class_index, "score": score, "output": output, "input_name": input_name,
        "batch_size": batch_size, "seed": seed,
    }  # fmt: skip
    found, results = [], []
    with warning_once():
        images, names, said = read_images(images, network, names)
        pixels = network.pixels(images)
        given = next((one.names for one in asked if isinstance(one, Attribution)), ())
        names = names or (given if len(given) == len(next(iter(pixels.values()))) else ())
        where = None
        if regions is not None:
            seen = pixels[looked_at(pixels, network.specs(pixels), input_name)]
            where = read_regions(regions, seen, names)
        for one in asked:
            if isinstance(one, Method):
                with _naming(method_name(one), len(asked)):
                    one = attribute(network, images, one, names=names, **options)
            found.append(one)
            told.more()
        judge = Judge.of(network, pixels, found, options, nulls, asked, regions=where)
        for metric in measures:
            with _naming(metric_name(metric), len(measures)):
                results.append(judge.measured(metric))
            told.more()
    settings = {
        "methods": [{"name": each.method, **each.made_by.settings} for each in found],
        "metrics": [{"name": metric_name(one), **settings_of(one)} for one in measures],
        "nulls": nulls, "regions": where and where.said, "class_index": class_index, "score": score,
        "output": output, "input_name": judge.passes.input_name, "batch_size": batch_size, "seed": seed,
    }  # fmt: skip
    notes = [note for each in found for note in each.notes]
    if len({each.classes.tobytes() for each in found}) > 1:
        notes.append(
            "The methods explain different classes: values and chance of one are not another's."
        )
    notes += [*said, *(_of_regions(where, found) if where else ())]
    return _result(judge, measures, results, {
        "names": tuple(names), "notes": tuple(dict.fromkeys(notes)),
        "made_by": made_by(network, evaluate, pixels, **settings),
    })  # fmt: skip


@dataclass
class _Told:
    """How much is done."""

    total: int
    progress: Progress | None
    done: int = 0

    def more(self) -> None:
        self.done += 1
        if self.progress:
            self.progress(self.done, self.total)


def _several(given: Any, option: str, kinds: tuple[type, ...]) -> list[Any]:
    """Return what was given one of or several of."""
    if isinstance(given, kinds):
        return [given]
    found = list(given) if isinstance(given, Iterable) else []
    if not found:
        raise OptionError(
            f"{option} takes one, or a list of them. Received: {sanitise(repr(given))}"
        )
    return found


@contextmanager
def _naming(name: str, count: int) -> Iterator[None]:
    """Say in an error which one of several it is of."""
    try:
        yield
    except KvizError as error:
        if count == 1 or name in str(error):
            raise
        raise type(error)(f"{sanitise(name, 40)}: {error}") from error


def measures_of(wanted: Any, baselines: Any, regions: Any) -> list[Metric]:
    """Return the metrics that are wanted, each with each baseline."""
    covers = _several(baselines, "baselines", (str, int, float, np.number, np.ndarray))
    metrics = [
        as_metric("metrics", each) for each in _several(wanted, "metrics", (str, Metric, Mapping))
    ]
    for metric in metrics:
        if metric.needs_regions and regions is None:
            raise OptionError(
                f"{metric_name(metric)} asks where things are in the images: {spelled('regions')} "
                "takes boxes, masks, a folder of masks or a COCO file."
            )
    return [one for metric in metrics for one in _with_baselines(metric, covers)]


def _of_regions(where: Known, found: Sequence[Attribution]) -> list[str]:
    """Return what metrics of regions should be read with."""
    notes = [*where.notes]
    labels = dict.fromkeys(label for each in found for label in each.class_names)
    others = [label for label in labels if label.casefold() not in where.categories]
    if len(where.categories) > 1 and others:
        some = ", ".join(sanitise(label, 40) for label in others[:3])
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        notes.append(f"No category of the regions is called {some}{more}: there all regions count.")
    for each in found:
        seen = where.of(each.class_names, slice(None))
        count = int(seen.reshape(len(seen), -1).any(axis=1).sum())
        if count < int(where.whole.reshape(len(seen), -1).any(axis=1).sum()):
            notes.append(
                f"{sanitise(each.method, 40)} explains classes that have regions in {count} of the "
                f"{len(seen)} images; metrics of regions leave the others out."
            )
    return notes


def _with_baselines(metric: Metric, baselines: Sequence[Any]) -> list[Metric]:
    """Return a metric with each baseline, itself where it has one or takes none."""
    if not metric.takes_baselines:
        return [metric]
    covers: list[Any] = [validate_cover("baselines", one) for one in baselines]
    return [replace(metric, baseline=cover) for cover in covers]  # type: ignore[call-arg]


def _called(baseline: Any) -> str:
    """Return what a baseline is called, "" for none."""
    if baseline is None:
        return ""
    return sanitise(baseline, 24) if isinstance(baseline, str | int | float) else "an image"


def _result(
    judge: Judge, metrics: Sequence[Metric], results: Sequence[Judged], about: dict[str, Any]
) -> Evaluation:
    keyed = {str(place): one for place, one in enumerate(results) if one.curves is not None}
    found = judge.found
    notes = [
        f"{metric.display_name or metric_name(metric)} says nothing of {sanitise(each.method, 40)}: "
        + (_NOWHERE if metric.needs_regions else metric.silence)
        for metric, one in zip(metrics, results, strict=True)
        for each, values in zip(found, one.values, strict=True)
        if np.isnan(values).all()
    ]
    return Evaluation(
        values=np.stack([one.values for one in results]),
        null_values=np.stack([one.nulls for one in results]),
        metrics=tuple(map(metric_name, metrics)),
        titles=tuple(metric.display_name or metric_name(metric) for metric in metrics),
        baselines=tuple(_called(getattr(metric, "baseline", None)) for metric in metrics),
        better=tuple(metric.better for metric in metrics),
        methods=each_by_another_name(each.method for each in found),
        nulls=judge.null_names,
        curves={key: one.curves for key, one in keyed.items() if one.curves is not None},
        null_curves={
            key: one.null_curves for key, one in keyed.items() if one.null_curves is not None
        },
        curve_at={key: one.like.at for key, one in keyed.items() if one.like.at is not None},
        curve_axes={key: (metrics[int(key)].across, judge.up(metrics[int(key)])) for key in keyed},
        curve_points={key: one.like.points for key, one in keyed.items()},
        classes=np.stack([each.classes.reshape(-1) for each in found]),
        class_names=tuple(name for each in found for name in each.class_names),
        scores=np.stack([each.scores.reshape(-1) for each in found]),
        **{**about, "notes": (*about["notes"], *notes)},
    )
