"""What was typed: the command's words, kept for what is made by it and for options read early."""

from __future__ import annotations

from collections.abc import Sequence

import click


def keep_typed(ctx: click.Context, args: Sequence[str]) -> None:
    """Keep the words behind `kviz`."""
    # A file's name may be no Unicode; what is kept of the command is.
    words = [word.encode("utf-8", "backslashreplace").decode() for word in ("kviz", *args)]
    ctx.meta[__name__] = words


def words_typed(ctx: click.Context) -> list[str]:
    """Return the command's words, `kviz` the first."""
    words: list[str] = ctx.meta.get(__name__, [])
    return words
