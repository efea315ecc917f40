"""Whether the fields of a result that came from a file fit together, so that all of it can be shown.

Results that verbs make do. What is refused here would fail later, in a drawing, as a raw error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz.results.null_names import MOVED

# Longer texts than these are nobody's names.
_LONGEST = 10_000
_LARGEST = np.finfo(np.float32).max
_ANSWERS = (
    "classes", "labels", "unit", "values", "class map", "label map", "unit map", "image", "other",
)  # fmt: skip
_SYNTHESES = ("class_image", "filter_patterns", "deep_dream", "fool")


class Unsound(ValueError):  # noqa: N818 - what it says of a file
    """What a file holds is no whole result; the message says why, in words of kviz's own."""


def check_sound(result: Any) -> None:
    """Raise Unsound where fields of a result do not fit together.

    Args:
        result: an instance of a result class, its fields being of their types.
    """
    _check_texts(result)
    _CHECKS[type(result).__name__](result)


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise Unsound(what)


def _check_texts(result: Any) -> None:
    for name, value in vars(result).items():
        several = value if isinstance(value, tuple | dict) else (value,)
        texts = (text for text in several if isinstance(text, str))
        _expect(all(len(text) <= _LONGEST for text in texts), f"a text of {name} is too long")


def _check_array(
    name: str, array: Any, count: int | None = None, *, ranks: range = range(1, 7), kinds: str = ""
) -> None:
    """Check an array with something in it, for `count` images."""
    said = sanitise(name, 80)
    _expect(array.ndim in ranks, f"{said} has shape {array.shape}")
    _expect(0 not in array.shape, f"{said} is empty")
    _check_numbers(said, array, kinds)
    _expect(count in (None, len(array)), f"{said} is of {len(array)} images, and there are {count}")


def _check_shape(name: str, array: Any, shape: tuple[int, ...], kinds: str = "") -> None:
    """Check an array of one shape, or that there is none."""
    if array is not None:
        _expect(array.shape == shape, f"{name} has shape {array.shape}, not {shape}")
        _check_numbers(name, array, kinds)


def _check_numbers(name: str, array: Any, kinds: str) -> None:
    _expect(array.dtype.kind in (kinds or "biuf"), f"{name} holds {sanitise(array.dtype)}")
    if array.dtype == np.float64:  # what a network computes fits into less
        largest = np.abs(array, where=np.isfinite(array), out=np.zeros_like(array)).max(initial=0)
        _expect(bool(largest <= _LARGEST), f"{name} holds numbers that are too large")


