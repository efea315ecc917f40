"""kviz methods."""

from __future__ import annotations

from kviz.cli import options as take
from kviz.cli.command import command
from kviz.cli.lists import say_list
from kviz.shelf import METHODS


@command(
    short_help="List the attribution methods: cost, paper, when to use which.",
    examples=(
        "kviz methods",
        "kviz methods --json",
    ),
)
@take.as_json
def methods(as_json: bool) -> None:
    """List the attribution methods: kind, cost in passes, paper, when to use each and when not."""
    say_list(METHODS, as_json=as_json)
