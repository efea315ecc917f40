"""kviz convert."""

from __future__ import annotations

from typing import Any

import click

from kviz._checks import sanitise
from kviz.cli import child
from kviz.cli import options as take
from kviz.cli.command import command
from kviz.cli.device import hide_others, use_device
from kviz.cli.group import say_note
from kviz.cli.imports import imported
from kviz.cli.job import watch_memory
from kviz.cli.output import print_json
from kviz.cli.progress import bar, start_up_talk_kept_back


@command(
    short_help="Write an old model as a .keras file.",
    examples=(
        "kviz convert old.h5 new.keras",
        "kviz convert saved_model/ new.keras --trust",
    ),
)
@click.argument("source", metavar="OLD")
@click.argument("path", metavar="NEW.keras")
@take.trust
@take.imports
@take.max_memory
@take.max_layers
@take.device
@take.force
@take.as_json
def convert(
    source: str, path: str, as_json: bool, device: str | None, trust: bool, **options: Any
) -> None:
    """Write OLD as a file that plain Keras opens, and compare the outputs of both on noise.

    OLD is a model's file, or with --trust the folder of a SavedModel, which becomes one layer: a black
    box that needs its folder to stay.
    """
    child.begin()
    child.begin_writing(path)
    hide_others(device)
    modules = options.pop("custom_objects")
    with start_up_talk_kept_back() as screen, bar("Converting", screen):
        import kviz

        use_device(device)
        watch_memory(source, trust=trust, most=options["max_memory"])

        found = kviz.convert(source, path, trust=trust, custom_objects=imported(modules), **options)
    if as_json:
        print_json({"files": [str(found.path)], **found.facts()})
        return
    click.echo(repr(found))
    for note in found.notes:
        say_note(note)
    click.echo(f"Wrote {sanitise(found.path, 200)}")
