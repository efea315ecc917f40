"""Ctrl-C and its kin in a process of the command line's own: exceptions that do not get lost.

Python raises KeyboardInterrupt wherever it is, and there it can get lost: in a finalizer, in a `try` of
TensorFlow's that excepts everything, in a callback whose exceptions C++ turns into others. Here it is
raised again until it has come through. SIGTERM and SIGHUP do as Ctrl-C does, so that all clear up.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

# What Windows lacks is left out.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
# Seconds: two within the first are one, which the terminal sends and a parent passes on.
_SAME, _AGAIN = 0.5, 0.2


class Interrupts:
    """What has asked this process to stop.

    Attributes:
        asked: the signal that has not come through yet, or None.
        last: the newest signal, or None.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.last: int | None = None
        self._installed = self._begun = False
        self._at = 0.0
        self._tell: Callable[[], None] = lambda: None

    def install(self, tell: Callable[[], None]) -> None:
        """Take the signals that were not ignored before; `tell` is called at each."""
        self._tell = tell
        self._installed = True
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
                signal.signal(number, self._ask)
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._again)
        # What is lost, and what C++ code makes of it, is no user's business: it is raised again.
        lost, printed = sys.unraisablehook, sys.excepthook
        sys.unraisablehook = lambda what: None if self.asked else lost(what)
        sys.excepthook = lambda *what: None if self.asked else printed(*what)

    def begin(self) -> None:
        """Unwind what is interrupted from now on; before, there is nothing to clear up."""
        self._begun = True

    def end(self) -> None:
        """Ignore what comes from now on: all is done."""
        self.asked = None
        for number in SIGNALS if self._installed else ():
            signal.signal(number, signal.SIG_IGN)

    def taken(self) -> None:
        """Note that who was interrupted goes on with what there is; only Ctrl-C lets one do so."""
        if self.asked not in (None, signal.SIGINT):
            raise KeyboardInterrupt
        self.asked = None

    @property
    def exit_code(self) -> int:
        """What a shell says of a command that was stopped so."""
        return 128 + (self.last or signal.SIGINT)

    def _ask(self, number: int, _frame: Any) -> None:
        self._tell()
        now = time.monotonic()
        if number == self.last and now - self._at < _SAME:
            return
        self.asked = self.last = number
        self._at = now
        if not self._begun:
            say("stopped.")
            os._exit(self.exit_code)
        self._ring(_AGAIN)
        self._again()

    def _again(self, *_: Any) -> None:
        if self.asked is None:
            self._ring(0)
        elif not _unwinding():
            raise KeyboardInterrupt

    def _ring(self, seconds: float) -> None:
        """Call `_again` every so many seconds, 0 for no more."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds, seconds)


def say(message: str) -> None:
    """Write a line to the error stream, whoever listens."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"kviz: {message}\n")
        sys.stderr.flush()


def _unwinding() -> bool:
    """Return whether an interrupt is on its way through: what clears up is left to its end."""
    error = sys.exception()
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


interrupts = Interrupts()
