"""What a store holds, as its `store.json` says: what a resume is checked against.

No times, hosts or places are in it, so that two runs of the same write the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kviz._checks import sanitise, shown
from kviz.dataset.store.places import Places
from kviz.dataset.store.zarr_arrays import Packing
from kviz.errors import OptionError, OutputError
from kviz.files import reason
from kviz.marks import MARK
from kviz.results.made_by import plain

FORMAT = 1
# The longest description that is read.
_MOST = 64_000_000


@dataclass(frozen=True)
class Head:
    """What a store holds.

    Attributes:
        plan: what makes it: model, verb, settings, source, as JSON holds them.
        count: images of the source.
        shard_size: images of a shard.
        columns: the index's, their types as pyarrow names them.
        packing: how arrays are kept.

    >>> Head({"verb": "predict"}, count=10, shard_size=4, columns={}).shards
    3
    """

    plan: Mapping[str, Any]
    count: int
    shard_size: int
    columns: Mapping[str, str]
    packing: Packing = field(default_factory=Packing)

    def __post_init__(self) -> None:
        # As it is read back: no tuples, no NumPy, all keys text.
        object.__setattr__(self, "plan", json.loads(json.dumps(plain(self.plan))))

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.count // self.shard_size)

    def span(self, shard: int) -> tuple[int, int]:
        """Return a shard's first row, and the row behind its last one."""
        start = shard * self.shard_size
        return start, min(start + self.shard_size, self.count)

    def to_json(self) -> bytes:
        """Return the file's bytes."""
        facts = {"made_by": MARK, "format": FORMAT, **asdict(self)}
        return (json.dumps(facts, indent=1) + "\n").encode()

    def check_same(self, other: Head, root: Path) -> None:
        """Raise an OutputError that names what differs between a store and what shall go into it."""
        there, wanted = (dict(_leaves(json.loads(each.to_json()))) for each in (self, other))
        keys = [key for key in (there | wanted) if there.get(key) != wanted.get(key)]
        if not keys:
            return
        key, more = keys[0], len(keys) - 1
        others = f" (and {more} more {'differ' if more > 1 else 'differs'})" if more else ""
        if key[-1] == "fingerprint":
            raise OutputError(
                f"{sanitise(root, 60)} was begun on other images: their number, names, sizes or times "
                f"have changed since{others}. Restore them, or choose another folder."
            )
        raise OutputError(
            f"{sanitise(root, 60)} was begun otherwise: {_spoken(key)} was "
            f"{_value(there, key)}, and is {_value(wanted, key)} now{others}. Give what it was "
            "begun with, or choose another folder."
        )


def _leaves(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _leaves(one, (*at, key))
    else:
        yield at, json.dumps(value)


def _spoken(key: tuple[str, ...]) -> str:
    """Return a key in words: `("plan", "model", "sha256")` is the model's sha256."""
    inner = [part for part in key if part not in ("plan", "settings", "packing")]
    return sanitise("'s ".join(inner[-2:]), 60)


def _value(leaves: Mapping[tuple[str, ...], str], key: tuple[str, ...]) -> str:
    return sanitise(leaves[key], 40) if key in leaves else "not given"


def read_head(places: Places) -> Head | None:
    """Return what a store holds, None where there is none.

    Raises:
        OutputError: if its description cannot be read.
    """
    root = sanitise(places.root, 120)
    try:
        with places.head.open("rb") as file:
            text = file.read(_MOST)
        facts = json.loads(text)
        if facts["made_by"] != MARK or type(facts["format"]) is not int:
            raise ValueError("no mark")
        if facts["format"] > FORMAT:
            raise OutputError(
                f"A newer kviz wrote {root}: its format is {shown(facts['format'])}, and this one "
                f"reads {FORMAT}."
            )
        return _checked(facts)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"Cannot read {root}: {reason(error)}.") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OptionError) as error:
        raise OutputError(
            f"{root} is no store that can be read: its store.json is broken."
        ) from error


def _checked(facts: Mapping[str, Any]) -> Head:
    count, shard_size = facts["count"], facts["shard_size"]
    columns, plan = facts["columns"], facts["plan"]
    numbers = all(type(number) is int and 0 < number < 1 << 53 for number in (count, shard_size))
    texts = all(isinstance(kind, str) and len(kind) < 100 for kind in columns.values())
    parts = [plan, *(plan.get(name, {}) for name in ("model", "settings", "source"))]
    if not numbers or not texts or not all(isinstance(part, dict) for part in parts):
        raise ValueError("not as written")
    return Head(plan, count, shard_size, columns, Packing(**facts["packing"]))
