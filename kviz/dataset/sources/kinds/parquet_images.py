"""Parquet files that hold images themselves, as bytes or as Hugging Face's {bytes, path}."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from kviz._checks import sanitise
from kviz.dataset.sources.archives import Archives, fingerprint_of, names_of
from kviz.dataset.sources.arrow import arrow, class_names, parquet_schema
from kviz.dataset.sources.columns import IMAGES, LABELS, chosen
from kviz.dataset.sources.source import Columns, Item, files_of, unreadable, validate_some
from kviz.dataset.sources.texts import Label, label_of
from kviz.errors import ImageError, KvizError, OptionError

# Images that are held at once, besides those that a model is given.
_BATCH = 32


@dataclass(frozen=True, eq=False)
class ParquetImages(Archives):
    """Images in a column of Parquet files; a row group is read where a row of it is.

    Attributes:
        image: the column of images.
        label: the column of labels.
    """

    image: str
    label: str | None

    kind: ClassVar[str] = "Parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)
    takes: ClassVar[tuple[str, ...]] = ("image", "label")

    @classmethod
    def matches(cls, given: Any, columns: Columns) -> bool:
        """Return whether it is a Parquet file with a column of images, and nobody asked for paths."""
        if not super().matches(given, columns) or columns.path is not None:
            return False
        if columns.image is not None:
            return True
        try:
            return bool(_image_columns(parquet_schema(files_of(given)[0])))
        except KvizError:
            return False  # a table, which says what is wrong with it

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:
        """Return the images of a Parquet file, or of several by a glob."""
        files = tuple(files_of(given))
        schema = parquet_schema(files[0])
        what = sanitise(files[0], 80)
        known = _image_columns(schema)
        image = columns.image
        if image is None or image not in schema.names:
            usual = (*IMAGES, *(name.casefold() for name in known))
            names = known if image is None else schema.names
            image = str(chosen("image_column", image, names, usual, what, "column of images"))
        if image not in known:
            raise OptionError(
                f"Column {sanitise(image, 40)!r} of {what} holds "
                f"{sanitise(schema.field(image).type, 40)}, no images."
            )
        others = [name for name in schema.names if name != image]
        label = chosen("label_column", columns.label, others, LABELS, what, "column of labels")
        taken = [name for name in (image, label) if name is not None]
        counts = []
        for file in files:
            own = parquet_schema(file)
            if any(name not in own.names or own.field(name).type != schema.field(name).type
                   for name in taken):  # fmt: skip
                raise ImageError(
                    f"{sanitise(file, 80)} has not the columns of {what}: {sanitise(taken, 80)}"
                )
            counts.append(arrow("parquet").read_metadata(file).num_rows)
        validate_some(sum(counts), what)
        return cls(
            fingerprint_of(cls.kind, files, image, label), class_names(schema, label), files,
            np.cumsum(counts, dtype=np.int64), image, label,
        )  # fmt: skip

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Give the images from one place up to another, in order."""
        names = names_of(self.files)
        for part in self.parts(start, stop):
            file = self.files[part.file]
            try:
                for place, row in enumerate(self._rows(file, part.start, part.stop), part.start):
                    yield self._item(row, f"{names[part.file]}[{place}]", file.parent)
            except arrow("lib").ArrowException as error:
                raise unreadable(file, error) from error

    def _rows(self, file: Path, start: int, stop: int) -> Iterator[dict[str, Any]]:
        columns = [name for name in (self.image, self.label) if name is not None]
        with arrow("parquet").ParquetFile(file) as opened:
            groups: list[int] = []
            first = skipped = 0
            for group in range(opened.num_row_groups):
                end = first + opened.metadata.row_group(group).num_rows
                if first < stop and end > start:
                    skipped = skipped if groups else start - first
                    groups.append(group)
                first = end
            left = stop - start
            for batch in opened.iter_batches(_BATCH, row_groups=groups, columns=columns):
                rows = batch.slice(skipped, left)
                skipped -= min(skipped, batch.num_rows)
                left -= rows.num_rows
                yield from rows.to_pylist()
                if not left:
                    return
        raise ImageError(f"{sanitise(file, 120)} has fewer rows than it had.")

    def _item(self, row: dict[str, Any], name: str, folder: Path) -> Item:
        image = row[self.image]
        data: Path | bytes | ImageError
        if isinstance(image, dict):
            path = image.get("path")
            name = sanitise(path, 300) if path else name
            image = image.get("bytes")
            if image is None and path:
                return self._labelled(row, name, folder / path)
        data = ImageError(f"{name} is empty.") if image is None else image
        return self._labelled(row, name, data)

    def _labelled(self, row: dict[str, Any], name: str, data: Path | bytes | ImageError) -> Item:
        label: Label = None
        try:
            label = label_of(row[self.label] if self.label else None, f"Labels of {name}")
        except ImageError as error:
            data = error
        is_none = label == -1 and self.label_names is not None  # as Hugging Face writes it
        return Item(name, None if is_none else label, data)


def _image_columns(schema: Any) -> list[str]:
    """Return the columns that can hold images: bytes, or a struct with bytes."""
    types = arrow("types")

    def is_bytes(kind: Any) -> bool:
        return bool(
            types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
        )

    return [
        field.name
        for field in schema
        if is_bytes(field.type)
        or (
            types.is_struct(field.type)
            and field.type.get_field_index("bytes") >= 0
            and is_bytes(field.type.field("bytes").type)
        )
    ]
