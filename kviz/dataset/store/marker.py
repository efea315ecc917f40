"""The marker of a finished shard, and what all of them count together."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from kviz.dataset.store.places import Places, read_json

# Texts that are kept of a list: where each shard has its own, they would grow with the data set.
_MOST = 100


def sums(places: Places, shards: Iterable[int]) -> dict[str, Any]:
    """Return what the markers of some shards say together: counts added, lists joined.

    Args:
        places: the store's files.
        shards: the shards' numbers.

    Returns:
        Sums by name, and `"shards"`; of lists of texts each text once, in the order of the shards, at
            most 100.
    """
    found: dict[str, Any] = {"shards": 0}
    for shard in sorted(shards):
        marker = read_json(places.part("done", shard, "json"))
        if not all(isinstance(value, list) or type(value) is int for value in marker.values()):
            raise ValueError("not as written")
        marker.pop("shard", None)
        found["shards"] += 1
        for name, value in marker.items():
            if isinstance(value, list):
                texts = found.setdefault(name, {})
                new = (text for text in value if text not in texts)
                texts.update(dict.fromkeys(islice(new, _MOST - len(texts))))
            else:
                found[name] = found.get(name, 0) + value
    return {name: [*one] if isinstance(one, dict) else one for name, one in found.items()}
