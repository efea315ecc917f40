"""Writing whole files or none, and names on disk that no layer or class name can bend."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import re
import secrets
import shutil
import stat
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from kviz._caller import spelled, warn
from kviz._checks import sanitise
from kviz.errors import OutputError
from kviz.marks import is_marked

# A folder in which one process makes files before they go to their places. Its number follows, and a
# word of its own: on a disk that several machines share, numbers are not theirs alone.
PREFIX = ".kviz-"
TOKEN = secrets.token_hex(4)
NEW, OLD = "new", "old"
# The end of a zip archive, and the longer one of large archives: the length of its list is in both.
_END, _END64 = struct.Struct("<4s8xI6x"), struct.Struct("<4s36xQ8x")


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


def from_here(path: str | Path) -> str:
    """Return a file's path from the current folder where it lies below it, its name alone where not.

    So nothing of where on this machine it is gets into what is sent.

    >>> from_here(Path("models/squeezenet.keras").absolute()), from_here("../cat.png")
    ('models/squeezenet.keras', 'cat.png')
    """
    here = Path.cwd()
    full = Path(os.path.normpath(here / path))
    return full.relative_to(here).as_posix() if is_below_here(path) else full.name


def is_below_here(path: str | Path) -> bool:
    """Return whether a file lies below the current folder, which is not the root.

    >>> is_below_here("models/squeezenet.keras"), is_below_here("../cat.png")
    (True, False)
    """
    here = Path.cwd()
    # Below the root is everything.
    return here != here.parent and Path(os.path.normpath(here / path)).is_relative_to(here)


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


def reason(error: OSError) -> str:
    """Return why a file cannot be written or read, in words that end a sentence.

    >>> reason(OSError(errno.ENOSPC, "No space left on device"))
    'the disk is full'
    """
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
    if getattr(error, "winerror", None) == 32:
        return "another program has it open"
    return reasons.get(error.errno or 0, error.strerror or type(error).__name__)


def _plainly(error: OSError, path: Path) -> OutputError:
    if isinstance(error, IsADirectoryError | FileExistsError) and error.filename:
        path = Path(os.fsdecode(error.filename))
    return OutputError(f"Cannot write {_said(path)}: {reason(error)}. Nothing there has changed.")


def _said(path: Path, length: int = 120) -> str:
    """Return a path as it is told: where a run's files go, not where they are made."""
    parts = list(path.parts)
    while hidden := next((at for at, part in enumerate(parts) if part.startswith(PREFIX)), None):
        del parts[hidden : hidden + 2]
    return sanitise(Path(*parts), length)


def directory_length(file: IO[bytes]) -> int:
    """Return how long a zip archive says that its list of members is, all of which zipfile reads.

    Args:
        file: the archive, which is left at any place.

    Returns:
        Bytes, 0 where there is no list that zipfile would find.
    """
    file.seek(max(0, file.seek(0, os.SEEK_END) - (1 << 16) - _END.size - 20 - _END64.size))
    tail = file.read()
    at = len(tail) - _END.size
    # At the very end, or else, as zipfile looks, before a comment.
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + _END.size:
        return 0
    length: int = _END.unpack_from(tail, at)[1]
    if tail[max(0, at - 20) : at].startswith(b"PK\6\7"):  # of an archive of gigabytes
        start = at - 20 - _END64.size
        if start < 0 or tail[start : start + 4] != b"PK\6\6":
            return 1 << 63  # it stands where only some readers look
        length = max(length, _END64.unpack_from(tail, start)[1])
    return length


class _Move(NamedTuple):
    """A file on its way: where it was made, where it goes, where what is there now is kept aside."""

    part: Path
    place: Path
    old: Path


@contextmanager
def _apart(folder: Path) -> Iterator[Path]:
    """Make a hidden folder in `folder`, and remove at the end what this process made in it.

    In `new/` files are made, in `old/` those that they replace wait until all are in place.
    """
    apart = folder / f"{PREFIX}{os.getpid()}-{TOKEN}-{secrets.token_hex(4)}"
    try:
        (apart / NEW).mkdir(0o700, parents=True)
        yield apart
    finally:
        _surely(lambda: _remove(apart))


