"""Where the things of a store lie, and how a file of it is written: whole, and safe from a kill.

A file is made under a hidden name beside its place, which depends on its place alone: whoever does the
work of one that was killed writes over what that left. Readers of folders (pyarrow, pandas) skip names
that begin with a dot.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kviz._checks import sanitise
from kviz.errors import OutputError
from kviz.files import reason, slug

# Of so many shards the files share a folder: no listing is of a million.
_A_FOLDER = 1000
# As TensorStore writes it, and as it did until 0.1.7x.
_OS_ERROR = re.compile(r"\[(?:os_error_code='|OS error )(\d+)")


@dataclass(frozen=True)
class Places:
    """A store's files.

    Attributes:
        root: the store's folder.

    >>> Places(Path("maps")).part("index", 12_345, "parquet").as_posix()
    'maps/index/012/00012345.parquet'
    """

    root: Path

    @property
    def head(self) -> Path:
        """What the store holds, written first."""
        return self.root / "store.json"

    @property
    def complete(self) -> Path:
        """The last file of all."""
        return self.root / "complete.json"

    @property
    def constants(self) -> Path:
        """What is the same for all rows."""
        return self.root / "constants.json"

    @property
    def log(self) -> Path:
        """Times and hosts."""
        return self.root / "log.jsonl"

    @property
    def locks(self) -> Path:
        """The folder of locks, there until the store is complete."""
        return self.root / "locks"

    @property
    def arrays(self) -> Path:
        """The folder of arrays."""
        return self.root / "arrays"

    @property
    def first(self) -> Path:
        """The store of a first pass, where statistics needed one."""
        return self.root / "first"

    def lock(self, name: str) -> Path:
        """A lock, of a shard by its number or of what is done once."""
        return self.locks / f"{name}.lock"

    def array(self, path: str) -> Path:
        """The folder of a layer's array."""
        return self.arrays / slug(path)

    def part(self, what: str, shard: int, ending: str) -> Path:
        """A shard's file of `index`, `statistics` or `done`."""
        return self.root / what / f"{shard // _A_FOLDER:03}" / f"{shard:08}.{ending}"

    def own(self) -> list[Path]:
        """Return what is there of a store, less its locks."""
        folders = [self.root / what for what in ("index", "statistics", "done")]
        files = [self.head, self.complete, self.constants, self.log]
        return [each for each in (*folders, self.arrays, self.first, *files) if each.exists()]

    def shards(self, what: str) -> set[int]:
        """Return the shards that have a file of that kind."""
        numbers: set[int] = set()
        with suppress(FileNotFoundError), os.scandir(self.root / what) as folders:
            for folder in folders:
                with suppress(NotADirectoryError), os.scandir(folder) as files:
                    stems = (file.name.partition(".")[0] for file in files)
                    numbers.update(int(stem) for stem in stems if stem.isdecimal())
        return numbers


def put(path: Path, data: bytes) -> None:
    """Write a file whole: under a name beside it, to the disk itself, and then in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.part")
    with made.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
    sync_folder(path.parent)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a file holds.

    Raises:
        ValueError: if it holds none.
    """
    try:
        return json_object(json.loads(path.read_bytes()))
    except RecursionError as error:
        raise ValueError("too deep") from error


def json_object(value: Any) -> dict[str, Any]:
    """Return a value that is an object in JSON, and raise a ValueError of another."""
    if not isinstance(value, dict):
        raise ValueError(f"Expected an object. Received: {type(value).__name__}")
    return value


def sync_folder(folder: Path) -> None:
    """Let the disk itself know of the files in a folder, where a system can."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn what the disk, TensorStore and pyarrow complain of into one sentence.

    Raises:
        OutputError: in their place.
    """
    with _plainly(f"Cannot write {sanitise(root, 120)}"):
        yield


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the disk, TensorStore and pyarrow complain of into one sentence.

    Raises:
        OutputError: in their place.
    """
    try:
        with _plainly(f"Cannot read {sanitise(path, 120)}"):
            yield
    except ValueError as error:
        raise OutputError(f"Cannot read {sanitise(path, 120)}: it is broken.") from error


@contextmanager
def _plainly(said: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{said}: {reason(error)}.") from error
    except ValueError as error:
        # TensorStore has no errors of its own.
        found = _OS_ERROR.search(str(error))
        if found is None:
            raise
        why = reason(OSError(int(found[1]), os.strerror(int(found[1]))))
        raise OutputError(f"{said}: {why}.") from error
