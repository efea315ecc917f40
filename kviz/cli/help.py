"""kviz help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kviz._checks import sanitise, suggest
from kviz.cli import options as take
from kviz.cli.command import command
from kviz.cli.lists import page_width, wrapped
from kviz.cli.output import print_json
from kviz.shelf import METHODS, METRICS

if TYPE_CHECKING:
    from kviz.cards import Card


@command(
    short_help="Explain a method, a metric or a command.",
    examples=(
        "kviz help grad_cam",
        "kviz help deletion",
    ),
)
@click.argument("name", required=False, metavar="[NAME]")
@take.as_json
@click.pass_context
def help(ctx: click.Context, name: str | None, as_json: bool) -> None:  # noqa: A001 - its name
    """Explain a method or a metric: what it computes, its paper and options; or a command."""
    group = ctx.find_root().command
    assert isinstance(group, click.Group)  # noqa: S101 - it is how this command was found
    if name is None:
        click.echo(group.get_help(ctx.find_root()))
        return
    commands = group.list_commands(ctx)
    known = name.replace("-", "_")
    for shelf in (METHODS, METRICS):
        if known in shelf.names():
            card = shelf.card(known)
            if as_json:
                print_json(card.facts())
            else:
                click.echo(_page(card, shelf.word))
            return
    command = group.get_command(ctx, known.replace("_", "-"))
    if command is None:
        choices = [*commands, *METHODS.names(), *METRICS.names()]
        raise click.UsageError(
            f"There is no command, method or metric {sanitise(repr(name))}. {suggest(name, choices)}"
        )
    with click.Context(command, ctx.find_root(), known.replace("_", "-")) as inner:
        click.echo(command.get_help(inner))


def _page(card: Card, word: str) -> str:
    """Return what is known of a method or a metric as plain text."""
    width = page_width()
    kind = f"{card.kind} {word}" if word == "metric" else f"method, {card.kind}"
    parts = [wrapped(f"{card.title} ({card.name}): {kind}.", width)] if card.kind else [card.name]
    parts += [wrapped(text, width) for text in (card.summary, *card.body) if text]
    told = {
        "Good for": card.when,
        "Not for": card.when_not,
        "Equation": card.equation,
        "Paper": card.paper,
        "Cost": _cost(card),
        "From": card.package,
    }
    parts += [wrapped(text, width, "  ", f"{head}: ") for head, text in told.items() if text]
    given = "--set NAME=VALUE" if word == "method" else "arguments in Python"
    if card.options:
        parts.append("\n".join([f"Options, given as {given}:", *_options(card, width)]))
    example = (
        f"kviz attribute MODEL IMAGE --method {card.name}"
        if word == "method"
        else f"kviz evaluate MODEL IMAGE --method grad_cam --metric {card.name}"
    )
    parts.append(f"Example:\n  {example}")
    return "\n\n".join(parts)


def _cost(card: Card) -> str:
    """Return the passes by default, and how options change them."""
    if not card.forward:
        return ""
    formulas = {
        "forward": card.forward,
        "backward": card.backward,
        "forward for each map": card.per_map,
        "× the method": card.again,
    }
    varied = [f"{text} {word}" for word, text in formulas.items() if text and not text.isdigit()]
    by_options = f" ({', '.join(varied)})" if varied and card.cost != ", ".join(varied) else ""
    return f"{card.cost}{by_options}, in passes of the whole network for each image."


def _options(card: Card, width: int) -> list[str]:
    lines = []
    for name, option in card.options.items():
        lines.append(f"  {name}={option.default}" if option.default else f"  {name}, required")
        if option.help:
            lines.append(wrapped(option.help, width, " " * 6))
    return lines
