"""Several reductions at once: one look at each layer's maps, and states by reduction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kviz._types import Array
from kviz.dataset.reductions.look import Look, Seen
from kviz.dataset.reductions.reduction import Reduction, State

States = dict[str, State]


def states_in_graph(
    reductions: Mapping[str, Reduction], maps: Any, seen: Seen
) -> dict[str, dict[str, Any]]:
    """Return a batch's own states of one layer by reduction, each pass over the maps made once.

    Args:
        reductions: the reductions by name.
        maps: real `(N, …, channels)`; None for reductions of predictions.
        seen: what is known of the images.
    """
    passes = {each for reduction in reductions.values() for each in reduction.passes}
    look = Look(maps, seen, passes)
    return {name: reduction.batch(look) for name, reduction in reductions.items()}


def merged(
    reductions: Mapping[str, Reduction],
    left: Mapping[str, Mapping[str, Array]],
    right: Mapping[str, Mapping[str, Array]],
) -> States:
    """Return the states of what either has seen, by reduction."""
    return {
        name: reduction.merge(left.get(name, {}), right.get(name, {}))
        for name, reduction in reductions.items()
    }
