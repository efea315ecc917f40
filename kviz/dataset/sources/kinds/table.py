"""A table with a column of paths, and one of labels where there is one: CSV and Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz.dataset.sources.arrow import arrow, class_names, parquet_schema
from kviz.dataset.sources.columns import LABELS, PATHS, chosen
from kviz.dataset.sources.files import Files
from kviz.dataset.sources.source import Columns, files_of, unreadable, validate_some
from kviz.dataset.sources.texts import LabelPacker, Texts
from kviz.errors import OptionError


class Table(Files):
    """The files that a table lists, relative to its own folder."""

    kind: ClassVar[str] = "table"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".parquet")
    takes: ClassVar[tuple[str, ...]] = ("path", "label")
    rank: ClassVar[int] = 1

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:
        """Return the files that a table, or several by a glob, list."""
        files = files_of(given)
        folder = Path(os.path.commonpath([file.parent for file in files]))
        name = sanitise(given, 120)
        labels = LabelPacker(f"Labels of {name}")
        first = _reader(files[0], columns)
        texts = Texts.of(path for file in files for path in _paths(file, folder, columns, labels))
        validate_some(len(texts), f"The table {name}")
        return cls.listed(folder, texts, labels.packed(), first.label_names)


class _Reader(NamedTuple):
    """How a table is read: batches of columns, which of them, and the classes if it names them."""

    batches: Iterator[Any]
    path: str
    label: str | None
    label_names: tuple[str, ...] | None


def _paths(
    file: Path, folder: Path, columns: Columns, labels: LabelPacker
) -> Iterator[str | bytes]:
    """Give a table's paths from the folder on, and take in their labels."""
    prefix = os.path.relpath(file.parent, folder)
    prefix = "" if prefix == "." else prefix.replace(os.sep, "/") + "/"
    reader = _reader(file, columns)
    is_coded = reader.label_names is not None
    try:
        for batch in reader.batches:
            for cell in batch.column(reader.path).to_pylist():
                # What is no path is found where it is read.
                text = (
                    os.fsdecode(cell or b"") if isinstance(cell, str | bytes | None) else str(cell)
                )
                yield text if text.startswith("/") else prefix + text
            for label in batch.column(reader.label).to_pylist() if reader.label else ():
                # Hugging Face's word for no label.
                labels.append(None if is_coded and label == -1 else label)
            for _ in range(0 if reader.label else batch.num_rows):
                labels.append(None)
    except (arrow("lib").ArrowException, OSError) as error:
        raise unreadable(file, error) from error


def _reader(file: Path, columns: Columns) -> _Reader:
    try:
        return (_parquet if file.suffix.lower() == ".parquet" else _csv)(file, columns)
    except (arrow("lib").ArrowException, OSError) as error:
        raise unreadable(file, error) from error


def _chosen(file: Path, known: list[str], columns: Columns) -> tuple[str, str | None]:
    what = sanitise(file, 80)
    path = chosen("path_column", columns.path, known, PATHS, what, "column of paths")
    others = [name for name in known if name != path]
    label = chosen("label_column", columns.label, others, LABELS, what, "column of labels")
    for name in filter(None, (path, label)):
        if known.count(name) > 1:
            raise OptionError(f"{what} has several columns {sanitise(name, 40)!r}.")
    return str(path), label


def _csv(file: Path, columns: Columns) -> _Reader:
    csv, lib = arrow("csv"), arrow("lib")
    parse = csv.ParseOptions(
        delimiter="\t" if file.suffix.lower() == ".tsv" else ",", newlines_in_values=True
    )
    with csv.open_csv(file, parse_options=parse) as opened:
        known = opened.schema.names
    path, label = _chosen(file, known, columns)
    taken = [name for name in (path, label) if name is not None]
    # As bytes: a name need not be Unicode, and 007 is no 7 before all labels are known to be numbers.
    how = csv.ConvertOptions(include_columns=taken, column_types=dict.fromkeys(taken, lib.binary()))
    return _Reader(
        iter(csv.open_csv(file, parse_options=parse, convert_options=how)), path, label, None
    )


def _parquet(file: Path, columns: Columns) -> _Reader:
    schema = parquet_schema(file)
    path, label = _chosen(file, schema.names, columns)
    types = arrow("types")
    kind = schema.field(path).type
    kind = kind.value_type if types.is_dictionary(kind) else kind
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        raise OptionError(
            f"Column {sanitise(path, 40)!r} of {sanitise(file, 80)} holds {sanitise(kind, 40)}, no "
            f"paths. Give {spelled('path_column')}, or {spelled('image_column')} for images."
        )
    taken = [name for name in (path, label) if name is not None]
    batches = arrow("parquet").ParquetFile(file).iter_batches(columns=taken)
    return _Reader(batches, path, label, class_names(schema, label))
