"""Dataset: a store of `kviz run` to read from, complete or not, without taking it into memory."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from kviz._caller import spelled
from kviz._checks import sanitise, shown, suggest
from kviz._types import Array
from kviz.dataset.store import zarr_arrays
from kviz.dataset.store.extra import store_package
from kviz.dataset.store.head import Head, read_head
from kviz.dataset.store.lazy_array import LazyArray
from kviz.dataset.store.marker import sums
from kviz.dataset.store.places import Places, json_object, read_json, reading
from kviz.dataset.store.slices import ReadLater, Slice
from kviz.dataset.store.states import States, read_states
from kviz.dataset.store.writer import index_schema
from kviz.draw.tables import Table, text
from kviz.errors import LayerError, OptionError, OutputError
from kviz.files import plain_path
from kviz.results.made_by import MadeBy
from kviz.results.result import Result, json_plain
from kviz.results.statistics import Statistics

# A billion images have four million shards; a stranger's store may tell of more than memory holds.
_MOST_LISTED = 10_000_000
# Images of which a result is small enough to be made to tell of them.
_MOST_TOLD = 100_000


class Merged(Protocol):
    """What is asked of a reduction: see `kviz.dataset.reductions`."""

    def merge(self, left: Any, right: Any, /) -> Any:
        """Return the state of both parts together."""

    def result(self, state: Any, /) -> Any:
        """Return what a state says."""


def open(path: str | Path) -> Dataset:  # noqa: A001 - as `tarfile.open` and `wave.open` are
    """Open a store of results over a data set.

    Args:
        path: its folder.

    Returns:
        A `Dataset`; where shards are missing it says which.

    Raises:
        OutputError: if there is no store, or it cannot be read.
        OptionError: if a package is missing.
    """
    for package in ("tensorstore", "pyarrow"):
        store_package(package)
    places = Places(plain_path(path))
    head = read_head(places)
    if head is None:
        what = "it holds no store.json" if places.root.exists() else "there is nothing there"
        raise OutputError(f"{sanitise(places.root, 120)} is no store: {what}.")
    return Dataset(places, head)


class Dataset:
    """Results over a data set: rows by number, arrays by path, the index, statistics.

    `len` is the source's count; `dataset["conv1"]` is a layer's maps, read as they are indexed;
    `dataset[0:16]` the verb's own result over these images. What is not done yet is NaN, and 0 in
    whole numbers.

    Args:
        places: the store's files.
        head: what it holds.
    """

    def __init__(self, places: Places, head: Head) -> None:
        self.path = places.root
        self._places = places
        self._head = head
        self._known: dict[str, Path] | None = None

    @property
    def plan(self) -> dict[str, Any]:
        """What made it: model, verb, settings, source."""
        return dict(self._head.plan)

    @property
    def verb(self) -> str:
        """Which verb's results these are."""
        return str(self._head.plan.get("verb", ""))

    @property
    def shard_size(self) -> int:
        """How many rows per shard has."""
        return self._head.shard_size

    @property
    def complete(self) -> bool:
        """Whether all shards are done."""
        return self._places.complete.exists()

    @property
    def done(self) -> list[int]:
        """The shards that are done, in order."""
        with reading(self.path):
            return sorted(self._places.shards("done"))

    @property
    def missing(self) -> list[int]:
        """The shards that are not done, in order."""
        if self._head.shards > _MOST_LISTED:
            raise OutputError(
                f"{sanitise(self.path, 120)} has {self._head.shards} shards: too many to list "
                "those that are missing."
            )
        done = set(self.done)
        return [shard for shard in range(self._head.shards) if shard not in done]

    def counts(self) -> dict[str, Any]:
        """Return what the shards that are done say together: how many rows, bad images, notes."""
        with reading(self.path):
            if self.complete:
                return read_json(self._places.complete)
            return sums(self._places, self.done)

    @property
    def accuracy(self) -> float | None:
        """The share of images whose label the model gave, of those whose label is a class of the model.

        None where there is no such image.
        """
        counts = self.counts()
        return counts["correct"] / counts["labelled"] if counts.get("labelled") else None

    def facts(self) -> dict[str, Any]:
        """Return what it holds, and what came of it, as JSON can hold it."""
        found = {
            "verb": self.verb,
            "store": str(self.path),
            "images": len(self),
            "complete": self.complete,
            "shards_done": len(self.done),
            "shards": self._head.shards,
            "arrays": {path: self._array(path).shape for path in self.paths},
            "accuracy": self.accuracy,
            **self.counts(),
        }
        plain: dict[str, Any] = json_plain(found)
        return plain

    def unknown_labels(self, most: int = 3) -> list[str]:
        """Return labels that are no class of the model, at most so many.

        Args:
            most: how many.
        """
        found: dict[str, None] = {}
        with reading(self.path):
            dataset = self._index_of(self.done)
            for batch in dataset.to_batches(columns=["label", "label_index"]):
                pairs = zip(
                    batch["label"].to_pylist(), batch["label_index"].to_pylist(), strict=True
                )
                found.update(
                    dict.fromkeys(
                        label for label, index in pairs if label is not None and index is None
                    )
                )
                if len(found) >= most:
                    break
        return list(found)[:most]

    def __len__(self) -> int:
        return self._head.count

    @property
    def paths(self) -> list[str]:
        """The paths of the arrays, in the order in which they were written."""
        return list(self._arrays)

    @property
    def _arrays(self) -> dict[str, Path]:
        if self._known is None:
            found = self._found_arrays()
            if not self.complete:  # others may come
                return found
            self._known = found
        return self._known

    def _found_arrays(self) -> dict[str, Path]:
        found = []
        with reading(self._places.arrays):
            folder = self._places.arrays
            for each in folder.iterdir() if folder.is_dir() else ():
                metadata = zarr_arrays.metadata_of(each)
                if metadata is not None:
                    about = json_object(metadata.get("attributes", {}))
                    place, path = about.get("place", 0), about.get("path", each.name)
                    if type(place) is not int or not isinstance(path, str):
                        raise ValueError("not as written")
                    found.append((place, path, each))
        return {path: each for _, path, each in sorted(found)}

    def __contains__(self, path: object) -> bool:
        return path in self._arrays

    def __getitem__(self, key: str | slice | int) -> Any:
        """Return an array by its path, or the verb's result over some rows.

        Args:
            key: a path, a slice of rows, or a row's number.

        Raises:
            LayerError: if there is no array of that path.
            IndexError: if there is no such row.
            OutputError: if it cannot be read.
        """
        if isinstance(key, str):
            return self._array(key)
        if not isinstance(key, slice):
            if not hasattr(key, "__index__"):
                raise OptionError(
                    "Expected an array's path, a row's number or a slice; over() takes several rows. "
                    f"Received: {shown(key)}"
                )
            row = range(len(self))[key]
            key = slice(row, row + 1)
        return self.over(range(len(self))[key])

    def _array(self, path: str) -> LazyArray:
        known = self._arrays
        if path not in known:
            raise LayerError(f"The store holds no {sanitise(path)!r}. {suggest(path, known)}")
        return LazyArray(path, known[path])

    def over(self, rows: Sequence[int]) -> Result:
        """Return the verb's own result over some rows, which are taken into memory.

        Args:
            rows: their numbers.

        Raises:
            OptionError: if this kviz does not know the verb.
            OutputError: if rows are not done yet, or cannot be read.
        """
        from kviz.dataset.works.registry import work_class

        part = self.slice(rows)
        if len(rows) and not part.names:
            raise OutputError("None of these images could be read: the index says why.")
        try:
            found: Result = work_class(self.verb).result(part)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise OutputError(
                f"Cannot read {sanitise(self.path, 120)}: what it holds does not fit together."
            ) from error
        return found

    def slice(self, rows: Sequence[int]) -> Slice:
        """Return all that is known of some rows, less those that could not be read.

        Arrays are read when they are asked for.

        Args:
            rows: their numbers.

        Raises:
            OutputError: if rows are not done yet, or cannot be read.
        """
        key: Any = np.asarray(rows)
        whole = key.ndim == 1 and (key.dtype.kind in "iu" or not key.size)
        if not whole or (key.size and not 0 <= key.min() <= key.max() < len(self)):
            raise OptionError(
                f"rows takes numbers from 0 to {len(self) - 1}. Received: {shown(rows)}"
            )
        key = key.astype(np.int64)
        shards = np.unique(key // self._head.shard_size).tolist()
        columns = self._columns(rows, shards)
        errors = columns.get("error", [])
        bad = [
            name for name, error in zip(columns.get("image", errors), errors, strict=True) if error
        ]
        if bad:
            good = [place for place, error in enumerate(errors) if not error]
            key, columns = key[good], _picked(columns, good)
        elif isinstance(rows, range) and rows.step == 1:
            key = builtins.slice(rows.start, rows.stop)
        with reading(self.path):
            notes = tuple(sums(self._places, shards).get("notes", ()))
        if bad:
            names = ", ".join(sanitise(name, 40) for name in bad[:3])
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            notes = (f"Left out, since they could not be read: {names}{more}.", *notes)
        return Slice(
            ReadLater(self.paths, lambda path: self._array(path)[key]),
            columns,
            self.constants,
            dict(self._head.plan.get("settings", {})),
            tuple(name or "" for name in columns.get("image", [])),
            self._made_by,
            notes,
        )

    def _columns(self, rows: Sequence[int], shards: list[int]) -> dict[str, list[Any]]:
        """Return the index's columns over some rows of these shards, in their order."""
        wanted = np.asarray(rows, np.int64)
        missing = [
            shard for shard in shards if not self._places.part("done", shard, "json").exists()
        ]
        if missing:
            start, stop = self._head.span(missing[0])
            raise OutputError(
                f"Rows {start} to {stop - 1} are not done yet: the store is incomplete."
            )
        with reading(self.path):
            table = self._index_of(shards).to_table()
            there = table["row"].to_numpy()
            at = np.searchsorted(there, wanted)
            if len(there) <= at.max(initial=-1) or not np.array_equal(there[at], wanted):
                raise ValueError("not as written")
            columns: dict[str, list[Any]] = table.take(at).to_pydict()
        return columns

    @property
    def _made_by(self) -> MadeBy:
        model = self._head.plan.get("model", {})
        return MadeBy(
            verb=self.verb,
            model=model.get("name", ""),
            model_sha256=model.get("sha256"),
            preprocess=model.get("preprocess"),
            settings=self._head.plan.get("settings", {}),
            **self._begun(),
        )

    def _begun(self) -> dict[str, Any]:
        """Return when, by which call and which versions the store was begun, as its log says."""
        try:
            with self._places.log.open(encoding="utf-8") as file:
                line = json.loads(file.readline())
            return {"time": line["time"], "call": line["call"] or "", "versions": line["versions"]}
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # the log may be gone, and is no part of what is kept

    @property
    def constants(self) -> dict[str, Any]:
        """What is the same for all rows, such as the layers' kinds or the classes' names."""
        with reading(self._places.constants):
            if not self._places.constants.exists():
                return {}
            return read_json(self._places.constants)

    @property
    def index(self) -> Any:
        """The whole index as a `pandas.DataFrame`, a row per image that is done, in order."""
        return self.rows()

    def rows(
        self, columns: Iterable[str] | None = None, filter: Any = None  # noqa: A002 - pyarrow's word
    ) -> Any:  # fmt: skip
        """Return the index, or a part of it, as a `pandas.DataFrame`.

        Args:
            columns: which; by default all.
            filter: which rows, as `pandas.read_parquet` takes it: `[("label", "==", "cat")]`; or a
                `pyarrow.compute.Expression`.

        Raises:
            OptionError: if there is no such column, or pandas is missing.
            OutputError: if it cannot be read.
        """
        store_package("pandas")
        names = None if columns is None else list(columns)
        known = self._schema.names
        for name in names or ():
            if name not in known:
                raise OptionError(f"The index has no {sanitise(name)!r}. {suggest(name, known)}")
        if isinstance(filter, list):
            filter = store_package("pyarrow.parquet").filters_to_expression(filter)  # noqa: A001
        with reading(self.path):
            return self._index_of(self.done).to_table(columns=names, filter=filter).to_pandas()

    @cached_property
    def _schema(self) -> Any:
        with reading(self._places.head):
            return index_schema(self._head.columns)

    def _index_of(self, shards: Iterable[int]) -> Any:
        # By their markers, not by a listing: what is not done yet may be half there.
        files = [str(self._places.part("index", shard, "parquet")) for shard in shards]
        dataset = store_package("pyarrow.dataset")
        return dataset.dataset(files, schema=self._schema, format="parquet")

    def states(self) -> Iterator[States]:
        """Give the states of reductions of each shard that is done, in order."""
        for shard in self.done:
            path = self._places.part("statistics", shard, "npz")
            if path.exists():
                with reading(path):
                    states = read_states(path)
                yield states

    def statistics(self) -> Statistics:
        """Return what its reductions found, their shards' states merged.

        Returns:
            `kviz.results.Statistics`: by layer, or what else they are of, and by reduction.

        Raises:
            OptionError: if the store was made without statistics.
            OutputError: if a state cannot be read.
        """
        # Reductions compute with TensorFlow; what is read without them needs none.
        from kviz.dataset.reductions import as_reductions
        from kviz.dataset.reductions.first_pass import settled

        asked = self._head.plan.get("settings", {}).get("statistics") or []
        if not asked:
            option = spelled("statistics", "moments")
            raise OptionError(f"The store holds no statistics: a run with {option} has them.")
        reductions = as_reductions("statistics", asked)
        first = self._places.first
        own = settled(reductions, open(first).statistics() if first.exists() else {})
        found = self.merged(reductions, own)
        of_answers = [name for name, one in reductions.items() if one.of == "predictions"]
        constants = self.constants
        return Statistics(
            layers={
                path: {name: one for name, one in told.items() if name not in of_answers}
                for path, told in found.items()
            },
            kinds=dict(constants.get("kinds", {})),
            predicted={
                name: told[name] for told in found.values() for name in of_answers if name in told
            },
            count=self.counts().get("rows", 0) - self.counts().get("bad", 0),
            class_names=tuple(self._head.plan.get("source", {}).get("classes") or ()),
            made_by=self._made_by,
        )

    def summaries(self) -> list[Result]:
        """Return the results that tell of all images in few words: statistics, metrics' means."""
        from kviz.dataset.works.registry import work_class

        found: list[Result] = []
        if self._head.plan.get("settings", {}).get("statistics"):
            found.append(self.statistics())
        if work_class(self.verb).tells_of_all and self.complete and len(self) <= _MOST_TOLD:
            found.append(self[:])
        return found

    def merged(
        self,
        reductions: Mapping[str, Merged],
        own: Mapping[str, Mapping[str, Merged]] = MappingProxyType({}),
    ) -> dict[str, dict[str, Any]]:
        """Merge the shards' states, and return what they say.

        Args:
            reductions: by the names that their states were kept under.
            own: those of layers that have their own.

        Returns:
            By what they are of, such as a layer, and by reduction; nothing where there is no state.

        Raises:
            OutputError: if a state cannot be read.
        """
        merged: dict[tuple[str, str], Any] = {}
        for states in self.states():
            for key, state in _flat(states):
                one = own.get(key[0], reductions).get(key[1])
                if one is not None:
                    merged[key] = one.merge(merged[key], state) if key in merged else state
        # In the order of execution, as far as the work has told it.
        found: dict[str, dict[str, Any]] = {path: {} for path in self.constants.get("kinds", ())}
        for (of, name), state in merged.items():
            found.setdefault(of, {})[name] = own.get(of, reductions)[name].result(state)
        return {of: told for of, told in found.items() if told}

    def tables(self) -> list[Table]:
        """Return what it holds as a table."""
        lazy = [self._array(path) for path in self.paths]
        done = len(self.done)
        state = "complete" if self.complete else f"{done} of {self._head.shards} shards done"
        images = f"{len(self)} image{'s' * (len(self) != 1)}"
        headers = ("array", "shape", "type", "MB") if lazy else ()
        return [
            Table(
                f"{self.verb} over {images}, {state}",
                headers,
                [
                    (
                        each.path,
                        " × ".join(map(str, each.shape)),
                        each.dtype,
                        f"{each.nbytes / 1e6:.1f}",
                    )
                    for each in lazy
                ],
            )
        ]

    def text(self) -> str:
        """Return the table as text."""
        return "\n\n".join(text(table) for table in self.tables())

    def __repr__(self) -> str:
        return self.text()


def _flat(states: States) -> Iterator[tuple[tuple[str, str], Mapping[str, Array]]]:
    for of, reductions in states.items():
        for name, state in reductions.items():
            yield (of, name), state


def _picked(columns: Mapping[str, list[Any]], places: Sequence[int]) -> dict[str, list[Any]]:
    return {name: [column[place] for place in places] for name, column in columns.items()}
