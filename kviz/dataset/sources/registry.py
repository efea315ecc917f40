"""Which kind of source something is: the files of `kinds` hold one each."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from kviz._caller import spelled
from kviz._checks import sanitise, shown
from kviz.dataset.sources import kinds
from kviz.dataset.sources.source import Columns, Source, unreadable
from kviz.errors import ImageError, OptionError


def as_source(
    given: Any,
    *,
    path_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Source:
    """Return a data set as a source: an ordered list of images with labels.

    Args:
        given: a folder (its subfolders are labels), a glob such as `"photos/**/*.jpg"`, a list of files
            (`.txt`, `.lst`: a path a line, and a label behind a tab), a table (`.csv`, `.parquet`) of
            paths or of images, `.tfrecord`, `.tar` of WebDataset, `.npy`, `.npz`, or globs of these; an
            array `(N, H, W, channels)`, `(array, labels)`, or a `tf.data.Dataset`.
        path_column: the column of a table that holds paths, by default one of a usual name.
        image_column: the column, key, member or array that holds images, like it.
        label_column: the one that holds labels, by default one of a usual name.

    Raises:
        ImageError: if it is not there, cannot be read, or holds no image.
        OptionError: if it is no data set, or has not the columns that were asked for.

    >>> source = as_source("notebooks/images")
    >>> source.kind, next(source.items(0, 1)).name
    ('folder', 'cat.png')
    """
    if isinstance(given, Source):
        return given
    if isinstance(given, os.PathLike):
        given = Path(given)
    columns = Columns(path_column, image_column, label_column)
    for name, column in columns._asdict().items():
        if column is not None and not (isinstance(column, str) and column):
            option = spelled(f"{name}_column")
            raise OptionError(f"{option} takes a name. Received: {shown(column)}")
    try:
        kind = next((kind for kind in _kinds() if kind.matches(given, columns)), None)
    except OSError as error:  # of a name that is too long, or a folder that may not be seen
        raise unreadable(given, error) from error
    if kind is None:
        raise _unknown(given)
    for name, column in columns._asdict().items():
        if column is not None and name not in kind.takes:
            raise OptionError(
                f"A {kind.kind} has no columns of that kind: {spelled(f'{name}_column')} is for tables "
                f"and records. Received: {shown(column)}"
            )
    try:
        return kind.of(given, columns)
    except OSError as error:
        raise unreadable(given, error) from error


def suffixes() -> tuple[str, ...]:
    """Return the endings by which files are known.

    >>> ".parquet" in suffixes()
    True
    """
    return tuple(suffix for kind in _kinds() for suffix in kind.suffixes)


@cache
def _kinds() -> list[type[Source]]:
    """Return the kinds of sources, by their rank."""
    return sorted(_found(), key=lambda kind: kind.rank)


def _found() -> Iterator[type[Source]]:
    for module in sorted(found.name for found in pkgutil.iter_modules(kinds.__path__)):
        for value in vars(import_module(f"{kinds.__name__}.{module}")).values():
            if isinstance(value, type) and issubclass(value, Source) and value.kind:
                yield value


def _unknown(given: Any) -> ImageError | OptionError:
    known = "a folder, a glob, " + ", ".join(
        dict.fromkeys(kind.suffixes[0] for kind in _kinds() if kind.suffixes)
    )
    if isinstance(given, str | Path):
        path = Path(given)
        name = sanitise(given, 100)
        if not str(given):
            return ImageError("Expected a data set. Received an empty name.")
        if not path.exists():
            return ImageError(f"There is no file or folder {name}.")
        return ImageError(f"{name} is no data set. Expected {known}.")
    return OptionError(
        f"Expected a data set: {known}, an array or a tf.data.Dataset. "
        f"Received: {sanitise(type(given).__name__)}"
    )
