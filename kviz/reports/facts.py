"""A report's facts: what the page says in words and figures, for scripts."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.arrays import empty_channels
from kviz.files import file_sha256
from kviz.reports.answers import answer_of
from kviz.reports.as_python import as_python, reads_of
from kviz.reports.evidence import evidence_facts
from kviz.reports.health import health_of
from kviz.reports.papers import papers_of
from kviz.reports.parts import Parts, Settings
from kviz.results import Activations
from kviz.results.made_by import made_by
from kviz.results.result import class_facts, json_plain


def facts_of(
    parts: Parts,
    settings: Settings,
    pixels: dict[str, Array],
    verb: Callable[..., Any],
    path: Path | None = None,
) -> dict[str, Any]:
    """Return what was found as numbers and text, as JSON has them.

    Its parts are those of the results' own facts, with the classes of each image that are explained.

    Args:
        parts: what the verbs found.
        settings: what they were asked.
        pixels: what the network was given, by input.
        verb: what was called: `report`.
        path: where the page is written, None for nowhere.

    Returns:
        The facts; what could not be made is empty, and `skipped` says why.
    """
    notes = [*parts.network.notes]
    for found in (parts.predictions, parts.activations, *parts.attributions.values()):
        notes += getattr(found, "notes", ())
    # What one class is called by is an option of its own right.
    classes = settings.class_index
    chosen = {
        **vars(settings),
        "class_index": list(classes) if len(classes) > 1 else next(iter(classes), None),
    }
    made = made_by(parts.network, verb, pixels, **chosen)
    return {
        "verb": "report",
        "made_by": json_plain(made.facts()),
        "resolved": _resolved(parts, settings),
        "python": as_python(
            verb,
            parts.network,
            reads_of(pixels, parts.network),
            {**chosen, "names": _named(parts)},
            path=path,
        ),
        "papers": papers_of(
            {method: found.made_by.settings for method, found in parts.attributions.items()}
        ),
        "model": _model(parts),
        "images": _images(parts),
        "layers": [info.facts() for info in parts.layers or ()],
        "class_layers": parts.class_layers,
        "feature_maps": _told(parts.activations, "layers"),
        "dead_channels": dead_channels(parts.activations),
        "health": [one.facts() for one in health_of(parts.activations, parts.layers)],
        "attributions": _attributions(parts),
        "patterns": _told(parts.patterns, "images"),
        "class_images": _told(parts.class_images, "images"),
        "fooled": _told(parts.fooled, "images"),
        "notes": list(dict.fromkeys(notes)),
        "skipped": [vars(one) for one in parts.skipped],
        "seconds": {part: round(seconds, 3) for part, seconds in parts.seconds.items()},
    }


def _named(parts: Parts) -> tuple[str, ...]:
    """Return what the images were called, nothing where nobody said."""
    numbered = tuple(f"image {place}" for place in range(len(parts.names)))
    return () if parts.names == numbered else parts.names


def _resolved(parts: Parts, settings: Settings) -> dict[str, Any]:
    """Return what was chosen where nothing was asked, under the names that the verb takes."""
    return {
        "class_index": parts.classes,
        "methods": list(settings.methods),
        "layer_names": list(parts.activations or ()),
        "pattern_layer_names": parts.patterns
        and parts.patterns.made_by.settings.get("layer_names"),
    }


def _told(found: Any, key: str) -> list[dict[str, Any]]:
    """Return what a result tells of its images or layers; nothing of one that is not there."""
    told: list[dict[str, Any]] = [] if found is None else found.facts()[key]
    return told


def _model(parts: Parts) -> dict[str, Any]:
    network = parts.network
    file = network.path if network.path is not None and network.path.is_file() else None
    return {
        "name": network.name,
        "file": network.path and network.path.name,
        "sha256": file and file_sha256(file),
        "bytes": file and file.stat().st_size,
        "parameters": sum(math.prod(weight.shape) for weight in network.model.weights),
        "input_shapes": network.input_shapes,
        "classes": network.classes,
        "layer_calls": None if parts.layers is None else len(parts.layers),
        "preprocess": network.preprocess if isinstance(network.preprocess, str) else None,
    }


def _images(parts: Parts) -> list[dict[str, Any]]:
    predictions = parts.predictions
    if predictions is None:
        empty: dict[str, Any] = {"classes": [], "explained": [], "rival": None, "answer": None}
        return [{"name": name, **empty} for name in parts.names]
    told: list[dict[str, Any]] = _told(predictions, "images")
    # An answer that is an image has no classes.
    chosen_of = parts.classes or [[] for _ in told]
    answers = [
        answer_of(predictions, place, parts.attributions, parts.fooled)
        for place in range(len(told))
    ]
    rows = zip(told, chosen_of, answers, predictions.scores, strict=True)
    for image, chosen, answer, scores in rows:
        classes = [
            class_facts(index, predictions.label(index), scores[index], predictions.is_probability)
            for index in chosen
        ]
        image["explained"] = classes[: parts.explained]
        image["rival"] = next(iter(classes[parts.explained :]), None)
        image["answer"] = answer.facts()
    return told


def dead_channels(maps: Activations | None) -> dict[str, list[int]]:
    """Return by layer the channels that are zero everywhere for every photo.

    Args:
        maps: feature maps.

    Returns:
        Channels, for layers that have such.
    """
    if maps is None:
        return {}
    dead = {path: empty_channels(array).all(axis=0) for path, array in maps.items()}
    return {path: np.flatnonzero(which).tolist() for path, which in dead.items() if which.any()}


def _attributions(parts: Parts) -> list[dict[str, Any]]:
    return [
        {
            "image": image["name"],
            **one,
            "method": method,
            **evidence_facts(found, place, which),
            "settings": json_plain(found.made_by.settings),
        }
        for method, found in parts.attributions.items()
        for place, image in enumerate(_told(found, "images"))
        for which, one in enumerate(image["maps"])
    ]
