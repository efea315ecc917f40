"""What the error stream shows while work goes on: bars, and not TensorFlow's talk."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from kviz.errors import KvizError

if TYPE_CHECKING:
    from kviz._types import Progress


@contextmanager
def bar(what: str, screen: TextIO | None = None) -> Iterator[Progress]:
    """Show a bar on a terminal's error stream while the body runs; give what moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=screen or sys.stderr)
    if not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def whole_bar(
    planned: Mapping[str, float], screen: TextIO | None = None
) -> Iterator[Callable[[str, int, Any], None]]:
    """Show one bar for many parts on a terminal: the part, how much of all is done, and time left.

    Args:
        planned: the parts in the order in which they come, and what each takes beside the others; one
            that does not come is taken as done when a later one begins.
        screen: the stream, by default that of errors.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(file=screen or sys.stderr)
    if not console.is_terminal:
        yield lambda _part, _done, _total: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=1.0, left="")
        begun = time.perf_counter()

        def tell(part: str, done: int, total: int | None) -> None:
            share = share_done(planned, part, done, total)
            left = left_of(time.perf_counter() - begun, share)
            shown.update(task, description=part, completed=share, left=left)

        yield tell


def share_done(
    planned: Mapping[str, float], part: str, done: int, total: int | None
) -> float | None:
    """Return how much of all parts is done, 0 to 1; None where a part is not among them.

    Args:
        planned: as `whole_bar` takes it.
        part: the part at work.
        done: how much of it is done.
        total: of how much, None where that is not known.

    >>> share_done({"maps": 1, "dreams": 3}, "dreams", 1, 3)
    0.5
    """
    if part not in planned:
        return None
    names = list(planned)
    before = sum(planned[name] for name in names[: names.index(part)])
    return (before + planned[part] * done / (total or 1)) / sum(planned.values())


def left_of(seconds: float, share: float | None) -> str:
    """Return how long the rest will take in words, "" while too little is done to tell.

    >>> left_of(10, 0.5), left_of(60, 0.25), left_of(1, 0.01)
    ('about 10 s left', 'about 3 min left', '')
    """
    if share is None or share < 0.03:
        return ""
    left = seconds * (1 - share) / share
    return f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left"


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[Any], None]]:
    """Show a bar with shards, bad images, rate and time left on a terminal; give what moves it.

    Args:
        what: what is done.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[more]}", markup=False),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=None, more="")

        def tell(done: Any) -> None:
            bad = f" · {done.bad:,} bad" if done.bad else ""
            more = f"shard {done.shards:,} of {done.shard_count:,}{bad} · {done.rate:,.1f}/s"
            shown.update(task, completed=done.rows, total=done.total, more=more)

        yield tell


@contextmanager
def start_up_talk_kept_back() -> Iterator[TextIO]:
    """Keep back what TensorFlow's C++ code writes to the error stream while it starts.

    It does so before any setting of ours can reach it. Gives the error stream itself; where the
    body fails for a reason that is not the user's, what was kept back is shown. Warnings are shown
    at the end: they are no talk.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        yield sys.stderr
        return
    sys.stderr.flush()
    screen = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    with _warnings_at_the_end(), screen, tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield screen
        except KvizError:
            raise
        except BaseException:
            kept.seek(0)
            screen.write(kept.read().decode(errors="replace"))
            raise
        finally:
            screen.flush()
            os.dup2(screen.fileno(), 2)


@contextmanager
def _warnings_at_the_end() -> Iterator[None]:
    show, later = warnings.showwarning, list[tuple[Any, Any]]()
    warnings.showwarning = lambda *what, **how: later.append((what, how))
    try:
        yield
    finally:
        warnings.showwarning = show
        for what, how in later:
            show(*what, **how)
