"""kviz convert."""

from __future__ import annotations

import click

from kviz._checks import sanitise
from kviz.cli import child
from kviz.cli import options as take
from kviz.cli.command import command
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
@take.force
@take.as_json
def convert(
    source: str,
    path: str,
    trust: bool,
    custom_objects: tuple[str, ...],
    max_memory: str | None,
    max_layers: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write OLD as a file that plain Keras opens, and compare the outputs of both on noise.

    OLD is a model's file, or with --trust the folder of a SavedModel, which becomes one layer: a black
    box that needs its folder to stay.
    """
    child.begin()
    child.begin_writing(path)
    with start_up_talk_kept_back() as screen, bar("Converting", screen):
        import kviz

        watch_memory(source, trust=trust, most=max_memory)

        found = kviz.convert(
            source, path, trust=trust, custom_objects=imported(custom_objects),
            max_memory=max_memory, max_layers=max_layers, force=force,
        )  # fmt: skip
    if as_json:
        print_json({"files": [str(found.path)], **found.facts()})
        return
    click.echo(repr(found))
    for note in found.notes:
        say_note(note)
    click.echo(f"Wrote {sanitise(found.path, 200)}")
