"""ShardRunner: one model on one shard after another, read ahead, computed chunk by chunk, written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from kviz._types import Array
from kviz.dataset.labels import UNKNOWN
from kviz.dataset.plan import Plan
from kviz.dataset.sources.read_ahead import Read, read_ahead
from kviz.dataset.store.store import Store
from kviz.dataset.store.writer import ShardWriter
from kviz.dataset.works.work import Batch, Found
from kviz.errors import ImageError
from kviz.network.network import Network


class Counts(NamedTuple):
    """How many images there were of what kind.

    Attributes:
        rows: in all.
        bad: that could not be read.
        labelled: whose class is known, and for which the model gave one.
        correct: of these, for which it was the same.
        unmatched: whose label is no class of the model.
    """

    rows: int = 0
    bad: int = 0
    labelled: int = 0
    correct: int = 0
    unmatched: int = 0

    def __add__(self, other: Any) -> Counts:
        """Return the sums."""
        return Counts(*(mine + yours for mine, yours in zip(self, other, strict=True)))


# Of a shard, so many notes are kept.
_NOTES = 8

# Told what a chunk has, and what is wrong with the first of its bad images.
Tell = Callable[[Counts, str], None]


@dataclass
class ShardRunner:
    """A plan with a model and a store: what runs in a process, whoever hands out shards.

    Attributes:
        plan: what is run.
        network: the model, loaded once.
        store: where results go.
        threads: how many decode; by default one a core.
    """

    plan: Plan
    network: Network
    store: Store
    threads: int | None = None

    def __post_init__(self) -> None:
        self._step = self.plan.work.begin(self.network, self.plan.batch_size)
        shapes = self.network.input_shapes
        self._shape = tuple(shapes[0]) if shapes else None
        self._needs_labels = self.plan.work.needs_labels

    def run(self, shard: int, tell: Tell = lambda *_: None) -> Counts | None:
        """Compute a shard and commit it.

        Args:
            shard: its number.
            tell: called after each chunk with its counts and its first error, "" for none.

        Returns:
            Its counts; None where it is done already or another process is at it.
        """
        with self.store.claim(shard) as writer:
            if writer is None:
                return None
            total, states, notes = Counts(), None, dict[str, None]()
            start, stop = self.store.rows_of(shard)
            plan, size = self.plan, self.plan.batch_size
            read = read_ahead(
                plan.source, plan.wanted, self._shape, (start, stop), 2 * size, self.threads
            )
            for first, items in _chunked(read, start, size):
                counts, found, error = self._chunk(first, items, writer)
                notes.update(dict.fromkeys(note for one in items for note in one.notes))
                for one in found:
                    if one.states:
                        states = (
                            one.states if states is None else plan.work.merged(states, one.states)
                        )
                    notes.update(dict.fromkeys(one.notes))
                total += counts
                tell(counts, error)
            if total.rows != stop - start:
                raise ImageError(
                    f"The source ends before its time: shard {shard} has {total.rows} images of "
                    f"{stop - start}. It has changed since it was looked at."
                )
            if states:
                writer.statistics(states)
            writer.commit(**total._asdict(), notes=list(notes)[:_NOTES])
            return total

    def _chunk(
        self, first: int, items: list[Read], writer: ShardWriter
    ) -> tuple[Counts, list[Found], str]:
        """Compute and write images that follow one another; the first one's row is given."""
        labels = [self.plan.labels.index(one.item.label) for one in items]
        if self._needs_labels:
            self._check_labels(items, labels)
        errors = [one.error for one in items]
        found: list[Found] = []
        places: list[int] = []
        for wanted, one in self._found(first, items, labels, errors):
            found.append(one)
            places += wanted
        columns = self._columns([one.columns for one in found], places, len(items))
        writer.write(
            first,
            self._arrays([one.arrays for one in found], places, len(items)),
            {
                "row": list(range(first, first + len(items))),
                "image": [one.item.name for one in items],
                "label": [None if one.item.label is None else str(one.item.label) for one in items],
                "label_index": [None if label == UNKNOWN else label for label in labels],
                **columns,
                "error": [error or None for error in errors],
            },
        )
        if found and found[0].constants:
            self.store.constants(found[0].constants)
        answer_of = self.plan.work.answer
        pairs = [
            (label, answer)
            for label, answer in zip(labels, columns[answer_of] if answer_of else (), strict=False)
            if label != UNKNOWN and answer is not None
        ]
        correct = sum(label == answer for label, answer in pairs)
        unmatched = sum(
            label == UNKNOWN and one.item.label is not None
            for label, one in zip(labels, items, strict=True)
        )
        bad = sum(map(bool, errors))
        counts = Counts(len(items), bad, len(pairs), correct, unmatched)
        return counts, found, next(filter(None, errors), "")

    def _check_labels(self, items: list[Read], labels: list[int]) -> None:
        """Refuse a source of which no label is a class; that a few are none is counted."""
        if all(label == UNKNOWN for label in labels):
            given = [one.item.label for one in items if one.item.label is not None]
            self.plan.labels.validate_fit(given[0] if given else None)
        self._needs_labels = False

    def _found(
        self, first: int, items: list[Read], labels: list[int], errors: list[str]
    ) -> Iterator[tuple[list[int], Found]]:
        """Give what was found of which images; of one that the verb refuses its error is noted."""
        good = [place for place, one in enumerate(items) if one.pixels is not None]
        waiting = [good] if good else []
        if self.plan.work.by_place:
            waiting = _runs(good)
        while waiting:
            places = waiting.pop(0)
            batch = Batch(
                np.stack([items[place].pixels for place in places]),  # type: ignore[misc]
                tuple(items[place].item.name for place in places),
                np.array([first + place for place in places], np.int64),
                np.array([labels[place] for place in places], np.int32),
            )
            try:
                yield places, self._step(batch)
            except ImageError as error:
                if len(places) == 1:
                    errors[places[0]] = str(error)
                else:  # which of them it is, is found one by one
                    waiting = [[place] for place in places] + waiting

    def _arrays(
        self, parts: list[Mapping[str, Array]], places: list[int], count: int
    ) -> dict[str, Array]:
        """Return arrays in which each image has its row, bad ones too."""
        if not parts or not self.plan.keeps:
            return {}
        joined = {
            name: parts[0][name]
            if len(parts) == 1
            else np.concatenate([one[name] for one in parts])
            for name in parts[0]
        }
        if len(places) == count:
            return joined
        found = {}
        for name, rows in joined.items():
            fill = np.nan if rows.dtype.kind == "f" else 0
            found[name] = np.full((count, *rows.shape[1:]), fill, rows.dtype)
            found[name][places] = rows
        return found

    def _columns(
        self, parts: list[Mapping[str, Any]], places: list[int], count: int
    ) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {name: [None] * count for name in self.plan.work.columns}
        for name, column in found.items():
            values = [value for one in parts for value in one[name]]
            for place, value in zip(places, values, strict=True):
                column[place] = value
        return found


def _runs(places: list[int]) -> list[list[int]]:
    """Return places cut where one is missing.

    >>> _runs([0, 1, 3, 4, 5])
    [[0, 1], [3, 4, 5]]
    """
    found: list[list[int]] = []
    for place in places:
        if found and found[-1][-1] == place - 1:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def _chunked(read: Iterator[Read], start: int, size: int) -> Iterator[tuple[int, list[Read]]]:
    while items := list(islice(read, size)):
        yield start, items
        start += len(items)
