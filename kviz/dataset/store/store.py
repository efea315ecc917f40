"""Store: a folder of results that grows shard by shard, outlives kills, and is shared by processes.

    store.json                   what it holds, written first: what a resume is checked against
    index/000/00000012.parquet   a shard's rows: image, label, error, and the verb's own columns
    arrays/conv1/                a Zarr array per layer or map, row i being row i of the source
    statistics/000/00000012.npz  a shard's states of reductions
    done/000/00000012.json       the marker of a finished shard, its last file
    constants.json               what is the same for all rows, such as the layers' kinds
    complete.json                the last file of all
    log.jsonl                    times and hosts: all that differs between two runs of the same
    first/                       a store of its own, where statistics ask for a first pass
    locks/                       who is at which shard, until all are done

A claim of a shard is an exclusive lock of the operating system's, which ends with its process. Who gets
it looks for the marker once more, and removes what a killed process left of that shard: no file of two
shards is one, so that nobody else writes there.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz.dataset.store import zarr_arrays
from kviz.dataset.store.extra import store_package, validate_store_packages
from kviz.dataset.store.head import Head, read_head
from kviz.dataset.store.marker import sums
from kviz.dataset.store.places import Places, put, writing
from kviz.dataset.store.writer import ShardWriter
from kviz.dataset.store.zarr_arrays import Packing
from kviz.errors import OutputError
from kviz.files import plain_path
from kviz.results.result import json_plain


@dataclass(frozen=True)
class Store:
    """A folder of results to write to; it pickles, and holds nothing open.

    Attributes:
        places: its files.
        head: what it holds.
    """

    places: Places
    head: Head

    @classmethod
    def begin(
        cls,
        path: str | Path,
        plan: Mapping[str, Any],
        *,
        count: int,
        shard_size: int,
        columns: Mapping[str, str],
        packing: Packing | None = None,
        resume: bool = False,
        shared: bool = False,
    ) -> Store:
        """Make a store, or go on with one that holds the same.

        Args:
            path: its folder, which need not be there, or is empty.
            plan: what makes it, as JSON can hold it, without times and places.
            count: images of the source.
            shard_size: images of a shard.
            columns: the index's, their types as pyarrow names them.
            packing: how arrays are kept; by default as they are, packed by lz4.
            resume: go on with the store that is there, if one is.
            shared: the same, for one of several processes that do a part each.

        Returns:
            A store.

        Raises:
            OutputError: if there is a store already and none of both was asked for, it holds something
                else, other things are in the folder, or it cannot be written.
            OptionError: if a package is missing.
        """
        head = Head(plan, count, shard_size, columns, packing or Packing())
        validate_store_packages()
        places = Places(plain_path(path))
        store = cls(places, head)
        with writing(places.root):
            there = read_head(places)
            if there is None:
                _check_free(places)
                with store._lock("begin", blocking=True):
                    there = read_head(places)
                    if there is None:
                        put(places.head, head.to_json())
                        return store
        if not resume and not shared:
            root = sanitise(places.root, 120)
            if places.complete.exists():
                raise OutputError(
                    f"{root} holds a complete store. Choose another folder, or remove it first."
                )
            raise OutputError(
                f"{root} holds a store, {len(store.done())} of its {there.shards} shards done: "
                f"{spelled('resume', 'True')} goes on with it."
            )
        there.check_same(head, places.root)
        return store

    @classmethod
    def at(cls, path: str | Path) -> Store:
        """Return a store that is there, to write to.

        Raises:
            OutputError: if there is none, or it cannot be read.
        """
        places = Places(plain_path(path))
        head = read_head(places)
        if head is None:
            raise _gone(places)
        return cls(places, head)

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return self.head.shards

    def rows_of(self, shard: int) -> tuple[int, int]:
        """Return a shard's first row, and the row behind its last one."""
        return self.head.span(shard)

    def size_of(self, shard: int) -> int:
        """Return how many rows per shard has."""
        start, stop = self.head.span(shard)
        return stop - start

    def constants(self, constants: Mapping[str, Any]) -> None:
        """Keep what is the same for all rows, the first time that it is told.

        Args:
            constants: as JSON can hold them.

        Raises:
            OutputError: if the store cannot be written.
        """
        if self.places.constants.exists():
            return
        text = json.dumps(json_plain(constants), indent=1) + "\n"
        with writing(self.places.root), self._lock("constants", blocking=True):
            if not self.places.constants.exists():
                put(self.places.constants, text.encode())

    def done(self) -> set[int]:
        """Return the shards that are finished."""
        return self.places.shards("done")

    @contextmanager
    def claim(self, shard: int) -> Iterator[ShardWriter | None]:
        """Take a shard for as long as the body runs; one that is not committed then stays undone.

        Args:
            shard: its number, from 0.

        Returns:
            A context manager that gives a `ShardWriter`, or None where the shard is done, or another
            process is at it.

        Raises:
            OutputError: if the store cannot be written.
        """
        if self._is_done(shard):
            yield None
            return
        with self._lock(f"{shard:08}") as held:
            if not held or self._is_done(shard):
                self._end_lock(shard, held)
                yield None
                return
            self._undo(shard)
            writer = ShardWriter(self.places, self.head, shard)
            try:
                yield writer
            finally:
                writer.give_up()
                self._end_lock(shard, self._is_done(shard))

    def _undo(self, shard: int) -> None:
        """Remove what an attempt has left of a shard, its marker first, lest it tells of what is gone.

        There is one where a file server is late to tell what another host has done.
        """
        with writing(self.places.root):
            if not self.places.head.exists():
                raise _gone(self.places)
            for what, ending in (("done", "json"), ("statistics", "npz"), ("index", "parquet")):
                self.places.part(what, shard, ending).unlink(missing_ok=True)
            zarr_arrays.remove_rows(self.places.arrays, *self.head.span(shard))

    def _is_done(self, shard: int) -> bool:
        return self.places.part("done", shard, "json").exists()

    def _end_lock(self, shard: int, done: bool) -> None:
        """Remove the lock of a shard that is done: who locks the file after it sees the marker."""
        if done:
            with suppress(OSError):
                self.places.lock(f"{shard:08}").unlink()
        if self.places.complete.exists():
            shutil.rmtree(self.places.locks, ignore_errors=True)

    @contextmanager
    def _lock(self, name: str, *, blocking: bool = False) -> Iterator[bool]:
        filelock = store_package("filelock")
        lock = filelock.FileLock(self.places.lock(name), timeout=-1 if blocking else 0)
        with writing(self.places.root):
            held = self._is_taken(lock, filelock.Timeout)
        try:
            yield held
        finally:
            if held:
                lock.release()

    def _is_taken(self, lock: Any, timeout: type[Exception]) -> bool:
        """Take a lock, unless somebody else has it."""
        while True:
            self.places.locks.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except timeout:
                return False
            except FileNotFoundError:
                # Who completed the store has just removed the folder.
                continue
            return True

    def finish(self) -> bool:
        """Write that the store is complete, where all shards are done.

        Returns:
            Whether it is complete.

        Raises:
            OutputError: if the store cannot be written.
        """
        if not self.places.complete.exists():
            done = self.done()
            if len(done) < self.shards:
                return False
            with writing(self.places.root), self._lock("complete", blocking=True):
                zarr_arrays.remove_unfinished(self.places.arrays)
                if not self.places.complete.exists():
                    text = json.dumps(sums(self.places, done)) + "\n"
                    put(self.places.complete, text.encode())
        shutil.rmtree(self.places.locks, ignore_errors=True)
        return True

    def abandon(self) -> None:
        """Remove what is there again, where no shard is done, of a first pass either, or being done.

        Who takes a shard meanwhile finds that there is no store: it locks, and then looks for the head;
        here the head goes, and then locks are looked at.
        """
        stores = [self, Store(Places(self.places.first), self.head)]
        if not self.places.root.is_dir() or any(each.done() for each in stores):
            return
        with suppress(OutputError, OSError), self._lock("begin") as held:
            if not held:
                return
            heads = [each.places.head for each in stores if each.places.head.exists()]
            texts = {head: head.read_bytes() for head in heads}
            for head in heads:
                head.unlink()
            if any(each._is_busy() for each in stores):
                for head, text in texts.items():
                    put(head, text)
                return
            for each in self.places.own():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        with suppress(OSError):
            shutil.rmtree(self.places.locks)
            self.places.root.rmdir()  # unless others' files are in it by now

    def _is_busy(self) -> bool:
        """Return whether somebody is at a shard."""
        names = {each.stem for each in self.places.locks.glob("*.lock")} - {"begin"}
        return not all(map(self._is_free, names))

    def _is_free(self, name: str) -> bool:
        with self._lock(name) as held:
            return held

    def log(self, **facts: Any) -> None:
        """Add a line to the log: the time, this host and process, and these facts.

        Raises:
            OutputError: if the store cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {
            "time": now,
            "host": socket.gethostname(),
            "process": os.getpid(),
            **json_plain(facts),
        }
        with writing(self.places.root), self.places.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _gone(places: Places) -> OutputError:
    return OutputError(f"There is no store in {sanitise(places.root, 120)} any more.")


def _check_free(places: Places) -> None:
    """Raise an OutputError where other things are in a store's folder."""
    if not places.root.exists() or places.head.exists():  # by now another process has begun it
        return
    if not places.root.is_dir():
        raise OutputError(
            f"{sanitise(places.root, 120)} is a file, and a store is a folder: choose a new one."
        )
    # Of a run that was killed as it began.
    own = {places.locks.name, f".{places.head.name}.part"}
    others = sorted(each.name for each in places.root.iterdir() if each.name not in own)
    if others:
        raise OutputError(
            f"{sanitise(places.root, 120)} is no store, and there are other things in it, such as "
            f"{sanitise(others[0], 40)}. Choose a new folder, or an empty one."
        )