def _remove(apart: Path) -> None:
    shutil.rmtree(apart / NEW, ignore_errors=True)
    # Old files that could not be put back stay: nobody has others of them.
    old = apart / OLD
    for folder in [*sorted(old.rglob("*"), reverse=True), old, apart]:
        with suppress(OSError):
            folder.rmdir()


def _surely(clear_up: Callable[[], None]) -> None:
    """Clear up to the end, and only then let Ctrl-C have its way."""
    interrupted: KeyboardInterrupt | None = None
    while True:
        try:
            clear_up()
            break
        except KeyboardInterrupt as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


def _check_places(moves: Sequence[_Move], force: bool) -> None:
    """Raise where a file cannot go to its place, before any is moved."""
    foreign = [move.place for move in moves if not _free(move.place) and not force]
    if foreign:
        more = f" (nor {len(foreign) - 1} others)" if len(foreign) > 1 else ""
        raise OutputError(
            f"kviz did not write {_said(foreign[0])}{more}, which is there already: "
            f"{spelled('force', 'True')} replaces it. Nothing there has changed."
        )


def _free(place: Path) -> bool:
    """Return whether a place is empty or holds a file that kviz wrote; raise where none can be."""
    try:
        mode = place.lstat().st_mode
    except FileNotFoundError:
        return True
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "in the way", str(place))
    if stat.S_ISLNK(mode):
        return False
    if not stat.S_ISREG(mode):
        raise OutputError(
            f"Cannot write {_said(place)}: a FIFO, a socket or a device is there, not a file."
        )
    return is_marked(place)


def _swap(moves: Sequence[_Move], target: Path, *, force: bool) -> None:
    """Move all files to their places, or none: what they replace is put back."""
    _check_places(moves, force)
    if not moves:
        return
    folders: list[Path] = []
    marks = {move.part: move.part.stat() for move in moves}
    *others, last = moves
    try:
        for move in moves:
            _make(move.place.parent, folders)
            # The last file replaces what is there in one step: behind it nothing can fail.
            if move is not last and os.path.lexists(move.place):
                move.old.parent.mkdir(parents=True, exist_ok=True)
                move.place.replace(move.old)
            move.part.replace(move.place)
    except BaseException as error:
        if last.part.exists():
            lost: list[Path] = []
            _surely(lambda: lost.extend(_undo(others, folders, marks)))
            if lost:
                said = f"{len(lost)} of the files there could not be put back. They are kept in "
                said = f"Cannot write {_said(target, 80)}: {said}{sanitise(lost[0].parent, 120)}."
                if isinstance(error, Exception):
                    raise OutputError(said) from error
                with suppress(Warning):  # where warnings are errors, Ctrl-C is still Ctrl-C
                    warn(said)
            raise
        _surely(lambda: _forget(moves))
        raise
    _surely(lambda: _forget(moves))


def _forget(moves: Sequence[_Move]) -> None:
    """Remove what was replaced."""
    for move in moves:
        with suppress(OSError):
            move.old.unlink(missing_ok=True)


def _undo(
    moves: Sequence[_Move], folders: Sequence[Path], marks: Mapping[Path, os.stat_result]
) -> list[Path]:
    """Take new files away and put old ones back; return those that could not be put back."""
    lost = []
    for move in reversed(moves):
        try:
            ours = os.path.lexists(move.place) and os.path.samestat(
                move.place.lstat(), marks[move.part]
            )
            if os.path.lexists(move.old):
                if os.path.lexists(move.place) and not ours:
                    raise OSError(errno.EEXIST, "in the way")  # another's, put there meanwhile
                move.old.replace(move.place)
            elif ours:
                move.place.unlink()
        except OSError:
            if os.path.lexists(move.old):
                lost.append(move.old)
    for folder in reversed(folders):
        with suppress(OSError):  # others' files are in it by now
            folder.rmdir()
    return lost


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder and those that it lies in, and add to `made` those that were not there."""
    if folder.is_dir():
        return
    _make(folder.parent, made)
    made.append(folder)
    try:
        folder.mkdir()
    except FileExistsError:
        made.remove(folder)
        if not folder.is_dir():
            raise
    except OSError:
        made.remove(folder)
        raise


@contextmanager
def whole_folder(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Give an empty folder; at the end move the files in it into `path`, all or none.

    Where the body fails or is interrupted, nothing in `path` has changed, and a folder that was not
    there before is not there after, unless others have put something into it. Files of the same name
    are replaced where kviz wrote them, others are left.

    Args:
        path: a folder, which need not be there.
        force: replace files that kviz did not write too; links are replaced, not followed.

    Raises:
        OutputError: if it cannot be written, or would replace a file that kviz did not write.
    """
    given = plain_path(path)
    target = _followed(given)
    try:
        home = next(each for each in (target, *target.parents) if os.path.lexists(each))
        if not home.is_dir():
            raise OSError(errno.EEXIST if home == target else errno.ENOTDIR, "in the way")
        with suppress(FileNotFoundError):
            target.lstat()  # raises where the name is too long
        with _apart(home) as apart:
            new = apart / NEW
            yield new
            moves = []
            for part in sorted(new.rglob("*")):
                inner = part.relative_to(new)
                if not part.is_dir():
                    moves.append(_Move(part, target / inner, apart / OLD / inner))
                elif os.path.lexists(target / inner) and not (target / inner).is_dir():
                    raise FileExistsError(errno.EEXIST, "in the way", str(target / inner))
            _swap(moves, given, force=force)
    except OSError as error:
        raise _plainly(error, given) from error


