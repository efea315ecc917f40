"""What an attribution map says before anybody looks at it: whether anything, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kviz._checks import sanitise
from kviz.reports.regions import hot_spots, placed, regions_of
from kviz.results import Attribution
from kviz.results.attribution import Explained

# Only sizes are known then: how much a pixel would change the score, not in which direction.
_SIZES = "max_abs"


def is_picture_map(found: Attribution) -> bool:
    """Return whether maps lie over pictures, as the page shows them: `(N, classes, H, W)`."""
    return found.maps.ndim == found.classes.ndim + 2


def sizes_only(found: Attribution) -> bool:
    """Return whether a method tells how sensitive the score is, and not for or against what."""
    return found.made_by.settings.get("reduce") == _SIZES


def nothing(found: Attribution, one: Explained) -> str:
    """Return what is said in place of a map that is zero everywhere, "" for any other.

    Args:
        found: the maps.
        one: one of them, of `found.explained(image)`.
    """
    if one.map.any():
        return ""
    title, label = found.title or found.method, sanitise(one.label, 40)
    where = "in any pixel"
    if found.layers:
        several = "s" * (len(found.layers) > 1)
        where = f"at layer{several} {sanitise(', '.join(found.layers), 60)}"
    cut = " All of it is against the class, which its ReLU cuts off." if one.negative else ""
    return f"{title} is zero everywhere: no evidence for {label} {where}.{cut}"


def first_method(attributions: Mapping[str, Attribution], image: int) -> str | None:
    """Return the first method whose map for the first class explained is not zero, None without one.

    Args:
        attributions: maps by method.
        image: which of the images, from 0.
    """
    for method, found in attributions.items():
        if is_picture_map(found) and found.explained(image)[0].map.any():
            return method
    return None


def evidence_facts(found: Attribution, image: int, place: int) -> dict[str, Any]:
    """Return what a map says in numbers and words: its regions, and whether it is zero.

    Args:
        found: the maps.
        image: which of the images, from 0.
        place: which of the classes that were explained.

    Returns:
        `zero`; `nothing`, words in place of a map that is zero, else ""; `regions`, shares for and
        against by row and column, None of what is no picture; `where`, in words, "" without regions.
    """
    one = found.explained(image)[place]
    words = nothing(found, one)
    regions = regions_of(one.map) if is_picture_map(found) else None
    where = "" if regions is None or words else placed(hot_spots(one.map))
    told = None if regions is None else regions.facts()
    return {"zero": bool(words), "nothing": words, "regions": told, "where": where}
