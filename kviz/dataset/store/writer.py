"""ShardWriter: the rows of one work unit on their way to a store."""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.dataset.store import zarr_arrays
from kviz.dataset.store.extra import store_package
from kviz.dataset.store.head import Head
from kviz.dataset.store.places import Places, put, sync_folder, writing
from kviz.dataset.store.states import States, write_states
from kviz.results.result import json_plain

# Bytes that are being compressed and written while the next ones are computed.
_PENDING = 128_000_000


class _Pending:
    """Writes that have begun: no more than have room."""

    def __init__(self) -> None:
        self._writes: deque[tuple[Any, int]] = deque()
        self._bytes = 0

    def add(self, write: Any, size: int) -> None:
        self._writes.append((write, size))
        self._bytes += size
        while self._bytes > _PENDING:
            self._end_one()

    def end(self) -> None:
        while self._writes:
            self._end_one()

    def _end_one(self) -> None:
        write, size = self._writes.popleft()
        self._bytes -= size
        write.result()

    def give_up(self) -> None:
        """Wait for all, whatever became of them: behind this another may write the same files."""
        while self._writes:
            self._writes.popleft()[0].exception()


class _Stream:
    """One array's rows: collected until they fill a Zarr shard, and then written at once."""

    def __init__(self, array: Any, start: int, stop: int, pending: _Pending) -> None:
        self._array = array
        self._rows = array.chunk_layout.write_chunk.shape[0]
        self._dtype = array.dtype.numpy_dtype
        self._start, self._at, self._stop = start, start, stop
        self._pending = pending
        self._buffer: Array | None = None

    def check(self, values: Array | None) -> None:
        """Raise a ValueError unless rows are of the shape and kind of those before."""
        if values is None:
            return
        alike = np.can_cast(values.dtype, self._dtype, "same_kind") or values.dtype.kind == "V"
        if not alike or values.shape[1:] != self._array.shape[1:]:
            raise ValueError(
                f"Expected rows {self._array.shape[1:]} of {self._dtype}, not {values.shape[1:]} of "
                f"{values.dtype}."
            )

    def add(self, values: Array | None, count: int) -> None:
        """Take so many rows; None for rows that have no answer."""
        taken = 0
        while taken < count:
            end = min(self._start + self._rows, self._stop)
            more = min(end - self._at, count - taken)
            self._put(None if values is None else values[taken : taken + more], more, end)
            self._at += more
            taken += more
            if self._at == end:
                self._flush()

    def _put(self, values: Array | None, count: int, end: int) -> None:
        first, fill = self._at - self._start, zarr_arrays.fill_of(self._dtype)
        if self._buffer is None:
            if values is None:
                return
            self._buffer = np.empty((end - self._start, *self._array.shape[1:]), self._dtype)
            self._buffer[:first] = fill
        with np.errstate(over="ignore"):  # of half precision
            self._buffer[first : first + count] = fill if values is None else values

    def _flush(self) -> None:
        # Rows of the fill value alone are not written: that is what a reader finds where nothing is.
        if self._buffer is not None:
            place = self._array[self._start : self._at]
            write = place.write(self._buffer, can_reference_source_data_indefinitely=True)
            self._pending.add(write, self._buffer.nbytes)
        self._start, self._buffer = self._at, None


