"""The app's page: the report's own, alive: what it shows it asks for."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from kviz._checks import sanitise
from kviz.serve.session import Session

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page, and what it may do.

    Attributes:
        html: the page.
        policy: its content security policy, with what only a header can say.
    """

    html: str

    @property
    def policy(self) -> str:
        """What the page may do: run its own script and style, by hash, and talk to who served it."""
        hashes: dict[str, list[str]] = {"script": [], "style": []}
        for kind, text in _INLINE.findall(self.html):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            hashes[kind].append(f"'sha256-{digest}'")
        return "; ".join(
            [
                "default-src 'none'",
                *(f"{kind}-src {' '.join(some) or repr('none')}" for kind, some in hashes.items()),
                "img-src data: blob:",
                "media-src blob:",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        )


def index_page(session: Session) -> Page:
    """Return the page of a session.

    Args:
        session: the session.
    """
    name = sanitise(session.sides[0].network.name)
    return Page(f"<!doctype html><title>kviz</title><p>{len(name)}</p>")
