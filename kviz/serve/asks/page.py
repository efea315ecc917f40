"""page: the app's page, for the reader who opens its address."""

from __future__ import annotations

from dataclasses import dataclass

from kviz.serve.ask import Ask, Turn
from kviz.serve.asks.hello import Hello
from kviz.serve.index import index_html
from kviz.serve.message import Message


@dataclass(frozen=True, kw_only=True)
class AskPage(Ask):
    """The page."""

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        hello = Hello().answer(turn)
        return Message({"html": index_html(turn.side, hello.head)}, lasting=hello.lasting)
