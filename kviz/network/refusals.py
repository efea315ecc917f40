"""How the look at a model's file ends: at the first refusal, or, for who only asks, with all of them.

Loading and `inspect` take one look. While `asked` is open nothing is loaded, so a refusal is written
down and the look goes on; anywhere else it is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from kviz.errors import ModelError

# So many are kept: a file can hold thousands of layers that are refused.
MOST_REASONS = 200


@dataclass
class Asked:
    """What a look has seen and refused so far.

    Attributes:
        facts: what it has seen, by name.
        reasons: what it refused, in order, each once.
        more: how many refusals beyond `MOST_REASONS` were not kept.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    more: int = 0

    def refuse(self, message: str) -> None:
        """Write a refusal down."""
        if message in self.reasons:
            return
        if len(self.reasons) < MOST_REASONS:
            self.reasons.append(message)
        else:
            self.more += 1


_asking: ContextVar[Asked | None] = ContextVar("_asking", default=None)


@contextmanager
def asked() -> Iterator[Asked]:
    """Let what is looked at within the body be told and not refused. It must load nothing."""
    found = Asked()
    token = _asking.set(found)
    try:
        yield found
    finally:
        _asking.reset(token)


def only_asked() -> bool:
    """Return whether what is looked at is told alone, and not loaded."""
    return _asking.get() is not None


def refuse(message: str) -> None:
    """Refuse a file, where the look could go on behind it.

    Raises:
        ModelError: unless somebody only asks.
    """
    error = ModelError(message)
    asking = _asking.get()
    if asking is None:
        raise error
    asking.refuse(str(error))


def saw(**facts: Any) -> None:
    """Tell who asks what was seen."""
    asking = _asking.get()
    if asking is not None:
        asking.facts.update(facts)
