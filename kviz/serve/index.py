"""The app's page: the report's own, alive: what it shows it asks for."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kviz.engine.layers import LayerInfo, LayerTable
from kviz.errors import KvizError
from kviz.look import weights
from kviz.reports import blobs
from kviz.reports.facts import facts_of
from kviz.reports.page import page
from kviz.reports.parts import Parts, Settings
from kviz.reports.tree import tree
from kviz.serve.side import Side

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page, and what it may do.

    Attributes:
        html: the page.
        policy: its content security policy, with what only a header can say.
    """

    html: str

    @property
    def policy(self) -> str:
        """What the page may do: run its own script and style, by hash, and talk to who served it."""
        hashes: dict[str, list[str]] = {"script": [], "style": []}
        for kind, text in _INLINE.findall(self.html):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            hashes[kind].append(f"'sha256-{digest}'")
        return "; ".join(
            [
                "default-src 'none'",
                *(f"{kind}-src {' '.join(some) or repr('none')}" for kind, some in hashes.items()),
                "img-src data: blob:",
                "media-src blob:",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        )


def index_html(side: Side, hello: Mapping[str, Any]) -> str:
    """Return the page of a model, before it has seen a photo: the report's, with its script told more.

    Args:
        side: the model.
        hello: what there is, as the ask of this name answers.
    """
    try:
        table: LayerTable | None = side.table
    except KvizError:  # a subclassed model knows its layers after its first photo
        table = None
    kernels = None
    if any(info.window is not None and info.weight_names for info in table or ()):
        kernels = weights(side.network)
    parts = Parts(network=side.network, names=(), layers=table, weights=kernels)
    settings = Settings(
        class_index=(), output=None, methods=(), layer_names=None, pattern_layer_names=None,
        quick=True, certify=False, seed=0, batch_size=1,
    )  # fmt: skip
    facts = facts_of(parts, settings, {})
    shown = [info for info in table or () if side.has_maps(info)]
    live = {
        "live": hello,
        "layers": [_layer(info) for info in shown],
        "tree": tree(table, [info.path for info in shown]),
    }
    return page(parts, facts, {}, None, live)


def _layer(info: LayerInfo) -> dict[str, Any]:
    """Return what the script is told of a layer before its maps are asked for."""
    sides = [1, *info.output_shape[1:-1]][-2:]
    height, width = (side or 1 for side in ([1, *sides])[-2:])
    channels = info.channels or 1
    return {
        "path": info.path,
        "kind": info.kind,
        "height": height,
        "width": width,
        "channels": channels,
        "columns": min(blobs.columns_of(channels), channels),
        "factor": 1,
        "low": [],
        "high": [],
        "empty": [],
        "bad": [],
        "weights": [],
        "field": blobs.field_of(info),
    }