def _check_keys(name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    _expect(found.keys() >= wanted.keys(), f"{name} does not say all that there are")


def _check_activations(result: Any) -> None:
    _expect(bool(result.maps), "there are no maps")
    _check_keys("kinds", result.kinds, result.maps)
    count = len(next(iter(result.maps.values()))) if result._count else 0
    for path, maps in result.maps.items():
        _check_array(path, maps, count, ranks=range(3, 6))
    if result.images is not None:
        _check_array("images", result.images, count)


def _check_weights(result: Any) -> None:
    _check_keys("layers", result.layers, result.weights)
    for path, value in result.weights.items():
        _check_array(path, value, ranks=range(7))
        form = result.forms.get(path)
        _expect(form in (None, "grid") or value.ndim >= 3, f"{sanitise(path, 80)} is no kernel")
        rgb = value.ndim == 4 and value.shape[2] == 3
        _expect(form != "rgb" or rgb, f"{sanitise(path, 80)} does not read colours")


def _check_predictions(result: Any) -> None:
    _expect(result.kind in _ANSWERS, "its kind is none that a model's answer has")
    _expect(result.scores.ndim == 2, f"scores has shape {result.scores.shape}")
    count, classes = result.scores.shape
    _check_shape("scores", result.scores, (count, classes), "f")
    image = result.kind == "image"
    _expect(count > 0 and (classes > 0 or image), "scores is empty")
    _expect(result.top >= 0, "top is below 0")
    _expect(
        all(0 <= index < classes for index in result.asked), "a class was asked for that is none"
    )
    names = result.class_names
    _expect(not names or len(names) == classes, "class_names is not as long as scores")
    if result.maps is not None:
        ranks = range(4, 5) if image else range(2, 7)
        _check_array("maps", result.maps, count, ranks=ranks, kinds="biuf" if image else "iu")
        known = image or (result.maps.min() >= -1 and result.maps.max() < classes)
        _expect(bool(known), "maps has classes that are none")
    if result.images is not None:
        _check_array("images", result.images, count)


def _check_attribution(result: Any) -> None:
    _expect(result.scores.ndim in (1, 2), f"scores has shape {result.scores.shape}")
    lead = result.scores.shape
    _check_array("scores", result.scores, kinds="f")
    _check_shape("classes", result.classes, lead, "iu")
    _check_shape("gaps", result.gaps, lead)
    _check_shape("negative", result.negative, lead, "b")
    _expect(len(result.class_names) == math.prod(lead), "class_names is not as long as scores")
    _expect(len(result.certificates) in (0, math.prod(lead)), "not each map has a certificate")
    for one in result.certificates:
        _check_certificate(one)
    _check_array("maps", result.maps, ranks=range(len(lead) + 1, len(lead) + 5), kinds="f")
    _expect(result.maps.shape[: len(lead)] == lead, "there is not a map for each score")
    _check_array("raw", result.raw, lead[0])
    if result.images is not None:
        _check_array("images", result.images, lead[0], ranks=range(2, 7))
        if result.images.ndim == 2 and result.maps.ndim == len(lead) + 1:
            fits = result.maps.shape[-1] == result.images.shape[-1]
            _expect(fits, "there is not a value for each feature")


def _check_certificate(one: Any) -> None:
    _check_texts(one)
    metrics = [tested.metric for tested in one.tested]
    _expect({"deletion", "insertion"} == set(metrics), "a certificate tells of other measures")
    numbers = [one.whole, one.part, one.noise, one.gap, one.top, one.every, *one.steady]
    for tested in one.tested:
        _check_texts(tested)
        draws = len(tested.nulls.get(MOVED, ()))
        _expect(draws > 0, "a certificate tells of no chance")
        nulls = [*tested.nulls.values(), *tested.null_firsts.values()]
        numbers += [tested.value, tested.first, *(value for row in nulls for value in row)]
    large = any(number is not None and abs(number) > float(_LARGEST) for number in numbers)
    _expect(not large, "a certificate holds numbers that are too large")


def _check_comparison(result: Any) -> None:
    _expect(bool(result.attributions), "nothing is compared")
    for found in result.attributions:
        check_sound(found)
        same = len(found.maps) == len(result.attributions[0].maps)
        _expect(same, "what is compared is of different images")


def _check_evaluation(result: Any) -> None:
    _check_array("values", result.values, ranks=range(3, 4), kinds="f")
    measures, methods, count = result.values.shape
    nulls = len(result.nulls)
    _check_shape("null_values", result.null_values, (measures, methods, nulls, count), "f")
    for name in ("metrics", "titles", "baselines", "better"):
        _expect(len(getattr(result, name)) == measures, f"{name} is not as long as values")
    _expect(len(set(result.methods)) == methods, "methods is not as long as values")
    _check_shape("classes", result.classes, (methods, count), "iu")
    _check_shape("scores", result.scores, (methods, count), "f")
    _expect(len(result.class_names) == methods * count, "class_names is not as long as classes")
    for key, curves in result.curves.items():
        _expect(key in map(str, range(measures)), "a curve is of no measure")
        _check_array("curves", curves, ranks=range(3, 4), kinds="f")
        points = curves.shape[2]
        _check_shape("curves", curves, (methods, count, points), "f")
        _check_shape("curve_at", result.curve_at.get(key, curves), (points,), "f")
        _check_shape(
            "null_curves", result.null_curves.get(key), (methods, nulls, count, points), "f"
        )
        _expect(len(result.curve_axes.get(key, ())) == 2, "a curve has no axes")
        _expect(len(result.curve_points.get(key, ())) in (0, points), "not all points are named")


def _check_synthesis(result: Any) -> None:
    _expect(result.verb in _SYNTHESES, "nothing of kviz's made it")
    _check_array("images", result.images, ranks=range(2, 6), kinds="f")
    count, pairs = len(result.images), (len(result.images), 2)
    _check_array("scores", result.scores, ranks=range(2, 3), kinds="f")
    _expect(result.scores.shape[1] == count, "there are not scores for each image")
    _expect(len(result.labels) == count, "there is not a label for each image")
    _expect(len(result.predictions) in (0, count), "there is not a prediction for each image")
    _check_shape("arrived", result.arrived, (count,), "b")
    _check_shape("originals", result.originals, result.images.shape, "f")
    _check_shape("norms", result.norms, pairs)
    _check_shape("confidences", result.confidences, pairs)
    _check_shape("classes", result.classes, pairs, "iu")
    _check_shape("target_scores", result.target_scores, (count,))
    if result.max_norms is not None and result.arrived_within is not None:
        _check_array("max_norms", result.max_norms, ranks=range(1, 2))
        _expect(bool(np.isfinite(result.max_norms).all()), "max_norms are no lengths")
        _check_shape("arrived_within", result.arrived_within, (len(result.max_norms), count), "b")
    _expect(result.bounds[0] < result.bounds[1], "its bounds are no range")
    if result.frames is not None:
        _check_array("frames", result.frames, ranks=range(3, 7), kinds="u")
        _expect(result.frames.shape[1] == count, "there is not a frame for each image")
        channels = result.frames.ndim != 5 or result.frames.shape[-1] in (1, 3)
        _expect(channels and result.frames.dtype.itemsize == 1, "frames are no pictures")


def _check_statistics(result: Any) -> None:
    _expect(result.count >= 0, "it is of fewer images than none")
    _expect(bool(result.layers or result.predicted), "there are no statistics")
    for found in result.layers.values():
        for one in found.values():
            _check_statistic(one)
    for one in result.predicted.values():
        _check_statistic(one)
        name, counts = one.main
        square = counts.ndim == 2 and counts.shape[0] == counts.shape[1]
        _expect(square and counts.dtype.kind in "iu", f"{sanitise(name, 80)} counts no pairs")


def _check_statistic(one: Any) -> None:
    _expect(bool(one.values), "a statistic has no values")
    _expect(one.values.keys() == one.axes.keys(), "not each value says what its axes are")
    sizes: dict[str, int] = {}
    for name, array in one.values.items():
        said = sanitise(name, 80)
        _expect(array.ndim == len(one.axes[name]), f"{said} has shape {array.shape}")
        _check_numbers(said, array, "iuf")
        for axis, size in zip(one.axes[name], array.shape, strict=True):
            _expect(sizes.setdefault(axis, size) == size, f"{said} has shape {array.shape}")
            _expect(size > 0 or axis in ("rank", "axis"), f"{said} is empty")
    name, array = one.main
    said, axes = sanitise(name, 80), one.axes[name]
    if one.drawn == "bars":
        _expect(axes == ("channel",), f"{said} is not of channels")
    if one.drawn == "matrix":
        _expect(array.ndim == 2, f"{said} has shape {array.shape}")
        _expect("class" not in axes[1:], f"{said} has classes across")
        counts = array.dtype.kind in "iu" and array.min() >= 0 and array.shape[0] == array.shape[1]
        _expect(axes[1] != "prediction" or bool(counts), f"{said} counts no pairs")
    if one.drawn == "maps":
        _expect(array.ndim in range(3, 6), f"{said} has shape {array.shape}")
    if one.drawn == "histogram":
        edges = one.values.get("edges")
        _expect(edges is not None and axes == ("channel", "bin"), f"{said} counts no bins")
        fits = edges.ndim == 1 and len(edges) == array.shape[1] + 1
        _expect(fits, "there are not as many edges as bins have")
        _expect(bool(np.isfinite(edges).all() and (np.diff(edges) > 0).all()), "edges do not rise")
        _expect(array.dtype.kind in "iu" and bool(array.min() >= 0), f"{said} are no counts")


_CHECKS = {
    "Activations": _check_activations,
    "Weights": _check_weights,
    "Predictions": _check_predictions,
    "Attribution": _check_attribution,
    "Comparison": _check_comparison,
    "Evaluation": _check_evaluation,
    "Statistics": _check_statistics,
    "Synthesis": _check_synthesis,
}
