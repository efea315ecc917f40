"""A model's path: whether a file is there that can be read, and what else is there.

Without Keras, so that a missing file is said before that is imported.
"""

from __future__ import annotations

import itertools
import stat
from pathlib import Path

from kviz._checks import sanitise
from kviz.errors import ModelError
from kviz.network import formats
from kviz.network.refusals import saw

# Of a folder or a zip file, as many names are looked at.
MEMBERS = 1_000


def size_of(path: Path) -> int:
    """Return how many bytes a model's file has.

    Args:
        path: the file.

    Raises:
        ModelError: if there is none, or what is there is no file that can be read.
    """
    name = sanitise(path, 120)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ModelError(f"There is no file {name}.{_beside(path)}") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{name} cannot be read: {sanitise(reason)}.") from error
    if stat.S_ISDIR(status.st_mode):
        refuse_other(formats.of_folder(path, _files_in(path)), path)
        raise ModelError(f"{name} is a folder. Expected a .keras file.")
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{name} is not a regular file.")
    if status.st_size == 0:
        raise ModelError(f"{name} is empty. Expected a .keras file.")
    return status.st_size


def refuse_other(found: formats.Format | None, path: Path) -> None:
    """Refuse what is no model's file of Keras's, if anything was found.

    Args:
        found: what it is.
        path: the file or folder.

    Raises:
        ModelError: if it is something.
    """
    if found is not None:
        raise ModelError(told(found, path))


def told(found: formats.Format, path: Path) -> str:
    """Return what is said of a file that is something else, and tell who asks what it is."""
    saw(format=found.what)
    return found.of(path)


def _files_in(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in itertools.islice(folder.iterdir(), MEMBERS)]
    except OSError:
        return []


def _beside(path: Path) -> str:
    try:
        models = sorted(file.name for file in path.parent.glob("*.keras"))
    except OSError:
        models = []
    return (
        f" Beside it there is {', '.join(sanitise(m, 40) for m in models[:3])}." if models else ""
    )
