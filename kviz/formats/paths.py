"""Which files are meant by a path, a folder, a glob, or several of them."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from kviz._checks import sanitise
from kviz.errors import ImageError

# Of photos, by which a folder is searched. Arrays are named one by one, since a folder's may be labels.
SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".j2k",
    ".dcm",
)  # fmt: skip

Paths = str | Path | Iterable[str | Path]


def image_paths(paths: Paths) -> list[Path]:
    """Return the image files that `paths` names, in order: a folder's and a glob's are sorted.

    Args:
        paths: a file, a folder, a glob such as `"photos/*.jpg"`, or several of them.

    Returns:
        At least one path. A file that was named is returned whatever its suffix.

    Raises:
        ImageError: if something named is not there, or holds no image.

    >>> [path.name for path in image_paths("notebooks/images/c*.png")]
    ['cat.png', 'coffee.png']
    """
    entries = [paths] if isinstance(paths, str | Path) or not isinstance(paths, Iterable) else paths
    found: list[Path] = []
    for entry in entries:
        if not isinstance(entry, str | Path):
            raise ImageError(
                "Expected a file, a folder, a glob or a list of them. "
                f"Received: {sanitise(type(entry).__name__)}"
            )
        if not str(entry):
            raise ImageError("Expected a file, a folder or a glob. Received an empty name.")
        try:
            found += _files(entry)
        except OSError as error:
            raise ImageError(f"{sanitise(entry, 120)} cannot be read: {error.strerror}.") from error
    if not found:
        raise ImageError("Expected at least one image. Received: an empty list.")
    return found


def _files(entry: str | Path) -> list[Path]:
    path = Path(entry)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not files:
            raise ImageError(
                f"The folder {sanitise(path, 120)} holds no image. "
                f"Expected files ending in {', '.join(SUFFIXES)}."
            )
        return files
    if path.exists():
        return [path]
    if not glob.has_magic(str(entry)):
        raise ImageError(f"There is no file {sanitise(path, 120)}.")
    # An absolute pattern too, which Path.glob does not take.
    matches = map(Path, glob.glob(str(entry), recursive=True))  # noqa: PTH207
    files = sorted(file for file in matches if not file.is_dir())
    if not files:
        raise ImageError(f"No file matches {sanitise(entry, 120)}.")
    return files
