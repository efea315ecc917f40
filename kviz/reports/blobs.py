"""Arrays of a report as the page carries them: feature maps, attributions and kernels, each told of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.arrays import empty_channels
from kviz.draw.heat import peak_of
from kviz.engine.layers import LayerInfo
from kviz.reports.evidence import evidence_facts, sizes_only
from kviz.reports.parts import Parts, Skipped
from kviz.results import Attribution
from kviz.tiles import COLUMNS
from kviz.web.packing import SIDES, as_planes, averaged, coded, factor_for, fitted, packed

# Of a filter that reads many channels the page shows those that it weighs most.
CHANNELS = 16

# What numbers are carried as: text in a page, bytes where they are sent.
Pack = Callable[[bytes], Any]


def columns_of(channels: int) -> int:
    """Return how many channels stand in a row: 16, or 32 where that would be very long.

    >>> columns_of(64), columns_of(1000)
    (16, 32)
    """
    return COLUMNS if channels <= 256 else 2 * COLUMNS


@dataclass(frozen=True)
class Layers:
    """Feature maps.

    Attributes:
        texts: packed numbers by the name of the element that holds them.
        told: for the script, a layer each.
        side: the longest side of a map that is carried, 0 where none was made smaller.
    """

    texts: dict[str, Any] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    side: int = 0


def layers(parts: Parts, limit: float, pack: Pack = packed) -> Layers:
    """Return the feature maps of all photos, within a limit.

    Args:
        parts: what the verbs found.
        limit: characters that they may take.
        pack: what they are carried as.

    Returns:
        The maps.
    """
    maps = parts.activations
    if maps is None:
        return Layers()
    planes: dict[str, list[Array]] = {}
    for path, array in maps.items():
        found = [plane for plane in map(as_planes, array) if plane is not None]
        if found:
            planes[path] = found
        else:
            why = "Maps of volumes are not drawn on a page."
            parts.skipped.append(Skipped("feature maps", why, path))
    weights = {
        path: [pack(one.astype("<f4").tobytes()) for one in parts.channel_weights[path]]
        for path in planes
        if path in parts.channel_weights
    }
    limit -= sum(len(text) for texts in weights.values() for text in texts)
    texts, side = fitted(planes, limit, pack)
    infos = {info.path: info for info in parts.layers or ()}
    made = Layers(side=side)
    for place, (path, found) in enumerate(planes.items()):
        ranges = [_range(one) for one in found]
        for image, text in enumerate(texts[path]):
            made.texts[f"maps-{place}-{image}"] = text
        names = [f"weights-{place}-{image}" for image in range(len(weights.get(path, ())))]
        made.texts.update(zip(names, weights.get(path, ()), strict=True))
        made.told.append(
            {
                **layer_told(path, maps.kinds[path], found[0].shape, infos.get(path)),
                "factor": factor_for(found[0].shape, side),
                "low": [low for low, _, _ in ranges],
                "high": [high for _, high, _ in ranges],
                "empty": [int(empty_channels(one[None]).sum()) for one in found],
                "bad": [bad for _, _, bad in ranges],
                "weights": names,
                **_named(parts, path),
            }
        )
    return made


def layer_told(
    path: str, kind: str, shape: tuple[int | None, ...], info: LayerInfo | None
) -> dict[str, Any]:
    """Return what the script is told of a layer, with no photo's maps in it yet.

    Args:
        path: the layer's.
        kind: its class.
        shape: height, width and channels of its maps.
        info: the layer, None where nothing else is known of it.
    """
    height, width, channels = shape
    many = channels or 1
    return {
        "path": path,
        "kind": kind,
        "height": height,
        "width": width,
        "channels": many,
        "columns": min(columns_of(many), many),
        # By how much maps are averaged down.
        "factor": 1,
        "field": field_told(info),
        # An entry a photo: of what each channel weighs for each class explained, a blob.
        **{key: [] for key in ("low", "high", "empty", "bad", "weights")},
    }


def _named(parts: Parts, path: str) -> dict[str, list[str]]:
    """Return what the channels of a layer are called where they are the classes, else nothing."""
    if path not in parts.class_layers or parts.predictions is None:
        return {}
    count = parts.predictions.scores.shape[1]
    return {"class_names": [parts.predictions.label(index) for index in range(count)]}


def _range(values: Array) -> tuple[float, float, int]:
    """Return the lowest and the highest value that is finite, 0 without one, and how many are not."""
    finite = np.isfinite(values)
    bad = finite.size - int(np.count_nonzero(finite))
    told = values[finite] if bad else values
    return (float(told.min()), float(told.max()), bad) if told.size else (0.0, 0.0, bad)


def field_told(info: LayerInfo | None) -> Any:
    """Return a receptive field for the script: an entry an axis, or the word that stands for it.

    Args:
        info: the layer, None where nothing is known of it.
    """
    if info is None or isinstance(info.receptive_field, str):
        return "unknown" if info is None else info.receptive_field
    return info.receptive_field.facts()


@dataclass(frozen=True)
class Attributions:
    """Attribution maps.

    Attributes:
        texts: packed numbers by the name of the element that holds them.
        told: for the script, a method and an image each.
        form: how they are carried, in words.
        side: the longest side of a map that is carried, 0 where none was made smaller.
        whole: whether they are as they were computed, and no byte a value.
    """

    texts: dict[str, Any] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    form: str = ""
    side: int = 0
    whole: bool = True


def attributions(parts: Parts, limit: float, pack: Pack = packed) -> Attributions:
    """Return the attribution maps: whole float32 numbers, where they fit.

    Args:
        parts: what the verbs found.
        limit: characters that they may take.
        pack: what they are carried as.

    Returns:
        The maps.
    """
    count = len(parts.names)
    made = Attributions()
    if not parts.attributions:
        return made
    if math.isinf(limit):
        return _attributions(parts, True, 0, count, pack)
    for whole, side in ((True, 0), *((False, side) for side in (0, *SIDES))):
        # The first photo's tell how long all of them will be.
        made = _attributions(parts, whole, side, 1, pack)
        if count * sum(map(len, made.texts.values())) > limit and side != SIDES[-1]:
            continue
        made = _attributions(parts, whole, side, count, pack)
        if sum(map(len, made.texts.values())) <= limit:
            break
    return made


def _attributions(parts: Parts, whole: bool, side: int, count: int, pack: Pack) -> Attributions:
    form = "float32, as they were computed" if whole else "one byte a value, a scale a map"
    averaging = f", averaged to at most {side} a side" if side else ""
    made = Attributions(form=form + averaging, side=side, whole=whole)
    for method, found in parts.attributions.items():
        if found.maps.ndim != 4:
            no_picture = Skipped("attribution", "Its maps are no pictures.", method)
            if no_picture not in parts.skipped:
                parts.skipped.append(no_picture)
            continue
        for image, maps in enumerate(found.maps[:count]):
            factor = factor_for(maps.shape[1:], side)
            maps = averaged(maps.astype(np.float32), factor)
            low = maps.min(axis=(1, 2))
            span = maps.max(axis=(1, 2)) - low
            data = maps.astype("<f4").tobytes()
            if not whole:
                data = coded(maps, low, span).tobytes()
            name = f"attribution-{method}-{image}"
            made.texts[name] = pack(data)
            made.told.append(
                {
                    "method": method,
                    "image": image,
                    "blob": name,
                    "whole": whole,
                    "factor": factor,
                    "height": maps.shape[1],
                    "width": maps.shape[2],
                    "low": low.tolist(),
                    "high": (low + span).tolist(),
                    **_attribution_told(found, image, parts.explained),
                }
            )
    return made


def _attribution_told(found: Attribution, image: int, explained: int) -> dict[str, Any]:
    """Return what the script is told of a method's maps of a photo, besides their numbers.

    Args:
        found: the maps.
        image: which photo.
        explained: how many of the classes are those that are explained; the rest are runners-up.
    """
    said = [evidence_facts(found, image, place) for place in range(found.maps.shape[1])]
    return {
        "title": found.title or found.method,
        "kind": "sensitivity" if sizes_only(found) else "evidence",
        # What a reader sees at first: clipped, as Attribution.tiles() does.
        "peak": [peak_of(one) for one in found.maps[image]],
        **{key: [one[key] for one in said] for key in ("zero", "nothing", "regions", "where")},
        "classes": [
            {"index": one.class_index, "name": one.label, "rival": place >= explained}
            for place, one in enumerate(found.explained(image))
        ],
        "scores": found.scores[image].tolist(),
        "score_name": found.score_name,
        "layers": list(found.layers),
        "certificates": [
            None
            if one.certificate is None
            else {
                "better": one.certificate.better_than_chance,
                "flag": one.flag,
                "words": one.certificate.words(),
            }
            for one in found.explained(image)
        ],
        "gaps": None if found.gaps is None else found.gaps[image].tolist(),
    }


@dataclass(frozen=True)
class Kernel:
    """A layer's kernels: packed numbers, and what the script is told of them."""

    layer: str
    text: Any
    told: dict[str, Any]


