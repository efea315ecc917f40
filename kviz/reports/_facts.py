"""A report's facts: what the page says in words and figures, for scripts."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from kviz.arrays import empty_channels
from kviz.inputs import class_label
from kviz.look import made_by
from kviz.reports._parts import CLASS_STEPS, PATTERN_STEPS, Parts, Settings
from kviz.results import Activations, Synthesis


def facts_of(parts: Parts, settings: Settings) -> dict[str, Any]:
    """Return what was found as numbers and text, as JSON has them.

    Args:
        parts: what the verbs found.
        settings: what they were asked.

    Returns:
        The facts; what could not be made is empty, and `skipped` says why.
    """
    network = parts.network
    notes = [*network.notes]
    for found in (parts.predictions, parts.activations, *parts.attributions.values()):
        notes += getattr(found, "notes", ())
    return {
        "model": _model(parts),
        "images": _images(parts),
        "layers": [info.facts() for info in parts.layers or ()],
        "feature_maps": _feature_maps(parts.activations),
        "dead_channels": dead_channels(parts.activations),
        "attributions": _attributions(parts),
        "patterns": _patterns(parts.patterns),
        "class_images": _class_images(parts.class_images),
        "fooled": _fooled(parts.fooled),
        "notes": list(dict.fromkeys(notes)),
        "skipped": parts.skipped,
        "seconds": {part: round(seconds, 3) for part, seconds in parts.seconds.items()},
        "made_by": made_by(
            network,
            verb="report",
            methods=list(settings.methods),
            class_index=list(settings.class_index),
            layer_names=None if settings.layer_names is None else str(settings.layer_names),
            quick=settings.quick,
            pattern_layer_names=None
            if settings.pattern_layer_names is None
            else str(settings.pattern_layer_names),
            pattern_steps=None if parts.patterns is None else PATTERN_STEPS,
            class_image_steps=None if parts.class_images is None else CLASS_STEPS,
            seed=settings.seed,
            batch_size=settings.batch_size,
        ),
    }


def _model(parts: Parts) -> dict[str, Any]:
    network, digest, size = parts.network, None, None
    if network.path is not None and network.path.is_file():
        hashed = hashlib.sha256()
        with network.path.open("rb") as file:
            while chunk := file.read(1 << 20):
                hashed.update(chunk)
        digest, size = hashed.hexdigest(), network.path.stat().st_size
    return {
        "name": network.name,
        "file": network.path and network.path.name,
        "sha256": digest,
        "bytes": size,
        "parameters": sum(math.prod(weight.shape) for weight in network.model.weights),
        "input_shapes": network.input_shapes,
        "classes": network.classes,
        "layer_calls": None if parts.layers is None else len(parts.layers),
        "preprocess": network.preprocess if isinstance(network.preprocess, str) else None,
    }


def _images(parts: Parts) -> list[dict[str, Any]]:
    found = []
    predictions = parts.predictions
    score = "probability" if predictions is None or predictions.probability else "score"
    for index, name in enumerate(parts.names):
        image: dict[str, Any] = {"name": name, "predictions": [], "explained": [], "rival": None}
        if predictions is not None:
            image["predictions"] = [
                {"class_index": number, "name": label, score: value}
                for number, label, value in predictions.rows[index]
            ]
            chosen = [
                {
                    "class_index": number,
                    "name": class_label(parts.network, number),
                    score: float(predictions.scores[index, number]),
                }
                for number in parts.classes[index]
            ]
            image["explained"] = chosen[: parts.explained]
            image["rival"] = chosen[parts.explained] if chosen[parts.explained :] else None
        found.append(image)
    return found


def _feature_maps(maps: Activations | None) -> list[dict[str, Any]]:
    if maps is None:
        return []
    found = []
    for path, array in maps.items():
        images = [
            {
                "min": float(one.min()),
                "max": float(one.max()),
                "empty_share": float(empty.mean()),
                "empty_channels": np.flatnonzero(empty).tolist(),
            }
            for one, empty in zip(array, empty_channels(array), strict=True)
        ]
        shape = array.shape[1:]
        found.append({"path": path, "kind": maps.kinds[path], "shape": shape, "images": images})
    return found


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
            "method": method,
            "image": parts.names[image],
            "class_index": int(found.classes[image, place]),
            "class": class_label(parts.network, int(found.classes[image, place])),
            "score": float(found.scores[image, place]),
            "min": float(found.maps[image, place].min()),
            "max": float(found.maps[image, place].max()),
            "completeness_gap": None if found.gaps is None else float(found.gaps[image, place]),
            "settings": found.made_by["settings"],
        }
        for method, found in parts.attributions.items()
        for image in range(len(found.maps))
        for place in range(found.classes.shape[1])
    ]


def last_score(found: Synthesis, index: int) -> float | None:
    """Return an image's score at the end, None where it has none."""
    values = found.scores[:, index][np.isfinite(found.scores[:, index])]
    return float(values[-1]) if len(values) else None


def _patterns(found: Synthesis | None) -> list[dict[str, Any]]:
    if found is None:
        return []
    return [
        {
            "filter": label,
            "score": last_score(found, index),
            "dead": not bool(found.arrived[index]),
        }
        for index, label in enumerate(found.labels)
    ]


def _class_images(found: Synthesis | None) -> list[dict[str, Any]]:
    if found is None:
        return []
    return [
        {
            "class": label,
            "score": last_score(found, index),
            "arrived": bool(found.arrived[index]),
            "taken_for": found.predictions[index][1] if found.predictions else None,
            "confidence": None
            if found.confidences is None
            else float(found.confidences[index, -1]),
        }
        for index, label in enumerate(found.labels)
    ]


def _fooled(found: Synthesis | None) -> list[dict[str, Any]]:
    if found is None or found.norms is None or found.confidences is None:
        return []
    return [
        {
            "image": found.names[index] if index < len(found.names) else f"image {index}",
            "target": label,
            "arrived": bool(found.arrived[index]),
            "before": {"name": found.predictions[index][0], "score": float(before)},
            "after": {"name": found.predictions[index][1], "score": float(after)},
            "l2": float(found.norms[index, 0]),
            "largest_change": float(found.norms[index, 1]),
        }
        for index, (label, (before, after)) in enumerate(
            zip(found.labels, found.confidences, strict=True)
        )
    ]
