"""Jobs: what readers ask, done one after another by the one thread that TensorFlow has.

The next is the newest of the reader who was served longest ago, so that nobody who asks without end
keeps the others waiting. Slow jobs come after all others, and between two steps of a slow one what has
been asked meanwhile is answered: in the same thread, within the call that tells how far the job is.
"""

from __future__ import annotations

import contextvars
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

# What a reader may have waiting, in jobs and in bytes that came with them, and all readers together.
WAITING = 64
WAITING_BYTES = 128_000_000
ALL_WAITING_BYTES = 512_000_000

Ended = Literal["dropped", "cancelled"]


class Cancelled(BaseException):
    """A job was cancelled: no error, and nothing that catches errors on its way may keep it."""


class Busy(Exception):  # noqa: N818 - it is no fault, but an answer
    """A reader asks for more than can wait."""


@dataclass(eq=False)
class Job:
    """Something to be done for a reader.

    Attributes:
        reader: who asks; any hashable.
        key: by which the reader can cancel it.
        work: does it, given the job, which it asks how to go on.
        end: told that it came to nothing, and why.
        slow: whether it comes after all that is not.
        stream: of jobs of one stream of one reader the latest counts; None for no stream.
        size: bytes that wait with it.
    """

    reader: Any
    key: Any
    work: Callable[[Job], None]
    end: Callable[[Ended], None]
    slow: bool = False
    stream: str | None = None
    size: int = 0
    cancelled: bool = False
    number: int = field(default=-1)
    _let_in: Callable[[], None] = field(default=lambda: None, repr=False)

    def go_on(self) -> None:
        """Go on, unless it was cancelled; of a slow job others are done in between.

        Raises:
            Cancelled: if it was.
        """
        if self.cancelled:
            raise Cancelled
        if self.slow:
            self._let_in()
        if self.cancelled:
            raise Cancelled


class Jobs:
    """A thread and what waits for it.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str = "kviz-tensorflow") -> None:
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._served: dict[Any, int] = {}
        self._count = itertools.count()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Let a job wait for its turn.

        Raises:
            Busy: if too much of the reader's, or of all, waits already.
        """
        dropped: list[Job] = []
        with self._changed:
            if job.stream is not None:
                dropped = [one for one in self._waiting if _replaces(job, one)]
            rest = [one for one in self._waiting if one not in dropped]
            own = [one for one in rest if one.reader == job.reader]
            if (
                self._closed
                or len(own) >= WAITING
                or job.size + sum(one.size for one in own) > WAITING_BYTES
                or job.size + sum(one.size for one in rest) > ALL_WAITING_BYTES
            ):
                raise Busy
            job.number = next(self._count)
            job._let_in = self._let_in
            self._waiting = [*rest, job]
            self._changed.notify()
        for one in dropped:
            one.end("dropped")

    def cancel(self, reader: Any, key: Any) -> bool:
        """Cancel a reader's job; return whether there was one."""
        return self._cancel(lambda job: job.reader == reader and job.key == key)

    def leave(self, reader: Any) -> None:
        """Cancel all jobs of a reader, who is gone."""
        self._cancel(lambda job: job.reader == reader)
        with self._changed:
            self._served.pop(reader, None)

    def close(self, timeout: float = 2.0) -> None:
        """Cancel everything and end the thread, or leave it to its end where it takes longer."""
        self._cancel(lambda _: True)
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)

    def _cancel(self, which: Callable[[Job], bool]) -> bool:
        with self._changed:
            ended = [job for job in self._waiting if which(job)]
            self._waiting = [job for job in self._waiting if job not in ended]
            running = [job for job in self._running if which(job)]
            for job in [*ended, *running]:
                job.cancelled = True
        for job in ended:
            job.end("cancelled")
        return bool(ended or running)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                job = self._taken(slow=True)
            if job is not None:
                self._do(job)

    def _let_in(self) -> None:
        """Do all that waits and is not slow."""
        while True:
            with self._changed:
                job = self._taken(slow=False)
            if job is None:
                return
            self._do(job)

    def _taken(self, *, slow: bool) -> Job | None:
        """Take the next job out of those that wait; slow ones only where there are no others."""
        quick = [job for job in self._waiting if not job.slow]
        among = quick or (self._waiting if slow else [])
        if not among:
            return None
        job = min(among, key=lambda one: (self._served.get(one.reader, -1), -one.number))
        self._waiting.remove(job)
        self._served[job.reader] = next(self._count)
        self._running.append(job)
        return job

    def _do(self, job: Job) -> None:
        try:
            # What one job has set in its context is no other's business, which may run within it.
            contextvars.Context().run(job.work, job)
        except Cancelled:
            job.end("cancelled")
        finally:
            with self._changed:
                self._running.remove(job)


def _replaces(new: Job, old: Job) -> bool:
    return old.reader == new.reader and old.stream == new.stream
