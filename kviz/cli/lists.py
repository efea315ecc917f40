"""What there is to choose from: the methods and the metrics, as their files describe them."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from kviz._checks import sanitise
from kviz.cli.output import print_json
from kviz.shelf import METHODS

if TYPE_CHECKING:
    from kviz.cards import Card
    from kviz.shelf import Shelf

# Lines longer than this are not read with pleasure, however wide the window is.
_WIDEST = 100
_START = (
    "Start with grad_cam: it is fast, and works for nearly every convnet. Then compare it with "
    "integrated_gradients, which shows single pixels, and with occlusion, which needs no theory; "
    "where they agree you can trust them more. attribute --certify tests a map."
)


def say_list(shelf: Shelf, *, as_json: bool) -> None:
    """Print what is known of all methods or metrics, kind by kind; nothing of them is imported.

    Args:
        shelf: where they are.
        as_json: whether a script reads it.
    """
    cards = shelf.cards()
    if as_json:
        print_json({f"{shelf.word}s": [card.facts() for card in cards]})
        return
    width = page_width()
    if shelf is METHODS:
        click.echo(f"{wrapped(_START, width)}\n")
    longest = max(len(card.name) for card in cards)
    kinds = list(dict.fromkeys(card.kind for card in sorted(cards, key=lambda card: card.kind)))
    for kind in kinds:
        some = [card for card in cards if card.kind == kind]
        click.echo(f"{sanitise(kind or 'of other packages').capitalize()}\n")
        for card in some:
            click.echo("\n".join(_entry(card, longest, width)))
    click.echo(_legend(shelf.word, width))


def page_width() -> int:
    """Return how wide a page of text is: a terminal's width, within what is easily read."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDEST
    return max(40, min(columns, _WIDEST))


def wrapped(text: str, width: int, indent: str = "", first: str | None = None) -> str:
    """Return a paragraph of plain text; what a docstring marks as code stands as it is typed."""
    return textwrap.fill(
        sanitise(text.replace("`", ""), 4000),
        width,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _entry(card: Card, longest: int, width: int) -> Sequence[str]:
    whose = f" (of {card.package})" if card.package else ""
    lines = [f"  {sanitise(card.name):<{longest}}  {card.cost}{sanitise(whose)}"]
    told = {"": card.source, "Good for: ": card.when, "Not for: ": card.when_not}
    lines += [wrapped(word + text, width, " " * 6) for word, text in told.items() if text]
    return [*lines, ""]


def _legend(word: str, width: int) -> str:
    costs = "Costs are passes of the whole network for each image, by default options"
    more = (
        "; channels, windows and players are what the layer, the image or an option makes of them. "
        "Where no class is given, some methods take one pass more to predict it: --dry-run tells."
        if word == "method"
        else ". ‘10 × the method’: the method is run ten times more. Null maps are maps, too."
    )
    tells = " kviz help NAME tells more of one: its equation and its options."
    return wrapped(costs + more + tells, width)
