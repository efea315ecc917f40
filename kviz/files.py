"""Writing whole files or none, and names on disk that no layer or class name can bend."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kviz._checks import sanitise
from kviz.errors import OutputError


def slug(name: str) -> str:
    """Return a file name's middle part for `name`: the name itself where it is plain.

    Anything but letters, digits, `-` and `_` becomes `-`, and a hash of the name follows, so that
    two names never share a slug.

    >>> slug("block1_conv1")
    'block1_conv1'
    >>> slug("../<b>")
    'b-9f46aef2'
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:48]
    # A plain name that ends as a hash does gets one too: it could be another name's slug.
    if plain and plain == name and not re.search(r"(^|-)[0-9a-f]{8}$", plain):
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}-{digest}" if plain else digest


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes; one that has not changed is not read again.

    >>> file_sha256("notebooks/images/cat.png")[:8]
    '596aa1e7'
    """
    status = Path(path).stat()
    return _file_sha256(str(Path(path).absolute()), status.st_mtime_ns, status.st_size)


@functools.lru_cache(4096)
def _file_sha256(path: str, _changed: int, _size: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plainly(error: OSError, path: Path) -> OutputError:
    reasons = {
        errno.ENOSPC: "the disk is full",
        errno.EFBIG: "the file would be larger than is allowed here",
        errno.EDQUOT: "the disk quota is used up",
        errno.EACCES: "permission denied",
        errno.EPERM: "permission denied",
        errno.EROFS: "the file system is read-only",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EEXIST: "a file of that name is in the way",
        errno.EISDIR: "a folder of that name is in the way",
        errno.ENAMETOOLONG: "the name is too long",
    }
    reason = reasons.get(error.errno or 0, error.strerror or type(error).__name__)
    return OutputError(
        f"Cannot write {sanitise(path, 120)}: {reason}. Nothing was left behind there."
    )


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; at the end move what is in it into `path`, whole.

    Where the body fails or is interrupted, nothing appears in `path`, and a folder that was not
    there before is not there after. Files of the same name are replaced, others are left.
    """
    target = Path(path)
    made: Path | None = None
    parts: Path | None = None
    done = False
    try:
        absent = [folder for folder in (target, *target.parents) if not folder.exists()]
        made = absent[-1] if absent else None
        target.mkdir(parents=True, exist_ok=True)
        # Inside the target, so that moving is a rename on one file system.
        parts = Path(tempfile.mkdtemp(prefix=f".kviz-{os.getpid()}-", dir=target))
        yield parts
        moves = [(file, target / file.relative_to(parts)) for file in sorted(parts.rglob("*"))]
        for file, place in moves:  # before any is moved, so that what fails here leaves nothing
            if place.exists() and place.is_dir() != file.is_dir():
                raise OSError(errno.EISDIR if place.is_dir() else errno.EEXIST, "in the way")
        for file, place in moves:
            if file.is_dir():
                place.mkdir(exist_ok=True)
            else:
                file.replace(place)
        done = True
    except OSError as error:
        raise _plainly(error, target) from error
    finally:
        if parts is not None:
            shutil.rmtree(parts, ignore_errors=True)
        if made is not None and not done:
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary name in the folder of `path`; at the end rename it to `path`.

    Where the body fails or is interrupted, `path` is as it was before.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        with tempfile.TemporaryDirectory(
            prefix=f".kviz-{os.getpid()}-", dir=target.parent
        ) as folder:
            part = Path(folder) / f"part{target.suffix}"
            yield part
            part.replace(target)
    except FileNotFoundError as error:
        raise OutputError(
            f"Cannot write {sanitise(target, 120)}: its folder does not exist. "
            f"Make {sanitise(target.parent, 80)} first."
        ) from error
    except OSError as error:
        raise _plainly(error, target) from error


def clear_after(process: int, path: str | Path) -> None:
    """Remove what a process that was killed has left while it wrote to `path`.

    Args:
        process: its number.
        path: the file or folder that it was told to write.
    """
    target = Path(path)
    for home in (target, target.parent):
        for parts in home.glob(f".kviz-{process}-*") if home.is_dir() else ():
            shutil.rmtree(parts, ignore_errors=True)
