"""A reader: somebody who asks a session, and is told the answers as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kviz._caller import warning_never
from kviz._checks import sanitise
from kviz._types import Array
from kviz.engine.engine import pausing
from kviz.errors import OptionError
from kviz.serve.ask import Ask, ask_named
from kviz.serve.jobs import Busy, Job
from kviz.serve.message import Message

if TYPE_CHECKING:
    from kviz.serve.session import Session

Tell = Callable[[Message], None]


class Reader:
    """Somebody who asks a session: a page, or a widget.

    Args:
        session: the session.
        tell: takes each answer.
    """

    def __init__(self, session: Session, tell: Tell) -> None:
        self._session = session
        self._tell = tell

    def ask(self, head: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Take an ask; its answers are told as they come.

        Args:
            head: from anybody.
            arrays: what came with it.
        """
        options = dict(head)
        told = {key: options.pop(key, None) for key in ("id", "ask", "model")}
        told["model"] = told["model"] or 0
        try:
            self._take(told, options, arrays)
        except Exception as error:  # whatever somebody sends
            self._say(_named(told), self._session.failed(error))

    def _take(
        self, told: dict[str, Any], options: dict[str, Any], arrays: Mapping[str, Array]
    ) -> None:
        session = self._session
        if type(told["id"]) is not int or not 0 <= told["id"] < 2**53:
            raise OptionError("An ask has an id, a whole number from 0.")
        if told["ask"] == "cancel":
            self._say(told, {"ended": session.jobs.cancel(self, options.get("of"))})
            return
        place = told["model"]
        if type(place) is not int or not 0 <= place < len(session.sides):
            raise OptionError(
                f"model takes 0{' or 1' * (len(session.sides) > 1)}. Received: {sanitise(place)}"
            )
        ask = ask_named(told["ask"], options)
        if not arrays and (known := session.known(ask, place)) is not None:
            self._say(told, known.head, known.arrays)
            return
        stream = f"{told['ask']} {place}" if getattr(ask, "transient", False) else None
        job = Job(
            reader=self,
            key=told["id"],
            work=lambda job: self._answer(job, told, ask, arrays),
            end=lambda why: self._say(told, {why: True}),
            slow=ask.takes_long,
            stream=stream,
            size=sum(array.nbytes for array in arrays.values()),
        )
        try:
            session.jobs.submit(job)
        except Busy:
            busy = "Too much waits to be answered already. Ask again when some of it is."
            self._say(told, {"error": busy, "code": "busy"})

    def _answer(
        self, job: Job, told: dict[str, Any], ask: Ask, arrays: Mapping[str, Array]
    ) -> None:
        def tell(done: int, total: int, more: Mapping[str, Array]) -> None:
            job.go_on()
            self._say(told, {"progress": [done, total]}, more)

        try:
            with warning_never(), pausing(job.go_on):
                made = self._session.answer(ask, told["model"], arrays, tell)
            self._say(told, made.head, made.arrays)
        except Exception as error:
            self._say(told, self._session.failed(error))

    def leave(self) -> None:
        """Be gone: what was asked and not answered yet is cancelled."""
        self._session.jobs.leave(self)

    def _say(
        self,
        told: Mapping[str, Any],
        head: Mapping[str, Any],
        arrays: Mapping[str, Array] | None = None,
    ) -> None:
        self._tell(self._session.clean(Message({**head, **told}, dict(arrays or {}))))


def _named(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an answer names an ask by, whatever that was."""
    return {
        "id": told["id"] if type(told["id"]) is int else None,
        "ask": sanitise(told["ask"], 40),
        "model": told["model"] if type(told["model"]) is int else 0,
    }
