"""Slice: some rows of a store, as a verb's own result is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kviz._types import Array
from kviz.results.made_by import MadeBy


class Slice(NamedTuple):
    """Some rows of a store.

    Attributes:
        arrays: by name, `(n, …)`, each read when it is asked for.
        columns: the index's, a list each.
        constants: what is the same for all rows, as the verb said it once.
        settings: what the verb was asked.
        names: what the images are called.
        made_by: what made it.
        notes: what it should be read with.
    """

    arrays: Mapping[str, Array]
    columns: Mapping[str, list[Any]]
    constants: Mapping[str, Any]
    settings: Mapping[str, Any]
    names: tuple[str, ...]
    made_by: MadeBy
    notes: tuple[str, ...]


class ReadLater(Mapping[str, Array]):
    """Arrays that are read when they are asked for.

    Args:
        names: what there is.
        read: reads one.

    >>> ReadLater(["conv1"], len)["conv1"]
    5
    """

    def __init__(self, names: Sequence[str], read: Callable[[str], Any]) -> None:
        self._names, self._read = names, read

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
