"""Who calls kviz: Python, or a command whose options are written otherwise and whose words are kept."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from kviz.errors import KvizWarning

_HERE = str(Path(__file__).parent)


def _as_in_python(option: str, value: str) -> str:
    return f"{option}={value}" if value else option


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Attributes:
        command: what was typed, None in Python.
        written: returns what stands for an option, given its name and, or "", its value in Python.
        interrupted: called where an interrupt is caught so as to go on with what there is; it raises
            KeyboardInterrupt where that is not wanted.
    """

    command: str | None = None
    written: Callable[[str, str], str] = _as_in_python
    interrupted: Callable[[], None] = lambda: None


_PYTHON = Caller()
_calling: ContextVar[Caller] = ContextVar("_calling", default=_PYTHON)


@contextmanager
def called_by(caller: Caller) -> Iterator[None]:
    """Let results and messages within the body know who calls.

    >>> with called_by(Caller("kviz fool", lambda option, value: f"--{option} {value}")):
    ...     command(), spelled("steps", "3")
    ('kviz fool', '--steps 3')
    """
    token = _calling.set(caller)
    try:
        yield
    finally:
        _calling.reset(token)


_said: ContextVar[set[str] | None] = ContextVar("_said", default=None)


@contextmanager
def warning_once() -> Iterator[None]:
    """Let each warning be told once within the body, where one verb calls another again and again."""
    token = _said.set(set())
    try:
        yield
    finally:
        _said.reset(token)


class _Everything(set[str]):
    def __contains__(self, _: object) -> bool:
        return True


@contextmanager
def warning_never() -> Iterator[None]:
    """Let no warning be told within the body: who calls takes them from the results' notes.

    Unlike `warnings.catch_warnings` it is of this context alone, and of no other thread.
    """
    token = _said.set(_Everything())
    try:
        yield
    finally:
        _said.reset(token)


def warn(message: str) -> None:
    """Warn the caller, at the line outside of kviz that called it."""
    if (said := _said.get()) is not None:
        if message in said:
            return
        said.add(message)
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_code.co_filename.startswith(_HERE):
        frame, level = frame.f_back, level + 1
    warnings.warn(KvizWarning(message), stacklevel=level)


def command() -> str | None:
    """Return the command that is running, None in Python."""
    return _calling.get().command


def take_interrupt() -> None:
    """Tell the caller that an interrupt was caught, so that the work goes on with what there is."""
    _calling.get().interrupted()


def spelled(option: str, value: str = "") -> str:
    """Return an option as the caller writes it.

    >>> spelled("steps"), spelled("trust", "True")
    ('steps', 'trust=True')
    """
    return _calling.get().written(option, value)
