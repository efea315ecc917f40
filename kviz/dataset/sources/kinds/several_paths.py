"""Files that were named one by one, in Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Self

from kviz.dataset.sources.files import Files
from kviz.dataset.sources.source import Columns


class SeveralPaths(Files):
    """A list of paths of photos."""

    kind: ClassVar[str] = "list of paths"

    @classmethod
    def matches(cls, given: Any, columns: Columns) -> bool:  # noqa: ARG003
        """Return whether it is a list of paths."""
        several = isinstance(given, list | tuple) and len(given) > 0
        return several and all(isinstance(one, str | os.PathLike) for one in given)

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:  # noqa: ARG003 - a list has none
        """Return the files."""
        return cls.listed(Path(), (os.fspath(one) for one in given))
