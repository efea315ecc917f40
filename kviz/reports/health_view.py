"""How the layers are, as the pane Health shows it: sentences first, then charts by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kviz.web.chart import Chart, share_chart, size_chart
from kviz.web.shell import told_share

Layer = Mapping[str, Any]


def health_view(layers: Sequence[Layer], photos: int) -> dict[str, Any]:
    """Return what a template shows of the layers' health.

    Args:
        layers: as `Health.facts` has them, in order of execution.
        photos: of how many photos they tell.

    Returns:
        `verdicts`, sentences; and charts by depth, each None where it would be empty: `dead`,
        `saturated` and `size`. All are None of one layer, which has no depth.
    """
    bounded = [layer for layer in layers if layer["saturated"] is not None]
    charts: dict[str, Chart | None] = {
        key: _share_chart([layer[key] or 0.0 for layer in layers]) for key in ("dead", "saturated")
    }
    charts["size"] = size_chart([layer["mean"] for layer in layers]) if len(layers) > 1 else None
    return {
        "verdicts": [_dead(layers, photos), *_saturated(bounded), _not_finite(layers)],
        **charts,
    }


def _share_chart(shares: Sequence[float]) -> Chart | None:
    return share_chart(shares) if len(shares) > 1 and any(shares) else None


def _dead(layers: Sequence[Layer], photos: int) -> str:
    counts = [round(layer["dead"] * layer["channels"]) for layer in layers]
    channels = sum(layer["channels"] for layer in layers)
    every = {1: "this photo", 2: "both photos"}.get(photos, f"all {photos} photos")
    one = "this photo" if photos == 1 else f"at least one of the {photos} photos"
    if not any(counts):
        return f"No channel is dead: each of the {channels:,} answers to {one}."
    worst = max(layers, key=lambda layer: float(layer["dead"]))
    number = sum(1 for count in counts if count)
    few = " Of one photo that says little: other photos may activate them." if photos == 1 else ""
    return (
        f"{sum(counts):,} of {channels:,} channels are zero everywhere for {every}, in {number} of "
        f"{len(layers)} layers; most in {worst['path']} ({told_share(worst['dead'])} of its channels)."
        f"{few}"
    )


def _saturated(bounded: Sequence[Layer]) -> list[str]:
    if not bounded:
        return []
    worst = max(bounded, key=lambda layer: float(layer["saturated"]))
    if not worst["saturated"]:
        return ["No value is at a bound of its activation function."]
    return [
        f"Most saturated is {worst['path']}: {told_share(worst['saturated'])} of its values are at a "
        "bound of the activation function, where next to no gradient comes through."
    ]


def _not_finite(layers: Sequence[Layer]) -> str:
    bad = [layer for layer in layers if layer["not_finite"]]
    if not bad:
        return "All values are finite."
    count = sum(layer["not_finite"] for layer in bad)
    return (
        f"{count:,} values are NaN or infinite, in {len(bad)} of {len(layers)} layers; the first is "
        f"{bad[0]['path']}."
    )
