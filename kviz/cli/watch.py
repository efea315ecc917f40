"""The parent of the process that works: it says how that died, and clears up after it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any, Protocol

from kviz import _process
from kviz.cli.interrupts import SIGNALS, say

# Seconds in which an interrupt has to be answered, after which it is sent again, and between two looks.
GRACE, AGAIN, TICK = 3.0, 0.5, 0.1
# What the child tells: a letter and a value, ended by a null character.
ANSWERED, MEMORY, TOKEN, OUTPUT, FOLDER, NUMBER = b"A", b"M", b"K", b"O", b"T", b"N"
_LESS = "Fewer images or layers, or a smaller --batch-size, take less"


class Child(Protocol):
    """What is needed of a `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """Return how it ended, a signal's number below zero, or None."""

    def kill(self) -> None:
        """End it at once."""


class Watch:
    """Looks after a child until it ends.

    Args:
        child: the process.
        pipe: what it tells is read here.
    """

    def __init__(self, child: Child, pipe: int) -> None:
        self._child = child
        self._pipe = pipe
        self._number = child.pid  # of the process that works: Windows puts one between
        self._most: int | None = None
        self._allowed = 0
        self._folder = self._output = self._token = ""
        self._asked: list[int] = []
        self._until: float | None = None
        self._again: float | None = None
        self._silent = threading.Event()
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        threading.Thread(target=self._listen, daemon=True).start()

    def exit_code(self) -> int:
        """Wait for the child, and return how the command ends."""
        why, pause = "", 0.001
        while (code := self._child.poll()) is None:
            if not why and (why := self._reason_to_end()):
                self._child.kill()
            self._ask_again()
            if not self._silent.wait(TICK):
                continue
            time.sleep(pause)  # it has closed its end of the pipe, and is about to end
            pause = min(2 * pause, TICK)
        self._clear_up(done=code == 0)
        # Windows counts crashes from above.
        if not why and 0 <= code < 1 << 31:
            return code
        return self._say_how_it_died(why, code)

    def _pass_on(self, number: int, _frame: Any) -> None:
        self._asked.append(number)
        if self._until is None:  # who asks again and again waits no longer
            self._until = time.monotonic() + GRACE
        self._again = 0.0

    def _ask_again(self) -> None:
        """Pass a signal on until it is answered: one that comes just before a wait can be missed."""
        now = time.monotonic()
        if self._again is not None and now >= self._again:
            self._again = now + AGAIN
            if sys.platform != "win32":  # where the terminal has told both
                os.kill(self._child.pid, self._asked[-1])

    def _listen(self) -> None:
        kept = b""
        while part := os.read(self._pipe, 1 << 16):
            *messages, kept = (kept + part).split(b"\0")
            for message in messages:
                self._hear(message[:1], message[1:])
        self._silent.set()

    def _hear(self, kind: bytes, value: bytes) -> None:
        if kind == ANSWERED:
            self._again = None
            # Clearing up, or writing what there is, may take longer; a second Ctrl-C ends that too.
            if self._asked == [signal.SIGINT]:
                self._until = None
        elif kind == MEMORY:
            self._allowed = int(value)
            self._most = (_process.in_use(self._number) or 0) + self._allowed
        elif kind == TOKEN:
            self._token = value.decode()
        elif kind == OUTPUT:
            self._output = os.fsdecode(value)
        elif kind == FOLDER:
            self._folder = os.fsdecode(value)
        elif kind == NUMBER:
            self._number = int(value)

    def _reason_to_end(self) -> str:
        if self._until is not None and time.monotonic() > self._until:
            return "silence"
        if self._most is not None and (_process.in_use(self._number) or 0) > self._most:
            return "memory"
        return ""

    def _clear_up(self, *, done: bool) -> None:
        """Remove what the child has left."""
        if self._folder:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)
        if self._output and not done:
            from kviz.files import clear_after

            clear_after(self._number, self._token, self._output)

    def _say_how_it_died(self, why: str, code: int) -> int:
        if sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.write("\r\x1b[2K\x1b[?25h")  # where a bar was, which hides the cursor
        if why == "silence":
            say("stopped.")
            return 128 + self._asked[-1]
        if why == "memory":
            say(
                f"stopped, since it took over {_process.in_words(self._allowed)} of memory beyond what "
                f"it began with, for a model that is not trusted. {_LESS}; --max-memory allows more."
            )
            return 1
        if name := _process.crash(code):
            say(
                f"TensorFlow, or a library below it, crashed ({name}): the model, or the size of what "
                "it makes, was too much for it. kviz --debug COMMAND … shows where."
            )
            return 1
        if code == -getattr(signal, "SIGKILL", 0):
            say(f"stopped by the system, most likely since its memory is used up. {_LESS}.")
            return 1
        # Whoever began this process is told as if there had been one only.
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        return 128 - code
