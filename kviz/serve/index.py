"""The app's page: the report's own, alive: what it shows it asks for."""

from __future__ import annotations

from typing import Any

from kviz.errors import KvizError
from kviz.look import weights
from kviz.reports import blobs
from kviz.reports.facts import facts_of
from kviz.reports.page import page
from kviz.reports.parts import Parts, Settings
from kviz.reports.planned import QUICK_METHODS
from kviz.reports.report import report
from kviz.reports.tree import tree
from kviz.serve.ask import Turn
from kviz.serve.asks.hello import Hello
from kviz.serve.patches import can_be_worked_out
from kviz.serve.session import Session
from kviz.serve.side import Side


def index_page(session: Session) -> str:
    """Return the page of a session, which asks for all that is in it.

    The script is told the same as of a report, with no photos and no maps in it, and `live`: what
    `hello` tells of the session, without its layers.

    Args:
        session: the session; called in the thread that TensorFlow has.
    """
    if session.page is not None:
        return session.page
    side = session.sides[0]
    hello = session.clean(Hello().answer(Turn(session, side))).head
    live = {**hello, "models": [{**one, "layers": []} for one in hello["models"]]}
    try:
        table = side.table
    except KvizError:  # a subclassed model before its first photo
        table = None
    parts = Parts(network=side.network, names=(), layers=table)
    settings = Settings(
        class_index=(), output=None, methods=QUICK_METHODS, layer_names=None,
        pattern_layer_names=None, quick=True, edition="page", max_mb=None, certify=False, seed=0,
        batch_size=32,
    )  # fmt: skip
    layers = [] if table is None else _layers(side)
    more = {
        "live": live,
        "layers": layers,
        "tree": tree(table, [layer["path"] for layer in layers]),
        "kernels": _kernels(side, layers),
        # What a report begins with, too.
        "first_layer": _first_layer(side, layers),
    }
    facts = facts_of(parts, settings, {}, report)
    html = session.without_paths(page(parts, facts, {}, None, more=more))
    if table is not None:
        session.page = html
    return html


def _first_layer(side: Side, layers: list[dict[str, Any]]) -> str | None:
    """Return the first layer that a report shows by default, else the first of all."""
    try:
        return side.table.select(None)[0].path
    except KvizError:
        return layers[0]["path"] if layers else None


def _layers(side: Side) -> list[dict[str, Any]]:
    """Return what is told of the layers with maps before there are any."""
    made = []
    for info in side.table:
        if not side.has_maps(info):
            continue
        shape = info.output_shape[1:]
        if info.data_format == "channels_first":
            shape = (*shape[1:], shape[0])
        # Where the layer has one axis, as a signal's, its maps are one row.
        shape = shape if len(shape) == 3 else (1, *shape)
        told = blobs.layer_told(info.path, info.kind, shape, info)
        kernels = bool(info.window and info.weight_names)
        made.append({**told, "kernels": kernels, "patch": can_be_worked_out(info)})
    return made


def _kernels(side: Side, layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what is told of kernels, by layer: their numbers are asked for."""
    paths = [layer["path"] for layer in layers if layer["kernels"]]
    if not paths:
        return {}
    parts = Parts(
        network=side.network, names=(), layers=side.table, weights=weights(side.network, paths)
    )
    return {one.layer: one.told for one in blobs.kernels(parts, bytes)}
