"""The marker of a finished shard, and what all of them count together."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kviz.dataset.places import Places


def sums(places: Places, shards: Iterable[int]) -> dict[str, Any]:
    """Return what the markers of some shards say together: counts added, lists joined.

    Args:
        places: the store's files.
        shards: the shards' numbers.

    Returns:
        Sums by name, and `"shards"`; of lists of texts each text once, in the order of the shards.
    """
    found: dict[str, Any] = {"shards": 0}
    for shard in sorted(shards):
        marker = json.loads(places.part("done", shard, "json").read_bytes())
        del marker["shard"]
        found["shards"] += 1
        for name, value in marker.items():
            if isinstance(value, list):
                found[name] = list(dict.fromkeys([*found.get(name, []), *value]))
            else:
                found[name] = found.get(name, 0) + value
    return found