def kernels(parts: Parts, pack: Pack = packed) -> list[Kernel]:
    """Return the kernels of the layers shown, one for each channel, of the heaviest that it reads.

    Of a layer with several, as a separable convolution, it is the kernel that makes its channels.

    Args:
        parts: what the verbs found.
        pack: what they are carried as.

    Returns:
        Kernels, a layer each; the first is that of the first convolution.
    """
    if parts.weights is None:
        return []
    made = []
    infos = {info.path: info for info in parts.layers or ()}
    for place, (path, values) in enumerate(parts.weights.items()):
        if values.ndim != 4:
            continue
        layer, form = parts.weights.layers[path], parts.weights.forms.get(path, "grid")
        values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
        if form == "transposed":
            values = values.swapaxes(2, 3)
        elif form == "depthwise":
            values = values.reshape(*values.shape[:2], 1, -1)
        filters = np.moveaxis(values, (3, 2), (0, 1))  # (filters, channels, H, W)
        count, channels, height, width = filters.shape
        info = infos.get(layer)
        if info is not None and count != info.channels:
            continue
        kept = min(channels, CHANNELS)
        weight = np.abs(filters).sum(axis=(2, 3))
        order = np.sort(np.argsort(-weight, axis=1, kind="stable")[:, :kept], axis=1)
        chosen = np.take_along_axis(filters, order[:, :, None, None], axis=1)
        peak = np.abs(chosen).max(axis=(1, 2, 3))
        # In float32 the inverse of the tiny weights that a decay leaves behind would be infinite.
        scale = np.divide(127, peak, out=np.zeros(count), where=peak > 0, dtype=np.float64)
        codes = np.rint(chosen * scale[:, None, None, None]).astype(np.int8)
        # A kernel of a group counts the group's channels, the page those of the input.
        order += (np.arange(count) // (count // _groups(info)) * channels)[:, None]
        data = peak.astype("<f4").tobytes() + order.astype("<u2").tobytes() + codes.tobytes()
        told = {
            "blob": f"kernels-{place}",
            "filters": count,
            "channels": channels,
            "kept": kept,
            "height": height,
            "width": width,
            "rgb": form == "rgb",
        }
        made.append(Kernel(layer, pack(data), told))
    return made


def _groups(info: LayerInfo | None) -> int:
    """Return in how many groups a convolution's input channels are read apart."""
    return 1 if info is None else int(getattr(info.layer, "groups", 1))
