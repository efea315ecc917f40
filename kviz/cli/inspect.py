"""kviz inspect."""

from __future__ import annotations

import click

from kviz.cli import child
from kviz.cli import options as take
from kviz.cli.command import command
from kviz.cli.imports import imported
from kviz.cli.job import watch_memory
from kviz.cli.output import print_json
from kviz.cli.progress import bar, start_up_talk_kept_back


@command(
    short_help="Tell what a model's file holds, without loading it.",
    examples=(
        "kviz inspect model.h5",
        "kviz inspect model.keras --import my_layers",
    ),
)
@take.model_file
@take.trust
@take.imports
@take.as_json
def inspect(model: str, trust: bool, custom_objects: tuple[str, ...], as_json: bool) -> None:
    """Tell what MODEL holds, and why it would be refused, without loading it.

    Nothing of the file is built or run. Of a file that is no Keras model it says what it is, and how to
    get to one.
    """
    child.begin()
    with start_up_talk_kept_back() as screen, bar("Looking", screen):
        import kviz

        watch_memory(model, trust=trust)

        found = kviz.inspect(model, trust=trust, custom_objects=imported(custom_objects))
    if as_json:
        print_json({"files": [], **found.facts()})
    else:
        click.echo(repr(found))
