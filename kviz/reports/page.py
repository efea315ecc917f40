"""The page: facts and packed numbers put into the template, with its style sheet and its scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz._types import Array
from kviz.arrays import photo_of, pixel_span
from kviz.draw.colours import palette
from kviz.draw.heat import MOST_OPAQUE
from kviz.engine.layers import LayerTable
from kviz.errors import OutputError
from kviz.extras import install_command
from kviz.look import pictures
from kviz.reports import blobs
from kviz.reports.as_command import as_command
from kviz.reports.evidence import first_method
from kviz.reports.health_view import health_view
from kviz.reports.parts import PATTERNS, Edition, Parts, Skipped
from kviz.reports.pictures import Picture, as_picture, overlay
from kviz.reports.tree import tree
from kviz.results import Predictions
from kviz.web.graph import HEIGHT, LEFT, Drawing, drawings
from kviz.web.packing import packed
from kviz.web.shell import render

MEGABYTE = 1_000_000
CMAPS = {"viridis": "viridis", "cividis": "cividis", "gray": "grey", "bwr": "blue–white–red"}


def page(
    parts: Parts,
    facts: dict[str, Any],
    pixels: Mapping[str, Array],
    limit: float | None,
    edition: Edition = "page",
    more: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """Return the page.

    Args:
        parts: what the verbs found.
        facts: the same, as `facts_of` returns it; what had to be made smaller is added under `"page"`.
        pixels: what the network was given, by input.
        limit: bytes that the page may take; None for any number.
        edition: `"mail"` for photos and dreams as JPEG.
        more: what else the script is told, on a page that asks a server for its numbers.

    Returns:
        HTML, ASCII where it comes from names.

    Raises:
        OutputError: if it cannot be made so small.
    """
    photos = _photos(parts, pixels, edition == "mail")
    overlays = [overlay(parts.attributions, image, photo) for image, photo in enumerate(photos)]
    kernels = blobs.kernels(parts)
    context = {**_shown(parts, facts, edition), "photos": photos, "overlays": overlays}
    told = {
        **_told(parts, facts, pixels, photos),
        "kernels": {one.layer: one.told for one in kernels},
    }
    texts = {f"cmap-{name}": packed(palette(name).tobytes()) for name in CMAPS}
    texts |= {one.told["blob"]: one.text for one in kernels}
    # Where a card shows the photo itself, the script takes it from there.
    pairs = zip(photos, overlays, strict=True)
    texts |= {f"photo-{at}": p.src for at, (p, over) in enumerate(pairs) if over is not p}
    facts["page"] = {
        "longest_map_side": None,
        "attributions": "",
        "maps": "feature maps and kernels: one byte a value, a scale a channel",
        "edition": edition,
        "smaller": [],
    }
    room = math.inf if limit is None else limit
    bare = len(render("page.html", {**context, "told": {**told, **more}, "blobs": texts}))
    attributions, layers = _maps(parts, room - bare)
    texts |= {**attributions.texts, **layers.texts}
    told |= {
        "layers": layers.told,
        "tree": tree(parts.layers, [layer["path"] for layer in layers.told]),
        "attributions": attributions.told,
    }
    facts["page"] |= {
        "longest_map_side": layers.side or None,
        "attributions": attributions.form,
        "smaller": _smaller(layers.side, attributions, edition, bool(parts.patterns)),
    }
    context["unexplained"] = _unexplained(parts.skipped)
    facts["skipped"] = [vars(one) for one in parts.skipped]
    text = render("page.html", {**context, "told": {**told, **more}, "blobs": texts})
    size = len(text.encode())
    if size > room:
        raise OutputError(
            f"The page takes {size / MEGABYTE:.3g} MB even with small maps, and may take "
            f"{room / MEGABYTE:g}. Give fewer images or layers, or more room ({spelled('max_mb')})."
        )
    return text


def _shown(parts: Parts, facts: dict[str, Any], edition: Edition) -> dict[str, Any]:
    """Return what the template shows, apart from photos and what the script is told."""
    graph, why_no_graph = _graphs(parts.layers)
    return {
        "facts": facts,
        "answers": _answers(parts),
        "quantity": "" if parts.predictions is None else parts.predictions.quantity,
        "dreams": _dreams(parts, edition == "mail"),
        "graphs": graph,
        "why_no_graph": why_no_graph,
        "box_height": HEIGHT,
        "box_left": LEFT,
        "layer_table": None if parts.layers is None else parts.layers.table(),
        "cmaps": CMAPS,
        "most_opaque": round(100 * MOST_OPAQUE),
        "health": health_view(facts["health"], len(parts.names)),
        "unexplained": {},
        "fooled_notes": [] if parts.fooled is None else parts.fooled.notes,
    }


def _told(
    parts: Parts,
    facts: dict[str, Any],
    pixels: Mapping[str, Array],
    photos: Sequence[Picture],
) -> dict[str, Any]:
    """Return what the script is told, with no maps in it yet."""
    settings = facts["made_by"]["settings"]
    return {
        "cmaps": list(CMAPS),
        "photos": [
            {"name": name, "width": photo.width, "height": photo.height, "tiny": photo.tiny}
            for name, photo in zip(parts.names, photos, strict=False)
        ],
        "answers": [image["answer"] for image in facts["images"]],
        # The classes in the order of all maps and of all weights of channels.
        "explained": [
            [*image["explained"], *([image["rival"]] if image["rival"] else [])]
            for image in facts["images"]
        ],
        "first_methods": [
            first_method(parts.attributions, image) for image in range(len(parts.names))
        ],
        "model": facts["model"]["name"],
        "figure": as_command(
            parts.network, pixels, settings.get("output"), settings.get("seed", 0)
        ),
        "layers": [],
        "tree": tree(parts.layers),
        "patterns": _patterns(parts),
        "attributions": [],
    }


def _maps(parts: Parts, room: float) -> tuple[blobs.Attributions, blobs.Layers]:
    """Return attributions and feature maps, within the room that the rest of the page leaves."""
    attributions = blobs.attributions(parts, 0.25 * room)
    room -= sum(map(len, attributions.texts.values()))
    # A little for what the page says of each layer.
    return attributions, blobs.layers(parts, room - 3000 * len(parts.activations or ()) - 2000)


def _smaller(
    side: int, attributions: blobs.Attributions, edition: Edition, patterns: bool
) -> list[str]:
    """Return a sentence for each thing that the page carries smaller than it was computed."""
    said = []
    if side:
        said.append(f"Feature maps over {side} values a side are carried as means of blocks.")
    if any(one["factor"] > 1 for one in attributions.told):
        said.append(f"Attributions are averaged to at most {attributions.side} values a side.")
    if attributions.told and not attributions.whole:
        said.append("Attributions are carried with one byte a value.")
    if edition == "mail":
        said.append("Photos and dreams are JPEG.")
        if patterns:
            said.append(
                f"Patterns are those of {PATTERNS['mail']} filters, not {PATTERNS['page']}."
            )
    return said


def _photos(parts: Parts, pixels: Mapping[str, Array], mail: bool) -> list[Picture]:
    """Return what the network was given as pictures, none where it takes no photo."""
    given = pictures(dict(pixels))
    span = None if given is None else pixel_span(given)
    return [
        as_picture(photo_of(array, span), name, "", f"The image {sanitise(name, 120)}.", photo=mail)
        for array, name in zip(given if given is not None else (), parts.names, strict=False)
    ]


def _answers(parts: Parts) -> list[list[Picture]]:
    """Return for each photo the class map or the image that the model makes of it, or none."""
    found = parts.predictions
    if found is None:
        return []
    return [answer_pictures(found, image) for image in range(len(found.scores))]


def answer_pictures(predictions: Predictions, image: int) -> list[Picture]:
    """Return the class map or the image that a model makes of a photo, or none.

    Args:
        predictions: what it answers.
        image: which of the photos, from 0.
    """
    return [
        replace(
            as_picture(tile.levels, tile.title, tile.detail, tile.alt),
            legend=tuple((name, f"#{bytes(colour).hex()}") for name, colour in tile.legend),
        )
        for tile in predictions.tiles(image=image)
        if tile.role in ("map", "made")
    ]


def _dreams(parts: Parts, mail: bool) -> dict[str, list[Picture]]:
    """Return the pictures of what was synthesised, by what it is."""
    dreams: dict[str, list[Picture]] = {"patterns": [], "class_images": [], "fooled": []}
    for key, found in (
        ("patterns", parts.patterns),
        ("class_images", parts.class_images),
        ("fooled", parts.fooled),
    ):
        if found is None:
            continue
        # One at a time: many at once would be one grid.
        dreams[key] = [
            as_picture(tile.levels, tile.title, tile.detail, tile.alt, photo=mail)
            for index in range(len(found.images))
            for tile in found.tiles(image=index)
            if tile.role != "curve"
        ]
    return dreams


def _patterns(parts: Parts) -> dict[str, dict[str, int]]:
    """Return which of the patterns' pictures is a channel's, by layer and channel."""
    found = parts.patterns
    if found is None or found.made_by is None:
        return {}
    options = found.made_by.settings
    drawn: dict[str, int] = {}
    count = 0
    for index, channel in enumerate(options["filter_indices"][: len(found.images)]):
        tiles = sum(tile.role != "curve" for tile in found.tiles(image=index))
        if tiles:
            drawn[str(channel)] = count
        count += tiles
    return {options["layer_names"]: drawn}


def _unexplained(skipped: Sequence[Skipped]) -> dict[str, list[str]]:
    """Return the attribution methods that are not shown, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in skipped:
        if one.part == "attribution" and one.item is not None:
            reasons.setdefault(one.why, []).append(one.item)
    return reasons


def _graphs(table: LayerTable | None) -> tuple[list[Drawing], str]:
    if table is None:
        return [], ""
    try:
        return drawings(table), ""
    except ImportError:
        return [], f"The graph of the layers needs fast-sugiyama: {install_command('report')}."
    except Exception as error:  # the drawing is a help, the table says the same
        return [], f"The layers could not be laid out as a graph: {type(error).__name__}."
