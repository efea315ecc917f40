"""`-`: a photo from standard input, as a file that is read like any other."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from kviz._process import GIGABYTE
from kviz.errors import ImageError

# More than any photo; what has no end is not waited for.
_MOST = 2 * GIGABYTE
# What arrays begin with; photos are known by what is in them, whatever they are called.
_ENDINGS = {b"\x93NUMPY": ".npy", b"PK\x03\x04": ".npz"}


def with_standard_input(paths: Sequence[str]) -> list[str]:
    """Return paths, with a file's in the place of `-` that holds what came from standard input.

    Args:
        paths: as they were typed.

    Raises:
        ImageError: if nothing came, or `-` stands there twice.
    """
    if "-" not in paths:
        return list(paths)
    if list(paths).count("-") > 1:
        raise ImageError("Standard input is one photo: give - once.")
    if sys.stdin is None or sys.stdin.isatty():
        raise ImageError("- reads a photo from standard input: cat photo.jpg | kviz … -")
    found = sys.stdin.buffer.read(_MOST + 1)
    if not found:
        raise ImageError("Nothing came from standard input, from which - reads a photo.")
    if len(found) > _MOST:
        raise ImageError("More than 2 GB came from standard input, from which - reads a photo.")
    # The context's end removes it, and where this process dies its parent does.
    folder = tempfile.TemporaryDirectory(prefix="kviz-", ignore_cleanup_errors=True)
    click.get_current_context().call_on_close(folder.cleanup)
    ending = next((_ENDINGS[mark] for mark in _ENDINGS if found.startswith(mark)), "")
    file = Path(folder.name) / f"stdin{ending}"
    file.write_bytes(found)
    return [str(file) if path == "-" else path for path in paths]
