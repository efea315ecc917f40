"""Reductions whose settings were found by a first pass: each layer has its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kviz.dataset.reductions import Reduction, reduction_name

Reductions = dict[str, Reduction]


def firsts(reductions: Mapping[str, Reduction]) -> list[Reduction]:
    """Return what a first pass has to find, nothing where none is needed."""
    found = (one.first() for one in reductions.values())
    return list({reduction_name(one): one for one in found if one is not None}.values())


def settled(
    reductions: Mapping[str, Reduction], found: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Reductions]:
    """Return the reductions of each layer that a first pass has looked at.

    Args:
        reductions: as they were asked for.
        found: what the first pass found, by layer and reduction.
    """
    return {
        path: {name: _after(one, statistics) for name, one in reductions.items()}
        for path, statistics in found.items()
    }


def _after(one: Reduction, statistics: Mapping[str, Any]) -> Reduction:
    first = one.first()
    return one if first is None else one.after(statistics[reduction_name(first)])
