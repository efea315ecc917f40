"""Photos that a pattern such as `photos/**/*.jpg` matches, sorted."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any, ClassVar, Self

from kviz._checks import sanitise
from kviz.dataset.sources.files import Files
from kviz.dataset.sources.source import Columns
from kviz.errors import ImageError
from kviz.formats.paths import SUFFIXES


class Glob(Files):
    """A glob, or a photo alone. Where the pattern names no suffix, only photos are taken."""

    kind: ClassVar[str] = "glob"
    rank: ClassVar[int] = 2

    @classmethod
    def matches(cls, given: Any, columns: Columns) -> bool:  # noqa: ARG003
        """Return whether it is a pattern, or a photo."""
        if not isinstance(given, str | Path) or not str(given):
            return False
        path = Path(given)
        if path.exists():
            return path.is_file() and path.suffix.lower() in SUFFIXES
        return glob.has_magic(str(given))

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:  # noqa: ARG003 - a glob has none
        """Return the files that the pattern matches; names are relative to its part without stars."""
        path = Path(given)
        if path.exists():
            return cls.listed(path.parent, [path.name])
        fixed = []
        for part in path.parts[:-1]:
            if glob.has_magic(part):
                break
            fixed.append(part)
        folder = Path(*fixed)
        below = str(Path(*path.parts[len(fixed) :]))
        has_suffix = bool(path.suffix)
        found = sorted(
            one
            for one in glob.iglob(below, root_dir=folder, recursive=True)  # noqa: PTH207
            if (has_suffix or one.lower().endswith(SUFFIXES)) and not (folder / one).is_dir()
        )
        if not found:
            raise ImageError(f"No file matches {sanitise(given, 120)}.")
        return cls.listed(folder, (one.replace(os.sep, "/") for one in found))
