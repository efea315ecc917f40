"""A folder of photos: its subfolders are labels, in the order that Keras has them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from kviz._checks import sanitise
from kviz.dataset.sources.files import Files
from kviz.dataset.sources.source import Columns
from kviz.dataset.sources.texts import PackedLabels, Texts
from kviz.errors import ImageError
from kviz.formats.paths import SUFFIXES


class Folder(Files):
    """A folder: the photos in it, sorted, then those of each subfolder, which is their label.

    Photos deeper down have the label of the subfolder of the folder itself. Hidden files and those that
    are no photos by their names are left out, and so are links to folders below the subfolders.
    """

    kind: ClassVar[str] = "folder"

    @classmethod
    def matches(cls, given: Any, columns: Columns) -> bool:  # noqa: ARG003
        """Return whether it is a folder."""
        return isinstance(given, str | Path) and bool(str(given)) and Path(given).is_dir()

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:  # noqa: ARG003 - a folder has none
        """Return a folder's photos."""
        folder = Path(given)
        with os.scandir(folder) as entries:
            names = sorted(
                one.name
                for one in entries
                # A store of results may lie among the photos, and is no class of them.
                if one.is_dir()
                and one.name[0] != "."
                and not (folder / one / "store.json").exists()
            )
        texts = Texts.of(_photos(folder))
        if not len(texts):
            raise ImageError(
                f"The folder {sanitise(folder, 120)} holds no image. "
                f"Expected files ending in {', '.join(SUFFIXES)}."
            )
        codes = np.full(len(texts), -1, np.int32)
        places = {os.fsencode(name): place for place, name in enumerate(names)}
        for place, path in enumerate(texts):
            codes[place] = places.get(path.partition(b"/")[0], -1) if b"/" in path else -1
        if (codes < 0).all():
            return cls.listed(folder, texts)
        known = tuple(os.fsencode(name).decode("utf-8", "backslashreplace") for name in names)
        return cls.listed(folder, texts, PackedLabels(codes, known), known)


def _photos(folder: Path) -> Iterator[str]:
    """Give photos by their paths relative to the folder, with slashes, in the order that Keras has."""
    files, folders = _inside(folder, linked=True)
    yield from files
    for name in folders:
        # Keras sorts all folders below a class by their paths, and then the files of each.
        yield from (
            f"{below}/{file}"
            for below in sorted(_below(folder, name))
            for file in _inside(folder / below, linked=False)[0]
        )


def _below(folder: Path, name: str) -> Iterator[str]:
    """Give a subfolder and all below it, by their paths."""
    waiting = [name]
    while waiting:
        below = waiting.pop()
        yield below
        waiting += [f"{below}/{one}" for one in _inside(folder / below, linked=False)[1]]


def _inside(folder: Path, *, linked: bool) -> tuple[list[str], list[str]]:
    """Return the photos and the folders right in a folder, sorted, without what is hidden."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=linked):
                folders.append(entry.name)
            elif entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
                files.append(entry.name)
    return sorted(files), sorted(folders)
