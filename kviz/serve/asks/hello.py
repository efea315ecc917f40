"""hello: what there is: models, layers, methods, classes, limits."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, fields
from typing import Any

from kviz.attribution import method_names
from kviz.attribution.registry import method_class
from kviz.engine.layers import LayerInfo
from kviz.errors import KvizError
from kviz.extras import install_command, is_there
from kviz.files import file_sha256
from kviz.formats.bounds import MEGAPIXELS
from kviz.reports.planned import QUICK_METHODS
from kviz.results.made_by import versions
from kviz.serve.ask import Ask, Turn, ask_class, ask_names
from kviz.serve.asks.attribution import takes_many_passes
from kviz.serve.message import Message
from kviz.serve.patches import can_be_worked_out
from kviz.serve.side import Side
from kviz.web.graph import family

PROTOCOL = 1
# Bytes that one message may have.
MESSAGE_BYTES = 64_000_000


@dataclass(frozen=True, kw_only=True)
class Hello(Ask):
    """What there is."""

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        session = turn.session
        head: dict[str, Any] = {
            "protocol": PROTOCOL,
            "version": dict(versions())["kviz"],
            "models": [_model(side) for side in session.sides],
            "limits": {"message": MESSAGE_BYTES, "megapixels": MEGAPIXELS},
            "photos": [photo.id for photo in session.given],
            "data": session.data is not None,
            # What a quick report has, too.
            "at_once": list(QUICK_METHODS),
            "asks": {name: {"slow": ask_class(name).slow} for name in ask_names()},
        }
        # A subclassed model knows its layers after its first photo.
        return Message(head, lasting=all(one["layers"] for one in head["models"]))


def _model(side: Side) -> dict[str, Any]:
    network = side.network
    file = network.path if network.path is not None and network.path.is_file() else None
    told = {
        "name": network.name,
        "file": network.path and network.path.name,
        "sha256": file and file_sha256(file),
        "parameters": sum(math.prod(weight.shape) for weight in network.model.weights),
        "input_shapes": network.input_shapes,
        "size": network.image_size,
        "channels": network.channels,
        "takes_photos": _takes_photos(side),
        "classes": network.classes,
        "class_names": network.class_names,
        "methods": _methods(),
        "notes": network.notes,
    }
    try:
        table = side.table
    except KvizError as error:  # a subclassed model before its first photo
        return told | {"layers": [], "kind": None, "outputs": [], "why_no_layers": str(error)}
    return told | {
        "kind": side.head.kind,
        "outputs": [str(name) for name in side.head.names],
        "layers": [_layer(side, info) for info in table],
    }


def _takes_photos(side: Side) -> bool:
    shapes = side.network.input_shapes
    return shapes is None or (len(shapes) == 1 and len(shapes[0]) == 4)


def _layer(side: Side, info: LayerInfo) -> dict[str, Any]:
    kernels = side.has_maps(info) and info.window is not None and bool(info.weight_names)
    return {
        **info.facts(),
        "arithmetic": info.arithmetic if info.window else None,
        "family": family(info),
        "contains": info.contains,
        "depth": info.path.count("/"),
        "reached": info.reached,
        "channels": info.channels,
        "maps": side.has_maps(info),
        "kernels": kernels,
        "patch": side.has_maps(info) and can_be_worked_out(info),
    }


def _methods() -> list[dict[str, Any]]:
    made = []
    for name in method_names():
        try:
            kind = method_class(name)
        except KvizError:  # another package's, which does not load
            continue
        made.append(
            {
                "name": name,
                "title": kind.display_name or name.replace("_", " ").capitalize(),
                "layer_sized": kind.layer_sized,
                "slow": takes_many_passes(name),
                "missing": install_command(kind.extra)
                if kind.extra and not is_there(kind.extra)
                else None,
                "options": {one.name: _plain(one.default) for one in fields(kind) if one.init},
            }
        )
    return made


def _plain(value: Any) -> Any:
    return value if value is not MISSING and isinstance(value, bool | int | float | str) else None