class ShardWriter:
    """Writes a shard: chunk after chunk, then its states, then that it is done.

    Args:
        places: the store's files.
        head: what it holds.
        shard: the shard's number.
    """

    def __init__(self, places: Places, head: Head, shard: int) -> None:
        self.shard = shard
        self.start, self.stop = head.span(shard)
        self._places, self._head = places, head
        self._next = self.start
        self._pending = _Pending()
        self._streams: dict[str, _Stream] = {}
        self._columns: dict[str, list[Any]] = {name: [] for name in head.columns}
        self._states: States = {}

    def write(
        self,
        start: int,
        arrays: Mapping[str, Array],
        columns: Mapping[str, Sequence[Any] | Array],
    ) -> None:
        """Write the next rows; what fills a file of an array is on its way when this returns.

        Args:
            start: the first row's number in the source, the one behind those written before.
            arrays: by path, `(rows, …)`; the same paths and shapes in every call, or none at all where
                no row has an answer. A row of NaN, or of 0 in whole numbers, is a row without answer.
            columns: the index's, `(rows,)` each; those that are not given stay empty.

        Raises:
            OutputError: if the store cannot be written.
            ValueError: if rows are missing, or not as those before.
        """
        count = self._checked(start, arrays, columns)
        with writing(self._places.root):
            if arrays and not self._streams:
                self._open(arrays)
            for path, stream in self._streams.items():
                stream.check(arrays.get(path))
            for path, stream in self._streams.items():
                stream.add(arrays.get(path), count)
        for name, values in self._columns.items():
            values.extend(columns[name] if name in columns else [None] * count)
        self._next += count

    def _checked(
        self, start: int, arrays: Mapping[str, Array], columns: Mapping[str, Sequence[Any] | Array]
    ) -> int:
        lengths = {len(values) for values in (*arrays.values(), *columns.values())}
        if start != self._next or len(lengths) != 1 or start + max(lengths) > self.stop:
            raise ValueError(f"Expected rows from {self._next}, at most to {self.stop}.")
        unknown = columns.keys() - self._columns.keys()
        others = arrays.keys() ^ self._streams.keys() if arrays and self._streams else set()
        if unknown or others:
            raise ValueError(f"Expected the columns and arrays of before, not {unknown | others}.")
        return lengths.pop()

    def _open(self, arrays: Mapping[str, Array]) -> None:
        for place, (path, values) in enumerate(arrays.items()):
            dtype = self._head.packing.kept(values.dtype)
            row = dtype.itemsize * int(np.prod(values.shape[1:], dtype=np.int64))
            array = zarr_arrays.create(
                self._places.array(path),
                (self._head.count, *values.shape[1:]),
                dtype,
                zarr_arrays.rows_a_file(self._head.shard_size, row, len(arrays)),
                self._head.packing,
                {"path": path, "place": place},
            )
            self._streams[path] = _Stream(array, self.start, self.stop, self._pending)
            self._streams[path].add(None, self._next - self.start)
        sync_folder(self._places.arrays)

    def statistics(self, states: States) -> None:
        """Keep the shard's states of reductions, which `commit` writes.

        Args:
            states: arrays by what they are of, such as a layer, their reduction's name, and their own.
        """
        self._states = states

    def commit(self, **facts: Any) -> None:
        """Write what is left, and last that the shard is done.

        Args:
            **facts: what the marker says besides: counts, such as of bad images, and lists of texts.

        Raises:
            OutputError: if the store cannot be written.
            ValueError: if rows are missing.
        """
        if self._next != self.stop:
            raise ValueError(f"Expected rows up to {self.stop}, and {self._next} is next.")
        with writing(self._places.root):
            self._pending.end()
            put(self._places.part("index", self.shard, "parquet"), self._index())
            if self._states:
                put(self._places.part("statistics", self.shard, "npz"), write_states(self._states))
            marker = {"shard": self.shard, "rows": self.stop - self.start, **json_plain(facts)}
            text = json.dumps(marker) + "\n"
            put(self._places.part("done", self.shard, "json"), text.encode())

    def _index(self) -> bytes:
        parquet = store_package("pyarrow.parquet")
        pyarrow = store_package("pyarrow")
        schema = index_schema(self._head.columns)
        values = {**self._columns, "row": range(self.start, self.stop)}
        columns = [pyarrow.array(values[field.name], field.type) for field in schema]
        file = io.BytesIO()
        parquet.write_table(pyarrow.Table.from_arrays(columns, schema=schema), file)
        return file.getvalue()

    def give_up(self) -> None:
        """Wait until nothing more is being written."""
        self._pending.give_up()


def index_schema(columns: Mapping[str, str]) -> Any:
    """Return a `pyarrow.Schema` of an index: the row's number, then columns by their types' names.

    Args:
        columns: types by column, such as `"string"`, `"int32"`, `"list<float>"`.

    Raises:
        ValueError: if there is no such type.
    """
    pyarrow = store_package("pyarrow")

    def kind(name: str) -> Any:
        if name.startswith("list<") and name.endswith(">"):
            return pyarrow.list_(kind(name[5:-1]))
        return pyarrow.type_for_alias(name)

    return pyarrow.schema([(name, kind(one)) for name, one in {"row": "int64", **columns}.items()])
