"""kviz predict."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.command import command, option
from kviz.cli.group import say_note
from kviz.cli.job import Job
from kviz.cli.output import print_json


@command(
    short_help="Name the most likely classes of photos.",
    examples=(
        "kviz predict model.keras cat.jpg dog.jpg",
        "cat photo.jpg | kviz predict model.keras - --top 3",
    ),
)
@take.model
@take.images
@option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name."
)
@take.repeated("--also", metavar="NAME|INDEX", help="A class to show besides.")
@take.output
def predict(also: list[str] | None, **options: Any) -> None:
    """Name the most likely classes of each IMAGE.

    Answers appear batch by batch, as photos are read.
    """
    job = Job(options)
    told: dict[str, Any] = {}
    for start, total, pixels, names in job.batches(options["batch_size"]):
        found = job.predicted(pixels, names, (start, total), also=also or (), **options)
        if job.as_json:
            _add(told, found.facts())
        else:
            click.echo("\n" * (start > 0) + found.text())
            for note in found.notes:
                say_note(note)
    if job.as_json:
        print_json({"files": [], **told})
    else:
        job.say_unnamed()


def _add(told: dict[str, Any], facts: dict[str, Any]) -> None:
    """Add what was found of more images."""
    if not told:
        told.update(facts)
        return
    told["images"] += facts["images"]
    told["made_by"]["images_sha256"] += facts["made_by"]["images_sha256"]
    told["notes"] += [note for note in facts["notes"] if note not in told["notes"]]
