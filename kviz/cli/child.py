"""The command `kviz` as two processes: a child does the work, and its parent watches it.

What a stranger's model or photo makes Keras and TensorFlow do can fill the memory, crash the process
or never end. The parent, which loads nothing, says in one sentence how the child died, ends it when it
takes too much or does not answer Ctrl-C, and removes what it has left. The child begins before all that
is heavy is imported, so that nothing is loaded twice; it has the terminal, folder and process group
of its parent. A limit of the address space would see less, and breaks CUDA.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from kviz._process import die_with
from kviz.cli.interrupts import SIGNALS, interrupts, say
from kviz.cli.watch import ANSWERED, FOLDER, MEMORY, NUMBER, OUTPUT, TOKEN, Child, Watch

# Where processes whose system libraries have begun can be forked.
FORKS = sys.platform == "linux"

_PIPE = "KVIZ_CHILD_PIPE"
# When the program began; a child that is forked has its parent's.
_IMPORTED = time.perf_counter()
_begun: float | None = None


def run() -> NoReturn:
    """Run the command line as a program of its own, as `kviz` and `python -m kviz` do."""
    global _begun
    _begun = _IMPORTED
    if inherited := os.environ.pop(_PIPE, None):
        pipe, parent = map(int, inherited.split(","))
        _work(_opened(pipe), parent)
    # A debugger looks at one process, and what TensorFlow has begun is not forked.
    if not (sys.gettrace() or sys.getprofile() or "tensorflow" in sys.modules):
        watch = None
        with suppress(OSError), _signals_wait():  # where no second process is to be had
            watch = Watch(*(_forked() if FORKS else _spawned()))
        if watch is not None:
            sys.exit(watch.exit_code())
    _command()
    sys.exit(0)


def begun() -> float:
    """Return when the program began, as `time.perf_counter` counts; now where it is no program."""
    return time.perf_counter() if _begun is None else _begun


def _command() -> None:
    from kviz.cli.group import main

    main(prog_name="kviz")


# --- the child ---

_pipe: int | None = None
_parent = 0


def _tell(kind: bytes, value: bytes = b"") -> None:
    if _pipe is not None:
        with suppress(OSError):  # the parent is gone
            os.write(_pipe, kind + value + b"\0")


def begin() -> None:
    """Say that a command begins its work: the child dies with its parent, which clears up after it."""
    if _pipe is None:
        return
    import tempfile

    die_with(_parent)
    tempfile.tempdir = tempfile.mkdtemp(prefix="kviz-")
    _tell(FOLDER, os.fsencode(tempfile.tempdir))


def begin_writing(path: str | os.PathLike[str]) -> None:
    """Say where a command writes, so that nothing half done is left there."""
    from kviz import files

    _tell(TOKEN, files.TOKEN.encode())
    _tell(OUTPUT, os.fsencode(os.path.abspath(path)))  # noqa: PTH100 - links stay


def begin_watch(most: int) -> None:
    """Say that this process may from now on take so many bytes more than it has."""
    _tell(MEMORY, b"%d" % most)


def _work(pipe: int, parent: int) -> NoReturn:
    """Run the command as the child, and end as it ends."""
    global _pipe, _parent
    _pipe, _parent = pipe, parent
    _tell(NUMBER, b"%d" % os.getpid())
    interrupts.install(lambda: _tell(ANSWERED))
    code: Any = 0
    try:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        _command()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:  # which came when all was done
        say("stopped.")
        code = interrupts.exit_code
    except BaseException:  # of --debug
        sys.excepthook(*sys.exc_info())
        code = 1
    interrupts.end()
    _end(code)


def _end(code: Any) -> NoReturn:
    """End as Python ends, but without taking TensorFlow apart, which takes a quarter of a second."""
    import atexit

    if isinstance(code, str):
        say(code)
    code = code if isinstance(code, int) else int(code is not None)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120  # as Python does
    os._exit(code)


# --- how the two begin ---


class _Forked:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let no signal come before there is somebody who takes it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _forked() -> tuple[Child, int]:
    # Who began this process may not want to know of its own children, which is inherited.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    parent = os.getpid()
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        _work(write, parent)
    os.close(write)
    return _Forked(pid), read


def _spawned() -> tuple[Child, int]:
    import subprocess

    read, write = os.pipe()
    pipe = write
    more: dict[str, Any] = {"pass_fds": (write,)}
    if sys.platform == "win32":
        import msvcrt

        pipe = msvcrt.get_osfhandle(write)
        os.set_handle_inheritable(pipe, True)
        more = {"close_fds": False}
    code = f"import sys; sys.path[:] = {sys.path!r}; from kviz.cli.child import run; run()"
    child = subprocess.Popen(  # noqa: S603 - kviz itself
        [sys.executable, "-P", "-c", code, *sys.argv[1:]],
        env={**os.environ, _PIPE: f"{pipe},{os.getpid()}"},
        **more,
    )
    os.close(write)
    return child, read


def _opened(pipe: int) -> int:
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.open_osfhandle(pipe, 0)
    os.set_inheritable(pipe, False)
    return pipe