@contextmanager
def whole_files(*paths: str | Path, force: bool = False) -> Iterator[list[Path]]:
    """Give a temporary name for each path; at the end move all files to their paths, or none.

    Where the body fails or is interrupted, all is as it was before. A link is followed: the file that
    it names is written.

    Args:
        *paths: files, in folders that are there.
        force: replace files that kviz did not write too.

    Raises:
        OutputError: if they cannot be written, or one is there that kviz did not write.
    """
    given = [plain_path(path) for path in paths]
    now = given[0]
    try:
        with ExitStack() as stack:
            moves: list[_Move] = []
            homes: dict[Path, Path] = {}
            for now in given:
                place = _followed(now)
                _check_home(now, place.parent)
                moves_to = _Move(Path(), place, Path())
                _check_places([moves_to], force)  # before the work; and again behind it
                if place.parent not in homes:
                    homes[place.parent] = stack.enter_context(_apart(place.parent))
                apart, name = homes[place.parent], f"part{len(moves)}{place.suffix}"
                moves.append(_Move(apart / NEW / name, place, apart / OLD / place.name))
            yield [move.part for move in moves]
            _swap(moves, given[0], force=force)
    except OSError as error:
        raise _plainly(error, now) from error


@contextmanager
def whole_file(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary name for a file; at the end move it to `path`, as `whole_files` does."""
    with whole_files(path, force=force) as (part,):
        yield part


def plain_path(path: str | Path) -> Path:
    """Return a path that a file system can hold, or raise an OutputError.

    >>> plain_path("maps/conv1").name
    'conv1'
    """
    if "\0" in str(path):
        raise OutputError(f"A path holds no NUL. Received: {sanitise(path, 120)}")
    return Path(path)


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _check_home(path: Path, folder: Path) -> None:
    if folder.is_dir():
        return
    if any(each.exists() and not each.is_dir() for each in (folder, *folder.parents)):
        raise OSError(errno.ENOTDIR, "in the way")
    raise OutputError(
        f"Cannot write {_said(path)}: its folder does not exist. Make {_said(path.parent, 80)} first."
    )


class _Tried(Exception):  # noqa: N818 - nothing went wrong
    """Ends a trial."""


def try_to_write(*paths: str | Path, file: bool, force: bool = False) -> None:
    """Raise an OutputError now where files or a folder could not be written after the work."""
    with suppress(_Tried), ExitStack() as stack:
        for path in paths:
            stack.enter_context((whole_file if file else whole_folder)(path, force=force))
        raise _Tried


def clear_after(process: int, token: str, path: str | Path) -> None:
    """Remove what a process that was killed has left while it wrote to `path`.

    Old files that it had set aside are put back first.

    Args:
        process: its number.
        token: its `TOKEN`.
        path: the file or folder that it was told to write.
    """
    target = _followed(plain_path(path))
    for home in {target, target.parent, *target.parents}:
        for apart in home.glob(f"{PREFIX}{process}-{token}-*") if home.is_dir() else ():
            old = apart / OLD
            for file in sorted(old.rglob("*")):
                if not file.is_dir():
                    with suppress(OSError):
                        file.replace(home / file.relative_to(old))
            _remove(apart)
